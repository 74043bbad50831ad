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

    def uniform(self, column: int, first: int, n: int, sub: int = 0, odd: bool = False) -> Floats:
        """52-bit uniforms in (0, 1)."""
        out = np.empty(n)
        _core.draw_uniform(self.seed, column, first, out, self.replication, sub, odd)
        return out

    def choice(self, column: int, first: int, n: int, sub: int = 0) -> Floats:
        """32-bit uniforms, for Bernoulli draws."""
        out = np.empty(n)
        _core.draw_choice(self.seed, column, first, out, self.replication, sub)
        return out

    def exponential(self, column: int, first: int, n: int) -> Floats:
        """Mean 1."""
        out = np.empty(n)
        _core.draw_exponential(self.seed, column, first, out, self.replication)
        return out

    def normal(
        self, column: int, first: int, n: int, sub: int = 0, odd: bool = False, out: Floats | None = None
    ) -> Floats:
        """Mean 0, standard deviation 1; into `out` where it is given."""
        out = np.empty(n) if out is None else out
        _core.draw_normal(self.seed, column, first, out, self.replication, sub, odd)
        return out

    def lognormal(self, column: int, first: int, n: int, mu: float, sigma: float) -> Floats:
        """exp(mu + sigma z)."""
        out = np.empty(n)
        _core.draw_lognormal(self.seed, column, first, mu, sigma, out, self.replication)
        return out

    def uniform_pair(self, column: int, first: int, n: int, sub: int = 0) -> Floats:
        """[n, 2]: what `uniform` gives without and with `odd`."""
        out = np.empty((n, 2))
        _core.draw_uniform_pair(self.seed, column, first, out, self.replication, sub)
        return out

    def normal_pair(self, column: int, first: int, even: Floats, odd: Floats, sub: int = 0) -> None:
        """Fills two columns with what `normal` gives without and with `odd`."""
        _core.draw_normal_pair(self.seed, column, first, even, odd, self.replication, sub)

    def geometric(self, column: int, first: int, n: int, scale: float, most: float) -> Ints:
        """min(most, 1 + floor(scale x)), x exponential."""
        out = np.empty(n, np.int32)
        _core.draw_geometric(self.seed, column, first, scale, most, out, self.replication)
        return out

    def geometric_of(
        self, first: int, model: Ints, columns: list[int], scales: list[float], mosts: list[float]
    ) -> Ints:
        """The same where request first + i is of model[i], whose column, scale and most these lists hold."""
        out = np.empty(len(model), np.int32)
        laws = (np.array(columns, np.uint32), np.array(scales, np.float64), np.array(mosts, np.float64))
        _core.draw_geometric_of(self.seed, first, model, *laws, out, self.replication)
        return out

    def lognormal_count(self, column: int, first: int, n: int, mu: float, sigma: float, most: float) -> Ints:
        """exp(mu + sigma z) to the nearest, within [1, most]."""
        out = np.empty(n, np.int32)
        _core.draw_lognormal_count(self.seed, column, first, mu, sigma, most, out, self.replication)
        return out

    def logistic(
        self, column: int, first: int, slope: float, ability: float, difficulty: Floats, out: Floats, sub: int = 0
    ) -> None:
        """Fills `out` with 1 with probability sigmoid(slope (ability - difficulty)), else 0."""
        _core.draw_logistic(self.seed, column, first, slope, ability, difficulty, out, self.replication, sub)

    def one(self, column: int, request: int, sub: int = 0, odd: bool = False) -> float:
        """One 52-bit uniform: for draws that only the run can ask for, such as a dispatch."""
        return _core.draw_one(self.seed, column, request, self.replication, sub, odd)

    def one_exponential(self, column: int, request: int, sub: int = 0) -> float:
        """One draw of mean 1, likewise."""
        out = np.empty(1)
        _core.draw_exponential(self.seed, column, request, out, self.replication, sub)
        return float(out[0])

    def one_lognormal(self, column: int, request: int, mu: float, sigma: float, sub: int = 0) -> float:
        """One draw of exp(mu + sigma z), likewise."""
        out = np.empty(1)
        _core.draw_lognormal(self.seed, column, request, mu, sigma, out, self.replication, sub)
        return float(out[0])
