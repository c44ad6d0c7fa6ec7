"""The kinds of arrays that hold a number for each series."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
"""What fills the state: single precision there halves it."""
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
