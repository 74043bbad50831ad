"""What terminals show of checks and studies, line by line, from objects made by hand: nothing is simulated."""

import io

import pytest
from rich.console import Console

from messsim.report.base.screen import Screen
from messsim.report.base.tables import grid
from messsim.report.run import checklist, worth
from messsim.report.study import points, replications


def shown(renderable) -> str:
    out = io.StringIO()
    Console(file=out, width=160).print(renderable)
    return out.getvalue()


# ---- narrow terminals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("columns", "width"), [("1", 40), ("20", 40), ("40", 40), ("41", 41), ("300", 300)])
def test_figures_are_not_cut_off_however_narrow_the_terminal(monkeypatch, columns, width):
    monkeypatch.setenv("COLUMNS", columns)
    out = io.StringIO()
    screen = Screen(file=out)
    assert screen.size.width == width
    table = grid()
    table.add_row("certificate", "1234567890")
    screen.print(table)
    assert out.getvalue().split() == ["certificate", "1234567890"]


# ---- studies --------------------------------------------------------------------------------------------


def interval(mean=2.0, low=1.5, high=2.5, count=4):
    return {"mean": mean, "low": low, "high": high, "count": count}


@pytest.mark.parametrize(
    ("of", "scale", "text"),
    [
        (interval(), 1.0, "2 ± 0.5"),
        (interval(), 1000.0, "2,000 ± 500"),  # a thousand requests
        (interval(4.0, 3.0, 5.0), 0.5, "2 ± 0.5"),
        (interval(high=None), 1.0, "2"),
        (interval(low=None), 1000.0, "2,000"),
        (interval(mean=None), 1.0, "-"),
        (None, 1.0, "-"),
    ],
)
def test_a_mean_stands_with_half_of_its_interval(of, scale, text):
    assert points.spread(of, scale) == text


@pytest.mark.parametrize(
    ("path", "unit", "of", "cells"),
    [
        ("latency_s.ttft.mean", "J", interval(), ("latency_s.ttft.mean", "2", "1.5", "2.5", "25.00 %", "4")),
        ("cost.per_request", "J", interval(), ("cost.per_request (J/request)", "2", "1.5", "2.5", "25.00 %", "4")),
        (
            "cost.per_request",
            "USD",
            interval(),
            ("cost.per_request (USD/1,000 requests)", "2,000", "1,500", "2,500", "25.00 %", "4"),
        ),
        ("x", "J", interval(-2.0, -2.5, -1.5), ("x", "-2", "-2.5", "-1.5", "25.00 %", "4")),
        ("x", "J", interval(0.0, -1.0, 1.0), ("x", "0", "-1", "1", "-", "4")),  # of nothing there is no share
        ("x", "J", interval(low=None, high=None, count=1), ("x", "2", "-", "-", "-", "1")),
        ("x", "J", interval(mean=None, low=None, high=None), ("x", "-", "-", "-", "-", "4")),
        ("x", "J", None, ("x", "-", "-", "-", "-", "-")),
    ],
)
def test_a_row_of_replications(path, unit, of, cells):
    assert replications._cells(path, of, unit) == cells


def replicated(**changes):
    figures = {
        "sla.satisfaction": interval(),
        "requests.lost": interval(mean=0.0),
        "requests.explored": interval(mean=3.0),
        "models.small.share": interval(),
        "models.small.cost": interval(),
        "latency_s.tpot.p50": interval(),
    }
    base = {"scenario": "s", "replications": 4, "seed": 7, "cost_unit": "J", "figures": figures}
    return base | {"of": None, "precision": None, "precise": None} | changes


def test_what_was_asked_for_comes_first_and_what_never_happened_not_at_all():
    assert list(replications._shown(replicated())) == ["sla.satisfaction", "requests.explored", "models.small.share"]
    asked = replicated(of=["latency_s.tpot.p50", 'models."small".share', "sla.nothing"])
    first = list(replications._shown(asked))
    assert first == ["latency_s.tpot.p50", "models.small.share", "sla.satisfaction", "requests.explored"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "s: 4 replications of seed 7, costs in J"),
        ({}, "95 % intervals over replications (Student)"),
        ({"replications": 1}, "s: 1 replication of seed 7"),
        ({"replications": 1}, "one replication says nothing of chance"),
        ({"precision": 0.05, "of": ["a", "b"], "precise": True}, "a, b known to 5 %"),
        ({"precision": 0.005, "of": ["a"], "precise": False}, "a not known to 0.5 % after 4 replications"),
    ],
)
def test_what_is_said_around_replications(changes, text):
    assert text in shown(replications.replication_table(replicated(**changes)))


def swept(**changes):
    row = {"figures": {"sla.satisfaction": interval(), "cost.per_request": interval()}, "replications": 3}
    rows = [row | {"point": {"router.V": 0.5}}, row | {"point": {"router.c": 2.0}}]
    base = {"scenario": "s", "points": rows, "cost_unit": "USD", "replications": 3, "failures": []}
    return base | {"resumed": 0, "computed": 6} | changes


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "s: 2 points, 6 runs\n"),
        ({"resumed": 2, "computed": 4}, "s: 2 points, 6 runs, 2 of them from before"),
        ({"computed": 1}, "s: 2 points, 1 run\n"),
        ({}, "mean ± half of the 95 % interval over 3 replications"),
        ({"replications": 1}, "one replication: no interval; --seeds 5 gives one"),
        ({}, "cost.per_request (USD/1,000 requests)"),
        ({}, "2,000 ± 500"),
    ],
)
def test_what_is_said_around_points(changes, text):
    assert text in shown(points.sweep_table(swept(**changes), ["messsim", "run", "s.toml"]))


def test_a_point_without_a_key_has_a_dash_there():
    lines = shown(points.sweep_table(swept(), [])).splitlines()
    assert [line.split()[:3] for line in lines if " ± " in line][:2] == [["0.5", "-", "3"], ["-", "2.0", "3"]]


def test_the_units_of_costs_that_are_swept_are_not_one():
    rows = [p | {"point": {"cost.unit": "J"}} for p in swept()["points"]]
    assert "(USD/1,000" not in shown(points.sweep_table(swept(points=rows), []))


@pytest.mark.parametrize(("count", "more"), [(1, None), (10, None), (11, 1), (25, 15)])
def test_ten_failures_are_told_with_the_command_that_shows_each(count, more):
    failures = [{"error": f"bad day {k}.", "point": {"router.V": 0.5}, "replication": k} for k in range(count)]
    text = shown(points.sweep_table(swept(failures=failures), ["messsim", "run", "a b.toml"]))
    assert text.count("failed: bad day") == min(count, 10)
    assert "  messsim run 'a b.toml' --set router.V=0.5 --replication 0\n" in text
    assert ("more failed" in text) == (more is not None)
    if more is not None:
        assert f"... and {more} more failed" in text


# ---- a check --------------------------------------------------------------------------------------------


def promise(**changes):
    base = {"tenant": "gold", "alpha": 0.7, "best_model": 0.6, "any_model": 0.9, "most": 0.9, "single_model": None}
    return base | {"reachable": True} | changes


def checked_pool(name, load, **changes):
    base = {"name": name, "gpu": "H100", "gpus": 4, "kv_capacity_tokens": None, "capacity_rps": 10.0, "load": load}
    base |= {
        "offered_rps": None if load is None else 10.0 * load,
        "peak_load": load,
        "energy_measured": True,
        "start": None,
    }
    return base | {"model": name, "batch": 20.0, "few": 8.0, "thin": False, "start": None, "replicas": 2} | changes


def checked(**changes):
    head = {"scenario": "s", "requests": 1000.0, "rate_rps": 2.0, "peak_rate_rps": None, "policy": "mess+"}
    rest = {"cost_unit": "USD", "rent_usd_per_hour": None, "cost_fixed": False, "notes": ["look out"]}
    models = [
        {"name": "small", "satisfaction": 0.4, "known_cost": 0.5, "mean_output_tokens": 70.0},
        {"name": "large", "satisfaction": 0.8, "known_cost": None, "mean_output_tokens": 90.0},
    ]
    expect = {"wall_s": 5.0, "probe_requests": 2000, "peak_rss_mib": 77.4}
    pools = [checked_pool("calm", 0.89), checked_pool("busy", 0.9), checked_pool("api", None)]
    whole = head | rest | {"models": models, "pools": pools, "promises": [promise()], "worth": judged()}
    return whole | {"other_problems": ["a network is full"], "expect": expect} | changes


def cells(text, first):
    return next(line.split() for line in text.splitlines() if line.split()[:1] == [first])


def test_a_check_is_shown_whole():
    text = shown(checklist.checklist(checked()))
    assert "note: look out\n" in text
    assert "alpha = 0.7: the best model reaches" in text
    assert cells(text, "small") == ["small", "40.0", "%", "500", "70"]  # of 1,000 requests
    assert cells(text, "large") == ["large", "80.0", "%", "-", "90"]
    assert cells(text, "calm") == ["calm", "4", "x", "H100", "no", "limit", "10/s", "8.9/s", "89", "%", "measured"]
    assert cells(text, "api") == ["api", "4", "x", "H100", "no", "limit", "10/s", "-", "-", "measured"]
    assert "pool busy is near saturation" in text
    assert "best single model, large" in text
    assert "knows every outcome" in text
    assert "pool calm is" not in text
    assert "a network is full\n" in text
    assert "expect about 5 s and 77 MiB (from the first 2,000 requests, simulated here)" in text
    assert "rent" not in text
    assert "large alone" not in text


@pytest.mark.parametrize(
    ("changes", "has", "lacks"),
    [
        ({"rent_usd_per_hour": 12.5}, "rent: 12.5 USD an hour\n", "whatever the router does"),
        ({"rent_usd_per_hour": 12.5, "cost_fixed": True}, "an hour, whatever the router does: only another fleet", "@"),
        ({"pools": []}, "small", "sustains"),
        ({"expect": {"wall_s": None, "probe_requests": 1, "peak_rss_mib": 1.0}}, "small", "expect about"),
        ({"promises": [promise(single_model="large")]}, "alpha = 0.7: large alone would keep it", "gold"),
        ({"promises": [promise(single_model="small")]}, "small alone would keep it in the long run; in this", "gold"),
        ({"promises": [promise(single_model="small")] * 2}, "for gold: small alone would keep it", "in the long run"),
        ({"pools": [checked_pool("p", 0.5, kv_capacity_tokens=12345)]}, "12,345", "no limit"),
        ({"pools": [checked_pool("p", 0.5, energy_measured=False)]}, "assumed", "measured"),
        ({"pools": [checked_pool("p", 0.5, capacity_rps=None)]}, "-", "10 "),
    ],
)
def test_what_else_a_check_shows(changes, has, lacks):
    text = shown(checklist.checklist(checked(**changes)))
    assert has in text
    assert lacks not in text


# ---- whether a router pays ------------------------------------------------------------------------------


def judged(**changes):
    base = {"unit": "J", "best_single": {"model": "large", "per_request": 4.0}, "static_mix": 3.0, "own_cost": 2.5}
    base |= {"features": 2.0, "clairvoyant": 1.0, "no_features": None, "can_save": 0.5, "features_save": 0.25}
    return base | {"own_cost_saves": 0.1, "dominated": []} | changes


def pool(name="p", batch=2.0, replicas=1, *, thin=True, of="small"):
    return {"name": name, "model": of, "batch": batch, "few": 8.0, "thin": thin, "replicas": replicas}


def test_bounds_go_from_who_knows_nothing_to_who_knows_all():
    rows = worth.bounds_of(judged())
    assert rows[0] == ["best single model, large", "4 J"]
    assert [cost for _, cost in rows] == ["4 J", "3 J", "2.5 J", "2 J", "1 J"]
    usd = judged(unit="USD", best_single={"model": None, "per_request": None})
    assert worth.bounds_of(usd)[0][0] == "best single model"
    assert worth.bounds_of(usd)[1][1] == "3,000 USD per 1,000 requests"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {},
            "routing can save at most 50 % of the best choice made beforehand, of which features 25 % (expected costs)",
        ),
        ({"can_save": None}, "routing cannot be judged by cost: no fixed choice of models keeps the promise"),
        (
            {"features_save": None, "no_features": "none"},
            "what features would save is not known: none (expected costs)",
        ),
        ({"features_save": None}, "what features would save is not known: they do not reach the promise"),
        ({"features_save": 0.0}, "of which features 0 % (expected costs)"),
    ],
)
def test_what_routing_can_save_in_a_sentence(changes, text):
    assert text in worth._savings(judged(**changes))


@pytest.mark.parametrize(
    ("changes", "thin", "text"),
    [
        ({}, [], None),
        ({"dominated": [{"model": "small", "by": "large"}]}, [pool()], "a zoo without small, whose replicas serve few"),
        ({"dominated": [{"model": "other", "by": "large"}]}, [pool()], "more traffic, or a zoo without p"),
        ({}, [pool("a", 3.0, 2), pool("b", 2.0, 4)], "fewer replicas of b (3 instead of 4), which then run more"),
        ({}, [pool("a", 3.0, 2), pool("b", 2.0, 1)], "fewer replicas of a (1 instead of 2), which then run more"),
        ({"can_save": 0.1}, [], None),
        ({"can_save": 0.099}, [], "a promise further from what one model keeps alone, or models further apart in cost"),
        ({"features_save": 0.125}, [], None),  # a quarter of what can be saved
        ({"features_save": 0.12}, [], "features that tell more of who will be right"),
        ({"features_save": None}, [], None),
        ({"can_save": None}, [], None),
    ],
)
def test_the_change_that_would_help_most(changes, thin, text):
    change = worth._change(judged(**changes), thin)
    assert change is None if text is None else change.startswith(text)


def test_sentences_name_who_is_dominated_and_who_runs_few():
    dominated = [{"model": "m", "by": "n"}]
    sentences = worth.sentences_of(judged(dominated=dominated), [pool("fat", thin=False), pool("slim", 2.5)])
    assert sentences[1:] == [
        "m is dominated: n satisfies no less often, at no more cost",
        "pool slim runs 2.5 sequences at once where it is busy: below 8 a request pays mostly for itself being alone",
        "what would help most: more traffic, or a zoo without slim: its replica idles or serves few at once",
    ]


@pytest.mark.parametrize(
    ("of", "words"), [("scenario", "as the scenario says"), ("profile", "of its profile"), ("assumed", "assumed")]
)
def test_check_tells_how_long_a_replica_takes_to_start(of, words):
    start = {"mean_s": 332.0, "weights_gb": 141.1, "weights_of": of}
    text = " ".join(shown(checklist.checklist(checked(pools=[checked_pool("p", 0.5, start=start)]))).split())
    assert f"pool p: a replica takes 332 s to start and loads 141.1 GB of weights, {words}" in text
