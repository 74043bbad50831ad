"""Whether measurements determine what was fitted to them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Estimate", "judged"]

Floats = npt.NDArray[np.float64]

TIED = 1e-7
INVOLVED = 1e-3  # share of a null direction from which on a coefficient belongs to it
VAGUE = 0.5  # standard error over value, and ...
FELT = 0.05  # ... the greatest change of any row that it makes: both must be passed to call a figure undetermined


@dataclass(frozen=True)
class Estimate:
    """What is known of one coefficient.

    Attributes
    ----------
    value
        None where the measurements do not determine it.
    error
        Standard error by linear theory; None where nothing was fitted.
    how
        "fitted", "given" (fixed beforehand), "base" (taken from another profile) or "not determined".
    why
        What there is to say: which rows are missing, which other coefficient it cannot be told from.
    few
        Whether that is because there are no more readings than coefficients.
    """

    value: float | None
    error: float | None
    how: str
    why: str = ""
    few: bool = False


def judged(
    names: list[str],
    values: Floats,
    slopes: Floats,
    weights: Floats,
    misfits: Floats,
    *,
    tied: float = TIED,
    far: Collection[str] = (),
) -> dict[str, Estimate]:
    """Standard errors, and which coefficients the rows do not determine.

    Parameters
    ----------
    names, values
        Of the fitted coefficients.
    slopes
        [rows, coefficients]: relative change of a row by each coefficient.
    weights
        [rows] of the relative misfits in the sum of squares.
    misfits
        [rows] relative misfits of the fit.
    tied
        Singular value, of columns of unit length, below which coefficients are not told apart.
    far
        Coefficients that will be used far beyond the rows: vague is undetermined even where no row feels it.
    """
    weighted = slopes * weights[:, None]
    lengths = np.linalg.norm(weighted, axis=0)
    felt = lengths > 0
    error = np.zeros(len(names))
    why = ["" if f else "no row depends on it" for f in felt]
    too_few = f"{len(slopes)} readings for {felt.sum()} coefficients"
    if felt.any():
        index = np.flatnonzero(felt)
        _, sizes, directions = np.linalg.svd(weighted[:, felt] / lengths[felt], full_matrices=False)
        distinct = sizes > tied * sizes[0]
        spread = (directions[distinct].T / sizes[distinct]) @ (directions[distinct].T / sizes[distinct]).T
        freedom = max(1, len(slopes) - len(index))
        variance = float(np.sum((weights * misfits) ** 2)) / freedom
        error[index] = np.sqrt(variance * np.diag(spread)) / lengths[felt]
        for direction in directions[~distinct]:
            involved = index[np.abs(direction) > INVOLVED]
            for j in involved:
                others = ", ".join(names[k] for k in involved if k != j)
                why[j] = f"cannot be told from {others}" if others else "no row depends on it"
        if len(slopes) <= len(index):  # as many rows as coefficients fit exactly, whatever they say
            for j in index:
                why[j] = why[j] or too_few
        most = np.abs(slopes).max(axis=0)
        for j in index:
            felt_by_a_row = error[j] * most[j] > FELT or names[j] in far
            if not why[j] and error[j] > VAGUE * values[j] and felt_by_a_row:
                why[j] = f"known only to within {error[j]:.2g}"
    return {
        name: Estimate(None, None, "not determined", why[j], why[j] == too_few)
        if why[j]
        else Estimate(float(values[j]), float(error[j]), "fitted")
        for j, name in enumerate(names)
    }
