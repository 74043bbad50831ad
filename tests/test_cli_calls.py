"""What each command hands to its study, option by option, and what it does with the answer: nothing is simulated."""

import dataclasses
import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import tomli_w
from builders import scenario
from runs import shown
from test_cli import here, refused

from messsim.cli.sweep import as_given
from messsim.results.figures import Requirement
from messsim.study.plan.cheapest import BestSoFar
from messsim.study.plan.goal import Goal
from messsim.study.runs.so_far import SoFar


class Call:
    """Stands for a function: notes what it is called with, and answers."""

    def __init__(self, answer=None):
        self.answer, self.args, self.options, self.count = answer, (), {}, 0

    def __call__(self, *args, **options):
        self.args, self.options, self.count = args, options, self.count + 1
        return self.answer

    def given(self, *names):
        return [self.options[name] for name in names]


@dataclasses.dataclass
class Answer:
    """Of a study that answers with no dictionary."""

    x: int


@pytest.fixture
def file(tmp_path):
    (tmp_path / "s.toml").write_text(tomli_w.dumps(scenario(name="two", seed=3)))
    return tmp_path / "s.toml"


@pytest.fixture
def stands_for(monkeypatch):
    """Puts an answer in place of a function; commands import their studies when they are called."""

    def put(path, answer=None):
        call = answer if isinstance(answer, Call) else Call(answer)
        monkeypatch.setattr(f"messsim.{path}", call)
        return call

    return put


@pytest.fixture
def workers(stands_for):
    """Of `--on`, `--workers` and `--ray-address`: what was asked for."""
    return stands_for("study.runs.places.workers_on", nullcontext("many"))


def printed(done, code=0):
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


COMMON = ("--requests", "2k", "--seed", "9", "--set", "sla.alpha=0.25", "--json")
ON = ("--on", "ray", "--ray-address", "auto", "--workers", "4")


def is_changed(loaded):
    """The scenario with `COMMON`."""
    return (loaded.name, loaded.requests, loaded.seed, loaded.sla.alpha) == ("two", 2000, 9, 0.25)


# ---- sweep ----------------------------------------------------------------------------------------------


def test_sweep(file, stands_for, workers, tmp_path):
    study = stands_for("study.sweep.sweep", {"failures": []})
    done = here("sweep", file, "--grid", "router.V=1,2", "--seeds", 3, "--show", "a", "--show", "b", *COMMON, *ON)
    assert printed(done) == {"failures": []}
    loaded, points = study.args
    assert is_changed(loaded)
    assert points == [{"router.V": 1}, {"router.V": 2}]
    assert study.given("seeds", "shown", "out", "workers", "on_known") == [3, ["a", "b"], None, workers.answer, None]
    assert workers.args == ("ray", 4, "auto")
    study.answer = {"failures": [1]}
    here("sweep", file, "--grid", "router.V=1", "--out", tmp_path / "out", "--json")
    assert study.given("seeds", "out") == [5, tmp_path / "out"]
    assert study.options["shown"] is None, "what a sweep shows by itself"
    assert workers.args == ("local", None, None)
    assert printed(here("sweep", file, "--grid", "router.V=1", "--json"), 1) == {"failures": [1]}


def test_the_command_of_a_scenario_as_it_was_given():
    assert as_given(Path("s.toml"), None, None, None) == ["messsim", "run", "s.toml"]
    assert as_given(Path("s.toml"), ["a=1", "b=2"], 0, 0) == [
        *("messsim", "run", "s.toml", "--set", "a=1", "--set", "b=2", "--requests", "0", "--seed", "0"),
    ]


# ---- compare --------------------------------------------------------------------------------------------


def test_compare(file, stands_for, workers, tmp_path):
    study = stands_for("study.compare.policies.compare", ({"policies": []}, []))
    written = stands_for("study.compare.files.write_comparison", ["no picture"])
    done = here("compare", file, "--policies", "mess+, random,", "--seeds", 3, "--out", tmp_path / "o", *COMMON, *ON)
    assert printed(done) == {"policies": []}
    assert done.stderr == "note: no picture\n"
    loaded, names, seeds = study.args
    assert is_changed(loaded)
    assert (names, seeds, study.options["out"]) == (["mess+", "random"], 3, tmp_path / "o")
    assert workers.args == ("ray", 4, "auto")
    assert written.args == (tmp_path / "o", loaded, {"policies": []})
    with study.options["workers"] as one, written.options["workers"] as other:
        assert one == other == "many", "the same processes draw the frontier"
    here("compare", file, "--json")
    assert study.args[1][0] == "mess+"
    assert study.args[2] == 5
    assert written.count == 1, "nothing is written without --out"


def test_compare_of_fleets(file, stands_for, workers, tmp_path):
    study = stands_for("study.compare.fleets.fleets", {"best": None})
    asked = ("--fleets", "--replicas", "small=1..3", "--require", "cost.gpus<9", "--policies", "mess+,random")
    done = here("compare", file, *asked, "--out", tmp_path / "o", *COMMON)
    assert printed(done) == {"best": None}
    loaded, names, goal = study.args
    assert is_changed(loaded)
    assert names == ["mess+", "random"]
    assert [(a.pool, a.least, a.most) for a in goal.axes] == [("small", 1, 3)]
    assert goal == Goal(goal.axes, ["cost.gpus<9"], "usd", seeds=5, kept_share=0.9)
    assert study.options["out"] == tmp_path / "o"
    assert study.options["workers"]() is workers.answer
    wrong = refused(here("compare", file, "--replicas", "small=1..3"))
    assert wrong.startswith("error: --replicas and --require: choose a fleet for each policy; expected --fleets")
    assert "expected --fleets" in refused(here("compare", file, "--require", "a<1"))


# ---- plan -----------------------------------------------------------------------------------------------


def test_plan(file, stands_for, workers, tmp_path):
    study = stands_for("study.plan.cheapest.plan", {"best": {"overrides": {}}})
    asked = ("--replicas", "small=1..3", "--replicas", "large=2", "--require", "a<1", "--objective", "energy")
    done = here("plan", file, *asked, "--kept", "80%", "--seeds", 7, "--out", tmp_path / "o", *COMMON, *ON)
    assert printed(done) == {"best": {"overrides": {}}}
    loaded, goal = study.args
    assert is_changed(loaded)
    assert [(a.pool, a.least, a.most) for a in goal.axes] == [("small", 1, 3), ("large", 2, 2)]
    assert goal == Goal(goal.axes, ["a<1"], "energy", seeds=7, kept_share=0.8)
    assert study.options["out"] == tmp_path / "o"
    assert study.options["workers"] is workers.answer
    assert workers.args == ("ray", 4, "auto")
    study.answer = {"best": None}
    assert printed(here("plan", file, "--replicas", "small=1", "--json"), 1) == {"best": None}
    goal = study.args[1]
    assert goal == Goal(goal.axes, [], "usd", seeds=5, kept_share=0.9)
    assert study.options["out"] is None


def test_plan_for_several_policies(file, stands_for, workers):
    study = stands_for("study.compare.fleets.fleets", {"best": "mess+"})
    asked = ("plan", file, "--replicas", "small=1", "--policies", "mess+,random", "--kept", "0.5", "--json")
    assert printed(here(*asked)) == {"best": "mess+"}
    assert study.args[1] == ["mess+", "random"]
    goal = study.args[2]
    assert (goal.objective, goal.seeds, goal.kept_share) == ("usd", 5, 0.5)
    study.answer = {"best": None}
    assert printed(here(*asked), 1) == {"best": None}


# ---- replicate, converge, challenge ---------------------------------------------------------------------


def test_replicate(file, stands_for, workers, tmp_path):
    study = stands_for("study.replicate.replicate", ({"precise": None}, []))
    done = here("replicate", file, "--seeds", 4, "--out", tmp_path / "o", *COMMON, *ON)
    assert printed(done) == {"precise": None}
    loaded, plan = study.args
    assert is_changed(loaded)
    assert dataclasses.astuple(plan) == (4, None, ("sla.satisfaction",))
    assert study.given("out", "workers") == [tmp_path / "o", workers.answer]
    assert workers.args == ("ray", 4, "auto")
    study.answer = ({"precise": False}, [])
    done = here("replicate", file, "--precision", "2%", "--of", "a", "--of", "b", "--most", 30, "--json")
    assert printed(done, 1) == {"precise": False}
    assert dataclasses.astuple(study.args[1]) == (30, 0.02, ("a", "b"))
    study.answer = ({"precise": True}, [])
    assert here("replicate", file, "--json").returncode == 0
    assert study.args[1].most == 10


def test_converge(file, stands_for, workers, tmp_path):
    result = SimpleNamespace(summary={"kept": 1})
    study = stands_for("study.converge.convergence.converge", result)
    written = stands_for("study.converge.files.write_convergence", [])
    assert printed(here("converge", file, "--out", tmp_path / "o", *COMMON, *ON)) == {"kept": 1}
    assert is_changed(study.args[0])
    assert study.args[1] == 20
    assert study.given("out", "workers") == [tmp_path / "o", workers.answer]
    assert workers.args == ("ray", 4, "auto")
    assert written.args == (tmp_path / "o", result)
    here("converge", file, "--seeds", 7, "--json")
    assert study.args[1] == 7


def test_challenge(stands_for, workers, tmp_path):
    study = stands_for("study.challenge.routers.challenge", (Answer(1), []))
    written = stands_for("study.challenge.files.write_challenge", [])
    asked = ("--policies", "random, mess+", "--conditions", "late,sparse", "--requests", 700, "--seed", 9, "--json")
    done = here("challenge", tmp_path / "mine.py", *asked, "--seeds", 2, "--out", tmp_path / "o", *ON)
    assert printed(done) == {"x": 1}
    scenarios, policies, seeds = study.args
    assert {name: (s.requests, s.seed) for name, s in scenarios.items()} == {"late": (700, 9), "sparse": (700, 9)}
    assert policies == [str((tmp_path / "mine.py").resolve()), "random", "mess+"]
    assert (seeds, study.options["out"], study.options["workers"]) == (2, tmp_path / "o", workers.answer)
    assert workers.args == ("ray", 4, "auto")
    assert written.args == (tmp_path / "o", scenarios, Answer(1))


@pytest.mark.parametrize(
    ("asked", "requests", "seeds"),
    [
        (("--quick",), 300, 1),
        (("--quick", "--seeds", 3, "--requests", 50), 50, 3),
        ((), None, 5),
    ],
)
def test_a_quick_challenge_is_of_few_requests_and_one_replication(stands_for, workers, asked, requests, seeds):
    read = stands_for(
        "study.challenge.conditions.conditions", {"late": SimpleNamespace(cost=SimpleNamespace(unit="J"))}
    )
    study = stands_for("study.challenge.routers.challenge", (Answer(1), []))
    here("challenge", *asked, "--json")
    from messsim.study.challenge.conditions import CONDITIONS
    from messsim.study.challenge.routers import POLICIES

    assert read.args == (CONDITIONS,)
    assert read.options == {"requests": requests, "seed": None}
    assert study.args[1:] == (list(POLICIES), seeds)


# ---- what is shown while a study goes on ----------------------------------------------------------------


@pytest.fixture
def screen(monkeypatch):
    """What stands below the bar on a terminal, line by line."""
    lines: list[list[str]] = []
    bar = nullcontext((lambda done, total: None, lambda known: lines.append(shown(known).splitlines())))
    monkeypatch.setattr("messsim.report.base.progress.known_bar", lambda console, name: bar)
    return lines


@pytest.mark.parametrize(
    ("command", "study", "answer"),
    [
        (("sweep", "--grid", "router.V=1"), "study.sweep.sweep", {"failures": []}),
        (("compare",), "study.compare.policies.compare", ({"policies": []}, [])),
        (("replicate",), "study.replicate.replicate", ({"precise": None}, [])),
        (("converge",), "study.converge.convergence.converge", SimpleNamespace(summary={})),
        (("challenge", "--conditions", "late"), "study.challenge.routers.challenge", (Answer(1), [])),
    ],
)
def test_means_of_what_is_done_stand_below_the_bar(file, stands_for, workers, screen, command, study, answer):
    name, *asked = command
    call = stands_for(study, answer)
    here(name, *([] if name == "challenge" else [file]), *asked, "--json")
    call.options["on_known"]([SoFar("mess+", 2, 1, 0.61, 0.25), SoFar("random", 1, 0, None, None)])
    ((head, *rows),) = screen
    unit = "USD/1,000 requests" if "USD" in head else "J/request"
    assert head.split() == ["so", "far", "runs", "kept", "in", "satisfied", *unit.split()]
    cost = "250" if "USD" in head else "0.25"
    assert [row.split() for row in rows] == [["mess+", "2", "1", "61.00", "%", cost], ["random", "1", "0", "-", "-"]]


@pytest.mark.parametrize(("objective", "value"), [("usd", "25,000 USD per hour"), ("energy", "25 kJ a run")])
def test_the_best_cluster_so_far_stands_below_the_bar(file, stands_for, workers, screen, objective, value):
    study = stands_for("study.plan.cheapest.plan", {"best": {"overrides": {}}})
    here("plan", file, "--replicas", "small=1..3", "--objective", objective, "--json")
    study.options["on_known"](BestSoFar({"small": 2}, 25_000.0, 3))
    assert screen == [[f"best so far: 2 x small; {value}; 3 clusters simulated"]]


# ---- run, check, explain --------------------------------------------------------------------------------


@pytest.fixture
def ran(stands_for):
    return stands_for("study.run", SimpleNamespace(summary={"x": 1}, notes=[]))


def test_run(file, ran, tmp_path):
    done = here("run", file, "--engine", "simpy", "--replication", 2, "--out", tmp_path / "o", *COMMON)
    assert printed(done) == {"x": 1}
    (loaded,) = ran.args
    assert is_changed(loaded)
    assert (loaded.engine, loaded.replication) == ("simpy", 2)
    assert ran.given("out", "keep_records", "progress") == [tmp_path / "o", False, None]
    assert ran.options["beside"].__name__ == "without_router"
    here("run", file, "--json", "--watch")
    assert (ran.args[0].engine, ran.args[0].seed, ran.args[0].replication) == ("compiled", 3, 0)
    assert ran.options["out"] is None
    assert callable(ran.options["watch"])


def test_a_requirement_that_fails_is_told_and_exits_with_1(file, ran, stands_for):
    def verdict(met):
        return {"requirement": "a<1", "reason": "is 2", "met": met, "value": 2, "margin": -1}

    known = stands_for("study.runs.requirements.known_figures", {"a": 0.0})
    judged = stands_for("study.runs.requirements.judged", [verdict(False), verdict(True)])
    done = here("run", file, "--require", "a<1", "--json")
    assert [v["met"] for v in printed(done, 1)["requirements"]] == [False, True]
    assert done.stderr == "failed: a<1: is 2\n"
    assert known.args[0].name == "two"
    assert judged.args == ([Requirement("a", "<", 1.0)], {"x": 1})
    judged.answer = [verdict(True)]
    assert here("run", file, "--require", "a<1", "--json").returncode == 0


def test_a_trace_is_of_a_window(file, ran, stands_for, tmp_path):
    traced = stands_for("study.simulation.tracing.trace", 5)
    done = here("run", file, "--trace", tmp_path / "t.json", "--json")
    assert (traced.args[1:3], done.stderr) == ((tmp_path / "t.json", (0.0, 60.0)), "")
    traced.answer = 0
    done = here("run", file, "--trace", tmp_path / "t.json", "--trace-window", "1..2.5", "--json")
    assert traced.args[2] == (1.0, 2.5)
    assert done.stderr == f"nothing happens from 1 to 2.5 s: {tmp_path / 't.json'} is empty\n"
    same = refused(here("run", file, "--trace", tmp_path / "o", "--out", tmp_path / "o"))
    assert same.endswith("o: is given to both --out and --trace; expected two names\n")
    assert "--trace-window 1..2: expected --trace FILE with it" in refused(here("run", file, "--trace-window", "1..2"))
    assert ran.count == 2, "what is wrong is told before the run"


def test_check(file, stands_for):
    examined = stands_for("study.simulation.check.check", {"problems": []})
    assert printed(here("check", file, *COMMON)) == {"problems": []}
    assert is_changed(examined.args[0])
    examined.answer = {"problems": ["no"]}
    assert printed(here("check", file, "--json"), 1) == {"problems": ["no"]}


def test_explain(stands_for, tmp_path):
    explained = stands_for("study.simulation.explain.explain", {"request": 5})
    assert printed(here("explain", tmp_path, "--request", 5, "--run-policy", "--json")) == {"request": 5}
    assert explained.args[:2] == (tmp_path, 5)
    assert explained.options == {"run_policy": True}
    here("explain", tmp_path, "--request", 5, "--json")
    assert explained.options == {"run_policy": False}


# ---- trust ----------------------------------------------------------------------------------------------


def test_verify(stands_for, tmp_path):
    study = stands_for("study.verify.verify", {"passed": True})
    asked = ("--engine", "simpy", "--size", "0.5", "--slow-server", "1.03", "--seed", 4, "--workers", 2)
    assert printed(here("verify", *asked, "--json")) == {"passed": True}
    assert study.given("engine", "size", "slow_server", "seed", "workers") == ["simpy", 0.5, 1.03, 4, 2]
    study.answer = {"passed": False}
    assert printed(here("verify", "--json"), 1) == {"passed": False}
    assert study.given("engine", "size", "slow_server", "seed", "workers") == ["compiled", None, 1.0, None, None]


def test_validate(stands_for, tmp_path):
    study = stands_for("study.validate.against_hardware.validate", {})
    assert printed(here("validate", tmp_path, "--seed", 4, "--set", "a=1", "--set", "b=2", "--json")) == {}
    assert study.args == (tmp_path, ["a=1", "b=2"])
    assert study.options == {"seed": 4}


def test_calibrate(stands_for, tmp_path):
    study = stands_for("study.calibrate.fitting.calibrate", {"rows": 1})
    stands_for("study.calibrate.profile_file.profile_text", "text\n")
    asked = ("--model", "m", "--gpu", "g", "--tp", 2, "--experts", 8, "--top-k", 3, "--kv-capacity-tokens", 99)
    rows = ("--select", "a=1", "--skip-failed", "--unique", "id", "--time-format", "ms", "--set", "b=2")
    out = ("--fix", "a0_s=1", "--base", "p", "--engine", "vllm", "--out", tmp_path / "mine.toml", "--json")
    assert printed(here("calibrate", tmp_path / "x.csv", tmp_path / "y.csv", *asked, *rows, *out)) == {"rows": 1}
    files, select, options, sets = study.args
    assert (files, select, sets) == ([tmp_path / "x.csv", tmp_path / "y.csv"], ["a=1"], ["b=2"])
    assert dataclasses.astuple(options) == ("m", "g", 2, 8, 3, 99, ["a0_s=1"], "p", "vllm")
    assert study.given("unit", "unique", "skip_failed") == ["ms", "id", True]
    assert (tmp_path / "mine.toml").read_text() == "text\n"
    here("calibrate", tmp_path / "x.csv", "--json")
    assert dataclasses.astuple(study.args[2]) == (None, None, None, None, None, None, [], None, None)
    assert study.given("unit", "unique", "skip_failed") == ["auto", None, False]


def test_reproduce(stands_for, workers, tmp_path):
    paper = stands_for("study.reproduce.benchmarks.reproduce_paper", {"p": 1})
    theory = stands_for("study.reproduce.theory.reproduce_theory", {"t": 1})
    asked = ("--seeds", 3, "--seed", 9, "--set", "a=1", "--json", *ON)
    assert printed(here("reproduce", "paper", "--data", tmp_path, "--c", "0.5", "--c", 2, *asked)) == {"p": 1}
    assert paper.args == (tmp_path,)
    assert paper.given("exploration", "seeds", "seed", "sets", "out") == [[0.5, 2.0], 3, 9, ["a=1"], None]
    assert workers.args == ("ray", 4, "auto")
    here("reproduce", "paper", "--json")
    assert paper.args == (None,)
    assert paper.options["exploration"] == (0.01, 0.1, 1.0)
    assert "seeds" not in paper.options, "the study has a number of its own"
    assert printed(here("reproduce", "theory", "--requests", 20_000, *asked)) == {"t": 1}
    assert (theory.args, theory.options["workers"]) == ((20_000,), workers.answer)
    assert "--data: is no option of `messsim reproduce theory`" in refused(here("reproduce", "theory", "--data", "x"))
    assert "--c: is no option of `messsim reproduce theory`" in refused(here("reproduce", "theory", "--c", "1"))
    wrong = refused(here("reproduce", "paper", "--requests", 20_000))
    assert "--requests: is no option of `messsim reproduce paper`" in wrong


# ---- pages, logs ----------------------------------------------------------------------------------------


def test_report_and_plot(stands_for, tmp_path):
    report = stands_for("report.pages.report.report", tmp_path / "r.html")
    assert here("report", tmp_path, "--out", tmp_path / "r.html").stdout == f"written to {tmp_path / 'r.html'}\n"
    assert report.args == (tmp_path, tmp_path / "r.html")
    here("report", tmp_path)
    assert report.args == (tmp_path, None)
    plot = stands_for("report.pages.plots.plot")
    assert here("plot", tmp_path, "queue", "--out", tmp_path / "q.svg").stdout == f"written to {tmp_path / 'q.svg'}\n"
    assert plot.args == (tmp_path, "queue", tmp_path / "q.svg")
    here("plot", tmp_path, "--out", tmp_path / "q.svg")
    assert plot.args[1] == "satisfaction"


TAKEN = "exists already; expected a"
FOLDER = "is a directory; expected the name of a file to write"


@pytest.mark.parametrize(
    ("made_by", "command", "text"),
    [
        ("report.pages.report.report", ("report", "HERE", "--out", "HERE"), FOLDER),
        ("report.pages.plots.plot", ("plot", "HERE", "--out", "HERE"), FOLDER),
        ("study.run", ("run", "FILE", "--out", "HERE"), TAKEN),
        ("study.run", ("run", "FILE", "--trace", "HERE"), FOLDER),
        ("logs.decisions.read_log", ("replay", "FILE", "--alpha", "60%", "--out", "HERE"), TAKEN),
        ("study.verify.verification.verify", ("verify", "--out", "HERE"), TAKEN),
        ("study.validate.against_hardware.validate", ("validate", "HERE", "--out", "HERE"), TAKEN),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is_made(stands_for, tmp_path, file, made_by, command, text):
    made = stands_for(made_by)
    error = refused(here(*({"HERE": tmp_path, "FILE": file}.get(word, word) for word in command)))
    assert (text in " ".join(error.split()), made.count) == (True, 0)


def test_replay(stands_for, tmp_path):
    read = stands_for("logs.decisions.read_log", "log")
    replay = stands_for("logs.replay.replay", {"r": 1})
    asked = ("--alpha", "60%", "--model", "m", "--satisfied", "s", "--cost", "c", "--propensity", "p", "--time", "t")
    more = ("--time-format", "ms", "--map", "up=1,down=0", "--set", "V=1e-3", "--seed", 4, "--select", "a=1")
    out = ("--skip-failed", "--unique", "id", "--out", tmp_path / "r.json", "--json")
    assert printed(here("replay", tmp_path / "log.csv", *asked, *more, *out)) == {"r": 1}
    path, columns, chooser = read.args
    assert path == tmp_path / "log.csv"
    assert dataclasses.astuple(columns)[:4] == ("m", "s", "c", "p")
    assert (columns.time, chooser.tokens, chooser.unique) == ("t", ("c",), "id")
    assert replay.args == ("log", 0.6)
    assert replay.options == {"seed": 4, "V": 1e-3}
    assert json.loads((tmp_path / "r.json").read_text()) == {"r": 1}
    here("replay", tmp_path / "log.csv", "--alpha", "0.5", "--json")
    assert dataclasses.astuple(read.args[1])[:4] == ("model", "satisfied", "cost", "propensity")
    assert (read.args[2].tokens, replay.options) == ((), {"seed": 0})
    wrong = refused(here("replay", tmp_path / "log.csv", "--alpha", "0.5", "--time-format", "ms"))
    assert wrong.startswith("error: --time-format and --time-zone: say how --time is written; expected --time COLUMN")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("--outcomes", "--tenant", "t"), "--tenant: is of traces; expected it without --outcomes"),
        (("--outcomes", "--from", "log"), "--from: is of traces; expected it without --outcomes"),
        (("--score", "s"), "--score: is of outcomes; expected --outcomes with it"),
        (("--from", "vlm"), "--from vlm: expected one of auto, log"),
        (("b.csv",), "2 files: expected one; --outcomes joins several"),
    ],
)
def test_options_of_imports_that_do_not_go_together(tmp_path, asked, message):
    assert refused(here("import", "a.csv", *asked, "--out", tmp_path / "o.csv")).startswith(f"error: {message}")


@pytest.mark.parametrize(
    ("asked", "option"),
    [(("--alpha", "0.5", "--rate", "3"), "--alpha"), (("--models", "a"), "--models"), (("--rate", "3"), "--rate")],
)
def test_an_example_is_copied_as_it_is(asked, option):
    wrong = refused(here("init", "--example", "quickstart", *asked))
    assert wrong == f"error: {option}: an example is copied as it is; expected it without --example\n"
