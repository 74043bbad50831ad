"""Rules of dispatch of one's own: compiled by Numba, called by both engines, tried out, and told where they fail."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from builders import model, replicas_of, run, scenario
from test_engines_equal import assert_equal

import messsim
from messsim.errors import OutputError, PolicyError, ScenarioError
from messsim.report.pages.report import report as page
from messsim.results import Result
from messsim.routing import files
from messsim.scenario import parse
from messsim.study.runs.identity import contents, difference
from messsim.study.simulation.check import check
from messsim.study.simulation.explain import explain

pytest.importorskip("numba", reason="a rule of one's own needs Numba")

from messsim.engines import prepare
from messsim.engines.dispatch import check_rule, compile_rule
from messsim.routing.roles import SIGNATURES

OWN = Path(__file__).with_name("own_dispatch.py")
SCENARIOS = Path(__file__).parent.parent / "scenarios"
engines = pytest.mark.parametrize("engine", ["simpy", "compiled"])


def rule(function: str) -> str:
    return f"{OWN}:{function}"


def own_rule(function: str, params=()) -> dict:
    return {"dispatch": rule(function), "own": {"params": list(params)}}


@engines
def test_copies_go_where_the_function_says(tmp_path, engine):
    assert replicas_of(tmp_path, [0] * 5, engine, own_rule("listed", [2, 0, 1, 1, 2])) == [2, 0, 1, 1, 2]


def test_a_function_of_ones_own_is_run_where_it_may_be_interrupted():
    """Nobody knows whether it returns."""
    assert prepare(parse(scenario(cluster=own_rule("emptiest")))).runs_own_code
    assert not prepare(parse(scenario())).runs_own_code


@engines
def test_it_sees_loads(tmp_path, engine):
    assert replicas_of(tmp_path, [0] * 4, engine, own_rule("emptiest")) == [0, 1, 2, 0]


@engines
def test_what_it_remembers_is_of_one_model(engine):
    """Each model has its own turn, though requests of both come one after the other."""
    data = scenario(
        requests=8,
        models=[model(name, 0.6, replicas=2) for name in "ab"],
        router={"policy": "random"},
        cluster={"dispatch": rule("in_turn"), "own": {"state": 1}},
    )
    r = run(data, engine).records
    for m, first in ((0, 0), (1, 2)):
        where = r.replica[r.model == m].tolist()
        assert where == [first + k % 2 for k in range(len(where))]
    assert len(set(r.model.tolist())) == 2


@engines
def test_what_a_request_would_cost_is_asked_without_a_trace_in_its_memory(engine):
    data = scenario(
        requests=30,
        models=[model(name, satisfaction, replicas=3) for name, satisfaction in (("a", 0.4), ("b", 0.8))],
        router={"cost_estimate": "marginal", "c": 0.0},
        cluster={"dispatch": rule("in_turn"), "own": {"state": 1}},
    )
    r = run(data, engine).records
    for m in (0, 1):
        where = r.replica[r.model == m].tolist()
        assert where == [3 * m + k % 3 for k in range(len(where))]
    assert 0 < (r.model == 0).sum() < 30


@engines
def test_it_sees_caches(engine):
    """All prompts share 20 tokens: after the first, at the last replica since all are alike, that is where they are."""
    data = scenario(
        requests=6,
        tokens={"prompt": 5, "output": 2},
        prefixes={"tokens": 20},
        models=[model("only", replicas=3, prefix_cache=True)],
        arrivals={"kind": "poisson", "rate_rps": 0.2},
        cluster={"dispatch": rule("where_cached")},
    )
    r = run(data, engine).records
    assert r.replica.tolist() == [2] * 6
    assert (r.cached_prompt_tokens[1:] > 0).all()


@pytest.mark.parametrize("delay_s", [0.0, 0.3])
def test_engines_give_it_the_same(delay_s):
    """Sessions, system prompts, an API, failures, retries: whatever differs in a bit goes elsewhere."""
    from test_dispatch import many

    cluster = {"dispatch": rule("everything"), "own": {"state": 1}, "state_delay_s": delay_s}
    data = many("random", delay_s, cluster=cluster | {"failures": {"mtbf_s": 60.0, "mttr_s": 2.0}})
    assert_equal(parse(data))
    assert len(set(run(data, "compiled").records.replica.tolist())) > 20


def test_the_shipped_one_runs_and_is_tried_out():
    cluster = messsim.load(SCENARIOS / "dispatch.toml").cluster
    settings = messsim.load(SCENARIOS / "dispatch.toml", requests=400).changed(
        cluster=cluster.model_copy(update={"dispatch": "policies/least_work.py:pick"})
    )
    assert_equal(settings)
    assert [line for line in check(settings)["problems"] if "dispatch" in line] == []


# ---- where it fails -----------------------------------------------------------------------------------------------


@engines
@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("divides", r"pick raised ZeroDivisionError: .*\(own_dispatch.py, line \d+\), at request 4"),
        ("beyond", "returned 3 at request 3; expected one of its replicas"),
        ("gives_up", "returned its error code -7 at request 2"),
        ("nothing_but_nan", r"pick raised ValueError: .*\(own_dispatch.py, line \d+\), at request 0"),
    ],
)
def test_a_failure_stops_the_run_and_is_no_replica(tmp_path, engine, function, message):
    with pytest.raises(PolicyError, match=message):
        replicas_of(tmp_path, range(8), engine, own_rule(function))


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (rule("nobody"), r"own_dispatch.py has no function nobody\(loads, \.\.\.\)"),
        ("nowhere.py:pick", "cluster.dispatch: no such file .*nowhere.py"),
        (
            rule("half"),
            r"^cluster.dispatch: .*own_dispatch.py: pick returns a float64; expected one of the replicas, a ",
        ),
        (rule("too_curious"), "pick takes satisfied; expected any of request, attempt, session"),
    ],
)
def test_what_is_no_rule_is_refused_before_the_run(tmp_path, named, message):
    with pytest.raises(ScenarioError, match=message):
        run(scenario(models=[model("only", replicas=2)], cluster={"dispatch": named}), "compiled")


def test_a_name_that_is_neither_a_rule_nor_a_file_is_refused():
    with pytest.raises(
        ScenarioError, match=r"cluster.dispatch = 'sesion': expected one of .*FILE\.py:function; did you"
    ):
        parse(scenario(cluster={"dispatch": "sesion"}))


def test_a_table_for_no_rule_of_ones_own_is_noted():
    cluster = parse(scenario(cluster={"dispatch": "random", "own": {"state": 3}})).cluster
    assert cluster.ignored == ["cluster.own: ignored with dispatch = 'random'"]


@pytest.mark.parametrize(
    ("function", "state", "problem"),
    [
        ("emptiest", 0, None),
        ("in_turn", 1, None),
        ("where_cached", 0, None),
        ("beyond", 0, "at request 3; expected one of its replicas"),
        ("gives_up", 0, "error code -7 at request 2"),
        ("listed", 0, "IndexError"),
        ("by_logarithm", 0, "Python raises ValueError"),
    ],
)
def test_it_is_tried_out_on_choices_that_are_made_up(function, state, problem):
    import own_dispatch

    made = compile_rule(getattr(own_dispatch, function), state=[0.0] * state)
    problems = check_rule(made)
    assert made.state.tolist() == [0.0] * (state + 1)
    assert (problems == []) if problem is None else (len(problems) == 1 and problem in problems[0])


class Recorder:
    """A rule that notes what it is asked, and takes the first replica."""

    functions = ()

    def __init__(self):
        self.state, self.asked = np.zeros(1), []

    def pick(self, *arguments):
        self.asked.append(arguments)
        return 0


def test_all_that_a_rule_sees_differs_from_choice_to_choice_and_goes_to_its_ends():
    rule = Recorder()
    assert check_rule(rule) == []
    request, attempt, session, prompt, now_s, numbers, loads, waiting, usage, cached, uniforms = zip(
        *rule.asked, strict=True
    )
    assert set(attempt) == {0, 1, 2, 1_000}, "retries too"
    assert all(attempt[4 * 9 :].count(k) > 250 for k in range(3)), "as often as first attempts"
    assert {min(session), max(session)} == {-1, 2**40}
    assert {min(request), max(request), min(now_s), max(now_s)} == {0, 2**40, 1e12}
    assert {len(n) for n in numbers} == {2, 3, 8, 100}
    assert any(n[-1] > len(n) for n in numbers), "some of the pool's are down"
    assert {min(prompt), max(prompt)} == {1, 1_000_000}
    for least, most, column in ((0.0, 1e6, loads), (0.0, 1e6, waiting), (0.0, 1.0, usage)):
        assert (min(c.min() for c in column), max(c.max() for c in column)) == (least, most)
    shares = [c / p for c, p in zip(cached, prompt, strict=True)]
    assert any((s == 1.0).all() for s in shares)
    assert any((s == 0.0).all() for s in shares)
    assert {u.min() for u in uniforms} >= {2.0**-53, 1.0 - 2.0**-53}


class Forgetful(Recorder):
    """Takes another replica each time that all choices come again, or leaves a state that is none."""

    def __init__(self, state):
        super().__init__()
        self.left, self.passes = state, 0

    def pick(self, *arguments):
        super().pick(*arguments)
        self.state[0] = self.left
        self.passes += arguments[:5] == self.asked[0][:5]
        return int(self.passes == 3 and self.left == 0.0)


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (np.inf, "the rule of dispatch leaves a state that is not finite"),
        (np.nan, "the rule of dispatch leaves a state that is not finite"),
        (
            0.0,
            "the rule of dispatch gave 0 and then 1 for the same state and arguments; chance may come from uniforms "
            "alone",
        ),
    ],
)
def test_a_rule_must_keep_a_finite_state_and_choose_alike(state, problem):
    rule = Forgetful(state)
    assert check_rule(rule) == [problem]
    assert rule.state.tolist() == [0.0]  # as before


def test_check_says_what_it_breaks():
    parsed = parse(scenario(models=[model("only", replicas=2)], cluster={"dispatch": rule("by_logarithm")}))
    assert any(line.startswith("cluster.dispatch: the rule of dispatch") for line in check(parsed)["problems"])


# ---- the file -----------------------------------------------------------------------------------------------------


def test_a_study_under_a_rule_is_that_of_its_file(tmp_path):
    (tmp_path / "own.py").write_text("import helper\ndef pick(replicas):\n    return 0\n")
    (tmp_path / "helper.py").write_text("A = 1\n")
    parsed = parse(scenario(cluster={"dispatch": "own.py:pick"}), folder=tmp_path)
    before = contents("sweep", parsed, [{}], [parsed])
    assert list(before["data files"]) == ["cluster.dispatch = own.py", "cluster.dispatch imports = helper.py"]
    (tmp_path / "own.py").write_text("import helper\ndef pick(replicas):\n    return 1\n")
    assert (
        difference(contents("sweep", parsed, [{}], [parsed]), before)
        == "data files; changed: cluster.dispatch = own.py"
    )


def test_a_result_names_its_file_and_explains_only_who_is_trusted(tmp_path):
    shutil.copy(OWN, tmp_path / "own.py")
    data = scenario(models=[model("only", replicas=2)], cluster={"dispatch": "own.py:emptiest"})
    messsim.run(parse(data, folder=tmp_path), out=tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert "own.py" in summary["provenance"]["data"]
    assert f"{tmp_path / 'own.py'}:emptiest" in (tmp_path / "out" / "scenario.toml").read_text()
    with pytest.raises(OutputError, match=r"its rule of dispatch is a Python file, .*own\.py, which explaining"):
        explain(tmp_path / "out", 3)
    assert explain(tmp_path / "out", 3, run_policy=True)["policy"] == "mess+"


def test_no_page_and_no_chart_runs_the_files_of_a_scenario(tmp_path):
    """Neither its rule of dispatch nor its policy: the files would leave a trace."""
    trace = f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n"
    (tmp_path / "own.py").write_text(trace + OWN.read_text())
    (tmp_path / "policy.py").write_text(trace + "from messsim.routing.simple import random as build\n")
    data = scenario(
        models=[model("only", replicas=2)],
        cluster={"dispatch": "own.py:emptiest"},
        router={"policy": "policy.py"},
    )
    messsim.run(parse(data, folder=tmp_path), out=tmp_path / "out")
    (tmp_path / "ran").unlink()
    files._own.cache_clear()  # as in a process of its own
    page(tmp_path / "out", tmp_path / "page.html")
    assert "Can routing pay here?" in (tmp_path / "page.html").read_text()
    result = Result.read(tmp_path / "out")
    assert result.plot.load().to_dict()
    with pytest.raises(OutputError, match="if you trust"):
        explain(tmp_path / "out", 3)
    assert not (tmp_path / "ran").exists()


PROGRAM = """
import json, sys
import numba.core.compiler as compiler
compiled, whole = [], compiler.compile_extra
def counted(*args, **options):
    compiled.append(args)
    return whole(*args, **options)
compiler.compile_extra = counted
import messsim
result = messsim.run(messsim.load(sys.argv[1]))
print(json.dumps([result.summary["requests"]["arrived"], len(compiled)]))
"""


def test_it_is_compiled_once_for_all_processes(tmp_path):
    file = tmp_path / "own.toml"
    data = scenario(models=[model("only", replicas=2)], cluster={"dispatch": rule("emptiest")})
    file.write_text(tomli_w.dumps(data | {"router": {"policy": "random"}}))

    def compiled() -> int:
        process = subprocess.run(
            [sys.executable, "-c", PROGRAM, file],
            env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            check=True,
        )
        requests, count = json.loads(process.stdout)
        assert requests == 40
        return int(count)

    assert compiled() > 0
    assert compiled() == 0


def test_every_argument_is_explained():
    page = (SCENARIOS.parent / "docs" / "dispatch.md").read_text(encoding="utf-8")
    table = "\n".join(line for line in page.split("\n") if line.startswith("| `"))
    assert [name for name in SIGNATURES["pick"].arguments if f"`{name}`" not in table] == []
