"""Noise that is not symmetrical: on which scale of money it is, as its series and the organisation show.

The noise of costs is often skewed upwards, the more the wider it is: third moment ÷ σ³ is a multiple of the standard
deviation σ as a share of the mean. The multiple is 3 × curvature, and the curvature says what kind of noise it is: 0
where it is Gaussian, 1/3 for counts of events (Poisson), 2/3 for sums of waits (gamma), 1 where the logarithm is
Gaussian. The power 1 − curvature of actual ÷ expected, as Box and Cox have it, is then symmetrical, in every series of
an organisation by the same curvature, however wide its noise. So a series whose own history is too short to show how
its tails lean is told by the others.

References
----------
Box, G. and Cox, D., 1964. An analysis of transformations. Journal of the Royal Statistical Society B 26(2).
Anscombe, F., 1953. Contribution to the discussion of H. Hotelling's paper. Journal of the Royal Statistical Society B
15(2). (The powers that make Poisson's and gamma variables symmetrical.)
"""

from typing import Any

import numpy as np

from detection.arrays import Bools, Floats

_BOUND = 2.5
"""Standard deviations that a residual counts at most: what lies further out may be an incident, or a season."""
_LINEAR = 2.734
"""What is learnt is z³ − `_LINEAR` z of bounded residuals z, which an error of the mean hardly changes."""
_SLOPE, _VARIANCE = 1.998, 3.256
"""Its mean for each unit of curvature × σ, and its variance, where noise is nearly Gaussian."""
_SPREAD = 0.3
"""Standard deviation over an organisation's series of their curvature, and of that of an organisation around 0."""
_WIDEST = 0.5
"""Share of the mean as which wider noise counts."""
_LEAST = 0.01
"""Actual ÷ expected from where a fall is taken as it is, so that zero and credits have a score."""
_STRAIGHTEST = 1e-3
"""The least power: what lies below is the logarithm."""


class Skew:
    """How far the noise of each series is skewed, learnt from standardised residuals.

    Parameters
    ----------
    memory
        How many periods of a series are remembered.
    """

    def __init__(self, memory: float) -> None:
        self.memory = memory
        self.sums: Floats = np.zeros((2, 0))
        self._powers: Floats | None = None

    def add(self, rows: int) -> None:
        """Append series of which nothing is known."""
        self.sums = np.hstack([self.sums, np.zeros((2, rows))])
        self._powers = None

    def curvature(self) -> Floats:
        """Return the curvature of each series, from 0 to 1: its own, drawn to that of the organisation."""
        found, known = self.sums
        before = 1 / _SPREAD**2
        # the organisation's, to which a series says the less the less it knows beside how they differ
        heard = 1 / (known + before)
        whole = np.einsum("n,n->", found, heard) / (np.einsum("n,n->", known, heard) + 1)
        own: Floats = np.minimum(np.maximum((found + before * whole) * heard, 0.0), 1.0)
        return own

    def relative(self, ratio: Floats, sd: Floats) -> Floats:
        """Return how far actual ÷ expected lies from 1, on the scale on which the noise of the series is symmetrical.

        Where noise is Gaussian that is the relative residual, ratio − 1. Its mean is 0 for noise of `sd`.
        """
        if self._powers is None:
            self._powers = np.maximum(1 - self.curvature(), _STRAIGHTEST)
        power = self._powers
        found: Floats = (np.maximum(ratio, _LEAST) ** power - 1) / power + np.minimum(ratio - _LEAST, 0.0)
        found += (1 - power) / 2 * np.minimum(sd, _WIDEST) ** 2
        return found

    def learn(self, residual: Floats, sd: Floats, noise: Floats, known: Bools) -> None:
        """Learn ordinary periods.

        Parameters
        ----------
        residual, sd
            Actual ÷ expected − 1, and its standard deviation.
        noise
            Variance of the period's own noise. The rest of `sd`² is an error of the mean: the residual is divided by
            that, and so leans with it as the logarithm does, whatever the noise.
        known
            Where the period counts.
        """
        bounded = np.minimum(np.maximum(residual / sd, -_BOUND), _BOUND)
        own = np.minimum(noise / sd**2, 1.0) ** 2
        width = _SLOPE * np.minimum(sd, _WIDEST)
        lean = bounded**3 - _LINEAR * bounded - (1 - own) * width
        width *= own
        self.sums += (np.array([lean * width, width**2]) / _VARIANCE - self.sums / self.memory) * known
        self._powers = None

    def plain(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {"sums": self.sums.tolist()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `plain` returned."""
        self.sums = np.array(state["sums"]).reshape(2, -1)
        self._powers = None
