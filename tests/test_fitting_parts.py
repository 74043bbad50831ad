"""Parts of fitting by themselves: which rows determine what, and the columns of the formulas."""

import numpy as np
import pytest

from messsim.zoo.fitting.determined import judged
from messsim.zoo.fitting.duration import kind_weights
from messsim.zoo.fitting.iterations import Iterations, by_kind, linear_columns, predicted_joules, predicted_seconds


def rows(prompt, batch, cached, *, experts=0, top_k=0, prior=None):
    prompt, batch, cached = (np.array(v, float) for v in (prompt, batch, cached))
    before = np.zeros(len(prompt)) if prior is None else np.array(prior, float)
    pairs = prompt * (before + prompt / 2)
    seconds = np.full(len(prompt), 2.0)
    return Iterations(prompt, pairs, before, batch, cached, seconds, gpus=2, experts=experts, top_k=top_k)


THREE = rows([0, 10, 6], [4, 0, 2], [40, 0, 50], prior=[0, 5, 1])  # decodes, prefills, both


def test_columns_of_the_formula():
    columns = {name: c.tolist() for name, c in linear_columns(THREE, 1.0, 5.0).items()}
    assert columns["a0_s"] == [1, 1, 1]
    assert columns["c0_s_per_token"] == [4, 10, 8]
    assert columns["c1_s_per_token"] == [0, 5, 3]
    assert columns["ab_s_per_sequence"] == [4, 0, 2]
    assert columns["ak_s_per_token"] == [40, 0, 50]
    assert columns["aq_s_per_token2"] == [0, 100, 24]
    assert columns["a1_s"] == [0, 1, 1]
    assert columns["ac_s_per_token"] == [0, 5, 1]
    assert columns["akm_s_per_token"] == [0, 0, 50]
    assert columns["akx_s_per_token"] == [0, 0, 25]
    assert columns["abk_s_per_token"] == [0, 0, 100]
    assert "ae_s" not in columns


def test_experts_that_some_token_needs():
    mixed = rows([2], [0], [0], experts=4, top_k=1)
    assert mixed.uncovered(1.0).tolist() == [0.75**2]
    assert linear_columns(mixed, 0.5, 0.0)["ae_s"].tolist() == [0.25]
    assert THREE.uncovered(3.0).tolist() == [1, 1, 1]


def test_predictions_add_up():
    names = [n for n in linear_columns(THREE, 0.0, 0.0) if n not in ("a0_s", "c0_s_per_token")]
    figures = dict.fromkeys(names, 0.0) | {"a0_s": 1.0, "c0_s_per_token": 0.5, "nstar_tokens": 0.0, "se": 0.0}
    assert predicted_seconds(figures, THREE).tolist() == [3.0, 6.0, 5.0]
    energy = {"p0_w_per_gpu": 10.0, "e_j_per_token": 1.0, "ek_j_per_cached_token": 0.5, "p_cap_w_per_gpu": 1e9}
    # two GPUs for 2 s are 40 J
    assert predicted_joules(energy, THREE, THREE.seconds).tolist() == [40 + 4 + 20, 50, 40 + 8 + 25]
    capped = predicted_joules(energy | {"p_cap_w_per_gpu": 15.0}, THREE, THREE.seconds)
    assert capped.tolist() == [60, 50, 60]


def test_kinds_of_iterations_count_the_same():
    four = rows([0, 0, 10, 6], [4, 4, 0, 2], [40, 40, 0, 50])
    assert {name: which.tolist() for name, which in by_kind(four).items()} == {
        "decode": [True, True, False, False],
        "prefill": [False, False, True, False],
        "mixed": [False, False, False, True],
    }
    assert (kind_weights(four) ** 2).tolist() == pytest.approx([0.5, 0.5, 1.0, 1.0])
    assert len(four.only(np.array([True, False, False, True]))) == 2
    assert four.only(np.array([False, False, True, False])).prompt_pairs.tolist() == [50]


def judge(slopes, values=(1.0, 1.0), misfits=None, **more):
    slopes = np.array(slopes, float)
    n = len(slopes)
    given = np.zeros(n) if misfits is None else np.array(misfits, float)
    return judged(list("ab"[: slopes.shape[1]]), np.array(values, float), slopes, np.ones(n), given, **more)


def test_standard_errors_are_those_of_linear_theory():
    """y = a + b x at x = -1, 0, 1: variances s^2 / 3 and s^2 / 2, with s^2 = 0.06 of one degree of freedom."""
    known = judge([[1, -1], [1, 0], [1, 1]], (10.0, 10.0), [0.1, -0.2, 0.1])
    assert known["a"].error == pytest.approx((0.06 / 3) ** 0.5)
    assert known["b"].error == pytest.approx((0.06 / 2) ** 0.5)
    assert (known["a"].value, known["a"].how, known["a"].why) == (10.0, "fitted", "")


def test_standard_errors_of_coefficients_that_go_together():
    """At x = 0, 1, 2 the variances are s^2 5 / (3 x 2) and s^2 / 2."""
    known = judge([[1, 0], [1, 1], [1, 2]], (10.0, 10.0), [0.1, -0.2, 0.1])
    assert known["a"].error == pytest.approx((0.06 * 5 / 6) ** 0.5)
    assert known["b"].error == pytest.approx((0.06 / 2) ** 0.5)


@pytest.mark.parametrize(
    ("slopes", "why"),
    [
        ([[1, 0], [2, 0], [1, 0]], {"a": "", "b": "no row depends on it"}),
        ([[1, 2], [2, 4], [3, 6]], {"a": "cannot be told from b", "b": "cannot be told from a"}),
        ([[1, 0], [0, 1]], {"a": "2 readings for 2 coefficients", "b": "2 readings for 2 coefficients"}),
        ([[1, 0], [0, 1], [1, 1]], {"a": "", "b": ""}),
        ([[0, 0], [0, 0]], {"a": "no row depends on it", "b": "no row depends on it"}),
    ],
)
def test_what_rows_do_not_determine_is_said(slopes, why):
    known = judge(slopes)
    assert {name: e.why for name, e in known.items()} == why
    assert all((e.value is None) == bool(e.why) for e in known.values())
    assert all((e.how == "not determined") == bool(e.why) for e in known.values())


@pytest.mark.parametrize(
    ("value", "scale", "far", "vague"),
    [
        (0.2, 1.0, (), True),  # an error of 0.173 of 0.2, which some row feels by 17 %
        (0.4, 1.0, (), False),  # less than half of the value
        (0.2, 0.1, (), True),  # ten times both, on rows that feel a tenth of them
        (0.2, 1.0, ("b",), True),
    ],
)
def test_a_figure_is_vague_where_its_error_is_large_and_felt(value, scale, far, vague):
    slopes = [[1, -scale], [1, 0], [1, scale]]
    known = judge(slopes, (10.0, value / scale), [0.1, -0.2, 0.1], far=far)
    assert known["b"].why.startswith("known only to within") is vague


def test_vague_figures_that_no_row_feels_stay_unless_they_are_used_far_beyond():
    slopes, misfits = [[1, -1], [1, 0], [1, 1]], [0.01, -0.02, 0.01]  # an error of 0.0173, felt by 1.7 %
    assert judge(slopes, (10.0, 0.02), misfits)["b"].value == 0.02
    assert judge(slopes, (10.0, 0.02), misfits, far=("b",))["b"].value is None
