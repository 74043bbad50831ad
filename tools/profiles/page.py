"""Write the tables of docs/profiles.md: which models have a profile on which GPUs, with which weights.

    python tools/profiles/page.py

What stands between ``<!-- table: NAME -->`` and ``<!-- end -->`` is replaced.
"""

import re
from pathlib import Path
from statistics import median

from messsim.zoo import Profile, load_gpus, load_profiles

PAGE = Path(__file__).resolve().parents[2] / "docs" / "profiles.md"
_TABLE = re.compile(r"(<!-- table: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
KINDS = ("bf16", "fp8", "fp8_block", "nvfp4", "mxfp4")
MOST, MOST_BIAS = 5.0, 4.0  # percent: the goals of a region


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
    """Return how many profiles have a region beyond the goals, and the farthest off, by weights, as Markdown."""
    lines = ["| weights | profiles | beyond the goals somewhere | farthest off | there |", "|---" * 5 + "|"]
    for kind in KINDS:
        profiles = _of(kind)
        beyond = [p for p in profiles if _share(p) > 1.0]
        p = max(profiles, key=_share)
        e = p.duration_error
        there = f"{e.unseen_region}: {e.unseen_error:.1f} %, bias {e.unseen_bias:+.1f} %"
        lines.append(f"| {kind} | {len(profiles):,} | {len(beyond)} | {p.name} | {there} |")
    return "\n".join(lines)


def caches() -> str:
    """Return what attention takes with a cache in fp8, by GPU and whose kernels, as Markdown."""
    lines = ["| GPU, kernels of | profiles | cached tokens of decoding | attention of prompts | beyond the goals |"]
    lines.append("|---" * 5 + "|")
    for gpu in load_gpus():
        for source in dict.fromkeys(p.duration.source for p in load_profiles()):
            some = [p.fp8_cache for p in load_profiles() if (p.gpu, p.duration.source) == (gpu, source) and p.fp8_cache]
            if some:
                ranges = [_range([getattr(c, name) for c in some]) for name in ("decode", "prompts")]
                beyond = sum(c.unseen_error > MOST or abs(c.unseen_bias) > MOST_BIAS for c in some)
                lines.append(
                    f"| {gpu}, {source.removeprefix('aic-')} | {len(some)} | {' | '.join(ranges)} | {beyond} |"
                )
    return "\n".join(lines)


def _range(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _share(profile: Profile) -> float:
    """Mean error or bias of its worst region over the goals."""
    e = profile.duration_error
    return max(e.unseen_error / MOST, abs(e.unseen_bias) / MOST_BIAS)


def _of(kind: str) -> list[Profile]:
    return [p for p in load_profiles() if p.weights == kind]


def spliced(page: str) -> str:
    """Return the page with its tables as they are now."""
    texts = {"cells": cells(), "errors": errors(), "bounds": bounds(), "caches": caches()}
    return _TABLE.sub(lambda m: f"{m[1]}\n{texts[m['name']]}\n\n{m[3]}", page)


if __name__ == "__main__":
    PAGE.write_text(spliced(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
