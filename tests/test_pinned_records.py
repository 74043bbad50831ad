"""Records without caches, sessions and other engines' schedules are pinned, and `verify` says so."""

import pytest

from messsim.engines import prepare
from messsim.report.verification import verification_page
from messsim.study.verify import pinned, verification
from messsim.study.verify.cases import experiments
from messsim.study.verify.pinned import SUMS, pinned_records, pinned_scenario


@pytest.mark.parametrize("engine", ["compiled", "simpy"])
def test_records_are_what_they_were(engine):
    assert [(r["scenario"], r["sum"], r["same"]) for r in pinned_records(engine)] == [(*s, True) for s in SUMS.items()]


@pytest.mark.parametrize("name", SUMS)
def test_no_server_has_a_cache(name):
    assert not any(plan.serving.prefix_cache for plan in prepare(pinned_scenario(name, "compiled")).pools)


def test_verify_fails_where_records_are_others(monkeypatch):
    few = experiments()[:1]
    monkeypatch.setattr(verification, "experiments", lambda: few)
    monkeypatch.setattr(pinned, "SUMS", {**SUMS, "overload": "0" * 16})
    verified = verification.verify(size=0.05)
    assert (verified["passed"], [r["same"] for r in verified["records"]]) == (False, [False, True, True, True])
    assert all(c["passed"] for c in verified["cases"])
    assert "records of overload are not what they were" in verification_page(verified)
    monkeypatch.setattr(pinned, "SUMS", SUMS)
    verified = verification.verify(size=0.05)
    assert verified["passed"]
    assert f"records of {', '.join(SUMS)} are bit for bit" in verification_page(verified)
