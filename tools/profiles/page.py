"""Write the tables of docs/profiles.md: which models have a profile on which GPUs, with which weights.

    python tools/profiles/page.py

What stands between ``<!-- table: NAME -->`` and ``<!-- end -->`` is replaced.
"""

import re
from pathlib import Path

from messsim.zoo import Profile, load_gpus, load_profiles

PAGE = Path(__file__).resolve().parents[2] / "docs" / "profiles.md"
_TABLE = re.compile(r"(<!-- table: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
KINDS = ("bf16", "fp8", "nvfp4", "mxfp4")
MOST = 5.0  # percent


def cells() -> str:
    """Return kinds of weights and numbers of GPUs by model and GPU, as Markdown."""
    gpus = list(load_gpus())
    lines = [f"| model | {' | '.join(gpus)} |", "|---" * (1 + len(gpus)) + "|"]
    for model in dict.fromkeys(p.model for p in load_profiles()):
        row = [_cell([p for p in load_profiles() if (p.model, p.gpu) == (model, gpu)]) for gpu in gpus]
        lines.append(f"| {model} | {' | '.join(row)} |")
    return "\n".join(lines)


def _cell(profiles: list[Profile]) -> str:
    parts = []
    for kind in KINDS:
        if degrees := [str(p.tp) for p in profiles if p.weights == kind]:
            parts.append(f"{kind} {', '.join(degrees)}")
    return "<br>".join(parts) or "-"


def errors() -> str:
    """Return how far the form is from what it was fitted to, by whose kernels, as Markdown."""
    lines = ["| kernels of | profiles | decode | prefill | mixed | worst iteration |", "|---" * 6 + "|"]
    for source in dict.fromkeys(p.duration.source for p in load_profiles()):
        some = [p.duration_error for p in load_profiles() if p.duration.source == source]
        means = [f"{sum(getattr(e, k) for e in some) / len(some):.1f} %" for k in ("decode", "prefill", "mixed")]
        worst = f"{max(e.worst for e in some):.0f} %"
        lines.append(f"| {source.removeprefix('aic-')} | {len(some):,} | {' | '.join(means)} | {worst} |")
    return "\n".join(lines)


def bounds() -> str:
    """Return how many profiles have a region with a mean error above 5 %, and the worst, by weights, as Markdown."""
    lines = ["| weights | profiles | beyond 5 % in a region | worst mean error of a region |", "|---" * 4 + "|"]
    for kind in KINDS:
        worst = {
            p.name: max(p.duration_error.decode, p.duration_error.prefill, p.duration_error.mixed) for p in _of(kind)
        }
        name = max(worst, key=lambda n: worst[n])
        beyond = sum(error > MOST for error in worst.values())
        lines.append(f"| {kind} | {len(worst):,} | {beyond} | {worst[name]:.0f} %, {name} |")
    return "\n".join(lines)


def _of(kind: str) -> list[Profile]:
    return [p for p in load_profiles() if p.weights == kind]


def spliced(page: str) -> str:
    """Return the page with its tables as they are now."""
    texts = {"cells": cells(), "errors": errors(), "bounds": bounds()}
    return _TABLE.sub(lambda m: f"{m[1]}\n{texts[m['name']]}\n\n{m[3]}", page)


if __name__ == "__main__":
    PAGE.write_text(spliced(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
