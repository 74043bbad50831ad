"""The normal and Student's distributions beside SciPy's."""

import numpy as np
import pytest
from scipy.special import ndtr, stdtrit

from messsim.quantiles import normal_cdf, student_quantile

LEVELS = (0.1, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 1 - 1e-6)


@pytest.mark.parametrize("level", LEVELS)
def test_student_quantiles(level):
    freedom = [*range(1, 130), 0.5, 2.5, 200, 999, 9999, 1e4, 12345.5, 1e6, 1e9]
    below = 0.5 + level / 2.0
    ours = [student_quantile(1.0 - below, f) for f in freedom]
    np.testing.assert_allclose(ours, stdtrit(freedom, below), rtol=1e-12)


def test_with_many_degrees_of_freedom_it_is_the_normal():
    assert student_quantile(0.025, 1e15) == pytest.approx(1.959963984540054, rel=1e-14)
    assert student_quantile(0.5, 3.0) == 0.0


def test_normal_probabilities():
    z = np.concatenate([np.linspace(-37.0, 9.0, 5001), [0.0, -0.0, 1e-300]])
    np.testing.assert_allclose(normal_cdf(z), ndtr(z), rtol=1e-12)
