"""Whole runs, each as a ratio to idiomatic SimPy on M/M/1 measured in the same session.

`extra_info` of each benchmark holds requests_per_s and times_simpy_mm1, its rate over S: the customers a second of
an M/M/1 queue written the way SimPy's documentation writes it (a process a customer, a Resource). Nothing is asserted.

MESSSIM_BENCH_SCALE multiplies the numbers of requests: tests run all of this small, to see that it runs.
"""

import json
import os
import random
import time
from pathlib import Path

import numpy as np
import pytest
import simpy

import messsim
from messsim.engines import compiled, prepare, simpy_engine
from messsim.scenario import parse

SCENARIOS = Path(__file__).parent.parent / "scenarios"
SCALE = float(os.environ.get("MESSSIM_BENCH_SCALE", "1"))


def mm1_by_simpy(customers: int) -> None:
    env, chance = simpy.Environment(), random.Random(1)
    server = simpy.Resource(env, 1)

    def customer():
        with server.request() as turn:
            yield turn
            yield env.timeout(chance.expovariate(1.0))

    def source():
        for _ in range(customers):
            yield env.timeout(chance.expovariate(0.8))
            env.process(customer())

    env.process(source())
    env.run()


def mm1_by_callbacks(customers: int) -> None:
    env, chance = simpy.Environment(), random.Random(1)
    waiting, left = [0], [customers]

    def after(delay: float, then) -> None:
        event = simpy.Timeout(env, delay)
        event.callbacks.append(then)

    def served(_) -> None:
        waiting[0] -= 1
        if waiting[0]:
            after(chance.expovariate(1.0), served)

    def arrives(_) -> None:
        left[0] -= 1
        waiting[0] += 1
        if waiting[0] == 1:
            after(chance.expovariate(1.0), served)
        if left[0]:
            after(chance.expovariate(0.8), arrives)

    after(0.0, arrives)
    env.run()


@pytest.fixture(scope="session")
def simpy_rate() -> float:
    """S, customers per second: the best of three."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        mm1_by_simpy(scaled(100_000))
        times.append(time.perf_counter() - started)
    return scaled(100_000) / min(times)


def scenario(name: str, requests: int, *sets: str):
    return messsim.load(SCENARIOS / f"{name}.toml", list(sets), requests=scaled(requests))


def scaled(count: int) -> int:
    return max(1, round(count * SCALE))


def zoo(models: int, requests: int):
    """MESS+ over so many models of rising cost and satisfaction, 16 features, everything else as in `synthetic`."""
    data = scenario("synthetic", requests)
    first = data.models[1]
    rising = [
        first.model_copy(update={"name": f"model-{m}", "satisfaction": 0.4 + 0.3 * m / (models - 1), "replicas": 2})
        for m in range(models)
    ]
    return data.changed(models=rising)


def note_rate(benchmark, requests: int, simpy_rate: float) -> None:
    if benchmark.disabled:
        return
    rate = scaled(requests) / benchmark.stats.stats.min
    benchmark.extra_info["requests_per_s"] = round(rate)
    benchmark.extra_info["times_simpy_mm1"] = round(rate / simpy_rate, 2)


@pytest.mark.benchmark(group="M/M/1 in SimPy")
@pytest.mark.parametrize("how", [mm1_by_simpy, mm1_by_callbacks], ids=["process a customer", "callbacks"])
def test_mm1(benchmark, how, simpy_rate):
    benchmark.pedantic(how, args=(scaled(100_000),), rounds=3)
    note_rate(benchmark, 100_000, simpy_rate)


CACHES = [f"models.{m}.{key}" for m in range(4) for key in ("prefix_cache=true", "kv_block_tokens=16")]
SYSTEM_PROMPTS = ["prefixes.groups=50", "prefixes.tokens=100"]
SESSIONS = ["sessions.turns=8", "sessions.think_s=5.0", "sessions.followup=20", "arrivals.rate_rps=0.5"]
WHOLE = {
    "cluster": ("synthetic", 1_000_000, []),
    "no servers": ("synthetic", 1_000_000, ["cluster.mode=none"]),
    "sessions of 8 turns, prefix caches": ("synthetic", 1_000_000, [*SESSIONS, *CACHES, *SYSTEM_PROMPTS]),
    "cluster, simpy engine": ("synthetic", 50_000, ["engine=simpy"]),
    "when-routing-does-not-pay": ("when-routing-does-not-pay", 19_366, []),
    "peer workload, 1 replica": ("peer-workload", 1_000_000, []),
    "peer workload, 8 replicas": ("peer-workload", 1_000_000, ["models.0.replicas=8", "arrivals.rate_rps=48.0"]),
}


@pytest.mark.benchmark(group="whole runs without records")
@pytest.mark.parametrize("case", WHOLE)
def test_whole_run(benchmark, case, simpy_rate):
    name, requests, sets = WHOLE[case]
    data = scenario(name, requests, *sets)
    benchmark.pedantic(messsim.run, args=(data,), kwargs={"keep_records": False}, rounds=3)
    note_rate(benchmark, requests, simpy_rate)


def conversations(file: Path, requests: int) -> None:
    """A trace like Mooncake's of conversations (Qin et al., FAST'25; its hashes are of blocks of 512 tokens).

    As many requests an hour, prompts and answers about as long, and conversations that go on. The trace itself is not
    here.
    """
    chance, fresh = np.random.default_rng(7), 0
    open_ones: list[list[int]] = []
    with file.open("w") as out:
        for k in range(requests):
            goes_on = open_ones and chance.random() < 0.6
            ids = open_ones.pop(int(chance.integers(len(open_ones)))) if goes_on else []
            more = 1 + int(chance.exponential(9.0 if goes_on else 18.0))
            ids = [*ids, *range(fresh, fresh + more)]
            fresh += more
            row = {
                "timestamp": round(k * 3_600_000 / 12_031),
                "input_length": len(ids) * 512,
                "output_length": 1 + int(chance.exponential(342.0)),
                "hash_ids": ids,
            }
            out.write(json.dumps(row) + "\n")
            if len(ids) < 200:
                open_ones.append(ids)


@pytest.mark.benchmark(group="a trace with hashes of blocks")
@pytest.mark.parametrize("requests", [12_031])
def test_trace_of_conversations(benchmark, tmp_path, requests, simpy_rate):
    """Read, joined into nodes and replayed on prefix caches: an hour of 16 replicas of a 70B model."""
    file = tmp_path / "trace.jsonl"
    conversations(file, scaled(requests))
    law = {"kind": "trace", "file": str(file), "format": "mooncake", "repeat": False}
    served = {
        "name": "llama-3.1-70b",
        "profile": "Llama-3.1-70B",
        "gpu": "H100",
        "tp": 4,
        "engine": "vllm",
        "replicas": 16,
    }
    data = parse(
        {
            "arrivals": law,
            "tokens": {"prompt": {"kind": "trace"}, "output": {"kind": "trace"}},
            "sla": {"alpha": 0.5},
            "models": [served | {"name": "llama-3.1-70b", "satisfaction": 0.7}],
            "satisfaction": {"kind": "irt"},
            "router": {"policy": "cheapest"},
            "cluster": {"dispatch": "prefix_affinity"},
        }
    )
    benchmark.pedantic(messsim.run, args=(data,), kwargs={"keep_records": False}, rounds=3)
    note_rate(benchmark, requests, simpy_rate)


@pytest.mark.benchmark(group="whole runs with records")
def test_records(benchmark, tmp_path, simpy_rate):
    data = scenario("synthetic", 1_000_000)
    turns = iter(range(100))
    benchmark.pedantic(lambda: messsim.run(data, out=tmp_path / str(next(turns))), rounds=3)
    note_rate(benchmark, 1_000_000, simpy_rate)


@pytest.mark.benchmark(group="engines alone")
@pytest.mark.parametrize(
    ("engine", "requests"), [(compiled, 500_000), (simpy_engine, 50_000)], ids=["compiled", "simpy"]
)
def test_engine_alone(benchmark, engine, requests, simpy_rate):
    """The columns are drawn beforehand."""
    setup = prepare(scenario("synthetic", requests))
    chunks = list(setup.workload.chunks(65_536))

    def fresh():
        again = prepare(setup.scenario)
        again.workload.chunks = lambda size, unread=frozenset(): iter(chunks)
        return (again, lambda chunk: None), {}

    benchmark.pedantic(engine.simulate, setup=fresh, rounds=3)
    note_rate(benchmark, requests, simpy_rate)


@pytest.mark.benchmark(group="growth with requests")
@pytest.mark.parametrize("requests", [100_000, 1_000_000, 4_000_000])
def test_growth_with_requests(benchmark, requests, simpy_rate):
    data = scenario("synthetic", requests)
    benchmark.pedantic(messsim.run, args=(data,), kwargs={"keep_records": False}, rounds=1)
    note_rate(benchmark, requests, simpy_rate)


@pytest.mark.benchmark(group="growth with replicas")
@pytest.mark.parametrize("times", [1, 8, 64])
def test_growth_with_replicas(benchmark, times, simpy_rate):
    sets = [f"models.{m}.replicas={times * r}" for m, r in enumerate((1, 1, 3, 3))]
    data = scenario("synthetic", 500_000, *sets, f"arrivals.rate_rps={4.0 * times}")
    benchmark.pedantic(messsim.run, args=(data,), kwargs={"keep_records": False}, rounds=2)
    note_rate(benchmark, 500_000, simpy_rate)


@pytest.mark.benchmark(group="growth with what a prefix cache holds")
@pytest.mark.parametrize("nodes", [1_000, 10_000, 100_000])
def test_growth_with_live_nodes(benchmark, nodes, simpy_rate):
    """One replica whose cache holds the texts of so many requests, two blocks each; no prompt begins like another."""
    sets = ["models.0.kv_block_tokens=16", "models.0.prefix_cache=true", f"models.0.kv_capacity_tokens={32 * nodes}"]
    sets += ["tokens.prompt=40", "tokens.output=8", "arrivals.rate_rps=20.0"]
    data = scenario("peer-workload", 400_000, *sets)
    benchmark.pedantic(messsim.run, args=(data,), kwargs={"keep_records": False}, rounds=2)
    note_rate(benchmark, 400_000, simpy_rate)


@pytest.mark.benchmark(group="growth with models")
@pytest.mark.parametrize("models", [2, 4, 8, 16])
def test_growth_with_models(benchmark, models, simpy_rate):
    """A zoo of one family on the same traffic; each model has replicas enough to explore and to exploit."""
    data = zoo(models, 500_000)
    benchmark.pedantic(messsim.run, args=(data,), kwargs={"keep_records": False}, rounds=2)
    note_rate(benchmark, 500_000, simpy_rate)
