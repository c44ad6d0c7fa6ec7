"""Questions to Cost Explorer in one line, and sums of the answers."""

from decimal import Decimal
from typing import Any

FORTNIGHT = {"Start": "2026-03-01", "End": "2026-03-15"}
COSTS = ("UnblendedCost", "NetUnblendedCost", "AmortizedCost", "NetAmortizedCost", "BlendedCost")


def ask(explorer: Any, *groups: str, operation: str = "get_cost_and_usage", **more: Any) -> list[Any]:
    """Return all periods of all pages; a group is a dimension, or `tag:KEY`, or `category:NAME`."""
    request: dict[str, Any] = {
        "TimePeriod": FORTNIGHT,
        "Granularity": "DAILY",
        "Metrics": [*COSTS, "UsageQuantity", "NormalizedUsageAmount"],
        "GroupBy": [_group(name) for name in groups],
        **more,
    }
    results: list[Any] = []
    while True:
        answer = getattr(explorer, operation)(**request)
        results += answer["ResultsByTime"]
        if "NextPageToken" not in answer:
            return results
        request["NextPageToken"] = answer["NextPageToken"]


def total(results: list[Any], metric: str = "UnblendedCost") -> Decimal:
    """Return the sum over all periods and groups."""
    return sum(by_key(results, metric).values(), Decimal(0))


def by_key(results: list[Any], metric: str = "UnblendedCost") -> dict[tuple[str, ...], Decimal]:
    """Return the sum of all periods by key; without groups the key is empty."""
    sums: dict[tuple[str, ...], Decimal] = {}
    for result in results:
        for group in result["Groups"] or ([{"Keys": [], "Metrics": result["Total"]}] if result["Total"] else []):
            key = tuple(group["Keys"])
            sums[key] = sums.get(key, Decimal(0)) + Decimal(group["Metrics"][metric]["Amount"])
    return sums


def only(dimension: str, *values: str) -> dict[str, Any]:
    """Return a filter on a dimension."""
    return {"Dimensions": {"Key": dimension, "Values": list(values)}}


def _group(name: str) -> dict[str, str]:
    kind, _, key = name.partition(":")
    return {"Type": {"tag": "TAG", "category": "COST_CATEGORY"}.get(kind, "DIMENSION"), "Key": key or name}
