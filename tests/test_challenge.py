"""`challenge`: its conditions, the table that it makes of runs, and the command."""

import io
import json
from dataclasses import replace

import polars as pl
import pytest
from pages import ROOT
from rich.console import Console
from typer.testing import CliRunner

from messsim.cli import app
from messsim.errors import OutputError, ScenarioError
from messsim.files import partial_name
from messsim.report.challenge.tables import _apart, challenge_page, challenge_report, challenge_tables, quote
from messsim.report.pages.report import report
from messsim.results.intervals import paired_difference
from messsim.scenario import load
from messsim.shapes.challenge import Cell, Challenge, Standing
from messsim.study import run
from messsim.study.challenge import table as study
from messsim.study.challenge.conditions import CONDITIONS, conditions, conditions_folder, questions
from messsim.study.challenge.files import read_challenge, write_challenge
from messsim.study.challenge.routers import challenge
from messsim.study.challenge.table import table_of
from messsim.study.compare.policies import with_policy
from messsim.zoo import find_profile

POLICIES = ["length-only", "cheapest", "largest"]


@pytest.fixture(scope="module")
def scenarios():
    return conditions(["stationary", "complaints-only"], requests=200)


@pytest.fixture(scope="module")
def challenged(scenarios):
    return challenge(scenarios, POLICIES, 2, workers=1)


def row(cost=1.0, kept=True, margin=0.1, error=None, **more):
    figures = {"cost_per_request": cost, "sla_kept": kept, "sla_margin": margin, "error": error}
    return figures | {"requests_completed": 10, "requests_arrived": 10} | more


# ---- conditions -------------------------------------------------------------------------------------------


def test_every_scenario_of_the_folder_is_a_condition():
    files = {p.stem: load(p) for p in conditions_folder().glob("*.toml")}
    assert set(files) == set(CONDITIONS)
    assert {s.name for s in files.values()} == set(files)
    assert len({s.sla.alpha for s in files.values()}) == 1


def test_phases_move_with_the_number_of_requests():
    drift = conditions(["gradual-drift"], requests=400)["gradual-drift"]
    assert (drift.requests, drift.phases[0].from_request, drift.phases[0].over_requests) == (400, 150, 200)
    short = conditions(["cold-start"], requests=9_000)["cold-start"]
    assert short.requests == 500  # which it is about
    assert conditions(["cold-start"], requests=100)["cold-start"].requests == 100


@pytest.mark.parametrize(
    ("names", "message"),
    [(["lat"], "'lat': expected any of stationary, "), (["late", "late"], "late is named twice")],
)
def test_conditions_are_named_rightly(names, message):
    with pytest.raises(ScenarioError, match=message):
        conditions(names)


@pytest.mark.parametrize(
    ("policies", "seeds", "message"),
    [
        (["mess"], 1, "did you mean 'mess\\+'"),
        (["random", "random"], 1, "random is named twice"),
        (["random"], 0, "--seeds 0: expected at least 1"),
        (["none.py"], 1, "none.py: there is no such file"),
        ([], 1, "expected a policy"),
    ],
)
def test_policies_are_named_rightly(scenarios, policies, seeds, message):
    with pytest.raises(ScenarioError, match=message):
        challenge(scenarios, policies, seeds)


# ---- the table --------------------------------------------------------------------------------------------


def test_figures_are_those_of_single_runs(scenarios, challenged):
    table, rows = challenged
    for condition, policy in (("stationary", "cheapest"), ("complaints-only", "largest")):
        (cell,) = (c for c in table.cells if (c.condition, c.policy) == (condition, policy))
        runs = [run(with_policy(scenarios[condition], policy).changed(replication=r)).summary for r in (0, 1)]
        assert cell.kept == sum(s["sla"]["kept"] for s in runs)
        assert cell.cost == pytest.approx(sum(s["cost"]["per_request"] for s in runs) / 2, rel=1e-12)
        assert cell.e2e_p95_s == pytest.approx(sum(s["latency_s"]["e2e"]["p95"] for s in runs) / 2, rel=1e-12)
        assert cell.x_oracle > 1.0 or policy == "cheapest"  # prices of tokens are what they are, whoever is asked
    assert len(rows) == 2 * 3 * 2


def test_who_keeps_the_promise_comes_before_who_does_not():
    rows = [row(9.0), row(2.0), row(1.0, False, -0.2), row(1.0, False, -0.1), row(error="gone"), row(2.0)]
    assert study._ranks(rows) == [3.0, 1.5, 5.0, 4.0, 6.0, 1.5]


def test_standings_are_means_over_conditions_with_paired_intervals(scenarios):
    kept = {"stationary": [[1, 2], [2, 1], [3, 3]], "complaints-only": [[2, 2], [1, 1], [3, 3]]}
    rows = [row(float(cost)) for c in scenarios for policy in kept[c] for cost in policy]
    table = table_of(scenarios, POLICIES, 2, rows)
    by = {s.policy: s for s in table.standings}
    assert [s.policy for s in table.standings] == ["cheapest", "length-only", "largest"]
    assert (by["length-only"].rank, by["cheapest"].rank, by["largest"].rank) == (1.75, 1.25, 3.0)
    expected = paired_difference([1.5, 1.0], [1.5, 2.0])
    assert (by["cheapest"].difference, by["cheapest"].low) == (expected.mean, expected.low)
    assert by["length-only"].difference is None


def test_a_run_that_fails_is_told_and_ranks_last(scenarios):
    bad = {"condition": "x", "error": "it divides by zero"}
    rows = [row() if (i // 2) % 3 else dict(bad) for i in range(12)]
    table = table_of(scenarios, POLICIES, 2, rows)
    assert table.standings[-1].policy == "length-only"
    assert next(c for c in table.cells if c.policy == "length-only").error == "it divides by zero"
    assert printed(table).count("length-only failed: it divides by zero") == 2


def test_who_complies_from_the_first_request_on_counts_and_equals_differ_by_nothing(scenarios):
    rows = [row(2.0) | {"sla_time_to_compliance": 10 * r} for _ in scenarios for _ in POLICIES for r in (0, 1)]
    table = table_of(scenarios, POLICIES, 2, rows)
    assert {(cell.compliant, cell.compliant_from) for cell in table.cells} == {(2, 5.0)}
    assert [(s.difference, s.rank) for s in table.standings] == [(None, 2.0), (0.0, 2.0), (0.0, 2.0)]


# ---- what makes it quotable -----------------------------------------------------------------------------------


def test_the_hash_is_of_the_scenarios_and_of_nothing_else(scenarios, challenged):
    table, rows = challenged
    assert table_of(scenarios, POLICIES, 2, rows).scenarios_sha256 == table.scenarios_sha256
    other = conditions(list(scenarios), requests=201)
    assert table_of(other, POLICIES, 2, rows).scenarios_sha256 != table.scenarios_sha256
    assert table.scenarios_sha256[:12] in quote(table)
    assert "replications 0 to 1 of seed 1" in quote(table)


def test_the_hash_is_of_built_in_profiles_too(monkeypatch):
    """A fit that is made anew changes what is run, whatever the scenarios say."""
    overload = conditions(["overload"])
    before = table_of(overload, ["mess+"], 1, [row()]).scenarios_sha256

    def fitted_anew(*name):
        profile = find_profile(*name)
        return replace(profile, energy=replace(profile.energy, measured=not profile.energy.measured))

    monkeypatch.setattr("messsim.study.challenge.table.find_profile", fitted_anew)
    assert table_of(overload, ["mess+"], 1, [row()]).scenarios_sha256 != before


def test_the_page_quotes_the_conditions_that_ship():
    rows = [row() for _ in CONDITIONS]
    digest = table_of(conditions(), ["mess+"], 1, rows).scenarios_sha256[:12]
    page = (ROOT / "docs" / "challenge.md").read_text(encoding="utf-8")
    assert f"challenge of {len(CONDITIONS)} conditions {digest}, " in page


def printed(table, width=120):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(challenge_tables(table))
    return console.export_text()


def test_tables_and_page_say_the_same(challenged):
    table, _ = challenged
    text, page = printed(table), challenge_page(table)
    assert "USD/1,000 requests" in text
    assert [t.caption for t in page.sections[1].tables] == [
        "stationary: 64.0 % promised",
        "complaints-only: 64.0 % promised",
    ]
    for shown in page.sections[0].tables + page.sections[1].tables:
        for cells in shown.rows:
            assert all(cell in text for cell in cells)


def test_ranks_and_differences_are_told_with_their_intervals():
    known = Standing("a", 3, 4, 1.25, 2.0, 1.75, 2.25, None, None, None)
    other = Standing("b", 1, 4, None, 3.0, 2.5, 3.5, 1.0, 0.25, 1.75)
    one_replication = Standing("b", 1, 1, 1.5, 3.0, None, None, -1.0, None, None)
    cells = [Cell("c", p, 0, 4, None, 0, None, None, None, None, None, 1.0, "") for p in "ab"]
    facts = {"requests": {"c": 10}, "alphas": {"c": 0.5}, "cost_units": {"c": "J"}}
    table = Challenge(
        *("1", "", {}, 1, 4, ["c"]),
        **facts,
        policies=["a", "b"],
        standings=[known, other, one_replication],
        cells=cells,
    )
    text = printed(table)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "a 2.00 ± 0.25 - 3 of 4 1.25" in lines
    assert "b 3.00 ± 0.50 +1.00 ± 0.75 1 of 4 -" in lines
    assert "b 3.00 -1.00 1 of 1 1.5" in lines


@pytest.mark.parametrize(
    ("best", "other", "apart"),
    [
        ((1.0, None, None), (2.0, None, None), False),
        ((1.0, None, None), (1.0, None, None), False),
        ((1.0, 0.5, 1.5), (2.0, 1.6, 2.4), True),
        ((1.0, 0.5, 1.5), (2.0, 1.5, 2.5), False),
        ((1.0, 0.5, 1.5), (1.2, 0.9, 1.4), False),
    ],
)
def test_ranks_are_apart_where_their_intervals_are(best, other, apart):
    first, second = (Standing(n, 1, 1, None, *r, None, None, None) for n, r in (("a", best), ("b", other)))
    assert _apart(first, second) == apart


def test_the_page_says_what_each_condition_asks_and_draws_who_keeps_the_promise(challenged):
    table, _ = challenged
    standings, asked, _ = challenge_page(table, questions()).sections
    assert [row[0] for row in asked.tables[0].rows] == ["stationary", "complaints-only"]
    assert asked.tables[0].rows[1][1].startswith("Only users who are not satisfied say anything.")
    ranks, kept = standings.figures
    assert f"the best is {table.standings[0].policy}, {table.standings[0].rank:.2f}" in ranks.description
    always = sum(c.kept == c.runs for c in table.cells)
    assert kept.description.startswith(f"{always} of {len(table.cells)} pairs")
    own = challenge_page(table, {"complaints-only": "Does it?"}).sections
    assert own[1].tables[0].rows == [["complaints-only", "Does it?"]], (
        "of one's own condition nobody knows what it asks"
    )
    assert [s.title for s in challenge_page(table, None).sections] == [standings.title, own[2].title]


# ---- files and the command --------------------------------------------------------------------------------


def test_what_is_written_is_read_again(scenarios, challenged, tmp_path):
    out = tmp_path / "out"
    table, rows = challenge(scenarios, POLICIES, 2, out=out, workers=1)
    assert (table, rows) == challenged
    write_challenge(out, scenarios, table, page=challenge_report)
    write_challenge(out, scenarios, table, page=challenge_report)  # as the same command does, continued
    assert read_challenge(out) == table
    frame = pl.read_parquet(out / "results.parquet")
    assert frame["condition"].unique(maintain_order=True).to_list() == list(scenarios)
    assert frame["policy"].unique(maintain_order=True).to_list() == POLICIES
    assert load(out / "scenarios" / "complaints-only.toml").feedback.satisfied_rate == 0.0
    before = (out / "report.html").read_bytes()
    (out / "report.html").unlink()
    assert report(out).read_bytes() == before
    (out / "challenge.json").write_text('{"version": 1}')
    with pytest.raises(OutputError, match="damaged, or another version"):
        report(out)


def test_one_that_stopped_goes_on_where_it_was(scenarios, challenged, tmp_path):
    out = tmp_path / "out"

    def stop(done, total):
        assert total == 2 * 3 * 2
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="5 of 12 runs are kept"):
        challenge(scenarios, POLICIES, 2, out=out, workers=1, on_progress=stop)
    assert pl.read_parquet(out / "results.parquet").height == 5
    left = partial_name(out / "scenarios")  # of one that was killed while it wrote them
    left.mkdir()
    first = []
    assert (
        challenge(scenarios, POLICIES, 2, out=out, workers=1, on_progress=lambda n, of: first.append(n)) == challenged
    )
    assert first[0] == 5
    assert not left.exists()


@pytest.mark.parametrize("other", ["scenarios", "policies"])
def test_another_challenge_is_never_mixed_in(scenarios, tmp_path, other):
    out = tmp_path / "out"
    challenge(scenarios, ["cheapest"], 1, out=out, workers=1)
    changed = {name: s.changed(requests=201) if name == "complaints-only" else s for name, s in scenarios.items()}
    asked = (changed, ["cheapest"]) if other == "scenarios" else (scenarios, ["largest"])
    with pytest.raises(OutputError, match="holds a study that differs in its"):
        challenge(*asked, 1, out=out, workers=1)


def test_a_run_that_fails_stops_no_other(scenarios, tmp_path):
    own = tmp_path / "bad.py"
    own.write_text(
        "from messsim.routing.plugin import compile_policy\n\n\n"
        "def decide(models):\n    return models\n\n\n"
        "def build(options, models, features):\n    return compile_policy('bad', decide)\n"
    )
    out = tmp_path / "out"
    table, rows = challenge({"stationary": scenarios["stationary"]}, ["cheapest", str(own)], 1, out=out, workers=1)
    bad = next(c for c in table.cells if c.policy == "bad.py")
    assert (bad.rank, bad.runs) == (2.0, 1)
    assert bad.error == rows[1]["error"]
    assert pl.read_parquet(out / "results.parquet")["error"].to_list() == [None, bad.error]


def test_the_command_takes_a_policy_of_ones_own(tmp_path):
    own = tmp_path / "always.py"
    own.write_text(
        "from messsim.routing.plugin import compile_policy\n\n\n"
        "def decide(models):\n    return models - 1\n\n\n"
        "def build(options, models, features):\n    return compile_policy('always', decide)\n"
    )
    args = [str(own), "--quick", "--policies", "largest,cheapest", "--conditions", "one-sided", "--workers", "1"]
    done = CliRunner().invoke(app, ["challenge", *args, "--json"])
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)
    assert data["policies"] == ["always.py", "largest", "cheapest"]
    assert len(data["policies_sha256"]["always.py"]) == 64
    always, largest = data["cells"][:2]
    assert (always["cost"], always["satisfaction"]) == (largest["cost"], largest["satisfaction"])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--conditions", "nothing"], "expected any of stationary"),
        (["none.py"], "there is no such file"),
        (["--policies", "mess"], "did you mean"),
        (["--requests", "0"], "requests = 0: expected at least 1"),  # none of these is taken for its default
        (["--conditions", ","], "names none; expected any of stationary"),
        (["--policies", ""], "expected a policy and a condition"),
    ],
)
def test_wrong_input_is_refused_with_code_2(args, message):
    done = CliRunner().invoke(app, ["challenge", *args, "--quick"])
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
