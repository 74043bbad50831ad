"""What each command prints: tables for people, JSON for programs, and where it wrote what. Nothing is simulated."""

import dataclasses
import json
from contextlib import nullcontext
from types import SimpleNamespace

import polars as pl
import pytest
import tomli_w
from builders import scenario
from test_cli import here, refused
from test_cli_calls import Answer, Call

from messsim.workload.time_form import TimeForm

BEST = {"best": {"overrides": {}}}
SUMMARY = {"x": 1}
STUDIES = [  # command and options, with the scenario or not; its study and what that answers; its tables
    (("sweep", "--grid", "router.V=1"), True, "study.sweep.sweep", {"failures": []}, "report.study.points.sweep_table"),
    (
        *(("compare",), True, "study.compare.policies.compare", ({"policies": []}, [])),
        "report.compare.comparison.comparison_tables",
    ),
    (
        *(("compare", "--fleets", "--replicas", "small=1"), True, "study.compare.fleets.fleets", {"best": None}),
        "report.compare.fleets.fleet_tables",
    ),
    (
        *(
            ("plan", "--replicas", "small=1", "--policies", "mess+"),
            True,
            "study.compare.fleets.fleets",
            {"best": "mess+"},
        ),
        "report.compare.fleets.fleet_tables",
    ),
    (
        *(("replicate",), True, "study.replicate.replicate", ({"precise": True}, [])),
        "report.study.replications.replication_table",
    ),
    (
        *(("converge",), True, "study.converge.convergence.converge", SimpleNamespace(summary=SUMMARY)),
        "report.convergence.convergence_table",
    ),
    (
        *(("challenge", "--conditions", "late"), False, "study.challenge.routers.challenge", (Answer(1), [])),
        "report.challenge.tables.challenge_tables",
    ),
    (("check",), True, "study.simulation.check.check", {"problems": []}, "report.run.checklist.checklist"),
    (
        *(("explain", "run", "--request", "3"), False, "study.simulation.explain.explain", SUMMARY),
        "report.run.explanation.explanation",
    ),
    (("verify",), False, "study.verify.verify", {"passed": True}, "report.verification.verification"),
    (
        *(("validate", "data"), False, "study.validate.against_hardware.validate", SUMMARY),
        "report.hardware.accuracy.accuracy",
    ),
    (
        *(("calibrate", "m.csv"), False, "study.calibrate.fitting.calibrate", SUMMARY),
        "report.hardware.calibration.calibration",
    ),
    (
        *(("reproduce", "paper"), False, "study.reproduce.benchmarks.reproduce_paper", SUMMARY),
        "report.reproduce.paper.paper_tables",
    ),
    (
        *(("reproduce", "theory"), False, "study.reproduce.theory.reproduce_theory", SUMMARY),
        "report.reproduce.theory.theory_tables",
    ),
]


@pytest.fixture
def file(tmp_path):
    (tmp_path / "s.toml").write_text(tomli_w.dumps(scenario()))
    return tmp_path / "s.toml"


@pytest.fixture
def put(monkeypatch):
    """Puts a function that answers in place of another; no workers are begun."""
    monkeypatch.setattr("messsim.study.runs.places.workers_on", lambda *given: nullcontext("many"))

    def stands_for(path, answer):
        call = Call(answer)
        monkeypatch.setattr(f"messsim.{path}", call)
        return call

    return stands_for


def result_of(answer):
    """What a study hands on, without its rows."""
    result = answer[0] if isinstance(answer, tuple) else answer
    return result.summary if isinstance(result, SimpleNamespace) else result


@pytest.mark.parametrize(("command", "of_file", "study", "answer", "tables"), STUDIES, ids=lambda x: str(x)[:30])
def test_people_read_tables_and_programs_json(file, put, command, of_file, study, answer, tables):
    name, *options = command
    asked = [name, *([file] if of_file else []), *options]
    put(study, answer)
    shown = put(tables, "the tables")
    done = here(*asked)
    assert (done.returncode, done.stdout) == (0, "the tables\n")
    assert shown.args[0] == result_of(answer)
    done = here(*asked, "--json")
    result = result_of(answer)
    assert json.loads(done.stdout) == (dataclasses.asdict(result) if isinstance(result, Answer) else result)
    assert shown.count == 1, "JSON alone"


def test_a_plan_ends_with_the_command_of_its_answer(file, put, tmp_path):
    put("study.plan.cheapest.plan", BEST)
    put("report.plan.answer.plan_tables", "the tables")
    command = put("report.plan.answer.plan_command", "messsim run this")
    done = here("plan", file, "--replicas", "small=1", "--set", "sla.alpha=0.4", "--out", tmp_path / "o")
    assert done.stdout == f"the tables\n\nmesssim run this\nwritten to {tmp_path / 'o'}\n"
    assert command.args == ({"overrides": {}}, ["messsim", "run", str(file), "--set", "sla.alpha=0.4"])
    put("study.plan.cheapest.plan", {"best": None})
    done = here("plan", file, "--replicas", "small=1")
    assert (done.returncode, done.stdout) == (1, "the tables\n")


FILES = [
    (("compare",), "study.compare.policies.compare", ({}, []), "study.compare.files.write_comparison"),
    (
        *(("converge",), "study.converge.convergence.converge", SimpleNamespace(summary={})),
        "study.converge.files.write_convergence",
    ),
]


@pytest.mark.parametrize(("command", "study", "answer", "writes"), FILES, ids=lambda x: str(x)[:30])
def test_where_files_were_written_is_told_to_people(file, put, tmp_path, command, study, answer, writes):
    put(study, answer)
    for tables in ("report.compare.comparison.comparison_tables", "report.convergence.convergence_table"):
        put(tables, "the tables")
    written = put(writes, ["no picture", "no page"])
    done = here(*command, file, "--out", tmp_path / "o")
    assert done.stdout == f"the tables\nwritten to {tmp_path / 'o'}\n"
    assert done.stderr == "note: no picture\nnote: no page\n"
    assert written.args[0] == tmp_path / "o"
    assert "written" not in here(*command, file, "--out", tmp_path / "o", "--json").stdout
    here(*command, file)
    assert written.count == 2


def test_a_verification_is_written_as_a_page_and_as_json(put, tmp_path):
    put("study.verify.verify", {"passed": True})
    put("report.verification.verification", "the tables")
    put("report.verification.verification_page", "# a page\n")
    assert here("verify", "--out", tmp_path / "o").stdout == f"the tables\nwritten to {tmp_path / 'o'}\n"
    assert json.loads((tmp_path / "o" / "verification.json").read_text()) == {"passed": True}
    assert (tmp_path / "o" / "verification.md").read_text() == "# a page\n"


def test_a_validation_is_written_by_table(put, tmp_path):
    put("study.validate.against_hardware.validate", {"served": [], "energy": []})
    put("report.hardware.accuracy.accuracy", "the tables")
    put("report.hardware.accuracy.accuracy_page", "# a page\n")
    put("report.hardware.accuracy.rows_csv", "a,b\n")
    put("report.hardware.accuracy_plots.accuracy_svg", {"one": "<svg/>"})
    done = here("validate", tmp_path, "--out", tmp_path / "o")
    assert done.stdout == f"the tables\nwritten to {tmp_path / 'o'}\n"
    files = {path.name: path.read_text() for path in (tmp_path / "o").iterdir()}
    assert json.loads(files.pop("accuracy.json")) == {"served": [], "energy": []}
    assert files == {"accuracy.md": "# a page\n", "served.csv": "a,b\n", "energy.csv": "a,b\n", "one.svg": "<svg/>"}


@pytest.mark.parametrize("what", ["paper", "theory"])
def test_what_is_reproduced_is_written(put, tmp_path, what):
    put("study.reproduce.benchmarks.reproduce_paper", SUMMARY)
    put("study.reproduce.theory.reproduce_theory", SUMMARY)
    for name in ("paper", "theory"):
        put(f"report.reproduce.{name}.{name}_tables", "the tables")
        put(f"report.reproduce.{name}.{name}_page", f"# {name}\n")
    put("report.reproduce.paper.paper_csv", "a,b\n")
    put("report.reproduce.theory_plots.theory_svg", {"queue": "<svg/>"})
    (tmp_path / "o").mkdir()
    done = here("reproduce", what, "--out", tmp_path / "o")
    assert done.stdout == f"the tables\nwritten to {tmp_path / 'o'}\n"
    files = {path.name: path.read_text() for path in (tmp_path / "o").iterdir()}
    assert json.loads(files.pop(f"{what}.json")) == SUMMARY
    assert files.pop(f"{what}.md") == f"# {what}\n"
    assert files == ({"paper.csv": "a,b\n"} if what == "paper" else {"queue.svg": "<svg/>"})


def test_a_calibration_says_how_to_use_its_profile(put, tmp_path):
    put("study.calibrate.fitting.calibrate", SUMMARY)
    put("study.calibrate.profile_file.profile_text", "a = 1\n")
    put("report.hardware.calibration.calibration", "the tables")
    done = here("calibrate", "m.csv", "--out", tmp_path / "mine.toml")
    file = tmp_path / "mine.toml"
    assert done.stdout == f'the tables\nwritten to {file}; in a scenario: profile = "mine.toml"\n'
    assert file.read_text() == "a = 1\n"


def test_a_run_prints_its_summary_and_what_it_wrote(file, put, tmp_path):
    put("study.run", SimpleNamespace(summary=SUMMARY, notes=["noted", "left"]))
    shown = put("report.run.summary.run_summary", "the summary")
    put("study.simulation.tracing.trace", 0)
    done = here("run", file, "--out", tmp_path / "o", "--trace", tmp_path / "t.json", "--trace-window", "2..5")
    assert done.stdout == f"the summary\nwritten to {tmp_path / 'o'}\ntrace written to {tmp_path / 't.json'}\n"
    assert shown.args == (SUMMARY, ["noted", "left"])
    assert done.stderr == f"nothing happens from 2 to 5 s: {tmp_path / 't.json'} is empty\n"
    put("study.simulation.tracing.trace", 7)
    assert here("run", file, "--trace", tmp_path / "t.json").stderr == ""


def test_the_checks_that_fail_are_tables_all_the_same(file, put):
    put("study.simulation.check.check", {"problems": ["load over 100 %"]})
    put("report.run.checklist.checklist", "the checklist")
    done = here("check", file)
    assert (done.returncode, done.stdout) == (1, "the checklist\n")


# ---- logs and catalogues --------------------------------------------------------------------------------


class Read:
    """Of a trace that was read: what it says of itself."""

    def summary(self):
        return {"requests": 3}


def test_options_of_an_import_reach_the_reading(put, tmp_path):
    plan, write = put("logs.traces.plan_reading", "reading"), put("logs.traces.write_trace", None)
    read = put("logs.traces.read_requests", Read())
    columns = ("--time", "t", "--prompt-tokens", "p", "--output-tokens", "o", "--tenant", "w")
    rows = ("--select", "a=1", "--skip-failed", "--unique", "id", "--time-format", "ms", "--tenants", 5)
    out = tmp_path / "o.csv"
    done = here("import", "log.csv", "--from", "vllm", *columns, *rows, "--out", out, "--json")
    assert json.loads(done.stdout) == {"file": str(out), "requests": 3}
    file, given, form, chooser, kind = plan.args
    assert (str(file), dataclasses.astuple(given)[:4], kind) == ("log.csv", ("t", "p", "o", "w"), "vllm")
    assert form == TimeForm("ms", None)
    assert (chooser.tokens, chooser.unique, [c.column for c in chooser.select]) == (("",), "id", ["a"])
    assert (str(read.args[0]), read.args[1], read.options) == ("log.csv", "reading", {"most_tenants": 5})
    assert write.args[1] == out
    here("import", "log.csv", "--out", tmp_path / "p.csv", "--json")
    assert dataclasses.astuple(plan.args[1])[:4] == (None,) * 4
    assert (plan.args[3].tokens, plan.args[3].unique, plan.args[4], read.options) == (
        *((), None, "auto", {"most_tenants": 20}),
    )


def test_an_import_says_how_a_scenario_uses_it(put, tmp_path):
    put("logs.traces.plan_reading", "reading")
    put("logs.traces.read_requests", Read())
    put("logs.traces.write_trace", None)
    put("report.logs.importing.import_summary", "the counts")
    toml = put("logs.toml.import_toml", "[arrivals]")
    out = tmp_path / "deep" / "o.csv"
    (tmp_path / "deep").mkdir()
    done = here("import", "log.csv", "--out", out)
    assert done.stdout == f"the counts\n\nwritten to {out}; in a scenario beside it:\n\n[arrivals]\n"
    assert (toml.args[0], str(toml.args[1])) == ({"requests": 3}, "o.csv")


def test_options_of_outcomes_reach_their_reading(put, tmp_path):
    table = pl.DataFrame({"a": [1.0, 0.0], "b": [1.0, 1.0]})
    outcomes = SimpleNamespace(frame=table, models=["a", "b"], notes=["n"], has_costs=True, has_tokens=False)
    read, write = put("logs.outcomes.read_outcomes", outcomes), put("logs.outcomes.write_outcomes", None)
    options = ("--prompt", "q", "--model", "m", "--score", "s", "--map", "up=1", "--filter", "f", "--skip-failed")
    out = tmp_path / "o.csv"
    asked = ("import", "--outcomes", "small=x.csv", "y.csv", *options, "--select", "a=1", "--unique", "id")
    done = here(*asked, "--out", out, "--json")
    means = {"a": 0.5, "b": 1.0}
    assert json.loads(done.stdout) == {"file": str(out), "prompts": 2, "satisfaction": means, "notes": ["n"]}
    paths, given, chooser = read.args
    assert [tuple(map(str, p)) if isinstance(p, tuple) else str(p) for p in paths] == [("small", "x.csv"), "y.csv"]
    assert dataclasses.astuple(given) == ("q", "m", "s", {"up": 1.0}, None, "f", True)
    assert (chooser.tokens, chooser.unique) == ((), "id"), "whoever has no score is left out by the reading itself"
    assert write.args == (outcomes, out)
    shown = put("report.logs.importing.outcomes_summary", "the shares")
    toml = put("logs.toml.outcomes_toml", "[satisfaction]")
    done = here(*asked, "--out", tmp_path / "p.csv")
    assert done.stdout == f"the shares\n\nwritten to {tmp_path / 'p.csv'}; in a scenario beside it:\n\n[satisfaction]\n"
    assert shown.args == (2, means, ["n"])
    assert (toml.args[0], str(toml.args[1]), toml.options) == (["a", "b"], "p.csv", {"costs": True, "tokens": False})


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("--from", "vlm"), "--from vlm: expected one of auto, log, messsim, "),
        (("b.csv",), "2 files: expected one; --outcomes joins several"),
        (("--outcomes", "--from", "vllm"), "--from: is of traces; expected it without --outcomes"),
        (("--outcomes", "--time-zone", "UTC"), "--time-zone: is of traces; expected it without --outcomes"),
        (("--score", "s"), "--score: is of outcomes; expected --outcomes with it"),
    ],
)
def test_options_of_imports_that_contradict_each_other(tmp_path, asked, message):
    assert refused(here("import", "a.csv", *asked, "--out", tmp_path / "o")).startswith(f"error: {message}")


def test_profiles_are_listed_and_one_is_told_whole(put):
    two = [SimpleNamespace(name="a"), SimpleNamespace(name="b")]
    select = put("zoo.select_profiles", two)
    listed = put("report.hardware.profiles.profile_list", "the list")
    whole = put("report.hardware.profiles.profile_details", "the details")
    assert here("profiles", "qwen", "--gpu", "H100", "--weights", "fp8", "--tp", 2).stdout == "the list\n"
    assert (select.args, select.options) == (("qwen",), {"gpu": "H100", "weights": "fp8", "tp": 2})
    assert listed.args == (two,)
    put("zoo.select_profiles", two[:1])
    assert here("profiles", "qwen").stdout == "the details\n"
    assert whole.args == (two[0],)
