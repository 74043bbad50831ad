"""What the functions of Python hand to their studies, and what they write: nothing is simulated."""

import dataclasses
from types import SimpleNamespace

import pytest
from builders import scenario
from test_cli_calls import Answer, Call

import messsim
from messsim.api import EVERY
from messsim.scenario import parse
from messsim.study.plan.goal import Goal

SMALL = parse(scenario(name="two"))
COMMON = {"workers": 3, "progress": print}


@pytest.fixture
def put(monkeypatch):
    """Puts a function that answers in place of another."""

    def stands_for(path, answer=None):
        call = Call(answer)
        monkeypatch.setattr(f"messsim.{path}", call)
        return call

    return stands_for


def test_compare(put, tmp_path):
    study = put("study.compare.policies.compare", ({"policies": []}, []))
    write = put("study.compare.files.write_comparison")
    result = messsim.compare(SMALL, "mess+, random,", seeds=2, out=str(tmp_path / "o"), **COMMON)
    assert result.summary == {"policies": []}
    assert study.args == (SMALL, ["mess+", "random"], 2)
    assert study.options == {"out": tmp_path / "o", "workers": 3, "on_progress": print}
    assert write.args == (tmp_path / "o", SMALL, {"policies": []})
    messsim.compare(SMALL)
    assert study.args[1:] == (list(EVERY), 5)
    assert study.options == {"out": None, "workers": None, "on_progress": None}
    assert write.count == 1, "nothing is written unless it is asked for"


def test_sweep(put, tmp_path):
    study = put("study.sweep.sweep", {"points": []})
    messsim.sweep(SMALL, {"V": [1, 2], "alpha": "0.5..0.6:2:linear"}, seeds=2, show=["a"], out=tmp_path, **COMMON)
    assert study.args[1] == [{"router.V": v, "sla.alpha": a} for v in (1, 2) for a in (0.5, 0.6)]
    assert study.given("seeds", "shown", "out", "workers", "on_progress") == [2, ["a"], tmp_path, 3, print]
    messsim.sweep(SMALL, [{"router.V": 1}])
    assert study.given("seeds", "out") == [5, None]
    assert study.options["shown"] is None, "what a sweep shows by itself"


def test_replicate(put, tmp_path):
    study = put("study.replicate.replicate", ({"precise": True}, []))
    messsim.replicate(SMALL, precision=0.01, of=["cost.per_request"], most=30, out=tmp_path, **COMMON)
    assert dataclasses.astuple(study.args[1]) == (30, 0.01, ("cost.per_request",))
    assert study.options == {"out": tmp_path, "workers": 3, "on_progress": print}
    messsim.replicate(SMALL, 4)
    assert dataclasses.astuple(study.args[1])[:2] == (4, None)


def test_converge(put, tmp_path):
    study = put("study.converge.convergence.converge", SimpleNamespace(summary={"kept": 1}, rows=[]))
    write = put("study.converge.files.write_convergence")
    assert messsim.converge(SMALL, 7, out=str(tmp_path / "o"), **COMMON).summary == {"kept": 1}
    assert study.args == (SMALL, 7)
    assert study.options == {"out": tmp_path / "o", "workers": 3, "on_progress": print}
    assert write.args == (tmp_path / "o", study.answer)
    messsim.converge(SMALL)
    assert (study.args[1], write.count) == (20, 1)


def test_plan(put, tmp_path):
    study = put("study.plan.cheapest.plan", {"clusters": []})
    asked = {"small": (1, 3), "large": "0..2"}
    messsim.plan(SMALL, ["a<1"], replicas=asked, objective="energy", kept=0.8, seeds=2, out=tmp_path, **COMMON)
    loaded, goal = study.args
    assert loaded == SMALL
    assert [(a.pool, a.least, a.most) for a in goal.axes] == [("small", 1, 3), ("large", 0, 2)]
    assert goal == Goal(goal.axes, ["a<1"], "energy", seeds=2, kept_share=0.8)
    assert study.given("out", "workers") == [tmp_path, 3]
    messsim.plan(SMALL, [], replicas={"small": "1"})
    goal = study.args[1]
    assert (goal.objective, goal.seeds, goal.kept_share, *study.given("out", "workers")) == ("usd", 5, 0.9, None, None)


def test_challenge(put, tmp_path):
    study = put("study.challenge.routers.challenge", (Answer(1), []))
    write = put("study.challenge.files.write_challenge")
    asked = {"conditions": ["late"], "seeds": 2, "requests": 70, "seed": 9}
    assert messsim.challenge("mess+,random", **asked, out=str(tmp_path / "o"), **COMMON).summary == {"x": 1}
    scenarios, policies, seeds = study.args
    assert [(name, s.requests, s.seed) for name, s in scenarios.items()] == [("late", 70, 9)]
    assert (policies, seeds, study.options["out"]) == (["mess+", "random"], 2, tmp_path / "o")
    assert write.args == (tmp_path / "o", scenarios, Answer(1))
    messsim.challenge()
    assert (len(study.args[0]) > 10, study.args[2], write.count) == (True, 5, 1)


def test_verify(put, tmp_path):
    study = put("study.verify.verify", {"cases": [], "passed": True})
    put("report.verification.verification_page", "# a page\n")
    messsim.verify(engine="simpy", size=0.5, seed=4, workers=2, out=tmp_path / "o", progress=print)
    assert study.options == {"engine": "simpy", "size": 0.5, "seed": 4, "workers": 2, "progress": print}
    assert (tmp_path / "o" / "verification.md").read_text() == "# a page\n"
    messsim.verify()
    assert study.options == {"engine": "compiled", "size": None, "seed": None, "workers": None, "progress": None}
