"""Command lines and calls as users of other tools write them: each is answered with what to write here."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import tomli_w
from builders import scenario
from test_cli import here, refused

import messsim
from messsim.cli.help import COMMANDS, HELP, INSTEAD, MEANT, meant_command
from messsim.errors import ScenarioError
from messsim.scenario.toml import read_toml
from messsim.study.runs.points import points_of


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "s.toml"
    path.write_text(tomli_w.dumps(scenario(requests=100)))
    return path


def usage_error(*words: object) -> str:
    """What Typer's box says, on one line."""
    done = here(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("word", "instead"),
    [
        ("my.toml", "messsim run my.toml"),
        ("RUN", "messsim run"),
        ("help", "messsim --help"),
        ("models", "messsim profiles"),
        ("simulate", "messsim run SCENARIO"),
        ("version", "messsim --version"),
    ],
)
def test_a_command_that_there_is_not_is_told_which_was_meant(word, instead):
    assert f"No such command {word!r}; did you mean {instead}" in usage_error(word, "x")
    assert meant_command("nothing-like-it", HELP) is None


def test_what_is_said_instead_exists():
    assert not set(COMMANDS) & set(HELP)
    for way in COMMANDS.values():
        named = way.split(", or ")[0].split()[1]
        assert named.startswith("--") or named in HELP, way
    assert not set(INSTEAD) - {"-v"} & set(MEANT)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-n", "1000"], "No such option: -n; did you mean --requests?"),
        (["-o", "x"], "No such option: -o; did you mean --out?"),
        (["-h"], "No such option: -h; did you mean --help?"),
        (["--gpus", "8"], "did you mean --set models.NAME.replicas=COUNT?"),
        (["--seeds", "5"], "did you mean messsim replicate SCENARIO --seeds COUNT?"),
        (["--router", "random"], "did you mean --set router.policy=NAME?"),
        (["--dry-run"], "did you mean messsim check SCENARIO?"),
        (["--seed=1,2,3"], "of several seeds: messsim replicate SCENARIO --seeds COUNT"),
        (["--set", "sla.alpha", "0.7"], "; --policies A,B takes several, --set KEY=VALUE is repeated"),
        (["--csv"], "did you mean --json, or --out DIR?"),
        (["--verbose"], "did you mean --json, which prints every figure?"),
    ],
)
def test_an_option_of_another_tool_is_told_what_does_it_here(file, words, message):
    assert message in usage_error("run", file, *words)


@pytest.mark.parametrize(
    ("words", "instead"),
    [
        ("init --csv", None),
        ("report x --csv", None),
        ("plot x --csv", None),
        ("show x --verbose", None),
        ("schema --verbose", None),
        ("explain x --csv", "--json"),
        ("check x --csv", "--json"),
        ("check x --gpus", "--set models.NAME.replicas=COUNT"),
        ("profiles --gpus", "--gpu"),
        ("import x --gpus", None),
        ("calibrate x --gpus", "--gpu"),
        ("import x --gpu", None),
        ("replay x --router", None),
        ("calibrate x --router", None),
        ("import x --dry-run", None),
        ("import x --seeds", None),
        ("validate x --seeds", "--seed"),
        ("sweep x --dry-run", "messsim check SCENARIO"),
        ("schema -h", "--help"),
        ("import x -v", "messsim --version"),
    ],
)
def test_what_is_told_instead_is_there(words, instead):
    message = usage_error(*words.split(), "1")
    assert f"No such option: {words.split()[-1]}" in message
    assert (f"did you mean {instead}?" in message) if instead else ("did you mean" not in message)


def test_what_is_told_instead_is_taken(file):
    assert here("run", file, "--set", "models.small.replicas=2").returncode == 0
    assert here("run", file, "--set", "router.policy=random").returncode == 0


def test_a_shipped_scenario_that_is_not_here_is_told_to_be_copied(tmp_path):
    assert "messsim init --example burst copies the shipped one" in refused(here("run", tmp_path / "burst.toml"))
    assert "no such file; expected a scenario" in refused(here("run", tmp_path / "no_example.toml"))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "s.yaml",
            "# a comment\n---\nname: x\nsla:\n  alpha: 0.6\n",
            "it looks like YAML: expected a scenario in TOML",
        ),
        ("s.json", '{"name": "x"}', "it is JSON: expected a scenario in TOML, or in Python messsim.parse"),
        ("n.ipynb", '{"cells": []}', "it is a notebook"),
        ("t.csv", "arrival_s,prompt_tokens\n0,1\n", "it holds data: messsim init --from {file} makes"),
    ],
)
def test_a_scenario_of_another_kind_is_told_what_it_is(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ScenarioError, match="not valid TOML: ") as error:
        read_toml(tmp_path / name, "a scenario")
    assert message.replace("{file}", shlex.quote(str(tmp_path / name))) in str(error.value)


def test_what_is_wrong_in_toml_is_told_of_toml_alone(tmp_path):
    (tmp_path / "s.toml").write_text("alpha = 0.6,\n")
    with pytest.raises(ScenarioError) as error:
        read_toml(tmp_path / "s.toml", "a scenario")
    assert str(error.value).endswith("(at line 1, column 12)")
    (tmp_path / "s.toml").write_bytes("name = 'x'".encode("utf-16"))
    with pytest.raises(ScenarioError, match="is text in UTF-16; expected UTF-8"):
        read_toml(tmp_path / "s.toml", "a scenario")
    (tmp_path / "s.toml").write_bytes(b"name = 'x'\r\n[sla]\r\nalpha = 0.6\r\n")
    assert read_toml(tmp_path / "s.toml", "a scenario") == {"name": "x", "sla": {"alpha": 0.6}}


def test_a_profile_is_no_scenario(tmp_path):
    (tmp_path / "mine.toml").write_text('gpu = "my-gpu"\ntp = 1\n[coefficients]\na0_s = 0.01\n')
    line = refused(here("run", tmp_path / "mine.toml"))
    assert 'is a profile, as calibrate writes them; a scenario names it: profile = "mine.toml" below [[models]]' in line


def test_a_scenario_is_not_written_under_the_name_of_data(tmp_path):
    assert "--from" in refused(here("init", tmp_path / "mine.csv"))
    assert not (tmp_path / "mine.csv").exists()


def test_a_gpu_is_no_model():
    assert "which is a GPU; expected a model, or --gpu H100 alone" in refused(here("profiles", "h100"))


@pytest.mark.parametrize("text", ["sla.alpha=.6:.9:.1", "router.V=1e-5:1e-3"])
def test_a_range_with_colons_is_told_how_ranges_are_written(text):
    with pytest.raises(ScenarioError, match=r"expected a range such as \S+\.\.\S+:\d:linear"):
        points_of([text])
    assert len(points_of(["sla.alpha=0.6..0.9:4"])) == 4
    assert points_of(["name=a:b"]) == [{"name": "a:b"}]


def test_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "messsim", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("messsim ")


# ---- Python ---------------------------------------------------------------------------------------------


def test_a_run_takes_keys_of_the_scenario(file):
    result = messsim.run(str(file), alpha=0.7, requests=50)
    assert result["sla"]["alpha"] == 0.7
    assert result.to_polars().height == 50
    with pytest.raises(messsim.MesssimError, match="alpa"):
        messsim.run(file, alpa=0.7)


def test_a_scenario_may_be_a_dictionary(file):
    whole = messsim.run(scenario(requests=60)).to_polars()
    assert whole.equals(messsim.run(file, requests=60).to_polars())
    assert messsim.check(scenario(requests=60))["models"]
    with pytest.raises(messsim.MesssimError, match=r"a dictionary is no file; expected messsim\.parse of it"):
        messsim.load(scenario(requests=60))
    for nothing in (None, 3, b"s.toml"):
        with pytest.raises(
            messsim.MesssimError, match=r" is no path of a file; expected one such as 'scenario\.toml'$"
        ):
            messsim.load(nothing)


def test_what_a_run_returns_is_read_as_its_summary_and_as_a_table(file):
    result = messsim.run(file)
    assert json.dumps(result["requests"]) == json.dumps(result.summary["requests"])
    assert isinstance(result.to_polars(), pl.DataFrame)


@pytest.mark.parametrize(
    "words",
    [
        *(["run", ""], ["run", "x", "--out", ""], ["run", "x", "--trace", ""], ["sweep", "x", "--points", ""]),
        *(["init", "--from", ""], ["import", "x", ""], ["replay", ""], ["show", ""], ["challenge", ""]),
        *(["report", "x", "--out="], ["reproduce", "paper", "--data", ""], ["calibrate", "x", "--out", ""]),
    ],
    ids=" ".join,
)
def test_a_path_that_is_empty_is_not_this_folder(words):
    assert "'' is empty; expected a path" in usage_error(*words)


def test_a_line_break_in_a_name_is_written_out(tmp_path):
    folder = tmp_path / "a\nb"
    folder.mkdir()
    file = folder / "s.toml"
    for words in (["run", folder], ["show", folder], ["import", folder / "x.csv"], ["run", file, "--out", folder]):
        assert "a\\nb" in refused(here(*words)), words
    file.write_text(tomli_w.dumps(scenario(requests=0, seed=-1)))
    problems = refused(here("run", file)).splitlines()
    assert len(problems) > 1
    assert all(r"a\nb/s.toml: " in problem for problem in problems)
    file.write_text(tomli_w.dumps(scenario(requests=10)))
    (missing,) = refused(here("run", file, "--set", f"router.policy={folder}/x.py")).splitlines()
    assert "a\\nb/x.py" in missing


def test_a_pipe_is_told_what_a_command_takes(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "is a pipe; expected a scenario in TOML; a command takes - for" in refused(here("run", tmp_path / "pipe"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("reproduce nope", "Invalid value for 'what': 'nope' is not one of 'paper', 'theory'."),
        ("replicate a.toml --on foo", "Invalid value for '--on': 'foo' is not one of 'local', 'ray'."),
        ("plan a.toml --objective foo", "Invalid value for '--objective': 'foo' is not one of 'usd', 'energy'."),
    ],
)
def test_a_choice_that_there_is_not_is_told_in_a_plain_sentence(words, message):
    assert message in usage_error(*words.split())
