"""One line of the bill as far as it stays the same from hour to hour: its dimensions, tags, unit and prices."""

import hashlib
from dataclasses import dataclass
from datetime import date

from spendstream.local.simulator.catalogue import COST_CATEGORIES

_SIZES = {"large": 40_000, "xlarge": 80_000, "24xlarge": 1_920_000}


def hashed(*parts: object) -> int:
    """Return 64 bits that follow from `parts` alone."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True)
class Series:
    """What all lines of one series have in common.

    Attributes
    ----------
    price
        Of a unit on demand, in 10⁻¹⁰ of the currency.
    tags
        Sorted pairs of key and value; a key that is missing is not tagged.
    mean
        Usual quantity an hour, in 10⁻⁴ of the unit, before growth and season.
    curve
        How late it is told: a name in `completeness.CURVES`.
    since
        The day of its first use; None: always.
    resource
        The one resource, where it is known by name.
    """

    account: str
    service: str
    region: str
    usage_type: str
    operation: str
    record_type: str
    unit: str = ""
    price: int = 0
    tags: tuple[tuple[str, str], ...] = ()
    mean: int = 0
    by_hour: bool = False
    billing_entity: str = "AWS"
    purchase_type: str = "On Demand Instances"
    curve: str = "usual"
    resources: int = 0
    named: str = ""
    since: date | None = None
    month_end: bool = False
    whole: bool = False
    resource: str = ""

    def tag(self, key: str) -> str:
        """Return the value of a tag; the empty text where it has none."""
        return dict(self.tags).get(key, "")

    def cost_category(self, name: str) -> str:
        """Return the value of a cost category; the empty text where none of its rules fits."""
        return COST_CATEGORIES[name].get(self.tag("team"), "")

    @property
    def instance_type(self) -> str:
        """The instance type that the usage type names."""
        base, _, kind = self.usage_type.partition(":")
        return kind if base.endswith(("BoxUsage", "InstanceUsage", "NodeUsage")) else "NoInstanceType"

    @property
    def normalized(self) -> int:
        """Normalised units of a unit, in 10⁻⁴: 4 for an hour of a large instance, 0 for what has no size."""
        return _SIZES.get(self.instance_type.rpartition(".")[2], 0) if self.instance_type != "NoInstanceType" else 0

    def resource_ids(self) -> tuple[str, ...]:
        """Return the resources whose usage this is, in equal shares; none for fees."""
        if self.resource:
            return (self.resource,)
        where = (self.account, self.region, self.named)
        return tuple(self.named.format(hashed(*where, number)) for number in range(self.resources))
