"""The formulas of an iteration over measured rows, and pieces of their fits, by numbers worked out by hand."""

import numpy as np
import pytest

from messsim.zoo.fitting import DURATION, ENERGY, NO_CAP_W, Iterations, by_kind, predicted_joules, predicted_seconds
from messsim.zoo.fitting import duration as durations
from messsim.zoo.fitting import energy as energies
from messsim.zoo.fitting.determined import Estimate, judged

ZERO = dict.fromkeys(DURATION, 0.0)


def iterations(**columns):
    """Of one row a value; a decode of 2 sequences with 10 cached tokens each unless a column says otherwise."""
    base = {"prompt_tokens": 0.0, "prompt_pairs": 0.0, "prompt_prior": 0.0, "batch": 2.0, "cached_tokens": 20.0}
    fixed = {n: columns.pop(n) for n in ("gpus", "experts", "top_k") if n in columns}
    whole = base | {"seconds": 1.0} | columns
    n = max(np.size(v) for v in whole.values())
    return Iterations(**{k: np.broadcast_to(np.asarray(v, float), n) for k, v in whole.items()}, **fixed)


MIXED = {"prompt_tokens": 6.0, "prompt_pairs": 18.0, "prompt_prior": 5.0}


@pytest.mark.parametrize(
    ("name", "decode", "mixed"),
    [
        ("a0_s", 1.0, 1.0),
        ("c0_s_per_token", 2.0, 8.0),  # 2 of who decodes, 6 of a prompt
        ("ab_s_per_sequence", 2.0, 2.0),
        ("ak_s_per_token", 20.0, 20.0),
        ("aq_s_per_token2", 0.0, 18.0),
        ("a1_s", 0.0, 1.0),
        ("ac_s_per_token", 0.0, 5.0),
        ("akm_s_per_token", 0.0, 20.0),
        ("akx_s_per_token", 0.0, 10.0),
        ("abk_s_per_token", 0.0, 40.0),
        ("ae_s", 0.0, 0.0),  # a dense model has no experts
    ],
)
def test_what_each_coefficient_is_of(name, decode, mixed):
    for rows, expected in ((iterations(), decode), (iterations(**MIXED), mixed)):
        assert predicted_seconds(ZERO | {name: 0.5}, rows).tolist() == [0.5 * expected]


@pytest.mark.parametrize(("nstar", "beyond"), [(0.0, 8.0), (7.0, 1.0), (8.0, 0.0), (9.0, 0.0)])
def test_new_tokens_cost_more_beyond_the_knee(nstar, beyond):
    figures = ZERO | {"c1_s_per_token": 0.25, "nstar_tokens": nstar}
    assert predicted_seconds(figures, iterations(**MIXED)).tolist() == [0.25 * beyond]


def test_a_prompt_alone_shares_its_cache_with_nobody():
    alone = iterations(**MIXED, batch=0.0, cached_tokens=20.0)
    assert predicted_seconds(ZERO | {"akx_s_per_token": 1.0}, alone).tolist() == [20.0]  # not by 0 sequences


def test_experts_are_read_as_tokens_ask_for_them():
    """Of 4 experts a token uses 1: one token leaves 3/4 unread, two 9/16; half as many with se = 1/2."""
    rows = iterations(batch=[1.0, 2.0], experts=4, top_k=1)
    assert rows.uncovered(1.0) == pytest.approx([0.75, 0.5625])
    assert rows.uncovered(0.5) == pytest.approx([0.75**0.5, 0.75])
    assert predicted_seconds(ZERO | {"ae_s": 2.0, "se": 1.0}, rows) == pytest.approx([0.5, 0.875])
    assert iterations().uncovered(1.0).tolist() == [1.0]


@pytest.mark.parametrize(
    ("figures", "joules"),
    [
        ({"p0_w_per_gpu": 100.0}, 400.0),  # two GPUs for 2 s
        ({"e_j_per_token": 3.0}, 24.0),  # 2 + 6 new tokens
        ({"ek_j_per_cached_token": 0.5}, 10.0),
        ({"p0_w_per_gpu": 100.0, "p_cap_w_per_gpu": 90.0}, 360.0),
        ({"p0_w_per_gpu": 100.0, "e_j_per_token": 3.0, "p_cap_w_per_gpu": 106.0}, 424.0),  # the cap exactly
        ({"p0_w_per_gpu": 100.0, "e_j_per_token": 3.0, "p_cap_w_per_gpu": 105.0}, 420.0),
    ],
)
def test_the_energy_of_an_iteration(figures, joules):
    whole = dict.fromkeys(ENERGY, 0.0) | {"p_cap_w_per_gpu": NO_CAP_W} | figures
    rows = iterations(**MIXED, gpus=2)
    assert predicted_joules(whole, rows, np.array([2.0])).tolist() == [joules]


def test_kinds_of_iterations_are_apart():
    rows = iterations(prompt_tokens=[0.0, 4.0, 4.0, 0.0], batch=[1.0, 0.0, 1.0, 0.0])
    kinds = {name: which.tolist() for name, which in by_kind(rows).items()}
    assert kinds == {
        "decode": [True, False, False, False],
        "prefill": [False, True, False, False],
        "mixed": [False, False, True, False],
    }
    assert durations.kind_weights(rows).tolist() == [1.0, 1.0, 1.0, 0.0]
    four = iterations(batch=[1.0] * 4)
    assert durations.kind_weights(four).tolist() == [0.5] * 4


def test_only_some_rows():
    rows = iterations(batch=[1.0, 2.0, 3.0], joules=[5.0, 6.0, 7.0], gpus=4, experts=8, top_k=2)
    kept = rows.only(np.array([True, False, True]))
    assert (kept.batch.tolist(), kept.joules.tolist(), len(kept)) == ([1.0, 3.0], [5.0, 7.0], 2)
    assert (kept.gpus, kept.experts, kept.top_k) == (4, 8, 2)
    assert iterations(batch=[1.0, 2.0]).only(np.array([True, False])).joules is None


# ---- caps -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("without", "cost", "rows", "worth"),
    [
        (1.0, 0.5, 100, True),  # 100 log 2 = 69 against 2 log 100 = 9.2
        (1.0, 1.0, 100, False),
        (1.0, 0.92, 100, False),  # 8.3
        (1.0, 0.91, 100, True),  # 9.4
        (1.0, 0.0, 2, True),
        (1e-20, 0.0, 2, False),  # rounding
        (2e-20, 0.0, 2, False),
    ],
)
def test_a_cap_is_worth_its_coefficients(without, cost, rows, worth):
    assert bool(energies._worth_it(without, cost, rows)) == worth


def test_who_is_at_the_cap():
    rows = iterations(batch=[1.0, 10.0, 20.0], gpus=2)
    figures = {"p0_w_per_gpu": 10.0, "e_j_per_token": 1.0, "ek_j_per_cached_token": 0.0, "p_cap_w_per_gpu": 15.0}
    assert energies._at_cap(figures, rows).tolist() == [False, False, True]  # 21, 30 and 40 J of 30 in two GPU seconds


def test_candidates_are_the_greatest_powers_and_quantiles():
    few = energies._candidates(np.array([1.0, 3.0, 3.0, 2.0]))
    assert few[:3] == [3.0, 2.0, 1.0]
    assert (min(few[3:]), max(few[3:])) == (2.0, 3.0)  # from the median on
    many = energies._candidates(np.arange(1000.0))
    assert many[:2] == [999.0, 998.0]
    assert len(many) == energies.MOST_CAPS
    assert (many[30], many[-1]) == (499.5, 999.0)


@pytest.mark.parametrize(("given", "cap", "expected"), [({}, 50.0, 100.0), ({"p_cap_w_per_gpu": 50.0}, 50.0, 50.0)])
def test_a_cap_that_was_not_given_is_above_p0(given, cap, expected):
    """Rows that draw 40 W each, below the cap, and 100 W fit them as P0 alone with tokens that cost nothing."""
    rows = iterations(batch=[1.0, 1.0], seconds=[1.0, 2.0], joules=[40.0, 80.0])
    held = {"p0_w_per_gpu": 100.0, "e_j_per_token": 0.0, "ek_j_per_cached_token": 0.0} | given
    free = [] if given else ["e_j_per_token"]
    fitted = energies._below(rows, {n: v for n, v in held.items() if n not in free}, np.ones(2), free, cap)
    assert fitted["p_cap_w_per_gpu"] == expected
    assert fitted["p0_w_per_gpu"] == 100.0


# ---- knees ----------------------------------------------------------------------------------------------


def settled(figures, free=DURATION, **columns):
    rows = iterations(batch=[4.0, 8.0], **columns)
    return durations._settled(ZERO | {"a0_s": 1.0} | figures, list(free), rows)


def test_a_knee_below_all_rows_is_none():
    """a0 + c1 (n - 2) from n = 4 on: a0 - 2 c1, and c1 a token."""
    figures, notes = settled({"c1_s_per_token": 0.25, "nstar_tokens": 2.0, "c0_s_per_token": 0.5})
    assert [figures[n] for n in ("a0_s", "c0_s_per_token", "c1_s_per_token", "nstar_tokens")] == [0.5, 0.75, 0.0, 0.0]
    assert {n: (e.value, e.why) for n, e in notes.items()} == dict.fromkeys(
        ("c1_s_per_token", "nstar_tokens"), (0.0, "each new token takes as long, from 4 to 8")
    )


def test_a_knee_at_the_fewest_tokens_is_below_all_and_one_above_is_not():
    at = {"c1_s_per_token": 0.125, "nstar_tokens": 4.0}
    assert settled(at)[0]["nstar_tokens"] == 0.0
    assert settled(at | {"nstar_tokens": 4.5}) == (ZERO | {"a0_s": 1.0} | at | {"nstar_tokens": 4.5}, {})
    steep = {"c1_s_per_token": 0.5, "nstar_tokens": 2.0}  # would leave no time for a0
    assert settled(steep)[1] == {}


def test_a_knee_beyond_all_rows_is_not_seen():
    beyond = {"c1_s_per_token": 0.25, "nstar_tokens": 8.0}
    figures, notes = settled(beyond | {"c0_s_per_token": 0.5})
    assert (figures["c1_s_per_token"], figures["nstar_tokens"]) == (0.0, 0.0)
    assert notes["nstar_tokens"].value == 0.0
    _, notes = settled(beyond)
    assert {e.how for e in notes.values()} == {"not determined"}
    assert notes["c1_s_per_token"].why == "new tokens cost no time up to 8, the most of a row"


def test_where_c0_is_given_any_knee_below_does():
    free = [n for n in DURATION if n != "c0_s_per_token"]
    figures, notes = settled({"c1_s_per_token": 0.25, "nstar_tokens": 2.0}, free)
    assert (figures["a0_s"], figures["c1_s_per_token"], figures["nstar_tokens"]) == (0.5, 0.25, 0.0)
    assert notes == {
        "nstar_tokens": Estimate(0.0, 0.0, "fitted", "any value up to 4, the fewest new tokens of a row, does as well")
    }
    held = [n for n in DURATION if n != "nstar_tokens"]
    assert settled({"nstar_tokens": 2.0}, held)[1] == {}


@pytest.mark.parametrize(("count", "kept"), [(3, 3), (40, 40), (41, 40), (500, 40)])
def test_many_counts_are_thinned_with_both_ends(count, kept):
    thinned = durations._thinned(np.arange(float(count)))
    assert len(thinned) == kept
    assert (thinned[0], thinned[-1]) == (0.0, count - 1.0)


KNEES = (1.5, 2.0, 3.0, 77.0, 77.5, 98.25, 150.0, 198.0)


@pytest.mark.parametrize(("most", "knee"), [(30, 2.0), (30, 15.5), (30, 28.0)] + [(200, k) for k in KNEES])
def test_a_knee_is_found_between_any_two_counts(knee, most):
    """More than 40 counts are searched twice: of the thinned ones first, and then of those around the best of them."""
    tokens = np.arange(1.0, most + 1)
    seconds = 1.0 + 0.5 * np.maximum(0.0, tokens - knee)
    rows = iterations(prompt_tokens=tokens, batch=0.0, cached_tokens=0.0, seconds=seconds)
    held = {n: 0.0 for n in DURATION if n not in ("a0_s", "c1_s_per_token", "nstar_tokens")}
    cost, figures = durations._with_best_nstar(rows, held, np.ones(most))
    assert cost < 1e-20
    assert figures["nstar_tokens"] == pytest.approx(knee)
    assert (figures["a0_s"], figures["c1_s_per_token"]) == pytest.approx((1.0, 0.5))


@pytest.mark.parametrize(("edge", "nstar"), [(10.0, 10.0), (4.0, 5.0), (5.0, 5.5)])
def test_a_knee_stays_between_the_counts_where_it_is_looked_for(edge, nstar):
    """That of the rows is at 5.5: the line of those above 10 leads below 10, that of those above 4 beyond 5."""
    tokens = np.arange(1.0, 31.0)
    rows = iterations(prompt_tokens=tokens, batch=0.0, seconds=1.0 + 0.5 * np.maximum(0.0, tokens - 5.5))
    held = {n: 0.0 for n in DURATION if n not in ("a0_s", "c1_s_per_token", "nstar_tokens")}
    _, figures = durations._linear(rows, held, np.ones(30), edge)
    assert figures["nstar_tokens"] == pytest.approx(nstar)


SLOPES_AT = {"a0_s": 1.0, "c0_s_per_token": 0.5, "c1_s_per_token": 0.25, "nstar_tokens": 3.0, "ae_s": 2.0, "se": 0.5}


@pytest.mark.parametrize("name", DURATION)
def test_slopes_are_what_a_small_step_changes(name):
    """Of durations of 4 s, relative to them; by central differences."""
    columns = MIXED | {"batch": [2.0, 1.0], "seconds": 4.0}
    rows = iterations(**columns, experts=8, top_k=2)
    figures = ZERO | SLOPES_AT
    step = 1e-6
    up, down = (predicted_seconds(figures | {name: figures[name] + way * step}, rows) for way in (1, -1))
    slopes = durations._slopes(figures, [name], rows)
    assert slopes.shape == (2, 1)
    assert slopes[:, 0] == pytest.approx((up - down) / (2 * step) / 4.0, rel=1e-6)
    assert durations._slopes(figures, [], rows).shape == (2, 0)


# ---- what rows determine --------------------------------------------------------------------------------


def judge(slopes, values=(1.0, 1.0), misfits=None, **more):
    slopes = np.array(slopes, float)
    misfits = np.zeros(len(slopes)) if misfits is None else np.array(misfits)
    return judged(["a", "b"], np.array(values), slopes, np.ones(len(slopes)), misfits, **more)


def test_rows_that_do_not_feel_a_coefficient_do_not_determine_it():
    shown = judge([[1.0, 0.0], [2.0, 0.0], [1.0, 0.0]])
    assert (shown["a"].value, shown["a"].how, shown["a"].error) == (1.0, "fitted", 0.0)
    assert (shown["b"].value, shown["b"].how, shown["b"].why) == (None, "not determined", "no row depends on it")


def test_two_that_always_come_together_are_not_told_apart():
    shown = judge([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]])
    assert [shown[n].why for n in "ab"] == ["cannot be told from b", "cannot be told from a"]


def test_as_many_rows_as_coefficients_say_nothing():
    shown = judge([[1.0, 0.0], [0.0, 1.0]])
    assert shown["a"].why == "2 readings for 2 coefficients"
    assert judge([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])["a"].how == "fitted"


def test_standard_errors_of_rows_of_one_coefficient_each():
    """Four rows of a alone and four of b alone, misfits of 0.1: variance 8 x 0.01 / 6, over four rows each."""
    slopes = [[1.0, 0.0]] * 4 + [[0.0, 2.0]] * 4
    shown = judge(slopes, misfits=[0.1, -0.1] * 4)
    error = (0.08 / 6 / 4) ** 0.5
    assert shown["a"].error == pytest.approx(error)
    assert shown["b"].error == pytest.approx(error / 2)


@pytest.mark.parametrize(("value", "far", "how"), [(1.0, (), "fitted"), (0.01, (), "not determined")])
def test_what_is_known_to_half_of_itself_only_is_not_known(value, far, how):
    shown = judge([[1.0, 0.0]] * 4 + [[0.0, 1.0]] * 4, values=(value, 1.0), misfits=[0.2, -0.2] * 4, far=far)
    assert shown["a"].how == how
    small = judge([[1.0, 0.0]] * 4 + [[0.0, 1.0]] * 4, values=(0.001, 1.0), misfits=[0.01, -0.01] * 4)
    assert small["a"].how == "fitted"  # vague, but no row feels it
    used = judge([[1.0, 0.0]] * 4 + [[0.0, 1.0]] * 4, values=(0.001, 1.0), misfits=[0.01, -0.01] * 4, far=("a",))
    assert used["a"].how == "not determined"


@pytest.mark.parametrize("se", [0.05, 0.051, 0.3, 4.0, 19.0, 20.0])
def test_the_best_se_is_found_anywhere_on_the_grid_its_ends_included(monkeypatch, se):
    monkeypatch.setattr(durations, "_with_best_nstar", lambda rows, held, _: (abs(np.log(held["se"] / se)), held))
    _, figures = durations._with_best_se(None, {"given": 1.0}, None)
    assert figures == {"given": 1.0, "se": pytest.approx(se, rel=1e-4)}
    assert durations._with_best_se(None, {"se": 0.7}, None)[1] == {"se": 0.7}


def test_what_is_not_said_of_an_estimate_or_of_iterations():
    assert Estimate(1.0, None, "given") == Estimate(1.0, None, "given", why="", few=False)
    one = np.ones(1)
    rows = Iterations(one, one, one, one, one, one)
    assert (rows.joules, rows.gpus, rows.experts, rows.top_k) == (None, 1, 0, 0)
