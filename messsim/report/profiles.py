"""The zoo as tables."""

from rich.console import Group, RenderableType

from messsim.zoo import Profile, load_gpus, load_models, load_sources

from .screen import Text
from .tables import Fitting

__all__ = ["profile_details", "profile_list"]


def profile_list(profiles: list[Profile]) -> RenderableType:
    """One line a profile."""
    columns = ("profile", "step ms", "us/token", "KV tokens", "fit error %", "energy")
    table = Fitting(columns, spare=("fit error %", "us/token"))
    for p in profiles:
        e = p.duration_error
        kv = p.memory.kv_capacity_tokens
        table.add_row(
            p.name,
            f"{1e3 * (p.duration.a0_s + (p.duration.ae_s if p.duration.experts else 0.0)):.2f}",
            f"{1e6 * p.duration.c1_s_per_token:.1f}",
            "-" if kv is None else f"{kv:,}",
            f"{e.decode:.0f} / {e.prefill:.0f} / {e.mixed:.0f}",
            "measured" if p.energy.measured else "assumed",
        )
    hint = (
        "step: least time of an iteration; us/token: a new token above n*; fit error: decode / prefill / mixed "
        "iterations.\n`messsim profiles NAME` shows every figure with its source."
    )
    return Group(table, Text(f"\n{len(profiles)} profiles. {hint}", style="dim"))


def profile_details(profile: Profile) -> RenderableType:
    """Every figure of a profile, where it comes from, and whether it is assumed."""
    table = Fitting(("figure", "value", "source"), left=3)
    for block in (profile.duration, profile.energy, profile.memory):
        for name in block.__slots__:
            value = getattr(block, name)
            if name in ("source", "assumed", "note", "measured", "mape_percent"):
                continue
            shown = "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
            table.add_row(name, shown, "assumed" if name in block.assumed else block.source)
    e = profile.duration_error
    gpu, model = load_gpus()[profile.gpu], load_models()[profile.model]
    used = dict.fromkeys(b.source for b in (profile.duration, profile.energy, profile.memory))
    sources = [f"{key}: {s}" for key, s in ((k, _source(k)) for k in used)]
    lines = [
        f"fit error of the duration: decode {e.decode:.1f} %, prefill {e.prefill:.1f} %, mixed {e.mixed:.1f} %",
        f"energy: {_energy(profile)}",
        f"model: {model.source}; licence {model.licence}",
        f"GPU: {gpu.source}",
        *sources,
    ]
    return Group(Text(profile.name, style="bold"), table, Text("\n".join(lines), style="dim"), Text())


def _energy(profile: Profile) -> str:
    energy = profile.energy
    error = "" if energy.mape_percent is None else f" (fit error {energy.mape_percent:.1f} %)"
    return (energy.note or "measured") + error


def _source(key: str) -> str:
    source = load_sources()[key]
    parts = [source.what.rstrip("."), source.repository, source.path, source.commit, source.licence]
    return ", ".join(str(p) for p in parts if p)
