"""What is verified: scenarios, what theory says of them, and how far off a scenario is from its theory."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from messsim.engines import prepare
from messsim.engines.capacity import saturation_rps
from messsim.results.histogram import LogHistogram
from messsim.scenario import Scenario
from messsim.scenario.toml import Table

from . import measures as seen
from . import theory
from .measures import Figure, Observed
from .queues import IDLE_W, POWER_W, SERVICE_S, TOKENS, cluster_of, exponential, queue

__all__ = ["Case", "Experiment", "experiments"]

Measure = Callable[[Observed], float]

WAIT, RESPONSE = Figure("latency_s.queueing.mean"), Figure("latency_s.e2e.mean")
STEP = 1.0 / TOKENS  # relative: twice what time in steps of a token changes in a wait
ROUNDING = 1e-9  # relative: of sums in another order
TWO_SIZES = {"kind": "empirical", "tokens": [2_000, 42_000], "weights": [0.8, 0.2]}  # mean 10,000
TWO_SIZES_SCV = (0.8 * 2_000**2 + 0.2 * 42_000**2) / 10_000**2 - 1.0


@dataclass(frozen=True)
class Case:
    """One figure of a run with what it should be.

    Attributes
    ----------
    name
        The queue, and the figure.
    measure
        Reads the figure off a run.
    theory
        What it is in the long run; or reads off the same run what it must equal.
    unit
        Of both.
    bias
        How far a run of any length may be from it, relative to theory: steps of a token, bins of a histogram.
    timing
        Whether slower servers change the figure.
    """

    name: str
    measure: Measure
    theory: float | Measure
    unit: str = "s"
    bias: float = 0.0
    timing: bool = True


@dataclass(frozen=True)
class Experiment:
    """A scenario and the figures that are read off it.

    Attributes
    ----------
    requests
        Of one replication of a verification of full size.
    columns
        Of the records, that its cases read.
    """

    scenario: Scenario
    requests: int
    cases: tuple[Case, ...]
    columns: tuple[str, ...] = ()


def experiments() -> list[Experiment]:
    """All of them."""
    return [
        *_one_server(),
        *_several_servers(),
        *_limited(),
        *_batching(),
        *_identities(),
        *_impatient(),
        *_router_workers(),
        *_urgent(),
        *_cached(),
        *_setups(),
    ]


def _one_server() -> Iterator[Experiment]:
    rho = 0.7
    yield Experiment(
        queue("M/M/1", rho),
        480_000,
        (
            Case("M/M/1, wait", WAIT, theory.mg1_wait_s(rho, SERVICE_S, 1.0), bias=STEP),
            Case(
                "M/M/1, 95 % of responses",
                Figure("latency_s.e2e.p95"),
                theory.mm1_response_quantile_s(rho, SERVICE_S, 0.95),
                bias=STEP + LogHistogram.RELATIVE_ERROR,
            ),
            Case("M/M/1, utilisation", Figure("pools.server.utilization"), rho, ""),
            Case(
                "M/M/1, energy of a request",
                seen.joules_per_request,
                POWER_W * SERVICE_S + IDLE_W * (1.0 - rho) / rho,
                "J",
            ),
        ),
    )
    yield Experiment(
        queue("M/Geom/1", 0.6, exponential(8), tokens=8),
        300_000,
        (Case("M/Geom/1 in 8 steps, wait", WAIT, theory.mg1_wait_s(0.6, SERVICE_S, 1.0 - 1.0 / 8)),),
    )
    yield Experiment(
        queue("M/D/1", 0.6, TOKENS),
        160_000,
        (Case("M/D/1, wait", WAIT, theory.mg1_wait_s(0.6, SERVICE_S, 0.0)),),
    )
    yield Experiment(
        queue("M/G/1", 0.6, TWO_SIZES),
        380_000,
        (Case("M/G/1 of two sizes, wait", WAIT, theory.mg1_wait_s(0.6, SERVICE_S, TWO_SIZES_SCV)),),
    )
    yield _one_at_a_time()
    yield Experiment(
        queue("G/M/1", {"kind": "gamma", "rate_rps": 0.5, "cv": 2.0}),
        330_000,
        (Case("G/M/1, gamma gaps, wait", WAIT, theory.gamma_m1_wait_s(0.5, 2.0, SERVICE_S), bias=STEP),),
    )
    yield Experiment(
        queue("departures", rho),
        35_000,
        (
            Case(
                "M/M/1, gaps of departures, SCV",
                seen.gaps_scv,
                theory.departures_scv(rho, 1.0 - STEP),
                "",
                timing=False,
            ),
        ),
        columns=("finish_s",),
    )


def _one_at_a_time() -> Experiment:
    """A real model with its measured timing, one request at a time: M/G/1 with the moments of that timing."""
    prompts, outputs = [200, 1_500], [20, 150, 700]
    prompt = {"kind": "empirical", "tokens": prompts}
    output = {"kind": "empirical", "tokens": outputs, "weights": [2.0, 3.0, 1.0]}
    profiled = queue("M/G/1, profile", 1.0, output, prompt=prompt, **_profile("Llama-3.1-8B", "H100"))
    c = prepare(profiled).pools[0].coefficients
    services = np.array([[_service_s(c, p, o) for o in outputs] for p in prompts])
    weights = np.outer([0.5, 0.5], [2 / 6, 3 / 6, 1 / 6])
    mean, square = float((weights * services).sum()), float((weights * services**2).sum())
    rho = 0.6
    scenario = profiled.changed(arrivals=profiled.arrivals.model_copy(update={"rate_rps": rho / mean}))
    wait_s = theory.mg1_wait_s(rho, mean, square / mean**2 - 1.0)
    return Experiment(scenario, 350_000, (Case("M/G/1, Llama-3.1-8B one at a time, wait", WAIT, wait_s),))


def _service_s(c: Mapping[str, Any], prompt: int, output: int) -> float:
    """Seconds of a request alone on a model with knots: its prompt in one chunk, then a token an iteration."""
    knots_at, knots_s = np.array(c["knots"]).T
    host_s = c["host_s"] + c["host_s_per_sequence"]
    cached = np.arange(prompt, prompt + output - 1)  # before each decode iteration
    decode_s = np.interp(1, knots_at, knots_s) + c["ab_s_per_sequence"] + c["ak_s_per_token"] * cached
    prefill_s = np.interp(prompt, knots_at, knots_s) + c["a1_s"] + c["aq_s_per_token2"] * prompt**2 / 2.0
    gpu_s = np.append(decode_s, prefill_s)
    assert c["host_kind"] == "overlap"
    return float(np.sum(c["after_s"] + np.maximum(gpu_s, host_s)))


def _profile(name: str, gpu: str) -> Table:
    """A built-in profile as coefficients of one's own, which `slower` can multiply."""
    probe = cluster_of("profile", [{"name": name, "satisfaction": 0.5, "profile": name, "gpu": gpu}], arrivals=_ONE)
    plan = prepare(probe).pools[0]
    names = {"p0_w": "p0_w_per_gpu", "p_cap_w": "p_cap_w_per_gpu", "p_idle_w": "p_idle_w_per_gpu"}
    names |= {"ek_j_per_token": "ek_j_per_cached_token"}
    host = {"host_kind": "kind", "host_s": "h0_s", "host_s_per_sequence": "h1_s_per_sequence", "after_s": "after_s"}
    figures: Table = {names.get(k, k): v for k, v in plan.coefficients.items() if k not in {*host, "spared_w"}}
    figures |= {"experts": int(figures["experts"]), "top_k": int(figures["top_k"])}
    figures["knots"] = [list(knot) for knot in figures["knots"]]
    figures["host"] = {key: plan.coefficients[name] for name, key in host.items()}
    return {"coefficients": figures, "kv_capacity_tokens": plan.kv_capacity_tokens}


_ONE = {"kind": "poisson", "rate_rps": 1.0}


def _several_servers() -> Iterator[Experiment]:
    for servers, rho, requests in ((2, 0.6, 480_000), (16, 0.9, 620_000)):
        name, offered = f"M/M/{servers}", servers * rho
        wait_s = theory.mmc_wait_s(servers, offered, SERVICE_S)
        mean = Case(f"{name}, wait", WAIT, wait_s, bias=STEP)
        if servers == 16:  # where few wait, the mean of those that do varies too much to be known to 1 %
            mean = Case(f"{name}, response", RESPONSE, wait_s + SERVICE_S, bias=STEP)
        share = Case(f"{name}, share that waits (Erlang C)", seen.waited, theory.erlang_c(servers, offered), "", STEP)
        yield Experiment(
            queue(name, offered, servers=servers), requests, (mean, share), columns=("arrival_s", "start_s")
        )
    yield Experiment(
        queue("shorter queue", 1.2, servers=2, dispatch="least_loaded"),
        360_000,
        (Case("shorter of two queues, wait", WAIT, theory.shortest_of_two_wait_s(0.6, SERVICE_S), bias=STEP),),
    )
    yield Experiment(
        queue("turns", 1.2, servers=2, dispatch="round_robin"),
        320_000,
        (Case("two queues in turn (E2/M/1), wait", WAIT, theory.gamma_m1_wait_s(0.6, 0.5**0.5, SERVICE_S), bias=STEP),),
    )


def _setups() -> Iterator[Experiment]:
    """Replicas that go off when idle, and take an exponential time to start: decisions come every hundredth of it."""
    servers, offered, setup_s = 4, 2.0, 2.0
    nothing = {
        "fixed_s": {"kind": "exponential", "mean_s": setup_s},
        "weights_gb": 0.0,
        "compile_s": 0.0,
        "init_s": 0.0,
    }
    autoscale = {
        "rule": "target",
        "target": 1.0,
        "tolerance": 0.0,
        "min_replicas": 0,
        "period_s": setup_s / 100.0,
        "down_window_s": 0.0,
        "up_most_replicas": servers,
        "zero_after_s": 0.0,
        "cold_start": nothing,
    }
    response_s = theory.mmc_setup_response_s(servers, offered, SERVICE_S, setup_s)
    yield Experiment(
        queue("M/M/4 with setups", offered, servers=servers, autoscale=autoscale),
        300_000,
        (Case("M/M/4 with setup times, response", RESPONSE, response_s, bias=0.01),),
    )


def _limited() -> Iterator[Experiment]:
    blocked, wait_s = theory.mmck(4, 12, 4.0, SERVICE_S)
    yield Experiment(
        queue("M/M/4/12", 4.0, servers=4, max_waiting=8),
        500_000,
        (
            Case("M/M/4/12, turned away", seen.blocked, blocked, "", bias=STEP),
            Case("M/M/4/12, wait", WAIT, wait_s, bias=STEP),
        ),
    )
    yield Experiment(
        queue("M/G/16/16", 14.0, TWO_SIZES, servers=16, max_waiting=0),
        520_000,
        (Case("M/G/16/16, turned away (Erlang B)", seen.blocked, theory.erlang_b(16, 14.0), ""),),
    )
    clients = {"kind": "closed", "clients": 12, "think_s": 4.0, "think": "exponential"}
    yield Experiment(
        queue("machine repair", clients, servers=2),
        60_000,
        (
            Case(
                "M/M/2//12, response (machine repair)",
                RESPONSE,
                theory.machine_repair_response_s(2, 12, 4.0, SERVICE_S),
                bias=STEP,
            ),
        ),
    )


def _batching() -> Iterator[Experiment]:
    shared = {"a0_s": 1e-12, "ab_s_per_sequence": SERVICE_S / TOKENS}
    yield Experiment(
        queue("processor sharing", 0.6, TWO_SIZES, coefficients=shared, max_num_seqs=256),
        300_000,
        (Case("M/G/1 shared by all, response", RESPONSE, theory.ps_response_s(0.6, SERVICE_S), bias=5 * STEP),),
    )
    linear = {
        "a0_s": 0.01,
        "c1_s_per_token": 2e-5,
        "ab_s_per_sequence": 1e-4,
        "ak_s_per_token": 1e-6,
        "aq_s_per_token2": 1e-8,
    }
    yield _saturated("batching server, saturation", 0.001, {"coefficients": linear})
    yield _saturated("Llama-3.1-8B, saturation", 0.01, _profile("Llama-3.1-8B", "H100"))


def _saturated(name: str, bias: float, serving: Table) -> Experiment:
    """A server at which more clients ask than it has places for."""
    prompt, output = 300, exponential(60)
    limits: Table = {"max_num_seqs": 64, "max_batched_tokens": 4_096}
    clients = {"kind": "closed", "clients": 192}
    scenario = queue(name, clients, output, prompt=prompt, **limits, **serving)
    setup = prepare(scenario)
    squares = {"output_square": setup.workload.mean_square_output_tokens(0)}
    rate = saturation_rps(setup.pools[0], prompt, setup.workload.mean_output_tokens(0), **squares)
    case = Case(f"{name}, completions", seen.completions_per_s, rate, "1/s", bias=bias)
    return Experiment(scenario, 16_000, (case,), columns=("finish_s",))


def _identities() -> Iterator[Experiment]:
    names = ["Llama-3.2-3B", "Llama-3.1-8B", "Qwen2.5-14B"]
    yield Experiment(
        _cluster("pools", names, policy="random"),
        10_000,
        tuple(
            Case(f"Little's law, pool of {n}", seen.SeenByArrivals(k), seen.ArrivalsTimesStay(k), "", timing=False)
            for k, n in enumerate(names)
        ),
        columns=("model", "arrival_s", "finish_s"),
    )
    mishaps = {"admission": {"max_waiting": 40}, "failures": {"mtbf_s": 400.0, "mttr_s": 60.0}}
    yield Experiment(
        _cluster("everything", names, policy="mess+", **mishaps),
        4_000,
        (Case("energy, meter = shares + idle", seen.paid_and_idle_j, seen.metered_j, "J", ROUNDING, False),),
        columns=("energy_j",),
    )
    yield Experiment(
        _cluster("no copies", names, policy="cheapest", failures={"mtbf_s": 400.0, "mttr_s": 60.0}),
        4_000,
        (Case("Little's law, event loop = records", seen.mean_in_system, seen.mean_stay_sum, "", ROUNDING, False),),
        columns=("status", "arrival_s", "finish_s"),
    )


def _impatient() -> Iterator[Experiment]:
    """Clients who give up, after a time that varies or is fixed, and who ask again."""
    waits = {"patience_s": {"kind": "exponential", "mean_s": 2.0}, "until": "first_token"}
    waits_served, waits_so_long = waits | {"until": "answer"}, waits | {"patience_s": 2.0}
    for name, servers, offered, clients, share in (
        ("M/M/4+M, gives up waiting (Palm)", 4, 4.0, waits, theory.gave_up(4, 4.0, SERVICE_S, 2.0, False)),
        ("M/M/1+M, gives up waiting or served", 1, 0.9, waits_served, theory.gave_up(1, 0.9, SERVICE_S, 2.0, True)),
        ("M/M/1+D, gives up waiting", 1, 0.9, waits_so_long, theory.gave_up_after(0.9, SERVICE_S, 2.0)),
    ):
        case = Case(name, seen.gave_up, share, "", STEP)
        yield Experiment(queue(name.split(",")[0], offered, servers=servers, clients=clients), 100_000, (case,))
    again = {"retries": 100, "backoff_s": {"kind": "exponential", "mean_s": 2.0}, "backoff_growth": 1.0}
    asked = theory.retrial_attempts(0.5, SERVICE_S, 2.0)
    yield Experiment(
        queue("retrials", 0.5, max_waiting=0, clients=again),
        100_000,
        (
            Case("M/M/1/1 with retrials, attempts", seen.attempts, asked, "", STEP),
            Case("M/M/1/1 with retrials, wait", WAIT, theory.retrial_wait_s(0.5, SERVICE_S, 2.0), bias=STEP),
        ),
    )


def _router_workers() -> Iterator[Experiment]:
    """Decisions that take time are served as requests are: a queue of their own in front of servers that take none."""
    workers, offered = 2, 1.2
    router = {"decision_s": {"kind": "exponential", "mean_s": SERVICE_S}, "workers": workers}
    at_once = {"a0_s": 1e-9}
    yield Experiment(
        queue("router", offered, 1, router=router, coefficients=at_once),
        480_000,
        (
            Case(
                "router of 2 workers, wait (M/M/2)",
                Figure("router.wait_s"),
                theory.mmc_wait_s(workers, offered, SERVICE_S),
            ),
        ),
    )


def _urgent() -> Iterator[Experiment]:
    """Two tenants at one server, one of whom goes first: it interrupts the other, or is next.

    For the former a server has two places and memory of three blocks; a prompt fills one. Whoever decodes holds two, so
    that a newcomer comes in, and in the next iteration the less urgent one of both is preempted; what it has generated
    is computed again by the iteration that gives its next token. A newcomer's first token comes for nothing: a step.
    """
    loads = [0.3, 0.3]
    table: Table = {"tables": {"tenants": [{"name": f"{k}", "share": x, "priority": k} for k, x in enumerate(loads)]}}
    block = 65 * TOKENS  # no answer is as long
    memory: Table = {"max_num_seqs": 2, "kv_block_tokens": block, "kv_capacity_tokens": 3 * block}
    memory |= {"max_batched_tokens": 6 * block, "prompt": block}
    for name, what, more, to, theories, bias in (
        ("interrupted", "preemptive priority, class", memory, "finish_s", theory.mm1_priority_response_s, 3.0 * STEP),
        ("next", "priority, wait of class", {}, "start_s", theory.mm1_priority_wait_s, STEP),
    ):
        cases = tuple(
            Case(f"M/M/1, {what} {k}", seen.OfTenant(k, to), seconds, bias=bias)
            for k, seconds in enumerate(theories(loads, SERVICE_S))
        )
        scenario = queue(name, sum(loads), order="priority", **more, **table)
        yield Experiment(scenario, 480_000, cases, columns=("tenant", "arrival_s", to))


def _cached() -> Iterator[Experiment]:
    """System prompts of one block, by Zipf's law; one request at a time, which takes a block of its own."""
    groups, exponent, places, block = 1_000, 0.8, 100, 16
    memory: Table = {"kv_block_tokens": block, "kv_capacity_tokens": (places + 1) * block, "prefix_cache": True}
    prefixes = {"groups": groups, "exponent": exponent, "tokens": block}
    share = theory.cached_share(groups, exponent, places) * block / (block + 1)
    yield Experiment(
        queue("cache", 0.5, 2, tokens=2, tables={"prefixes": prefixes}, **memory),
        60_000,
        (Case("cache of 100 of 1,000 prompts, hit rate (Che)", seen.hit_rate, share, "", 8e-4, False),),
        columns=("prompt_tokens", "cached_prompt_tokens"),
    )


def _cluster(name: str, profiles: list[str], policy: str, **mishaps: Any) -> Scenario:
    """Three batching pools under a router."""
    models = [{"name": n, "satisfaction": 0.5 + 0.1 * k} | _profile(n, "H100") for k, n in enumerate(profiles)]
    return cluster_of(
        name,
        [m | {"replicas": 2} for m in models],
        arrivals={"kind": "poisson", "rate_rps": 20.0},
        tokens={"prompt": {"kind": "lognormal", "mean": 500.0, "cv": 1.0, "max": 8_000}, "output": exponential(150)},
        cluster=mishaps,
        router={"policy": policy},
    )
