"""What a router sees of a request under IRT: one noisy view of its difficulty among pure noise."""

from typing import NamedTuple

import numpy as np

from .chance import Chance
from .chunk import Floats

__all__ = ["COLUMN", "DifficultyLaw", "difficulty_features"]

COLUMN = "features"  # of chance


class DifficultyLaw(NamedTuple):
    """How features show a difficulty (csrc/difficulty.h).

    Attributes
    ----------
    signal
        Correlation of feature 0 with the difficulty, in [0, 1].
    mean, deviation
        Of difficulties.
    """

    signal: float
    mean: float
    deviation: float


def difficulty_features(difficulty: Floats, law: DifficultyLaw, dimensions: int, chance: Chance, first: int) -> Floats:
    """Features [dimensions, n] of requests first ... first + n - 1.

    Feature 0 is ``signal z + sqrt(1 - signal^2) e`` for the difficulty z in standard deviations from its mean:
    no function of the features knows more; the others are noise. Under N(0, 1) difficulty each feature is standard
    normal.
    """
    features = np.empty((dimensions, len(difficulty)))
    chance.difficulty_features(chance.column(COLUMN), first, law, difficulty, features)
    return features
