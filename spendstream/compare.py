"""Runs side by side in ClickHouse: where their totals differ, and taking one away."""

from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from sinks.clickhouse import connect
from spendstream.money import from_units, to_units
from spendstream.settings import Settings

#: Tables that hold what steps made, by run.
TABLES = (
    *("totals", "hour_totals", "rolling_totals", "announcements", "anomalies", "forecasts"),
    *("incidents", "incident_transitions", "alerts", "deliveries"),
)
_SHOWN = 50
_TOLD = 12


@dataclass(slots=True)
class Comparison:
    """What two runs announced, and where it differs.

    Attributes
    ----------
    rows, differing
        Totals in either, and those that differ: of days, of hours, and of each rolling window (`d7`, `mtd`, …).
    largest
        The largest differences, those of days first: windows follow from them.
    """

    left: str
    right: str
    rows: dict[str, int] = field(default_factory=dict)
    differing: dict[str, int] = field(default_factory=dict)
    largest: list[dict[str, str]] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether they agree to the last digit."""
        return not any(self.differing.values())

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"same": self.same, **asdict(self)}

    def text(self) -> str:
        """Return it for a person."""
        if self.same:
            told = ", ".join(f"{what} {count}" for what, count in self.rows.items()) or "none"
            return f"{self.left} and {self.right} agree to the last digit; totals compared: {told}"
        told = ", ".join(f"{what} {count} of {self.rows[what]}" for what, count in self.differing.items() if count)
        lines = [f"totals that differ: {told}; the largest differences:"]
        lines += [
            f"  {row['what']} {row['at']} {row['series']} {row['kind']} {row['measure']}: "
            f"{self.left} {row['left']}, {self.right} {row['right']}"
            for row in self.largest[:_TOLD]
        ]
        return "\n".join(lines)


def compare(settings: Settings, left: str, right: str) -> Comparison:
    """Compare all totals of two runs, billed and effective, every series; what one of them lacks counts as 0."""
    values = {"left": left, "right": right}
    result = Comparison(left, right)
    with connect(settings.clickhouse, reader=True) as client:
        for what, rows, differing in client.query(_COUNT, values).result_rows:
            result.rows[what], result.differing[what] = rows, differing
        names = ("what", "at", "series", "kind", "measure", "left", "right")
        for row in client.query(_LARGEST, {**values, "shown": _SHOWN}).result_rows:
            result.largest.append({name: _text(value) for name, value in zip(names, row, strict=True)})
    return result


def _text(value: object) -> str:
    return f"{from_units(to_units(value)):f}" if isinstance(value, Decimal) else str(value)


def drop_rows(settings: Settings, run: str) -> None:
    """Remove all rows of a run from ClickHouse."""
    with connect(settings.clickhouse) as client:
        for table in TABLES:
            delete = f"ALTER TABLE {table} DELETE WHERE run = {{run:String}} SETTINGS mutations_sync = 2"
            client.command(delete, {"run": run})


_SAID = """
    SELECT run, 'day' AS what, toString(day) AS at, series, kind, billed, effective
    FROM totals FINAL WHERE run IN ({left:String}, {right:String})
    UNION ALL
    SELECT run, 'hour', concat(toString(day), ' ', leftPad(toString(hour), 2, '0'), 'h'), series, kind,
           billed, effective
    FROM hour_totals FINAL WHERE run IN ({left:String}, {right:String})
    UNION ALL
    SELECT run, window, toString(window_end), series, kind, billed, effective
    FROM rolling_totals FINAL WHERE run IN ({left:String}, {right:String})
"""
_BOTH = f"""
    SELECT what, at, series, kind,
           sumIf(billed, run = {{left:String}}) AS left_billed, sumIf(billed, run = {{right:String}}) AS right_billed,
           sumIf(effective, run = {{left:String}}) AS left_effective,
           sumIf(effective, run = {{right:String}}) AS right_effective
    FROM ({_SAID}) GROUP BY what, at, series, kind
"""  # noqa: S608 - values are bound
_COUNT = f"""
SELECT what, count(), countIf(left_billed != right_billed OR left_effective != right_effective) FROM ({_BOTH})
GROUP BY what ORDER BY what
"""  # noqa: S608 - values are bound
_LARGEST = f"""
SELECT what, at, series, kind, measure, one, other
FROM ({_BOTH})
ARRAY JOIN ['effective', 'billed'] AS measure, [left_effective, left_billed] AS one,
           [right_effective, right_billed] AS other
WHERE one != other
ORDER BY what != 'day', abs(one - other) DESC, what, at, series, kind, measure DESC LIMIT {{shown:UInt32}}
"""  # noqa: S608 - values are bound
