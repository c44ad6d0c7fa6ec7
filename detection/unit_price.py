"""Unit prices learnt from statements; what of a change is usage and what is rate; how wrong estimates are."""

from dataclasses import asdict, dataclass
from math import exp, isfinite, log, sqrt
from typing import Any, Literal

_GAIN = 0.1
_LEAST_SPREAD = 0.002
_FIRST_SPREAD = 0.02
_OUTSIDE = 4.0
_CONFIRM = 3
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Change:
    """What of actual − expected comes from how much was used, and what from its price; in currency units."""

    usage: float
    rate: float

    @property
    def mostly(self) -> Literal["usage", "rate"]:
        """The larger part."""
        return "rate" if abs(self.rate) > abs(self.usage) else "usage"


@dataclass(slots=True)
class UnitPrice:
    """The price of one SKU or usage type in one region: cost ÷ quantity, tracked on a logarithmic scale.

    Attributes
    ----------
    count
        Days learnt.
    price
        Logarithm of the price.
    square
        Mean squared deviation of the logarithm: tiers and roundings make prices move.
    outside, other
        Days in a row with another price, and the sum of its logarithms: a new price is taken after three.
    """

    count: int = 0
    price: float = 0.0
    square: float = _FIRST_SPREAD**2
    outside: int = 0
    other: float = 0.0

    def learn(self, cost: float, quantity: float) -> None:
        """Learn a settled day; one without cost or quantity says nothing of the price."""
        if not (isfinite(cost) and isfinite(quantity)) or cost <= 0 or quantity <= 0:
            return
        found = log(cost / quantity)
        if self.count == 0:
            self.price, self.count = found, 1
            return
        error = found - self.price
        if abs(error) > _OUTSIDE * self.spread:
            self.outside += 1
            self.other += found
            if self.outside >= _CONFIRM:
                self.price = self.other / self.outside
                self.outside, self.other = 0, 0.0
            return
        self.outside, self.other = 0, 0.0
        self.count += 1
        gain = max(_GAIN, 1 / self.count)
        self.price += gain * error
        self.square += gain * (error * error - self.square)

    @property
    def known(self) -> bool:
        """Whether there is a price."""
        return self.count > 0

    @property
    def spread(self) -> float:
        """Standard deviation of the price, as a share of it."""
        return sqrt(self.square + _LEAST_SPREAD**2)

    def split(self, cost: float, quantity: float, expected_cost: float) -> Change:
        """Return what of `cost` − `expected_cost` is usage and what is rate.

        The quantity that was expected is the expected cost at the known price; the rate's part is the price's change
        times the quantity used, so the two add up.
        """
        if not self.known or quantity <= 0:
            return Change(cost - expected_cost, 0.0)
        at_known_price = exp(self.price) * quantity
        return Change(at_known_price - expected_cost, cost - at_known_price)

    def changed(self, cost: float, quantity: float) -> bool:
        """Say whether a day's price is another one."""
        if not self.known or cost <= 0 or quantity <= 0:
            return False
        return abs(log(cost / quantity) - self.price) > _OUTSIDE * self.spread


@dataclass(slots=True)
class EstimateError:
    """How the bill came to differ from estimates made before it: bill ÷ estimate, tracked on a logarithmic scale."""

    count: int = 0
    bias: float = 0.0
    square: float = 0.25

    def learn(self, estimate: float, bill: float) -> None:
        """Learn a day whose bill has arrived."""
        if not (isfinite(estimate) and isfinite(bill)) or estimate <= _TINY or bill <= _TINY:
            return
        error = log(bill / estimate) - self.bias
        self.count += 1
        gain = max(_GAIN, 1 / (self.count + 1))
        self.bias += gain * error
        self.square = (1 - gain) * (self.square + gain * error * error)

    def corrected(self, estimate: float) -> tuple[float, float]:
        """Return an estimate with its bias taken out, and the standard deviation of its error, in currency units."""
        found = estimate * exp(self.bias)
        return found, abs(found) * sqrt(self.square)

    def plain(self) -> dict[str, Any]:
        """Return the state as plain data, by the names of the attributes."""
        return asdict(self)
