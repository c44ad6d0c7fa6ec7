"""A CloudWatch that answers as the real one, from points that a test puts into it."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from producers.aws_session import explained
from spendstream.settings import Payer

Dimensions = dict[str, str]


class FakeCloudWatch:
    """One region of one account."""

    def __init__(self, region: str, page_size: int = 1000) -> None:
        self.region = region
        self.page_size = page_size
        self.points: dict[tuple[Any, ...], dict[datetime, float]] = defaultdict(dict)
        self.owners: dict[tuple[Any, ...], str] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.refusals: list[str] = []
        self.status = "Complete"

    def put(
        self, namespace: str, metric: str, dimensions: Dimensions, start: datetime, value: float, owner: str = ""
    ) -> None:
        key = (namespace, metric, tuple(sorted(dimensions.items())))
        self.points[key][start] = value
        if owner:
            self.owners[key] = owner

    def asked(self, operation: str) -> list[dict[str, Any]]:
        return [request for name, request in self.calls if name == operation]

    def list_metrics(self, **request: Any) -> dict[str, Any]:
        self._called("ListMetrics", request)
        found = [key for key in self.points if key[:2] == (request["Namespace"], request["MetricName"])]
        if not request.get("IncludeLinkedAccounts"):
            found = [key for key in found if key not in self.owners]
        first = int(request.get("NextToken", 0))
        page = found[first : first + self.page_size]
        answer: dict[str, Any] = {
            "Metrics": [
                {"Namespace": ns, "MetricName": metric, "Dimensions": [{"Name": n, "Value": v} for n, v in dimensions]}
                for ns, metric, dimensions in page
            ]
        }
        if request.get("IncludeLinkedAccounts"):
            answer["OwningAccounts"] = [self.owners.get(key, "123") for key in page]
        if first + self.page_size < len(found):
            answer["NextToken"] = str(first + self.page_size)
        return answer

    def get_metric_data(self, **request: Any) -> dict[str, Any]:
        self._called("GetMetricData", request)
        values = []
        for query in request["MetricDataQueries"]:
            stat = query["MetricStat"]
            dimensions = tuple(sorted((pair["Name"], pair["Value"]) for pair in stat["Metric"]["Dimensions"]))
            points = self.points[stat["Metric"]["Namespace"], stat["Metric"]["MetricName"], dimensions]
            values += [
                (query["Id"], at, value)
                for at, value in sorted(points.items())
                if request["StartTime"] <= at and at + timedelta(seconds=stat["Period"]) <= request["EndTime"]
            ]
        first = int(request.get("NextToken", 0))
        page = values[first : first + self.page_size]
        ids = dict.fromkeys(query["Id"] for query in request["MetricDataQueries"])
        answer: dict[str, Any] = {
            "MetricDataResults": [
                {
                    "Id": name,
                    "Timestamps": [at for i, at, _ in page if i == name],
                    "Values": [value for i, _, value in page if i == name],
                    "StatusCode": self.status,
                }
                for name in ids
            ]
        }
        if first + self.page_size < len(values):
            answer["NextToken"] = str(first + self.page_size)
        return answer

    def _called(self, operation: str, request: dict[str, Any]) -> None:
        self.calls.append((operation, dict(request)))
        if self.refusals:
            code = self.refusals.pop(0)
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


class FakeSessions:
    """Clients of fakes, by account and region."""

    def __init__(self, fakes: dict[tuple[str, str], FakeCloudWatch]) -> None:
        self.fakes = fakes
        self.unreachable: set[str] = set()

    def own_account(self) -> Payer:
        return Payer(account="123")

    def client(self, service: str, region: str, payer: Payer) -> FakeCloudWatch:
        assert service == "cloudwatch"
        if payer.account in self.unreachable:
            error = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole")
            raise explained(error, f"the role {payer.role_arn} cannot be assumed")
        return self.fakes.setdefault((payer.account, region), FakeCloudWatch(region))
