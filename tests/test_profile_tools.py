"""The tools that make the built-in profiles, on kernels that can be worked out by hand."""

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

TOOLS = Path(__file__).parents[1] / "tools" / "profiles"


@pytest.fixture(autouse=True)
def tools(monkeypatch):
    pytest.importorskip("scipy")
    monkeypatch.syspath_prepend(TOOLS)


class Kernels:
    """Milliseconds: products 5, and from `jump` tokens on 50; a prompt's attention by new token; decoding by cached."""

    def __init__(self, by_token: float = 0.0, jump: int = 10_000) -> None:
        self.by_token = by_token
        self.jump = jump

    def tokens(self, n: int, outputs: int) -> float:
        return 5.0 if n < self.jump else 50.0

    def prompt(self, p: int, prior: int) -> float:
        return self.by_token * p

    def decoding(self, batch: int, context: int) -> float:
        return 1e-5 * batch * context


def test_attention_that_goes_by_new_token_stands_in_the_knots_where_the_terms_leave_it_far_off():
    import fitting

    rows = np.array(fitting.grid(50_000))
    plain = fitting.Fit(Kernels(1e-2), rows, fitting.composed_ms(Kernels(1e-2), rows), {})
    assert fitting._solution(plain, plain.solved(regional=False))["fit"]["share"] > 1.0
    solution = fitting.fitted(Kernels(1e-2), 50_000, None)
    assert max(e["mape"] for e in solution["errors"].values()) < 3.5
    assert fitting.judged(Kernels(1e-2), 50_000, None, solution)["share"] < 1.0
    knots = dict(zip(solution.get("knots", fitting.KNOTS), solution["knots_s"], strict=True))
    assert knots[8192] - knots[2048] == pytest.approx(1e-5 * (8192 - 2048), rel=0.1)
    near = fitting.fitted(Kernels(0.0), 50_000, None)
    assert near["knots_s"] == pytest.approx([5e-3] * len(fitting.KNOTS))  # the terms do: as they were
    assert near["fit"]["share"] < 1e-6


def test_knots_stand_where_products_jump():
    import fitting

    assert fitting.placed(Kernels()) == fitting.KNOTS
    counts = fitting.placed(Kernels(jump=1537))
    assert {1536, 1537} <= set(counts)
    assert len(counts) <= fitting.MOST_KNOTS
    solution = fitting.fitted(Kernels(jump=1537), 50_000, None)
    assert tuple(solution["knots"]) == counts
    assert solution["fit"]["share"] < 0.1


def test_a_fit_is_judged_on_iterations_that_it_has_not_seen():
    import fitting

    for capacity in (20_000, 400_000):
        unseen = fitting.held_out(capacity)
        assert not set(unseen) & set(fitting.grid(capacity))
        assert max(p + prior + batch * context for p, prior, batch, context in unseen) <= capacity
        assert len(unseen) > 200
    rows = np.array([(0, 0, 8, 512)] * 4 + [(0, 0, 64, 512)] * 6 + [(100, 0, 0, 0)] * 5)
    region = fitting.worst(np.array([0.0] * 4 + [0.06, -0.06] * 3 + [0.03] * 5), rows)
    assert region == {"region": "decode, 33 to 96 sequences", "mape": 6.0, "bias": 0.0, "share": 1.2}


def test_regions_that_are_off_count_more():
    import fitting

    class Bent(Kernels):
        def decoding(self, batch: int, context: int) -> float:  # no line through the contexts
            return 0.1 * batch * (context / 1000) ** 0.8

    rows = np.array(fitting.grid(400_000))
    fit = fitting.Fit(Bent(), rows, fitting.composed_ms(Bent(), rows), {})
    alike, regional = (fitting._solution(fit, fit.solved(regional=each))["fit"]["share"] for each in (False, True))
    assert regional < 0.9 * alike


class Launched(Kernels):
    """Attention of the decoding sequences takes 2 ms at the least, as launches do."""

    def decoding(self, batch: int, context: int) -> float:
        return max(2.0, 2e-5 * batch * context)


def test_the_nearest_fit_is_less_off_where_it_is_most_than_least_squares():
    import fitting
    import minimax

    squares = fitting.fitted(Launched(), 400_000, None)
    fit = fitting.closer(Launched(), 400_000, None)
    nearest = minimax.nearest_everywhere(fit)
    for solution in (squares, nearest):
        solution["share"] = fitting.worst(fitting._error(solution, fit.rows, fit.whole, {}), fit.rows)["share"]
    assert nearest["share"] < 0.9 * squares["share"]
    assert min(nearest["terms"].values()) >= 0.0
    knots = dict(zip(nearest.get("knots", fitting.KNOTS), nearest["knots_s"], strict=True))
    assert min(knots.values()) >= 0.9 * 5e-3 * (1 - 1e-6)  # of what all new tokens take
    # what the form can follow it follows, with the assumed terms in proportion
    exact = minimax.nearest_everywhere(fitting.closer(Kernels(), 400_000, {"akm": 0.5}))
    assert exact["terms"]["ak"] == pytest.approx(1e-8, rel=0.02)
    assert exact["terms"]["akm"] == pytest.approx(0.5 * exact["terms"]["ak"], rel=1e-5)


def test_iterations_that_fits_are_checked_on_or_made_closer_by_are_no_others():
    import fitting

    for capacity in (20_000, 400_000):
        check, closer = (set(fitting.scattered(capacity, part)) for part in (0, 1))
        assert not check & closer
        assert not (check | closer) & set(fitting.held_out(capacity))
        assert max(p + prior + batch * context for p, prior, batch, context in check | closer) <= capacity
        which = fitting.regions(np.array(sorted(check)))
        assert set(fitting.regions(np.array(fitting.held_out(capacity)))) <= set(which)
        assert fitting.closer(Kernels(), capacity, None).rows.shape[0] > len(closer) > 500


def test_a_prompt_takes_no_less_behind_a_prefix_than_alone():
    import composing

    class Derived(Kernels):
        def prompt(self, p: int, prior: int) -> float:  # a launch of which the prefix takes a share
            return 2.0 * p / (p + prior) + 1e-4 * p * prior / 1000

    behind = composing.Behind(Derived())
    assert behind.prompt(16, 0) == behind.prompt(16, 4096) == 2.0
    assert behind.prompt(1000, 40_000) == Derived().prompt(1000, 40_000) > 2.0
    assert (behind.tokens(64, 1), behind.decoding(4, 512)) == (5.0, Kernels().decoding(4, 512))


class Cached(Kernels):
    """Kernels whose decoding takes a share of the time, as prompts' attention does another, with a narrower cache."""

    def __init__(self, decode: float, prompts: float) -> None:
        super().__init__()
        self.decode, self.prompts = decode, prompts

    def prompt(self, p: int, prior: int) -> float:
        return self.prompts * 1e-6 * p * (prior + p / 2)

    def decoding(self, batch: int, context: int) -> float:
        return self.decode * super().decoding(batch, context)


def test_what_a_narrower_cache_takes_of_attention_is_found_and_judged():
    import caches
    import cells
    import fitting

    cell = next(cells.cells())
    assert cell.gpu == "A100"  # whose mixed attention is assumed: of decoding
    wide, narrow = Cached(1.0, 1.0), Cached(0.55, 1.2)
    solution = fitting.fitted(wide, cell.capacity, {"akm": 0.5})
    shares = caches.fitted_shares(narrow, cell, solution)
    assert (shares["decode"], shares["prompts"]) == pytest.approx((0.55, 1.2), rel=0.02)
    assert shares["held_out"]["share"] < 0.5
    other = caches.fitted_shares(Launched(), cell, solution)
    assert other["held_out"]["share"] > caches.FARTHEST  # no share of what goes by the token


class Engine:
    """Milliseconds of an engine's operations, among them all experts, by so many GPUs; some were not timed."""

    OPS = ("context_qkv_gemm", "context_attention", "context_moe")

    def __init__(self, backend: str, gpus: int) -> None:
        self.gpus, self.timed = gpus, backend == "other" or gpus == 1
        self.experts = {"other": 10.0, "quick": 4.0}[backend] / gpus**0.5

    def evaluate_context_ops(self, ops, **_):
        return [(self._name(i), self.experts if i == 2 else 1.0) for i in ops]

    def _name(self, i: int) -> str:
        if i >= len(self.OPS):
            raise RuntimeError("out of range")
        if i == 2 and not self.timed:
            raise RuntimeError("MoE data missing for MoeKey")
        return self.OPS[i]

    def evaluate_generation_ops(self, ops, **_):
        return [(("logits_gemm", "generation_attention")[i], 0.5) for i in ops if i < 2 or self._name(9)]


def test_experts_that_were_timed_on_one_gpu_take_the_share_that_others_do(monkeypatch):
    import composing

    monkeypatch.setattr(composing, "_engine", lambda path, kernels, tp, more: Engine(kernels.backend, tp))
    quick = composing.Kernels("system", "quick", {}, share=composing.Kernels("system", "other", {}))
    assert composing.Composer("model", quick, 1, moe=True).tokens(64, 1) == pytest.approx(1.0 + 4.0 + 0.5)
    with pytest.raises(RuntimeError, match="MoE data missing"):
        composing.Composer("model", quick, 4, moe=True).tokens(64, 1)
    assert composing.Shared("model", quick, 4, moe=True).tokens(64, 1) == pytest.approx(1.0 + 4.0 / 2.0 + 0.5)


def test_a_cell_that_the_form_cannot_follow_is_left_out_or_takes_other_kernels(monkeypatch, tmp_path):
    import composing
    from cells import Cell

    class Wild(Kernels):
        def decoding(self, batch: int, context: int) -> float:
            return 40.0 if context % 1024 else 1.0

    whose = {"wild": Wild(), "tame": Kernels()}
    monkeypatch.setattr(composing, "Composer", lambda path, kernels, tp, moe, shared: whose[kernels.backend])
    wild, tame = ((composing.Kernels("h100_sxm", name, {}),) for name in ("wild", "tame"))
    best, _ = composing._best(Cell("Qwen3-8B", "H100", "bf16", 1, 400_000, (wild, tame)), tmp_path)
    assert best["backend"] == "tame"
    best, why = composing._best(Cell("Qwen3-8B", "H100", "bf16", 1, 400_000, (wild,)), tmp_path)
    assert best is None
    assert "% off in" in why


def test_why_a_cell_is_left_out_says_nothing_of_the_machine():
    import composing

    error = RuntimeError("no data at /home/me/env/aiconfigurator_core/systems/data/h100_sxm; available: [\nmore")
    assert composing.reason(error) == "no data at aiconfigurator_core/systems/data/h100_sxm; available: ["
    for name in ("durations.json", "caches.json"):
        refused = json.loads((Path(composing.__file__).parent / name).read_text(encoding="utf-8"))["refused"]
        assert not {cell: why for cell, why in refused.items() if re.search(r"[ '\"]/\w", why)}, name


def test_every_token_takes_the_shared_expert_too(monkeypatch):
    import composing

    class Engine:
        """Milliseconds by the name of each part."""

        def __init__(self, **parts: float) -> None:
            self._parts = list(parts.items())

        def parts(self, at: list[int], **load: int) -> list[tuple[str, float]]:
            if max(at) >= len(self._parts):
                raise IndexError("out of range")
            return [self._parts[i] for i in at]

        evaluate_context_ops = evaluate_generation_ops = parts

    engines = {
        "experts": Engine(qkv_gemm=1.0, attention=2.0, moe=4.0, logits_gemm=8.0),
        "dense": Engine(
            qkv_gemm=1.0, attention=2.0, gate_ffn1_gemm=16.0, act_gate=32.0, ffn2_gemm=64.0, logits_gemm=8.0
        ),
    }
    monkeypatch.setattr(composing, "_engine", lambda path, *others: engines[path])
    kernels = composing.Kernels("h100_sxm", "vllm", {})
    assert composing.Composer("experts", kernels, 1, moe=True).tokens(8, 8) == 1.0 + 4.0 + 8.0
    assert composing.Composer("experts", kernels, 1, moe=True, shared="dense").tokens(8, 8) == 13.0 + 112.0


def test_all_reduces_of_more_than_two_cards_are_those_of_another_machine():
    from tables import mended

    def table(engine: str, seconds: float) -> pl.DataFrame:
        kinds = (("graph", 0.0), ("eager", 0.5))
        rows = [
            (f"{engine}_{kind}", n, size, seconds * n * size + more)
            for n in (2, 4, 8)
            for size in (128, 256)
            for kind, more in kinds
        ]
        return pl.DataFrame(rows, ["kernel_source", "num_gpus", "message_size", "latency"], orient="row")

    slow, sound = table("vLLM_custom", 10.0), table("SGLang", 1.0).filter(pl.col("num_gpus") > 2)
    result = mended(slow, sound.sample(fraction=1.0, shuffle=True, seed=1))
    assert result.columns == slow.columns
    assert result["kernel_source"].to_list() == slow["kernel_source"].to_list()
    few = len(slow) - len(sound)  # of two cards, which come first
    assert result["latency"].to_list() == slow["latency"].to_list()[:few] + sound["latency"].to_list()
    plain = slow.filter(~pl.col("kernel_source").str.ends_with("eager")).with_columns(kernel_source=pl.lit("TRTLLM"))
    assert mended(plain, sound)["latency"].to_list()[2:] == [4.0 * 128, 4.0 * 256, 8.0 * 128, 8.0 * 256]


def test_products_of_many_tokens_take_no_longer_than_in_the_other_table() -> None:
    """Held back at 1,024 tokens and 8,192: in bf16 and nvfp4, not in fp8, nor where the other has no such shape."""
    from tables import quicker

    def table(seconds: dict[tuple[str, int, int], float], engine: str) -> pl.DataFrame:
        rows = [(engine, kind, m, n, 64, latency) for (kind, m, n), latency in seconds.items()]
        return pl.DataFrame(rows, ["framework", "gemm_dtype", "m", "n", "k", "latency"], orient="row")

    slow = table(
        {
            ("bfloat16", 512, 8): 2.0,
            ("bfloat16", 1024, 8): 5.0,
            ("bfloat16", 8192, 8): 30.0,
            ("bfloat16", 8192, 16): 60.0,
            ("nvfp4", 8192, 8): 9.0,
            ("fp8", 8192, 8): 15.0,
        },
        "VLLM",
    )
    sound = table(
        {
            ("fp8", 8192, 8): 10.0,
            ("nvfp4", 8192, 8): 7.0,
            ("bfloat16", 8192, 8): 20.0,
            ("bfloat16", 1024, 8): 6.0,
            ("bfloat16", 512, 8): 1.0,
        },
        "SGLang",
    )
    result = quicker(slow, sound)
    assert result.drop("latency").equals(slow.drop("latency"))
    assert result["latency"].to_list() == [2.0, 5.0, 20.0, 60.0, 7.0, 15.0]


def test_all_reduces_take_no_longer_than_in_the_table_of_another_version() -> None:
    from tables import quicker

    def table(*latency: float) -> pl.DataFrame:
        kinds = ["vLLM_graph", "vLLM_eager"] * 2
        columns = {"kernel_source": kinds, "num_gpus": [2] * 4, "message_size": [128, 128, 256, 256]}
        return pl.DataFrame(columns | {"latency": latency})

    assert quicker(table(5.0, 54.0, 738.0, 743.0), table(7.0, 49.0, 271.0, 313.0)).equals(
        table(5.0, 49.0, 271.0, 313.0)
    )


def metered(seconds: float, tokens: float, prompts: float, cached: float, task: str, slower: float = 1.0) -> dict:
    """A row of two GPUs of 400 W, 0.02 J a token and 1e-5 J a cached token; its server was `slower` than simulated."""
    joules = 400.0 * 2 * seconds * slower + 0.02 * (tokens + prompts) + 1e-5 * cached
    counts = {"seconds": seconds, "tokens": tokens, "prompt_tokens": prompts, "cached_tokens": cached}
    facts = {"gpus": 2, "gpu": "H100", "model": "one", "task": task, "j_per_token": joules / tokens}
    return counts | facts | {"measured_s": slower * seconds}


def test_energies_are_fitted_to_what_was_counted():
    import energies

    loads = [(10.0, 1e3, 5e2, 1e6), (20.0, 9e3, 1e3, 9e6), (15.0, 3e4, 9e4, 1e7), (12.0, 4e3, 0.0, 8e7)]
    rows = [metered(*load, task, 1.5) for load in loads for task in ("chat", "code")]
    fit = energies._fit(rows, "measured_s")
    names = ("p0_w_per_gpu", "e_j_per_token", "ek_j_per_cached_token")
    assert [fit[n] for n in names] == pytest.approx([400.0, 0.02, 1e-5], rel=1e-5)
    assert fit["mape_percent"] < 1e-6
    assert fit["note"] == "metered: one on 2 H100, 8 readings of chat, code; P0, e and ek apart"
    # at the simulated times, which are shorter, the same energy is the floor's
    own = energies._fit(rows, "seconds", fit)
    assert [own[n] for n in names] == pytest.approx([600.0, 0.02, 1e-5], rel=1e-5)
    assert "at its own durations but for e and ek" in own["note"]
    one_task = energies._fit([r for r in rows if r["task"] == "chat"], "measured_s")
    assert one_task["ek_j_per_cached_token"] == 0.0
    assert "ek is contained in e" in one_task["note"]


def test_energies_that_nobody_metered_are_the_nearest_or_follow_the_rule():
    import energies
    from cells import Cell

    def fit(p0: float, ek: float = 0.0) -> dict:
        return {"p0_w_per_gpu": p0, "e_j_per_token": 8.03e-3, "ek_j_per_cached_token": ek}

    fits = {("Llama-3.1-8B", "H100", tp, "bf16"): fit(400.0 + tp, 1e-5) for tp in (1, 4)}
    fits |= {("Llama-3.1-8B", "B200", tp, "bf16"): fit(p0) for tp, p0 in ((1, 500.0), (2, 700.0), (4, 900.0))}

    def cell(gpu: str, tp: int, weights: str = "bf16") -> Cell:
        return Cell("Llama-3.1-8B", gpu, weights, tp, 0, ())

    beside = energies.nearest(cell("H100", 8), fits)
    assert beside == fit(404.0, 1e-5) | {"note": "assumed: as metered on 4 H100"}
    assert energies.nearest(cell("H100", 2), fits)["p0_w_per_gpu"] == 401.0  # as near as 4
    assert energies.nearest(cell("H100", 2, "fp8"), fits) is None
    assert energies.nearest(cell("H200", 1), fits) is None

    medians = energies.ratios(fits)
    assert (medians["H100"], medians["B200"]) == pytest.approx((402.5 / 700, 0.7))
    hopper, new = (energies.assumed_energy(cell(gpu, 1, "fp8"), medians) for gpu in ("H200", "GB200"))
    assert (hopper["p0_w_per_gpu"], new["p0_w_per_gpu"]) == pytest.approx((402.5, 840.0))
    assert hopper["e_j_per_token"] == new["e_j_per_token"] == pytest.approx(0.7 * 8.03e-3)
    assert hopper["ek_j_per_cached_token"] == pytest.approx(1e-5)
    assert energies.rules(medians)["bf16"].startswith(
        "assumed: P0 = 0.5750 TDP (0.7000 on B200, B300, GB200), e = 1 pJ"
    )
