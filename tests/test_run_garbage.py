"""What a run leaves behind: nothing that waits for the garbage collector, which seldom comes while arrays are large."""

import gc

import pytest
from runs import eventful

from messsim.scenario import parse
from messsim.study import run


@pytest.fixture
def saved_garbage():
    """What only the collector frees, from its start on."""
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    yield gc.garbage
    gc.set_debug(0)
    gc.garbage.clear()


@pytest.mark.parametrize("keep_records", [False, True])
def test_a_run_is_freed_as_soon_as_nobody_has_it(saved_garbage, keep_records):
    scenario = parse(eventful(requests=300))
    run(scenario, keep_records=keep_records)
    gc.collect()  # what is made once
    saved_garbage.clear()
    run(scenario, keep_records=keep_records)
    gc.collect()
    assert {type(o).__qualname__ for o in saved_garbage if type(o).__module__.startswith("messsim")} == set()
