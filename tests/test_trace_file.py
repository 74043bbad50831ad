"""`run --trace`: what a trace viewer is given, against the format, against the records, and worked out by hand."""

import io
import itertools
import json
import math
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from builders import STEP_S, model, run, scenario, trace
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from strategies import scenarios

from messsim.engines import prepare
from messsim.engines.simpy_engine import _Simulation, simulate
from messsim.errors import OutputError
from messsim.scenario import dump, parse
from messsim.study.simulation import tracing
from messsim.study.simulation.trace.events import Slots, TraceFile

# The kinds of events that are written, by the Trace Event Format (Google, 2016): fields that must be there, and types.
WHOLE, TEXT = {"type": "integer"}, {"type": "string"}
COMMON = {
    "pid": WHOLE,
    "tid": WHOLE,
    "name": TEXT,
    "args": {"type": "object"},
}
TIME = {"type": "number", "minimum": 0}


def event(ph: str, **fields) -> dict:
    properties = COMMON | {"ph": {"const": ph}} | fields
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


NAMED = {"type": "object", "properties": {"name": TEXT}, "required": ["name"]}
SORTED = {"type": "object", "properties": {"sort_index": {"type": "integer"}}, "required": ["sort_index"]}
FORMAT = {
    "type": "object",
    "required": ["traceEvents", "displayTimeUnit"],
    "properties": {
        "displayTimeUnit": {"enum": ["ms", "ns"]},
        "otherData": {"type": "object"},
        "traceEvents": {
            "type": "array",
            "items": {
                "oneOf": [
                    event("X", cat=TEXT, ts=TIME, dur=TIME),
                    event("i", cat=TEXT, ts=TIME, s={"enum": ["g", "p", "t"]}),
                    event("C", ts=TIME, args={"type": "object", "additionalProperties": {"type": "number"}}),
                    event("M", name={"enum": ["process_name", "thread_name"]}, args=NAMED),
                    event("M", name={"const": "process_sort_index"}, args=SORTED),
                ]
            },
        },
    },
}
check_format = jsonschema.Draft202012Validator(FORMAT).validate


def written(data: dict, folder: Path, window=(0.0, 1e9)) -> list[dict]:
    file = folder / "trace.json"
    parsed = parse(data)
    events = tracing.trace(parsed, file, window)
    result = json.loads(file.read_text())
    shapes = {shape(e): e for e in result["traceEvents"]}  # one of each: a schema takes its time
    check_format(result | {"traceEvents": list(shapes.values())})
    assert all(e.get("ts", 0) >= 0 and e.get("dur", 0) >= 0 for e in result["traceEvents"])
    assert sum(e["ph"] != "M" for e in result["traceEvents"]) == events
    assert result["otherData"]["scenario"] == parsed.name
    return result["traceEvents"]


def shape(value):
    if isinstance(value, dict):
        return tuple((key, inner if key in ("ph", "s") else shape(inner)) for key, inner in value.items())
    return type(value)


def spans(events: list[dict]) -> list[tuple]:
    """(track, name, start, end) in iterations of a quarter of a second."""
    step = STEP_S * 1e6
    names = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    collected = [e for e in events if e["ph"] == "X"]
    return sorted(
        (names[e["pid"]], e["tid"], e["name"], e["ts"] / step, (e["ts"] + e["dur"]) / step) for e in collected
    )


# ---- by hand ----------------------------------------------------------------------------------------------


def only(folder, times, **more) -> dict:
    """One model, one replica, prompts of 1 and answers of 3 tokens: 1 iteration of prefill, 2 of decoding."""
    return scenario(requests=None, arrivals=trace(folder, times), models=[model("only", **more)])


def test_prefill_and_decode_of_two_requests(tmp_path):
    events = written(only(tmp_path, [0.0, 0.5]), tmp_path)
    assert spans(events) == [
        ("only, replica 0", 1, "decode 0", 1.0, 3.0),
        ("only, replica 0", 1, "prefill 0", 0.0, 1.0),
        ("only, replica 0", 2, "decode 1", 3.0, 5.0),
        ("only, replica 0", 2, "prefill 1", 2.0, 3.0),
    ]
    decided = [e for e in events if e["ph"] == "i"]
    assert [(e["args"]["request"], e["args"]["model"], e["ts"]) for e in decided] == [
        (0, "only", 0.0),
        (1, "only", 5e5),
    ]
    queues = [e["args"]["all"] for e in events if e["name"] == "virtual queue"]
    assert queues == [e["args"]["queue"] for e in decided] == run(only(tmp_path, [0.0, 0.5])).records.queue.tolist()
    counts = [e["args"]["only"] for e in events if e["name"] == "decisions"]
    assert counts == [1, 2]
    sequences = [(e["args"]["decoding"], e["args"]["prefilling"]) for e in events if e["name"] == "sequences"]
    assert sequences == [(0, 1), (1, 0), (1, 1), (1, 0), (0, 0)]


def test_a_preempted_request_is_prefilled_again(tmp_path):
    """Memory of 9 tokens: two prompts of 4 fit at first; as both grow, the younger is preempted and waits."""
    data = only(tmp_path, [0.0, 0.0, 99.0], kv_capacity_tokens=9) | {"tokens": {"prompt": 4, "output": 3}}
    r = run(data)
    assert r.records.preemptions.tolist() == [0, 1, 0]
    events = written(data, tmp_path)
    collected = [s for s in spans(events) if s[3] < 100]
    assert [
        (name, start, end) for _, _, name, start, end in sorted(collected, key=lambda s: s[3:]) if name[-1] == "1"
    ] == [
        ("prefill 1", 0.0, 1.0),
        ("prefill 1", 3.0, 4.0),
        ("decode 1", 4.0, 5.0),
    ]
    preempted = [e for e in events if e.get("cat") == "preemption"]
    assert [(e["name"], e["ts"], e["tid"]) for e in preempted] == [("preempted 1", 250_000.0, 2)]


def test_a_failure_ends_what_runs_and_what_is_retried_is_drawn_again(tmp_path):
    failures = {"schedule": [{"pool": "only", "at_s": 2.5 * STEP_S, "for_s": 1.0}]}
    data = only(tmp_path, [0.0, 99.0]) | {"cluster": {"failures": failures}}
    events = written(data, tmp_path, (0.0, 50.0))
    assert [(name, start, end) for *_, name, start, end in spans(events)] == [
        ("decode 0", 1.0, 2.5),
        ("decode 0", 7.5, 9.5),
        ("prefill 0", 0.0, 1.0),
        ("prefill 0", 6.5, 7.5),
    ]
    marks = [(e["name"], e["ts"], e["s"]) for e in events if e.get("cat") == "failure"]
    assert marks == [("failed", 625_000.0, "p"), ("repaired", 1_625_000.0, "p")]


def test_requests_that_are_turned_away_or_lost_are_marked(tmp_path):
    cluster = {
        "admission": {"max_waiting": 0},
        "failures": {"on_failure": "lose", "schedule": [{"pool": "only", "at_s": 0.1, "for_s": 1.0}]},
    }
    events = written(only(tmp_path, [0.0, 0.0, 9.0], max_num_seqs=1) | {"cluster": cluster}, tmp_path)
    marks = {e["name"]: e["cat"] for e in events if e["ph"] == "i" and e["name"].split()[0] in ("rejected", "lost")}
    assert marks == {"rejected 1": "rejection", "lost 0": "failure"}


def test_who_gives_up_is_marked_and_ends_what_runs(tmp_path):
    """At 2.5 steps the first has its second token; the second waits and never ran."""
    data = only(tmp_path, [0.0, 0.0, 99.0], max_num_seqs=1) | {
        "clients": {"patience_s": 2.5 * STEP_S},
        "feedback": {"delay": 0},
    }
    events = written(data, tmp_path, (0.0, 50.0))
    marks = [(e["name"], e["cat"], e["ts"], e["args"]) for e in events if e["name"].startswith("given up")]
    assert sorted(marks, key=str) == [
        ("given up 0", "giving up", 750_000.0, {"request": 0, "model": "only"}),  # at the end of its iteration
        ("given up 1", "giving up", 625_000.0, {"request": 1, "model": "only"}),
    ]
    assert [(name, start, end) for *_, name, start, end in spans(events)] == [
        ("decode 0", 1.0, 3.0),
        ("prefill 0", 0.0, 1.0),
    ]


def test_each_tenants_queue_begins_at_nothing(tmp_path):
    """Both are drawn from the first decision on, also that of who has not asked yet."""
    tenants = [{"name": "x", "alpha": 0.9}, {"name": "y", "alpha": 0.1}]
    data = only(tmp_path, [0.0, 100.0, 200.0, 300.0]) | {"tenants": tenants}
    counts = [e["args"] for e in written(data, tmp_path) if e["name"] == "virtual queue"]
    assert counts[0] == {"x": 0.0, "y": 0.0}
    assert len(counts) == 4
    for before, after in itertools.pairwise(counts):
        assert sum(before[t] != after[t] for t in "xy") <= 1  # one of them asks at a time


def test_sequences_of_an_api_do_not_overlap(tmp_path):
    assert spans(written(of_an_api(tmp_path, [0.0, 0.5, 2.25]), tmp_path)) == [
        ("only, API", 1, "decode 0", 4.0, 8.0),
        ("only, API", 1, "decode 2", 13.0, 17.0),
        ("only, API", 1, "prefill 0", 0.0, 4.0),
        ("only, API", 1, "prefill 2", 9.0, 13.0),
        ("only, API", 2, "decode 1", 6.0, 10.0),
        ("only, API", 2, "prefill 1", 2.0, 6.0),
    ]


def of_an_api(folder, times, **more) -> dict:
    """4 iterations of a quarter of a second until the first token, 4 until the last."""
    api = {"kind": "api", "latency_s": 1.0, "tpot_s": 0.5, "coefficients": None}
    data = only(folder, times, **api) | {"cost": {"unit": "USD"}} | more
    data["models"][0].pop("coefficients")
    data["models"][0].pop("max_num_seqs")
    return data


def test_calls_of_an_api_that_go_on_at_the_end_of_the_window_are_drawn_up_to_it(tmp_path):
    """As sequences of a replica are: one has its first token by then, one has not."""
    assert spans(written(of_an_api(tmp_path, [0.0, 1.0]), tmp_path, (0.5, 1.5))) == [
        ("only, API", 1, "decode 0", 4.0, 6.0),
        ("only, API", 1, "prefill 0", 0.0, 4.0),
        ("only, API", 2, "prefill 1", 4.0, 6.0),
    ]


def test_an_outage_of_an_api_ends_what_it_answers(tmp_path):
    outage = {"schedule": [{"pool": "only", "at_s": 1.5, "for_s": 1.0}], "on_failure": "lose"}
    events = written(of_an_api(tmp_path, [0.0], cluster={"failures": outage}), tmp_path)
    assert [s[2:] for s in spans(events)] == [("decode 0", 4.0, 6.0), ("prefill 0", 0.0, 4.0)]


def test_a_window_leaves_out_what_does_not_touch_it(tmp_path):
    """Iterations 0 to 3 and 40 to 43; what runs at the end of the window is drawn up to it."""
    data = only(tmp_path, [0.0, 10.0, 20.0])
    assert [s[2:] for s in spans(written(data, tmp_path, (5.0, 10.5)))] == [
        ("decode 1", 41.0, 42.0),
        ("prefill 1", 40.0, 41.0),
    ]
    assert {e["name"].split()[-1] for e in written(data, tmp_path, (5.0, 10.5)) if e["ph"] == "i"} == {"1"}
    assert spans(written(data, tmp_path, (5.0, 6.0))) == []


# ---- over random scenarios ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("traces")


@settings(derandomize=True, deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_trace_tells_what_the_records_tell(folder, data):
    spec = data.draw(scenarios(folder))
    note(dump(parse(spec)))
    r = run(spec)
    events = written(spec, folder, (0.0, 1e12))
    check_tracks(events)
    c = r.records
    drawn = defaultdict(list)
    for e in events:
        if e["ph"] == "X" and e["args"]["copy"] == "the user's":
            drawn[e["args"]["request"]].append((e["cat"], e["ts"] / 1e6, (e["ts"] + e["dur"]) / 1e6))
    chained = r.setup.scenario.router.policy not in ("mess+", "random", "cheapest", "largest")
    after_s = np.concatenate([[p.serving.detokenize_s] * p.replicas for p in r.setup.pools] or [[]])
    for i in np.flatnonzero(~np.isnan(c.finish_s) & (c.replica >= 0)).tolist() if not chained else []:
        ordered = sorted(drawn[i], key=lambda s: s[1:])
        assert math.isclose(ordered[0][1], c.start_s[i], abs_tol=1e-8)
        assert math.isclose(ordered[-1][2], c.finish_s[i] - after_s[c.replica[i]], abs_tol=1e-8)
        if [kind for kind, *_ in ordered] == ["prefill", "decode"]:  # else it was preempted, failed, or has one token
            assert math.isclose(ordered[0][2], c.first_token_s[i], abs_tol=1e-8)
    counted = Counter(e["cat"] for e in events if e["ph"] == "i")
    assert counted["explore"] + counted["exploit"] == (c.model >= 0).sum()  # the others were never decided
    assert counted["explore"] == c.explored.sum()
    assert counted["preemption"] == sum(p.preemptions for p in r.outcome.pools)


def check_tracks(events: list[dict]) -> None:
    """Spans of a track do not overlap, in whole nanoseconds; every track has a name."""
    tracks = defaultdict(list)
    for e in events:
        if e["ph"] == "X":
            start = round(e["ts"] * 1000)
            tracks[e["pid"], e["tid"]].append((start, start + round(e["dur"] * 1000)))
    for result in tracks.values():
        result.sort()
        assert all(end <= start for (_, end), (start, _) in pairwise(result))
    named = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name"}
    assert set(tracks) <= named
    assert {pid for pid, _ in tracks} <= {e["pid"] for e in events if e["name"] == "process_name"}


class Nobody:
    """Hears everything and does nothing."""

    def __getattr__(self, name):
        return lambda *_: None


@settings(derandomize=True, deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_being_watched_changes_nothing(folder, data):
    parsed = parse(data.draw(scenarios(folder)))
    alone, watched = [], []
    simulate(prepare(parsed), alone.append)
    _Simulation(prepare(parsed), watched.append, None, Nobody()).run()
    assert len(alone) == len(watched)
    for a, b in zip(alone, watched, strict=True):
        assert all(a.columns[n].tobytes() == b.columns[n].tobytes() for n in a.columns)


# ---- files --------------------------------------------------------------------------------------------------


def test_too_many_events_are_told_and_leave_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(tracing, "TraceFile", lambda *a: TraceFile(*a, most=20))
    with pytest.raises(OutputError, match="--trace-window: more than 20 events; expected a shorter window"):
        tracing.trace(parse(only(tmp_path, [0.0, 0.5, 2.0])), tmp_path / "t.json", (0.0, 9.0))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["trace.csv"]


def test_a_file_takes_two_million_events():
    file = TraceFile(io.StringIO(), 0.0, {})
    file.events = 1_999_999
    file.counter(1, "load", 0.0, {"a": 1.0})
    with pytest.raises(OutputError, match="--trace-window: more than 2,000,000 events; expected a shorter window"):
        file.counter(1, "load", 0.0, {"a": 1.0})


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    parsed = parse(only(tmp_path, [0.0, 0.5]))
    with pytest.raises(OutputError, match="is no directory"):
        tracing.trace(parsed, tmp_path / "trace.csv" / "t.json")
    with pytest.raises(OutputError, match="is a directory"):
        tracing.trace(parsed, tmp_path)


@pytest.mark.parametrize(
    "text", ["", "5", "5..", "..5", "5..5", "6..5", "-1..5", "a..b", "1e3..2e3", "0..1" + "0" * 40]
)
def test_windows_that_are_none(text):
    with pytest.raises(OutputError, match=r"--trace-window .*: expected A"):
        tracing.parse_window(text)


def test_a_window_is_two_times():
    assert tracing.parse_window("0..60") == (0.0, 60.0)
    assert tracing.parse_window(" 1.5 .. 2.25 ") == (1.5, 2.25)


def test_the_lowest_free_slot_is_taken():
    slots = Slots()
    assert [slots.take(), slots.take(), slots.take()] == [0, 1, 2]
    slots.give_back(2)
    slots.give_back(0)
    assert [slots.take(), slots.take(), slots.take()] == [0, 2, 3]


def test_a_window_is_the_first_minute_unless_another_is_asked_for(tmp_path):
    data = parse(scenario(requests=200, arrivals={"kind": "poisson", "rate_rps": 2.0}))
    ends = []
    for k, window in enumerate([(), ((0.0, 60.0),), ((0.0, 70.0),)]):
        tracing.trace(data, tmp_path / f"{k}.json", *window)
        events = json.loads((tmp_path / f"{k}.json").read_text())["traceEvents"]
        ends.append(max(e["ts"] for e in events if e["ph"] == "i"))
    assert ends[0] == ends[1]
    assert 55e6 < ends[0] <= 60e6 < ends[2] <= 70e6


def test_counters_of_replicas_follow_a_pool_that_changes_its_size(tmp_path):
    """Both are off until 2, when one is wanted, which loads until 5; at 10 it is to go, once its answer is there."""
    schedule = [{"at_s": 2.0, "replicas": 1}, {"at_s": 10.0, "replicas": 0}]
    cold = {"fixed_s": 1.0, "weights_gb": 1.0, "load_gb_per_s": 1.0, "compile_s": 0.5, "init_s": 0.5}
    autoscale = {"rule": "schedule", "period_s": 1.0, "min_replicas": 0, "schedule": schedule, "cold_start": cold}
    data = scenario(
        arrivals=trace(tmp_path, [0.0, 9.75]),
        requests=None,
        models=[model("only", 0.5, replicas=2, autoscale=autoscale)],
    )
    counters = [e for e in written(data, tmp_path) if e["ph"] == "C" and e["name"] == "replicas of only"]
    seen = [(e["ts"] / 1e6, *(e["args"][phase] for phase in ("ready", "loading", "draining"))) for e in counters]
    assert seen == [(0, 1, 0, 0), (0, 0, 0, 0), (2, 0, 1, 0), (5, 1, 0, 0), (10, 0, 0, 1), (10.5, 0, 0, 0)]


def test_a_trace_has_no_numbers_that_json_has_not():
    out = io.StringIO()
    TraceFile(out, 0.0, {}).counter(1, "power", 0.0, {"w": math.nan})
    assert json.loads(out.getvalue() + "]}", parse_constant=pytest.fail)["traceEvents"][-1]["args"] == {"w": None}
