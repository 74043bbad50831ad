"""Which policy a scenario names, with which options, and what it says of options that do nothing."""

import pytest
from builders import model, run, scenario

from messsim import routing
from messsim.engines import prepare
from messsim.errors import ScenarioError
from messsim.scenario import parse


def prepared(**router):
    return prepare(parse(scenario(router=router)))


def test_every_built_in_policy_runs():
    for name in routing.POLICIES:
        setup = prepared(policy=name)
        assert setup.policy.name == name
        assert run(scenario(router={"policy": name})).statuses == ["completed"] * 40


def test_an_unknown_policy_has_a_neighbour():
    with pytest.raises(ScenarioError) as error:
        prepared(policy="mess")
    assert str(error.value).startswith("router.policy = 'mess': expected one of mess+, load-aware, oracle, ")
    assert str(error.value).endswith("; did you mean 'mess+'?")


def test_a_policys_own_table_goes_before_the_common_options():
    data = {"V": 0.5, "c": 0.25, "mess+": {"V": 2.0}, "random": {"V": 3.0}}
    setup = prepared(**data)
    assert (setup.scenario.router.V, setup.scenario.router.c) == (2.0, 0.25)
    assert setup.policy.kernel.params[0] == 2.0
    assert prepared(policy="random", **data).scenario.router.V == 3.0
    assert prepared(policy="cheapest", **data).scenario.router.V == 0.5


@pytest.mark.parametrize(
    ("router", "says"),
    [
        ({"mess+": {"V": -1.0}}, "router.mess+.V = -1.0"),
        ({"mess+": {"vee": 1.0}}, "router.mess+.vee"),
        ({"nobody": {"V": 1.0}}, "'nobody'"),
    ],
)
def test_a_wrong_table_is_told(router, says):
    with pytest.raises(ScenarioError) as error:
        prepared(**router)
    assert says in str(error.value)


def test_options_that_a_policy_does_not_read_are_noted():
    notes = prepared(policy="cheapest", V=1.0, window=5, cost_estimate="mean").notes
    assert [n for n in notes if n.startswith("router.")] == [
        "router.V: ignored by the policy 'cheapest'",
        "router.window: ignored by the policy 'cheapest'",
    ]
    assert [n for n in prepared(V=1.0, window=5).notes if n.startswith("router.")] == []


def test_models_out_of_cost_order_are_noted():
    dear_first = [model("a", 0.4, cost_per_request=5.0), model("b", 0.8, cost_per_request=1.0)]
    notes = prepare(parse(scenario(models=dear_first))).notes
    assert "models: a costs 5 J a request and b 1; expected models in rising order of cost" in "".join(notes)
    assert not any("rising order" in n for n in prepared().notes)


def test_a_request_that_never_fits_is_refused_before_the_run():
    """100 prompt and 60 output tokens, the last of which is never cached."""
    for capacity, fits in [(159, True), (158, False)]:
        data = scenario(tokens={"prompt": 100, "output": 60}, models=[model("only", kv_capacity_tokens=capacity)])
        if fits:
            assert run(data).statuses == ["completed"] * 40
        else:
            with pytest.raises(
                ScenarioError, match="the shortest has 160 tokens with its answer and the most that any takes are 159"
            ):
                prepare(parse(data))


@pytest.mark.parametrize(
    ("policy", "learn", "learns"),
    [
        ("linucb", "explored", True),
        ("thompson", "explored", True),
        ("pareto-floor", "explored", True),
        ("mess+", "explored", False),
        ("mess+", "every", True),
        ("primal-dual", "explored", False),
        ("primal-dual", "every", True),
        ("load-aware", "every", True),
        ("random", "every", False),
    ],
)
def test_who_learns_from_every_rated_answer(policy, learn, learns):
    router = parse(scenario(router={"policy": policy, "learn": learn})).router
    assert routing.build(router, 2, 2).learns_every_answer == learns
