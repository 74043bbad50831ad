"""What routing can save, piece by piece on a handful of requests whose best choices are plain."""

from types import SimpleNamespace

import numpy as np
import pytest
from builders import model, scenario

from messsim.engines import prepare
from messsim.results.rent import fixed_cost, rent_usd_per_hour
from messsim.scenario import parse
from messsim.study.simulation import worth as bounds


@pytest.mark.parametrize(
    ("alpha", "cost"),
    [
        (0.0, 1.0),  # the cheapest of all keeps it
        (0.4, 1.0),
        (0.5, 2.0),  # half of (0.4, 1) and half of (0.6, 3)
        (0.6, 3.0),
        (0.7, 5.0),  # (0.6, 3) and (0.8, 7), half each
        (0.8, 7.0),
        (0.81, None),
    ],
)
def test_two_choices_mixed_cost_the_least(alpha, cost):
    points = np.array([[0.4, 1.0], [0.6, 3.0], [0.8, 7.0], [0.4, 6.0]])
    assert bounds._cheapest_mix(points, alpha) == (None if cost is None else pytest.approx(cost))


def test_what_keeps_the_promise_up_to_rounding_keeps_it():
    """As everywhere: three grades of 0.7 have a mean of 0.6999999999999998."""
    satisfied = float(np.mean([0.7, 0.7, 0.7]))
    assert satisfied < 0.7
    assert bounds._cheapest_mix(np.array([[satisfied, 5.0], [0.2, 1.0]]), 0.7) == 5.0


def test_a_mix_may_skip_a_dear_point_between():
    points = np.array([[0.0, 0.0], [0.5, 9.0], [1.0, 10.0]])
    assert bounds._cheapest_mix(points, 0.5) == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("least", "beforehand", "saved"),
    [(3.0, 4.0, 0.25), (4.0, 4.0, 0.0), (5.0, 4.0, 0.0), (0.0, 4.0, 1.0), (None, 4.0, None), (3.0, None, None),
     (3.0, 0.0, None)],
)  # fmt: skip
def test_what_is_saved_is_a_share_and_no_loss(least, beforehand, saved):
    assert bounds._saved(least, beforehand) == saved


def dominated(satisfaction, costs):
    names = [f"m{m}" for m in range(len(costs))]
    of = bounds._dominated(SimpleNamespace(model_names=names), np.array(satisfaction), np.array(costs))
    return [(d["model"], d["by"]) for d in of]


@pytest.mark.parametrize(
    ("satisfaction", "costs", "pairs"),
    [
        ([0.5, 0.8], [1.0, 2.0], []),
        ([0.8, 0.5], [1.0, 2.0], [("m1", "m0")]),
        ([0.8, 0.8], [1.0, 2.0], [("m1", "m0")]),  # as good, and cheaper
        ([0.8, 0.9], [2.0, 2.0], [("m0", "m1")]),  # as cheap, and better
        ([0.8, 0.8], [2.0, 2.0], []),  # alike
        ([0.9, 0.8, 0.7], [1.0, 2.0, 3.0], [("m1", "m0"), ("m2", "m0")]),  # each once
    ],
)
def test_a_model_is_dominated_by_one_that_is_nowhere_worse(satisfaction, costs, pairs):
    assert dominated(satisfaction, costs) == pairs


def test_means_are_those_of_each_tenant():
    satisfied = np.array([[1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.0]])
    means = bounds._means(satisfied, np.array([0, 0, 1, 1], np.int32))
    assert means.tolist() == [[0.5, 0.5, 1.0, 1.0], [0.0, 0.0, 0.5, 0.5]]


def least(predictions, satisfied, costs, tenant, alphas):
    points = [bounds._points(predicted, satisfied, costs, tenant) for predicted in predictions]
    return bounds._least(points, tenant, alphas)


def test_what_was_predicted_is_paid_as_it_turns_out():
    """The cheap model satisfies the first of two requests, the dear one both: who knows asks each of them once."""
    satisfied, costs = np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([[1.0, 1.0], [9.0, 9.0]])
    tenant = np.zeros(2, np.int32)
    assert least([satisfied], satisfied, costs, tenant, [1.0]) == pytest.approx(5.0)
    wrong = satisfied[:, ::-1]  # asks the cheap model where it fails
    assert least([wrong], satisfied, costs, tenant, [1.0]) is None
    assert least([wrong, satisfied], satisfied, costs, tenant, [1.0]) == pytest.approx(5.0)
    assert least([satisfied], satisfied, costs, tenant, [0.5]) == pytest.approx(1.0)
    assert least([satisfied], satisfied, costs, tenant, [1.1]) is None


@pytest.mark.parametrize("cost", [0.0, 1e-9, 37.5, 1e12])
def test_of_models_that_cost_the_same_the_better_one_is_taken(cost):
    satisfied, costs = np.array([[0.0, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0]]), np.full((2, 4), cost)
    tenant, means = np.zeros(4, np.int32), np.array([[0.25] * 4, [0.75] * 4])
    assert least([means], satisfied, costs, tenant, [0.75]) == pytest.approx(cost)
    assert least([means], satisfied, costs, tenant, [0.8]) is None


@pytest.mark.parametrize("block", [1, 1000])
def test_choices_are_the_same_however_many_prices_are_tried_at_once(monkeypatch, block):
    rng = np.random.default_rng(1)
    predicted, satisfied, costs = rng.random((3, 3, 40))
    at_once = bounds._at_prices(predicted, satisfied, costs)
    free, beyond = costs.argmin(axis=0), predicted.argmax(axis=0)
    assert at_once[0].tolist() == [a[free, np.arange(40)].mean() for a in (satisfied, costs)]
    assert at_once[-1].tolist() == [a[beyond, np.arange(40)].mean() for a in (satisfied, costs)]
    monkeypatch.setattr(bounds, "BLOCK", block)
    assert bounds._at_prices(predicted, satisfied, costs).tolist() == at_once.tolist()


def test_tenants_count_by_their_requests():
    """Three requests of one tenant at 1 each, one of another at 9."""
    satisfied, costs = np.array([[1.0, 1.0, 1.0, 0.0], [1.0] * 4]), np.array([[1.0] * 4, [9.0] * 4])
    tenant = np.array([0, 0, 0, 1], np.int32)
    assert least([satisfied], satisfied, costs, tenant, [1.0, 1.0]) == pytest.approx(3.0)
    assert least([satisfied], satisfied, costs, tenant, [1.0, 0.0]) == pytest.approx(1.0)
    assert least([satisfied], satisfied, costs, tenant, [0.0, 1.1]) is None


@pytest.mark.parametrize(
    ("features", "why"),
    [
        (np.empty((0, 50)), "the router sees no features"),
        (np.zeros((2, bounds.MOST_VALUES // 2 + 1)), "2 features are too many to fit here"),
        (np.arange(40.0).reshape(1, 40) % (bounds.FOLDS - 1), "fewer than 5 different requests"),
    ],
)
def test_nothing_is_fitted_where_nothing_can_be(features, why):
    assert bounds._predicted(np.zeros((2, features.shape[1])), features) == (None, why)


def test_a_prediction_is_of_other_requests():
    """As many different requests as folds are enough: what one feature tells is learnt from the rest."""
    x = np.tile(np.arange(5.0), 40)[np.newaxis]
    satisfied = np.vstack([x[0] >= 2.5, np.ones(200)]).astype(float)
    predicted, why = bounds._predicted(satisfied, x)
    assert why is None
    assert (predicted[0][x[0] == 0.0] < 0.1).all()
    assert (predicted[0][x[0] == 4.0] > 0.9).all()
    assert (predicted[1] > 0.9).all()


def test_a_fit_is_that_of_its_likelihood():
    """One feature of -1 and 1, satisfied in 1 of 4 and 3 of 4: the gradient, less the penalty of the weight, is 0."""
    x = np.column_stack([np.ones(8), [-1.0] * 4 + [1.0] * 4])
    outcomes = np.array([[1.0, 0, 0, 0, 1, 1, 1, 0]])
    bias, weight = bounds._fit(x, outcomes)[:, 0]
    assert bias == pytest.approx(0.0, abs=1e-3)
    chance = 1.0 / (1.0 + np.exp(-weight))
    assert 8.0 * (0.75 - chance) == pytest.approx(weight, abs=0.01)


@pytest.mark.parametrize(("logit", "chance"), [(0.0, 0.5), (np.log(3.0), 0.75), (1e9, 1.0), (-1e9, 0.0)])
def test_a_chance_has_no_overflow(logit, chance):
    with np.errstate(all="raise", under="ignore"):
        assert bounds._chance(np.array([logit]))[0] == pytest.approx(chance)


def test_worth_puts_choices_made_beforehand_beside_those_of_a_router():
    costs = [model("small", 0.5, cost_per_request=1.0), model("large", 0.8, cost_per_request=5.0)]
    made = bounds.worth(prepare(parse(scenario(requests=1500, models=costs, sla={"alpha": 0.65}))))
    assert made["best_single"] == {"model": "large", "per_request": pytest.approx(5.0)}
    assert made["static_mix"] == pytest.approx(3.0, rel=0.1)  # halves of both
    assert made["clairvoyant"] <= made["features"] <= made["static_mix"] * 1.05
    assert made["own_cost"] == pytest.approx(made["static_mix"], rel=0.02)  # costs of requests are all the same
    assert made["can_save"] == pytest.approx(1.0 - made["clairvoyant"] / made["static_mix"])
    assert made["dominated"] == []
    assert made["no_features"] is None


def test_who_sees_features_that_mislead_pays_no_more_than_without(monkeypatch):
    monkeypatch.setattr(bounds, "_predicted", lambda satisfied, features: (1.0 - satisfied, None))
    costs = [model("small", 0.5, cost_per_request=1.0), model("large", 0.8, cost_per_request=5.0)]
    made = bounds.worth(prepare(parse(scenario(requests=300, models=costs, sla={"alpha": 0.65}))))
    assert made["features"] == pytest.approx(made["own_cost"])
    assert made["features_save"] == made["own_cost_saves"]


# ---- rent -----------------------------------------------------------------------------------------------

PRICES = {"GPU": 2.0}


def fleet(*models, prices=PRICES, **more):
    return parse(scenario(models=list(models), cost={"unit": "USD", "usd_per_gpu_hour": prices}, **more))


def test_rent_is_that_of_all_gpus_that_have_a_price():
    two = fleet(model("a", replicas=3), model("b", tp=4))
    assert rent_usd_per_hour(two) == 2.0 * (3 + 4)
    assert fixed_cost(two)
    other = fleet(model("a", replicas=3, gpu="H100"), model("b", tp=4, gpu="A100"), prices={"H100": 3.0, "A100": 1.0})
    assert rent_usd_per_hour(other) == 3.0 * 3 + 1.0 * 4


def test_without_prices_or_servers_there_is_no_rent():
    joules = parse(scenario())
    assert rent_usd_per_hour(joules) is None
    assert not fixed_cost(joules)
    free = parse(scenario(cluster={"mode": "none"}, models=[model("a", cost_per_request=1.0)]))
    assert rent_usd_per_hour(free) is None
    assert not fixed_cost(free)


def test_a_fleet_that_changes_its_size_has_the_rent_of_a_run():
    grows = {"rule": "target", "target": 2.0, "min_replicas": 1}
    scaled = fleet(model("a", replicas=3, autoscale=grows), model("b", replicas=2))
    assert rent_usd_per_hour(scaled) is None
    assert not fixed_cost(scaled)
    name = next(str(p.name) for p in scaled.fleet if p.autoscale is not None)
    assert rent_usd_per_hour(scaled, {name: 1.5}) == 2.0 * (1.5 + 2)
