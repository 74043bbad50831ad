"""Runs that pages and charts are drawn of: small, with everything that a page may have to show."""

from pathlib import Path
from typing import Any

from builders import model, scenario

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
