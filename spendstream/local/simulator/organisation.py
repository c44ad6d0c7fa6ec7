"""One seeded organisation: every line of its bill, any day by itself, as a pure function.

Amounts are whole numbers: quantities of 10⁻⁴ of a unit, prices of 10⁻⁶ of a currency unit, so that a cost is an exact
number of 10⁻¹⁰. Noise and seasons use sums and products only, which every IEEE machine rounds alike.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

#: A quantity of 1 unit, and the number of cost units in 1 of the currency.
QUANTITY_SCALE = 10**4
COST_SCALE = 10**10

#: (service, usage type, operation, unit, price in 10⁻⁶, mean units an hour, follows the hour of day)
CATALOGUE: tuple[tuple[str, str, str, str, int, int, bool], ...] = (
    ("Amazon Elastic Compute Cloud - Compute", "BoxUsage:m7g.large", "RunInstances", "Hrs", 81_600, 40, True),
    ("EC2 - Other", "EBS:VolumeUsage.gp3", "CreateVolume-Gp3", "GB-Mo", 80_000, 6, False),
    ("EC2 - Other", "NatGateway-Bytes", "NatGateway", "GB", 45_000, 30, True),
    ("Amazon Simple Storage Service", "TimedStorage-ByteHrs", "StandardStorage", "GB-Mo", 23_000, 30, False),
    ("Amazon Relational Database Service", "InstanceUsage:db.r7g.large", "CreateDBInstance", "Hrs", 239_000, 8, False),
    ("AWS Lambda", "Lambda-GB-Second", "Invoke", "Lambda-GB-Second", 17, 60_000, True),
    ("Amazon DynamoDB", "WriteRequestUnits", "PayPerRequestThroughput", "WriteRequestUnits", 1, 400_000, True),
    ("Amazon Elastic Load Balancing", "LCUUsage", "LoadBalancing:Application", "LCU-Hrs", 8_000, 50, True),
    ("Amazon CloudFront", "DataTransfer-Out-Bytes", "GET", "GB", 85_000, 25, True),
    ("AmazonCloudWatch", "DataProcessing-Bytes", "PutLogEvents", "GB", 500_000, 2, True),
    ("Amazon ElastiCache", "NodeUsage:cache.r7g.large", "CreateCacheCluster", "Hrs", 219_000, 4, False),
    ("Amazon Elastic Container Service", "Fargate-vCPU-Hours:perCPU", "FargateTask", "hours", 40_480, 25, True),
    ("AWS Key Management Service", "KMS-Requests", "Decrypt", "Requests", 3, 20_000, True),
    ("Amazon Simple Queue Service", "Requests-Tier1", "Send", "Requests", 1, 90_000, True),
    ("Amazon Kinesis", "Storage-ShardHour", "shardHourStorage", "ShardHour", 15_000, 12, False),
)
REGIONS = ("us-east-1", "eu-central-1", "us-west-2", "ap-south-1")
_PREFIX = {"us-east-1": "", "eu-central-1": "EUC1-", "us-west-2": "USW2-", "ap-south-1": "APS3-"}
_TEAMS = ("checkout", "search", "data", "platform")
_HOUR = np.array([5, 4, 4, 4, 5, 6, 8, 10, 12, 14, 15, 15, 14, 15, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6]) / 10
_WEEKDAY = (1.04, 1.05, 1.05, 1.04, 1.0, 0.9, 0.88)
#: (hours since a day began, parts in a thousand of each line that Cost Explorer shows from then on)
_COMPLETENESS = ((16, 300), (24, 700), (32, 900), (48, 970), (72, 1008), (96, 1000))
_TAX_PERMILLE = 80

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Series:
    """What stays the same in all lines of one series: its dimensions, tags, unit and price (10⁻⁶ of the currency)."""

    account: str
    service: str
    region: str
    usage_type: str
    operation: str
    record_type: str
    unit: str
    price: int
    tags: tuple[tuple[str, str], ...]
    mean: int
    by_hour: bool
    billing_entity: str = "AWS"


@dataclass(frozen=True)
class Day:
    """A day as it is known at some time: arrays of shape (series, 24), in 10⁻⁴ units and in 10⁻¹⁰ of the currency."""

    quantity: Ints
    cost: Ints


def decimal_of(units: int, scale: int) -> Decimal:
    """Return `units` / `scale` (a power of ten) as an exact Decimal."""
    return Decimal(units).scaleb(1 - len(str(scale)))


def month_is_final(day: date, now: datetime) -> bool:
    """Say whether the month of `day` is closed at `now`: from the 5th of the month after."""
    following = (day.replace(day=1) + timedelta(days=32)).replace(day=5)
    return now.date() >= following


def _hashed(*parts: object) -> int:
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "big")


class Organisation:
    """Every line of an organisation's bill, given a seed and a size.

    Parameters
    ----------
    seed
        Two organisations of the same seed and size have the same bill.
    accounts, services, regions
        Size: linked accounts (1 or more), entries of the catalogue, regions.
    noise
        Relative half-width of the noise in an hour's quantity, 0 to 0.5.
    """

    currency = "USD"

    def __init__(
        self, seed: int = 1, accounts: int = 6, services: int = 15, regions: int = 4, noise: float = 0.1
    ) -> None:
        if accounts < 1 or not 1 <= services <= len(CATALOGUE) or not 1 <= regions <= len(REGIONS):
            raise ValueError(
                f"give at least 1 account, 1 to {len(CATALOGUE)} services and 1 to {len(REGIONS)} regions; "
                f"got {accounts}, {services} and {regions}"
            )
        if not 0 <= noise <= 0.5:  # noqa: PLR2004
            raise ValueError(f"the noise must be from 0 to 0.5; got {noise}")
        self.seed = seed
        self.noise = noise
        self.accounts = tuple(f"{100_000_000_001 + 111_111 * i}" for i in range(accounts))
        usage = [
            self._usage(account, entry, region)
            for account in self.accounts
            for entry in CATALOGUE[:services]
            for region in REGIONS[:regions]
            if region == REGIONS[0] or _hashed(seed, account, entry[1], region) % 3 == 0
        ]
        self.series = (*usage, *(_tax(account) for account in self.accounts))
        self._price = np.array([s.price for s in self.series], dtype=np.int64)[:, None]
        self._mean = np.array([s.mean for s in self.series], dtype=np.float64)[:, None]
        self._by_hour = np.array([s.by_hour for s in self.series])[:, None]
        self._taxed = [
            np.array([s.account == account and s.record_type == "Usage" for s in self.series])
            for account in self.accounts
        ]
        self._final = lru_cache(maxsize=500)(self._final_quantity)
        self._known = lru_cache(maxsize=2_000)(self._known_share)

    def _usage(self, account: str, entry: tuple[str, str, str, str, int, int, bool], region: str) -> Series:
        service, usage_type, operation, unit, price, mean, by_hour = entry
        size = 500 + _hashed(self.seed, "size", account, usage_type, region) % 1500
        team = _TEAMS[_hashed(self.seed, "team", account, usage_type) % len(_TEAMS)]
        env = "prod" if account != self.accounts[-1] else "dev"
        return Series(
            account, service, region, _PREFIX[region] + usage_type, operation, "Usage", unit, price,
            (("env", env), ("team", team)), mean * size * QUANTITY_SCALE // 1000, by_hour,
        )  # fmt: skip

    def day(self, day: date, now: datetime) -> Day:
        """Return `day` as Cost Explorer knows it at the simulated time `now`."""
        age = (now - datetime(day.year, day.month, day.day, tzinfo=UTC)) // timedelta(hours=1)
        share = 0
        for hours, permille in _COMPLETENESS:
            if age >= hours:
                share = permille
        elapsed = min(24, max(0, age - 8))
        return self._known(day, share, elapsed)

    def _known_share(self, day: date, share: int, elapsed: int) -> Day:
        quantity = self._final(day) * share // 1000
        quantity[:, elapsed:] = 0
        cost = quantity * self._price
        if day.day == 1 and share:
            self._add_tax(day, cost)
        quantity.setflags(write=False)
        cost.setflags(write=False)
        return Day(quantity, cost)

    def _add_tax(self, day: date, cost: Ints) -> None:
        # Tax stands on the first of a month, for the last day of the month before: known in full by then.
        before = self._final(day - timedelta(days=1)) * self._price
        first_tax = len(self.series) - len(self.accounts)
        for index, taxed in enumerate(self._taxed):
            cost[first_tax + index, 0] = int(before[taxed].sum()) * _TAX_PERMILLE // 1000

    def _final_quantity(self, day: date) -> Ints:
        shape = (len(self.series), 24)
        draws = np.random.Generator(np.random.Philox(key=_hashed(self.seed, "noise", day.toordinal())))
        wobble = draws.random(shape) + draws.random(shape) - 1.0
        growth = 1.0 + 0.0004 * (day.toordinal() - date(2026, 1, 1).toordinal())
        season = np.where(self._by_hour, _HOUR[None, :] * _WEEKDAY[day.weekday()], 1.0)
        level = self._mean * max(growth, 0.1) * season * (1.0 + self.noise * wobble)
        return np.asarray(np.floor(level), dtype=np.int64)


def _tax(account: str) -> Series:
    return Series(account, "Tax", "NoRegion", "NoUsageType", "NoOperation", "Tax", "", 0, (), 0, by_hour=False)
