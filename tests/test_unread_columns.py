"""What an engine does not read is not drawn, chunks are as long as their features allow, and many models are as few."""

import numpy as np
import pytest
from builders import model, run, scenario

from messsim import _core
from messsim.scenario import Scenario, parse
from messsim.workload import Workload
from messsim.workload.chunk import requests_at_once

GEOMETRIC = {"kind": "geometric", "mean": 40.0, "max": 90}


def zoo(output: object, **more: object) -> dict:
    models = [model(f"m{k}", 0.2 + 0.2 * k, cost_per_request=1.0 + k) for k in range(3)]
    return scenario(models=models, tokens={"prompt": 1, "output": output}, cluster={"mode": "none"}, **more)


@pytest.mark.parametrize("means", [(40.0, 40.0, 40.0), (2.0, 500.0, 17.0)])
def test_answers_drawn_later_are_those_of_the_chunk(means):
    data = zoo(GEOMETRIC, requests=1_000)
    for one, mean in zip(data["models"], means, strict=True):
        one["output"] = GEOMETRIC | {"mean": mean, "max": 3 * int(mean)}
    workload = Workload(parse(data))
    first, n = 77, 700
    chosen = np.random.default_rng(1).integers(0, 3, n).astype(np.int32)
    whole = workload.columns(first, n).output_tokens
    assert workload.answers_can_wait
    assert whole is not None
    assert workload.answer_tokens(first, chosen).tolist() == whole[chosen, np.arange(n)].tolist()


def test_answers_that_others_decide_do_not_wait():
    for output in (7, {"kind": "lognormal", "mean": 40.0, "cv": 1.0}):
        assert not Workload(parse(zoo(output))).answers_can_wait
    assert not Workload(parse(zoo(GEOMETRIC, phases=[{"from_request": 9, "difficulty": 1.0}]))).answers_can_wait


@pytest.mark.parametrize("probability", [0.5, 1.0])
@pytest.mark.parametrize("policy", ["mess+", "random", "cascade"])
def test_engines_agree_where_one_draws_less(policy, probability):
    data = zoo(GEOMETRIC, requests=300, router={"policy": policy}, feedback={"probability": probability})
    full, lean = run(data, "simpy"), run(data, "compiled")
    assert lean.chunks[0].drawn.output_tokens is None
    assert (lean.chunks[0].drawn.feedback_uniform is None) == (probability == 1.0)
    for name, column in vars(full.records).items():
        assert column.tobytes() == getattr(lean.records, name).tobytes(), name
    assert full.summary["models"] == lean.summary["models"]


def test_a_column_that_no_model_has_is_refused():
    laws = np.array([1, 2], np.uint32), np.ones(2), np.full(2, 9.0)
    with pytest.raises(_core.errors.KernelError, match="every model has a column"):
        _core.Stream(1, 0).geometric_of(0, np.array([0, 2], np.int32), *laws, np.empty(2, np.int32))
    with pytest.raises(_core.errors.KernelError, match="one length"):
        _core.Stream(1, 0).geometric_of(0, np.array([0, 1], np.int32), *laws, np.empty(3, np.int32))


@pytest.mark.parametrize(
    ("features", "record", "size"),
    [
        (3, {}, 65_536),
        (64, {}, 65_536),
        (128, {}, 32_768),
        (768, {}, 5_461),
        (4_096, {}, 1_024),
        (768, {"chunk": 64}, 64),
    ],
)
def test_chunks_are_as_long_as_their_features_allow(features, record, size):
    data = scenario(features={"kind": "difficulty", "dimensions": features}, record=record)
    assert Workload(parse(data)).chunk_size == size


@pytest.mark.parametrize(("models", "most"), [(1, 65_536), (31, 65_536), (64, 32_760), (256, 8_184)])
def test_columns_of_many_models_are_shorter_and_no_power_of_two_apart(models, most):
    """16 MiB a kind: what is larger is given back to the system and cleared each time (csrc/memory.c)."""
    assert requests_at_once(models) == most
    assert most == 65_536 or (most // 8) % 2 == 1
    data = zoo(4)
    data["models"] = [model(f"m{k}", 0.5, cost_per_request=1.0 + k) for k in range(models)]
    assert Workload(parse(data)).chunk_size == most


def test_the_core_takes_as_many_models_as_a_scenario():
    assert Scenario.model_json_schema()["properties"]["models"]["maxItems"] == _core.MODELS_MOST


@pytest.mark.parametrize("mode", ["none", "servers"])
def test_engines_agree_on_more_models_than_a_word_has_bits(mode):
    models = [model(f"m{k}", 0.2 + 0.003 * k, cost_per_request=1.0 + k) for k in range(200)]
    phases = [{"from_request": 20, "withdrawn": ["m150"]}]
    data = scenario(requests=60, models=models, cluster={"mode": mode}, router={"c": 1.0}, phases=phases)
    by_simpy, by_loop = run(data, "simpy"), run(data, "compiled")
    assert by_simpy.outcome.explored > 10
    for name, column in vars(by_simpy.records).items():
        assert column.tobytes() == getattr(by_loop.records, name).tobytes(), name
