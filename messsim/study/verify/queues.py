"""Scenarios in which the batching server is a queue that theory knows: honest parameters, no special code.

A replica with `max_num_seqs` = 1 whose iterations all last `a0_s` serves one request at a time, for as many
iterations as its answer has tokens. With geometric answers of mean m that is memoryless up to steps of 1/m of a
service: the formula of M/M/1 is off by 1/(2 m). Unless said otherwise a mean service is 1 second and m is 10,000.
"""

from typing import Any

from messsim.scenario import Scenario, parse
from messsim.scenario.fleet import Coefficients, Host
from messsim.scenario.toml import Table

__all__ = ["EXPONENTIAL", "SERVICE_S", "TOKENS", "cluster_of", "exponential", "queue", "slower"]

TOKENS = 10_000  # m: the mean answer
SERVICE_S = 1.0
POWER_W = 400.0
IDLE_W = 50.0


def exponential(tokens: float) -> Table:
    """The law of answers that makes service memoryless, up to steps of 1 / tokens."""
    return {"kind": "geometric", "mean": float(tokens)}


EXPONENTIAL = exponential(TOKENS)


def queue(
    name: str,
    arrivals: Table | float,
    output: Table | int = EXPONENTIAL,
    *,
    tokens: float = TOKENS,
    prompt: Table | int = 1,
    servers: int = 1,
    dispatch: str = "shared_queue",
    max_waiting: int | None = None,
    clients: Table | None = None,
    router: Table | None = None,
    tables: Table | None = None,
    **serving: Any,
) -> Scenario:
    """Servers of one model in front of one stream of requests.

    Parameters
    ----------
    name
        Of the scenario.
    arrivals
        The table, or a rate of Poisson arrivals in requests per second.
    output, tokens
        Law of answer tokens and its mean: a mean service of one second.
    servers
        Replicas, each of one place.
    clients
        Their patience and retries; none: they wait as long as it takes.
    router
        How long its decisions take; none: no time.
    tables
        Other tables of the scenario.
    serving
        Keys of the pool in place of these.
    """
    pool = {
        "coefficients": {"a0_s": SERVICE_S / tokens, "p0_w_per_gpu": POWER_W, "p_idle_w_per_gpu": IDLE_W},
        "max_num_seqs": 1,
        "replicas": servers,
    }
    admission = {} if max_waiting is None else {"admission": {"max_waiting": max_waiting}}
    waits = {} if clients is None else {"clients": clients, "feedback": {"delay": 0}}
    data = arrivals if isinstance(arrivals, dict) else {"kind": "poisson", "rate_rps": arrivals}
    return cluster_of(
        name,
        [{"name": "server", "satisfaction": 0.5} | pool | serving],
        arrivals=data,
        tokens={"prompt": prompt, "output": output},
        cluster={"dispatch": dispatch} | admission,
        router={"policy": "largest"} | (router or {}),
        features={"kind": "none"},
        **waits,
        **(tables or {}),
    )


def cluster_of(name: str, models: list[Table], **tables: Any) -> Scenario:
    """A scenario of these models; how many requests come is decided later."""
    data = {"sla": {"alpha": 0.5}, "satisfaction": {"kind": "irt"}}
    return parse({"name": name, "requests": 1, "models": models} | data | tables)


def slower(scenario: Scenario, factor: float) -> Scenario:
    """The same scenario with every time of every server and of the router multiplied: what a verification must notice.

    All servers must be given by coefficients.
    """
    models = []
    for model in scenario.models:
        assert model.coefficients is not None, f"{scenario.name}: {model.name} has no coefficients to multiply"
        c = model.coefficients
        times: dict[str, object] = _times(c, factor) | {"host": c.host.model_copy(update=_times(c.host, factor))}
        if c.knots is not None:
            times["knots"] = [(tokens, seconds * factor) for tokens, seconds in c.knots]
        models.append(model.model_copy(update={"coefficients": c.model_copy(update=times)}))
    router, law = scenario.router, scenario.router.decision_s
    if law is not None:
        router = router.model_copy(update={"decision_s": law.model_copy(update={"mean_s": law.mean_s * factor})})
    return scenario.changed(models=models, router=router)


def _times(part: Coefficients | Host, factor: float) -> dict[str, object]:
    """The times of a part, multiplied."""
    return {name: value * factor for name, value in part if name.split("_")[1:2] == ["s"]}
