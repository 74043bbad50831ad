"""Runs that pages and charts are drawn of: small, with everything that a page may have to show; summaries by hand."""

import copy
import io
import re
from pathlib import Path
from typing import Any

from builders import model, scenario
from rich.console import Console

from messsim.results import Result
from messsim.scenario import parse
from messsim.study import run

EVIL = "<script>alert(1)</script>"


def eventful(**changes: Any) -> dict[str, Any]:
    """Two tenants, three models with names that mean something to Vega-Lite or HTML, a phase, and failures."""
    data: dict[str, Any] = {
        "name": EVIL,
        "requests": 600,
        "arrivals": {"kind": "poisson", "rate_rps": 4.0},
        "models": [
            model("small-3.1", 0.4, replicas=2),
            model("a[b]:'c\"", 0.6),
            model("request", 0.8, replicas=2),
        ],
        "tenants": [{"name": "time & <b>money</b>", "alpha": 0.6}, {"name": "basic", "share": 3, "alpha": 0.3}],
        "tokens": {"prompt": 1, "output": {"kind": "geometric", "mean": 4, "max": 30}},
        "phases": [{"name": f"harder {EVIL}", "from_request": 300, "difficulty": 0.5}],
        "cluster": {
            "failures": {
                "mtbf_s": 60.0,
                "mttr_s": 15.0,
                "schedule": [{"pool": "request", "replica": 1, "at_s": 30.0, "for_s": 20.0}],
            }
        },
    }
    return scenario(**(data | changes))


def made(data: dict[str, Any], out: Path | None = None) -> Result:
    """Runs it."""
    return run(parse(data), out=out)


# ---- summaries and text, without a run -----------------------------------------------------------------


def shown(renderable: Any, width: int = 200) -> str:
    """What a terminal of a width shows, without blanks at the ends of lines."""
    console = Console(width=width, file=io.StringIO())
    console.print(renderable)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def cells(renderable: Any, width: int = 200) -> list[list[str]]:
    """The rows that a table shows, cells being two blanks apart."""
    return [re.split(r"\s{2,}", line.strip()) for line in shown(renderable, width).splitlines() if line.strip()]


def merged(data: Any, changes: dict[str, Any]) -> Any:
    """A table with values replaced by dotted path: ``{"sla.kept": None}``."""
    data = copy.deepcopy(data)
    for path, value in changes.items():
        *tables, last = path.split(".")
        table = data
        for key in tables:
            table = table[key]
        table[last] = value
    return data


def tenant_by_hand(name: str = "all", **changes: Any) -> dict[str, Any]:
    """A tenant of a summary, 0.6 satisfied and 0.5 promised."""
    slo = {"attainment": None, "goodput_rps": None, "ttft_s": None, "tpot_s": None, "e2e_s": None}
    data = {"name": name, "answered": 990, "alpha": 0.5, "satisfaction": 0.6, "margin": 0.1, "certificate": 0.55}
    return merged(data | {"slo": slo, "latency_s": {"ttft": {"p95": 0.25}}}, changes)


# What routing can save, in J a request.
WORTH = {
    "unit": "J",
    "best_single": {"model": "70b", "per_request": 20.0},
    "static_mix": 15.0,
    "own_cost": 14.0,
    "features": 12.0,
    "clairvoyant": 10.0,
    "no_features": None,
    "can_save": 0.5,
    "features_save": 0.25,
    "own_cost_saves": 0.1,
    "dominated": [],
}


def summary_by_hand(**changes: Any) -> dict[str, Any]:
    """A summary of 1,000 requests to one tenant and two models, with numbers that are all different."""
    times = {"p50": 0.1, "p90": 0.2, "p95": 0.25, "p99": 0.3, "mean": 0.15}
    none = dict.fromkeys(times)
    data = {
        "scenario": "s",
        "engine": "compiled",
        "version": "1.2",
        "seed": 3,
        "replication": 0,
        "requests": dict.fromkeys(("rejected", "too_long", "lost", "timed_out", "in_flight"), 0)
        | {"arrived": 1000, "completed": 990, "rejected": 4, "timed_out": 6, "attempts": 1000, "explored": 50},
        "router": {"utilization": None, "decision_s": None, "wait_s": None},
        "transfers": {"begun": None, "transfer_s": None, "wait_s": None},
        "sla": {
            "alpha": 0.5,
            "satisfaction": 0.6,
            "kept": True,
            "certificate": 0.55,
            "rated": 980,
            "satisfaction_rated": 0.61,
            "time_to_compliance": 12,
            "windows": None,
            "queue_final": 1.5,
            "queue_max": 20.0,
            "queue_initial": 0.0,
        },
        "cost": {
            "unit": "J",
            "total": 12_000.0,
            "exploration": 500.0,
            "idle": 2_500.0,
            "lost": 0.0,
            "per_request": 12.5,
            "rent_usd_per_hour": None,
            "fixed": False,
            "oracle_per_request": 8.25,
            "ratio_to_oracle": 1.5,
            "usd_per_million_tokens": None,
        },
        "energy": {"j_per_output_token": 0.75, "measured": True},
        "slo": {"attainment": None, "goodput_rps": None},
        "throughput": {"duration_s": None, "requests_per_s": None, "output_tokens_per_s": None},
        "cache": {"hit_rate": None, "cached_prompt_tokens": None},
        "latency_s": {"ttft": times, "tpot": none, "e2e": times | {"p95": 2.5}, "queueing": none},
        "intervals": {"latency_s": None},
        "tenants": [tenant_by_hand()],
        "models": [
            model_by_hand("8b", answered=742, share=0.75),
            model_by_hand("70b", answered=248, share=0.25, satisfaction=0.8, cost_per_request=20.5),
        ],
        "pools": [
            {"model": name, "energy_measured": name == "8b", "gpus_per_replica": n, "replicas": 2, "mean_replicas": 2.0}
            for name, n in (("8b", 1), ("70b", 4))
        ],
        "performance": {"requests_per_s": 2_000_000.0, "wall_s": 0.5, "peak_rss_mib": 123.4},
    }
    return merged(data, changes)


def model_by_hand(name: str, **changes: Any) -> dict[str, Any]:
    """A model of a summary."""
    data = {"name": name, "answered": 1, "share": 1.0, "satisfaction": 0.5, "cost_per_request": 10.0}
    return data | {"energy_j": 5.0, "idle_energy_j": 1.0, "utilization": 0.4} | changes
