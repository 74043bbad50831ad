"""Features from text, for tables that carry the prompts (extra `text`)."""

from functools import lru_cache

import numpy as np

from messsim.errors import ScenarioError

from .chunk import Floats

__all__ = ["hashed_features"]

LEAST_SPREAD = 1e-9  # rows are of length 1: what differs less is rounding


def hashed_features(texts: list[str], dimensions: int) -> Floats:
    """Hashed word pairs, weighted by rarity and reduced to their main directions; [dimensions, texts], read only.

    Stands for the text encoder of a real gateway: it sees wording and topic, not meaning. Each feature has
    mean 0 and standard deviation 1, or is 0 where the texts do not differ.

    Raises
    ------
    ScenarioError
        If scikit-learn is not installed, or there are fewer texts than dimensions.
    """
    return _hashed(tuple(texts), dimensions)


@lru_cache(maxsize=1)  # the replications of a study are on the same texts
def _hashed(texts: tuple[str, ...], dimensions: int) -> Floats:
    try:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
    except ImportError:
        raise ScenarioError(
            "features.kind = 'text': scikit-learn is not installed; expected `pip install messsim[text]`"
        ) from None
    if len(texts) <= dimensions:
        raise ScenarioError(f"features.dimensions = {dimensions}: expected fewer than the {len(texts)} texts")
    counts = HashingVectorizer(n_features=2**16, ngram_range=(1, 2), norm=None).transform(texts)
    weighted = TfidfTransformer().fit_transform(abs(counts))
    with np.errstate(invalid="ignore", divide="ignore"):  # by the variance of all texts: may be 0
        reduced = TruncatedSVD(dimensions, random_state=0).fit_transform(weighted)
    spread = reduced.std(axis=0)
    spread = np.where(spread > LEAST_SPREAD, spread, np.inf)
    features: Floats = np.ascontiguousarray(((reduced - reduced.mean(axis=0)) / spread).T)
    features.flags.writeable = False
    return features
