"""One seeded organisation: every line of its bill, any day by itself, as a pure function.

Amounts are whole numbers: quantities of 10⁻⁴ of a unit, prices and costs of 10⁻¹⁰ of the currency, so that sums are
exact. Noise and seasons use sums and products only, which every IEEE machine rounds alike.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

import numpy as np

from spendstream.local.simulator.bringing import brought
from spendstream.local.simulator.catalogue import (
    CATALOGUE,
    COST_SCALE,
    MARKETPLACE,
    PREFIXES,
    QUANTITY_SCALE,
    REGIONS,
    SERVICES,
    TEAMS,
    Entry,
)
from spendstream.local.simulator.charges import Charges, Final, Ints
from spendstream.local.simulator.completeness import CURVES, SETTLED, day_start, final_at, refreshed
from spendstream.local.simulator.incidents import BRINGING, Incident, of_kind
from spendstream.local.simulator.series import Series, hashed
from spendstream.local.simulator.usage import Usage

#: Names as Cost Explorer has them, in the order of the first axis of `Day.amounts`.
METRICS = (
    "UnblendedCost", "NetUnblendedCost", "AmortizedCost", "NetAmortizedCost", "BlendedCost", "UsageQuantity",
    "NormalizedUsageAmount",
)  # fmt: skip
_NET_PERMILLE = 940
_BLENDED_PERMILLE = 700
_KEPT_BYTES = 60_000_000
_FIRST_NEWCOMER = date(2025, 7, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Day:
    """A day as it is known at some time.

    `amounts` has the shape (metrics, series, 24): costs in 10⁻¹⁰ of the currency, quantities in 10⁻⁴ units.
    """

    amounts: Ints

    @property
    def cost(self) -> Ints:
        """Unblended cost, (series, 24)."""
        return self.of("UnblendedCost")

    @property
    def quantity(self) -> Ints:
        """Usage quantity, (series, 24)."""
        return self.of("UsageQuantity")

    def of(self, metric: str) -> Ints:
        """Return a metric, (series, 24)."""
        found: Ints = self.amounts[METRICS.index(metric)]
        return found


def decimal_of(units: int, scale: int) -> Decimal:
    """Return `units` / `scale` (a power of ten) as an exact Decimal."""
    return Decimal(units).scaleb(1 - len(str(scale)))


def scale_of(metric: str) -> int:
    """Return how many of its units make 1 of the currency, or 1 unit."""
    return COST_SCALE if metric.endswith("Cost") else QUANTITY_SCALE


class Organisation:
    """Every line of an organisation's bill, given a seed and a size.

    Parameters
    ----------
    seed
        Two organisations of the same seed and size have the same bill.
    accounts, services, regions
        Size: linked accounts (1 or more), services of the catalogue, regions.
    noise
        Relative half-width of the noise in an hour's quantity, 0 to 0.5.
    payer
        The account that pays, of 12 digits; the linked ones are numbered from it on.
    incidents
        What goes wrong.
    refresh_hours
        Hours between two refreshes of Cost Explorer's data, a divisor of 24.

    Attributes
    ----------
    series
        Everything a line of the bill can be, usage first.
    """

    currency = "USD"

    def __init__(
        self,
        seed: int = 1,
        accounts: int = 6,
        services: int = len(SERVICES),
        regions: int = len(REGIONS),
        noise: float = 0.1,
        *,
        payer: str = "100000000000",
        incidents: Sequence[Incident] = (),
        refresh_hours: int = 8,
    ) -> None:
        if accounts < 1 or not 1 <= services <= len(SERVICES) or not 1 <= regions <= len(REGIONS):
            raise ValueError(
                f"give at least 1 account, 1 to {len(SERVICES)} services and 1 to {len(REGIONS)} regions; "
                f"got {accounts}, {services} and {regions}"
            )
        if not 0 <= noise <= 0.5:  # noqa: PLR2004
            raise ValueError(f"the noise must be from 0 to 0.5; got {noise}")
        if refresh_hours < 1 or 24 % refresh_hours:
            raise ValueError(f"the hours between refreshes must divide 24; got {refresh_hours}")
        if len({incident.id for incident in incidents}) < len(incidents):
            raise ValueError("two incidents have the same id; give each its own")
        self.seed = seed
        self.noise = noise
        self.payer = payer
        self.accounts = tuple(f"{int(payer) + 1 + 111_111 * i:012d}" for i in range(accounts))
        self.regions = REGIONS[:regions]
        self.incidents = tuple(incidents)
        self.refresh_hours = refresh_hours
        usage = [
            self._used_by(account, entry, region)
            for account in self.accounts
            for entry in CATALOGUE
            if entry.service in SERVICES[:services]
            for region in self.regions
            if region == REGIONS[0] or hashed(seed, account, entry.usage_type, region) % 3 == 0
        ]
        usage.append(self._sold())
        ordinary = len(usage)
        for incident in of_kind(self.incidents, *BRINGING):
            usage += brought(incident, self.accounts[0])
        self._set(usage, ordinary)

    def _used_by(self, account: str, entry: Entry, region: str) -> Series:
        drawn = hashed(self.seed, "size", account, entry.usage_type, region)
        team = TEAMS[hashed(self.seed, "team", account, entry.usage_type) % len(TEAMS)]
        tags = [("env", "prod" if account != self.accounts[-1] else "dev"), ("team", team)]
        if hashed(self.seed, "untagged", account, entry.usage_type) % 6 == 0:
            tags.pop()
        new = hashed(self.seed, "new", account, entry.usage_type, region)
        since = date.fromordinal(_FIRST_NEWCOMER + new // 40 % 700) if region != REGIONS[0] and new % 40 == 0 else None
        return Series(
            account, entry.service, region, PREFIXES[region] + entry.usage_type, entry.operation, "Usage", entry.unit,
            entry.price, tuple(tags), entry.mean * (500 + drawn % 1500) * QUANTITY_SCALE // 1000, entry.by_hour,
            curve=entry.curve, resources=entry.resources, named=entry.named, since=since, month_end=entry.month_end,
            whole=entry.whole,
        )  # fmt: skip

    def _sold(self) -> Series:
        entry = MARKETPLACE
        return Series(
            self.accounts[0], entry.service, REGIONS[0], entry.usage_type, entry.operation, "Usage", entry.unit,
            entry.price, mean=entry.mean * QUANTITY_SCALE, billing_entity="AWS Marketplace", curve=entry.curve,
        )  # fmt: skip

    def _set(self, usage: Sequence[Series], ordinary: int) -> None:
        self._charges = Charges(self.seed, self.payer, self.accounts, usage, ordinary, self.incidents)
        self.series = self._charges.series
        rows = self.series
        kinds = np.array([s.record_type for s in rows])[:, None]
        self._price = np.array([s.price for s in rows], dtype=np.int64)[:, None]
        signs = {"Usage": 1, "SavingsPlanCoveredUsage": 1, "SavingsPlanNegation": -1}
        self._sign = np.array([signs.get(s.record_type, 0) for s in rows])[:, None]
        self._on_demand = kinds == "Usage"
        self._counted = kinds != "SavingsPlanNegation"
        self._net = np.array([s.billing_entity == "AWS" and s.record_type in signs for s in rows])[:, None]
        self._blended = np.isin(kinds, ("Usage", "DiscountedUsage")) & np.array(
            [[s.instance_type.startswith("db.")] for s in rows]
        )
        self._normalized = np.array([s.normalized for s in rows], dtype=np.int64)[:, None]
        self._usage = Usage(self.seed, self.noise, usage, ordinary, self.incidents)
        late: dict[tuple[str, str], list[int]] = {}
        for row, series in enumerate(rows):
            late.setdefault((series.service, series.curve), []).append(row)
        self._late = [(service, CURVES[curve], np.array(some)) for (service, curve), some in late.items()]
        self._remember()

    def _remember(self) -> None:
        """Begin to keep days, as many as fit into some 60 MB of each sort and at least a fortnight of them."""
        cell = len(self.series) * 8
        hours, sums = (max(16, _KEPT_BYTES // size) for size in (cell * 24 * len(METRICS), cell * len(METRICS)))
        self._used = lru_cache(maxsize=hours * 2)(lambda day: self._usage.of_day(day, self.incidents))
        self.final = lru_cache(maxsize=hours)(self._final)
        self._plain = lru_cache(maxsize=hours)(self._plain_day)
        self._plain_sum = lru_cache(maxsize=sums)(self._sum_of_plain)
        self._full = lru_cache(maxsize=8)(self._full_day)
        self._full_sum = lru_cache(maxsize=sums)(self._sum_of_full)

    def without(self, incident: Incident) -> "Organisation":
        """Return the same organisation, with the same series, in which an incident does not happen."""
        other = copy.copy(self)
        other._leave_out(incident)  # noqa: SLF001 - of the same class
        return other

    def _leave_out(self, incident: Incident) -> None:
        self.incidents = tuple(one for one in self.incidents if one.id != incident.id)
        self._charges = self._charges.under(self.incidents)
        self._remember()

    def day(self, day: date, now: datetime) -> Day:
        """Return `day` as Cost Explorer knows it at the simulated time `now`."""
        as_of = min(refreshed(now, self.refresh_hours), final_at(day))
        return self._plain(day, min(as_of, day_start(day) + SETTLED)) if day.day > 1 else self._full(day, as_of)

    def daily(self, day: date, now: datetime) -> Ints:
        """Return the sums of the hours of `day(day, now)`, (metrics, series)."""
        as_of = min(refreshed(now, self.refresh_hours), final_at(day))
        if day.day > 1:
            return self._plain_sum(day, min(as_of, day_start(day) + SETTLED))
        return self._full_sum(day, as_of)

    def _sum_of_plain(self, day: date, as_of: datetime) -> Ints:
        sums: Ints = self._plain(day, as_of).amounts.sum(axis=2)
        return sums

    def _sum_of_full(self, day: date, as_of: datetime) -> Ints:
        sums: Ints = self._full(day, as_of).amounts.sum(axis=2)
        return sums

    def _full_day(self, first: date, as_of: datetime) -> Day:
        """Return the first of a month with what is charged by the month, as far as the month is known."""
        plain = self._plain(first, min(as_of, day_start(first) + SETTLED))
        if not plain.amounts.any():
            return plain
        last = min(as_of.date(), first + timedelta(days=31))
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        known = [
            self._plain_sum(day, min(as_of, day_start(day) + SETTLED))[0] for day in days if day.month == first.month
        ]
        amounts = plain.amounts.copy()
        for row, amount in self._charges.of_month(first, np.sum(known, axis=0)).items():
            amounts[:5, row, 0] = amount
        return Day(amounts)

    def _plain_day(self, day: date, as_of: datetime) -> Day:
        final = self.final(day)
        share = np.zeros((len(self.series), 1), dtype=np.int64)
        elapsed = np.zeros((len(self.series), 1), dtype=np.int64)
        for service, curve, rows in self._late:
            jitter = hashed(self.seed, "late", service, day.toordinal()) % 4
            share[rows, 0], elapsed[rows, 0] = curve.visible(day, as_of, jitter)
        share = np.where(np.arange(24) < elapsed, share, 0)
        return self._priced(day, *(_part(whole, share) for whole in (final.quantity, final.charge, final.earned)))

    def _priced(self, day: date, quantity: Ints, charge: Ints, earned: Ints) -> Day:
        gross = quantity * self.prices(day) // QUANTITY_SCALE
        amounts = np.empty((len(METRICS), *quantity.shape), dtype=np.int64)
        amounts[0] = gross * self._sign + charge
        amounts[1] = np.where(self._net, _part(amounts[0], _NET_PERMILLE), amounts[0])
        committed = quantity * self._charges.rate // QUANTITY_SCALE
        amounts[2] = np.where(self._on_demand, gross, committed) + earned
        amounts[3] = np.where(self._net & self._on_demand, _part(amounts[2], _NET_PERMILLE), amounts[2])
        amounts[4] = np.where(self._blended, _part(gross, _BLENDED_PERMILLE), amounts[0])
        amounts[5] = np.where(self._counted, quantity, 0)
        amounts[6] = amounts[5] * self._normalized // QUANTITY_SCALE
        amounts.setflags(write=False)
        return Day(amounts)

    def prices(self, day: date) -> Ints:
        """Return the price on demand of each series in each hour of a day, in 10⁻¹⁰: (series, 24)."""
        prices = np.repeat(self._price, 24, axis=1)
        for incident in of_kind(self.incidents, "price_change"):
            permille = incident.price_permille(day)
            if permille is not None:
                rows = np.array([incident.scope.holds(s) for s in self.series])
                prices[rows] = prices[rows] * permille // 1000
        return prices

    def _final(self, day: date) -> Final:
        return self._charges.split(day, self.used(day))

    def used(self, day: date) -> Ints:
        """Return the whole usage of each series of usage in each hour of a day, in 10⁻⁴ units, whoever pays for it."""
        return self._used(day)


def _part(amounts: Ints, permille: Ints | int) -> Ints:
    """Return parts in a thousand, cut towards zero, so that what cancels out still does."""
    whole = np.abs(amounts) * permille // 1000
    return np.where(amounts < 0, -whole, whole)
