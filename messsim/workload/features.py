"""What a router sees of a request under IRT: one noisy view of its difficulty among pure noise."""

import numpy as np

from .chance import Chance
from .chunk import Floats

__all__ = ["difficulty_features"]


def difficulty_features(standardised: Floats, signal: float, dimensions: int, chance: Chance, first: int) -> Floats:
    """Features [dimensions, n] of requests first ... first + n - 1.

    Feature 0 is ``signal z + sqrt(1 - signal^2) e`` for the standardised difficulty z, so `signal` is its
    correlation with the difficulty and no function of the features knows more; the others are noise. Under
    N(0, 1) difficulty each feature is standard normal.
    """
    n = len(standardised)
    column = chance.column("features")
    features = np.empty((dimensions, n))
    for pair in range(dimensions // 2):
        chance.normal_pair(column, first, features[2 * pair], features[2 * pair + 1], sub=pair)
    if dimensions % 2:
        chance.normal(column, first, n, sub=dimensions // 2, out=features[-1])
    features[0] *= np.sqrt(1.0 - signal * signal)
    features[0] += signal * standardised
    return features
