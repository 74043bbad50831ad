"""Any input at all ends soon, in a sound run or in a clean error: no traceback, no hang, no negative time, no NaN.

Five kinds of input: scenario files, scenarios as dictionaries, data files, ``--set``, and the command line. The
default run has some hundreds, ``-m slow`` more than ten thousand, and with ``MESSSIM_FUZZ=10`` in the environment ten
times as many, other ones each time.
"""

import contextlib
import faulthandler
import io
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import tomli_w
from builders import scenario as plain_scenario
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st
from strategies import scenarios
from test_data_errors import DAMAGED, TABLE, TRACE, bytes_of, with_table, with_trace
from wild import EXTREMES, KEYS, LITERALS, damaged, damaged_toml, numbers, paths, values, wild, words

import messsim
from messsim.cli import app
from messsim.errors import KernelError, MesssimError, OutOfMemory, ScenarioError
from messsim.scenario import Scenario, dump, load, parse
from messsim.workload import Workload

SCENARIOS = Path(__file__).parent.parent / "scenarios"
FILES = sorted(p for p in SCENARIOS.rglob("*.toml") if p.stem != "own-policy")  # its policy takes a second to compile
TIMES = int(os.environ.get("MESSSIM_FUZZ", "0"))
MOST_REQUESTS = 200
MOST_REPLICAS = 1000  # in the SimPy engine, which looks at all of them whenever one fails
MOST_CPU_S = 300  # of an input, which takes some 10 ms: more is a hang


def inputs(count: int) -> settings:
    return settings(
        deadline=None,
        derandomize=TIMES == 0,
        max_examples=count * max(TIMES, 1),
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


# ---- how an input is judged -----------------------------------------------------------------------------


class Hang(BaseException):
    """No messsim error, so nothing catches it."""


@contextlib.contextmanager
def soon() -> Iterator[None]:
    """Ends what does not end: by a signal where Python is in charge, with the process where C is."""

    def ring(*_: Any) -> None:
        raise Hang(f"not over after {MOST_CPU_S} s of CPU time")

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, MOST_CPU_S)
    faulthandler.dump_traceback_later(60 * MOST_CPU_S, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def judge(data: Any, folder: Path, sets: list[str] | None = None) -> None:
    """A scenario as a dictionary, or a file of one."""
    with soon():
        try:
            scenario = load(data, sets) if isinstance(data, Path) else parse(data, sets, folder=folder)
        except ScenarioError as error:
            clean(error)
            event("refused")
            return
        note(dump(scenario))
        few = sum(pool.replicas for pool in scenario.fleet) <= MOST_REPLICAS
        first = simulated(shortened(scenario.changed(engine="compiled")))
        second = simulated(shortened(scenario.changed(engine="simpy"))) if few else first
    if isinstance(first, str):
        assert first == second
        event("told")
    else:
        assert first.equals(second, null_equal=True)
        event("ran")


def simulated(scenario: Scenario) -> pl.DataFrame | str:
    """The records of a run, or what it says against it."""
    try:
        result = messsim.run(scenario, pipelined=False)
    except MesssimError as error:
        return clean(error)
    sound(result)
    return result.requests.collect()


def shortened(scenario: Scenario) -> Scenario:
    """The same scenario with few requests."""
    if scenario.horizon_s is not None and scenario.arrivals.kind not in ("trace", "closed"):
        rate_rps = Workload(scenario).mean_rate_rps()
        most = max((p.rate_factor or 1.0 for p in scenario.phases), default=1.0)
        if rate_rps is not None and rate_rps * max(most, 1.0) * scenario.horizon_s <= MOST_REQUESTS:
            return scenario
    requests = min(scenario.requests or MOST_REQUESTS, MOST_REQUESTS)
    return scenario.changed(requests=requests, horizon_s=None, warmup=min(scenario.warmup, requests - 1))


def clean(error: MesssimError) -> str:
    """What it says: lines that a user can use."""
    assert not isinstance(error, (KernelError, OutOfMemory)), repr(error)
    text = str(error)
    lines = text.split("\n")
    assert all(line.strip() for line in lines), repr(text)
    assert all(len(line) < 3000 for line in lines), repr(text)
    assert not re.search(r"Traceback|bug in messsim|^\s*File \"", text), text
    return text


ALWAYS = (
    *("id", "tenant", "instance", "arrival_s", "explored", "prompt_tokens"),
    *("preemptions", "cached_prompt_tokens", "cached_recompute_tokens", "energy_j", "cost", "exploration_cost"),
    "status",
)
WHEN_DECIDED = ("model", "output_tokens", "queue")
WHEN_COMPLETED = ("satisfied", "start_s", "first_token_s", "finish_s")


def sound(result: messsim.Result) -> None:
    """Numbers where there must be some, finite everywhere, times in their order; a summary that is JSON."""
    frame = result.requests.collect()
    assert frame["id"].to_list() == list(range(frame.height))
    assert frame.select(ALWAYS).null_count().row(0) == (0,) * len(ALWAYS)
    decided = ~pl.col("status").is_in(["too_long", "timed_out", "in_flight"])  # the rest may wait for the router
    assert frame.filter(decided).select(WHEN_DECIDED).null_count().row(0) == (0,) * 3
    assert frame.filter(pl.col("status") == "completed").select(WHEN_COMPLETED).null_count().row(0) == (0,) * 4
    for column in frame.select(pl.selectors.float()):
        assert column.is_finite().all(), f"{column.name} is not finite"
        assert (column >= 0).all(), f"{column.name} is negative"
    assert frame["arrival_s"].is_sorted()
    for before, after in (("arrival_s", "start_s"), ("start_s", "first_token_s"), ("first_token_s", "finish_s")):
        assert (frame[before] <= frame[after]).all(), f"{before} is after {after}"
    assert (frame["prompt_tokens"] >= 1).all()
    assert (frame.filter(decided)["output_tokens"] >= 1).all()
    json.dumps(result.summary, allow_nan=False)
    for column in result.timeline.select(pl.selectors.float()):
        assert column.is_finite().all(), f"{column.name} of the timeline is not finite"


# ---- 1. scenario files ----------------------------------------------------------------------------------

TEXTS = {p: p.read_text() for p in FILES}


@st.composite
def scenario_files(draw) -> tuple[Path, bytes]:
    """One of the shipped scenarios, damaged as text or as bytes; and the folder that it belongs to."""
    file = draw(st.sampled_from(FILES))
    if draw(st.integers(0, 5)) == 0:
        return file.parent, draw(damaged(TEXTS[file].encode()))
    return file.parent, draw(damaged_toml(TEXTS[file])).encode("utf-8", "surrogateescape")


def check_file(folder: Path, given: tuple[Path, bytes]) -> None:
    home, data = given
    place = folder / home.name
    place.mkdir(exist_ok=True)
    for there in ("data", "policies"):
        if not (folder / there).exists():
            (folder / there).symlink_to(SCENARIOS / there)
        if not (place / there).exists():
            (place / there).symlink_to(SCENARIOS / there)
    file = place / "damaged.toml"
    file.write_bytes(data)
    note(data.decode(errors="replace"))
    judge(file, place)


@inputs(60)
@given(scenario_files())
def test_scenario_files(folder, given):
    check_file(folder, given)


@pytest.mark.slow
@inputs(2500)
@given(scenario_files())
def test_many_scenario_files(folder, given):
    check_file(folder, given)


# ---- 2. scenarios as dictionaries -----------------------------------------------------------------------


@inputs(70)
@given(st.data())
def test_scenarios(folder, data):
    judge(data.draw(wild(scenarios(folder))), folder)


@pytest.mark.slow
@inputs(4000)
@given(st.data())
def test_many_scenarios(folder, data):
    judge(data.draw(wild(scenarios(folder))), folder)


# ---- 3. traces and tables -------------------------------------------------------------------------------


@st.composite
def columns(draw, rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """A table with extreme values, other types, columns lost or too many."""
    collected = {name: list(column) for name, column in rows.items()}
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(rows)))
        how = draw(st.sampled_from(["one", "one", "all", "lose", "add"]))
        if how == "lose":
            collected.pop(name, None)
        elif how == "add":
            collected[draw(words)] = draw(st.lists(cells, min_size=len(rows[name]), max_size=len(rows[name])))
        elif name in collected and how == "one":
            collected[name][draw(st.integers(0, len(collected[name]) - 1))] = draw(cells)
        elif name in collected:
            collected[name] = draw(st.lists(cells, min_size=len(collected[name]), max_size=len(collected[name])))
    return collected


WHOLE = st.integers(-(2**63), 2**63 - 1)
DATES = st.sampled_from(
    ["2023-11-16T18:15:46", "2023-11-16 18:15:46.5", "9999-12-31", "0001-01-01", "1e3", "nan", "inf"]
)
cells = st.one_of(st.none(), WHOLE, st.floats(), st.floats(0, 9), st.integers(1, 9), words, DATES, st.booleans())


@st.composite
def data_files(draw, folder: Path) -> dict[str, Any]:
    """A scenario with a trace or a table that is damaged, as bytes or as a table."""
    rows, name = draw(st.sampled_from([TRACE, TABLE])), draw(st.sampled_from(DAMAGED))
    file = folder / name
    how = draw(st.sampled_from(["bytes", "columns", "columns", "noise"]))
    if how == "columns":
        drawn = draw(columns(rows))
        try:
            file.write_bytes(bytes_of(folder, name, drawn))
        except (pl.exceptions.PolarsError, UnicodeEncodeError, TypeError, OverflowError):
            file.write_bytes(b"")  # such a table cannot be written
    else:
        file.write_bytes(draw(st.binary(max_size=60) if how == "noise" else damaged(bytes_of(folder, name, rows))))
    if rows is TABLE:
        return with_table(name, order=draw(st.sampled_from(["random", "file"])))
    law = draw(st.sampled_from([{}, {"rate_rps": 1.0}, {"repeat": False}, {"window_s": [0.0, 2.0]}, {"rate_rps": 1e9}]))
    return with_trace(name, **law)


@inputs(120)
@given(st.data())
def test_data_files(folder, data):
    judge(data.draw(data_files(folder)), folder)


@pytest.mark.slow
@inputs(2500)
@given(st.data())
def test_many_data_files(folder, data):
    judge(data.draw(data_files(folder)), folder)


# ---- 4. overrides ---------------------------------------------------------------------------------------

key = st.one_of(st.sampled_from(KEYS), st.sampled_from(["0", "1", "-1", "small", "large", "9" * 30, "²"]), words)
real = st.sampled_from([*paths(plain_scenario()), *(f"cluster.{k}" for k in ("dispatch", "mode", "nominal_batch"))])
path = st.one_of(real, real, st.lists(key, min_size=1, max_size=4).map(".".join))
reported = st.one_of(st.sampled_from(LITERALS), numbers.map(repr), values.map(repr), words)
usual = st.sampled_from(EXTREMES).map(repr)
overrides = st.one_of(*[st.tuples(real, usual).map("=".join)] * 2, st.tuples(path, reported).map("=".join), words)


@inputs(80)
@given(st.lists(overrides, min_size=1, max_size=2))
def test_overrides(folder, sets):
    judge(plain_scenario(), folder, sets)


@pytest.mark.slow
@inputs(1000)
@given(st.lists(overrides, min_size=1, max_size=2))
def test_many_overrides(folder, sets):
    judge(plain_scenario(), folder, sets)


# ---- 5. the command line --------------------------------------------------------------------------------

ANY = st.one_of(numbers.map(repr), words)


def rarely_else(usual, other):
    return st.one_of(usual, usual, usual, usual, other)


VALUES = {
    "--engine": st.one_of(st.sampled_from(["simpy", "compiled"]), ANY),
    "--requests": st.one_of(st.sampled_from(["1", "30"]), ANY),
    "--seed": st.one_of(st.integers(0, 99).map(repr), ANY),
    "--replication": st.one_of(st.integers(0, 99).map(repr), ANY),
    "--set": overrides,
    "--out": st.sampled_from(["plain.toml", "out", "new/deep", "plain.toml/x", ""]),
    "--request": ANY,
    "-x": ANY,
    "--policies": rarely_else(
        st.sampled_from(["mess+,random", "oracle,cascade", "linucb", "random,random", ""]), words
    ),
    "--grid": rarely_else(st.sampled_from(["router.V=1e-4,1e-3", "sla.alpha=0.1,2", "seed=1"]), overrides),
    "--points": st.sampled_from(["points.csv", "plain.toml", "none", "."]),
    "--show": rarely_else(st.sampled_from(["sla.satisfaction", "sla", "requests.lost"]), words),
    "--precision": rarely_else(st.sampled_from(["50%", "0.5", "1e-9%"]), ANY),
    "--of": rarely_else(st.sampled_from(["sla.satisfaction", "cost.oracle.ratio", "sla"]), words),
    "--replicas": rarely_else(st.sampled_from(["small=1..2", "large=2,1", "small=0", "small"]), words),
    "--gpus": rarely_else(st.sampled_from(["small=H100", "large=H100,A100/tp2"]), words),
    "--require": rarely_else(st.sampled_from(["sla.satisfaction>=0.1", "sla.satisfaction>=2", "sla>=1"]), words),
    "--objective": rarely_else(st.sampled_from(["usd", "energy"]), words),
}
STUDIES = {
    "compare": ["--policies", "mess+,random"],
    "sweep": ["--grid", "router.V=1e-4,1e-3"],
    "replicate": [],
    "converge": [],
    "plan": ["--replicas", "small=1..2", "--require", "sla.satisfaction>=0.1"],
}
OWN = {
    "compare": ["--policies"],
    "sweep": ["--grid", "--points", "--show"],
    "replicate": ["--precision", "--of"],
    "converge": ["--seed"],
    "plan": ["--replicas", "--gpus", "--require", "--objective"],
}
OPTIONS = st.sampled_from(["--json", "--json", "--help", *VALUES])


@st.composite
def command_lines(draw) -> list[str]:
    """A command with options that may be its own, and at the end as many requests as a test has time for."""
    command = draw(st.sampled_from(["run", "run", "run", "check", "check", "explain", "profiles", "schema", "rum"]))
    args = [command]
    if command != "schema":
        args += draw(st.sampled_from([["plain.toml"], ["plain.toml"], ["plain.toml"], ["none"], [""], ["."], []]))
    for option in draw(st.lists(OPTIONS, max_size=3)):
        args += [option, draw(VALUES[option])] if option in VALUES else [option]
    return [*args, "--requests", "20"] if command in ("run", "check") else args


@st.composite
def study_lines(draw) -> list[str]:
    """A study of two replications, one run at a time, with options of its own and of others."""
    command = draw(st.sampled_from(list(STUDIES)))
    args = [command, draw(st.sampled_from([*["plain.toml"] * 5, "none"])), *STUDIES[command]]
    for option in draw(st.lists(st.sampled_from([*OWN[command] * 3, "--json", "--set", "--out", "-x"]), max_size=2)):
        args += [option, draw(VALUES[option])] if option in VALUES else [option]
    few = ["--most", "3"] if "--precision" in args else ["--seeds", "2"]
    return [*args, "--requests", "20", "--workers", "1", *few]


def check_command(folder: Path, args: list[str]) -> None:
    out, err = io.StringIO(), io.StringIO()
    streams = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with soon(), contextlib.chdir(folder), streams[0], streams[1], pytest.raises(SystemExit) as left:
        app(args, prog_name="messsim")
    event(f"exit code {left.value.code}")
    note(f"{args}\n{err.getvalue()}")
    assert left.value.code in (0, 1, 2)
    assert "Traceback" not in err.getvalue()
    if left.value.code:
        assert (err.getvalue() or (left.value.code == 1 and out.getvalue())).strip()  # a plan's answer may be: none
    elif "--json" in args and "--help" not in args:
        json.loads(out.getvalue())


@pytest.fixture(scope="module")
def home(folder):
    (folder / "plain.toml").write_text(tomli_w.dumps(plain_scenario()))
    (folder / "points.csv").write_text("router.policy,router.V\nmess+,1e-4\nrandom,\n")
    return folder


@inputs(60)
@given(command_lines())
def test_command_lines(home, args):
    check_command(home, args)


@pytest.mark.slow
@inputs(1000)
@given(command_lines())
def test_many_command_lines(home, args):
    check_command(home, args)


@inputs(40)
@given(study_lines())
def test_study_lines(home, args):
    check_command(home, args)


@pytest.mark.slow
@inputs(1000)
@given(study_lines())
def test_many_study_lines(home, args):
    check_command(home, args)
