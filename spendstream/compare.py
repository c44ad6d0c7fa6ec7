"""Runs side by side in ClickHouse: where their totals differ, and taking one away."""

from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from sinks.clickhouse import connect
from spendstream.settings import Settings

#: Tables that hold what steps made, by run.
TABLES = ("totals", "hour_totals", "rolling_totals", "announcements")
_SHOWN = 50


@dataclass(slots=True)
class Comparison:
    """What two runs announced: rows of day totals in both, how many differ, and the largest differences."""

    left: str
    right: str
    rows: int = 0
    differing: int = 0
    largest: list[dict[str, str]] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether they agree to the last digit."""
        return self.differing == 0

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"same": self.same, **asdict(self)}

    def text(self) -> str:
        """Return it for a person."""
        if self.same:
            return f"{self.left} and {self.right} agree to the last digit in {self.rows} day totals"
        lines = [f"{self.differing} of {self.rows} day totals differ; the largest:"]
        lines += [
            f"  {row['day']} {row['series']} {row['kind']} {row['measure']}: "
            f"{self.left} {row['left']}, {self.right} {row['right']}"
            for row in self.largest
        ]
        return "\n".join(lines)


def compare(settings: Settings, left: str, right: str) -> Comparison:
    """Compare the day totals of two runs, billed and effective, every series; what one of them lacks counts as 0."""
    values = {"left": left, "right": right}
    result = Comparison(left, right)
    with connect(settings.clickhouse, reader=True) as client:
        result.rows, result.differing = client.query(_COUNT, values).result_rows[0]
        names = ("day", "series", "kind", "measure", "left", "right")
        for row in client.query(_LARGEST, {**values, "shown": _SHOWN}).result_rows:
            result.largest.append({name: _text(value) for name, value in zip(names, row, strict=True)})
    return result


def _text(value: object) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def drop_rows(settings: Settings, run: str) -> None:
    """Remove all rows of a run from ClickHouse."""
    with connect(settings.clickhouse) as client:
        for table in TABLES:
            delete = f"ALTER TABLE {table} DELETE WHERE run = {{run:String}} SETTINGS mutations_sync = 2"
            client.command(delete, {"run": run})


_BOTH = """
    SELECT day, series, kind,
           sumIf(billed, run = {left:String}) AS left_billed, sumIf(billed, run = {right:String}) AS right_billed,
           sumIf(effective, run = {left:String}) AS left_effective,
           sumIf(effective, run = {right:String}) AS right_effective
    FROM totals FINAL WHERE run IN ({left:String}, {right:String}) GROUP BY day, series, kind
"""
_COUNT = f"""
SELECT count(), countIf(left_billed != right_billed OR left_effective != right_effective) FROM ({_BOTH})
"""  # noqa: S608 - values are bound
_LARGEST = f"""
SELECT day, series, kind, measure, one, other
FROM ({_BOTH})
ARRAY JOIN ['effective', 'billed'] AS measure, [left_effective, left_billed] AS one,
           [right_effective, right_billed] AS other
WHERE one != other
ORDER BY abs(one - other) DESC, day, series, kind, measure DESC LIMIT {{shown:UInt32}}
"""  # noqa: S608 - values are bound
