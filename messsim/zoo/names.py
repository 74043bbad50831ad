"""Models as people name them: checkpoints of Hugging Face, in any kind of weights."""

import re
from collections.abc import Iterable

__all__ = ["model_named", "weights_named"]

# Words of a checkpoint's name that do not change its shape: training, dates and versions, and kinds of weights.
_TRAINING = {"meta", "instruct", "it", "chat", "hf", "base", "thinking", "coder", "math", "pt", "17b", "16e", "128e"}
_WEIGHTS = {"fp8": "fp8", "nvfp4": "nvfp4", "fp4": "nvfp4", "mxfp4": "mxfp4", "bf16": "bf16"}
_HOW_WEIGHTS = {"dynamic", "block"}
_VERSION = re.compile(r"\d{4}|v0\.\d")


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[-_ ]", name.lower().rsplit("/", 1)[-1]) if word]


def _shape(name: str) -> str:
    """The words that tell one shape from another, such as "llama3.18b"."""
    other = _TRAINING | _HOW_WEIGHTS | set(_WEIGHTS)
    return "".join(word for word in _words(name) if word not in other and not _VERSION.fullmatch(word))


def model_named(name: str, known: Iterable[str]) -> str | None:
    """Which of the known models a name means, such as "meta-llama/Llama-3.1-8B-Instruct"; or none."""
    names = list(known)
    exactly = next((each for each in names if each.lower() == name.lower()), None)
    return exactly or next((each for each in names if _shape(each) == _shape(name)), None)


def weights_named(name: str) -> str | None:
    """The kind of weights that a checkpoint's name tells, such as "fp8" of "Qwen/Qwen3-32B-FP8"; or none."""
    return next((_WEIGHTS[word] for word in _words(name) if word in _WEIGHTS), None)
