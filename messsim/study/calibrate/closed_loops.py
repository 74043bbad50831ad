"""Closed loops at one server, run again and again with other coefficients."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cached_property

from messsim.engines import Setup, prepare
from messsim.engines.cluster import with_coefficients
from messsim.results import LatencyMeans, Means, energy_of
from messsim.scenario import Scenario, parse
from messsim.scenario.fleet import Coefficients
from messsim.zoo.fitting import NO_CAP_W

from ..simulation.single import simulated
from .measured import MAX_BATCHED_TOKENS, MAX_NUM_SEQS, REQUESTS_A_CLIENT
from .measurements import ServedPoints
from .profile_file import not_tiny

__all__ = ["ClosedLoops"]


class ClosedLoops:
    """A closed loop for each point: the same clients and lengths, request by request where the file has them.

    With one model there is nothing to choose: requests and limits stay the same whatever the coefficients are, and
    each loop is prepared only once. Parameters are those of `PointFit`.
    """

    def __init__(
        self,
        points: ServedPoints,
        gpus: int,
        mixture: tuple[int, int],
        sets: list[str],
        server: Mapping[str, object],
    ) -> None:
        self._points = points
        self._gpus = gpus
        self._mixture = mixture
        self._sets = sets
        limits = {"max_num_seqs": MAX_NUM_SEQS, "max_batched_tokens": MAX_BATCHED_TOKENS}
        known = {k: v for k, v in server.items() if v is not None}
        self._server = known if "engine" in known else limits | known

    def means(self, figures: Mapping[str, float]) -> list[tuple[LatencyMeans, float | None, float, float]]:
        """Of each point mean latencies and joules per output token, bit for bit the summary's, tokens and the end, s.

        Tokens are those that the run put out.
        """
        models = self.scenario(0, figures).models  # checked, and with the overrides
        return [_means(self._with(setup, [m.coefficients for m in models])) for setup in self._prepared]

    def scenario(self, point: int, figures: Mapping[str, float]) -> Scenario:
        """The closed loop of one point."""
        coefficients: dict[str, object] = {n: not_tiny(v) for n, v in figures.items() if v < NO_CAP_W}
        coefficients["experts"], coefficients["top_k"] = self._mixture
        p = self._points
        requests, tokens = self._load(point)
        model = {"name": "server", "satisfaction": 0.5, "coefficients": coefficients, "tp": self._gpus, **self._server}
        data = {
            "requests": requests,
            "sla": {"alpha": 0.0},
            "arrivals": {"kind": "closed", "clients": p.clients[point]},
            "tokens": tokens,
            "satisfaction": {"kind": "irt"},
            "features": {"kind": "none"},
            "router": {"policy": "cheapest"},
            "models": [model],
        }
        return parse(data, self._sets)

    def _load(self, point: int) -> tuple[int, dict[str, object]]:
        """How many requests, and their lengths: those of the run in its order, else all alike."""
        p = self._points
        if (lengths := p.lengths_of(point)) is None:
            alike = {"prompt": p.prompt_tokens[point], "output": p.output_tokens[point]}
            return REQUESTS_A_CLIENT * p.clients[point], dict(alike)
        law = {"kind": "trace"}
        return len(lengths), {"file": self._files[point], "order": "file", "prompt": law, "output": law}

    @cached_property
    def _files(self) -> dict[int, str]:
        """Files of the lengths of points, by the point."""
        known = {point: self._points.lengths_of(point) for point in range(len(self._points))}
        return {point: str(lengths.file()) for point, lengths in known.items() if lengths is not None}

    @cached_property
    def _prepared(self) -> list[Setup]:
        """Of every point, with coefficients that stand for others."""
        return [prepare(self.scenario(point, {"a0_s": 1.0})) for point in range(len(self._points))]

    @staticmethod
    def _with(setup: Setup, coefficients: Sequence[Coefficients | None]) -> Setup:
        """The same loop with other coefficients of its models, its policy as it was before any run."""
        others = [(plan, coefficients[plan.model]) for plan in setup.pools]
        plans = [plan if own is None else with_coefficients(plan, own) for plan, own in others]
        return dataclasses.replace(setup, pools=plans, policy=setup.policy.copies(2)[1])


def _means(setup: Setup) -> tuple[LatencyMeans, float | None, float, float]:
    sums = Means(setup.scenario)
    outcome = simulated(setup, sums.add, None)
    sums.close()
    joules = energy_of(outcome, sums)["j_per_output_token"]
    return sums.latencies.means(), joules, float(sums.output_tokens), outcome.end_s
