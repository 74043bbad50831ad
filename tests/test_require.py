"""`run --require`: what fails a pipeline, and what is said of it."""

import contextlib
import io
import json
from subprocess import CompletedProcess

import pytest
import tomli_w
from builders import model, scenario

from messsim.cli import app
from messsim.errors import ScenarioError
from messsim.results.figures import Requirement


def here(*args: object) -> CompletedProcess[str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as left:
        app(list(map(str, args)), prog_name="messsim")
    return CompletedProcess(args, left.value.code, out.getvalue(), err.getvalue())


@pytest.fixture
def file(tmp_path):
    models = [model("llama-3.1-8b", 0.4), model("large", 0.8)]
    file = tmp_path / "s.toml"
    file.write_text(tomli_w.dumps(scenario(requests=200, models=models)))
    return file


def test_what_is_met_passes(file):
    done = here("run", file, "--require", "sla.satisfaction>=0.1", "--require", "models.llama-3.1-8b.share>=0")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[-1] for line in done.stdout.splitlines()[-2:]] == ["met", "met"]


def test_rounding_fails_no_requirement(tmp_path):
    """What `run` calls kept, a requirement of the same satisfaction calls met: sums of 0.7 are 0.7 but for rounding."""
    (tmp_path / "t.csv").write_text("small,large\n" + "0.1,0.7\n" * 7)
    table = {"kind": "table", "file": "t.csv"}
    models = [{k: v for k, v in model(name, 0.5).items() if k != "satisfaction"} for name in ("small", "large")]
    data = scenario(
        requests=4000, sla={"alpha": 0.7}, satisfaction=table, models=models, router={"policy": "best-single"},
        features={"kind": "none"},
    )  # fmt: skip
    (tmp_path / "s.toml").write_text(tomli_w.dumps(data))
    done = here(
        "run", tmp_path / "s.toml", "--json", "--require", "sla.satisfaction>=0.7", "--require", "sla.shortfall<=0"
    )
    summary = json.loads(done.stdout)
    assert summary["sla"]["satisfaction"] != 0.7
    assert (done.returncode, done.stderr, summary["sla"]["kept"]) == (0, "", True)
    assert [r["margin"] for r in summary["requirements"]] == [0.0, 0.0]
    assert "above the best model" not in here("check", tmp_path / "s.toml").stdout


@pytest.mark.parametrize(
    ("text", "value", "met"),
    [
        ("a>=0.7", 0.7 - 1e-12, True),
        ("a<=0.7", 0.7 + 1e-12, True),
        ("a==0.7", 0.7 + 1e-12, True),
        ("a>0.7", 0.7 + 1e-12, False),
        ("a>=0.7", 0.7 - 1e-8, False),
        ("a<=0", 1e-15, False),  # nothing is rounded to nothing
        ("a<=1e9", 1e9 + 1, False),  # a count
        ("a<=1e-6", 1e-6 + 1e-12, False),  # a small figure has its own scale
    ],
)
def test_a_difference_by_rounding_is_none(text, value, met):
    assert Requirement.parse(text).met_by(value) is met


def test_what_fails_is_told_by_how_much_and_exits_with_1(file):
    summary = json.loads(here("run", file, "--json").stdout)
    satisfaction = summary["sla"]["satisfaction"]
    requirements = ["--require", "sla.satisfaction>=0.99", "--require", "requests.lost==0"]
    done = here("run", file, *requirements, "--json")
    assert done.returncode == 1
    printed = json.loads(done.stdout)
    failed, met = printed.pop("requirements")
    assert (failed["value"], failed["bound"], failed["met"]) == (satisfaction, 0.99, False)
    assert failed["margin"] == pytest.approx(satisfaction - 0.99)
    assert (met["value"], met["met"], met["reason"]) == (0, True, None)
    assert done.stderr.startswith(f"failed: sla.satisfaction>=0.99: is {satisfaction:.6g}, {0.99 - satisfaction:.4g} (")
    del printed["performance"], summary["performance"]
    assert printed == summary


def test_a_figure_that_the_run_does_not_have_fails_with_a_reason(file):
    done = here("run", file, "--require", "slo.attainment>=0.9")
    assert done.returncode == 1
    assert "failed: slo.attainment>=0.9: the run has no such figure (null)" in done.stderr


@pytest.mark.parametrize("name", ["a<b", "gpt-4o=x", "x>=1", "a==b", 'say "<"'])
@pytest.mark.parametrize("sign", ["<", "<=", "==", ">=", "≥"])
def test_a_model_may_have_signs_in_its_name(name, sign):
    known = {f"models.{name}.share": 0.5}
    parsed = Requirement.parse(f"models.{name}.share {sign} 60%", known)
    assert (parsed.path, parsed.operator, parsed.bound) == (f"models.{name}.share", sign.replace("≥", ">="), 0.6)


@pytest.mark.parametrize("text", ["a=>0.1", "a>>0.1", "a<>0.1", "<0.1", "a<", "a", "a=0.1", "a<b"])
def test_what_has_no_sign_or_no_number_is_no_requirement(text):
    with pytest.raises(ScenarioError):
        Requirement.parse(text, {"a": 0.5})


@pytest.mark.parametrize("text", ["a <= 1 and b <= 2", "0.1 <= a <= 2", "models.x<z.share > 0.1"])
def test_what_is_no_single_requirement_is_told_with_the_form(text):
    with pytest.raises(ScenarioError, match="expected a figure, one of < <= > >= ==, and a number, such as"):
        Requirement.parse(text, {"a": 0.5, "b": 0.5, "models.x<y.share": 0.5})


@pytest.mark.parametrize(
    ("requirement", "message"),
    [
        ("latency.ttft.p95<2", "latency.ttft.p95: no such figure; did you mean 'latency_s.ttft.p95'?"),
        (
            "sla.windows.worst>0",
            "sla.windows.worst: a run of this scenario has no such figure (satisfaction in the worst); "
            "sla.windows is null in it",
        ),
        (
            "cost.ratio_to_simulated_oracle<2",
            "cost.ratio_to_simulated_oracle: a run of this scenario has no such figure (`compare` only: ",
        ),
        ("models.70b.share>0", "models.70b.share: no such figure; did you mean 'models."),
        ("cost.unit>0", "cost.unit: is the text 'J'; expected a figure"),
        ("sla.satisfaction=0.5", "requirement 'sla.satisfaction=0.5': expected a figure"),
    ],
)
def test_what_is_no_requirement_is_told_before_the_run(file, tmp_path, requirement, message):
    done = here("run", file, "--require", requirement, "--out", tmp_path / "o")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {message}")
    assert not (tmp_path / "o").exists()


def test_results_are_written_even_where_a_requirement_fails(file, tmp_path):
    assert here("run", file, "--require", "sla.satisfaction>2", "--out", tmp_path / "o").returncode == 1
    assert (tmp_path / "o" / "summary.json").exists()
