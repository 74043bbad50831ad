"""The duration form fitted to composed iterations: where its knots stand, its terms, and how far it is off.

What all new tokens of an iteration take together is read at 19 counts of tokens, on both sides of the edges of a
kernel's tiles; the terms of attention are fitted to the rest of each iteration by non-negative least squares, each
kind of iteration (decode, prefill, mixed) counting the same. Where that leaves a region of iterations far off, or the
time of new tokens jumps elsewhere, knots are added where they help most, a part of the prompts' attention that goes by
new token is fitted with the terms and added to the knots, and regions that are off count more.

Iterations that a fit is judged on (`held_out`) have other contexts and prompts than those it is made of and, but for
one and two sequences that decode, other batches.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from scipy.optimize import nnls
from scipy.stats.qmc import Halton

__all__ = ["KNOTS", "TERMS", "Fit", "Kernel", "between", "checked", "closer", "composed_ms", "fitted"]
__all__ += ["grid", "held_out", "judged", "placed", "regions", "scattered", "score", "worst", "written"]

KNOTS = (1, 4, 8, 16, 32, 64, 65, 96, 128, 129, 192, 256, 257, 384, 512, 513, 1024, 2048, 8192)
MOST_KNOTS = 32  # MS_MOST_KNOTS of csrc/iteration.h
EDGES = tuple(n + over for n in range(256, 6145, 256) for over in (0, 1))
COUNTS = sorted(
    {*range(1, 65), *range(64, 321, 4), *range(320, 1100, 16), *range(1100, 8192, 64), 65, 129, 193, *EDGES, 8192}
)
CONTEXTS = (256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768)
BATCHES = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 160, 192, 256, 320, 384, 512, 768, 1024)
PROMPTS = (16, 40, 64, 100, 128, 200, 256, 400, 512, 700, 1024, 1500, 2048, 3000, 4096, 6000, 8192)
HELD_CONTEXTS = (384, 768, 1536, 3072, 6144, 12_288, 24_576)
HELD_BATCHES = (1, 2, 3, 6, 10, 14, 20, 28, 40, 56, 80, 112, 144, 176, 224, 288, 352, 448, 640, 896)
HELD_PROMPTS = (24, 50, 80, 112, 160, 230, 320, 450, 600, 850, 1200, 1800, 2500, 3500, 5000, 7000, 8000)
LONGEST = 40_960
SCATTERED = (600, 400, 1600)  # iterations of a part that only decode, only prefill, do both
FEWEST = 5  # iterations of a region below which it is not judged
FLOOR = "floor"  # what attention takes however little there is to attend to: part of the knots
BY_TOKEN = (16, 64, 256, 1024, 2048, 8192)  # counts at which a prompt's attention may have a part by new token
TERMS = ("ab", "ak", "aq", "a1", "ac", "akm", "akx", "abk")
MOST, MOST_BIAS = 5.0, 4.0  # percent: mean error and bias of a region, the goals
NEAR = 0.75  # share of the goals within which a fit of 19 knots is left as it is
ENOUGH = 0.85  # share of the goals at which regions need not count more
OFF = 0.02  # mean relative error of the time of new tokens between knots, above which there are more
CLOSE = 0.01  # at which no more are added
ROUNDS = 30

Row = tuple[int, int, int, int]  # prompt tokens, those cached before, decoding sequences, cached tokens of each
Floats = Any


class Kernel(Protocol):
    """Milliseconds of the parts of an iteration."""

    def tokens(self, n: int, outputs: int) -> float:
        """All new tokens together, `outputs` of which ask for a next token."""

    def prompt(self, p: int, prior: int) -> float:
        """Attention of p prompt tokens after `prior` cached ones."""

    def decoding(self, batch: int, context: int) -> float:
        """Attention of decoding sequences with `context` cached tokens each."""


def grid(capacity: int) -> list[Row]:
    """Iterations that a fit is made of: those that a server with so much memory reaches."""
    rows = [(0, 0, b, x) for b in BATCHES for x in CONTEXTS if b * x <= capacity]
    rows += [(p, c, 0, 0) for p in PROMPTS for c in (0, 1024, 4096, 16_384, 32_768) if p + c <= LONGEST]
    batches = (1, 4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512)
    rows += _mixed(batches, (512, 2048, 8192), (64, 300, 900, 1500), (0, 2048, 8192), (256, 1024, 4096, 16_384))
    return [row for row in rows if row[0] + row[1] + row[2] * row[3] <= capacity]


def held_out(capacity: int) -> list[Row]:
    """Iterations that it is judged on, none of which is in `grid`."""
    rows = [(0, 0, b, x) for b in HELD_BATCHES for x in HELD_CONTEXTS]
    rows += [(p, c, 0, 0) for p in HELD_PROMPTS for c in (0, 512, 2048, 8192, 24_576) if p + c <= LONGEST]
    batches = (2, 6, 12, 24, 40, 80, 112, 160, 224, 320, 448)
    rows += _mixed(batches, (1024, 4096, 8192), (40, 200, 600, 1200), (0, 1024, 4096), (384, 1536, 6144, 12_288))
    return [row for row in rows if row[0] + row[1] + row[2] * row[3] <= capacity]


def scattered(capacity: int, part: int) -> list[Row]:
    """Iterations all over what a server reaches, by Halton's sequence: part 0 to check fits on, part 1 to fit closer.

    None of one part is in the other or in `held_out`.
    """

    def spread(share: Floats, least: int, most: int) -> list[int]:
        """Whole numbers, their logarithms alike; 0 for a negative share."""
        counts = np.where(share < 0, 0, np.rint(least * (most / least) ** np.abs(share)))
        return [int(n) for n in counts]

    def shares(columns: int, rows: int) -> Floats:
        return Halton(columns, scramble=False).random((part + 1) * rows + 1)[-rows:].T

    decoding, prompts, both = SCATTERED
    batch, context = shares(2, decoding)
    rows = [(0, 0, b, x) for b, x in zip(spread(batch, 1, 1024), spread(context, 256, 32_768), strict=True)]
    p, prior = shares(2, prompts)
    prior = (4 * prior - 1) / 3  # a quarter without
    rows += [(p, c, 0, 0) for p, c in zip(spread(p, 16, 8192), spread(prior, 512, 32_768), strict=True)]
    p, prior, batch, context = shares(4, both)
    prior = (3 * prior - 1) / 2  # a third without
    mixed = spread(p, 40, 8192), spread(prior, 512, 8192), spread(batch, 1, 512), spread(context, 256, 16_384)
    rows += zip(*mixed, strict=True)
    others = {*held_out(capacity), *(scattered(capacity, 0) if part else ())}
    reached = (r for r in rows if r[0] + r[1] + r[2] * r[3] <= capacity and r[0] + r[1] <= LONGEST)
    return [row for row in reached if row not in others]


def _mixed(
    batches: tuple[int, ...],
    budgets: tuple[int, ...],
    last_chunks: tuple[int, ...],
    priors: tuple[int, ...],
    contexts: tuple[int, ...],
) -> list[Row]:
    """Chunks that fill what the decoding sequences leave of a budget, and last chunks."""
    rows = []
    for b in batches:
        for p in sorted({budget - b for budget in budgets if budget - b >= 64} | set(last_chunks)):
            rows += [(p, c, b, x) for c in priors for x in contexts]
    return rows


def regions(rows: Floats) -> dict[str, Floats]:
    """Which iterations only decode, only prefill or do both: all, by batch or prompt, and by what is cached."""
    p, prior, batch, context = rows.T
    collected = {}
    for kind, which in (("decode", (p == 0)), ("mixed", (p > 0) & (batch > 0))):
        collected[kind] = which
        collected[f"{kind}, up to 32 sequences"] = which & (batch <= 32)
        collected[f"{kind}, 33 to 96 sequences"] = which & (batch > 32) & (batch <= 96)
        collected[f"{kind}, above 96 sequences"] = which & (batch > 96)
        collected[f"{kind}, contexts up to 1,024"] = which & (context <= 1024)
        collected[f"{kind}, contexts of 1,025 to 4,096"] = which & (context > 1024) & (context <= 4096)
        collected[f"{kind}, contexts above 4,096"] = which & (context > 4096)
    prefill = batch == 0
    collected["prefill"] = prefill
    collected["prefill, prompts up to 512"] = prefill & (p <= 512)
    collected["prefill, prompts above 512"] = prefill & (p > 512)
    collected["prefill, nothing cached"] = prefill & (prior == 0)
    collected["prefill, up to 2,048 cached"] = prefill & (prior > 0) & (prior <= 2048)
    collected["prefill, more cached"] = prefill & (prior > 2048)
    return {name: which for name, which in collected.items() if which.sum() >= FEWEST}


def score(error: Floats, which: dict[str, Floats]) -> dict[str, float]:
    """Mean error over its goal or bias over its own, whichever is more, by region."""
    percent = 100 * error
    beyond = {name: (np.abs(percent[w]).mean() / MOST, abs(percent[w].mean()) / MOST_BIAS) for name, w in which.items()}
    return {name: float(max(both)) for name, both in beyond.items()}


def worst(error: Floats, rows: Floats) -> dict[str, Any]:
    """The region that is farthest beyond its goals, or nearest to them."""
    which = regions(rows)
    scores = score(error, which)
    name = max(scores, key=lambda n: scores[n])
    percent = 100 * error[which[name]]
    return {
        "region": name,
        "mape": round(float(np.abs(percent).mean()), 2),
        "bias": round(float(percent.mean()), 2),
        "share": round(scores[name], 3),
    }


@dataclass(frozen=True)
class Fit:
    """What a fit is made of: iterations, their milliseconds, what of them is attention, and where the knots stand."""

    kernel: Kernel
    rows: Floats
    whole: Floats
    mixing: dict[str, float]
    counts: tuple[int, ...] = KNOTS
    by_token: tuple[int, ...] = ()

    @cached_property
    def knots(self) -> Floats:
        """Milliseconds of all new tokens together at each count."""
        return np.array([self.kernel.tokens(n, min(n, 128)) for n in self.counts])

    @cached_property
    def parts(self) -> dict[str, Floats]:
        """Of each count of `by_token`, 1 there and 0 at the others and at one token, at the knots."""
        at = (1, *self.by_token)
        return {
            f"by {n} tokens": np.interp(self.counts, at, [0.0, *(float(n == m) for m in self.by_token)])
            for n in self.by_token
        }

    @cached_property
    def columns(self) -> dict[str, Floats]:
        """What each term is multiplied by."""
        p, prior, batch, context = self.rows.T.astype(float)
        cached, mixed = batch * context, (p > 0) & (batch > 0)
        columns = {
            FLOOR: np.ones(len(p)),
            "ab": batch,
            "ak": cached,
            "aq": p * (prior + p / 2.0),
            "a1": (p > 0).astype(float),
            "ac": prior,
            "akm": mixed * cached,
            "akx": mixed * context,
            "abk": mixed * batch * cached,
        }
        return columns | {name: between(self.counts, part, p + batch) for name, part in self.parts.items()}

    def solved(self, regional: bool) -> dict[str, float]:
        """Every term, ms; with `regional`, regions that are off count more until none is far beyond its goals."""
        free = [FLOOR, *self.parts, *(t for t in TERMS if t not in self.mixing)]
        new = (self.rows[:, 0] + self.rows[:, 2]).astype(float)
        matrix = np.column_stack([self.columns[t] for t in free])
        rest = self.whole - between(self.counts, self.knots, new)
        which = regions(self.rows)
        weight = np.zeros(len(self.rows))
        for kind in ("prefill", "mixed", "decode"):
            if kind in which:
                weight[which[kind]] = 1.0 / np.sqrt(which[kind].sum())
        tried: list[tuple[float, Floats]] = []
        for _ in range(ROUNDS if regional else 1):
            scaled = matrix * (weight / self.whole)[:, None]
            size = np.maximum(np.linalg.norm(scaled, axis=0), 1e-300)
            terms = nnls(scaled / size, rest * weight / self.whole)[0] / size
            scores = score((matrix @ terms - rest) / self.whole, which)
            tried.append((max(scores.values()), terms))
            if tried[-1][0] <= ENOUGH:
                break
            for name, share in scores.items():
                if share > 0.9 * tried[-1][0]:
                    weight[which[name]] = np.sqrt(weight[which[name]] ** 2 + 0.5 / which[name].sum())
        _, best = min(tried, key=lambda f: f[0])
        return dict.fromkeys((FLOOR, *TERMS), 0.0) | dict(zip(free, best.tolist(), strict=True))


def fitted(kernel: Kernel, capacity: int, mixing: dict[str, float] | None) -> dict[str, Any]:
    """Knots and coefficients, seconds, and the errors of the form by kind and in its worst region, percent.

    `mixing` has the terms of mixed attention relative to ak where they are assumed.
    """
    rows = np.array(grid(capacity))
    fit = Fit(kernel, rows, composed_ms(kernel, rows), mixing or {})
    solution = _solution(fit, fit.solved(regional=False))
    if solution["fit"]["share"] <= NEAR and _between_knots(_times(kernel), KNOTS).sum() <= OFF:
        return solution
    fit = replace(fit, counts=placed(kernel), by_token=BY_TOKEN)
    return _solution(fit, fit.solved(regional=True))


def closer(kernel: Kernel, capacity: int, mixing: dict[str, float] | None) -> Fit:
    """What a fit of more iterations, with knots where products jump, is made of."""
    rows = np.array(sorted({*grid(capacity), *scattered(capacity, 1)}))
    return Fit(kernel, rows, composed_ms(kernel, rows), mixing or {}, counts=placed(kernel))


def _solution(fit: Fit, terms: dict[str, float]) -> dict[str, Any]:
    attending = terms[FLOOR] + sum(terms[name] * part for name, part in fit.parts.items())
    return written(fit, fit.knots + attending, terms)


def written(fit: Fit, knots: Floats, terms: dict[str, float]) -> dict[str, Any]:
    """Knots and coefficients, ms, as `fitted` returns them."""
    all_terms = terms | {name: share * terms["ak"] for name, share in fit.mixing.items()}
    solution = {
        **({} if fit.counts == KNOTS else {"knots": fit.counts}),
        "knots_s": [float(f"{1e-3 * x:.6g}") for x in knots],
        "terms": {t: float(f"{1e-3 * all_terms[t]:.6g}") for t in TERMS},
    }
    error = _error(solution, fit.rows, fit.whole, fit.mixing)
    kinds = {name: which for name, which in regions(fit.rows).items() if "," not in name}
    solution["errors"] = {name: _summary(error[which]) for name, which in kinds.items()}
    solution["fit"] = worst(error, fit.rows)
    return solution


def _summary(error: Floats) -> dict[str, float]:
    """Relative errors of a kind of iteration, percent."""
    return {
        "mape": round(100 * float(np.abs(error).mean()), 2),
        "bias": round(100 * float(error.mean()), 2),
        "worst": round(100 * float(np.abs(error).max()), 1),
    }


def judged(kernel: Kernel, capacity: int, mixing: dict[str, float] | None, solution: dict[str, Any]) -> dict[str, Any]:
    """The worst region of the iterations that the fit has not seen, percent; without what no table has."""
    return _worst_of(held_out(capacity), kernel, mixing, solution)


def checked(kernel: Kernel, capacity: int, mixing: dict[str, float] | None, solution: dict[str, Any]) -> dict[str, Any]:
    """The same of iterations by which a fit is taken or not: none is made of them or judged on them."""
    return _worst_of(scattered(capacity, 0), kernel, mixing, solution)


def _worst_of(
    rows: list[Row], kernel: Kernel, mixing: dict[str, float] | None, solution: dict[str, Any]
) -> dict[str, Any]:
    at = np.array(rows)
    return worst(_error(solution, at, composed_ms(kernel, at), mixing or {}), at)


def composed_ms(kernel: Kernel, rows: Floats) -> Floats:
    """Milliseconds of each iteration, the sum of its kernels."""

    def whole(p: int, prior: int, batch: int, context: int) -> float:
        attention = (kernel.prompt(p, prior) if p else 0.0) + (kernel.decoding(batch, context) if batch else 0.0)
        return attention + kernel.tokens(p + batch, batch + (p > 0))

    return np.array([whole(*row) for row in rows.tolist()])


def _error(solution: dict[str, Any], rows: Floats, whole: Floats, mixing: dict[str, float]) -> Floats:
    """Relative errors of the form, without the terms of mixed attention that are assumed: no table has them."""
    p, prior, batch, context = rows.T.astype(float)
    terms = solution["terms"] | dict.fromkeys(mixing, 0.0)
    cached, mixed = batch * context, (p > 0) & (batch > 0)
    seconds = between(solution.get("knots", KNOTS), solution["knots_s"], p + batch)
    seconds = seconds + terms["ab"] * batch + terms["ak"] * cached + terms["aq"] * p * (prior + p / 2.0)
    seconds += (p > 0) * (terms["a1"] + terms["ac"] * prior)
    seconds += mixed * (terms["akm"] * cached + terms["akx"] * context + terms["abk"] * batch * cached)
    return 1e3 * seconds / whole - 1.0


def placed(kernel: Kernel) -> tuple[int, ...]:
    """Counts of new tokens for knots: the 19, and more where they are most in the wrong, up to `MOST_KNOTS`."""
    times = _times(kernel)
    at = np.array(COUNTS)
    counts = list(KNOTS)
    while len(counts) < MOST_KNOTS and (error := _between_knots(times, counts)).sum() > CLOSE:
        piece = np.clip(np.searchsorted(counts, at, side="right") - 1, 0, len(counts) - 2)
        k = int(np.bincount(piece, error, minlength=len(counts) - 1).argmax())
        inside = [int(n) for n in at if counts[k] < n < counts[k + 1]]
        errors = [_between_knots(times, sorted([*counts, n])).sum() for n in inside]
        counts = sorted([*counts, inside[int(np.argmin(errors))]])
    return tuple(counts)


def _times(kernel: Kernel) -> dict[int, float]:
    return {n: kernel.tokens(n, min(n, 128)) for n in COUNTS}


def _between_knots(times: dict[int, float], counts: Any) -> Floats:
    """Relative error at each of `COUNTS` of a line through the knots, its share of the mean over log n."""
    at = np.log(COUNTS)
    share = np.gradient(at) / np.gradient(at).sum()
    exact = np.array([times[n] for n in COUNTS])
    return share * np.abs(np.interp(COUNTS, counts, [times[n] for n in counts]) / exact - 1.0)


def between(counts: tuple[int, ...], knots: Any, n: Any) -> Any:
    """Linear between knots, and beyond the last as before it."""
    slope = (knots[-1] - knots[-2]) / (counts[-1] - counts[-2])
    return np.interp(n, counts, knots) + slope * np.maximum(0.0, n - counts[-1])
