"""Pools that change their size, in both engines, worked out by hand: an iteration lasts a quarter of a second."""

import numpy as np
import pytest
from builders import IDLE_W, POWER_W, STEP_S, model, pool, run, scenario, trace

from messsim.engines.autoscale import Autoscaler, Look, unsaturated
from messsim.errors import ScenarioError
from messsim.scenario import parse
from messsim.scenario.autoscale import Autoscale, ColdStart
from messsim.study.simulation.check import check

OUTPUT = 3
USD_PER_S = 2.0  # of a replica
LASTS_S = OUTPUT * STEP_S
QUICK = {"fixed_s": 1.0, "weights_gb": 4.0, "load_gb_per_s": 4.0, "compile_s": 0.5, "init_s": 0.5}  # 3 s in all
USD = {"unit": "USD", "usd_per_gpu_hour": {"GPU": 3600.0 * USD_PER_S}}


@pytest.fixture(params=["simpy", "compiled"])
def engine(request) -> str:
    return request.param


def scaled(folder, times, *, replicas=2, seqs=1, more=None, **autoscale) -> dict:
    data = {"cold_start": QUICK} | autoscale
    return scenario(
        arrivals=trace(folder, times),
        requests=None,
        models=[model("only", 0.5, replicas=replicas, max_num_seqs=seqs, autoscale=data)],
        **(more or {}),
    )


NIGHT_AND_DAY = {
    "rule": "schedule",
    "period_s": 1.0,
    "day_s": 20.0,
    "min_replicas": 0,
    "schedule": [{"at_s": 2.0, "replicas": 1}, {"at_s": 10.0, "replicas": 0}],
}


def test_a_schedule_wakes_a_pool_and_puts_it_to_sleep(engine, tmp_path):
    """Off until 2, loads until 5: what came at 1 waits for it. What comes at 11 waits for the next day's 22 + 3."""
    r = run(scaled(tmp_path, [0.0, 1.0, 6.0, 11.0], **NIGHT_AND_DAY), engine)
    assert r.statuses == ["completed"] * 4
    assert r.records.start_s.tolist() == [5.0, 5.0 + LASTS_S, 5.0 + 2 * LASTS_S, 25.0]
    assert set(r.records.replica.tolist()) == {0}


def test_energy_and_rent_are_those_of_what_is_not_off(engine, tmp_path):
    """Until the last arrival at 11: on from 2 to 10, of which it runs for three answers."""
    data = scaled(tmp_path, [0.0, 1.0, 6.0, 11.0], more={"cost": USD}, **NIGHT_AND_DAY)
    r = run(data, engine)
    pool = r.summary["pools"][0]
    busy_s, rented_s = 3 * LASTS_S, 8.0
    assert pool["mean_replicas"] == pytest.approx(rented_s / 11.0)
    assert pool["utilization"] == pytest.approx(busy_s / rented_s)
    assert pool["idle_energy_j"] == pytest.approx(IDLE_W * (rented_s - busy_s))
    assert r.summary["cost"]["rent_usd_per_hour"] == pytest.approx(3600.0 * USD_PER_S * rented_s / 11.0)
    answers_usd = 4 * LASTS_S * USD_PER_S  # the last is served after the measuring ends
    assert r.summary["cost"]["total"] == pytest.approx(answers_usd + (rented_s - busy_s) * USD_PER_S)
    assert r.outcome.pools[0].meter_j == pytest.approx(POWER_W * 4 * LASTS_S)


def test_a_replica_that_is_removed_finishes_what_it_has(engine, tmp_path):
    """Two up until 10; at 9.9 each gets an answer to make. The last is removed, drains, and takes nothing at 10.25."""
    schedule = [{"at_s": 0.0, "replicas": 2}, {"at_s": 10.0, "replicas": 1}]
    data = scaled(tmp_path, [0.0, 9.75, 9.75, 10.25], rule="schedule", period_s=1.0, day_s=100.0, schedule=schedule)
    r = run(data, engine)
    assert r.records.replica.tolist() == [0, 0, 1, 0]
    assert r.records.finish_s.tolist() == [LASTS_S, 10.5, 10.5, 10.5 + LASTS_S]
    rented_s = 10.25 + 10.25  # the second drains as the measuring ends
    assert r.summary["pools"][0]["mean_replicas"] == pytest.approx(rented_s / 10.25)


def test_demand_brings_replicas_and_quiet_takes_them(engine, tmp_path):
    """Three at 0.5 on one replica; at 1 a second is wanted, up at 4. It takes nothing old; at 5 it is called off."""
    times = [0.0, 0.5, 0.5, 0.5, 0.5, 4.25, 9.0]
    autoscale = {"rule": "target", "target": 2.0, "tolerance": 0.0, "period_s": 1.0, "down_window_s": 0.0}
    r = run(scaled(tmp_path, times, **autoscale), engine)
    assert r.statuses == ["completed"] * 7
    assert r.records.replica.tolist() == [0, 0, 0, 0, 0, 0, 0]
    timeline = r.outcome.timeline.samples
    assert [s.replicas[0] for s in timeline][-1] == (1, 0, 0)
    # at 1: one of 0.5 runs and three wait, 2 wanted; at 2: three, 2; at 3: two, 1 wanted: the start is called off
    assert r.summary["pools"][0]["mean_replicas"] == pytest.approx((9.0 + 2.0) / 9.0)


def test_a_pool_that_sleeps_wakes_for_the_first_who_comes(engine, tmp_path):
    autoscale = {"rule": "concurrency", "min_replicas": 0, "target": 1.0, "period_s": 2.0}
    r = run(scaled(tmp_path, [0.0, 0.5], **autoscale), engine)
    assert r.records.start_s.tolist() == [5.0, 5.0 + LASTS_S]  # seen at 2, up at 5


def test_with_admission_a_pool_that_sleeps_turns_away_or_hands_on(engine, tmp_path):
    data = scaled(tmp_path, [0.0, 0.5], rule="concurrency", min_replicas=0, period_s=2.0)
    data["models"].append(model("other", 0.9))
    data |= {"router": {"policy": "cheapest"}, "cluster": {"admission": {"max_waiting": 0}, "when_full": "next_model"}}
    r = run(data, engine)
    assert r.records.model.tolist() == [1, 1]


@pytest.mark.parametrize("dispatch", ["least_loaded", "shared_queue", "round_robin", "power_of_two"])
def test_energy_sums_to_the_meter_as_replicas_come_and_go(engine, dispatch):
    autoscale = {"rule": "target", "target": 2.0, "period_s": 0.5, "down_window_s": 1.0, "min_replicas": 0}
    autoscale |= {"zero_after_s": 0.5, "cold_start": QUICK}
    models = [model(n, s, replicas=4, max_num_seqs=2, autoscale=autoscale) for n, s in (("a", 0.4), ("b", 0.8))]
    law = {"kind": "mmpp", "rate_rps": 0.5, "burst_rate_rps": 20.0, "mean_calm_s": 10.0, "mean_burst_s": 2.0}
    data = scenario(requests=300, arrivals=law, models=models, cluster={"dispatch": dispatch}, cost=USD)
    r = run(data, engine)
    assert set(r.statuses) == {"completed"}
    assert r.records.energy_j.sum() == pytest.approx(sum(p.meter_j for p in r.outcome.pools))
    seen = np.array([s.replicas for s in r.outcome.timeline.samples])
    assert (seen.sum(axis=2) <= 4).all()
    assert (seen[:, :, 1] > 0).any()
    assert len(np.unique(seen[:, :, 0])) >= 3
    # what requests pay and what idles is what is rented
    until_s = r.outcome.last_arrival_s
    rented_usd = sum(p.mean_replicas * until_s * USD_PER_S for p in r.outcome.pools)
    late = r.records.finish_s > until_s
    paid_early = r.records.cost[~late].sum() + sum(p.idle_cost for p in r.outcome.pools)
    assert paid_early <= rented_usd + 1e-9
    assert rented_usd <= paid_early + r.records.cost[late].sum() + 1e-9


# ---- the rules by themselves -----------------------------------------------------------------------------------


def autoscaler(rule: str, target: float, most: int = 100, **more) -> Autoscaler:
    return Autoscaler(Autoscale(rule=rule, **more), target, most)


def wanted(scaler: Autoscaler, time_s: float, ready: int, unfinished: int, loading: int = 0) -> int:
    return scaler.wanted(Look(time_s, ready, loading, unfinished))


def test_target_stays_within_its_tolerance():
    s = autoscaler("target", 10.0, down_window_s=0.0)
    assert wanted(s, 15.0, 10, 109) == 10
    assert wanted(s, 30.0, 10, 111) == 12
    assert wanted(s, 45.0, 10, 91) == 10
    assert wanted(s, 60.0, 10, 89) == 9


def test_target_grows_by_four_or_to_twice_its_size():
    s = autoscaler("target", 1.0)
    assert wanted(s, 15.0, 1, 1000) == 5
    assert wanted(s, 30.0, 10, 1000) == 20
    assert wanted(s, 45.0, 60, 1000) == 100  # the most that there are


def test_target_shrinks_to_the_highest_advice_of_five_minutes():
    s = autoscaler("target", 1.0)
    for k, unfinished in enumerate([8, 3, 2, 1]):
        assert wanted(s, 15.0 * (k + 1), 8, unfinished) == 8
    for k in range(5, 21):
        assert wanted(s, 15.0 * k, 8, 1) == 8
    assert wanted(s, 15.0 * 21, 8, 1) == 3  # the eight of the first look are 300 s old


def test_target_goes_to_zero_after_its_cooldown():
    s = autoscaler("target", 1.0, min_replicas=0, down_window_s=0.0)
    assert wanted(s, 15.0, 1, 1) == 1
    assert wanted(s, 30.0, 1, 0) == 1
    assert wanted(s, 315.0, 1, 0) == 1
    assert wanted(s, 330.0, 1, 0) == 0
    assert wanted(s, 345.0, 0, 1) == 1


def test_concurrency_panics_and_then_only_grows():
    """Target 10 a replica: the mean of the stable minute is slow, that of six seconds is not."""
    s = autoscaler("concurrency", 10.0)
    assert wanted(s, 2.0, 1, 5) == 1
    for k in range(2, 30):
        assert wanted(s, 2.0 * k, 1, 5) == 1
    assert wanted(s, 60.0, 1, 60) == 3  # the last three looks: (5 + 5 + 60) / 3 wants 3, over twice 1
    assert wanted(s, 62.0, 1, 60) == 5
    assert wanted(s, 64.0, 6, 0) == 5  # in panic it does not shrink
    assert wanted(s, 122.0, 6, 0) == 5  # the last rush was at 62: not for a minute after
    assert wanted(s, 124.0, 6, 0) == 3  # then to no less than half of what is up


def test_concurrency_short_of_panic_may_shrink():
    """A rush to three times what is up is panic, in which nothing shrinks; to twice it is none."""
    for unfinished, wants, later in ((30, 3, 3), (21, 3, 3), (20, 2, 1)):
        s = autoscaler("concurrency", 10.0, panic_threshold=3.0)
        assert wanted(s, 2.0, 1, unfinished) == wants
        assert wanted(s, 30.0, 2, 0) == later


def sees(settings: Autoscale, *replicas: tuple[float, float], loading: int = 0, unfinished: int = 9) -> int:
    """Wanted where replicas have so much memory in use, and so many that wait."""
    look = Look(60.0, len(replicas), loading, unfinished, *unsaturated(settings, replicas))
    return Autoscaler(settings, 1.0, 100).wanted(look)


def test_saturation_by_its_sources_example():
    """65 and 72 % in use leave 11.5 % of 80 to spare in the mean, which is enough; 65 and 76 % leave 9.5."""
    settings = Autoscale(rule="saturation")
    assert sees(settings, (0.65, 0), (0.72, 0)) == 2
    assert sees(settings, (0.65, 0), (0.76, 0)) == 3
    assert sees(settings, (0.65, 0), (0.76, 0), loading=1) == 3  # one is on its way


def test_saturation_by_queues_and_by_who_is_saturated():
    """Room for five each: two that wait leave three; the third replica is saturated and does not count."""
    settings = Autoscale(rule="saturation")
    assert sees(settings, (0.5, 2), (0.5, 2)) == 2
    assert sees(settings, (0.5, 2), (0.5, 3)) == 3
    assert sees(settings, (0.5, 2), (0.5, 2), (0.1, 5)) == 3
    assert sees(settings, (0.8, 0)) == 2
    assert sees(settings, (0.1, 5), (0.9, 0)) == 3


def test_saturation_gives_back_what_the_rest_can_carry():
    """The load of three, 60 % in all, is 30 % each of two; of two it is 70 % of one: 10 % to spare, and no less."""
    settings = Autoscale(rule="saturation")
    assert sees(settings, (0.2, 0), (0.2, 0), (0.2, 0)) == 2
    assert sees(settings, (0.375, 0), (0.375, 0)) == 2
    assert sees(settings, (0.25, 0), (0.375, 0)) == 1
    assert sees(settings, (0.1, 1), (0.1, 2)) == 2  # three would wait for one, room for two is less than three
    assert sees(settings, (0.1, 0)) == 1


def test_saturation_goes_to_zero_after_ten_minutes():
    s = autoscaler("saturation", 1.0, min_replicas=0)
    assert wanted(s, 60.0, 1, 0) == 1
    assert wanted(s, 600.0, 1, 0) == 1
    assert wanted(s, 660.0, 1, 0) == 0
    assert wanted(s, 720.0, 0, 1) == 1


def test_saturation_in_a_run(engine, tmp_path):
    """One place, 0.75 s an answer: at 2 s six wait, and one more is wanted; it is up at 5, and not needed."""
    times = [0.0, *[0.5] * 4, *[1.5] * 4, 9.0]
    more = {"period_s": 1.0, "saturated_waiting": 6.0, "spare_waiting": 2.0}
    r = run(scaled(tmp_path, times, rule="saturation", **more), engine)
    # at 1: four of 0.5 came, one of them runs, three wait: 3 are spare; at 2: two gone, six wait: saturated
    assert r.records.replica.tolist()[:9] == [0] * 9  # whoever waits stays where it is
    assert r.statuses == ["completed"] * 10
    replicas_s = r.summary["pools"][0]["mean_replicas"] * 9.0
    assert replicas_s == pytest.approx(9.0 + 3.0)  # the second from 2 to 5: two wait then, for whom the first is enough


def variants(folder, times, **autoscale) -> dict:
    """A model on two pools that scale by saturation: the first in the file costs twice as much as the second."""
    data = {"rule": "saturation", "period_s": 1.0, "cold_start": QUICK} | autoscale
    pools = [pool("only", name=n, gpu=n, max_num_seqs=1, replicas=2, autoscale=data) for n in ("dear", "cheap")]
    pools[0]["autoscale"] = data | {"initial_replicas": 2}
    prices = {"unit": "USD", "usd_per_gpu_hour": {"dear": 2.0, "cheap": 1.0}}
    models = [{"name": "only", "satisfaction": 0.5}]
    return scenario(arrivals=trace(folder, times), requests=None, models=models, pools=pools, cost=prices)


def test_saturation_adds_to_the_cheapest_pool_and_takes_from_the_dearest(engine, tmp_path):
    """At 1 the dearer pool's second is not needed. At 2.5 twelve come, five wait at each at 3: one more of the cheaper.

    At 4 three wait at each, and while that loads the dearer gets one too. Of those ready at 6 and at 7 each goes at
    once: four wait no more, and the rest can carry them.
    """
    r = run(variants(tmp_path, [0.0, *[2.5] * 12, 20.0]), engine)
    dear, cheap = (20.0 * pool["mean_replicas"] for pool in r.summary["pools"])
    assert (dear, cheap) == (pytest.approx(20.0 + 1.0 + 3.0), pytest.approx(20.0 + 3.0))
    assert r.statuses == ["completed"] * 14


def test_saturation_goes_to_zero_pool_by_pool(engine, tmp_path):
    """All go to the first pool until 29.5: the other has nothing to do from 1 on, and this one from 31 on."""
    times = [*(k + 0.5 for k in range(30)), 100.0]
    data = variants(tmp_path, [0.0, *times], min_replicas=0, initial_replicas=1, zero_after_s=10.0)
    r = run(data, engine)
    dear, cheap = (100.0 * pool["mean_replicas"] for pool in r.summary["pools"])
    assert (dear, cheap) == (pytest.approx(41.0 + 1.0), pytest.approx(11.0))
    assert r.statuses == ["completed"] * 32


@pytest.mark.parametrize("dispatch", ["least_loaded", "shared_queue"])
def test_of_pools_without_a_replica_the_cheapest_wakes(engine, tmp_path, dispatch):
    """What comes at first wakes the cheaper pool at 4, which serves from 7 on; nobody needs the other."""
    data = variants(tmp_path, [0.0, 9.0], min_replicas=0, period_s=4.0)
    for p in data["pools"]:
        p["autoscale"]["initial_replicas"] = 0
    r = run(data | {"cluster": {"dispatch": dispatch}}, engine)
    assert [pool["mean_replicas"] for pool in r.summary["pools"]] == [0.0, 5.0 / 9.0]
    assert r.records.start_s.tolist() == [7.0, 9.0]
    assert r.records.replica.tolist() == [2, 2]


def test_pools_that_saturation_looks_at_together_agree_on_it(tmp_path):
    data = variants(tmp_path, [0.0])
    data["pools"][1]["autoscale"] = data["pools"][1]["autoscale"] | {"spare_waiting": 2.0}
    message = "spare_waiting = 2: pools of one model are looked at together .* expected 3, as in pools.0"
    with pytest.raises(ScenarioError, match=message):
        parse(data)


def test_the_schedule_is_a_floor_of_the_other_rules():
    steps = [{"at_s": 100.0, "replicas": 5}, {"at_s": 200.0, "replicas": 2}]
    s = autoscaler("target", 1.0, schedule=steps, day_s=1000.0, down_window_s=0.0)
    assert wanted(s, 15.0, 1, 1) == 2  # that of yesterday's evening
    assert wanted(s, 150.0, 1, 1) == 5
    assert wanted(s, 1199.0, 1, 1) == 5
    assert wanted(s, 1200.0, 1, 1) == 2


def test_a_cold_start_is_the_sum_of_its_phases():
    phases = ColdStart(**{k: v for k, v in QUICK.items() if k.endswith(("_gb", "per_s"))}).phases(4.0)
    assert [law.mean_s for law in phases] == [61.0, 1.0, 106.0, 94.0]


def starts_of(*models) -> list[dict]:
    data = scenario(
        models=[m | {"satisfaction": 0.5, "autoscale": {"rule": "target"} | m.get("autoscale", {})} for m in models]
    )
    return [pool["start"] for pool in check(parse(data | {"requests": 10}))["pools"]]


def test_a_replica_loads_the_weights_of_its_profile_over_all_its_gpus_together():
    small = {"name": "8b", "profile": "Llama-3.1-8B", "gpu": "H100"}
    large = {"name": "70b", "profile": "Llama-3.1-70B", "gpu": "H100"}
    stated = {"autoscale": {"cold_start": {"weights_gb": 141.0, "load_gb_per_s": 2.0}}}
    one, four, eight, fp8, given = starts_of(
        small, large | {"tp": 4}, large | {"name": "b", "tp": 8}, large | {"name": "c", "tp": 4, "weights": "fp8"},
        large | {"name": "d", "tp": 4} | stated,
    )  # fmt: skip
    others_s = 61.0 + 106.0 + 94.0
    assert one == {
        "mean_s": pytest.approx(others_s + 2 * 16.06, rel=1e-3),
        "weights_gb": pytest.approx(16.06, rel=1e-3),
        "weights_of": "profile",
    }
    assert four["weights_gb"] == eight["weights_gb"] == pytest.approx(141.1, rel=1e-3)
    assert fp8["weights_gb"] == pytest.approx(72.6, rel=1e-3)
    assert given == {"mean_s": pytest.approx(others_s + 70.5), "weights_gb": 141.0, "weights_of": "scenario"}


def test_without_a_profile_16_gb_are_assumed():
    (start,) = starts_of(model("own", 0.5))
    assert start == {"mean_s": 293.0, "weights_gb": 16.0, "weights_of": "assumed"}


def test_a_cold_start_takes_as_long_as_the_weights_of_the_profile_do(engine, tmp_path):
    """141.1 GB at 1.411 GB/s are 100 s, and the pool wakes at 60."""
    at_once = {"fixed_s": 0.0, "compile_s": 0.0, "init_s": 0.0, "load_gb_per_s": 1.41107}
    data = scaled(tmp_path, [1.0], rule="target", period_s=60.0, min_replicas=0, cold_start=at_once)
    data["models"][0] |= {"profile": "Llama-3.1-70B", "gpu": "H100", "tp": 4}
    del data["models"][0]["coefficients"]
    assert run(data, engine).records.start_s[0] == pytest.approx(160.0, abs=0.1)


def test_a_schedule_too_short_for_the_weights_of_the_profile_is_refused(tmp_path):
    steps = [{"at_s": 0.0, "replicas": 0}, {"at_s": 60.0, "replicas": 1}, {"at_s": 120.0, "replicas": 0}]
    at_once = {"fixed_s": 0.0, "compile_s": 0.0, "init_s": 0.0}
    data = scaled(tmp_path, [1.0], rule="schedule", min_replicas=0, schedule=steps, cold_start=at_once)
    data["models"][0] |= {"profile": "Llama-3.1-70B", "gpu": "H100", "tp": 4}
    del data["models"][0]["coefficients"]
    with pytest.raises(ScenarioError, match=r"replicas have 60 s at most and a start takes 282\.\d+ s"):
        run(data, "compiled")


# ---- what does not fit --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("autoscale", "message"),
    [
        ({"rule": "schedule"}, "schedule: missing; expected steps"),
        ({"rule": "target", "min_replicas": 3}, "wants 3 replicas and replicas = 2"),
        ({"rule": "schedule", "schedule": [{"at_s": 0.0, "replicas": 9}]}, "expected replicas = 9 or more"),
        ({"rule": "schedule", "schedule": [{"at_s": 9e9, "replicas": 1}]}, "is not within day_s = 86400"),
        ({"rule": "schedule", "schedule": [{"at_s": 5.0, "replicas": 1}] * 2}, "expected rising times"),
        ({"rule": "schedule", "min_replicas": 0, "schedule": [{"at_s": 0.0, "replicas": 0}]}, "no step has replicas"),
        ({"rule": "concurrency", "panic_window_s": 99.0}, "panic_window_s = 99 is longer than stable_window_s = 60"),
        ({"rule": "target", "period_s": 1e-4}, "expected a longer period or shorter windows"),
        ({"rule": "saturation", "spare_usage": 0.9}, "spare_usage = 0.9 is more than saturated_usage = 0.8"),
        ({"rule": "nonsense"}, "rule = 'nonsense'"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, autoscale, message):
    with pytest.raises(ScenarioError) as caught:
        parse(scaled(tmp_path, [0.0], **autoscale))
    assert message in str(caught.value)


def by_day(from_s: float, to_s: float, **more) -> dict:
    """A replica from one time of the day of 20 s to another, which may be the next day's."""
    steps = [{"at_s": from_s, "replicas": 1}, {"at_s": to_s, "replicas": 0}]
    return NIGHT_AND_DAY | {"schedule": sorted(steps, key=lambda s: s["at_s"])} | more


@pytest.mark.parametrize(
    ("steps", "has_s"),
    [
        (by_day(2.0, 4.0), 2),
        (by_day(2.25, 2.75), 0),  # between two decisions
        (by_day(17.5, 19.5), 2),  # from the decision at 18 s to that at 20 s
    ],
)
def test_steps_shorter_than_a_start_are_refused(tmp_path, steps, has_s):
    """Requests would wait for ever, and the run would not end."""
    with pytest.raises(ScenarioError, match=f"replicas have {has_s} s at most and a start takes 3 s"):
        parse(scaled(tmp_path, [0.0], **steps))


@pytest.mark.parametrize(
    "steps",
    [
        by_day(0.0, 2.0),  # who is up as the run begins
        by_day(2.0, 4.0, initial_replicas=1),
        by_day(2.0, 3.0, period_s=1.5),  # at different times each day
        by_day(2.0, 4.0, min_replicas=1),
    ],
)
def test_short_steps_where_somebody_may_be_served(tmp_path, steps):
    parse(scaled(tmp_path, [0.0], **steps))


def test_short_steps_beside_a_pool_that_is_up(tmp_path):
    data = scaled(tmp_path, [0.0], **by_day(2.0, 4.0))
    pool = {k: v for k, v in data["models"][0].items() if k not in ("name", "satisfaction")}
    data["models"] = [{k: data["models"][0][k] for k in ("name", "satisfaction")}]
    name = data["models"][0]["name"]
    up = {k: v for k, v in pool.items() if k != "autoscale"}
    parse(data | {"pools": [{"model": name, **pool}, {"model": name, **up}]})
    with pytest.raises(ScenarioError, match=f"pool {name}-2: autoscale"):
        parse(data | {"pools": [{"model": name, **pool}, {"model": name, **pool}]})


@pytest.mark.parametrize(
    ("steps", "start_s"), [(by_day(2.0, 4.5), 25.0), (by_day(19.5, 2.5), 23.0), (by_day(2.0, 5.0, period_s=1.5), 25.5)]
)
def test_steps_as_long_as_a_start_serve(engine, tmp_path, steps, start_s):
    r = run(scaled(tmp_path, [0.0, 19.0], **steps), engine)
    assert r.records.start_s[-1] == start_s


@pytest.mark.parametrize("key", ["period_s", "zero_after_s", "up_most_factor"])
def test_a_rule_takes_what_the_description_of_a_key_says(key):
    """It ends in "none:" and each rule with its number, as "target 15, concurrency 2"."""
    for part in Autoscale.model_fields[key].description.split("none: ")[1].split(", "):
        *rules, number = part.replace(" and ", " ").split()
        for rule in rules:
            more = {"schedule": [{"at_s": 0.0, "replicas": 1}]} if rule == "schedule" else {}
            assert getattr(Autoscale(rule=rule, **more), key) == float(number)


@pytest.mark.parametrize("rule", ["target", "saturation", "concurrency"])
def test_what_is_stated_is_kept_whatever_the_rule_would_take(rule):
    stated = {"period_s": 7.0, "zero_after_s": 0.0, "up_most_factor": 3.0}
    assert stated.items() <= Autoscale(rule=rule, **stated).model_dump().items()


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        (
            {"failures": {"mtbf_s": 100.0}},
            "models.0.autoscale: with cluster.failures.mtbf_s; expected only one of them",
        ),
        ({"failures": {"schedule": [{"pool": "only", "at_s": 1.0, "for_s": 1.0}]}}, "'only': has autoscale"),
    ],
)
def test_replicas_that_come_and_go_do_not_fail(tmp_path, cluster, message):
    with pytest.raises(ScenarioError) as caught:
        parse(scaled(tmp_path, [0.0], rule="target", more={"cluster": cluster}))
    assert message in str(caught.value)


def test_outages_are_of_pools_that_keep_their_size(tmp_path):
    models = [model("still", replicas=2), model("comes", autoscale={"rule": "target", "target": 2.0})]
    outages = [{"pool": pool, "at_s": at_s, "for_s": 1.0} for at_s, pool in enumerate(("still", "comes", "comes"))]
    with pytest.raises(ScenarioError) as caught:
        parse(scenario(models=models, cluster={"failures": {"schedule": outages}}))
    refused = [f"cluster.failures.schedule.{i}.pool" for i in range(3) if f"schedule.{i}.pool" in str(caught.value)]
    assert refused == ["cluster.failures.schedule.1.pool", "cluster.failures.schedule.2.pool"]
    assert parse(scenario(models=models, cluster={"failures": {"schedule": outages[:1]}}))


@pytest.mark.parametrize(("at_s", "fits"), [(99.9, True), (100.0, False)])
def test_a_schedule_lies_within_its_day(at_s, fits):
    def scheduled():
        return Autoscale(rule="schedule", day_s=100.0, schedule=[{"at_s": at_s, "replicas": 1}])

    if fits:
        assert scheduled().schedule[0].at_s == at_s
    else:
        with pytest.raises(ScenarioError, match="schedule: at_s = 100 is not within day_s = 100"):
            scheduled()
