"""The tail of Student's t."""

import numpy as np
from scipy.special import log_ndtr

from detection.arrays import Floats


def log_tail(z: Floats, df: Floats) -> Floats:
    """Return −ln P(T > z) of Student's t, by Wallace's transformation to a normal variable.

    Wallace, D., 1959. Bounds on normal approximations to Student's and the chi-square distributions. Annals of
    Mathematical Statistics 30(4).
    """
    df = np.maximum(df, 1.0)
    normal = (8 * df + 1) / (8 * df + 3) * np.sqrt(df * np.log1p(z * z / df))
    found: Floats = -log_ndtr(-normal)
    return found
