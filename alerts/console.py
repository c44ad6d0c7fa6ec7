"""Addresses in a provider's console where a person sees the same costs. A provider that is not known has none."""

import json
from datetime import date, timedelta
from urllib.parse import quote

from processors.series import parse

_AWS = "https://us-east-1.console.aws.amazon.com/costmanagement/home#/cost-explorer"
#: Days before the beginning that are shown, to see what was usual.
_BEFORE = timedelta(days=14)
#: What a series is divided by, at first sight.
_GROUP = {"account_service": "UsageType", "service": "LinkedAccount", "account": "Service"}


def cost_explorer(scope: str, since: date, until: date) -> str | None:
    """Return the address of AWS Cost Explorer for a series' days; None where the series is not of AWS.

    The address is the one that the console itself makes; AWS does not document it.

    Parameters
    ----------
    scope
        Key of the series.
    since, until
        When the change began, and the last day to show.
    """
    series = parse(scope)
    if series.provider not in {"AWS", "Amazon Web Services"}:
        return None
    dimensions = {
        "LinkedAccount": series.account,
        "Service": series.service,
        "Region": series.region,
        "UsageType": series.usage_type,
    }
    chosen = [
        {
            "dimension": {"id": name, "displayValue": name},
            "operator": "INCLUDES",
            "values": [{"value": value, "displayValue": value}],
        }
        for name, value in dimensions.items()
        if value is not None
    ]
    asked = {
        "chartStyle": "STACK",
        "costAggregate": "amortizedCost",
        "granularity": "Daily",
        "historicalRelativeRange": "CUSTOM",
        "startDate": (since - _BEFORE).isoformat(),
        "endDate": max(since, until).isoformat(),
        "groupBy": json.dumps([_GROUP.get(series.level, "Service")]),
        "filter": json.dumps(chosen, separators=(",", ":")),
    }
    return f"{_AWS}?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in asked.items())
