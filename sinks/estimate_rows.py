"""Estimates → a row a day of an account's service; its newest version stays."""

from schemas.events import CostEstimate
from sinks.batch import Batch

_COLUMNS = (
    *("run", "provider", "billing_account", "account", "service", "currency", "day", "as_of"),
    *("so_far", "at_day_end", "lower", "upper", "coverage", "unpriced", "billed", "version"),
)


def estimate_rows(event: CostEstimate, _: str) -> list[Batch]:
    """Return what is estimated of a day."""
    return [Batch("estimates", _COLUMNS, [tuple(getattr(event, name) for name in _COLUMNS)], 1)]
