"""All routes that answer from ClickHouse, and all that change something: to add one is to add a line here."""

from typing import Any

from api import (
    anomalies,
    costs,
    detail,
    estimates,
    forecasts,
    freshness,
    incident_writing,
    incidents,
    reconciliation,
    reports,
    rolling,
    rule_writing,
    rules,
    runs,
    tags,
    values,
)
from api.route import Route
from api.writing import Writing

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
    estimates.ROUTE,
    incidents.ROUTE,
    incidents.ONE,
    reports.ROUTE,
    rules.ROUTE,
    rules.SCHEMA,
    forecasts.ROUTE,
    runs.ROUTE,
)

WRITING: tuple[Writing[Any, Any], ...] = (
    incident_writing.FEEDBACK_ROUTE,
    incident_writing.ACTION_ROUTE,
    rule_writing.PUT,
    rule_writing.DELETE,
)
