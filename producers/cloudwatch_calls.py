"""How CloudWatch is asked: which metrics there are, and what their points are; each question is paid for first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from producers.budget import Budget, Purpose
from producers.cloudwatch_catalogue import Metric
from producers.cloudwatch_points import Span
from producers.source import SourceError
from spendstream.money import to_units
from spendstream.settings import CloudWatch as Options
from spendstream.settings import Payer

METRIC_COST = to_units("0.00001")
LIST_COST = to_units("0.00001")
_GOOD = ("Complete", "PartialData")

Point = tuple[datetime, float]
#: What is asked for together: seconds between questions, seconds of a point, whether it counts up.
Group = tuple[int, int, bool]


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one resource or group; `owner` is the account that shares it, where it is another's."""

    kind: Metric
    dimensions: tuple[tuple[str, str], ...]
    owner: str | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """What tells it from others."""
        kind = self.kind
        return kind.namespace, kind.metric, kind.statistic, kind.period, self.dimensions, self.owner


@dataclass(slots=True)
class Target:
    """One region of one account, and what is known of it."""

    account: Payer
    region: str
    client: Any
    kinds: list[Metric]
    series: list[Series] = field(default_factory=list)
    discovered_at: datetime | None = None
    #: When was asked last.
    asked: dict[Group, datetime] = field(default_factory=dict)
    #: What was published, so that only changes go out.
    sent: dict[tuple[object, ...], dict[datetime, tuple[float, bool]]] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"CloudWatch of {self.account.account} in {self.region}"


class Calls:
    """Asks CloudWatch.

    Parameters
    ----------
    options
        What is read.
    budget
        What that may cost.
    """

    def __init__(self, options: Options, budget: Budget) -> None:
        self._options = options
        self._budget = budget

    def metrics(
        self, target: Target, namespace: str, metric: str, recent: bool, reading: str
    ) -> list[tuple[dict[str, str], str | None]]:
        """Return the dimensions of each metric of that name, and the account that shares it.

        `recent`: only those that had a point in the last three hours.
        """
        request: dict[str, Any] = {"Namespace": namespace, "MetricName": metric}
        if recent:
            request["RecentlyActive"] = "PT3H"
        if self._options.linked_accounts:
            request["IncludeLinkedAccounts"] = True
        purpose = Purpose("cloudwatch:ListMetrics", target.account.account, "metrics", reading)
        found = []
        while True:
            page = self._paid(target, "list_metrics", request, purpose, f"{namespace} {metric}", LIST_COST)
            owners = page.get("OwningAccounts") or [None] * len(page["Metrics"])
            for entry, owner in zip(page["Metrics"], owners, strict=True):
                found.append(({pair["Name"]: pair["Value"] for pair in entry.get("Dimensions", ())}, owner))
            if not page.get("NextToken"):
                return found
            request["NextToken"] = page["NextToken"]

    def points(
        self, target: Target, some: Sequence[Series], asked: Span, reading: str
    ) -> list[tuple[Series, Span, list[Point]]]:
        """Return the points of some series in a span, by time.

        Raises
        ------
        SourceError
            When CloudWatch cannot tell of one of them.
        """
        request: dict[str, Any] = {
            "MetricDataQueries": [_query(number, series) for number, series in enumerate(some)],
            "StartTime": asked.start,
            "EndTime": asked.end,
            "ScanBy": "TimestampAscending",
        }
        purpose = Purpose("cloudwatch:GetMetricData", target.account.account, "metrics", reading)
        detail = f"{len(some)} metrics of {target.region}, {asked.start:%Y-%m-%dT%H:%M} to {asked.end:%Y-%m-%dT%H:%M}"
        values: dict[str, list[Point]] = {}
        while True:
            page = self._paid(target, "get_metric_data", request, purpose, detail, METRIC_COST * len(some))
            for result in page["MetricDataResults"]:
                if result.get("StatusCode", "Complete") not in _GOOD:
                    series = some[int(result["Id"][1:])]
                    raise SourceError(f"{series.kind.metric} of {dict(series.dimensions)}: {result['StatusCode']}")
                times = (moment.astimezone(UTC) for moment in result["Timestamps"])
                values.setdefault(result["Id"], []).extend(zip(times, result["Values"], strict=True))
            if not page.get("NextToken"):
                break
            request["NextToken"] = page["NextToken"]
        return [(series, asked, sorted(values.get(f"m{number}", ()))) for number, series in enumerate(some)]

    def _paid(
        self, target: Target, operation: str, request: Mapping[str, Any], purpose: Purpose, detail: str, cost: int
    ) -> dict[str, Any]:
        paid = self._budget.pay(purpose, detail, cost, share=self._options.budget_share)
        try:
            answer: dict[str, Any] = getattr(target.client, operation)(**request)
        except (BotoCoreError, ClientError):
            self._budget.failed(paid)
            raise
        return answer


def _query(number: int, series: Series) -> dict[str, Any]:
    kind = series.kind
    query: dict[str, Any] = {
        "Id": f"m{number}",
        "MetricStat": {
            "Metric": {
                "Namespace": kind.namespace,
                "MetricName": kind.metric,
                "Dimensions": [{"Name": name, "Value": value} for name, value in series.dimensions],
            },
            "Period": kind.period,
            "Stat": kind.statistic,
        },
    }
    if series.owner is not None:
        query["AccountId"] = series.owner
    return query
