"""Facts that alert tests are about: anomalies, and announcements of totals."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from alerts.rule_files import parse
from processors.series import WINDOWS
from schemas.events import CostAggregate, CostAnomaly
from spendstream.clock import day_number
from spendstream.money import to_units

T = datetime(2026, 3, 10, 8, 0, tzinfo=UTC)
DAY = date(2026, 3, 9)
S3 = "USD/provider=AWS/account=1234/service=AmazonS3"


def rule(text: str) -> Any:
    """Return the one rule of a YAML text, written without its indentation in the file."""
    lines = text.strip().splitlines()
    return parse("rules:\n- " + "\n  ".join(lines), "rules.yaml")[0]


def anomaly(series: str = S3, actual: str = "120", expected: str = "20", **changes: Any) -> CostAnomaly:
    rise = Decimal(actual) - Decimal(expected)
    fields: dict[str, Any] = {
        "run": "live",
        "id": "a1",
        "version": 1,
        "state": "open",
        "series": series,
        "currency": "USD",
        "measure": "effective",
        "kind": 0,
        "day": DAY,
        "hour": None,
        "source": "focus.main",
        "reading": "r1",
        "source_version": 1,
        "actual": Decimal(actual),
        "expected": Decimal(expected),
        "lower": Decimal(0),
        "upper": Decimal(expected) + 1,
        "score": 6.0,
        "p": 1e-6,
        "passes": True,
        "shape": "step",
        "cause": "usage",
        "since": datetime(2026, 3, 9, tzinfo=UTC),
        "impact_so_far": rise,
        "impact_per_day": rise,
        "impact_to_month_end": rise * 22,
        "contributors": [],
        "completeness": 1.0,
        "scored_at": T,
        "detector": "views",
        "detector_version": "1",
    }
    return CostAnomaly(**(fields | changes))


def announced(
    series: str,
    days: Mapping[date, str],
    windows: Mapping[str, str] | None = None,
    *,
    version: int = 1,
    through: date = DAY,
    at: datetime | None = None,
    **changes: Any,
) -> CostAggregate:
    """Return an announcement of usage of one series: billed is always nothing, so that only effective cost counts."""
    told = windows or {}
    fields: dict[str, Any] = {
        "run": "live",
        "source": "focus.main",
        "provider": "AWS",
        "billing_account": "1",
        "reading": f"r{version}",
        "epoch": 1,
        "partition": 0,
        "partitions": 1,
        "version": version,
        "part": 0,
        "parts": 1,
        "closed_at": at or T + timedelta(minutes=version),
        "closed_through": through,
        "series": [series],
        "row_series": [0] * len(days),
        "row_day": [day_number(day) for day in days],
        "row_kind": [0] * len(days),
        "row_billed": [0] * len(days),
        "row_effective": [to_units(amount) for amount in days.values()],
        "window_series": [0] * len(told),
        "window_name": [WINDOWS.index(name) for name in told],
        "window_end": [day_number(through)] * len(told),
        "window_kind": [0] * len(told),
        "window_billed": [0] * len(told),
        "window_effective": [to_units(amount) for amount in told.values()],
    }
    return CostAggregate(**(fields | changes))
