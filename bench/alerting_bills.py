"""The bills of the benchmark of alerting: what one reading after the other says, and which rule speaks of it."""

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

from bench.statements import DAY, statements
from processors.series import ChargeKind
from producers.statement import Line, Said, Scope, fold
from schemas.events import CostStatement

#: Statements of a reading.
STATEMENTS = 50
_HISTORY_DAYS = 40
_LINES = 20
_DOLLAR = 10**18


class Bill(Protocol):
    """A bill of which each reading makes one more account worth an alert."""

    @property
    def name(self) -> str:
        """What speaks."""
        ...

    @property
    def rules(self) -> str:
        """Rules, as a file holds them."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """Settings that the services need for it."""
        ...

    @property
    def through(self) -> date:
        """The last day that its readings close."""
        ...

    def history(self) -> Iterator[CostStatement]:
        """Yield the statements of all readings before, all of the reading `history`."""
        ...

    def reading(self, number: int) -> tuple[str, Iterator[CostStatement]]:
        """Return the account that a reading makes worth an alert, and its statements; the reading is called rNUMBER."""
        ...


class Limits:
    """Accounts that have cost nothing before cross a limit."""

    name = "a threshold rule"
    rules = 'rules:\n- {id: dear, kind: threshold, where: {account: "*"}, window: day, limits: {critical: 1}}\n'
    environment: Mapping[str, str] = {}
    through = DAY

    def history(self) -> Iterator[CostStatement]:
        """Yield nothing: no rule of this kind asks for the past."""
        return iter(())

    def reading(self, number: int) -> tuple[str, Iterator[CostStatement]]:
        """Return a new account, with statements of fourteen days."""
        account = 1_000 + number
        return f"{account:012d}", statements(STATEMENTS, _LINES, f"r{number}", seed=number, first_account=account)


class Rises:
    """Accounts with a history of forty days cost ten times as much today, one after the other.

    Parameters
    ----------
    accounts
        How many there are: no more readings can be made.
    """

    name = "an anomaly rule"
    # What is measured is the way, not what detection dares to say of a hundred accounts that it knows for forty days.
    environment: Mapping[str, str] = {"SPENDSTREAM_DETECTION__FALSE_ALERTS_A_WEEK": "100"}
    rules = "rules:\n- id: rises\n  kind: anomaly\n  where: {account: '*'}\n  severities: {critical: {amount: 100}}\n"

    def __init__(self, accounts: int) -> None:
        self._accounts = max(accounts, STATEMENTS)
        self._today = datetime.now(UTC).date()
        self.through = self._today - timedelta(days=1)

    def history(self) -> Iterator[CostStatement]:
        """Yield the days before today of every account."""
        for age in range(_HISTORY_DAYS, 0, -1):
            for account in range(self._accounts):
                yield self._statement(account, self._today - timedelta(days=age), "history", 1)

    def reading(self, number: int) -> tuple[str, Iterator[CostStatement]]:
        """Return the account that is dear, and today's statements of it and of those after it; it stays dear."""
        accounts = [(number + step) % self._accounts for step in range(STATEMENTS)]
        said = (
            self._statement(account, self._today, f"r{number}", 10 if account <= number else 1) for account in accounts
        )
        return f"{number:012d}", said

    def _statement(self, account: int, day: date, reading: str, times: int) -> CostStatement:
        chance = random.Random(f"{account} {day}")  # noqa: S311 - a benchmark
        now = datetime.now(UTC)
        scope = Scope("bench", "AWS", "payer", day.replace(day=1), f"{account:012d}", f"Service {account}", "USD", day)
        said = Said(version=int(now.timestamp() * 1000), reading=reading, read_at=now, estimated=True)
        lines = [self._line(row, times * int(_DOLLAR * chance.uniform(9, 11))) for row in range(_LINES)]
        return fold(scope, lines, said)[0]

    def _line(self, row: int, cost: int) -> Line:
        return Line(
            ChargeKind.USAGE,
            billed=cost,
            effective=cost,
            region=("us-east-1", "eu-west-1")[row % 2],
            usage_type=f"Usage-{row // 2}",
            tags={},
            quantity=cost,
            unit="Hrs",
            list_cost=cost,
            operation="Run",
            charge_category="Usage",
        )
