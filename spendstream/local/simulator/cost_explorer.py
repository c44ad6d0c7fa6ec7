"""Cost Explorer's operations over organisations: costs, resources, values of dimensions, tags, categories, forecast."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache

from spendstream.local.simulator.catalogue import COST_CATEGORIES
from spendstream.local.simulator.completeness import day_start, month_is_final, refreshed
from spendstream.local.simulator.cost_forecast import forecast
from spendstream.local.simulator.cost_request import FORTNIGHT, granularity_of, groups_of, metrics_of, past, split
from spendstream.local.simulator.cost_table import Rows, Table
from spendstream.local.simulator.expression import (
    AwsError,
    Call,
    Json,
    Row,
    account_name,
    cost_category,
    dimension,
    refused,
)
from spendstream.local.simulator.organisation import Organisation
from spendstream.local.simulator.paging import opened, page

_INVALID = "InvalidNextTokenException"


class CostExplorer:
    """Answers Cost Explorer's requests.

    Parameters
    ----------
    models
        The organisations; whose account asks is told the bill of its own, a linked account only its own part.
    page_size
        Groups (or ungrouped periods) of a page.
    hourly
        Whether the accounts have opted in to hours.
    """

    def __init__(self, models: Sequence[Organisation], page_size: int = 1000, *, hourly: bool = True) -> None:
        self.page_size = page_size
        self._hourly = hourly
        self._of_account = {account: m for m in models for account in (m.payer, *m.accounts)}
        self._series = lru_cache(maxsize=len(models))(Rows.of_series)
        self._resources = lru_cache(maxsize=len(models))(Rows.of_resources)

    @property
    def operations(self) -> Mapping[str, Callable[[Call], Json]]:
        """What is answered, by name."""
        return {
            "GetCostAndUsage": self.get_cost_and_usage,
            "GetCostAndUsageWithResources": self.get_cost_and_usage_with_resources,
            "GetDimensionValues": self.get_dimension_values,
            "GetTags": self.get_tags,
            "GetCostCategories": self.get_cost_categories,
            "GetCostForecast": self.get_cost_forecast,
        }

    def get_cost_and_usage(self, call: Call) -> Json:
        """Answer GetCostAndUsage."""
        if "RESOURCE_ID" in str(call.request):
            raise refused("RESOURCE_ID is told by GetCostAndUsageWithResources only")
        return self._costs(call, self._series(self._model(call)))

    def get_cost_and_usage_with_resources(self, call: Call) -> Json:
        """Answer GetCostAndUsageWithResources: by resource, of the last 14 days."""
        if "RESOURCE_ID" not in str(call.request.get("GroupBy")) + str(call.request.get("Filter")):
            raise refused("group or filter by RESOURCE_ID")
        granularity = granularity_of(call.request, hourly=self._hourly)
        if past(call.request, granularity, call.now)[0] < day_start(call.now.date()) - FORTNIGHT:
            raise refused("resources are kept for the last 14 days")
        return self._costs(call, self._resources(self._model(call)))

    def get_dimension_values(self, call: Call) -> Json:
        """Answer GetDimensionValues: values with a line in the period, sorted."""
        name = str(call.request.get("Dimension"))
        values = {dimension(row, name) for row in self._used(call)}
        told, found = self._listed(call, values)
        entries = _accounts(told) if name == "LINKED_ACCOUNT" else [{"Value": v, "Attributes": {}} for v in told]
        return {"DimensionValues": entries, **found}

    def get_tags(self, call: Call) -> Json:
        """Answer GetTags: the keys, or the values of one key, with a line in the period; untagged is the empty text."""
        key, rows = call.request.get("TagKey"), self._used(call)
        tags = {row.series.tag(str(key)) for row in rows} if key else {k for row in rows for k, _ in row.series.tags}
        told, found = self._listed(call, tags)
        return {"Tags": told, **found}

    def get_cost_categories(self, call: Call) -> Json:
        """Answer GetCostCategories: the names, or the values of one with a line in the period."""
        name = call.request.get("CostCategoryName")
        rows = self._used(call)
        values = {cost_category(row, str(name)) for row in rows} - {""} if name else set(COST_CATEGORIES)
        told, found = self._listed(call, values)
        return {"CostCategoryValues" if name else "CostCategoryNames": told, **found}

    def get_cost_forecast(self, call: Call) -> Json:
        """Answer GetCostForecast."""
        model = self._model(call)
        table = Table(model, self._series(model), call.account, call.request.get("Filter"), ())
        return forecast(table, call.request, call.now, model.currency)

    def _model(self, call: Call) -> Organisation:
        model = self._of_account.get(call.account)
        if model is None:
            raise AwsError("DataUnavailableException", f"Cost Explorer has no data of account {call.account}")
        return model

    def _costs(self, call: Call, rows: Rows) -> Json:
        request, model = call.request, self._model(call)
        groups, metrics = groups_of(request), metrics_of(request)
        granularity = granularity_of(request, hourly=self._hourly)
        periods = list(split(past(request, granularity, call.now), granularity))
        known_at = refreshed(call.now, model.refresh_hours)
        offset, known_at = opened(request, known_at, token=request.get("NextPageToken"), code=_INVALID)
        table = Table(model, rows, call.account, request.get("Filter"), groups)
        cells = list(table.cells(periods, metrics, known_at))
        some, token = page(cells, request, offset, self.page_size, known_at)
        results: list[Json] = []
        for cell in some:
            if not results or results[-1]["TimePeriod"] != cell.period:
                estimated = not month_is_final(date.fromisoformat(cell.period["Start"][:10]), known_at)
                results.append({"TimePeriod": cell.period, "Total": {}, "Groups": [], "Estimated": estimated})
            if groups and cell.metrics:
                results[-1]["Groups"].append({"Keys": list(cell.keys), "Metrics": cell.metrics})
            elif not groups:
                results[-1]["Total"] = cell.metrics
        answer: Json = {"ResultsByTime": results, "DimensionValueAttributes": []}
        if groups:
            answer["GroupDefinitions"] = groups
        if {"Type": "DIMENSION", "Key": "LINKED_ACCOUNT"} in groups:
            place = [group.get("Key") for group in groups].index("LINKED_ACCOUNT")
            answer["DimensionValueAttributes"] = _accounts(sorted({cell.keys[place] for cell in some if cell.keys}))
        return answer | ({"NextPageToken": token} if token else {})

    def _used(self, call: Call) -> list[Row]:
        """Return the series with a line in the period."""
        model = self._model(call)
        start, end = past(call.request, "DAILY", call.now)
        table = Table(model, self._series(model), call.account, call.request.get("Filter"), ())
        rows = {id(row): row for n in range((end - start).days) for row in table.used(
            (start + timedelta(days=n), start + timedelta(days=n + 1)), call.now
        )}  # fmt: skip
        return list(rows.values())

    def _listed(self, call: Call, values: set[str]) -> tuple[list[str], Json]:
        request = call.request
        search = str(request.get("SearchString") or "").lower()
        found = sorted(value for value in values if search in value.lower())
        size = int(request.get("MaxResults") or self.page_size)
        offset, _ = opened(request, call.now, token=request.get("NextPageToken"), code=_INVALID)
        some, token = page(found, request, offset, size, call.now)
        sizes: Json = {"ReturnSize": len(some), "TotalSize": len(found)}
        return list(some), sizes | ({"NextPageToken": token} if token else {})


def _accounts(numbers: Sequence[str]) -> list[Json]:
    """Return accounts with their names."""
    return [{"Value": number, "Attributes": {"description": account_name(number)}} for number in numbers]
