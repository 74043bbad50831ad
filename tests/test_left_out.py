"""What an override leaves out: pools of no replicas, models that then have none, and what was said of those."""

import pytest

from messsim.scenario.left_out import without_empty_pools


def names(data):
    return [m["name"] for m in data["models"]]


@pytest.mark.parametrize(
    ("replicas", "left"),
    [((1, 1), ["a", "b"]), ((0, 1), ["b"]), ((1, 0), ["a"]), ((False, 1), ["a", "b"]), ((0.5, 1), ["a", "b"])],
)
def test_a_model_of_no_replicas_is_left_out(replicas, left):
    data = {"models": [{"name": n, "replicas": r} for n, r in zip("ab", replicas, strict=True)]}
    assert names(without_empty_pools(data)) == left
    assert names(without_empty_pools(data | {"pools": []})) == left
    assert names(data) == ["a", "b"]  # what was given stays as it was


def test_a_model_goes_with_the_last_of_its_pools():
    pools = [{"model": "a", "replicas": 0}, {"model": "a", "replicas": 2}, {"model": "b", "replicas": 0}]
    data = {"models": [{"name": n} for n in "abc"], "pools": pools}
    kept = without_empty_pools(data)
    assert names(kept) == ["a", "c"]
    assert kept["pools"] == pools[1:2]
    assert without_empty_pools(data | {"pools": pools[1:2]}) == data | {"pools": pools[1:2]}


def test_a_model_with_pools_is_not_judged_by_replicas_of_its_own():
    data = {"models": [{"name": "a", "replicas": 0}], "pools": [{"model": "a", "replicas": 1}]}
    assert without_empty_pools(data) == data
    unsaid = data | {"pools": [{"model": "a"}]}
    assert without_empty_pools(unsaid) == unsaid


@pytest.mark.parametrize(
    "broken",
    [{"models": 3}, {"models": ["a"]}, {"models": [], "pools": {}}, {"models": [], "pools": [2]}, {}, {"models": "ab"}],
)
def test_what_is_no_scenario_is_left_to_who_checks_it(broken):
    assert without_empty_pools(broken) == broken


def test_nothing_is_said_any_more_of_who_is_gone():
    data = {
        "models": [{"name": "a", "replicas": 0}, {"name": "b"}, {"name": "c"}],
        "router": {"reference": "a", "policy": "mess+", "predictor": {"means": [0.1, 0.2, 0.3], "rate": 1}},
        "phases": [
            {
                "from_request": 5,
                "withdrawn": ["a", "b"],
                "satisfaction": {"a": 0.1, "c": 0.2},
                "cost_per_request": {"a": 1.0},
                "price_factor": {"b": 2.0},
                "columns": {"a": "x", "b": "y"},
            }
        ],
    }
    kept = without_empty_pools(data)
    assert kept["router"] == {"policy": "mess+", "predictor": {"means": [0.2, 0.3], "rate": 1}}
    assert kept["phases"] == [
        {
            "from_request": 5,
            "withdrawn": ["b"],
            "satisfaction": {"c": 0.2},
            "cost_per_request": {},
            "price_factor": {"b": 2.0},
            "columns": {"b": "y"},
        }
    ]
    assert "pools" not in kept


def test_what_is_said_of_others_stays():
    data = {
        "models": [{"name": "a", "replicas": 0}, {"name": "b"}],
        "router": {
            "reference": "b",
            "predictor": {"means": [0.1]},
        },  # as many means as models, or somebody else's error
        "phases": [{"withdrawn": 3, "satisfaction": 4}],
    }
    kept = without_empty_pools(data)
    assert kept["router"] == data["router"]
    assert kept["phases"] == data["phases"]
    assert without_empty_pools(data | {"router": 5, "phases": 6}) | {"models": 0} == {
        "models": 0,
        "router": 5,
        "phases": 6,
    }
