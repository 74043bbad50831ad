"""What columns are made of."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "Ints", "Numbers"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
Numbers = NDArray[np.int64]
