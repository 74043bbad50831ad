"""A run as it goes: snapshots of it, on a terminal and in a pipe, of a directory that is being written, and later."""

import io
import shutil
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from builders import model, scenario
from pydantic import ValidationError
from rich.console import Console
from typer.testing import CliRunner

from messsim import study
from messsim.cli import app
from messsim.cli import report as cli_report
from messsim.errors import OutputError
from messsim.report.base.tables import grid
from messsim.report.run import live
from messsim.report.run.live import Curve, dashboard, line_of, sparks, watching
from messsim.scenario import parse
from messsim.shapes.live import LiveModel, LivePool
from messsim.study.simulation import watching as studied
from messsim.study.simulation.watching import LIVE, show


def small(**more):
    models = [model("small", 0.5), model("large", 0.9)]
    return parse(scenario(**{"requests": 3000, "models": models, "sla": {"alpha": 0.7}} | more))


@pytest.fixture
def at_once(monkeypatch):
    """Snapshots as often as an engine tells of its progress."""
    monkeypatch.setattr(studied, "EVERY_S", 0.0)


def printed(snapshot, width=80):
    console = Console(file=io.StringIO(), width=width)
    console.print(dashboard(snapshot))
    return console.file.getvalue()


@pytest.mark.parametrize("engine", ["compiled", "simpy"])
def test_a_run_is_watched_as_it_goes_and_is_the_same_run(engine, at_once, tmp_path):
    seen = []
    settings = small(engine=engine, requests=150_000 if engine == "compiled" else 3000)
    watched = study.run(settings, keep_records=False, watch=seen.append).summary
    assert [s.requests for s in seen] == sorted(s.requests for s in seen)
    assert len(seen) >= 2
    middle = seen[-1]
    assert (middle.total, middle.promise, middle.done) == (settings.requests, pytest.approx(0.7), False)
    assert middle.satisfaction == pytest.approx(watched["sla"]["satisfaction"], abs=0.05)
    assert [p.name for p in middle.pools] == ["small", "large"]
    if engine == "compiled":  # whose records come by the page
        early = next(s for s in seen if s.cost_per_request is not None)
        assert sum(m.answered for m in early.models) > 0
        assert early.requests < middle.total
    assert middle.queue_curve
    unseen = study.run(settings, keep_records=False).summary
    assert {k: v for k, v in watched.items() if k != "performance"} == {
        k: v for k, v in unseen.items() if k != "performance"
    }


@pytest.mark.parametrize("engine", ["compiled", "simpy"])
def test_replicas_are_those_that_are_up(engine, at_once, tmp_path):
    """Of a pool that changes its size not the most that it may have."""
    grows = {"rule": "target", "target": 10, "min_replicas": 1}
    models = [model("small", 0.5), model("large", 0.9, replicas=4, autoscale=grows)]
    seen = []
    settings = small(engine=engine, models=models, requests=300, arrivals={"kind": "poisson", "rate_rps": 0.5})
    study.run(settings, out=tmp_path / "r", watch=seen.append)
    seen.append(show(tmp_path / "r"))
    assert {p.replicas for s in seen for p in s.pools if p.name == "large"} == {1}


def test_power_is_the_mean_over_the_last_tenth():
    times = np.arange(0.0, 60.0, 2.0)
    seen = {"time_s": times, "energy_j": np.column_stack([np.full(30, 7.0), times**2 / 2.0])}
    first = [{name: column[:n] for name, column in seen.items()} for n in (5, 1)]
    assert [studied._power(seen, k) for k in (0, 1)] == [0.0, (58.0 + 54.0) / 2.0]  # of the last 3 of 30
    assert studied._power(first[0], 1) == (8.0 + 6.0) / 2.0  # there are always two
    assert studied._power(first[1], 1) is None


def test_a_directory_is_shown_while_it_is_written_and_after(at_once, tmp_path):
    out, seen = tmp_path / "out", []
    study.run(small(engine="simpy"), out=out, watch=lambda _: seen.append(show(out)))
    assert [s.done for s in seen] == [False] * len(seen)
    assert 0 < seen[0].requests < 3000
    after = show(out)
    assert (after.done, after.requests, after.policy) == (True, 3000, "mess+")
    assert sum(m.answered for m in after.models) == 3000
    assert not list(tmp_path.rglob(LIVE))


@pytest.mark.parametrize("engine", ["compiled", "simpy"])
def test_shares_are_known_from_the_first_on_though_nobody_watches(engine, at_once, tmp_path):
    """Of a run of less than a page of records, which `show` is asked about from elsewhere."""
    out, seen = tmp_path / "out", []

    def ask(progress):
        if list(tmp_path.rglob(LIVE)):
            seen.append((progress, show(out)))

    settings = small(engine=engine, requests=60_000 if engine == "compiled" else 3000)
    ended = study.run(settings, out=out, progress=ask)
    begun = [(progress, snapshot) for progress, snapshot in seen if snapshot.requests > 100]
    assert begun
    for progress, snapshot in begun:
        assert 0 < sum(m.answered for m in snapshot.models) <= progress.requests
    last = {m.name: m.answered for m in seen[-1][1].models}
    shares = {m["name"]: m["share"] for m in ended.summary["models"]}
    assert {name: count / sum(last.values()) for name, count in last.items()} == pytest.approx(shares, abs=0.1)


def test_answers_are_counted_once_whether_their_records_are_handed_on_or_not(at_once):
    seen = []
    settings = small(requests=150_000)
    study.run(settings, keep_records=False, watch=seen.append, pipelined=False)
    assert len(seen) > 3
    for snapshot in seen:
        open_ = sum(p.in_system for p in snapshot.pools)
        assert sum(m.answered for m in snapshot.models) <= snapshot.requests
        assert sum(m.answered for m in snapshot.models) >= 0.9 * (snapshot.requests - open_) - 100


@pytest.mark.parametrize("engine", ["compiled", "simpy"])
def test_what_is_told_of_a_run_grows_to_what_it_ends_with(engine):
    progress = []
    ran = study.run(small(engine=engine, record={"chunk": 64}), progress=progress.append)
    assert len(progress) >= 2
    assert [p.requests for p in progress] == sorted(p.requests for p in progress)
    assert [p.time_s for p in progress] == sorted(p.time_s for p in progress)
    last = progress[-1]
    assert (last.total, last.horizon_s) == (3000, None)
    assert last.requests <= 3000
    assert last.satisfaction == pytest.approx(ran.summary["sla"]["satisfaction"], abs=0.05)
    assert last.queue == pytest.approx(ran.summary["sla"]["queue_final"], abs=20.0)


def test_a_directory_without_a_run_is_refused(tmp_path):
    with pytest.raises(OutputError, match="holds no run, and none is being written there"):
        show(tmp_path / "none")
    done = CliRunner().invoke(app, ["show", str(tmp_path)])
    assert done.exit_code != 0


def test_a_run_whose_records_are_gone_is_shown(tmp_path):
    """They may be gigabytes; what is shown is of the summary and the timeline."""
    study.run(small(requests=200), out=tmp_path / "out")
    before = show(tmp_path / "out")
    for file in (tmp_path / "out").glob("requests*"):
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    assert show(tmp_path / "out") == before


def test_a_damaged_directory_is_named(tmp_path):
    study.run(small(requests=50), out=tmp_path / "out")
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "out", copy)
    text = (copy / "summary.json").read_text()
    (copy / "summary.json").write_text(text.replace('"certificate"', '"certified"'))
    with pytest.raises(
        OutputError, match=rf"^{copy}/summary\.json: sla\.certificate: .*; it is damaged, or another version"
    ):
        show(copy)
    (copy / "summary.json").write_text(text)
    pl.read_parquet(copy / "timeline.parquet").drop("queue").write_parquet(copy / "timeline.parquet")
    with pytest.raises(OutputError, match=rf"{copy}/timeline.parquet: the column queue is missing"):
        show(copy)


def test_shares_of_nobody_are_none(tmp_path):
    study.run(small(), out=tmp_path / "out")
    before = show(tmp_path / "out").model_copy(update={"models": [LiveModel(name="small", answered=0)]})
    assert any(line.split() == ["small", "-"] for line in printed(before).splitlines())


def test_the_picture_has_promise_queue_shares_latencies_and_replicas(tmp_path):
    study.run(small(), out=tmp_path / "out")
    snapshot = show(tmp_path / "out")
    text = printed(snapshot)
    assert "70.00 % promised (" in text
    assert f"{100 * snapshot.satisfaction:.2f} % satisfied, " in text
    for word in (
        "answers owed",
        "at least",
        "TTFT",
        "end to end",
        "small",
        "large",
        "replicas",
        "requests in it",
        "over",
    ):
        assert word in text
    assert "▁" in text
    assert "█" in text
    assert max(len(line) for line in text.splitlines()) <= 80
    assert max(len(line) for line in printed(snapshot, 40).splitlines()) <= 40


def test_a_run_without_servers_or_answers_is_shown(tmp_path):
    study.run(small(cluster={"mode": "none"}), out=tmp_path / "none")
    assert "replicas" not in printed(show(tmp_path / "none"))
    study.run(small(requests=None, horizon_s=1e-9), out=tmp_path / "nothing")
    assert "no answer yet" in printed(show(tmp_path / "nothing"))


def test_a_pipe_has_plain_lines_and_a_terminal_a_picture(tmp_path, monkeypatch):
    study.run(small(), out=tmp_path / "out")
    snapshot = show(tmp_path / "out")
    piped = CliRunner().invoke(app, ["show", str(tmp_path / "out")])
    assert piped.stdout == line_of(snapshot) + "\n"
    assert ": 3,000 requests, " in piped.stdout
    for is_terminal in (False, True):
        monkeypatch.setattr(live, "LINE_EVERY_S", 0.0)
        console = Console(file=io.StringIO(), force_terminal=is_terminal, width=80)
        with watching(console) as tell:
            tell(snapshot)
        text = console.file.getvalue()
        assert ("\x1b[" in text) is is_terminal
        assert ("requests in it" in text) is is_terminal
        if not is_terminal:
            assert text == line_of(snapshot) + "\n"


@pytest.mark.parametrize("broken_off", [False, True])
def test_a_terminal_shows_a_run_until_it_is_done_or_broken_off(tmp_path, monkeypatch, broken_off):
    study.run(small(), out=tmp_path / "out")
    ended = show(tmp_path / "out")
    states = [ended.model_copy(update={"done": False, "requests": n}) for n in (1001, 1002, 1003)]
    states.append(OutputError("it was broken off") if broken_off else ended)
    asked, slept = [], []

    def state_of(directory):
        asked.append(directory)
        state = states[len(asked) - 1]
        if isinstance(state, OutputError):
            raise state
        return state

    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=40)
    monkeypatch.setattr(studied, "show", state_of)
    monkeypatch.setattr(cli_report, "console", console)
    monkeypatch.setattr(cli_report, "time", SimpleNamespace(sleep=slept.append))
    assert CliRunner().invoke(app, ["show", str(tmp_path / "out")]).exit_code == 0
    assert asked == [tmp_path / "out"] * 4
    assert slept == [cli_report.AGAIN_S] * 3
    text = console.file.getvalue()
    assert all(f"{n:,}" in text for n in (1001, 1002, 1003))
    _, _, last = text.rpartition("\x1b[?25h")  # after the live picture is gone
    assert ("1,003" if broken_off else "3,000") in last


def test_a_state_that_is_no_state_is_told(tmp_path):
    held = tmp_path / "out"
    held.mkdir()
    for text, what in (("{", "all of it: "), ("{}", "scenario: field required"), ('{"scenario": 1}', "scenario: ")):
        (held / LIVE).write_text(text)
        with pytest.raises(
            OutputError, match=rf"^{held / LIVE}: {what}.*; it is damaged, or another version of messsim wrote it$"
        ):
            show(held)


def test_a_run_that_ends_while_it_is_asked_for_is_shown_as_ended(tmp_path, monkeypatch):
    study.run(small(), out=tmp_path / "out")
    summary = tmp_path / "out" / "summary.json"
    kept = summary.read_bytes()
    summary.unlink()
    (tmp_path / "out" / LIVE).touch()

    def gone(ends):
        def read(file, shape):
            file.unlink()
            if ends:
                summary.write_bytes(kept)
            raise OutputError(f"{file}: no such file")

        return read

    monkeypatch.setattr(studied, "read_whole", gone(False))
    with pytest.raises(OutputError, match="its run has only begun"):
        show(tmp_path / "out")
    (tmp_path / "out" / LIVE).touch()
    monkeypatch.setattr(studied, "read_whole", gone(True))
    assert show(tmp_path / "out").done


def test_a_name_cannot_command_the_terminal(tmp_path):
    study.run(small(name="evil\x1b[31m"), out=tmp_path / "out")
    snapshot = show(tmp_path / "out")
    assert "\x1b" not in line_of(snapshot)
    assert "\x1b" not in printed(snapshot)


def test_sparks_go_from_the_least_to_the_most():
    assert sparks([]) == ""
    assert sparks([1.0, 1.0]) == "▁▁"
    assert sparks([0.0, 0.5, 1.0]) == "▁▅█"


@pytest.mark.parametrize(("width", "blocks"), [(80, 48), (60, 24), (30, 16)])
def test_a_curve_is_no_wider_than_the_terminal_and_ends_at_its_end(width, blocks):
    console = Console(file=io.StringIO(), width=width)
    rows = grid()
    rows.add_row("certificate", Curve([0.0] * 47 + [1.0]))
    console.print(rows)
    assert console.file.getvalue().rstrip() == f"certificate  {'▁' * (blocks - 1)}█"


def test_what_a_killed_run_left_is_named(tmp_path):
    (tmp_path / ".o.0a.partial").mkdir()
    with pytest.raises(
        OutputError, match=r"holds no run, .*; .*/\.o\.0a\.partial is left of a command that was killed"
    ):
        show(tmp_path / "o")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_figure_of_a_snapshot_is_beyond_numbers(value):
    """It is written as JSON, which has no word for these."""
    with pytest.raises(ValidationError):
        LivePool(name="p", replicas=1, in_system=1, power_w=value)
