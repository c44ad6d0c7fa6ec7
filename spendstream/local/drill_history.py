"""What a drill reads, and what it must come to: a FOCUS export and a simulated AWS that both restate themselves.

The sums are made by the standard library alone: of the export's last edition, and of the bill that the simulator writes
as CSV, which no client of AWS and none of our own parts has touched.
"""

import csv
import os
import random
from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Self

from spendstream.local.simulator import Organisation, SimulatedAWS, SimulatedClock
from spendstream.local.simulator.bill import write_bill

#: Source of the export, and of the simulated AWS.
EXPORT, AWS = "focus.drill", "cost_explorer"
PAYER = "100000000000"
_WINDOW_DAYS = 14
_MONTH_FINAL_DAY = 6
_BETWEEN_EDITIONS = timedelta(hours=10)
#: Simulated seconds a second: Cost Explorer is refreshed while it is read.
_SPEED = 600

_BILL = ("ProviderName", "BillingAccountId", "BillingPeriodStart")

Row = dict[str, str]
#: Source, provider, service → billed cost.
Sums = dict[tuple[str, str, str], Decimal]


class History:
    """Editions of one export, each a random restatement of the one before, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a drill, not a secret
        sample = files("spendstream.local") / "data" / "focus" / "focus_sample.csv"
        self._all: list[Row] = list(csv.DictReader(sample.read_text("utf-8").splitlines()))
        self._there = set(self._random.sample(range(len(self._all)), len(self._all) * 3 // 4)) | self._anchors()

    def write(self, path: Path, modified: float) -> None:
        """Write the next edition as if it had been made at `modified` (seconds since 1970)."""
        chance = self._random
        self._there ^= set(chance.sample(range(len(self._all)), len(self._all) // 10))
        self._there |= self._anchors()
        for number in chance.sample(range(len(self._all)), len(self._all) // 5):
            cost = str(Decimal(chance.randrange(-(10**6), 10**9)).scaleb(-chance.randrange(2, 12)))
            self._all[number] = {**self._all[number], "BilledCost": cost, "EffectiveCost": cost}
        draft = path.with_suffix(".draft")
        with draft.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(self._all[0]))
            writer.writeheader()
            writer.writerows(self._all[number] for number in sorted(self._there))
        os.utime(draft, (modified, modified))
        draft.rename(path)

    def _anchors(self) -> set[int]:
        """Return a row of each bill that is always there: an export without any row of a bill says nothing of it."""
        bills = [tuple(row[name] for name in _BILL) for row in self._all]
        return {bills.index(bill) for bill in bills}


class Bills:
    """The bill of a simulated organisation over some days, told by a simulated AWS whose clock runs fast.

    Parameters
    ----------
    seed
        Which organisation.
    editions
        How often the clock is moved on; it reaches `end` with the last, and stands then.
    end
        The real time: Cost Explorer is asked for the days before it.
    """

    def __init__(self, seed: int, editions: int, end: datetime) -> None:
        self._model = Organisation(seed, accounts=3, services=6, regions=2, payer=PAYER)
        self._times = [end - _BETWEEN_EDITIONS * left for left in reversed(range(editions))]
        self._end = end
        self._aws = SimulatedAWS(self._model, SimulatedClock(self._times[0], _SPEED))
        self.url = self._aws.url

    def __enter__(self) -> Self:
        """Return it; AWS already answers."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the simulated AWS."""
        self._aws.stop()

    def move_on(self, edition: int) -> None:
        """Go on to the time of an edition, if it has not come by itself."""
        now = max(self._aws.clock.now(), self._times[edition])
        last = edition == len(self._times) - 1
        self._aws.clock = SimulatedClock(now, 0 if last else _SPEED)

    def write(self, path: Path) -> None:
        """Write the bill of all days that are read, as it is known now."""
        first = self._end.date() - timedelta(days=_WINDOW_DAYS - 1)
        if self._end.day <= _MONTH_FINAL_DAY:
            first = min(first, (self._end.date().replace(day=1) - timedelta(days=1)).replace(day=1))
        with path.open("w", newline="") as file:
            write_bill(self._model, self._aws.clock.now(), first, self._end.date(), file)

    def environment(self) -> dict[str, str]:
        """Return the settings that lead a producer to it."""
        return {
            "SPENDSTREAM_AWS__ENDPOINT_URL": self.url,
            "SPENDSTREAM_AWS__PAYERS": f'[{{"account": "{PAYER}"}}]',
            "SPENDSTREAM_COST_EXPLORER__ENABLED": "true",
            "SPENDSTREAM_COST_EXPLORER__WINDOW_DAYS": str(_WINDOW_DAYS),
            "SPENDSTREAM_COST_EXPLORER__MONTH_FINAL_DAY": str(_MONTH_FINAL_DAY),
            "SPENDSTREAM_BUDGET__USD_PER_DAY": "1000",
            "SPENDSTREAM_BUDGET__USD_PER_MONTH": "1000",
            # The simulator takes any credentials; real ones must not reach it.
            "AWS_ACCESS_KEY_ID": "simulated",
            "AWS_SECRET_ACCESS_KEY": "simulated",
        }


def sum_of_export(path: Path) -> tuple[Sums, int]:
    """Return billed cost by source, provider and service, and the number of lines, of a FOCUS export."""
    sums: Sums = defaultdict(Decimal)
    lines = 0
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            sums[EXPORT, row["ProviderName"], row["ServiceName"]] += Decimal(row["BilledCost"])
            lines += 1
    return {key: cost for key, cost in sums.items() if cost}, lines


def sum_of_bill(path: Path) -> Sums:
    """Return billed cost by source, provider and service of a bill that the simulator wrote."""
    sums: Sums = defaultdict(Decimal)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            sums[AWS, "AWS", row["service"]] += Decimal(row["unblended"])
    return {key: cost for key, cost in sums.items() if cost}
