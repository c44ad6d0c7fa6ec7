"""What an incident costs beyond what was expected, and the band that holds it.

Three things hide it. Each period has its noise, which adds up as variances do. What is not known of the level errs
alike on all periods, and adds up as it is. And where the incident began is not known for certain, so that periods
before may belong to it, or its first ones may not.
"""

from dataclasses import dataclass
from math import sqrt

from scipy.special import ndtri

COVERAGE = 0.9
"""Probability with which a band holds what an incident has added."""
_WIDTH = float(ndtri((1 + COVERAGE) / 2))


@dataclass(frozen=True, slots=True)
class Impact:
    """A sum of actual − expected over periods; adding two adds them up.

    Attributes
    ----------
    amount
        In currency units.
    variance
        Of the noise of its periods, each its own; currency units squared.
    level
        Standard deviation of what its periods share, which is what is not known of the level.
    start
        Standard deviation that comes of not knowing the beginning.
    """

    amount: float = 0.0
    variance: float = 0.0
    level: float = 0.0
    start: float = 0.0

    @classmethod
    def of(cls, actual: float, expected: float, spread: float, unsure: float) -> "Impact":
        """Return that of one period.

        Parameters
        ----------
        actual, expected
            Currency units.
        spread, unsure
            Standard deviation of the expected, and the part of it that all periods share.
        """
        return cls(actual - expected, max(spread**2 - unsure**2, 0.0), unsure)

    def __add__(self, other: "Impact") -> "Impact":
        return Impact(
            self.amount + other.amount,
            self.variance + other.variance,
            self.level + other.level,
            self.start + other.start,
        )

    @property
    def band(self) -> tuple[float, float]:
        """Lower and upper end of what is likely, in currency units."""
        width = _WIDTH * sqrt(self.variance + self.level**2 + self.start**2)
        return self.amount - width, self.amount + width


NOTHING = Impact()
