"""The zoo as tables."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from messsim.zoo import Profile, load_gpus, load_models, load_sources

__all__ = ["profile_details", "profile_list"]


def profile_list(profiles: list[Profile]) -> RenderableType:
    """One line a profile."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    columns = ("profile", "step ms", "us/token", "KV tokens", "fit error %", "energy")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", no_wrap=True)
    for p in profiles:
        e = p.duration_error
        kv = p.memory.kv_capacity_tokens
        table.add_row(
            p.name,
            f"{1e3 * (p.duration.a0_s + (p.duration.ae_s if p.duration.experts else 0.0)):.2f}",
            f"{1e6 * p.duration.c1_s_per_token:.1f}",
            "-" if kv is None else f"{kv:,}",
            f"{e.decode:.0f} / {e.prefill:.0f} / {e.mixed:.0f}",
            f"measured, {p.energy.mape_percent:.1f} %" if p.energy.mape_percent is not None else "assumed",
        )
    hint = (
        "step: least time of an iteration; us/token: a new token above n*; fit error: decode / prefill / mixed "
        "iterations.\n`messsim profiles NAME` shows every figure with its source."
    )
    return Group(table, Text(f"\n{len(profiles)} profiles. {hint}", style="dim"))


def profile_details(profile: Profile) -> RenderableType:
    """Every figure of a profile, where it comes from, and whether it is assumed."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("figure", "value", "source"):
        table.add_column(column)
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
        f"energy: {profile.energy.note}" if profile.energy.note else "energy: measured",
        f"model: {model.source}; licence {model.licence}",
        f"GPU: {gpu.source}",
        *sources,
    ]
    return Group(Text(profile.name, style="bold"), table, Text("\n".join(lines), style="dim"), Text())


def _source(key: str) -> str:
    source = load_sources()[key]
    parts = [source.what, source.repository, source.path, source.commit, source.licence]
    return ", ".join(str(p) for p in parts if p)
