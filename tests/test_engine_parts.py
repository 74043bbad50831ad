"""Small parts of the engine in SimPy by themselves: links, front ends, workers, the calendar, memory, capacity."""

import math
from types import SimpleNamespace

import pytest

from messsim.engines.calendar import ARRIVES, ENDS, STARTS, Calendar
from messsim.engines.fronts import Front
from messsim.engines.links import Link
from messsim.engines.memory import capacity_tokens, memory_share
from messsim.engines.networks import shared_links
from messsim.engines.outcome import PoolOutcome, assert_certified, assert_none_open, assert_paid
from messsim.engines.records import Timeline
from messsim.engines.sums import in_order
from messsim.engines.workers import Workers
from messsim.scenario.fleet import Serving
from messsim.scenario.laws import ConstantDelay
from messsim.scenario.transfer import Transfer
from messsim.workload.chance import Chance
from messsim.zoo.records import Memory

# ---- links ----------------------------------------------------------------------------------------------


def test_transfers_share_a_link_evenly():
    """At 10 bytes/s: a of 100 from 0 s, b of 20 from 4 s. b has 5 bytes/s and ends at 8 s; a at 12 s."""
    link = Link(10.0)
    assert link.next_s == math.inf
    link.join("a", 1, 100.0, 0.0)
    assert link.next_s == 10.0
    link.join("b", 2, 20.0, 4.0)
    assert link.next_s == 8.0
    assert link.end(7.0) is None
    assert link.end(8.0) == "b"
    assert link.next_s == 12.0
    assert link.end(12.0) == "a"
    assert (link.next_s, link.end(12.0)) == (math.inf, None)
    link.join("c", 3, 50.0, 20.0)
    assert link.next_s == 25.0


def test_a_transfer_that_is_called_off_leaves_its_share():
    link = Link(15.0)
    a, b, c = ["a"], ["b"], ["c"]
    for order, transfer in enumerate((a, b, c)):
        link.join(transfer, order, 45.0, 0.0)
    assert link.next_s == 9.0
    link.leave(b, 3.0)  # each has had 15 bytes: 30 are left, at 7.5 bytes/s
    assert link.next_s == 7.0
    assert link.end(7.0) is a  # of two that end together the least order is first
    assert link.next_s == 7.0
    assert link.end(7.0) is c
    link.join(a, 0, 15.0, 8.0)
    link.leave(a, 8.5)
    assert link.next_s == math.inf


def test_nothing_to_carry_ends_at_once():
    link = Link(10.0)
    link.join("a", 1, 0.0, 3.0)
    assert link.next_s == 3.0


def pool(name, model, role, replicas, kv=0.0):
    return SimpleNamespace(name=name, model=model, role=role, replicas=replicas, kv_bytes_per_token=kv)


POOLS = [
    pool("p", 0, "prefill", 2, 1000.0),
    pool("p2", 0, "prefill", 3, 800.0),
    pool("d", 0, "decode", 4),
    pool("q", 1, "prefill", 1, 500.0),
    pool("e", 1, "decode", 6),
    pool("x", 2, "both", 9),
]


@pytest.mark.parametrize(
    ("of", "replicas", "expected"),
    [
        ("transfer", None, []),
        ("cluster", None, [({0: 80_000.0, 1: 50_000.0}, 2e9)]),
        ("prefill", None, [({0: 80_000.0}, 10e9), ({1: 50_000.0}, 2e9)]),
        ("decode", None, [({0: 80_000.0}, 8e9), ({1: 50_000.0}, 12e9)]),
        ("decode", {"d": 1, "e": 2, "p": 0, "p2": 0, "q": 0}, [({0: 80_000.0}, 2e9), ({1: 50_000.0}, 4e9)]),
    ],
)
def test_links_of_a_cluster(of, replicas, expected):
    links = shared_links(Transfer(bandwidth_of=of, bandwidth_gb_per_s=2.0), POOLS, 100.0, replicas)
    assert [(dict(link.request_bytes), link.bytes_per_s) for link in links] == expected


def test_without_pools_that_prefill_there_is_no_link():
    assert shared_links(Transfer(bandwidth_of="cluster"), POOLS[-1:], 100.0) == []


# ---- the calendar ---------------------------------------------------------------------------------------


def test_what_happens_at_one_instant_goes_by_kind_and_then_by_number():
    calendar, heard = Calendar(), []
    for order in [(STARTS, 0, 0), (ARRIVES, 2, 0), (ENDS, 1, 3), (ARRIVES, 1, 9), (ENDS, 1, 0)]:
        calendar.call_at(lambda _, order=order: heard.append((calendar.now, order)), 0.1 + 0.2, order)
    calendar.call_at(lambda _: heard.append("late"), 0.5, (ENDS, 0, 0))
    calendar.call_at(lambda _: heard.append("early"), 0.3, (STARTS, 9, 9))
    seen = []
    calendar.before = seen.append
    calendar.run()
    orders = [(ENDS, 1, 0), (ENDS, 1, 3), (ARRIVES, 1, 9), (ARRIVES, 2, 0), (STARTS, 0, 0)]
    assert heard == ["early", *((0.1 + 0.2, order) for order in orders), "late"]
    assert seen[:2] == [0.3, 0.1 + 0.2]


def test_processes_wait_for_moments_and_begin_before_what_else_is_due():
    calendar, heard = Calendar(), []

    def process():
        heard.append(("begun", calendar.now))
        yield calendar.at(2.0, (ENDS, 0, 0))
        heard.append(("woken", calendar.now))

    calendar.call_at(lambda _: heard.append("first"), 0.0, (ENDS, 0, 0))
    calendar.process(process())
    calendar.run()
    assert heard == [("begun", 0.0), "first", ("woken", 2.0)]


class NeedsTwo(KeyboardInterrupt):
    """As an exception that a signal raises: its arguments are not what it was made of."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__()
        self.number, self.text = number, text


def test_what_a_process_raises_comes_out_as_it_was_raised():
    calendar, raised = Calendar(), NeedsTwo(15, "end")

    def process():
        yield calendar.at(1.0, (ENDS, 0, 0))
        raise raised

    calendar.process(process())
    with pytest.raises(NeedsTwo) as caught:
        calendar.run()
    assert caught.value is raised


def test_what_a_moment_raises_comes_out_too():
    calendar = Calendar()
    calendar.call_at(lambda _: 1 / 0, 1.0, (ENDS, 0, 0))
    with pytest.raises(ZeroDivisionError):
        calendar.run()


# ---- front ends -----------------------------------------------------------------------------------------


class Job:
    """A copy with the time at which its answer reaches its user."""

    def __init__(self, request):
        self.request, self.attempt, self.replica = request, 0, 0

    def reaches_user(self, now):
        self.read_s = now


def front(workers, front_end_s=2.0, detokenize_s=0.5):
    calendar, queued, done = Calendar(), [], []
    law = None if front_end_s is None else ConstantDelay(mean_s=front_end_s)
    serving = SimpleNamespace(front_end_s=law, detokenize_s=detokenize_s, front_end_workers=workers)
    plan = SimpleNamespace(name="pool", serving=serving)
    made = Front(
        calendar,
        plan,
        Chance(1),
        9,
        lambda job: queued.append((job.request, calendar.now)),
        lambda job: done.append((job.request, calendar.now)),
    )
    return made, calendar, queued, done


@pytest.mark.parametrize(
    ("workers", "expected"),
    [
        (1, [(0, 2.0), (1, 4.0), (2, 6.0)]),
        (2, [(0, 2.0), (1, 2.0), (2, 4.0)]),
        (0, [(0, 2.0), (1, 2.0), (2, 2.0)]),  # no limit
    ],
)
def test_requests_pass_the_front_end_in_order(workers, expected):
    made, calendar, queued, _ = front(workers)
    for request in range(3):
        made.enter(Job(request))
    assert made.unfinished == 3
    calendar.run()
    assert queued == expected
    assert made.unfinished == 0


def test_without_a_front_end_requests_queue_at_once():
    made, _, queued, _ = front(1, None)
    made.enter(Job(7))
    assert queued == [(7, 0.0)]


def test_answers_reach_their_users_later():
    made, calendar, _, done = front(1)
    job = Job(3)
    made.detokenize(job)
    assert made.unfinished == 1
    assert made.abort(job) is False
    calendar.run()
    assert (job.read_s, done, made.unfinished) == (0.5, [(3, 0.5)], 0)


def test_who_gives_up_in_the_front_end():
    made, calendar, queued, done = front(1)
    served, waiting, after = (Job(k) for k in range(3))
    for job in (served, waiting, after):
        made.enter(job)
    assert made.abort(waiting) is True  # gone at once
    assert made.abort(served) is False  # a worker who has begun goes on to the end
    assert made.abort(Job(9)) is None
    calendar.run()
    assert done == [(0, 2.0)]
    assert queued == [(2, 4.0)]


def test_a_failure_empties_the_front_end_and_what_began_there_comes_to_nothing():
    made, calendar, queued, done = front(1)
    jobs = [Job(k) for k in range(3)]
    for job in jobs[:2]:
        made.enter(job)
    made.detokenize(jobs[2])
    made.abort(jobs[0])
    assert made.evict() == jobs[:2]
    assert made.unfinished == 1
    made.enter(jobs[0])  # again, after the repair
    assert made.withdraw() == [jobs[0], jobs[2]]
    calendar.run()
    assert queued == []
    assert done == [(2, 0.5)]


# ---- the router's workers -------------------------------------------------------------------------------


def workers(count, decision_s=2.0, instances=1):
    law = None if decision_s is None else ConstantDelay(mean_s=decision_s)
    router = SimpleNamespace(decision_s=law, workers=count, instances=instances)
    setup = SimpleNamespace(scenario=SimpleNamespace(router=router), workload=SimpleNamespace(chance=Chance(1)))
    calendar, decided = Calendar(), []
    return Workers(setup, calendar, lambda o: decided.append((o.request, calendar.now))), calendar, decided


def attempt(request, instance=0):
    return SimpleNamespace(request=request, attempt=0, instance=instance, decided_s=-1.0)


@pytest.mark.parametrize(
    ("count", "decided", "waited_s"),
    [
        (1, [(0, 2.0), (1, 4.0), (2, 6.0)], 6.0),
        (2, [(0, 2.0), (1, 2.0), (2, 4.0)], 2.0),
        (0, [(0, 2), (1, 2), (2, 2)], 0),
    ],
)
def test_requests_wait_for_a_worker(count, decided, waited_s):
    made, calendar, seen = workers(count)
    for request in range(3):
        made.enter(attempt(request))
    calendar.run()
    assert seen == decided
    assert (made.outcome.begun, made.outcome.wait_s, made.outcome.busy_s) == (3, waited_s, 6.0)
    assert made.take_time


def test_each_instance_has_workers_of_its_own():
    made, calendar, seen = workers(1, instances=2)
    for request, instance in ((0, 0), (1, 0), (2, 1)):
        made.enter(attempt(request, instance))
    calendar.run()
    assert seen == [(0, 2.0), (2, 2.0), (1, 4.0)]


def test_who_gives_up_while_waiting_is_gone():
    made, calendar, seen = workers(1)
    first, second = attempt(0), attempt(1)
    made.enter(first)
    made.enter(second)
    assert (made.leave(first), made.leave(second), made.leave(second)) == (False, True, False)
    calendar.run()
    assert seen == [(0, 2.0)]
    assert made.outcome.begun == 1
    assert not workers(1, None)[0].take_time


# ---- memory ---------------------------------------------------------------------------------------------

GIB = 2**30


def memory(gib=80):
    return Memory(gib * GIB, 16 * GIB, 2**17, 123_456, "made up", assumed=True)


MEMORY = memory()


def serving(**more):
    return Serving(**({"max_num_seqs": 8, "gpu": "H100", "profile": "made-up"} | more))


@pytest.mark.parametrize(
    ("engine", "more", "share"),
    [
        ("vllm", {}, 0.92),
        ("tensorrt-llm", {}, 0.9),
        (None, {}, 0.9),
        ("vllm", {"gpu_memory_share": 0.5}, 0.5),
        ("sglang", {"gpu_memory_share": 0.7}, 0.7),
    ],
)
def test_what_an_engine_takes_of_a_gpu(engine, more, share):
    assert memory_share(serving(engine=engine, **more), MEMORY) == share


@pytest.mark.parametrize(
    ("gib", "tp", "tokens", "reserved_mib"),
    [
        # 512, 1.5 a token (2,048 at least), 128 a GPU, 2 a sequence of the largest graph, 8 a graph of prefills
        (24, 1, 2048, 512 + 3072 + 128 + 2 * 48 + 8 * 42),
        (24, 1, 1000, 512 + 3072 + 128 + 2 * 48 + 8 * 37),
        (24, 1, 2047, 512 + 3072 + 128 + 2 * 48 + 8 * 41),
        (16, 4, 2048, 512 + 3072 + 128 * 4 + 2 * 8 + 8 * 42),
        (40, 1, 2048, 512 + 3072 + 128 + 2 * 32 + 8 * 42),
        (40, 4, 4096, 512 + 6144 + 128 * 4 + 2 * 160 + 8 * 50),
        (40, 3, 4096, 512 + 6144 + 128 * 3 + 2 * 32 + 8 * 50),
        (60, 1, 2048, 512 + 3072 + 128 + 2 * 256 + 8 * 42),
        (80, 1, 2048, 10 * 1024),  # of more than 60 GiB at least as much
        (80, 1, 8192, 512 + 12_288 + 128 + 2 * 256 + 8 * 58),
        (180, 8, 16_384, 512 + 24_576 + 128 * 8 + 2 * 512 + 8 * 74),
    ],
)
def test_what_sglang_leaves_free(gib, tp, tokens, reserved_mib):
    given = memory_share(serving(engine="sglang", tp=tp, max_batched_tokens=tokens), memory(gib))
    assert given == round(1.0 - reserved_mib / (gib * 1024), 3)


def test_without_an_engine_the_cache_is_that_of_the_profile():
    assert capacity_tokens(serving(), MEMORY) == 123_456


@pytest.mark.parametrize(
    ("engine", "tp", "tokens"),
    [
        ("sglang", 1, (0.5 * 80 - 16) * GIB / 2**17),
        ("sglang", 2, (0.5 * 160 - 16) * GIB / 2**17),
    ],
)
def test_what_is_left_beside_the_weights_is_the_cache(engine, tp, tokens):
    assert capacity_tokens(serving(engine=engine, tp=tp, gpu_memory_share=0.5), MEMORY) == tokens


def test_other_engines_leave_room_for_other_things_on_each_gpu():
    for tp in (1, 2):
        others = 4_500_000_000 * tp
        given = capacity_tokens(serving(engine="vllm", tp=tp, gpu_memory_share=0.5), MEMORY)
        assert given == int(0.5 * 80 * tp * GIB - 16 * GIB - others) // 2**17
        given = capacity_tokens(serving(engine="tensorrt-llm", tp=tp, gpu_memory_share=0.5), MEMORY)
        assert given == int(0.5 * (80 * tp * GIB - 16 * GIB - others)) // 2**17
    assert capacity_tokens(serving(engine="vllm", gpu_memory_share=0.1), MEMORY) == 0


# ---- sums and assertions --------------------------------------------------------------------------------


def test_sums_go_from_left_to_right():
    assert in_order([1e16, 1.0, 1.0]) == 1e16
    assert in_order([1.0, 1.0, 1e16]) == 1e16 + 2
    assert in_order([]) == 0.0


@pytest.mark.parametrize(("paid", "metered"), [(1.0, 1.0 + 1.9e-9), (1e9, 1e9 + 0.9), (0.0, 1e-9)])
def test_rounding_of_joules_is_tolerated(paid, metered):
    assert_paid(paid, metered)
    assert_paid(metered, paid)


@pytest.mark.parametrize(("paid", "metered"), [(1.0, 1.0 + 2.1e-9), (1e9, 1e9 + 1.1), (0.0, 1.1e-9), (5.0, 0.0)])
def test_joules_that_nobody_paid_are_a_bug(paid, metered):
    with pytest.raises(AssertionError, match=rf"requests paid for {paid} J of {metered} J: a bug in messsim"):
        assert_paid(paid, metered)


def test_other_bugs_are_told():
    assert_none_open(0)
    with pytest.raises(AssertionError, match="3 requests are open"):
        assert_none_open(3)
    assert_certified(True)
    with pytest.raises(AssertionError, match="certificate does not hold"):
        assert_certified(False)


COUNTED = {"meter_j": 5.0, "preemptions": 1, "jumps": 2}


def pool_plan(**more):
    given = {
        "name": "p", "model": 1, "gpu": "H100", "gpus": 2, "replicas": 3, "is_api": False, "idle_w": 10.0,
        "usd_per_s": 0.5, "owned_usd_per_s": 0.25, "kv_capacity_tokens": 99, "energy_measured": True,
    }  # fmt: skip
    settings = SimpleNamespace(autoscale=more.pop("autoscale", None), schedule="vllm", engine=None)
    return SimpleNamespace(**(given | more), serving=settings)


def test_the_outcome_of_a_pool():
    # 3 replicas for 20 s: busy for 30 of 60 s, idle for 24
    outcome = PoolOutcome.of(pool_plan(), 30.0, 24.0, 60.0, 20.0, COUNTED, in_usd=True)
    assert (outcome.utilization, outcome.idle_energy_j, outcome.idle_cost, outcome.owned_usd) == (
        0.5,
        240.0,
        12.0,
        15.0,
    )
    assert (outcome.mean_replicas, outcome.kv_capacity_tokens, outcome.meter_j) == (3.0, 99, 5.0)
    assert (outcome.preemptions, outcome.jumps, outcome.engine) == (1, 2, None)
    assert outcome.schedule.startswith("vllm ")
    in_joules = PoolOutcome.of(pool_plan(), 30.0, 24.0, 60.0, 20.0, COUNTED, in_usd=False)
    assert in_joules.idle_cost == 240.0


def test_the_outcome_of_pools_without_limits_or_time_or_of_one_size():
    scaled = PoolOutcome.of(pool_plan(autoscale=object()), 30.0, 24.0, 50.0, 20.0, COUNTED, in_usd=True)
    assert scaled.mean_replicas == 2.5
    nothing = PoolOutcome.of(pool_plan(autoscale=object()), 0.0, 0.0, 0.0, 0.0, COUNTED, in_usd=True)
    assert (nothing.mean_replicas, nothing.utilization) == (3.0, None)
    api = PoolOutcome.of(pool_plan(is_api=True, kv_capacity_tokens=2**31), 0.0, 0.0, 0.0, 20.0, COUNTED, in_usd=True)
    assert (api.schedule, api.kv_capacity_tokens) == (None, None)
    limited = PoolOutcome.of(pool_plan(kv_capacity_tokens=2**31 - 1), 0.0, 0.0, 0.0, 20.0, COUNTED, in_usd=True)
    assert limited.kv_capacity_tokens == 2**31 - 1


# ---- samples of a run -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requests", "stride"), [(None, 1), (1, 1), (4096, 1), (4097, 2), (8192, 2), (8193, 4), (3 * 8192, 8)]
)
def test_a_run_of_known_length_takes_no_sample_that_would_go_again(requests, stride):
    timeline = Timeline(requests)
    assert timeline.stride == stride
    assert (timeline.due(0), timeline.due(stride), timeline.due(2 * stride + 1)) == (True, True, stride == 1)


@pytest.mark.parametrize(
    ("replicas", "stride"), [(1, 1), (1024, 1), (1025, 2), (2048, 2), (2049, 4), (4096, 4), (4097, 8), (10_000, 8)]
)
def test_of_many_replicas_there_are_fewer_samples(replicas, stride):
    assert Timeline(4096, replicas).stride == stride
    timeline = Timeline(replicas=replicas)
    for request in range(4096):
        if timeline.due(request):
            timeline.add(request)
    assert timeline.samples == list(range(0, 4096, stride))


def test_of_too_many_samples_every_other_one_goes():
    timeline, taken = Timeline(), []
    for request in range(3 * Timeline.MOST):
        if timeline.due(request):
            timeline.add(request)
            taken.append(request)
    assert timeline.stride == 4
    assert timeline.samples == list(range(0, 3 * Timeline.MOST, 4))
    assert taken[: Timeline.MOST + 1] == list(range(Timeline.MOST + 1))
