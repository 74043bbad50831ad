"""What all commands share: how errors are told, what is looked at before, what is written and printed, and when."""

import errno
import json
import resource
import signal
import sys
from dataclasses import astuple
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import polars as pl
import pytest
import typer
from builders import scenario
from typer.testing import CliRunner

from messsim import cli
from messsim.amounts import names_in
from messsim.cli import app, base, outputs, signals, streams
from messsim.cli.amounts import fraction, rate_of, whole_number
from messsim.cli.base import _check_surroundings, _in_short, print_json
from messsim.cli.help import meant
from messsim.cli.importing import _refuse
from messsim.cli.outputs import hand_over
from messsim.cli.rows import time_form
from messsim.cli.run import _one_alpha
from messsim.errors import DataError, OutputError, ScenarioError, SimulationError
from messsim.scenario import parse
from messsim.study.runs import places, ray_cluster
from messsim.study.runs.processes import _check_main

# ---- errors ---------------------------------------------------------------------------------------------

PANIC = 'on an `Err` value: Os { code: 24, kind: TooManyOpenFiles, message: "Too many open files" }'  # of Polars


def wrapped(error, monkeypatch):
    """A command that raises: its exit code."""

    def fails():
        raise error

    monkeypatch.setattr(base.app, "command", lambda *args, **options: lambda function: function)
    with pytest.raises(typer.Exit) as left:
        base.command(fails)()
    return left.value.exit_code


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ScenarioError("no key"), 2, "error: no key"),
        (DataError("no row", "f.csv"), 2, "error: f.csv: no row"),
        (OutputError("no room"), 2, "error: no room"),
        (SimulationError("it stopped"), 1, "error: it stopped"),
        (KeyboardInterrupt(), 130, "interrupted; nothing was written"),
        (KeyboardInterrupt("interrupted; 3 runs are kept"), 130, "interrupted; 3 runs are kept"),
        (signals.Ended(signal.SIGTERM), 143, "interrupted; nothing was written"),
        (MemoryError(), 2, "error: there is not enough memory"),
        (EOFError("cut"), 2, "error: a file ends too early: cut"),
        (OSError(errno.ENOSPC, "No space left", "f"), 2, "error: f: No space left"),
        (OSError("odd"), 2, "error: the system: odd"),
        (
            OSError(errno.EMFILE, "Too many open files", "f"),
            2,
            "error: f: Too many open files; expected a higher limit of open files (ulimit -n)",
        ),
        (
            pl.exceptions.PanicException(PANIC),
            2,
            "error: the system: Too many open files; expected a higher limit of open files (ulimit -n)",
        ),
    ],
)
def test_every_error_is_told_in_one_voice(monkeypatch, capsys, error, code, text):
    assert wrapped(error, monkeypatch) == code
    assert capsys.readouterr().err == f"{text}\n"


def test_bugs_and_readers_who_leave_are_not_told(monkeypatch):
    def fails(error):
        def function():
            raise error

        return base.command(function)

    monkeypatch.setattr(base.app, "command", lambda *args, **options: lambda function: function)
    for error in (ValueError("a bug"), BrokenPipeError(), ValueError(PANIC), pl.exceptions.PanicException("a bug")):
        with pytest.raises(type(error)):
            fails(error)()


def test_lines_of_messages_are_cut_in_their_middle():
    fits, long = "x" * 2000, "a" * 1500 + "b" * 501
    assert _in_short(f"{fits}\nshort") == f"{fits}\nshort"
    assert _in_short(f"one\n{long}") == f"one\n{'a' * 1000} ... {'a' * 499}{'b' * 501}"


@pytest.mark.parametrize("threads", ["0", "-1", "x", "", "1.5", "1025", "99999"])
def test_a_number_of_threads_that_polars_would_not_take_is_told(monkeypatch, threads):
    monkeypatch.setenv("POLARS_MAX_THREADS", threads)
    with pytest.raises(OutputError) as caught:
        _check_surroundings()
    assert str(caught.value) == f"POLARS_MAX_THREADS={threads}: expected a whole number from 1 to 1,024, or none"
    for fine in ("1", "1024"):
        monkeypatch.setenv("POLARS_MAX_THREADS", fine)
        _check_surroundings()


def test_too_little_memory_is_told(monkeypatch):
    monkeypatch.delenv("POLARS_MAX_THREADS", raising=False)
    limits = [resource.RLIM_INFINITY, 1 << 30, (1 << 30) - 1]
    monkeypatch.setattr(resource, "getrlimit", lambda what: (limits.pop(0), resource.RLIM_INFINITY))
    _check_surroundings()
    _check_surroundings()
    with pytest.raises(OutputError) as caught:
        _check_surroundings()
    assert str(caught.value) == "a process may have 1023 MiB of addresses (ulimit -v); expected at least 1024 MiB"


def test_json_has_no_number_that_is_none(capsys):
    print_json({"a": "\x7f", "b": [1]})
    assert capsys.readouterr().out == '{\n  "a": "\\u007f",\n  "b": [\n    1\n  ]\n}\n'
    print_json({"a": [float("nan"), {"b": float("-inf")}, (1.5,)]})
    assert json.loads(capsys.readouterr().out) == {"a": [None, {"b": None}, [1.5]]}


# ---- what is written and printed ------------------------------------------------------------------------


def test_a_study_is_written_before_it_is_printed_and_then_says_where(tmp_path, capsys):
    order = []

    def write(out):
        order.append(("written", out))
        return ["no picture"]

    hand_over({"x": 1}, lambda: order.append("tables") or "a table", False, tmp_path, write)
    assert order == [("written", tmp_path), "tables"]
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0] == "a table"
    assert f"written to {tmp_path}" in shown.out.replace("\n", "")
    assert shown.err == "note: no picture\n"


def test_json_is_printed_alone(tmp_path, capsys):
    hand_over({"x": 1}, lambda: 1 / 0, True, tmp_path, lambda out: None)
    assert json.loads(capsys.readouterr().out) == {"x": 1}
    hand_over({"x": 1}, lambda: 1 / 0, True, None, lambda out: 1 / 0)
    assert json.loads(capsys.readouterr().out) == {"x": 1}


def test_what_cannot_be_written_is_printed_all_the_same(tmp_path, capsys):
    def write(out):
        raise OutputError("full")

    with pytest.raises(OutputError, match="full"):
        hand_over({"x": 1}, lambda: "a table", False, tmp_path, write)
    assert capsys.readouterr().out == "a table\n"


def test_what_a_killed_command_left_is_told(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("messsim.results.directory.leftover_notes", lambda out: [f"left beside {out.name}"])
    assert outputs.tell_leftovers(tmp_path / "o") == ["left beside o"]
    assert outputs.check_out(tmp_path / "o") == ["left beside o"]
    assert capsys.readouterr().err == "note: left beside o\n" * 2
    assert outputs.tell_leftovers(None) == outputs.check_out(None) == []
    outputs.check_file(tmp_path / "f")
    assert capsys.readouterr().err == "note: left beside f\n"
    with pytest.raises(OutputError):
        outputs.check_out(tmp_path)


def test_every_note_has_a_line(capsys):
    hand_over({"x": 1}, lambda: "a table", True, Path("o"), lambda out: ["no picture", "no page [b]", "x"])
    assert capsys.readouterr().err == "note: no picture\nnote: no page [b]\nnote: x\n"


# ---- options --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (whole_number, "50k", 50_000),
        (whole_number, 7, 7),
        (rate_of, "1.5k", 1500.0),
        (rate_of, 0.5, 0.5),
        (fraction, "90%", 0.9),
        (fraction, "0", 0.0),
        (fraction, "1.5", 1.5),
    ],
)
def test_amounts_as_people_write_them(read, text, value):
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (whole_number, "1.5", "'1.5' is no whole number; expected one such as 50000, 50k or 1e6"),
        (rate_of, "0", "'0' is no rate; expected requests per second, such as 4"),
        (rate_of, "-1", "'-1' is no rate; expected requests per second, such as 4"),
        (rate_of, "4s", "'4s' is no rate; expected requests per second, such as 4"),
        (rate_of, "4%", "'4%' is no rate; expected requests per second, such as 4"),
        (rate_of, "x", "'x' is no rate; expected requests per second, such as 4"),
        (fraction, "2s", "'2s' is no share; expected one such as 0.9 or 90%"),
        (fraction, "x", "'x' is no share; expected one such as 0.9 or 90%"),
    ],
)
def test_what_is_no_amount_is_told(read, text, message):
    with pytest.raises(typer.BadParameter) as caught:
        read(text)
    assert caught.value.message == message


def test_names_are_parted_by_commas():
    assert names_in(" a, b,,c ") == ["a", "b", "c"]
    assert names_in("") == []


def test_the_first_option_that_does_not_belong_is_refused():
    _refuse({"--a": None, "--b": False, "--c": ""}, "no")
    with pytest.raises(OutputError, match=r"^--b: no$"):
        _refuse({"--a": None, "--b": 1, "--c": 2}, "no")


def test_how_times_are_written_is_checked():
    form = time_form("ms", "Europe/Berlin")
    assert astuple(form)[:2] == ("ms", "Europe/Berlin")
    with pytest.raises(DataError, match="Nowhere"):
        time_form("iso", "Nowhere/None")


class Param:
    def __init__(self, name, *opts):
        self.name, self.opts = name, opts


class Options:
    """A command with some options, as Click has it."""

    def __init__(self, *params):
        self.params = [Param(name, f"--{name.replace('_', '-')}") for name in params]


@pytest.mark.parametrize(
    ("option", "command", "instead"),
    [
        ("--replications", Options("seeds"), "--seeds"),
        ("--replications", Options("seed"), None),
        ("--output", Options("out"), "--out"),
        ("--prompt_tokens", Options("prompt_tokens"), "--prompt-tokens"),
        ("--out=x", Options("out"), "--out"),
        ("--alpha=0.5", Options("set", "scenario"), "--set sla.alpha=VALUE"),
        ("--alpha", Options("set"), None),
        ("--alpha", Options("scenario"), None),
        ("--zzz", Options("set", "scenario"), None),
        ("--horizon-s", Options("set", "scenario"), "--set horizon_s=VALUE"),
    ],
)
def test_what_was_meant_by_an_option_of_another_name(option, command, instead):
    assert meant(option, command) == instead


def test_one_promise_is_shown_beside_a_bar():
    assert _one_alpha(parse(scenario())) == 0.5
    tenants = [{"name": n, "alpha": a} for n, a in (("a", 0.6), ("b", 0.6))]
    assert _one_alpha(parse(scenario(tenants=tenants))) == 0.6
    tenants[1]["alpha"] = 0.7
    assert _one_alpha(parse(scenario(tenants=tenants))) is None


# ---- signals and streams --------------------------------------------------------------------------------


def test_the_exit_code_of_a_signal():
    assert signals.exit_code(KeyboardInterrupt()) == 128 + 2
    assert signals.exit_code(signals.Ended(15)) == 143


def test_signals_that_are_ignored_stay_so_and_one_that_came_silences_the_others(monkeypatch):
    handlers = dict.fromkeys(signals.ENDS, signal.SIG_DFL) | {signal.SIGHUP: signal.SIG_IGN}
    monkeypatch.setattr(signal, "getsignal", handlers.__getitem__)
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    signals.end_like_ctrl_c()
    assert handlers.pop(signal.SIGHUP) == signal.SIG_IGN
    assert set(handlers.values()) == {signals._raise}
    with pytest.raises(signals.Ended) as caught:
        signals._raise(signal.SIGTERM, None)
    assert caught.value.number == signal.SIGTERM
    assert set(handlers.values()) == {signal.SIG_IGN}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("during", ["imports", "options"])
def test_a_signal_before_a_command_begins_has_its_exit_code_too(monkeypatch, capsys, during, number):
    """Typer makes 130 of every KeyboardInterrupt, without a word."""

    def ended(value: str = "") -> str:
        raise signals.Ended(number)

    def command(option: Annotated[str, typer.Option(callback=ended)] = ""):
        raise AssertionError

    application = typer.Typer(add_completion=False)
    application.command()(command)
    begin = ended if during == "imports" else lambda: application(["--option", "a"], prog_name="messsim")
    monkeypatch.setattr(cli, "end_like_ctrl_c", lambda: None)
    monkeypatch.setattr(cli, "_main", begin)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 128 + number
    assert capsys.readouterr().err == "interrupted; nothing was written\n"


@pytest.mark.parametrize("code", [0, 1, 2, 130])
def test_another_exit_code_stays(monkeypatch, capsys, code):
    def left():
        raise SystemExit(code)

    monkeypatch.setattr(cli, "end_like_ctrl_c", lambda: None)
    monkeypatch.setattr(cli, "_main", left)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == code
    assert capsys.readouterr().err == ""


def test_a_stream_asks_what_to_do_where_writing_fails(tmp_path):
    failures = []
    with (tmp_path / "f").open("w") as file:
        watched = streams._watched(file, failures.append)
        print("fine", file=watched, flush=True)
        assert (tmp_path / "f").read_text() == "fine\n"
    if not Path("/dev/full").exists():
        pytest.skip("there is no disk that is always full")
    with Path("/dev/full").open("w") as full:
        watched = streams._watched(full, failures.append)
        print("lost", file=watched, flush=True)
    assert [f.errno for f in failures] == [errno.ENOSPC]
    other = object()
    assert streams._watched(other, failures.append) is other


# ---- workers elsewhere ----------------------------------------------------------------------------------


class TaskError(Exception):
    """Ray's, of a call that raised."""


class LostError(Exception):
    """Ray's, of a worker that is gone."""


class Ray:
    """A cluster of three cores in this process, which makes the newest call first."""

    exceptions = SimpleNamespace(RayTaskError=TaskError, RayError=LostError)

    def __init__(self):
        self.asked, self.cancelled, self.most, self.ready, self.begun = None, [], 0, False, 0

    def is_initialized(self):
        return self.ready

    def init(self, **options):
        self.asked = options

    def shutdown(self):
        self.asked = "ended"

    def cluster_resources(self):
        return {"CPU": 3.0}

    def remote(self, function):
        class Call:
            @staticmethod
            def remote(*arguments):
                self.begun += 1
                return (self.begun, function, arguments)

        return Call

    def wait(self, waiting, num_returns, timeout):
        self.most = max(self.most, len(waiting))
        return [waiting[-1]], waiting[:-1]

    def get(self, call):
        return call[1](*call[2])

    def cancel(self, call, force):
        self.cancelled.append((call[0], force))


@pytest.fixture
def ray(monkeypatch):
    fake = Ray()
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return fake


def test_a_ray_of_this_machine_ends_with_the_context(ray):
    with ray_cluster.RayWorkers(count=2):
        assert ray.asked == {
            "num_cpus": 2,
            "log_to_driver": False,
            "logging_level": "ERROR",
            "include_dashboard": False,
        }
    assert ray.asked == "ended"


def test_a_cluster_is_reached_by_its_address_and_one_that_is_there_is_left(ray, monkeypatch):
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    with ray_cluster.RayWorkers("ray://head:10001"):
        assert ray.asked == {"address": "ray://head:10001"} | quiet
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    with ray_cluster.RayWorkers():
        assert ray.asked == {"address": "auto"} | quiet
    ray.ready, ray.asked = True, None
    with ray_cluster.RayWorkers():
        assert ray.asked is None
    assert ray.asked is None, "whoever began it ends it"


@pytest.mark.parametrize(("count", "most"), [(None, 6), (1, 2), (4, 8)])
def test_two_calls_a_worker_are_handed_out_and_values_come_as_they_are_made(ray, count, most):
    workers = ray_cluster.RayWorkers(count=count)
    values = list(workers.each(lambda x: 10 * x, range(10)))
    assert sorted(values) == [(i, 10 * i) for i in range(10)]
    assert values[0][0] == most - 1
    assert ray.most == most
    assert ray.cancelled == []


def test_what_waits_is_cancelled_where_a_study_ends(ray):
    made = ray_cluster.RayWorkers(count=1).each(lambda x: x, range(10))
    next(made)
    made.close()
    assert ray.cancelled == [(1, True)]


def test_a_worker_that_is_lost_is_told_and_a_bug_is_raised_as_it_is(ray, monkeypatch):
    def lost(call):
        raise LostError("node died\nat length")

    monkeypatch.setattr(ray, "get", lost)
    with pytest.raises(SimulationError, match=r"^a worker of the Ray cluster was lost: node died$"):
        list(ray_cluster.RayWorkers(count=1).each(lambda x: x, [1]))

    def bug(call):
        raise TaskError("a bug")

    monkeypatch.setattr(ray, "get", bug)
    with pytest.raises(TaskError):
        list(ray_cluster.RayWorkers(count=1).each(lambda x: x, [1]))


def test_a_cluster_that_cannot_be_reached_is_told(ray, monkeypatch):
    def nobody(**options):
        raise RuntimeError("refused\nand more")

    monkeypatch.setattr(ray, "init", nobody)
    for address, where in (("auto", "auto"), (None, "this machine")):
        with pytest.raises(SimulationError) as caught:
            ray_cluster.RayWorkers(address).__enter__()
        assert str(caught.value) == f"no Ray cluster at {where}: refused"


def test_a_script_that_processes_cannot_import_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace(__spec__=None, __file__="<stdin>"))
    with pytest.raises(
        SimulationError, match=r"there is no file <stdin>; expected the script in a file, or workers=1$"
    ):
        _check_main()
    for main in (
        SimpleNamespace(__spec__=None, __file__=__file__),
        SimpleNamespace(__spec__="s", __file__="<stdin>"),
        SimpleNamespace(),
    ):
        monkeypatch.setitem(sys.modules, "__main__", main)
        _check_main()


def test_the_package_of_commands_has_nothing_but_the_application():
    assert isinstance(cli.app, typer.Typer)
    with pytest.raises(AttributeError, match=r"module 'messsim.cli' has no attribute 'ap'"):
        _ = cli.ap


class Ended:
    """Workers that nothing uses, and whether they were told to end."""

    def __init__(self):
        self.by = []

    def __enter__(self):
        return self

    def __exit__(self, kind, error, at):
        self.by.append(kind)


@pytest.mark.parametrize(
    "given", [["sweep", "--grid", "nonsense"], ["sweep", "--grid", "seed=1", "--points", "none.csv"], ["replicate"]]
)
def test_workers_end_where_a_command_fails_before_it_uses_them(monkeypatch, given):
    workers = Ended()
    monkeypatch.setattr(places, "workers_on", lambda *_: workers)
    command, *options = given
    assert CliRunner().invoke(app, [command, "no-such.toml", *options]).exit_code == 2
    assert len(workers.by) == 1
    assert workers.by[0] is not None  # by the error, so that they are killed
