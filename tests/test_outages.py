"""Failures drawn again are those that the engines had."""

import pytest
from builders import model, scenario

from messsim.engines import prepare
from messsim.engines.breakdowns import Breakdowns
from messsim.scenario import parse
from messsim.study.simulation.outages import outages
from messsim.study.simulation.single import ENGINES


def failing(**failures):
    return parse(
        scenario(
            requests=400,
            models=[model("small", replicas=3), model("large", replicas=2)],
            cluster={"failures": failures},
            engine="simpy",
        )
    )


@pytest.mark.parametrize("replication", [0, 3])
def test_they_are_those_of_the_run(monkeypatch, replication):
    settings = failing(
        mtbf_s=40.0, mttr_s=10.0, schedule=[{"pool": "large", "replica": 1, "at_s": 20.0, "for_s": 30.0}]
    ).changed(replication=replication)
    failed = []
    fail = Breakdowns.fail

    def watched(self, server):
        failed.append((self.calendar.now, server.pool.plan.name, server.index - server.pool.plan.first_replica))
        fail(self, server)

    monkeypatch.setattr(Breakdowns, "fail", watched)
    outcome = ENGINES["simpy"](prepare(settings), lambda _: None, None)
    marks = outages(settings, outcome.last_arrival_s)
    assert len(marks) > 10
    assert [(o.from_s, o.pool, o.replica) for o in marks] == [
        f for f in sorted(failed) if f[0] < outcome.last_arrival_s
    ]
    assert [o.planned for o in marks].count(True) == 1
    assert all(o.to_s > o.from_s for o in marks)


def test_a_fleet_that_never_fails():
    assert outages(parse(scenario()), 1e9) == []
    assert outages(failing(schedule=[]), 1e9) == []
