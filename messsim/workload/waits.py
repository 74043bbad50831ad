"""How long somebody waits: a law of seconds, drawn for one attempt of one request."""

from dataclasses import dataclass

from messsim.scenario import laws as scenario_laws

from .chance import Chance
from .laws import lognormal_parameters

__all__ = ["Wait", "wait_of"]


@dataclass(frozen=True)
class Wait:
    """A law of waits (csrc/wait.h).

    Attributes
    ----------
    law
        "constant", "exponential", "lognormal", or "forever".
    mean_s
        Seconds; not of a lognormal.
    mu, sigma
        Of the lognormal's logarithm.
    column
        Its column of chance.
    """

    law: str
    mean_s: float
    mu: float
    sigma: float
    column: int

    def draw_s(self, chance: Chance, request: int, attempt: int) -> float:
        """Seconds that are waited."""
        if self.law == "exponential":
            return self.mean_s * chance.one_exponential(self.column, request, attempt)
        if self.law == "lognormal":
            return chance.one_lognormal(self.column, request, self.mu, self.sigma, attempt)
        return self.mean_s


def wait_of(law: scenario_laws.WaitLaw | None, chance: Chance, family: str, name: str = "") -> Wait:
    """The law with its column; none: forever."""
    column = chance.column(family, name)
    if law is None:
        return Wait("forever", float("inf"), 0.0, 0.0, column)
    mu, sigma = lognormal_parameters(law.mean_s, law.cv) if law.kind == "lognormal" else (0.0, 0.0)
    return Wait(law.kind, law.mean_s, mu, sigma, column)
