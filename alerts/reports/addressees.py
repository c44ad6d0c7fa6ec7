"""Who gets what of a report: the receivers of each value that it is made for, and who stands in for whom. Pure."""

from collections.abc import Mapping, Sequence

from alerts.reports.log import Key, key_of
from alerts.reports.report import CATEGORY, Edition, Period, Report
from alerts.routes import Routing
from alerts.routing import named_by
from api.dimensions import TAG
from processors.series import Series
from schemas.events import CostReport

#: A channel that has no room for a report.
_NO_ROOM = "sms"


def editions(routing: Routing, report: Report, period: Period, values: Sequence[str]) -> list[Edition]:
    """Return the editions of a report: the whole, and one for each of `values` that routes name a receiver for."""
    found = [Edition(report.whole, period, None, report.receivers)]
    for value in values:
        receivers = named_for(routing, report, value)
        if receivers:
            found.append(Edition(report.of(value), period, value, receivers))
    return found


def named_for(routing: Routing, report: Report, value: str) -> tuple[str, ...]:
    """Return the receivers of a value's report: those that routes below the first name for it, as for an incident.

    Labels to match on are those of an incident of that scope, of severity `info` and the kind `report`, with the id of
    the report as `report`; its owner is the one that the routing's `owners` say.
    """
    series = _series_of(report.for_each or "", value)
    if series is None:
        return ()
    dimensions = ("provider", "account", "service", "region", "tag", "value")
    labels = {name: known for name in dimensions if (known := getattr(series, name)) is not None}
    labels |= {"kind": "report", "report": report.id, "severity": "info", "level": series.level, "scope": series.key}
    labels["owner"] = routing.owner_of(series.key, {}) or ""
    return tuple(name for name in named_by(routing, labels) if routing.receiver(name).channel != _NO_ROOM)


def told_of(routing: Routing, edition: Edition, log: Mapping[Key, CostReport]) -> dict[str, str | None]:
    """Return who is told of an edition: its receivers, and the fallback of each that was not told, with whose it is."""
    found: dict[str, str | None] = dict.fromkeys(edition.receivers)
    waiting = list(edition.receivers)
    while waiting:
        name = waiting.pop()
        logged = log.get(key_of(edition, name))
        instead = fallback_of(routing, name)
        if logged is not None and logged.state != "sent" and instead is not None and instead not in found:
            found[instead] = name
            waiting.append(instead)
    return found


def fallback_of(routing: Routing, name: str) -> str | None:
    """Return who is told of a report instead of a receiver; None: nobody is."""
    instead = routing.receiver(name).fallback
    return None if instead is None or routing.receiver(instead).channel == _NO_ROOM else instead


def _series_of(dimension: str, value: str) -> Series | None:
    """Return what a value is about, in any currency; None where it has no name: what has no tag belongs to nobody."""
    if not value:
        return None
    if dimension.startswith(TAG):
        return Series("", tag=dimension.removeprefix(TAG), value=value)
    if dimension.startswith(CATEGORY):
        return Series("", tag=dimension, value=value)
    return Series("", **{dimension: value})
