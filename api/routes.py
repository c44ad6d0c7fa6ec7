"""All routes that answer from ClickHouse: to add one is to add a line here."""

from typing import Any

from api import anomalies, costs, detail, freshness, reconciliation, rolling, runs, tags, values
from api.route import Route

ROUTES: tuple[Route[Any], ...] = (
    costs.ROUTE,
    tags.ROUTE,
    rolling.ROUTE,
    detail.SERVICE,
    detail.RESOURCES,
    values.DIMENSIONS,
    values.VALUES,
    freshness.ROUTE,
    reconciliation.ROUTE,
    anomalies.ROUTE,
    anomalies.ONE,
    runs.ROUTE,
)
