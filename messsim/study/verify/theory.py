"""Queueing theory: what a queue does in the long run, from its rates alone.

Formulas with servers are in Kendall's notation (arrivals / service / servers / places // customers). Loads are offered:
`offered` = arrival rate x mean service time, in erlangs. All are exact but for rounding; nothing here knows messsim.
"""

import math
from collections.abc import Callable
from itertools import accumulate, pairwise

__all__ = [
    "cached_share",
    "departures_scv",
    "erlang_b",
    "erlang_c",
    "gamma_m1_wait_s",
    "gave_up",
    "gave_up_after",
    "machine_repair_response_s",
    "mg1_wait_s",
    "mm1_priority_response_s",
    "mm1_priority_wait_s",
    "mm1_response_quantile_s",
    "mmc_setup_response_s",
    "mmc_wait_s",
    "mmck",
    "ps_response_s",
    "retrial_attempts",
    "retrial_wait_s",
    "shortest_of_two_wait_s",
]

_LONGEST_QUEUE = 1_000  # where the chain of an endless queue is cut


def erlang_b(servers: int, offered: float) -> float:
    """Share of arrivals turned away by M/G/c/c: Erlang's loss formula, by its recursion."""
    blocked = 1.0
    for k in range(1, servers + 1):
        blocked = offered * blocked / (k + offered * blocked)
    return blocked


def erlang_c(servers: int, offered: float) -> float:
    """Probability that an arrival of M/M/c waits; `offered` < `servers`."""
    blocked = erlang_b(servers, offered)
    return servers * blocked / (servers - offered * (1.0 - blocked))


def mmc_wait_s(servers: int, offered: float, service_s: float) -> float:
    """Mean wait of M/M/c in seconds."""
    return erlang_c(servers, offered) * service_s / (servers - offered)


def mmc_setup_response_s(servers: int, offered: float, service_s: float, setup_s: float, longest: int = 300) -> float:
    """Mean time in M/M/c/setup in seconds: servers go off when idle and take an exponential setup to come back.

    Whoever arrives while a server is off begins a setup; a setup goes on only while there are as many requests as
    servers that are on or in setup. Model and results: Gandhi, Doroudi, Harchol-Balter, Scheller-Wolf, "Exact analysis
    of the M/M/k/setup class of Markov chains via recursive renewal reward", SIGMETRICS 2013. Here its chain of (servers
    on, requests) is solved as it is, cut at `longest` requests.
    """
    flows: list[tuple[tuple[int, int], tuple[int, int], float]] = []
    for n in range(longest + 1):
        for on in range(min(n, servers) + 1):
            here = (on, n)
            if n < longest:
                flows.append((here, (on, n + 1), offered / service_s))
            if on:
                flows.append((here, (min(on, n - 1), n - 1), on / service_s))
            if (setups := min(n, servers) - on) > 0:
                flows.append((here, (on + 1, n), setups / setup_s))
    probability = _stationary(flows)
    return sum(n * p for (_, n), p in probability.items()) * service_s / offered


def mg1_wait_s(rho: float, service_s: float, scv: float) -> float:
    """Mean wait of M/G/1 in seconds (Pollaczek and Khinchine); `scv` = variance of service over its squared mean."""
    return rho / (1.0 - rho) * (1.0 + scv) / 2.0 * service_s


def mm1_response_quantile_s(rho: float, service_s: float, share: float) -> float:
    """Quantile of the time in M/M/1 in seconds: it is exponential with mean service / (1 - rho)."""
    return -math.log1p(-share) * service_s / (1.0 - rho)


def mm1_priority_response_s(loads: list[float], service_s: float) -> list[float]:
    """Mean time of each class in M/M/1 in seconds, where whoever is more urgent interrupts the others (resumed later).

    `loads` of the classes, the most urgent first, which all have the same mean service: s / ((1 - a)(1 - b)), with the
    loads of those before (a) and of those up to the class (b). Kleinrock, Queueing Systems II, section 3.6.
    """
    up_to = [0.0, *accumulate(loads)]
    return [service_s / ((1.0 - a) * (1.0 - b)) for a, b in pairwise(up_to)]


def mm1_priority_wait_s(loads: list[float], service_s: float) -> list[float]:
    """The same where nobody is interrupted, but the most urgent one goes next: the mean waits (Cobham)."""
    up_to = [0.0, *accumulate(loads)]
    return [up_to[-1] * service_s / ((1.0 - a) * (1.0 - b)) for a, b in pairwise(up_to)]


def cached_share(items: int, exponent: float, places: int) -> float:
    """Share of requests whose item is among the `places` used last, items being chosen by Zipf's law independently.

    The characteristic-time approximation: an item is there if it was asked for within the time t in which `places`
    different ones are, taken as fixed. Che, Tung and Wang 2002; its error vanishes as places grow (Fricker, Robert and
    Roberts 2012).
    """
    weights = [k**-exponent for k in range(1, items + 1)]
    shares = [w / math.fsum(weights) for w in weights]
    t = _root(lambda x: places - math.fsum(-math.expm1(-q * x) for q in shares), 0.0, 1e9 * items)
    return math.fsum(q * -math.expm1(-q * t) for q in shares)


def departures_scv(rho: float, scv: float) -> float:
    """Squared coefficient of variation of the gaps between departures of M/G/1: 1 for M/M/1 (Burke).

    A gap is a service, and before it, with probability 1 - rho, an idle time that is exponential.
    """
    return 1.0 + rho**2 * (scv - 1.0)


def ps_response_s(rho: float, service_s: float) -> float:
    """Mean time in M/G/1 under processor sharing, in seconds, whatever the law of service."""
    return service_s / (1.0 - rho)


def mmck(servers: int, places: int, offered: float, service_s: float) -> tuple[float, float]:
    """M/M/c/K with `places` = K >= c, those in service included.

    Returns
    -------
    tuple of float
        Share of arrivals turned away, and the mean wait of the others in seconds.
    """
    shares = _birth_and_death([offered / min(k, servers) for k in range(1, places + 1)])
    blocked = shares[-1]
    waiting = math.fsum((k - servers) * p for k, p in enumerate(shares) if k > servers)
    return blocked, waiting * service_s / (offered * (1.0 - blocked))


def machine_repair_response_s(servers: int, clients: int, think_s: float, service_s: float) -> float:
    """Mean time from request to answer of M/M/c//N in seconds: clients who think, ask, wait and think again."""
    ratios = [(clients - k + 1) * service_s / (min(k, servers) * think_s) for k in range(1, clients + 1)]
    busy = math.fsum(min(k, servers) * p for k, p in enumerate(_birth_and_death(ratios)))
    return clients * service_s / busy - think_s


def gave_up(servers: int, offered: float, service_s: float, patience_s: float, served_too: bool) -> float:
    """Share of the customers of M/M/c who leave unserved, their patience exponential with this mean (Palm's M/M/c+M).

    Each who is impatient leaves at rate 1 / patience: those who wait, and with `served_too` those in service.
    """
    impatient = [k if served_too else max(k - servers, 0) for k in range(servers + _LONGEST_QUEUE)]
    ratios = [offered / (min(k, servers) + n * service_s / patience_s) for k, n in enumerate(impatient[1:], start=1)]
    mean = math.fsum(n * p for n, p in zip(impatient, _birth_and_death(ratios), strict=True))
    return mean * service_s / (patience_s * offered)


def gave_up_after(rho: float, service_s: float, patience_s: float) -> float:
    """Share of the customers of M/M/1 who leave unserved, each after waiting exactly so long (Barrer's M/M/1+D).

    The work that an arrival finds has an atom 1 - rho (1 - share) at 0 and above it the density of M/M/1 up to the
    patience; beyond it nobody joins, and the density falls as a service's does.
    """
    spare = 1.0 - rho
    beyond = math.exp(-spare * patience_s / service_s)  # times rho and the atom: the share
    below = rho * (patience_s / service_s if spare == 0.0 else (1.0 - beyond) / spare)
    return rho * beyond / (1.0 + below + rho * beyond)


def retrial_attempts(rho: float, service_s: float, pause_s: float) -> float:
    """Mean attempts of a customer of M/M/1/1 who, turned away, asks again after an exponential pause until served.

    On average rho^2 / (1 - rho) (1 + pause / service) customers pause (Falin and Templeton, Retrial Queues, ch. 1).
    """
    return 1.0 + rho / (1.0 - rho) * (1.0 + service_s / pause_s)


def retrial_wait_s(rho: float, service_s: float, pause_s: float) -> float:
    """Mean time in seconds from the first attempt of such a customer to service: the sum of the pauses."""
    return pause_s * (retrial_attempts(rho, service_s, pause_s) - 1.0)


def _birth_and_death(ratios: list[float]) -> list[float]:
    """Probabilities of 0, 1, ... in a birth-and-death chain: each is `ratio` times the one before it."""
    logs = [0.0, *accumulate(map(math.log, ratios))]
    weights = [math.exp(x - max(logs)) for x in logs]
    total = math.fsum(weights)
    return [w / total for w in weights]


def gamma_m1_wait_s(rho: float, cv: float, service_s: float) -> float:
    """Mean wait of G/M/1 in seconds, the gaps between arrivals gamma-distributed with coefficient of variation cv.

    An arrival finds k in the system with probability (1 - x) x^k, where x < 1 solves x = A(1 - x), A(z) being the
    Laplace transform of a gap at z / service.
    """
    shape = 1.0 / (cv * cv)

    def gap(z: float) -> float:
        return math.exp(-shape * math.log1p(z / (rho * shape)))

    root = _root(lambda x: gap(1.0 - x) - x, 0.0, 1.0 - 1e-9)
    return root / (1.0 - root) * service_s


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that is positive at `low` and negative at `high` is 0, by bisection."""
    for _ in range(200):
        middle = (low + high) / 2.0
        low, high = (middle, high) if function(middle) > 0.0 else (low, middle)
    return (low + high) / 2.0


def _stationary(flows: list[tuple[tuple[int, int], tuple[int, int], float]]) -> dict[tuple[int, int], float]:
    """Stationary probabilities of a chain, from the rates between its states: (from, to, rate)."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.linalg import spsolve

    index = {state: k for k, state in enumerate(sorted({state for flow in flows for state in flow[:2]}))}
    size = len(index)
    here = np.array([index[flow[0]] for flow in flows])
    there = np.array([index[flow[1]] for flow in flows])
    rate = np.array([flow[2] for flow in flows])
    rows, columns = np.concatenate([there, here]), np.concatenate([here, here])
    values = np.concatenate([rate, -rate])
    kept = rows > 0  # the balance of state 0 follows from the others; in its place: probabilities sum to 1
    rows = np.concatenate([rows[kept], np.zeros(size, int)])
    columns = np.concatenate([columns[kept], np.arange(size)])
    values = np.concatenate([values[kept], np.ones(size)])
    right = np.zeros(size)
    right[0] = 1.0
    solution = spsolve(coo_array((values, (rows, columns)), shape=(size, size)).tocsc(), right)
    return dict(zip(index, solution.tolist(), strict=True))


def shortest_of_two_wait_s(rho: float, service_s: float, longest: int = 200) -> float:
    """Mean wait in seconds of two exponential servers whose arrivals join the shorter queue (Poisson, load rho each).

    The chain of (longer, shorter) queue, those in service included, cut where the longer would pass `longest`: the
    shorter has k with probability falling as rho^(2k). An arrival waits for all of the shorter (Poisson arrivals
    see time averages).
    """
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.linalg import spsolve

    index = {(i, j): n for n, (i, j) in enumerate((i, j) for i in range(longest + 1) for j in range(i + 1))}
    flows: dict[tuple[int, int], float] = {}
    for (i, j), here in index.items():
        for to, rate in ((i, j + 1), 2.0 * rho), ((i - 1, j), 1.0), ((i, j - 1), 1.0):
            there = index.get((max(to), min(to)))
            if there is not None and min(to) >= 0:
                flows[there, here] = flows.get((there, here), 0.0) + rate
                flows[here, here] = flows.get((here, here), 0.0) - rate
    size = len(index)
    rows, columns = np.array(list(flows)).T
    kept = rows > 0  # the balance of state 0 follows from the others; in its place: probabilities sum to 1
    rows = np.concatenate([rows[kept], np.zeros(size, int)])
    columns = np.concatenate([columns[kept], np.arange(size)])
    values = np.concatenate([np.array(list(flows.values()))[kept], np.ones(size)])
    right = np.zeros(size)
    right[0] = 1.0
    probability = spsolve(coo_array((values, (rows, columns)), shape=(size, size)).tocsc(), right)
    shorter = np.array([j for _, j in index])
    return float(probability @ shorter) * service_s
