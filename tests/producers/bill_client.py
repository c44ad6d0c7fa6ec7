"""A bill in memory that answers as boto3's Cost Explorer client does: every grouping and filter that is asked of it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError


@dataclass(frozen=True)
class Entry:
    """A line of the bill; amounts in whole units of 10⁻¹⁰ dollars."""

    day: date
    account: str = "1"
    service: str = "EC2"
    region: str = "us-east-1"
    usage_type: str = "Hours"
    record_type: str = "Usage"
    entity: str = "AWS"
    team: str = ""
    billed: int = 0
    effective: int = 0
    hour: int = 0


_DIMENSIONS = {
    "LINKED_ACCOUNT": "account",
    "SERVICE": "service",
    "REGION": "region",
    "USAGE_TYPE": "usage_type",
    "RECORD_TYPE": "record_type",
    "BILLING_ENTITY": "entity",
}


class BillClient:
    """Answers GetCostAndUsage and GetCostForecast over `entries`.

    `final_before`: days before it are no longer estimated; `refusals`: granularity or `forecast` → code of the error;
    `answers`: so many requests are answered, and then it throttles.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        final_before: date = date.max,
        refusals: Mapping[str, str] | None = None,
        answers: int = 1_000_000,
    ) -> None:
        self.answers = answers
        self.entries = entries
        self.final_before = final_before
        self.refusals = refusals or {}
        self.asked: list[dict[str, Any]] = []

    def get_cost_and_usage(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        granularity = request["Granularity"]
        self._refuse(granularity, "GetCostAndUsage")
        start, end = (request["TimePeriod"][name] for name in ("Start", "End"))
        groups = request.get("GroupBy", [])
        periods: dict[str, dict[tuple[str, ...], list[int]]] = defaultdict(dict)
        for entry in self.entries:
            if start[:10] <= str(entry.day) < end[:10] and _passes(entry, request.get("Filter")):
                key = tuple(_key(entry, group) for group in groups)
                sums = periods[_period(entry, granularity)].setdefault(key, [0, 0])
                sums[0] += entry.billed
                sums[1] += entry.effective
        return {"ResultsByTime": [self._result(start, sums, groups) for start, sums in sorted(periods.items())]}

    def get_cost_forecast(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        self._refuse("forecast", "GetCostForecast")
        start, end = (date.fromisoformat(request["TimePeriod"][name]) for name in ("Start", "End"))
        results = []
        while start < end:
            following = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
            results.append(
                {
                    "TimePeriod": {"Start": str(start), "End": str(following)},
                    "MeanValue": "100.1234567890123456789",
                    "PredictionIntervalLowerBound": "90.5",
                    "PredictionIntervalUpperBound": "110.5",
                }
            )
            start = following
        return {"Total": {"Amount": "1", "Unit": "USD"}, "ForecastResultsByTime": results}

    def _refuse(self, what: str, operation: str) -> None:
        code = self.refusals.get(what) or ("ThrottlingException" if len(self.asked) > self.answers else None)
        if code is not None:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, operation)

    def _result(self, start: str, sums: Mapping[tuple[str, ...], list[int]], groups: Sequence[Any]) -> dict[str, Any]:
        found = [{"Keys": list(key), "Metrics": _metrics(*amounts)} for key, amounts in sorted(sums.items())]
        answer = {"Groups": found, "Total": {}} if groups else {"Groups": [], "Total": found[0]["Metrics"]}
        estimated = date.fromisoformat(start[:10]) >= self.final_before
        return {"TimePeriod": {"Start": start, "End": start}, "Estimated": estimated, **answer}


def _period(entry: Entry, granularity: str) -> str:
    if granularity == "MONTHLY":
        return str(entry.day.replace(day=1))
    if granularity == "HOURLY":
        return f"{entry.day}T{entry.hour:02d}:00:00Z"
    return str(entry.day)


def _key(entry: Entry, group: Mapping[str, str]) -> str:
    if group["Type"] == "DIMENSION":
        return str(getattr(entry, _DIMENSIONS[group["Key"]]))
    return f"{group['Key']}${entry.team}"


def _passes(entry: Entry, expression: Mapping[str, Any] | None) -> bool:
    if expression is None:
        return True
    ((root, body),) = expression.items()
    if root == "And":
        assert len(body) > 1, "AWS refuses an And of one"
        return all(_passes(entry, part) for part in body)
    if root == "Not":
        return not _passes(entry, body)
    return getattr(entry, _DIMENSIONS[body["Key"]]) in body["Values"]


def _metrics(billed: int, effective: int) -> dict[str, dict[str, str]]:
    amounts = {"UnblendedCost": billed, "AmortizedCost": effective, "BlendedCost": billed}
    found = {name: {"Amount": str(Decimal(amount).scaleb(-10)), "Unit": "USD"} for name, amount in amounts.items()}
    return {**found, "UsageQuantity": {"Amount": "1", "Unit": "N/A"}}
