"""The pipeline of threads: the same items in the same order, bounded, and gone when either side goes."""

import itertools
import threading
import time

import pytest

import messsim
from messsim.engines.pipeline import DEPTH, Background, ahead
from messsim.errors import SimulationError
from messsim.scenario import parse


def ours() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("messsim-")]


def test_items_come_in_order():
    assert list(ahead(iter(range(1000)))) == list(range(1000))
    assert ours() == []


def test_the_source_runs_only_a_few_items_ahead():
    made = []

    def source():
        for i in itertools.count():
            made.append(i)
            yield i

    items = ahead(source())
    assert next(items) == 0
    time.sleep(0.3)  # all the time it could want
    assert len(made) <= DEPTH + 3
    items.close()
    assert ours() == []


def test_an_error_of_the_source_comes_where_its_item_would():
    def source():
        yield 1
        raise ValueError("no second")

    items = ahead(source())
    assert next(items) == 1
    with pytest.raises(ValueError, match="no second"):
        next(items)
    assert ours() == []


def test_background_does_all_before_it_is_left():
    done = []
    with Background(done.append) as behind:
        for i in range(100):
            behind(i)
    assert done == list(range(100))
    assert ours() == []


def test_an_error_behind_is_raised_in_front():
    def refuse(item):
        raise OSError("disk full")

    def front():
        with Background(refuse) as behind:
            for i in range(100):
                behind(i)

    with pytest.raises(OSError, match="disk full"):
        front()
    assert ours() == []


def test_an_error_of_the_last_item_is_not_lost():
    def refuse(item):
        time.sleep(0.05)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), Background(refuse) as behind:
        behind(1)


def test_an_error_in_front_drops_what_waits():
    done = []

    def slowly(item):
        time.sleep(0.05)
        done.append(item)

    def front():
        with Background(slowly) as behind:
            behind(1)
            behind(2)
            raise KeyError

    with pytest.raises(KeyError):
        front()
    assert done in ([], [1])
    assert ours() == []


def arriving(engine, requests, rate_rps, models, **record):
    """Requests at a rate, to models with an iteration of 10 ms."""
    return parse(
        {
            "requests": requests,
            "engine": engine,
            "sla": {"alpha": 0.6},
            "arrivals": {"kind": "poisson", "rate_rps": rate_rps},
            "satisfaction": {"kind": "irt"},
            "models": [{"coefficients": {"a0_s": 0.01, "p0_w_per_gpu": 100.0}} | m for m in models],
            "record": {"chunk": 64} | record,
        }
    )


@pytest.mark.parametrize("engine", ["compiled", "simpy"])
def test_a_run_is_the_same_with_and_without(engine):
    scenario = arriving(engine, 1000, 5.0, [{"name": "a", "satisfaction": 0.5}, {"name": "b", "satisfaction": 0.8}])
    plain, threaded = (messsim.run(scenario, pipelined=p) for p in (False, True))
    assert plain.requests.collect().equals(threaded.requests.collect())
    assert plain.timeline.equals(threaded.timeline)
    for summary in (plain.summary, threaded.summary):
        del summary["performance"]
    assert plain.summary == threaded.summary
    assert ours() == []


@pytest.mark.parametrize("engine", ["compiled", "simpy"])
def test_a_run_that_stops_leaves_no_thread(engine):
    """Not even while somebody still holds the error, with all that it refers to."""
    scenario = arriving(engine, 2000, 1000.0, [{"name": "a", "satisfaction": 0.5, "max_num_seqs": 1}], max_open=64)
    with pytest.raises(SimulationError, match=r"record\.max_open = 64") as held:
        messsim.run(scenario, pipelined=True)
    assert held.value.__traceback__ is not None
    assert ours() == []
