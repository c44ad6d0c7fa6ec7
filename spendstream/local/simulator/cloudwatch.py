"""CloudWatch's operations: ListMetrics and GetMetricData, over metrics that agree with the bill."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from spendstream.local.simulator.expression import AwsError, Call, Json
from spendstream.local.simulator.metric_points import MetricKey, MetricPoints, Point
from spendstream.local.simulator.organisation import Organisation
from spendstream.local.simulator.paging import opened, page

MOST_QUERIES = 500
MOST_POINTS = 100_800
_LIST_PAGE = 500
_STATISTICS = frozenset({"SampleCount", "Average", "Sum", "Minimum", "Maximum"})
_INVALID = "InvalidParameterValue"
#: Seconds of a point, and how long points of at most that are kept.
_KEPT = ((60, timedelta(days=15)), (300, timedelta(days=63)), (3600, timedelta(days=455)))


class CloudWatch:
    """Answers CloudWatch's requests about the metrics of organisations."""

    def __init__(self, models: Sequence[Organisation]) -> None:
        self._models = tuple(models)
        self._points: dict[str, MetricPoints] = {}

    @property
    def operations(self) -> Mapping[str, Callable[[Call], Json]]:
        """What is answered, by name."""
        return {"ListMetrics": self.list_metrics, "GetMetricData": self.get_metric_data}

    def list_metrics(self, call: Call) -> Json:
        """Answer ListMetrics: metrics with usage in the last 14 days, or 3 hours."""
        request = call.request
        offset, _ = opened(request, call.now, token=request.get("NextToken"), code=_INVALID)
        points = self._of(call.account)
        since = call.now - (timedelta(hours=3) if request.get("RecentlyActive") == "PT3H" else timedelta(days=14))
        linked = bool(request.get("IncludeLinkedAccounts"))
        found = [
            key
            for key in points.keys
            if key[1] == call.region
            and (linked or key[0] == call.account)
            and _asked(request, key)
            and points.active(key, since, call.now)
        ]
        some, token = page(found, request, offset, _LIST_PAGE, call.now)
        metrics = [
            {"Namespace": k[2], "MetricName": k[3], "Dimensions": [{"Name": n, "Value": v} for n, v in k[4]]}
            for k in some
        ]
        answer: Json = {"Metrics": metrics}
        if linked:
            answer["OwningAccounts"] = [key[0] for key in some]
        return answer | ({"NextToken": token} if token else {})

    def get_metric_data(self, call: Call) -> Json:
        """Answer GetMetricData, of metrics alone; expressions are refused."""
        request = call.request
        queries = request.get("MetricDataQueries") or []
        start, end = (_moment(request.get(name)) for name in ("StartTime", "EndTime"))
        if not 1 <= len(queries) <= MOST_QUERIES or start >= end:
            raise AwsError("ValidationError", f"give 1 to {MOST_QUERIES} queries, and a start before the end")
        if len({query.get("Id") for query in queries}) < len(queries):
            raise AwsError("ValidationError", "each Id must be used once")
        offset, known_at = opened(request, call.now, token=request.get("NextToken"), code=_INVALID)
        most = min(MOST_POINTS, int(request.get("MaxDatapoints") or MOST_POINTS))
        told = [(query, self._told(query, call, start, end, known_at)) for query in queries]
        if request.get("ScanBy") != "TimestampAscending":
            told = [(query, values[::-1]) for query, values in told]
        flat = [(number, point) for number, (_, values) in enumerate(told) for point in values]
        some, token = page(flat, request, offset, most, known_at)
        results = []
        for number, (query, values) in enumerate(told):
            mine = [point for place, point in some if place == number]
            if mine or (not values and not offset):
                last = not values or mine[-1] == values[-1]
                results.append(_result(query, mine, "Complete" if last else "PartialData"))
        answer: Json = {"MetricDataResults": results, "Messages": []}
        return answer | ({"NextToken": token} if token else {})

    def _told(self, query: Json, call: Call, start: datetime, end: datetime, known_at: datetime) -> list[Point]:
        wanted = query.get("MetricStat")
        if not wanted:
            raise AwsError("ValidationError", f"query {query.get('Id')}: only MetricStat is answered here")
        period, stat, metric = int(wanted.get("Period") or 0), str(wanted.get("Stat")), wanted.get("Metric") or {}
        if period < 60 or period % 60 or stat not in _STATISTICS:  # noqa: PLR2004
            raise AwsError(
                "ValidationError",
                f"query {query.get('Id')}: Period must be a multiple of 60, Stat one of {_STATISTICS}",
            )
        account = str(query.get("AccountId") or call.account)
        points = self._of(call.account)
        if call.account not in {account, points.payer}:
            return []
        dimensions = tuple(sorted((d["Name"], d["Value"]) for d in metric.get("Dimensions") or ()))
        key: MetricKey = (account, call.region, str(metric.get("Namespace")), str(metric.get("MetricName")), dimensions)
        kept = next((age for longest, age in _KEPT if period <= longest), _KEPT[-1][1])
        return points.points(key, max(start, known_at - kept), end, period, stat, known_at)

    def _of(self, account: str) -> MetricPoints:
        """Return the metrics of the organisation of an account; they are found when they are first asked for."""
        model = next(m for m in self._models if account in {m.payer, *m.accounts})
        if model.payer not in self._points:
            self._points[model.payer] = MetricPoints(model)
        return self._points[model.payer]


def _asked(request: Json, key: MetricKey) -> bool:
    """Say whether ListMetrics asks for a metric."""
    namespace, name = request.get("Namespace"), request.get("MetricName")
    held = dict(key[4])
    return (
        namespace in {None, key[2]}
        and name in {None, key[3]}
        and all(
            d["Name"] in held and d.get("Value") in {None, held[d["Name"]]} for d in request.get("Dimensions") or ()
        )
    )


def _moment(value: Any) -> datetime:  # noqa: ANN401 - JSON
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        return datetime.fromisoformat(str(value)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise AwsError("ValidationError", f"{value} is not a time") from None


def _result(query: Json, values: Sequence[Point], status: str) -> Json:
    label = str(query.get("Label") or query["MetricStat"]["Metric"]["MetricName"])
    times, amounts = [at.timestamp() for at, _ in values], [value for _, value in values]
    return {"Id": query["Id"], "Label": label, "Timestamps": times, "Values": amounts, "StatusCode": status}
