"""Help in groups, an example a command, and what was meant by an option of another name."""

import re
import shlex

import pytest
from test_cli import here
from test_docs import GROUP, ROOT, unknown_in

from messsim.cli.help import HELP, SITE


@pytest.mark.parametrize("name", sorted(GROUP.commands))
def test_every_command_has_a_group_an_example_and_a_page(name):
    about = HELP[name]
    assert shlex.split(about.example)[:2] == ["messsim", name]
    assert unknown_in(about.example) == []
    assert (ROOT / "docs" / about.page).is_file()
    printed = " ".join(here(name, "--help").stdout.split())
    assert f"Example: {about.example}" in printed
    assert SITE in printed


def test_help_has_three_groups():
    printed = here("--help").stdout
    assert re.findall(r"╭─ (Study|Data|Trust)\b", printed) == ["Study", "Data", "Trust"]


@pytest.mark.parametrize(
    ("arguments", "instead"),
    [
        (["run", "x", "--alpha", "0.7"], "--set sla.alpha=VALUE"),
        (["run", "x", "--alpha=0.7"], "--set sla.alpha=VALUE"),
        (["sweep", "x", "--V", "1e-3"], "--set router.V=VALUE"),
        (["run", "x", "--v", "1e-3"], "--set router.V=VALUE"),
        (["run", "x", "--rate", "3"], "--set arrivals.rate_rps=VALUE"),
        (["compare", "x", "--policy", "random"], "--policies"),
        (["run", "x", "--policy", "random"], "--set router.policy=VALUE"),
        (["run", "x", "--horizon-s", "3"], "--set horizon_s=VALUE"),
        (["run", "x", "--num-prompts", "3"], "--requests"),
        (["import", "x", "--total_tokens", "y", "--out", "z"], "--prompt-tokens"),
        (["import", "x", "--timestamp", "y", "--out", "z"], "--time"),
        (["replicate", "x", "--replications", "3"], "--seeds"),
    ],
)
def test_what_was_meant_by_an_option(arguments, instead):
    done = here(*arguments)
    assert done.returncode == 2
    assert f"did you mean {instead}?" in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    "arguments", [["verify", "--alpha", "1"], ["run", "x", "--nonsense"], ["profiles", "--V", "1"]]
)
def test_nothing_is_made_up(arguments):
    done = here(*arguments)
    assert done.returncode == 2
    assert "did you mean" not in done.stderr


def test_keys_of_a_scenario_are_known_across_tables(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text("alpha = 0.6\n")
    assert "alpha: unknown key; did you mean 'sla.alpha'?" in here("run", file).stderr


def test_an_option_without_a_value_has_no_type():
    text = here("run", "--help").stdout
    assert "--watch" in text
    assert "bool" not in text
