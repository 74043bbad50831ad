"""What help says of a command beside its options: its group, an example, a page; and what a wrong option meant."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

__all__ = ["HELP", "Help", "meant", "meant_command"]

SITE = "https://github.com/messsim/messsim/blob/main/docs/"
STUDY, DATA, TRUST = "Study a cluster and its router", "Data and profiles", "Trust: is the simulator right?"


@dataclass(frozen=True)
class Help:
    """Group of a command, a command line that shows it, and the page that explains it."""

    group: str
    example: str
    page: str

    @property
    def epilog(self) -> str:
        """For Typer."""
        return f"Example: {self.example}\n\nMore: {SITE}{self.page}"


HELP = {
    "init": Help(STUDY, "messsim init --models Llama-3.1-8B,Llama-3.1-70B --alpha 60%", "tutorial.md"),
    "run": Help(STUDY, "messsim run scenario.toml --requests 50k --require 'ttft.p95<2s' --out first", "tutorial.md"),
    "check": Help(STUDY, "messsim check scenario.toml", "tutorial.md"),
    "explain": Help(STUDY, "messsim explain first --request 10000", "tutorial.md"),
    "show": Help(STUDY, "messsim show first", "files.md"),
    "replicate": Help(STUDY, "messsim replicate scenario.toml --precision 1%", "intervals.md"),
    "compare": Help(STUDY, "messsim compare scenario.toml --policies mess+,largest,random", "rivals.md"),
    "challenge": Help(STUDY, "messsim challenge my_router.py --quick", "challenge.md"),
    "converge": Help(STUDY, "messsim converge scenario.toml --seeds 40", "how-to/convergence.md"),
    "sweep": Help(STUDY, "messsim sweep scenario.toml --grid router.V=1e-5..1e-3:5", "how-to/sweep.md"),
    "plan": Help(
        STUDY,
        "messsim plan scenario.toml --replicas large=1..4 --require 'ttft.p95<2s'",
        "how-to/capacity-plan.md",
    ),
    "report": Help(STUDY, "messsim report first", "how-to/report.md"),
    "plot": Help(STUDY, "messsim plot first latency --out latency.svg", "how-to/report.md"),
    "replay": Help(DATA, "messsim replay decisions.csv --alpha 60%", "how-to/gateway.md"),
    "import": Help(DATA, "messsim import log.csv --time created_ms --out trace.csv", "how-to/own-trace.md"),
    "profiles": Help(DATA, "messsim profiles llama --gpu H100", "profiles.md"),
    "schema": Help(DATA, "messsim schema", "reference/scenario.md"),
    "calibrate": Help(DATA, "messsim calibrate measured.csv --out mine.toml", "how-to/own-gpu.md"),
    "validate": Help(TRUST, "messsim validate DATA_DIR", "accuracy.md"),
    "verify": Help(TRUST, "messsim verify --size 0.1", "verification.md"),
    "reproduce": Help(TRUST, "messsim reproduce paper --seeds 5", "paper.md"),
}

# Options that other tools have, and what they are called here; those that a command does not have are left out.
MEANT = {
    "--total-tokens": "--prompt-tokens",
    "--input-tokens": "--prompt-tokens",
    "--completion-tokens": "--output-tokens",
    "--timestamp": "--time",
    "--timezone": "--time-zone",
    "--format": "--time-format",
    "--replications": "--seeds",
    "--repeats": "--seeds",
    "--num-requests": "--requests",
    "--num-prompts": "--requests",
    "--random-seed": "--seed",
    "--output": "--out",
    "--output-dir": "--out",
    "--jobs": "--workers",
    "--param": "--set",
    "--slo": "--require",
    "--figure": "--show",
    "-n": "--requests",
    "-o": "--out",
    "-s": "--seed",
    "-h": "--help",
    "-v": "--version",
}
# Options that no command has, and what does what they say: an option where a command has it, or another command.
INSTEAD = {
    "--seeds": "messsim replicate SCENARIO --seeds COUNT",
    "--dry-run": "messsim check SCENARIO",
    "--gpus": "--set models.NAME.replicas=COUNT",
    "--gpu": "--set models.NAME.gpu=NAME",
    "--router": "--set router.policy=NAME",
    "--csv": "--json, or --out DIR",
    "-v": "messsim --version",
    "-V": "messsim --version",
    "--verbose": "--json, which prints every figure",
}
# Commands that other tools have, and what they are here.
COMMANDS = {
    "help": "messsim --help, or messsim COMMAND --help",
    "version": "messsim --version",
    "list": "messsim profiles, or messsim init --examples",
    "examples": "messsim init --examples",
    **dict.fromkeys(("models", "model", "gpus", "hardware", "zoo"), "messsim profiles"),
    **dict.fromkeys(("simulate", "sim", "start", "serve", "execute"), "messsim run SCENARIO"),
    **dict.fromkeys(("new", "create", "example"), "messsim init"),
    **dict.fromkeys(("convert", "trace", "load"), "messsim import FILE --out TRACE"),
    **dict.fromkeys(("optimize", "optimise", "size", "capacity"), "messsim plan SCENARIO"),
    **dict.fromkeys(("test", "bench", "benchmark"), "messsim verify, or messsim challenge ROUTER"),
    **dict.fromkeys(("evaluate", "eval", "policies", "routers"), "messsim compare SCENARIO"),
}


def meant_command(name: str, known: Collection[str]) -> str | None:
    """What was meant by a command that there is not: one of `known` in other letters, another word, or a scenario."""
    if name.lower() in known:
        return f"messsim {name.lower()}"
    if name.endswith(".toml"):
        return f"messsim run {name}"
    return COMMANDS.get(name.lower())


def meant(option: str, command: Any) -> str | None:
    """What was meant by an option that a command does not have: another one, or a key of the scenario.

    Parameters
    ----------
    option
        Such as ``--alpha``.
    command
        Click's, whose options are looked at.
    """
    has = {name for param in command.params for name in param.opts} | {"--help"}
    of_scenario = "scenario" in {param.name for param in command.params}
    name = option.split("=")[0].replace("_", "-")
    if MEANT.get(name) in has:
        return MEANT[name]
    if name in has:
        return name
    if instead := _instead(name, has, of_scenario=of_scenario):
        return instead
    if number := next(
        (p for p in (f"{name.removesuffix('y')}ies", f"{name}s", name.removesuffix("s")) if p in has), None
    ):
        return number
    from messsim.workload.meaning import by_meaning

    if alike := by_meaning(name.removeprefix("--"), (option.removeprefix("--") for option in has)):
        return f"--{alike}"
    if "--set" not in has or not of_scenario:
        return None
    from messsim.scenario import Scenario
    from messsim.scenario.problems import MEANT_KEYS, paths_to

    key = name.removeprefix("--").replace("-", "_")
    if MEANT_KEYS.get(key, "").partition(".")[0] in Scenario.model_fields:
        return f"--set {MEANT_KEYS[key]}=VALUE"
    paths = paths_to(key, Scenario) or [path for k in (key.upper(),) if len(key) == 1 for path in paths_to(k, Scenario)]
    if not paths and key in Scenario.model_fields:
        paths = [key]
    return f"--set {paths[0]}=VALUE" if len(paths) == 1 else None


def _instead(name: str, has: Collection[str], *, of_scenario: bool) -> str | None:
    """What does what an option says, if the command has the first of it, or takes a scenario where that does."""
    ways = INSTEAD.get(name, "").split(", or ")
    if not of_scenario and any(way.startswith("--set ") or "SCENARIO" in way for way in ways):
        return None
    there = [way for way in ways if not way.startswith("--") or re.split(r"[ ,]", way)[0] in has]
    return (", or ".join(there) or None) if there[:1] == ways[:1] else None
