"""Models and GPUs as people name them: checkpoints of Hugging Face in any kind of weights, cards in full."""

import re
from collections.abc import Container, Iterable, Mapping

__all__ = ["gpu_named", "model_named", "weights_named"]

# Words of a checkpoint's name that do not change its shape: training, dates and versions, and kinds of weights.
_TRAINING = {"meta", "instruct", "it", "chat", "hf", "base", "thinking", "coder", "math", "pt", "17b", "16e", "128e"}
_TRAINING |= {"terminus"}
_WEIGHTS = {"fp8": "fp8", "nvfp4": "nvfp4", "fp4": "nvfp4", "mxfp4": "mxfp4", "bf16": "bf16"}
_HOW_WEIGHTS = {"dynamic", "block", "kv"}
# Models of another's shape under a name of their own, by what `_shape` makes of both (config.json of each).
_ALIKE = {
    "mistralsmall3.124b": "mistralsmall24b",
    "mistralsmall3.224b": "mistralsmall24b",
    "magistralsmall": "mistralsmall24b",
    "devstralsmall": "mistralsmall24b",
    "qwq32b": "qwen2.532b",
    "deepseekr1distillqwen1.5b": "qwen2.51.5b",
    "deepseekr1distillqwen7b": "qwen2.57b",
    "deepseekr1distillqwen14b": "qwen2.514b",
    "deepseekr1distillqwen32b": "qwen2.532b",
}
# Words beside a GPU's name that do not make it another one; PCIe and NVL cards, and other memory, do.
_OF_ANY_GPU = {"nvidia", "tesla", "sxm", "sxm4", "sxm5", "sxm6", "hbm2e", "hbm3", "hbm3e"}
_OF_ANY_GPU |= {"hopper", "blackwell", "server", "edition", "gpu"}
_VERSION = re.compile(r"\d{4}|v0\.\d")


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[-_ ]", name.lower().rsplit("/", 1)[-1]) if word]


def _shape(name: str) -> str:
    """The words that tell one shape from another, such as "llama3.18b"."""
    other = _TRAINING | _HOW_WEIGHTS | set(_WEIGHTS)
    shape = "".join(word for word in _words(name) if word not in other and not _VERSION.fullmatch(word))
    return _ALIKE.get(shape, shape)


def model_named(name: str, known: Iterable[str]) -> str | None:
    """Which of the known models a name means, such as "meta-llama/Llama-3.1-8B-Instruct"; or none."""
    names = list(known)
    exactly = next((each for each in names if each.lower() == name.lower()), None)
    return exactly or next((each for each in names if _shape(each) == _shape(name)), None)


def weights_named(name: str, known: Container[str] = ()) -> str | None:
    """The kind of weights that a checkpoint's name tells, such as "nvfp4" of "nvidia/Llama-3.3-70B-FP4"; or none.

    Qwen's own checkpoints in fp8, and those whose name says so, have scales by block: "fp8_block" where that is known.
    """
    words = _words(name)
    kind = next((_WEIGHTS[word] for word in words if word in _WEIGHTS), None)
    by_block = "block" in words or name.lower().startswith("qwen/")
    return "fp8_block" if kind == "fp8" and by_block and "fp8_block" in known else kind


def gpu_named(name: str, known: Mapping[str, str]) -> str | None:
    """Which of the known GPUs (full names by short ones) a name means, such as "NVIDIA H100 80GB HBM3"; or none."""
    words = re.findall(r"[a-z0-9]+", name.lower())
    for short, full in known.items():
        beside = _OF_ANY_GPU | set(re.findall(r"\d+gb(?!\w)", full.lower()))
        if "".join(word for word in words if word not in beside) == re.sub(r"\W", "", short.lower()):
            return short
    return None
