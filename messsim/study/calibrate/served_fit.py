"""Fitting a profile to a server at fixed concurrencies: the simulator itself is the formula.

Every point is a closed loop of the same clients and lengths. Durations are fitted to the latencies; energy, which is
linear in P0, e and ek as long as no cap is reached, to the joules per token at the fitted durations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from messsim.workload.chunk import Floats
from messsim.zoo.fitting import DURATION, ENERGY, NO_CAP_W, Estimate, judged

from .closed_loops import ClosedLoops
from .measurements import ServedPoints

__all__ = ["OnFit", "PointFit"]

OnFit = Callable[[int, float], None]

STEP = 1e-3  # relative, of numerical slopes: a run changes in small jumps where its schedule does
TIED = 1e-3  # numerical slopes tell no less apart
LEAST_A0_S = 1e-7
MOST_STEPS = 30  # of a search: where readings disagree with the form, it may circle around a small jump
NSTAR_STARTS = (20.0, 100.0, 250.0)  # the search may get stuck where nstar passes what iterations have


class PointFit:
    """Fits to the points of one server.

    Parameters
    ----------
    points
        What was measured.
    gpus
        Of the replica.
    mixture
        Experts a layer, and experts a token uses; 0 for a dense model.
    base
        Where the search starts, if a profile is known that is like it.
    sets
        Overrides of every scenario.
    server
        Keys of the server beside its coefficients, such as "gpu" and "engine": an engine's own limits then hold.
    progress
        Told how many runs were made, and how far the last ones are from the readings on average, relative.
    """

    def __init__(
        self,
        points: ServedPoints,
        gpus: int,
        mixture: tuple[int, int],
        base: Mapping[str, float],
        sets: list[str],
        server: Mapping[str, object] | None = None,
        progress: OnFit | None = None,
    ) -> None:
        self.points = points
        self._mixture = mixture
        self._base = dict(base)
        self._loops = ClosedLoops(points, gpus, mixture, sets, server or {})
        self._progress, self._runs = progress, 0
        self._last_fit: dict[str, float] | None = None  # by the last search: a good start for the next

    def duration(self, given: Mapping[str, float]) -> tuple[dict[str, float], dict[str, Estimate]]:
        """Fits the duration of an iteration; parameters and returns are those of `zoo.fit_duration`."""
        starts = [start | dict(given) for start in self._starts()]
        starts = [start for i, start in enumerate(starts) if start not in starts[:i]]  # nstar may be given
        free = [n for n in DURATION if n not in given]
        if not free:
            return starts[0], {}
        figures, slopes, misfits = min(
            (self._search(free, start) for start in starts), key=lambda result: float(np.sum(result[2] ** 2))
        )
        self._last_fit = figures
        values = np.array([figures[n] for n in free])
        return figures, judged(free, values, slopes, np.ones(len(misfits)), misfits, tied=TIED)

    def _search(self, free: list[str], start: dict[str, float]) -> tuple[dict[str, float], Floats, Floats]:
        """The best fit near a start, with the relative slopes and misfits of its readings."""
        from scipy.optimize import least_squares

        readings = self.points.readings
        measured = np.concatenate(list(readings.values()))
        scale = np.array([max(start[n], self._floor(n)) for n in free])

        def figures_of(x: Floats) -> dict[str, float]:
            return start | dict(zip(free, map(float, x * scale), strict=True))

        def misfits(x: Floats) -> Floats:
            predicted = self.simulated(figures_of(x))
            misfit: Floats = np.concatenate([predicted[name] for name in readings]) / measured - 1.0
            self._runs += len(self.points)
            if self._progress is not None:
                self._progress(self._runs, float(np.mean(np.abs(misfit))))
            return misfit

        least = np.array([LEAST_A0_S if n == "a0_s" else 0.0 for n in free]) / scale
        x = np.maximum(np.array([start[n] for n in free]) / scale, least + STEP)
        solution = least_squares(
            misfits, x, bounds=(least, np.inf), diff_step=STEP, xtol=1e-6, ftol=1e-9, max_nfev=MOST_STEPS
        )
        return figures_of(solution.x), solution.jac / scale, solution.fun

    def energy(
        self, durations: Mapping[str, float], given: Mapping[str, float]
    ) -> tuple[dict[str, float], dict[str, Estimate]]:
        """Fits the energy at fitted durations; no cap."""
        from scipy.optimize import nnls

        assert self.points.j_per_token is not None
        measured = self.points.j_per_token
        columns = {n: self.simulated(durations, {n: 1.0})["j_per_token"] / measured for n in ENERGY[:3]}
        free = [n for n in ENERGY[:3] if n not in given]
        fixed = sum((given[n] * columns[n] for n in ENERGY[:3] if n in given), np.zeros(len(measured)))
        figures = dict.fromkeys(ENERGY, 0.0) | {"p_cap_w_per_gpu": NO_CAP_W} | dict(given)
        slopes = np.column_stack([columns[n] for n in free]) if free else np.empty((len(measured), 0))
        if free:
            size = np.maximum(np.linalg.norm(slopes, axis=0), 1e-300)
            solution, _ = nnls(slopes / size, 1.0 - fixed)
            figures |= dict(zip(free, map(float, solution / size), strict=True))
        values = np.array([figures[n] for n in free])
        estimates = judged(free, values, slopes, np.ones(len(measured)), slopes @ values + fixed - 1.0, tied=TIED)
        if "p_cap_w_per_gpu" not in given:
            estimates["p_cap_w_per_gpu"] = Estimate(None, None, "none", "means of a server do not show it")
        return figures, estimates

    def simulated(self, durations: Mapping[str, float], energy: Mapping[str, float] | None = None) -> dict[str, Floats]:
        """What the simulator says of every point: all readings, and `j_per_token`."""
        rows = []
        p, means = self.points, self._loops.means({**durations, **(energy or {})})
        for point, (latency, j_per_token, tokens, end_s) in enumerate(means):
            e2e = latency["e2e"]
            alike = p.clients[point] * p.output_tokens[point] / e2e if e2e else None
            tokens_per_s = alike if p.lengths_of(point) is None else tokens / end_s
            rows.append((latency["ttft"], latency["tpot"], e2e, tokens_per_s, j_per_token))
        names = ("ttft_s", "tpot_s", "e2e_s", "tokens_per_s", "j_per_token")
        return {
            name: np.array(column, dtype=np.float64)
            for name, column in zip(names, zip(*rows, strict=True), strict=True)
        }

    def _starts(self) -> list[dict[str, float]]:
        """What was found last, or the base's; without one, what whole answers suggest, for several nstar."""
        if self._last_fit is not None:
            return [self._last_fit]
        if self._base.keys() >= set(DURATION):
            return [{n: self._base[n] for n in DURATION}]
        from scipy.optimize import nnls

        p, r = self.points, self.points.readings
        clients, prompts, outputs = (
            np.array(c, dtype=np.float64) for c in (p.clients, p.prompt_tokens, p.output_tokens)
        )
        if "e2e_s" in r:
            whole = r["e2e_s"]
        elif "tpot_s" in r:
            whole = r["tpot_s"] * outputs
        else:
            whole = clients * outputs / r["tokens_per_s"] if "tokens_per_s" in r else r["ttft_s"] * outputs
        # an answer is as many iterations as it has tokens, and every client's prompt is prefilled meanwhile
        columns = {
            "a0_s": outputs,
            "ab_s_per_sequence": outputs * clients,
            "ak_s_per_token": outputs * clients * (prompts + outputs / 2),
            "c1_s_per_token": clients * prompts,
            "aq_s_per_token2": clients * prompts**2 / 2,
        }
        matrix = np.column_stack([c / whole for c in columns.values()])
        size = np.linalg.norm(matrix, axis=0)
        solution, _ = nnls(matrix / size, np.ones(len(whole)))
        start = dict.fromkeys(DURATION, 0.0) | dict(zip(columns, map(float, solution / size), strict=True))
        if self._mixture[0]:
            start |= {"ae_s": start["a0_s"] / 2, "a0_s": start["a0_s"] / 2, "se": 0.5}
        start |= {n: v for n, v in self._base.items() if n in DURATION}
        return [start | {"nstar_tokens": nstar} for nstar in NSTAR_STARTS]

    def _floor(self, name: str) -> float:
        """A size that a coefficient may well have, for those that start at 0."""
        p = self.points
        step_s = 0.01
        tokens = float(np.mean(p.clients) * np.mean(p.prompt_tokens))
        return {
            "a0_s": step_s,
            "nstar_tokens": 100.0,
            "se": 0.5,
            "ae_s": step_s,
            "ab_s_per_sequence": 0.1 * step_s / float(np.mean(p.clients)),
            "c1_s_per_token": step_s / float(np.mean(p.prompt_tokens)),
            "ak_s_per_token": 0.1 * step_s / tokens,
            "c0_s_per_token": 0.1 * step_s / float(np.mean(p.prompt_tokens)),
            "a1_s": 0.1 * step_s,
            "ac_s_per_token": 0.1 * step_s / tokens,
            "akm_s_per_token": 0.1 * step_s / tokens,
            "akx_s_per_token": 0.1 * step_s / float(np.mean(p.prompt_tokens)),
            "abk_s_per_token": 0.1 * step_s / (tokens * float(np.mean(p.clients))),
            "aq_s_per_token2": 0.1 * step_s / float(np.mean(p.prompt_tokens)) ** 2,
        }[name]
