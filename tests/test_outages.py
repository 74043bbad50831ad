"""Failures drawn again are those that the engines had."""

import pytest
from builders import model, scenario

from messsim.engines import prepare
from messsim.engines.breakdowns import Breakdowns
from messsim.scenario import parse
from messsim.study.simulation.outages import outages
from messsim.study.simulation.single import ENGINES


def told(**failures):
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
    said = told(
        mtbf_s=40.0, mttr_s=10.0, schedule=[{"pool": "large", "replica": 1, "at_s": 20.0, "for_s": 30.0}]
    ).changed(replication=replication)
    failed = []
    fail = Breakdowns.fail

    def watched(self, server):
        failed.append((self.calendar.now, server.pool.plan.name, server.index - server.pool.plan.first_replica))
        fail(self, server)

    monkeypatch.setattr(Breakdowns, "fail", watched)
    outcome = ENGINES["simpy"](prepare(said), lambda _: None, None)
    found = outages(said, outcome.last_arrival_s)
    assert len(found) > 10
    assert [(o.from_s, o.pool, o.replica) for o in found] == [
        f for f in sorted(failed) if f[0] < outcome.last_arrival_s
    ]
    assert [o.planned for o in found].count(True) == 1
    assert all(o.to_s > o.from_s for o in found)


def test_a_fleet_that_never_fails():
    assert outages(parse(scenario()), 1e9) == []
    assert outages(told(schedule=[]), 1e9) == []
