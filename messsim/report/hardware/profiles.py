"""The zoo as tables."""

from rich.console import Group, RenderableType

from messsim.zoo import Fp8Cache, Profile, gpu_seconds, load_gpus, load_models, load_sources

from ..base.screen import Text
from ..base.tables import Fitting

__all__ = ["profile_details", "profile_list"]

PROMPT = 2048  # tokens


def profile_list(profiles: list[Profile]) -> RenderableType:
    """One line a profile."""
    columns = ("profile", "step ms", "us/token", "KV tokens", "fit error %", "energy")
    table = Fitting(columns, spare=("fit error %", "us/token"))
    for p in profiles:
        e = p.duration_error
        table.add_row(
            p.name,
            f"{1e3 * gpu_seconds(p, 0, 0, 1, 0):.2f}",
            f"{1e6 * gpu_seconds(p, PROMPT, 0, 0, 0) / PROMPT:.1f}",
            f"{p.memory.kv_capacity_tokens:,}",
            f"{e.decode:.0f} / {e.prefill:.0f} / {e.mixed:.0f}",
            "measured" if p.energy.measured else "assumed",
        )
    hint = (
        f"step: one decoding sequence, on the GPU; us/token: a prompt of {PROMPT:,}, by token; fit error: decode / "
        "prefill / mixed iterations.\n`messsim profiles MODEL/GPU/tpN` shows every figure with its source."
    )
    count = "1 profile" if len(profiles) == 1 else f"{len(profiles):,} profiles"
    return Group(table, Text(f"\n{count}. {hint}", style="dim"))


def profile_details(profile: Profile) -> RenderableType:
    """Every figure of a profile, where it comes from, and whether it is assumed."""
    table = Fitting(("figure", "value", "source"), left=3)
    for block in (profile.duration, profile.host, profile.energy, profile.memory):
        for name in block.__slots__:
            value = getattr(block, name)
            if name in ("source", "assumed", "note", "measured", "mape_percent"):
                continue
            source = "assumed" if name in block.assumed else block.source
            if name == "knots":
                for tokens, seconds in value:
                    table.add_row(f"{tokens:,} new tokens, s", f"{seconds:.5g}", source)
            else:
                table.add_row(name, _figure(value), source)
    e = profile.duration_error
    gpu, model = load_gpus()[profile.gpu], load_models()[profile.model]
    used = dict.fromkeys(b.source for b in (profile.duration, profile.host, profile.energy, profile.memory))
    sources = [f"{key}: {s}" for key, s in ((k, _source(k)) for k in used)]
    lines = [
        f"fit error of the duration: decode {e.decode:.1f} %, prefill {e.prefill:.1f} %, mixed {e.mixed:.1f} %, "
        f"worst {e.worst:.1f} %",
        f"of iterations not fitted, worst where: {e.unseen_region}: {e.unseen_error:.1f} % in the mean, "
        f"bias {e.unseen_bias:+.1f} %",
        f'kv_cache_dtype = "fp8": {_fp8_cache(profile.fp8_cache)}',
        f"energy: {_energy(profile)}",
        f"model: {model.source}; licence {model.licence}",
        f"GPU: {gpu.source}",
        *sources,
    ]
    return Group(Text(profile.name, style="bold"), table, Text("\n".join(lines), style="dim"), Text())


def _figure(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}" if isinstance(value, float) else str(value)


def _fp8_cache(cache: Fp8Cache | None) -> str:
    if cache is None:
        return "no times: its kernels were not timed with one, or are too far from its form then"
    return (
        f"twice the cached tokens, which take {cache.decode:.2f} of their time, as prompts' attention does "
        f"{cache.prompts:.2f}; of iterations not fitted, worst where: {cache.unseen_region}: "
        f"{cache.unseen_error:.1f} % in the mean, bias {cache.unseen_bias:+.1f} %"
    )


def _energy(profile: Profile) -> str:
    energy = profile.energy
    error = "" if energy.mape_percent is None else f" (fit error {energy.mape_percent:.1f} %)"
    return (energy.note or "measured") + error


def _source(key: str) -> str:
    source = load_sources()[key]
    parts = [source.what.rstrip("."), source.repository, source.path, source.commit, source.licence]
    return ", ".join(str(p) for p in parts if p)
