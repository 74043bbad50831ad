"""Counter-based chance: a value is a pure function of (seed, replication, column, request)."""

import numpy as np

from messsim import _core
from messsim.errors import MesssimError
from messsim.scenario.seeds import column_id

from .chunk import Floats, Ints

__all__ = ["Chance", "column_id"]


class Chance:
    """The columns of one seed and replication.

    Each method fills ``n`` values for requests ``first`` on; `sub` is a copy, an attempt or a pair of
    components, `odd` the second component of the pair.
    """

    def __init__(self, seed: int, replication: int = 0) -> None:
        self.seed = seed
        self.replication = replication
        self._columns: dict[int, str] = {}

    def column(self, family: str, model: str = "") -> int:
        """The id of a column; two names with one id are an error, however unlikely."""
        column, name = column_id(family, model), f"{family}/{model}"
        if self._columns.setdefault(column, name) != name:
            raise MesssimError(
                f"the columns {name!r} and {self._columns[column]!r} share the id {column}; rename a model"
            )
        return column

    def _stream(self, column: int, sub: int = 0) -> _core.Stream:
        return _core.Stream(self.seed, column, self.replication, sub)

    def uniform(self, column: int, first: int, n: int, sub: int = 0, odd: bool = False) -> Floats:
        """52-bit uniforms in (0, 1)."""
        out = np.empty(n)
        self._stream(column, sub).uniform(first, out, odd)
        return out

    def choice(self, column: int, first: int, n: int, sub: int = 0) -> Floats:
        """32-bit uniforms, for Bernoulli draws."""
        out = np.empty(n)
        self._stream(column, sub).choice(first, out)
        return out

    def exponential(self, column: int, first: int, n: int) -> Floats:
        """Mean 1."""
        out = np.empty(n)
        self._stream(column).exponential(first, out)
        return out

    def normal(
        self, column: int, first: int, n: int, sub: int = 0, odd: bool = False, out: Floats | None = None
    ) -> Floats:
        """Mean 0, standard deviation 1; into `out` where it is given."""
        out = np.empty(n) if out is None else out
        self._stream(column, sub).normal(first, out, odd)
        return out

    def lognormal(self, column: int, first: int, n: int, mu: float, sigma: float) -> Floats:
        """exp(mu + sigma z)."""
        out = np.empty(n)
        self._stream(column).lognormal(first, mu, sigma, out)
        return out

    def uniform_pair(self, column: int, first: int, n: int, sub: int = 0) -> Floats:
        """[n, 2]: what `uniform` gives without and with `odd`."""
        out = np.empty((n, 2))
        self._stream(column, sub).uniform_pair(first, out)
        return out

    def difficulty_features(
        self, column: int, first: int, law: tuple[float, float, float], difficulty: Floats, out: Floats
    ) -> None:
        """Fills `out` [features, n] with what a router sees of a difficulty by a law: signal, mean and deviation."""
        self._stream(column).difficulty_features(first, *law, difficulty, out)

    def geometric(self, column: int, first: int, n: int, scale: float, most: float, out: Ints | None = None) -> Ints:
        """min(most, 1 + floor(scale x)), x exponential; into `out` where it is given."""
        out = np.empty(n, np.int32) if out is None else out
        self._stream(column).geometric(first, scale, most, out)
        return out

    def geometric_of(
        self, first: int, model: Ints, columns: list[int], scales: list[float], mosts: list[float]
    ) -> Ints:
        """The same where request first + i is of model[i], whose column, scale and most these lists hold."""
        out = np.empty(len(model), np.int32)
        laws = (np.array(columns, np.uint32), np.array(scales, np.float64), np.array(mosts, np.float64))
        self._stream(0).geometric_of(first, model, *laws, out)
        return out

    def lognormal_count(self, column: int, first: int, n: int, mu: float, sigma: float, most: float) -> Ints:
        """exp(mu + sigma z) to the nearest, within [1, most]."""
        out = np.empty(n, np.int32)
        self._stream(column).lognormal_count(first, mu, sigma, most, out)
        return out

    def logistic(
        self, column: int, first: int, slope: float, ability: float, difficulty: Floats, out: Floats, sub: int = 0
    ) -> None:
        """Fills `out` with 1 with probability sigmoid(slope (ability - difficulty)), else 0."""
        self._stream(column, sub).logistic(first, slope, ability, difficulty, out)

    def one(self, column: int, request: int, sub: int = 0, odd: bool = False) -> float:
        """One 52-bit uniform: for draws that only the run can ask for, such as a dispatch."""
        return self._stream(column, sub).one(request, odd)

    def one_exponential(self, column: int, request: int, sub: int = 0) -> float:
        """One draw of mean 1, likewise."""
        out = np.empty(1)
        self._stream(column, sub).exponential(request, out)
        return float(out[0])

    def one_lognormal(self, column: int, request: int, mu: float, sigma: float, sub: int = 0) -> float:
        """One draw of exp(mu + sigma z), likewise."""
        out = np.empty(1)
        self._stream(column, sub).lognormal(request, mu, sigma, out)
        return float(out[0])
