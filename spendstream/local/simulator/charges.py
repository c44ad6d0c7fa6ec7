"""What stands on a bill besides usage: commitments, fees, credits, refunds, marketplace, support and tax."""

import calendar
import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from spendstream.local.simulator.catalogue import COST_SCALE, MARKETPLACE, QUANTITY_SCALE
from spendstream.local.simulator.incidents import Incident, IncidentError, of_kind
from spendstream.local.simulator.series import Series, hashed

Ints = NDArray[np.int64]

USAGE_LIKE = frozenset({"Usage", "DiscountedUsage", "SavingsPlanCoveredUsage", "SavingsPlanNegation"})
#: Neither tax nor support is charged on these.
_NOT_CHARGED_ON = frozenset({"Tax", "Support fee", "Credit", "Refund"})
_PLAN_SERVICES = frozenset({"Amazon Elastic Compute Cloud - Compute", "Amazon Elastic Container Service"})
_RESERVED_SERVICE = "Amazon Relational Database Service"
SUPPORT = "AWS Support (Business)"
#: Services that have a fee of the month.
FEES = frozenset({SUPPORT, MARKETPLACE.service, _RESERVED_SERVICE})
_PLAN_PERCENT, _RESERVED_PERCENT = 72, 60
_PLAN_SHARE, _RESERVED_SHARE = 40, 50
_SUBSCRIPTION = 450 * COST_SCALE
_LEAST_SUPPORT = 100 * COST_SCALE
_SUPPORT_PERMILLE, _TAX_PERMILLE = 30, 80
_CREDIT_PERMILLE = 100


@dataclass(frozen=True, slots=True)
class Final:
    """A day as it stays: quantities (10⁻⁴ units), and charges that no quantity has (10⁻¹⁰), each (series, 24).

    `charge` is unblended, `earned` amortised.
    """

    quantity: Ints
    charge: Ints
    earned: Ints


class Charges:
    """Adds to the series of usage those of everything else, and splits their usage by who pays for it.

    Parameters
    ----------
    seed, payer, accounts
        Of the organisation.
    usage
        Series of usage; they stay the first.
    ordinary
        So many of them are there in any case; the rest an incident brings.
    incidents
        What goes wrong; some of it changes fees, credits or commitments.

    Raises
    ------
    IncidentError
        When a fee is to be doubled that there is not.
    """

    def __init__(
        self,
        seed: int,
        payer: str,
        accounts: Sequence[str],
        usage: Sequence[Series],
        ordinary: int,
        incidents: Sequence[Incident],
    ) -> None:
        for incident in of_kind(incidents, "double_fee"):
            if incident.scope.service not in FEES:
                names = ", ".join(sorted(FEES))
                raise IncidentError(f"incident {incident.id}: its service has no fee of the month; use one of {names}")
        self._seed = seed
        self._incidents = incidents
        home = usage[0].region
        planned = [
            i
            for i, s in enumerate(usage[:ordinary])
            if s.service in _PLAN_SERVICES and s.region == home and not s.since
        ]
        reserved = [i for i, s in enumerate(usage[:ordinary]) if s.service == _RESERVED_SERVICE and s.region == home]
        self._planned = np.array(planned, dtype=np.intp)
        self._reserved = np.array(reserved, dtype=np.intp)
        rows = list(usage)
        self.covered = self._append(rows, [_under_plan(usage[i], "SavingsPlanCoveredUsage") for i in self._planned])
        self.negation = self._append(rows, [_under_plan(usage[i], "SavingsPlanNegation") for i in self._planned])
        discounted = [
            replace(usage[i], record_type="DiscountedUsage", purchase_type="Standard Reserved Instances")
            for i in self._reserved
        ]
        self.discounted = self._append(rows, discounted)
        plan = "Savings Plans for AWS Compute usage", "ComputeSP:1yrPartialUpfront"
        fees = [
            _fee(payer, *plan, "SavingsPlanRecurringFee", "Savings Plans"),
            _fee(payer, *plan, "SavingsPlanUpfrontFee", "Savings Plans"),
            _fee(payer, _RESERVED_SERVICE, "HeavyUsage:db.r7g.large", "RIFee", "Standard Reserved Instances"),
            replace(_fee(payer, MARKETPLACE.service, "MP:Subscription", "Fee"), billing_entity="AWS Marketplace"),
            replace(_fee(accounts[0], usage[0].service, usage[0].usage_type, "Credit"), region=home, curve="credit"),
            replace(_fee(accounts[-1], usage[0].service, usage[0].usage_type, "Refund"), region=home, curve="credit"),
            _fee(payer, SUPPORT, "Dollar", "Support fee"),
        ]
        self._recurring, self._upfront, self._reservation, self._subscription, self._credit, self._refund, support = (
            self._append(rows, fees)
        )
        self._support = int(support)
        taxed = (payer, *accounts)
        self._tax = self._append(rows, [_fee(account, "Tax", "NoUsageType", "Tax") for account in taxed])
        self.series = tuple(rows)
        self._set_commitments(usage)
        spend = [s.mean * s.price // QUANTITY_SCALE for s in usage[:ordinary] if s.account == accounts[0]]
        self._daily_credit = sum(spend) * 24 * _CREDIT_PERMILLE // 1000
        self._set_taxed(taxed)

    @staticmethod
    def _append(rows: list[Series], more: list[Series]) -> NDArray[np.intp]:
        rows += more
        return np.arange(len(rows) - len(more), len(rows), dtype=np.intp)

    def _set_commitments(self, usage: Sequence[Series]) -> None:
        #: Price of what a commitment covers, as the commitment pays it, in 10⁻¹⁰.
        self.rate = np.zeros((len(self.series), 1), dtype=np.int64)
        for rows, base, percent in (
            (self.covered, self._planned, _PLAN_PERCENT), (self.discounted, self._reserved, _RESERVED_PERCENT)
        ):  # fmt: skip
            self.rate[rows, 0] = [usage[i].price * percent // 100 for i in base]
        self._allotted = _allotment(usage, self._planned, _PLAN_SHARE)
        self._held = _allotment(usage, self._reserved, _RESERVED_SHARE)
        self._committed = int((self._allotted * self.rate[self.covered] // QUANTITY_SCALE).sum())
        self._reserved_hour = int((self._held * self.rate[self.discounted] // QUANTITY_SCALE).sum())

    def _set_taxed(self, taxed: Sequence[str]) -> None:
        self._usage_like = np.array([s.record_type in USAGE_LIKE for s in self.series])
        charged = np.array([s.record_type not in _NOT_CHARGED_ON for s in self.series])
        self._taxable = [charged & np.array([s.account == account for s in self.series]) for account in taxed]

    def split(self, day: date, total: Ints) -> Final:
        """Return the final day, given the whole usage (10⁻⁴ units) of each series of usage and hour."""
        shape = (len(self.series), 24)
        quantity, charge, earned = (np.zeros(shape, dtype=np.int64) for _ in range(3))
        quantity[: len(total)] = total
        active = ~self._ended(day, "commitment_expiry")
        covered = np.minimum(total[self._planned], self._allotted) * active
        discounted = np.minimum(total[self._reserved], self._held)
        quantity[self._planned] -= covered
        quantity[self._reserved] -= discounted
        quantity[self.covered] = quantity[self.negation] = covered
        quantity[self.discounted] = discounted
        used = (covered * self.rate[self.covered] // QUANTITY_SCALE).sum(axis=0)
        charge[self._recurring] = self._committed // 2 * active
        earned[self._recurring] = self._committed * active - used
        if (day.month, day.day) == self._anniversary and active[0]:
            charge[self._upfront, 0] = (self._committed - self._committed // 2) * 24 * 365
        self._reserve(day, charge, earned, discounted)
        self._monthly_and_credits(day, charge, earned)
        return Final(quantity, charge, earned)

    def under(self, incidents: Sequence[Incident]) -> "Charges":
        """Return the same charges under other incidents."""
        other = copy.copy(self)
        other._incidents = incidents  # noqa: SLF001 - of the same class
        return other

    @property
    def _anniversary(self) -> tuple[int, int]:
        drawn = hashed(self._seed, "plan")
        return 1 + drawn % 12, 1 + drawn // 12 % 28

    def _reserve(self, day: date, charge: Ints, earned: Ints, discounted: Ints) -> None:
        used = (discounted * self.rate[self.discounted] // QUANTITY_SCALE).sum(axis=0)
        earned[self._reservation] = self._reserved_hour - used
        if day.day == 1:
            hours = 24 * calendar.monthrange(day.year, day.month)[1]
            times = self.times(day, _RESERVED_SERVICE)
            charge[self._reservation, 0] = self._reserved_hour * hours * times
            # What is charged twice is earned by nothing: it is effective cost of its own.
            earned[self._reservation, 0] += self._reserved_hour * hours * (times - 1)

    def _monthly_and_credits(self, day: date, charge: Ints, earned: Ints) -> None:
        if day.day == 1:
            charge[self._subscription, 0] = _SUBSCRIPTION * self.times(day, MARKETPLACE.service)
        left = 200 + hashed(self._seed, "credit", day.year) % 100 - day.timetuple().tm_yday
        if left >= 0:
            amount = self._daily_credit if left else self._daily_credit // 2
            charge[self._credit] = -(amount // 24) * ~self._ended(day, "credit_end")
        if day.month % 3 == 2 and day.day == 10 + hashed(self._seed, "refund", day.year, day.month) % 15:  # noqa: PLR2004
            charge[self._refund, 0] = -self._daily_credit // 3
        for row in (self._subscription, self._credit, self._refund):
            earned[row] = charge[row]

    def _ended(self, day: date, kind: str) -> NDArray[np.bool_]:
        ended = np.zeros(24, dtype=bool)
        for incident in of_kind(self._incidents, kind):
            ended |= incident.active(day)
        return ended

    def times(self, first: date, service: str) -> int:
        """Return how many times the fee of a service is charged in the month that begins on `first`."""
        month = (first.year, first.month)
        doubled = [i for i in of_kind(self._incidents, "double_fee") if i.scope.service == service]
        return max([1, *(int(i.size) for i in doubled if (i.start.year, i.start.month) == month)])

    def of_month(self, first: date, unblended: Ints) -> dict[int, int]:
        """Return support fee and tax of the month that begins on `first`, by series.

        `unblended` is what each series cost in the month so far, in 10⁻¹⁰.
        """
        usage = int(unblended[self._usage_like].sum())
        support = max(_LEAST_SUPPORT, usage * _SUPPORT_PERMILLE // 1000) * self.times(first, SUPPORT)
        found = {self._support: support}
        for number, (row, rows) in enumerate(zip(self._tax, self._taxable, strict=True)):
            base = int(unblended[rows].sum()) + (support if number == 0 else 0)
            found[int(row)] = base * _TAX_PERMILLE // 1000
        return found


def _under_plan(series: Series, record_type: str) -> Series:
    return replace(series, record_type=record_type, purchase_type="Savings Plans")


def _fee(
    account: str, service: str, usage_type: str, record_type: str, purchase_type: str = "NoPurchaseType"
) -> Series:
    return Series(
        account, service, "NoRegion", usage_type, "NoOperation", record_type, purchase_type=purchase_type, curve="fee"
    )


def _allotment(usage: Sequence[Series], rows: NDArray[np.intp], percent: int) -> Ints:
    return np.array([usage[i].mean * percent // 100 for i in rows], dtype=np.int64)[:, None]
