"""What measurements do not say of themselves, and the profile that fills their gaps."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from messsim.errors import ScenarioError
from messsim.scenario.engines import GPU_MEMORY_GB, VERSIONS, Engine, defaults_of
from messsim.scenario.own import read_own_profile
from messsim.shapes.evidence import Facts, Whose
from messsim.zoo import load_models, select_profiles
from messsim.zoo.fitting import DURATION, ENERGY, NO_CAP_W

__all__ = [
    "IDLE",
    "MIXTURE",
    "NAMES",
    "WITHOUT_KNOTS",
    "Base",
    "Options",
    "check_engine",
    "engine_named",
    "engine_notes",
    "given_by",
    "mixture_of",
    "pair",
    "whose_of",
]

IDLE = "p_idle_w_per_gpu"
NAMES = [*DURATION, *ENERGY, IDLE]
MIXTURE = ("ae_s", "se")  # coefficients that only a mixture of experts has
# How benchmarks' names of an engine's API begin: sglang-oai, trtllm.
BACKENDS: dict[str, Engine] = {"vllm": "vllm", "sglang": "sglang", "trt": "tensorrt-llm", "tensorrt": "tensorrt-llm"}
# What a base with knots does not give: its knots stand for all of these, and cannot be mixed with them.
WITHOUT_KNOTS = ("a0_s", "c0_s_per_token", "c1_s_per_token", "nstar_tokens", *MIXTURE)


@dataclass(frozen=True)
class Options:
    """What the measurements do not say.

    Attributes
    ----------
    model, gpu, tp
        Whose they are, where the file has no such columns.
    experts, top_k
        Of a mixture of experts: experts a layer, and experts a token uses; 0 for a dense model.
    kv_capacity_tokens
        Cached tokens that a replica holds; none: no limit.
    given
        Coefficients that are not to be fitted, as ``NAME=VALUE``.
    base
        A profile, as MODEL/GPU/tpN or a file, from which whatever the measurements do not determine is taken: of one
        with knots the terms of attention and the energy.
    engine
        The serving engine that was measured: points are compared with its schedule, limits, front end and planning
        ahead, and the profile names it.
    """

    model: str | None = None
    gpu: str | None = None
    tp: int | None = None
    experts: int | None = None
    top_k: int | None = None
    kv_capacity_tokens: int | None = None
    given: list[str] = field(default_factory=list)
    base: str | None = None
    engine: Engine | None = None


@dataclass(frozen=True)
class Base:
    """Where whatever is not determined comes from."""

    figures: dict[str, float]
    mixture: tuple[int, int]
    kv_capacity_tokens: int | None

    @classmethod
    def of(cls, name: str | None) -> Base:
        """The profile of this name or file; without one, nothing."""
        if name is None:
            return cls({}, (0, 0), None)
        if name.endswith(".toml"):
            own = read_own_profile(Path(name))
            c = own.coefficients
            figures = {n: getattr(c, n) for n in NAMES if c.knots is None or n not in WITHOUT_KNOTS}
            figures["p_cap_w_per_gpu"] = c.p_cap_w_per_gpu or NO_CAP_W
            return cls(figures, (c.experts, c.top_k), own.kv_capacity_tokens)
        profiles = select_profiles(name)
        if len(profiles) != 1:
            names = ", ".join(p.name for p in profiles)
            raise ScenarioError(f"--base {name}: {len(profiles)} profiles; expected one of {names}")
        d, e = profiles[0].duration, profiles[0].energy
        figures = {n: getattr(d if n in DURATION else e, n) for n in NAMES if n not in WITHOUT_KNOTS}
        facts = load_models()[profiles[0].model]
        return cls(figures, (facts.experts, facts.top_k), profiles[0].memory.kv_capacity_tokens)


def pair(text: str, option: str) -> tuple[str, str]:
    """Both sides of ``NAME=VALUE``."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ScenarioError(f"{option} {text}: expected NAME=VALUE")
    return name.strip(), value.strip()


def engine_named(text: str | None) -> Engine | None:
    """The engine of this name."""
    engine = next((e for e in VERSIONS if e == text), None)
    if engine is None and text is not None:
        raise ScenarioError(f"--engine {text}: expected one of {', '.join(VERSIONS)}")
    return engine


def check_engine(engine: Engine | None, gpu: str | None) -> None:
    """Raises where the limits of an engine are not known on a GPU: no scenario could use the profile."""
    if engine is None:
        return
    try:
        defaults_of(engine, gpu or "")
    except ValueError:
        named = f", and that of {gpu} is not known" if gpu else ""
        raise ScenarioError(
            f"--engine {engine}: its limits go by the GPU's memory{named}; expected --gpu with one of "
            f"{', '.join(GPU_MEMORY_GB)}, or no --engine"
        ) from None


def engine_notes(engine: Engine | None, by_file: Facts, path: Path) -> list[str]:
    """A note where the file says that another engine was measured; its client alone may be called so."""
    backend = str(by_file.get("backend", "")).lower()
    other = next((e for start, e in BACKENDS.items() if backend.startswith(start)), None)
    if engine is None or other is None or other == engine:
        return []
    return [
        f"--engine {engine}: {path} has the backend {backend!r}; expected --engine {other}, "
        "unless only the benchmark's client is meant"
    ]


def mixture_of(options: Options, base: Base) -> tuple[int, int]:
    """Experts a layer, and experts a token uses; 0 for a dense model."""
    if options.experts is None and options.top_k is None:
        return base.mixture
    experts, top_k = options.experts or 0, options.top_k or 0
    if (experts or top_k) and not 0 < top_k < experts:
        raise ScenarioError(f"--experts {experts} and --top-k {top_k}: expected 0 < top-k < experts")
    return experts, top_k


def given_by(texts: list[str], *, dense: bool) -> dict[str, float]:
    """Coefficients that are not fitted; a dense model has no experts to read."""
    given = dict.fromkeys(MIXTURE, 0.0) if dense else {}
    for text in texts:
        name, value = pair(text, "--fix")
        if name not in NAMES:
            near = [n for n in NAMES if n.startswith(f"{name}_")] or get_close_matches(name, NAMES, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(NAMES)}"
            raise ScenarioError(f"--fix {text}: unknown coefficient {name!r}; {hint}")
        if dense and name in MIXTURE:
            raise ScenarioError(f"--fix {text}: a dense model has none; expected --experts and --top-k too")
        try:
            given[name] = float(value)
        except ValueError:
            given[name] = float("nan")
        if not 0 <= given[name] < float("inf"):
            raise ScenarioError(f"--fix {text}: expected a number, at least 0")
    return given


def whose_of(given_by_file: Facts, options: Options, path: Path) -> Whose:
    """Model, GPU and tp, by the file or the options."""
    model, gpu, tp = (_agreed(name, given_by_file, options, path) for name in ("model", "gpu", "tp"))
    try:
        count = int(1 if tp is None else tp)
    except ValueError:
        count = 0
    if count < 1:
        raise ScenarioError(f"column 'tp' has {given_by_file['tp']!r}; expected a whole number, at least 1", str(path))
    return {"model": None if model is None else str(model), "gpu": None if gpu is None else str(gpu), "tp": count}


def _agreed(name: str, given_by_file: Facts, options: Options, path: Path) -> Any:
    """What the file says, or else the option; both must say the same."""
    in_file, asked = given_by_file.get(name), getattr(options, name)
    if in_file is not None and asked is not None and str(in_file) != str(asked):
        raise ScenarioError(f"--{name} {asked}: expected {in_file}, which {path} is of")
    return in_file if in_file is not None else asked
