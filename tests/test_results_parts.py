"""Parts of results by themselves: blocks, running curves, histograms, windows, rent, places to write to."""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from builders import model, pool, run, scenario

from messsim.engines.records import Samples
from messsim.errors import OutputError
from messsim.results import directory, in_progress, leftover_notes, leftovers, timeline_frame
from messsim.results.applicability import refusal, refusal_of_run
from messsim.results.baselines import best_static
from messsim.results.blocks import Blocks
from messsim.results.fields import fields_of
from messsim.results.histogram import BINS_PER_OCTAVE, LEAST, LogHistogram, LogHistograms, ScoreHistogram
from messsim.results.oracle import oracle_of
from messsim.results.rent import fixed_cost, rent_usd_per_hour
from messsim.results.running import Running
from messsim.results.stationary import latency_intervals, warmup_note
from messsim.results.steady import Batches
from messsim.results.tally import Tally, latencies_of
from messsim.results.targets import check_free, check_replaceable
from messsim.results.whole import _columns, reading_records
from messsim.results.windows import InOrder, LastAnswers, Periods, windows_of
from messsim.scenario import parse
from messsim.scenario.routing import Sla

# ---- blocks ---------------------------------------------------------------------------------------------


class Chunk:
    """As much of a chunk of records as blocks look at: the draws are longer than the records."""

    def __init__(self, first, n):
        self.columns = {"id": np.arange(first, first + n), "cost": np.arange(first, first + n) * 0.5}
        self.drawn = SimpleNamespace(satisfied=np.arange(first, first + n + 2)[None] * 1.0)
        self.known_costs = np.arange(first, first + n + 2)[None] * 2.0

    def __len__(self):
        return len(self.columns["id"])


@pytest.mark.parametrize("sizes", [(10,), (4, 4, 2), (1, 9), (3, 3, 3, 1), (5, 0, 5), (8, 2)])
def test_blocks_are_of_one_size_whatever_the_chunks(sizes):
    taken = []
    blocks = Blocks(4)
    first = 0
    for n in sizes:
        taken += blocks.add(Chunk(first, n))
        first += n
    taken += [*blocks.left(), *blocks.left()]
    assert [b.columns["id"].tolist() for b in taken] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [len(b) for b in taken] == [4, 4, 2]
    assert [b.satisfied.tolist() for b in taken] == [[[0, 1, 2, 3]], [[4, 5, 6, 7]], [[8, 9]]]
    assert [b.known_costs.tolist() for b in taken] == [[[0, 2, 4, 6]], [[8, 10, 12, 14]], [[16, 18]]]
    assert [b.columns["cost"].tolist() for b in taken][2] == [4.0, 4.5]


def test_a_block_is_handed_on_as_soon_as_it_is_full():
    blocks = Blocks(2)
    assert len(list(blocks.add(Chunk(0, 2)))) == 1
    assert list(blocks.left()) == []


# ---- running curves -------------------------------------------------------------------------------------

NAN = float("nan")


def test_running_means_are_over_those_who_were_answered():
    running = Running()
    running.add(np.arange(5), np.array([1.0, NAN, 0.0, 0.0, 1.0]), np.full(5, 0.5), np.array([2.0, 4.0, 6.0, 8.0, 0.0]))
    assert running.satisfaction == pytest.approx([1.0, 1.0, 1 / 2, 1 / 3, 1 / 2])
    assert running.promise == pytest.approx([0.5] * 5)
    assert running.cost_per_request == pytest.approx([2.0, 6.0, 6.0, 20 / 3, 5.0])  # of all, by who was answered
    assert (running.answered, running.satisfied, running.promised) == (4, 2.0, 2.0)
    assert (running.mean, running.alpha) == (0.5, 0.5)
    assert running.time_mean == pytest.approx((1.0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert running.last_short == 3
    assert running.compliant_from(5) == 4
    assert running.compliant_from(4) is None


def test_nobody_was_answered():
    running = Running()
    assert (running.mean, running.alpha, running.time_mean, running.last_short) == (None, None, None, -1)
    assert running.compliant_from(3) is None
    running.add(np.arange(1), np.array([NAN]), np.array([0.5]), np.array([1.0]))
    assert running.compliant_from(1) is None
    assert running.answered == 0


# ---- histograms -----------------------------------------------------------------------------------------


def test_a_percentile_is_the_smallest_value_that_covers_its_share():
    histogram = LogHistogram()
    histogram.add(np.array([0.0, 1.0, 2.0, 4.0, NAN]))
    assert histogram.count == 4
    assert histogram.mean == 7.0 / 4
    half_bin = 2.0 ** (0.5 / BINS_PER_OCTAVE)
    assert histogram.quantiles([0.0, 0.25, 0.2501, 0.5, 0.75, 0.76, 1.0]) == pytest.approx(
        [0.0, 0.0, half_bin, half_bin, 2 * half_bin, 4 * half_bin, 4 * half_bin]
    )
    assert half_bin - 1.0 == LogHistogram.RELATIVE_ERROR


def test_values_off_the_grid_have_no_percentile_above_and_the_least_below():
    histogram = LogHistogram()
    histogram.add(np.array([LEAST / 8, 2.0**45]))
    assert histogram.quantiles([0.5, 1.0]) == [pytest.approx(LEAST, rel=1e-3), None]
    assert LogHistogram().quantiles([0.5]) == [None]
    assert LogHistogram().mean is None


def test_several_histograms_share_their_arrays():
    several, (counts, zeros, sums) = LogHistogram.several(2)
    several[0].add(np.array([0.0, 1.0]))
    several[1].add(np.array([2.0, 4.0, 0.0]))
    assert (counts.sum(axis=1).tolist(), zeros.tolist(), sums.tolist()) == ([1, 2], [1, 1], [1.0, 6.0])
    assert [h.count for h in several] == [2, 3]
    assert [h.mean for h in several] == [0.5, 2.0]


def test_many_histograms_are_as_single_ones(monkeypatch):
    monkeypatch.setattr(LogHistograms, "MOST_PENDING", 3)
    values = np.array([0.5, 0.0, 2.0, NAN, 2.0, 0.25, 3.0])
    which = np.array([0, 0, 1, 1, 1, 0, 0])
    many, single = LogHistograms(3), [LogHistogram() for _ in range(3)]
    for start in (0, 4):
        many.add(which[start : start + 4], values[start : start + 4])
    for k, one in enumerate(single):
        one.add(values[which == k])
        assert many.summary(k) == one.summary()
    assert many.summary(2)["mean"] is None


def test_many_histograms_have_the_ends_of_a_single_one():
    values = np.array([LEAST / 8, LEAST, 2.0**39.9995, 2.0**45])
    many, single = LogHistograms(1), LogHistogram()
    for value in values:
        many.add(np.zeros(1, np.int64), np.array([value]))
        single.add(np.array([value]))
        assert many.summary(0) == single.summary()
    assert single.quantiles([0.75, 1.0]) == [None, None]  # the last bin of the grid holds all that is larger
    below = LogHistogram()
    below.add(np.array([2.0 ** (40 - 1.5 / BINS_PER_OCTAVE)]))
    assert below.quantiles([1.0]) == [pytest.approx(2.0**40, rel=2e-3)]


def test_each_answer_is_measured_by_its_own_tenants_promise():
    tenants = [{"name": "a", "alpha": 0.4}, {"name": "b", "alpha": 0.8}]
    several = Tally(parse(scenario(tenants=tenants)))
    assert several._alphas_of(np.array([0, 1, 1, 0], np.int32)).tolist() == [0.4, 0.8, 0.8, 0.4]
    alone = Tally(parse(scenario(sla={"alpha": 0.6})))
    for count in (3, 5, 2):
        assert alone._alphas_of(np.zeros(count, np.int32)).tolist() == [0.6] * count


def test_scores_sort_and_fit():
    scores = ScoreHistogram()
    assert (scores.auc, scores.log_loss) == (None, None)
    scores.add(np.array([0.25, 0.75, 0.5, NAN]), np.array([0.0, 1.0, 1.0, 1.0]))
    assert scores.auc == 1.0
    assert scores.log_loss == pytest.approx(-(np.log(0.75) + np.log(0.75) + np.log(0.5)) / 3, rel=1e-6)
    scores.add(np.array([0.5]), np.array([0.0]))
    assert scores.auc == 7 / 8  # of two by two pairs one is a tie
    partly = ScoreHistogram()
    partly.add(np.array([0.5, 0.5]), np.array([0.25, 0.25]))  # a quarter satisfied each
    assert partly.auc == 0.5


# ---- windows --------------------------------------------------------------------------------------------


def judged(windows, answers, until_s=1e9, parts=1):
    columns = np.array(answers, float).reshape(-1, 3).T
    for part in np.array_split(np.arange(columns.shape[1]), parts):
        windows.add(*columns[:, part])
    result = windows.close(until_s)
    return result.count, result.violated, result.worst, result.violation_rate


# (arrival, satisfied, alpha): windows [0, 10), [10, 20), nothing in [20, 30), [30, 40)
ANSWERS = [(0, 1, 0.5), (9.9, 0, 0.5), (10, 0, 0.5), (15, 0, 0.5), (19, 1, 0.5), (30, 1, 0.5)]


@pytest.mark.parametrize("parts", [1, 2, 3, 6])
def test_periods_on_the_clock(parts):
    assert judged(Periods(10.0), ANSWERS, 40.0, parts) == (3, 1, pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert judged(Periods(10.0), ANSWERS, 39.9, parts) == (2, 1, pytest.approx(1 / 3), 0.5)  # the last is not over
    assert judged(Periods(10.0), [], 40.0) == (0, 0, None, None)


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_a_window_in_which_nobody_is_satisfied_counts(parts):
    nobody = [(0, 0, 0.5), (5, 0, 0.5), (12, 1, 0.5)]
    assert judged(Periods(10.0), nobody, 20.0, parts) == (2, 1, 0.0, 0.5)
    assert judged(Periods(10.0), nobody[:2], 10.0, parts) == (1, 1, 0.0, 1.0)
    assert judged(Periods(10.0), nobody[:2], 9.9, parts) == (0, 0, None, None)


@pytest.mark.parametrize("parts", [1, 2, 3, 6])
def test_the_last_answers_are_judged_after_each(parts):
    # three by three: 1/3, 0, 1/3, 2/3
    assert judged(LastAnswers(3), ANSWERS, parts=parts) == (4, 3, 0.0, 0.75)
    assert judged(LastAnswers(1), ANSWERS, parts=parts) == (6, 3, 0.0, 0.5)
    assert judged(LastAnswers(6), ANSWERS, parts=parts) == (1, 0, 0.5, 0.0)
    assert judged(LastAnswers(7), ANSWERS, parts=parts) == (0, 0, None, None)


def test_answers_in_any_order_are_sorted_at_the_end():
    mixed = [ANSWERS[i] for i in (3, 0, 5, 1, 4, 2)]
    assert judged(InOrder(Periods(10.0)), mixed, 40.0, 3) == judged(Periods(10.0), ANSWERS, 40.0)
    assert judged(InOrder(LastAnswers(3)), mixed, parts=2) == (4, 3, 0.0, 0.75)
    assert judged(InOrder(LastAnswers(2)), [(1, 1, 0.5), (1, 0, 0.5), (1, 0, 0.5)]) == (2, 1, 0.0, 0.5)


def test_the_promise_says_which_windows():
    assert windows_of(Sla(alpha=0.5)) is None
    assert isinstance(windows_of(Sla(alpha=0.5, window_s=5.0)), Periods)
    assert isinstance(windows_of(Sla(alpha=0.5, window_requests=5)), LastAnswers)
    assert isinstance(windows_of(Sla(alpha=0.5, window_requests=5), has_sessions=True), InOrder)


# ---- latencies ------------------------------------------------------------------------------------------


def test_latencies_of_a_request():
    columns = {"arrival_s": [1.0, 1.0], "start_s": [1.5, 2.0], "first_token_s": [2.0, 3.0], "finish_s": [5.0, 3.0]}
    columns = {name: np.array(values) for name, values in columns.items()} | {"output_tokens": np.array([4, 1])}
    latencies = {name: values.tolist() for name, values in latencies_of(columns).items()}
    assert latencies["ttft"] == [1.0, 2.0]
    assert latencies["tpot"][0] == 1.0  # three tokens after the first in 3 s
    assert np.isnan(latencies["tpot"][1])
    assert latencies["e2e"] == [4.0, 2.0]
    assert latencies["queueing"] == [0.5, 1.0]


# ---- what has a long run --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrived", "unserved", "refused"),
    [(100, 2, False), (100, 3, True), (0, 0, False), (0, 1, True), (5000, 100, False), (5000, 101, True)],
)
def test_a_run_that_leaves_too_many_has_no_long_run(arrived, unserved, refused):
    text = refusal_of_run(arrived, unserved)
    assert (text is not None) is refused
    if refused:
        assert text.startswith(f"{unserved:,} of {arrived:,} requests were still unserved")


FIXED = {"policy": "random"}


@pytest.mark.parametrize(
    ("changes", "quantity", "reason"),
    [
        ({"router": FIXED}, "latency", None),
        ({"router": FIXED}, "satisfaction", None),
        ({}, "latency", "router.policy = 'mess+'"),
        ({"models": [model("only")]}, "latency", None),  # whatever is learnt, one model
        ({"router": {"policy": "cheapest", "cost_estimate": "mean"}}, "cost", "router.cost_estimate = 'mean'"),
        ({"router": {"policy": "cheapest"}}, "cost", None),
        ({"router": FIXED, "phases": [{"from_request": 3, "difficulty": 1.0}]}, "cost", "phases:"),
        ({"router": FIXED, "sessions": {}}, "latency", "sessions:"),
    ],
)
def test_what_learns_or_changes_has_no_long_run(changes, quantity, reason):
    given = refusal(parse(scenario(**changes)), quantity)
    assert given is None if reason is None else given.startswith(reason)


def of_kinds(**changes):
    """As much of a scenario as applicability looks at, of which nothing speaks against a long run."""
    facts = {
        "cluster": SimpleNamespace(mode="replicas", failures=None),
        "arrivals": SimpleNamespace(kind="poisson"),
        "sessions": None,
        "phases": [],
        "satisfaction": SimpleNamespace(kind="table", order="random"),
        "models": ["one"],
        "router": None,
    }
    return SimpleNamespace(**facts | changes)


NO_SERVERS = SimpleNamespace(mode="none", failures=None)


@pytest.mark.parametrize(
    ("changes", "quantity", "reason"),
    [
        ({}, "latency", None),
        ({"cluster": NO_SERVERS}, "latency", "cluster.mode = 'none' has no latency"),
        ({"cluster": NO_SERVERS}, "utilization", "cluster.mode = 'none' has no utilization"),
        ({"cluster": NO_SERVERS}, "cost", None),
        (
            {"arrivals": SimpleNamespace(kind="trace")},
            "cost",
            "arrivals.kind = 'trace': a trace happened once, and its rate changes",
        ),
        (
            {"cluster": SimpleNamespace(mode="replicas", failures=SimpleNamespace(schedule=[1]))},
            "cost",
            "cluster.failures.schedule: planned failures happen once",
        ),
        ({"cluster": SimpleNamespace(mode="replicas", failures=SimpleNamespace(schedule=[]))}, "cost", None),
        (
            {"satisfaction": SimpleNamespace(kind="table", order="file")},
            "satisfaction",
            "satisfaction.order = 'file': the table's rows come in their own order",
        ),
        ({"satisfaction": SimpleNamespace(kind="irt", order="file")}, "satisfaction", None),
    ],
)
def test_what_happens_once_has_no_long_run(changes, quantity, reason):
    assert refusal(of_kinds(**changes), quantity) == reason


def test_a_diurnal_rate_comes_before_other_reasons():
    law = {"kind": "diurnal", "rates_rps": [1.0, 2.0]}
    s = parse(scenario(arrivals=law, phases=[{"from_request": 3, "difficulty": 1.0}]))
    assert refusal(s, "latency") == "arrivals.kind = 'diurnal': the rate changes with the hour"


def test_intervals_of_a_run_that_has_them_and_of_one_that_has_not():
    s = parse(scenario(router=FIXED))
    batches = Batches()
    batches.add(np.tile([1.0, 2.0, 3.0, 2.0, 2.0], 40))
    outcome = SimpleNamespace(timeline=SimpleNamespace(samples=[]))
    given = latency_intervals(s, outcome, {"ttft": batches, "e2e": Batches()})
    assert given["refused"] is None
    assert given["latency_s"]["e2e"] is None
    ttft = given["latency_s"]["ttft"]
    assert (ttft["mean"], ttft["low"], ttft["high"], ttft["batches"]) == (2.0, 2.0, 2.0, 20)
    assert (ttft["batch_size"], ttft["warmup"]) == (10, 0)
    samples = [SimpleNamespace(request=100, in_system=[2, 1])]
    late = latency_intervals(s, SimpleNamespace(timeline=SimpleNamespace(samples=samples)), {})
    assert late["refused"].startswith("3 of 100 requests")
    assert late["latency_s"] is None


def test_a_warm_up_that_leads_nowhere_is_told():
    assert warmup_note(0, "why") == []
    assert warmup_note(5, None) == []
    assert warmup_note(5, "why")[0].startswith("warmup = 5: ")


# ---- choices made beforehand, and oracles ---------------------------------------------------------------


def frontier(requests, satisfied, costs):
    return SimpleNamespace(requests=np.array(requests), satisfied=np.array(satisfied), costs=np.array(costs))


def test_what_choices_made_beforehand_cost():
    two = frontier([4, 0, 2], [[2.0, 4.0], [0.0, 0.0], [1.0, 2.0]], [[4.0, 12.0], [0.0, 0.0], [2.0, 6.0]])
    assert best_static(two, [0.5, 0.9, 0.5]) == (0, 1.0, 1.0)  # who asked nothing is promised nothing
    assert best_static(two, [0.75, 0.9, 0.5]) == (1, 3.0, pytest.approx((4 * 2.0 + 2 * 1.0) / 6))
    assert best_static(frontier([0], [[0.0, 0.0]], [[0.0, 0.0]]), [0.5]) == (None, None, None)


def test_a_model_that_is_not_there_all_the_time_is_no_choice_made_beforehand():
    away = frontier([2], [[2.0, 1.0]], [[np.inf, 2.0]])
    assert best_static(away, [0.5]) == (1, 1.0, 1.0)
    assert best_static(away, [0.75]) == (None, None, None)
    assert best_static(frontier([2], [[2.0, 1.0]], [[np.inf, np.inf]]), [0.0]) == (None, None, None)


def test_an_oracle_is_of_those_who_asked():
    def optimum(wanted, tenant):
        return None if wanted > 0.9 else SimpleNamespace(per_request=10.0 * wanted + tenant, error=0.25 * (tenant + 1))

    asked = SimpleNamespace(requests=np.array([3, 0, 1]), optimum=optimum)
    made = oracle_of(asked, [0.5, 0.95, 0.25], [0.75, None, 0.5])
    assert made.costs == {"at_alpha": (3 * 5.0 + 4.5) / 4, "at_own": (3 * 7.5 + 7.0) / 4}
    assert made.relative_error == pytest.approx((3 * 0.25 + 0.75) / (3 * 5.0 + 4.5))  # the larger of the two
    out_of_reach = oracle_of(asked, [0.95, 0.5, 0.5], [None, 0.5, 0.5])
    assert (out_of_reach.at_alpha, out_of_reach.at_own, out_of_reach.relative_error) == (None, None, 0.0)
    nobody = oracle_of(SimpleNamespace(requests=np.array([0]), optimum=optimum), [0.5], [0.5])
    assert (nobody.at_alpha, nobody.at_own) == (None, None)


# ---- rent -----------------------------------------------------------------------------------------------


def fleet(prices, unit="USD", **more):
    models = [model("a", gpu="H100", tp=2, replicas=3), model("b", gpu="L40S", replicas=2)]
    return parse(scenario(**({"models": models, "cost": {"unit": unit, "usd_per_gpu_hour": prices}} | more)))


def test_rent_is_of_all_gpus_that_have_a_price():
    assert rent_usd_per_hour(fleet({"H100": 2.0, "L40S": 0.5})) == 3 * 2 * 2.0 + 2 * 0.5
    assert rent_usd_per_hour(fleet({"H100": 2.0}, "J")) == 12.0
    assert rent_usd_per_hour(fleet({"A100": 2.0}, "J")) is None
    assert rent_usd_per_hour(fleet({"H100": 2.0, "L40S": 0.5}, cluster={"mode": "none"})) is None


def test_rent_of_pools_that_change_their_size_is_by_what_they_had():
    pools = [
        pool("a", name="p", gpu="H100", tp=2, replicas=4, autoscale={"rule": "target"}),
        pool("b", name="q", gpu="L40S", replicas=2),
    ]
    models = [{"name": "a", "satisfaction": 0.4}, {"name": "b", "satisfaction": 0.6}]
    s = fleet({"H100": 2.0, "L40S": 0.5}, models=models, pools=pools)
    assert rent_usd_per_hour(s) is None
    assert rent_usd_per_hour(s, {"p": 1.5}) == 1.5 * 2 * 2.0 + 1.0
    assert not fixed_cost(s)
    assert fixed_cost(fleet({"H100": 2.0, "L40S": 0.5}))
    assert not fixed_cost(fleet({"H100": 2.0}, "J"))
    assert not fixed_cost(fleet({"H100": 2.0, "L40S": 0.5}, cluster={"mode": "none"}))


# ---- places to write to ---------------------------------------------------------------------------------


def refused_by(check, target, *more):
    with pytest.raises(OutputError) as error:
        check(target, *more)
    return str(error.value)


def test_a_place_that_is_free(tmp_path):
    check_free(tmp_path / "new")
    check_free(tmp_path / "a" / "b" / "new")
    (tmp_path / "file").touch()
    assert refused_by(check_free, tmp_path / "file", "file").endswith(
        "exists already; expected a file that is yet to be made"
    )
    assert refused_by(check_free, tmp_path).endswith("expected a directory that is yet to be made")
    assert refused_by(check_free, tmp_path / "file" / "x").endswith(f"{tmp_path / 'file'} is no directory")
    assert refused_by(check_free, tmp_path / "..").endswith("is no name; expected one for what is to be written")
    assert "a name of 256 bytes; expected at most 255" in refused_by(check_free, tmp_path / ("n" * 256))
    check_free(tmp_path / ("n" * 255))
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_what_the_system_does_not_let_be_written_is_refused_before(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path / "file")
    end = "file: cannot be written to; expected a file that may be replaced"
    assert refused_by(check_replaceable, tmp_path / "file").endswith(end)
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK | os.X_OK)
    assert refused_by(check_free, tmp_path / "new").endswith(f"new: {tmp_path} cannot be written to")

    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.undo()
    monkeypatch.setattr("messsim.results.targets.tempfile.TemporaryDirectory", full)
    assert refused_by(check_free, tmp_path / "new").endswith(
        f"{tmp_path} cannot be written to: No space left on device"
    )


def test_a_file_that_may_be_replaced(tmp_path):
    file, link, nowhere = tmp_path / "file", tmp_path / "link", tmp_path / "nowhere"
    file.touch()
    link.symlink_to(file)
    nowhere.symlink_to(tmp_path / "gone")
    for target in (file, link, tmp_path / "new", tmp_path / "a" / "new"):
        check_replaceable(target)
    assert refused_by(check_replaceable, tmp_path).endswith("is a directory; expected the name of a file to write")
    assert "is a link to" in refused_by(check_replaceable, nowhere)
    os.mkfifo(tmp_path / "pipe")
    assert refused_by(check_replaceable, tmp_path / "pipe").endswith(
        "is a device or a pipe; expected the name of a file to write"
    )


# ---- fields ---------------------------------------------------------------------------------------------


def test_fields_have_paths_units_and_meanings():
    fields = {f.path: f for f in fields_of()}
    assert fields["sla.satisfaction"].meaning
    assert fields["sla.queue_max"].unit == "answers"
    assert fields["pools.utilization"].path == "pools.utilization"  # entries of a list have the path of the list


# ---- timelines ------------------------------------------------------------------------------------------


SCALED = {"rule": "schedule", "schedule": [{"at_s": 0.0, "replicas": 1}]}


def test_a_timeline_of_the_compiled_engine_is_read_by_column(monkeypatch):
    """To make a sample of each row, once for every pool, takes a minute for 200 pools."""
    pools = [pool("small", name=n, prefix_cache=True, autoscale=SCALED) for n in ("p", "q")]
    data = scenario(models=[{"name": "small", "satisfaction": 0.5}], pools=pools, router=FIXED)
    frames = []
    for engine in ("simpy", "compiled"):
        r = run(data, engine)
        with monkeypatch.context() as patch:
            patch.setattr(Samples, "__iter__", None)
            frames.append(timeline_frame(r.setup.scenario, r.outcome, r.tally.running))
        for name, column in r.outcome.timeline.columns().items():
            np.testing.assert_array_equal(column, [getattr(s, name) for s in r.outcome.timeline.samples])
    assert frames[0].equals(frames[1])
    assert frames[0].height == 40


def test_what_a_killed_command_left_is_not_what_is_being_written(tmp_path):
    target, folder, file = (tmp_path / name for name in ("o", ".o.0a.partial", ".o.0b.partial"))
    folder.mkdir()
    file.touch()
    opened = len(list(Path("/proc/self/fd").iterdir()))
    assert (leftovers(target), in_progress(target)) == ([folder, file], [])
    with directory._locked(folder), directory._locked(file):
        assert (leftovers(target), in_progress(target)) == ([], [folder])  # a file is no run
    assert (leftovers(target), in_progress(target)) == ([folder, file], [])
    assert len(list(Path("/proc/self/fd").iterdir())) == opened
    assert leftover_notes(target)[0].endswith(f"left of a command that was killed; to remove it: rm -r {folder}")
    assert leftovers(tmp_path / "nowhere" / "o") == []


def test_results_that_vanish_or_whose_name_is_taken_meanwhile(tmp_path):
    with pytest.raises(OutputError) as gone:
        directory._put_in_place(tmp_path / "gone", tmp_path / "o")
    what = f"{tmp_path / 'o'}: cannot be written: "
    assert str(gone.value) == f"{what}No such file or directory; nothing is left of it"
    beside, taken = tmp_path / "b", tmp_path / "o"
    for folder in (beside, taken, tmp_path / "o-2"):
        folder.mkdir()
        (folder / "x").touch()
    with pytest.raises(OutputError) as elsewhere:
        directory._put_in_place(beside, taken)
    assert str(elsewhere.value) == f"{what}Directory not empty; what was to be there is whole in {taken}-3"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o", "o-2", "o-3"]


def test_an_error_of_writing_says_what_the_system_said(tmp_path):
    polars = pl.exceptions.ComputeError("object-store error: IO error: disk full (os error 28)")
    for error, reason in ((OSError(28, "disk full"), "disk full"), (OSError("odd"), "odd"), (polars, "disk full")):
        with pytest.raises(OutputError) as raised, directory.writing(tmp_path, "all is kept"):
            raise error
        assert str(raised.value) == f"{tmp_path}: cannot be written: {reason}; all is kept"
    with pytest.raises(ValueError, match="a bug"), directory.writing(tmp_path):
        raise ValueError("a bug")


# ---- what a directory holds -----------------------------------------------------------------------------


def test_columns_that_are_missing_or_of_words_are_told():
    _columns("f", pl.Schema({"model": pl.String, "id": pl.Int64}), ("model", "id"))
    with pytest.raises(OutputError) as missing:
        _columns("f", pl.Schema({"id": pl.Int64}), ("id", "cost"))
    assert str(missing.value) == "f: the column cost is missing; another version of messsim wrote it"
    with pytest.raises(OutputError) as words:
        _columns("f", pl.Schema({"id": pl.String}), ("id",))
    assert str(words.value) == "f: the column id holds String, not numbers; it is damaged"


@pytest.mark.parametrize("error", [OSError("gone\nmore"), pl.exceptions.ComputeError("gone\nmore")])
def test_records_that_cannot_be_read_are_told_in_a_line(tmp_path, error):
    with pytest.raises(OutputError) as raised, reading_records(tmp_path):
        raise error
    assert str(raised.value) == f"{tmp_path}/requests: its records cannot be read: gone"
