"""`run`, `check` and `explain` by their options: what is refused beforehand, what a window shows, how they end."""

import json

import pytest
import tomli_w
from builders import ALWAYS, model, scenario, trace
from test_cli import here, refused

from messsim.cli.run import _one_alpha
from messsim.scenario import parse


@pytest.fixture
def arrivals(tmp_path):
    """Four requests of three iterations of a quarter of a second: at 0, 10, 59.5 and 61 s."""
    data = scenario(requests=4, arrivals=trace(tmp_path, [0, 10, 59.5, 61]), features={"kind": "none"})
    file = tmp_path / "s.toml"
    file.write_text(tomli_w.dumps(data))
    return file


def spans(file):
    events = json.loads(file.read_text())["traceEvents"]
    return sorted({e["ts"] / 1e6 for e in events if e["ph"] == "X"})


def test_a_trace_shows_its_window_by_default_a_minute(arrivals, tmp_path):
    for name, window in (("minute", []), ("early", ["--trace-window", "5..20"])):
        file = tmp_path / name
        done = here("run", arrivals, "--trace", file, *window)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"trace written to {file}" in done.stdout.replace("\n", "")
    assert [(min(s), max(s)) for s in (spans(tmp_path / n) for n in ("minute", "early"))] == [
        (0.0, pytest.approx(59.5, abs=0.5)),
        (10.0, pytest.approx(10.5, abs=0.5)),
    ]


def test_a_trace_is_no_word_of_json(arrivals, tmp_path):
    done = here("run", arrivals, "--trace", tmp_path / "t.json", "--json")
    assert json.loads(done.stdout)["requests"]["arrived"] == 4
    assert "requirements" not in json.loads(done.stdout)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "o", "--trace", "o"], "error: o: is given to both --out and --trace; expected two names\n"),
        (["--trace-window", "0..5"], "error: --trace-window 0..5: expected --trace FILE with it\n"),
        (["--trace", "t", "--trace-window", "5..5"], "error: --trace-window 5..5: expected A..B, seconds of simulated "
                                                     "time with A < B, as in 60..120\n"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_the_run(arrivals, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert refused(here("run", arrivals, *options)) == message
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("require", "code", "met"),
    [
        (["requests.arrived>4"], 1, [False]),
        (["requests.arrived>=4", "requests.arrived<4"], 1, [True, False]),
        (["requests.arrived<=4", "requests.completed>=4"], 0, [True, True]),
    ],
)
def test_a_requirement_that_fails_is_exit_code_1(arrivals, require, code, met):
    options = [part for text in require for part in ("--require", text)]
    done = here("run", arrivals, *options, "--json")
    assert done.returncode == code
    assert [v["met"] for v in json.loads(done.stdout)["requirements"]] == met
    assert len(done.stderr.splitlines()) == met.count(False)


@pytest.mark.parametrize(("alphas", "one"), [([0.5], 0.5), ([0.5, 0.5], 0.5), ([0.5, 0.6], None)])
def test_progress_has_a_promise_where_there_is_one(alphas, one):
    tenants = [{"name": f"t{k}", "share": 1.0, "alpha": a} for k, a in enumerate(alphas)]
    assert _one_alpha(parse(scenario(tenants=tenants))) == one


@pytest.mark.parametrize(("alpha", "code"), [(0.5, 0), (0.9, 1)])
def test_a_check_ends_as_its_problems_say(tmp_path, alpha, code):
    """Ten requests at most a second for replicas that sustain more; nobody satisfies more than 0.6."""
    file = tmp_path / "s.toml"
    models = [model("a", 0.3), model("b", ALWAYS if alpha < 0.6 else 0.4)]
    file.write_text(tomli_w.dumps(scenario(models=models, sla={"alpha": alpha}, satisfaction={"kind": "irt"})))
    done = here("check", file, "--json")
    assert (done.returncode, bool(json.loads(done.stdout)["problems"])) == (code, bool(code))
    assert here("check", file).returncode == code
