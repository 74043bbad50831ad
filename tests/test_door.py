"""The door to the core by itself: what it refuses, and that what it is given arrives in its place."""

from __future__ import annotations

import math
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from messsim import _core
from messsim.engines.job import Job
from messsim.engines.records import in_columns, rows_of
from messsim.errors import KernelError, OutOfMemory, SimulationError

NAMES = """a0_s c0_s_per_token c1_s_per_token nstar_tokens ae_s se experts top_k ab_s_per_sequence ak_s_per_token
akm_s_per_token aq_s_per_token2 a1_s ac_s_per_token akx_s_per_token abk_s_per_token host_s host_s_per_sequence after_s
p0_w e_j_per_token ek_j_per_token p_cap_w p_idle_w"""
FIGURES = {"a0_s": 1.0, "p0_w": 2.0, "e_j_per_token": 1.0, "p_cap_w": 1000.0, "host_kind": "sum", "knots": ()}
COEFFICIENTS = dict.fromkeys(NAMES.split(), 0.0) | FIGURES
LIMITS = {"max_num_seqs": 3, "max_batched_tokens": 16, "kv_capacity_tokens": 80}
OPTIONS = [
    {"momentum": 0.5},
    {"weight_decay": 0.25},
    {"clip": 0.01},
    {"optimizer": "adagrad"},
    {"standardize": True, "momentum": 0.5, "weight_decay": 0.125},
]


def replica(**more: object) -> _core.Replica:
    return _core.Replica(0, COEFFICIENTS, **(LIMITS | more))


# ---- random columns ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["uniform", "exponential", "normal", "lognormal"])
def test_the_second_component_is_another(kind):
    more = (1.0, 0.5) if kind == "lognormal" else ()
    columns = np.empty((2, 9))
    for odd in (False, True):
        getattr(_core.Stream(7, 3, 1, 2), kind)(5, *more, columns[int(odd)], odd=odd)
    assert not np.any(columns[0] == columns[1])
    uniforms = np.array([[_core.Stream(7, 3, 1, 2).one(5 + i, odd) for i in range(9)] for odd in (False, True)])
    expected = {
        "uniform": lambda u: u,
        "exponential": _core.quantile_exponential,
        "normal": _core.quantile_normal,
        "lognormal": lambda u: _core.exp(1.0 + 0.5 * _core.quantile_normal(u)),
    }[kind]
    assert columns.tolist() == [expected(u).tolist() for u in uniforms]


def test_pairs_are_in_their_order():
    even, odd, pairs = np.empty(6), np.empty(6), np.empty((6, 2))
    stream = _core.Stream(7, 3)
    stream.normal_pair(2, even, odd)
    stream.uniform_pair(2, pairs)
    assert even.tolist() == _core.quantile_normal(pairs[:, 0].copy()).tolist()
    assert odd.tolist() == _core.quantile_normal(pairs[:, 1].copy()).tolist()


def test_features_show_a_difficulty():
    difficulty, out, even, odd = np.array([0.5, -1.0, 2.0]), np.empty((3, 3)), np.empty(3), np.empty(3)
    _core.Stream(7, 3).difficulty_features(4, 0.6, 0.5, 2.0, difficulty, out)
    _core.Stream(7, 3).normal_pair(4, even, odd)
    assert out[0].tolist() == pytest.approx((0.8 * even + 0.6 * (difficulty - 0.5) / 2.0).tolist(), rel=1e-15)
    assert out[1].tolist() == odd.tolist()
    _core.Stream(7, 3, 0, 1).normal(4, even)
    assert out[2].tolist() == even.tolist()
    with pytest.raises(KernelError, match="one length"):
        _core.Stream(7, 3).difficulty_features(4, 0.6, 0.5, 2.0, difficulty, np.empty((3, 4)))


def test_sums_go_on_from_those_before():
    x = np.array([1.0, 0.5, 2.0])
    assert _core.sum_up(x, 3.0) == 6.5
    assert x.tolist() == [4.0, 4.5, 6.5]
    assert _core.sum_up(np.empty(0), 3.0) == 3.0


def test_costs_by_length():
    costs = np.empty(3)
    _core.look_up_costs(np.array([9.0, 1.0, 2.0]), np.array([2, 1, 0], np.int32), costs)
    assert costs.tolist() == [2.0, 1.0, 9.0]
    for lengths, room in (([3, 1, 0], 3), ([-1, 1, 0], 3), ([2, 1, 0], 4)):
        with pytest.raises(KernelError, match=r"one length|every length"):
            _core.look_up_costs(np.array([9.0, 1.0, 2.0]), np.array(lengths, np.int32), np.empty(room))


def test_shapes_of_columns_are_checked():
    stream = _core.Stream(7, 3)
    with pytest.raises(KernelError, match="one length"):
        stream.normal_pair(0, np.empty(3), np.empty(4))
    with pytest.raises(KernelError, match=r"\[n, 2\]"):
        stream.uniform_pair(0, np.empty((3, 3)))
    with pytest.raises(KernelError, match="one length"):
        stream.logistic(0, 1.0, 0.0, np.zeros(3), np.empty(4))
    laws = np.array([1, 2], np.uint32), np.ones(2), np.full(2, 9.0)
    for chosen in ([0, 2], [-1, 0]):
        with pytest.raises(KernelError, match="every model has a column"):
            stream.geometric_of(0, np.array(chosen, np.int32), *laws, np.empty(2, np.int32))
    for short in range(3):
        cut = [law[:1] if k == short else law for k, law in enumerate(laws)]
        with pytest.raises(KernelError, match="one length"):
            stream.geometric_of(0, np.zeros(2, np.int32), *cut, np.empty(2, np.int32))


# ---- what learns -------------------------------------------------------------------------------------------


def lessons(predictor: _core.Predictor, first: int, last: int) -> None:
    chance = np.random.default_rng(1)
    x, labels = chance.normal(size=(last, 3)), chance.integers(0, 2, (last, 2)).astype(float)
    for i in range(first, last):
        predictor.learn(x[i], labels[i])


@pytest.mark.parametrize("options", OPTIONS)
def test_a_copy_of_a_predictor_learns_as_it_does(options):
    one = _core.Predictor(2, 3, learning_rate=0.3, bias=[0.5, -0.5], **options)
    lessons(one, 0, 30)
    other = one.copy()
    assert other.saved() == one.saved()
    assert other.version == one.version == 30
    lessons(one, 30, 60)
    assert other.saved() != one.saved()
    lessons(other, 30, 60)
    assert other.saved() == one.saved()
    plain = _core.Predictor(2, 3, learning_rate=0.3, bias=[0.5, -0.5])
    lessons(plain, 0, 60)
    assert plain.saved()["weights"] != one.saved()["weights"]  # the option is one


def test_what_was_saved_of_others_is_refused():
    one = _core.Predictor(2, 3, learning_rate=0.3)
    for models, features in ((3, 3), (2, 4)):
        other = _core.Predictor(models, features, learning_rate=0.3)
        with pytest.raises(KernelError, match="as many models and features"):
            one.restore(other.saved())
        with pytest.raises(KernelError, match="of one shape"):
            _core.average([one, other])


@pytest.mark.parametrize("options", [{}, {"discount": 0.5}, {"window": 4}, {"initial": 3.0}])
def test_a_ledger_goes_on_from_what_was_saved(options):
    one, other = _core.Ledger(0.75, **options), _core.Ledger(0.75, **options)
    for k in range(9):
        one.rate(k % 3 / 2)
    assert one.queue >= options.get("initial", 0.0) - 9
    other.restore(one.saved())
    assert other.saved() == one.saved()
    for ledger in (one, other):
        ledger.rate(0.25)
    assert other.saved() == one.saved()
    assert other.certificate == one.certificate
    assert one.saved()["plain_max"] > 0.0


def test_a_ledger_starts_where_it_is_told():
    ledger = _core.Ledger(0.75, initial=3.0)
    assert (ledger.queue, ledger.plain, ledger.plain_max) == (3.0, 3.0, 3.0)
    ledger.rate(0.5)
    assert ledger.queue == 3.25
    assert ledger.certificate == 0.75 - 0.25
    with pytest.raises(KernelError, match="a window as long"):
        ledger.restore(_core.Ledger(0.75, window=2).saved())
    with pytest.raises(OutOfMemory):
        _core.Ledger(0.75, window=1 << 58)
    with pytest.raises(KernelError, match="at least one ledger"):
        _core.total([])


# ---- policies ----------------------------------------------------------------------------------------------


def test_a_copy_of_a_policy_has_a_state_of_its_own():
    one = _core.Policy("mess+", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [7.0])
    one.state[0] = 8.0
    other = one.copy()
    assert other.params.tolist() == one.params.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0]
    assert other.state.tolist() == [8.0, 0.0]
    other.state[0] = 9.0
    assert one.state[0] == 8.0
    other.replace([10.0] * 6, [11.0])
    assert (one.params[0], other.params[0], other.state[0]) == (1.0, 10.0, 11.0)
    assert other.uniforms == one.uniforms == 2


def decided(policy: _core.Policy, models: int) -> int:
    ones = np.ones(models)
    return policy.decide(3, 1, 0.5, 0.0, ones, ones, ones, np.full(2, 0.5))


def test_plans_of_built_in_policies_are_checked():
    assert decided(_core.Policy("largest", [], []), 3) == 2
    assert decided(_core.Policy("cheapest", [], []), 3) == 0
    with pytest.raises(KernelError, match="takes 3 uniforms"):
        decided(_core.Policy("largest", [], [], uniforms=3), 3)


@pytest.mark.parametrize("sees", list(product([False, True], repeat=3)))
def test_a_rule_of_dispatch_sees_what_it_asks_for(sees):
    loads, engines, caches = sees
    rule = _core.DispatchRule(1, [2.0], [3.0], sees_loads=loads, sees_engines=engines, sees_caches=caches)
    assert rule.sees == rule.copy().sees == sees
    with pytest.raises(KernelError, match="address of a function"):
        _core.DispatchRule(0, [], [])


# ---- costs -------------------------------------------------------------------------------------------------


def known(**more: object) -> dict[str, object]:
    return {
        "coefficients": COEFFICIENTS,
        "usd_per_s": 0.0,
        "max_batched_tokens": 8.0,
        "nominal_batch": 2.0,
        "mean_output_tokens": 5.0,
        "mean_tokens": 0.0,
    } | more


def test_knots_are_none_or_several():
    line = tuple((float(n), 1.0 + n) for n in range(1, 40))
    with pytest.raises(KernelError, match="knots are none or 2"):
        _core.iteration(COEFFICIENTS | {"knots": line[:1]}, 0, 0, 4, 8)
    with pytest.raises(KernelError, match="to 32"):
        _core.iteration(COEFFICIENTS | {"knots": line[: _core.MOST_KNOTS + 1]}, 0, 0, 4, 8)
    for several in (2, _core.MOST_KNOTS):
        seconds, _ = _core.iteration(COEFFICIENTS | {"knots": line[:several]}, 0, 0, 4, 8)
        assert seconds == 5.0


def test_an_iteration_reads_of_prompts_only_where_there_are_some():
    figures = COEFFICIENTS | {"ac_s_per_token": 0.5, "host_s_per_sequence": 0.25, "ak_s_per_token": 0.125}
    assert _core.iteration(figures, 2, 8, 0, 0, prompt_prior=100.0, prompts=3.0) == _core.iteration(figures, 2, 8, 0, 0)
    seconds, _ = _core.iteration(figures, 2, 8, 4, 8, prompt_prior=100.0, prompts=3.0)
    assert seconds == 1.0 + 0.125 * 8 + 0.5 * 100.0 + 0.25 * (2 + 3)
    seconds, joules = _core.iteration(figures, 2, 8, 0, 0, 2.0, ahead=2.0)
    assert seconds == 2 * (1.0 + 1.0 + 0.5) + 0.125 * 4
    assert joules == 2.0 * seconds + 2 * 2


@pytest.mark.parametrize("wrong", ["a0_s", "more"])
def test_fields_are_known_by_name(wrong):
    given = COEFFICIENTS | {wrong: 1.0}
    if wrong == "a0_s":
        del given[wrong]
    with pytest.raises(KernelError, match=wrong):
        replica_of(given)


def replica_of(coefficients: dict[str, object]) -> _core.Replica:
    return _core.Replica(0, coefficients, **LIMITS)


def test_a_prompt_has_the_price_factor_of_its_column():
    alike = {"usd_per_million_prompt_tokens": 1e6, "usd_per_million_output_tokens": 0.0, "known": known()}
    pools = [
        {"model": 0, "is_api": False, "of_model": 1, "as_before": False, "share": 1.0} | alike,
        {"model": 1, "is_api": True, "of_model": 1, "as_before": False, "share": 1.0} | alike,
    ]
    costs = _core.PromptCosts(pools)
    out, factors = np.full((2, 3), 9.0), np.array([[5.0, 6.0, 7.0], [2.0, 3.0, 4.0]])
    costs.write(10, out, 1, factors)
    expected = np.empty(1)
    _core.known_costs(known(), np.array([10], np.int32), expected)
    assert out[:, 1].tolist() == [expected[0], 3.0 * 10.0]
    assert np.delete(out, 1, axis=1).tolist() == [[9.0, 9.0], [9.0, 9.0]]
    costs.write(10, out, 2)
    assert out[:, 2].tolist() == [expected[0], 10.0]
    for column in (-1, 3):
        with pytest.raises(KernelError, match="a column of costs"):
            costs.write(10, out, column)
    with pytest.raises(KernelError, match=r"costs are \[models, n\]"):
        costs.write(10, out[:1], 0)
    for cut in (factors[:1], factors[:, :2].copy()):
        with pytest.raises(KernelError, match="price_factor"):
            costs.write(10, out, 0, cut)


# ---- jobs and servers --------------------------------------------------------------------------------------


def test_a_job_allows_as_much_as_its_client_does():
    assert Job(0, 0, 4, 5).max_new_tokens == 5
    assert Job(0, 0, 4, 5, max_new_tokens=9).max_new_tokens == 9
    assert Job(0, 0, 4, 5, session=7, attempt=2).session == 7
    assert Job(0, 0, 4, 5, session=7, attempt=2).attempt == 2
    path = [(3, 2), (9, 4)]
    job = Job(0, 0, 4, 5, path=path, answer_node=9)
    assert (job.path, job.answer_node) == (path, 9)
    assert Job(0, 0, 4, 5, path=path).answer_node == -1


def test_a_call_takes_its_prompt_and_what_it_is_allowed():
    limits = {"requests_per_minute": 0.0, "tokens_per_minute": 60.0, "burst_s": 60.0, "most_calls": 2}
    server = _core.Api(limits, {"keep_s": 0.0, "least_tokens": 1, "step_tokens": 1})
    server.call(Job(0, 0, 20, 5, max_new_tokens=10), 0.0)
    assert server.wait_s(30, 1, 0.0) == 0.0
    assert server.wait_s(31, 1, 0.0) > 0.0
    assert server.wait_s(1, 2, 0.0) == math.inf
    assert server.wait_s(31, 1, 1.0) == 0.0


@pytest.mark.parametrize(("order", "first"), [("fcfs", 0), ("priority", 1), ("edf", 2)])
def test_a_shared_queue_has_its_order(order, first):
    queue = _core.Queue(order)
    jobs = [Job(k, 0, 4, 5) for k in range(3)]
    for k, job in enumerate(jobs):
        job.priority, job.deadline_s = (0 if k == 1 else 1), (1.0 if k == 2 else 9.0)
    heads = [queue.push(job) for job in jobs]
    assert heads == {0: [True, False, False], 1: [True, True, False], 2: [True, False, True]}[first]
    assert len(queue) == 3
    assert queue.remove(jobs[first])
    assert len(queue.drain()) == 2
    assert len(queue) == 0


def test_a_replica_may_take_from_another_queue_and_back():
    shared, other = _core.Queue(), _core.Queue()
    server = replica(shared=shared)
    server.share(other)
    other.push(Job(0, 0, 4, 5))
    assert server.notify(0.0) == _core.WAKE
    assert server.start(0.0) == 1
    server.share(None)
    other.push(Job(1, 0, 4, 5))
    server.finish()
    assert server.start(1.0) == 0
    assert len(other) == 1
    server.share(other)
    server.finish()
    assert server.start(server.boundary_s) == 1


def test_memory_is_that_of_the_iteration_under_way():
    server = replica()
    server.submit(Job(0, 0, 4, 5), 0.0)
    server.start(0.0)
    assert server.memory() == (4, 0, 80, 0)
    server.finish()
    server.start(1.0)
    assert server.memory() == (5, 0, 80, 0)  # with the token that it makes
    blocks = replica(kv_block_tokens=16)
    assert blocks.memory() == (0, 0, 5, 0)


@pytest.mark.parametrize("job", [Job(0, 0, 4, 78), Job(0, 0, 81, 1)])
def test_what_never_fits_is_refused_as_it_is_submitted(job):
    server = replica()
    with pytest.raises(SimulationError, match="never fit"):
        server.fits(job)
    with pytest.raises(SimulationError, match="never fit"):
        server.submit(job, 0.0)
    assert server.unfinished == 0


# ---- results -----------------------------------------------------------------------------------------------


def records(n: int = 4) -> dict[str, np.ndarray]:
    """All completed, of tenants 0 and 1 in turn: TTFT k, end to end 2 k + 1, queueing k/2, a token each (k + 1)/4."""
    k = np.arange(n, dtype=float)
    whole = dict.fromkeys(["arrival_s", "satisfied", "feedback_s", "energy_j", "cost", "exploration_cost"], np.zeros(n))
    tokens = np.full(n, 5, np.int32)
    return whole | {
        "id": np.arange(n),
        "tenant": (np.arange(n) % 2).astype(np.int32),
        "model": np.zeros(n, np.int32),
        "status": np.zeros(n, np.int8),
        "explored": np.zeros(n, bool),
        "prompt_tokens": tokens,
        "output_tokens": tokens,
        "preemptions": tokens,
        "start_s": k / 2,
        "first_token_s": k,
        "finish_s": 2 * k + 1,
        "cached_prompt_tokens": tokens,
        "cached_recompute_tokens": np.zeros(n, np.int64),
    }


def test_latencies_are_added_to_what_is_there():
    counts, zeros, sums = np.zeros((4, 64), np.int64), np.zeros(4, np.int64), np.zeros(4)
    block = _core.Records(records())
    for times in (1, 2):
        block.add_latencies(counts, zeros, sums, 0.01, 4.0, 0, -1)
        assert sums.tolist() == [times * s for s in (6.0, 10.0 / 4, 16.0, 3.0)]
        assert zeros.tolist() == [times, 0, 0, times]
        assert counts.sum(axis=1).tolist() == [times * n for n in (3, 4, 4, 3)]
    with pytest.raises(KernelError, match="four histograms"):
        block.add_latencies(counts[:3], zeros, sums, 0.01, 4.0, 0, -1)


@pytest.mark.parametrize(("which", "met"), [(0, [1, 1]), (1, [2, 1]), (2, [1, 1])])
def test_objectives_stand_in_their_order(which, met):
    objectives = np.full((3, 2), np.inf)
    objectives[which] = [1.5, 1.5] if which == 0 else [0.8, 0.8] if which == 1 else [3.5, 3.5]
    arrived, attained = np.zeros(2, np.int64), np.zeros(2, np.int64)
    block = _core.Records(records())
    block.attained(objectives, arrived, attained)
    assert (arrived.tolist(), attained.tolist()) == ([2, 2], met)
    with pytest.raises(KernelError, match=r"\[3, tenants\]"):
        block.attained(objectives[:2], arrived, attained)
    with pytest.raises(KernelError, match=r"\[3, tenants\]"):
        block.attained(objectives, arrived[:1], attained)


def test_columns_of_records_have_one_length():
    with pytest.raises(KernelError, match="one length, not 0"):
        _core.Records(records() | {"cost": np.zeros(3)})
    with pytest.raises(KernelError, match="one length, not 0"):
        _core.Records(records(0))


# ---- pages -------------------------------------------------------------------------------------------------


def drawn(n: int = 3, models: int = 2) -> dict[str, object]:
    ones = np.ones((models, n))
    return {
        "arrival_s": np.arange(n, dtype=float),
        "tenant": np.zeros(n, np.int32),
        "instance": None,
        "prompt_tokens": np.ones(n, np.int32),
        "max_new_tokens": None,
        "feedback_uniform": None,
        "output_tokens": np.ones((models, n), np.int32),
        "satisfied": ones,
        "labels": ones,
        "delay_s": ones,
        "known_costs": ones,
        "facts": None,
        "features": np.zeros((1, n)),
        "uniforms": np.zeros((n, 2)),
    }


def turns(n: int = 3, **more: object) -> SimpleNamespace:
    none = np.full(n, -1, np.int32)
    columns = {"first_child": none, "next_child": none, "wait_s": np.zeros(n), "session": None, "new_tokens": None}
    return SimpleNamespace(**(columns | {"roots": np.arange(2, dtype=np.int32)} | more))


def test_turns_that_are_not_sent_say_so():
    page = _core.Page(0, drawn() | {"turns": turns()})
    assert page.records["status"].tolist() == [_core.NOT_SENT] * 3
    with pytest.raises(KernelError, match="arrival times"):
        _core.Page(0, drawn() | {"turns": turns(), "arrival_s": None})
    with pytest.raises(KernelError, match="new tokens want answers"):
        _core.Page(0, drawn() | {"turns": turns(new_tokens=np.ones(3, np.int32)), "output_tokens": None})


@pytest.mark.parametrize(
    "name", [name for name, column in drawn().items() if column is not None and name != "uniforms"]
)
def test_a_column_of_another_length_is_refused(name):
    column = drawn()[name]
    with pytest.raises((KernelError, ValueError)):
        _core.Page(0, drawn() | {name: np.asarray(column)[..., :2].copy()})
    with pytest.raises((KernelError, ValueError)):
        _core.Page(0, drawn() | {name: np.concatenate([column, column], axis=-1)[..., ::2]})


def test_a_page_has_rows_prompts_and_costs():
    for missing in ("known_costs", "prompt_tokens"):
        with pytest.raises(KernelError, match="a page has rows"):
            _core.Page(0, drawn() | {missing: None})


def test_records_of_a_page_may_be_rows():
    rows = rows_of(3)
    assert rows.itemsize == 128
    assert rows.ctypes.data % 64 == 0
    turned = {k: c.T.copy() if c is not None and c.ndim == 2 and k != "uniforms" else c for k, c in drawn().items()}
    page = _core.Page(0, turned | {"turns": turns()}, rows)
    assert page.records["status"].tolist() == rows["status"].tolist() == [_core.NOT_SENT] * 3
    rows["cost"] = [1.0, 2.0, 3.0]
    columns = in_columns(page.records)
    assert columns["cost"].tolist() == [1.0, 2.0, 3.0]
    assert all(column.flags.c_contiguous for column in columns.values())
    for given, r in (drawn(), rows), (turned, rows_of(4)), (turned, np.zeros(3, list(_core.RECORD_COLUMNS.items()))):
        with pytest.raises(KernelError, match="contiguous" if r is rows else "a row of records"):
            _core.Page(0, given, r)


def test_paths_of_a_page_have_a_row_each():
    node = np.dtype([("id", np.int64), ("end_tokens", np.int64)])
    nodes = np.zeros(4, node)
    _core.Page(0, drawn() | {"paths": SimpleNamespace(start=np.array([0, 1, 2, 4]), nodes=nodes)})
    for start in ([0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 5]):
        with pytest.raises(KernelError, match="start is"):
            _core.Page(0, drawn() | {"paths": SimpleNamespace(start=np.array(start), nodes=nodes)})
    with pytest.raises(KernelError, match="size that it has in C"):
        _core.Page(0, drawn() | {"paths": SimpleNamespace(start=np.array([0, 1, 2, 4]), nodes=np.zeros(4))})
