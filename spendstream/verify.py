"""Counts and adds up what the sources said, what Kafka holds and what ClickHouse holds; all must agree.

Compared are, each to the last digit:

1. every scope's newest statement in Kafka with the one in ClickHouse;
2. the announced totals with the statements of record;
3. of every source and billing account the last closed reading: its control total, which the producer added up from what
   the source said, with the statements of its coverage, and with the reading in ClickHouse;
4. to the cent, a source's own answers over whole months and years, once they are final and wholly read, with the
   statements of these days.
"""

from collections import Counter
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from processors.of_record import record_of
from processors.series import Series
from producers.statement import Scope
from sinks.clickhouse import connect
from spendstream.money import from_units, to_units
from spendstream.recorded import Held, Recorded, recorded
from spendstream.runs import live_run
from spendstream.settings import Settings

_CENT = 10**16


@dataclass(slots=True)
class Report:
    """What was compared, and every difference; `controls` are a source's own answers over months and years."""

    statements: int = 0
    lines: int = 0
    readings: int = 0
    controls: int = 0
    totals: dict[str, str] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether everything agrees."""
        return not self.differences

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"agrees": self.agrees, **{f.name: getattr(self, f.name) for f in fields(self)}}

    def text(self) -> str:
        """Return it for a person."""
        head = (
            f"{self.statements} statements, {self.lines} lines, the last readings of {self.readings} billing accounts, "
            f"{self.controls} final months and years: "
        ) + ", ".join(f"{amount} {currency}" for currency, amount in self.totals.items())
        verdict = "sources, Kafka and ClickHouse agree" if self.agrees else "\n".join(self.differences[:50])
        return f"{head}\n{verdict}"


def verify(settings: Settings) -> Report:
    """Compare all that the module's docstring names."""
    found = recorded(settings)
    kafka = found.newest()
    report = Report(statements=len(kafka), lines=sum(lines for _, lines, _, _ in kafka.values()))
    with connect(settings.clickhouse, reader=True) as client:
        stored = _stored(client)
        for key in sorted({*kafka, *stored}):
            if kafka.get(key) != stored.get(key):
                report.differences.append(f"{key}: Kafka {kafka.get(key)}, ClickHouse {stored.get(key)}")
        expected = _totals_of_record(settings, kafka, found.scopes)
        announced = {
            (row[0], row[1]): (to_units(row[2]), to_units(row[3]))
            for row in client.query(_TOTALS, {"run": live_run(settings)}).result_rows
        }
        _compare_readings(report, found, client)
    for where in sorted({*expected, *announced}):
        left, right = expected.get(where, (0, 0)), announced.get(where, (0, 0))
        if left != right:
            names = "/".join(where)
            report.differences.append(f"total {names}: statements {_text(left)}, totals {_text(right)}")
    _compare_controls(report, found)
    for (currency, series), (_, effective) in sorted(announced.items()):
        if series == currency:
            report.totals[currency] = str(from_units(effective))
    return report


def _compare_readings(report: Report, found: Recorded, client: Any) -> None:  # noqa: ANN401 - clickhouse-connect
    stored = {
        (row[0], row[1], row[2], row[3] or None): (row[4], _utc(row[5]), _control_totals(zip(*row[6:], strict=True)))
        for row in client.query(_READINGS).result_rows
    }
    for book, close in sorted(found.last.items(), key=repr):
        report.readings += 1
        name = f"reading {close.reading} of {'/'.join(filter(None, book))}"
        said = _control_totals((t.currency, t.lines, t.billed, t.effective) for t in close.totals)
        held = found.sums_of(close)
        for currency in sorted({*said, *held}):
            left, right = said.get(currency, _NOTHING), held.get(currency, _NOTHING)
            if left != right:
                report.differences.append(
                    f"{name}: its control total is {_control(left, currency)}, its statements hold "
                    f"{_control(right, currency)}"
                )
        known = stored.get(book)
        if known is None or known[0] != close.reading:
            report.differences.append(f"{name}: the last that closed in ClickHouse is {known and known[0]}")
        elif known[1] != close.closed_at:
            report.differences.append(f"{name}: closed at {close.closed_at} in Kafka, at {known[1]} in ClickHouse")
        elif known[2] != said:
            report.differences.append(f"{name}: ClickHouse holds another control total of it")


def _control_totals(rows: Any) -> dict[str, Held]:  # noqa: ANN401 - currency, lines, billed and effective cost
    return {row[0]: (0, row[1], to_units(row[2]), to_units(row[3])) for row in rows}


def _control(held: Held, currency: str) -> str:
    return f"{held[1]} lines, {_text(held[2:])} {currency} (billed / effective)"


def _compare_controls(report: Report, found: Recorded) -> None:
    for control in found.controls.values():
        held = None if control.control == "forecast" or control.estimated else found.sum_over(control)
        if held is None:
            continue
        report.controls += 1
        for measure, said, ours in (("billed", control.billed, held[0]), ("effective", control.effective, held[1])):
            if said is not None and abs(to_units(said) - ours) >= _CENT:
                report.differences.append(
                    f"{control.source} says that the {control.control} from {control.first_day} cost "
                    f"{control.billing_account} {said} {control.currency} {measure}; its statements hold "
                    f"{from_units(ours)}: read these days again"
                )


def _utc(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _text(amounts: tuple[int, int]) -> str:
    return " / ".join(str(from_units(amount)) for amount in amounts)


def _stored(client: Any) -> dict[str, Held]:  # noqa: ANN401 - clickhouse-connect is untyped
    held: dict[str, Held] = {}
    for row in client.query(_STATEMENTS).result_rows:
        scope = Scope(**dict(zip(_SCOPE, row, strict=False)), view=row[8] or None)
        held[scope.key] = (row[9], row[10], to_units(row[11]), to_units(row[12]))
    return held


def _totals_of_record(
    settings: Settings, held: dict[str, Held], scopes: dict[str, Scope]
) -> dict[tuple[str, str], tuple[int, int]]:
    """Return what the statements of record add up to, for the organisation and every account's service."""
    record = record_of(settings)
    billed: Counter[tuple[str, str]] = Counter()
    effective: Counter[tuple[str, str]] = Counter()
    for key, (_, _, some_billed, some_effective) in held.items():
        scope = scopes[key]
        if scope.view is not None or record.source_for(scope.billing_account, scope.day) not in {None, scope.source}:
            continue
        whole = Series(scope.currency).key
        own = Series(scope.currency, scope.provider, scope.account, scope.service).key
        for series in (whole, own):
            billed[scope.currency, series] += some_billed
            effective[scope.currency, series] += some_effective
    return {where: (billed[where], effective[where]) for where in billed}


_NOTHING: Held = (0, 0, 0, 0)
_SCOPE = tuple(f.name for f in fields(Scope) if f.name != "view")
_STATEMENTS = """
SELECT source, provider, billing_account, billing_period, account, service, currency, day, view, version,
       length(billed), arraySum(billed), arraySum(effective)
FROM statements FINAL WHERE run = 'live'
"""
_TOTALS = """
SELECT currency, series, sum(billed), sum(effective) FROM totals FINAL
WHERE run = {run:String} AND level IN ('organisation', 'account_service') GROUP BY currency, series
"""
# One row a book: the reading that was opened last of those that closed.
_READINGS = """
SELECT source, provider, billing_account, view, argMax(reading, opened_at), argMax(assumeNotNull(closed_at), opened_at),
       argMax(currencies, opened_at), argMax(lines, opened_at), argMax(billed, opened_at), argMax(effective, opened_at)
FROM readings FINAL WHERE run = 'live' AND isNotNull(closed_at) GROUP BY source, provider, billing_account, view
"""
