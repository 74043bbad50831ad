"""The cubic spline: that of SciPy."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from messsim.workload.spline import Spline


@pytest.mark.parametrize("points", [4, 5, 6, 100, 2049])
@pytest.mark.parametrize("shape", [np.tanh, np.cos, lambda x: x**3 - x])
def test_it_is_that_of_scipy(points, shape):
    x = np.linspace(-7.3, 7.3, points)
    y, at = shape(x), np.concatenate([np.linspace(-7.3, 7.3, 999), x])
    assert Spline(x, y)(at) == pytest.approx(CubicSpline(x, y)(at), rel=1e-13, abs=1e-12)
    assert Spline(x, y)(x[:-1]).tolist() == y[:-1].tolist()


def test_what_features_tell_is_known_without_scipy():
    """Its import takes longer than the spline of a study that is small."""
    script = "import sys; from messsim.workload import knowledge; knowledge._smoothed(1.5, 0.6); "
    script += "print('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "False\n"
