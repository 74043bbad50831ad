"""The cheapest candidate that meets all requirements, with few evaluations.

Candidates are partly ordered: one lies within another if it has the same GPUs and nowhere more replicas. Three things
spare an evaluation:

- a candidate that costs no less than one that was met (exact where prices are known beforehand);
- a candidate within one that was not met, if the requirement that was not met is one that more replicas help
  (assumed);
- a candidate that is too small to carry its traffic (estimated).

What was assumed or estimated is checked where it is nearest to being wrong: the largest of the candidates that were
left out, and would have been cheaper, are looked at. If one of them meets everything, nothing is assumed any more.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .candidates import Candidate

__all__ = ["Evaluation", "Search"]

MOST_CHECKS = 64


@dataclass(frozen=True)
class Evaluation:
    """What replications say of a candidate.

    Attributes
    ----------
    met
        Whether it surely meets all requirements.
    helped
        Whether all that is not surely met is something that more replicas help.
    value
        The objective's mean; None where a run failed.
    """

    met: bool
    helped: bool
    value: float | None


@dataclass
class Search:
    """One search; `run` it once.

    Attributes
    ----------
    candidates
        All of them.
    prices
        The objective where it is known before any run; None where only runs tell: then more replicas are assumed to
        cost more.
    evaluate
        All replications of the candidate at a position.
    promising
        One replication of it: whether it seems to meet everything, at less cost than the best so far, if there is one.
    carries
        Whether it may carry its traffic; asked once the largest candidate of its GPUs is evaluated.
    on_evaluated
        Called after each evaluation.
    """

    candidates: Sequence[Candidate]
    prices: Sequence[float] | None
    evaluate: Callable[[int], Evaluation]
    promising: Callable[[int, int | None], bool]
    carries: Callable[[int], bool]
    on_evaluated: Callable[[], None] = lambda: None
    evaluated: dict[int, Evaluation] = field(default_factory=dict)
    too_small: set[int] = field(default_factory=set)
    assumed: set[int] = field(default_factory=set)
    checked: set[int] = field(default_factory=set)
    unchecked: int = 0
    violation: int | None = None
    best: int | None = None

    def __post_init__(self) -> None:
        self._positions = {c: i for i, c in enumerate(self.candidates)}

    def run(self) -> None:
        """Evaluates until nothing is left that could be the cheapest."""
        tops = [i for i, c in enumerate(self.candidates) if not self._neighbours(c)]
        for i in sorted(tops, key=self._order):
            if self.open(i):
                self._evaluate(i)
        self.too_small = {i for i in range(len(self.candidates)) if i not in self.evaluated and not self.carries(i)}
        self._exhaust(assume=True)
        self.violation = self._violated()
        if self.violation is not None:
            self.too_small, self.assumed = set(), set()
            self._exhaust(assume=False)

    def open(self, i: int) -> bool:
        """Whether a candidate may still be the cheapest."""
        return i not in self.evaluated and i not in self.too_small and i not in self.assumed and not self.costlier(i)

    def costlier(self, i: int) -> bool:
        """Whether it is known beforehand to cost no less than the best so far."""
        return self.prices is not None and self.best is not None and self.prices[i] >= self.prices[self.best]

    def _neighbours(self, candidate: Candidate) -> list[Candidate]:
        """The candidates with one replica more somewhere, as far as they exist."""
        more = [
            Candidate(candidate.kinds, (*candidate.replicas[:k], r + 1, *candidate.replicas[k + 1 :]))
            for k, r in enumerate(candidate.replicas)
            if r > 0  # another zoo is another matter
        ]
        return [c for c in more if c in self._positions]

    def _order(self, i: int) -> tuple[float, int]:
        return (float(self.candidates[i].gpus) if self.prices is None else self.prices[i], i)

    def _exhaust(self, *, assume: bool) -> None:
        """Evaluates the middle of what is open, in order of price, until nothing is."""
        for i in list(self.evaluated):
            self._learn(i, assume)
        while left := [i for i in range(len(self.candidates)) if self.open(i)]:
            left.sort(key=self._order)
            i = left[len(left) // 2]
            self._evaluate(i)
            self._learn(i, assume)

    def _evaluate(self, i: int) -> None:
        self.evaluated[i] = self.evaluate(i)
        if self.evaluated[i].met and (self.best is None or self._rank(i) < self._rank(self.best)):
            self.best = i
        self.on_evaluated()

    def _rank(self, i: int) -> tuple[float, int, int]:
        """Cheapest first; of what was evaluated, ties to fewer GPUs."""
        value = self.evaluated[i].value
        return (float("inf") if value is None else value, self.candidates[i].gpus, i)

    def _learn(self, i: int, assume: bool) -> None:
        if not assume:
            return
        evaluation, here = self.evaluated[i], self.candidates[i]
        if not evaluation.met and evaluation.helped:
            self.assumed |= {j for j, c in enumerate(self.candidates) if j not in self.evaluated and c.within(here)}
        if evaluation.met and self.prices is None:
            self.assumed |= {j for j, c in enumerate(self.candidates) if j not in self.evaluated and here.within(c)}

    def _violated(self) -> int | None:
        """A candidate that was left out by assumption or estimate, and yet meets everything at less cost."""
        left_out = {i for i in self.too_small | self.assumed if i not in self.evaluated and not self.costlier(i)}
        edge = sorted((i for i in left_out if self._at_the_edge(i, left_out)), key=self._order, reverse=True)
        self.unchecked = max(len(edge) - MOST_CHECKS, 0)
        for i in edge[:MOST_CHECKS]:
            self.checked.add(i)
            if self.promising(i, self.best):
                self._evaluate(i)
                if self.best == i:
                    return i
        return None

    def _at_the_edge(self, i: int, left_out: set[int]) -> bool:
        """Whether it is the largest of those left out below, or the next above the best."""
        here = self.candidates[i]
        if self.prices is None and self.best is not None and self.candidates[self.best].within(here):
            return sum(here.replicas) == sum(self.candidates[self.best].replicas) + 1
        return not any(self._positions[c] in left_out for c in self._neighbours(here))
