"""A scenario to begin from: a commented TOML file for some models and one's own traffic, or a shipped example."""

from __future__ import annotations

import filecmp
import tomllib
from collections.abc import Sequence
from pathlib import Path

from messsim.errors import OutputError, ScenarioError
from messsim.files import read_bytes
from messsim.results.directory import write_file
from messsim.results.targets import check_replaceable
from messsim.scenario import parse
from messsim.scenario.overrides import format_value
from messsim.scenario.shipped import files_of, shipped, shipped_folder
from messsim.shapes.logs import ImportedTrace
from messsim.zoo import Profile, select_profiles
from messsim.zoo.profiles import load_models

from .toml import import_toml
from .traces import Trace, write_trace

__all__ = [
    "beginning",
    "check_place",
    "copy_example",
    "examples",
    "profiles_of",
    "traffic_of",
    "write_beginning",
]

GPU = "H100"  # where a model may run on several
USD_PER_GPU_HOUR = 2.5
WORST, BEST = 0.55, 0.75  # satisfaction of the smallest and the largest model, until the user says better
MOST = 1 << 20  # bytes of an example that are read for its question

HEAD = """\
# A scenario for messsim. Everything left out has a default:
# https://github.com/messsim/messsim/blob/main/docs/reference/scenario.md
#   messsim check FILE    load of each pool, whether the promise can be kept, what routing can save
#   messsim run FILE      simulate it
# Any key can be changed on the way: messsim run FILE --set sla.alpha=0.7
"""


def profiles_of(names: Sequence[str]) -> list[Profile]:
    """A built-in profile for each name, in rising order of active parameters.

    Parameters
    ----------
    names
        Models, or profiles such as ``Llama-3.1-70B/H100/tp4``; of a model the one in bf16 on the fewest H100s, if any.

    Raises
    ------
    ScenarioError
        If a name is given twice, or stands for several models.
    UnknownProfile
        If there is no such model.
    """
    picked = []
    for name in names:
        of_name = select_profiles(name)
        models = sorted({p.model for p in of_name})
        exact = [m for m in models if m.lower() == name.split("/")[0].lower()]
        if len(models) > 1 and not exact:
            raise ScenarioError(f"--models {name}: could be {', '.join(models)}; expected one of them")
        mine = [p for p in of_name if p.model == (exact or models)[0]]
        picked.append(min(mine, key=lambda p: (p.gpu != GPU, p.weights != "bf16", p.tp)))
    if twice := [p.model for k, p in enumerate(picked) if p.model in [q.model for q in picked[:k]]]:
        raise ScenarioError(f"--models: {twice[0]} is named twice")
    return sorted(picked, key=lambda p: load_models()[p.model].active_parameters)


def beginning(
    name: str, profiles: Sequence[Profile], *, alpha: float | None, rate_rps: float, traffic: str | None = None
) -> str:
    """The text of a scenario.

    Parameters
    ----------
    name
        For reports.
    profiles
        From `profiles_of`.
    alpha
        The promise; none: halfway between the two best models.
    rate_rps
        Of Poisson arrivals, requests per second, where there is no `traffic`.
    traffic
        The tables ``[arrivals]`` and ``[tokens]`` that an import printed.
    """
    steps = max(len(profiles) - 1, 1)
    satisfied = [round(WORST + (BEST - WORST) * k / steps, 3) for k in range(len(profiles))]
    promise = round(sum(satisfied[-2:]) / len(satisfied[-2:]), 3) if alpha is None else alpha
    prices = ", ".join(f"{gpu} = {USD_PER_GPU_HOUR}" for gpu in dict.fromkeys(p.gpu for p in profiles))
    parts = [
        HEAD,
        f"name = {format_value(name)}\nrequests = 20_000\nseed = 1\n",
        f"[sla]\nalpha = {promise:g} # the promise: at least this share of the answers satisfies\n",
        traffic or _made_up(rate_rps),
        "# Whether an answer satisfies is drawn from an ability for each model and a difficulty for each request.\n"
        "# With real outcomes of your models on your prompts: messsim import --outcomes\n"
        '[satisfaction]\nkind = "irt"\n',
        '[router]\npolicy = "mess+" # messsim compare FILE puts others beside it\n',
        f'[cost]\n# unit = "USD" # what the router minimises; energy without it\nusd_per_gpu_hour = {{ {prices} }}\n',
        "# Models in rising order of cost.",
    ]
    models = [_model(p, s) for p, s in zip(profiles, satisfied, strict=True)]
    return "\n".join([*parts, *models])


def _made_up(rate_rps: float) -> str:
    return f"""\
[arrivals] # of your own traffic: messsim init --from TRACE
kind = "poisson"
rate_rps = {rate_rps:g} # requests per second

[tokens]
prompt = {{ kind = "lognormal", mean = 600, cv = 1.0, max = 8192 }}
output = {{ kind = "lognormal", mean = 200, cv = 0.8, max = 2048 }}
"""


def _model(profile: Profile, satisfied: float) -> str:
    lines = [
        "[[models]]",
        f"name = {format_value(profile.model.lower())}",
        f"satisfaction = {satisfied:g} # a guess: put in the share of your prompts that it answers well",
        f"profile = {format_value(profile.model)}",
        f"gpu = {format_value(profile.gpu)}",
    ]
    lines += [f"tp = {profile.tp}"] * (profile.tp > 1)
    lines += [f"weights = {format_value(profile.weights)}"] * (profile.weights != "bf16")
    lines.append('engine = "vllm" # its schedule, limits, memory, host and front end; or "sglang", "tensorrt-llm"')
    return "\n".join([*lines, "replicas = 1", ""])


def traffic_of(imported: ImportedTrace, file: Path) -> str:
    """The tables of an imported trace, tenants left out: they need promises."""
    return import_toml({**imported, "tenants": []}, file) + "\n"


def write_beginning(file: Path, text: str, trace: tuple[Path, Trace] | None, *, overwrite: bool) -> list[Path]:
    """Writes a scenario that is one, and the trace beside it; returns what was written, the scenario first.

    Raises
    ------
    ScenarioError
        If it cannot be.
    OutputError
        If a file is there already and not to be overwritten.
    """
    parse(tomllib.loads(text), folder=file.parent)
    places = [file, *([trace[0]] if trace else [])]
    for place in places:
        check_place(place, overwrite)
    if trace is not None:
        trace[0].unlink(missing_ok=True)
        write_trace(trace[1], trace[0])
    write_file(file, text.encode())
    return places


def check_place(file: Path, overwrite: bool) -> None:
    """Raises an OutputError where a file is there already, unless it may be overwritten."""
    check_replaceable(file)
    if file.exists() and not overwrite:
        raise OutputError(f"{file}: exists already; expected another name, or --overwrite")


def examples() -> dict[str, str]:
    """The question of each shipped scenario, by name."""
    folder = shipped_folder()
    by_name = {}
    for file in sorted(folder.glob("*.toml")):
        comment = read_bytes(file, MOST).decode().split("\n\n")[0]
        question = " ".join(line.removeprefix("#").strip() for line in comment.splitlines())
        by_name[file.stem] = question.removeprefix("Question: ").split("?")[0] + "?"
    return by_name


def copy_example(name: str, file: Path | None, *, overwrite: bool) -> list[Path]:
    """Copies a shipped scenario and the files that it names; returns what was written, the scenario first.

    Parameters
    ----------
    file
        The scenario's new name; none: its own, in the current folder. Its data lie beside it.

    Raises
    ------
    OutputError
        If another file is there already and not to be overwritten.
    """
    source = shipped(name)
    target = file or Path(source.name)
    pairs = {target: source}
    pairs |= {target.parent / part: source.parent / part for part in files_of(source)[1:]}
    new = {new: old for new, old in pairs.items() if not (new.is_file() and filecmp.cmp(new, old, shallow=False))}
    for place in new:
        check_place(place, overwrite)
    for place, old in new.items():
        write_file(place, old.read_bytes())
    return list(pairs)
