"""What a request to Cost Explorer may ask: periods, granularity and metrics."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from spendstream.local.simulator.cost_table import Period
from spendstream.local.simulator.expression import AwsError, Json, refused
from spendstream.local.simulator.organisation import METRICS

GRANULARITIES = ("DAILY", "MONTHLY", "HOURLY")
MOST_GROUPS = 2
_HISTORY = timedelta(days=14 * 31)
FORTNIGHT = timedelta(days=14)


def metrics_of(request: Json) -> list[str]:
    """Return the metrics that are asked for."""
    metrics = list(request.get("Metrics") or [])
    if not metrics or set(metrics) - set(METRICS):
        raise refused(f"Metrics must be some of {', '.join(sorted(METRICS))}; got {metrics}")
    return metrics


def groups_of(request: Json) -> list[Json]:
    """Return what is grouped by."""
    groups = list(request.get("GroupBy") or [])
    if len(groups) > MOST_GROUPS:
        raise refused("GroupBy takes at most 2 entries")
    return groups


def granularity_of(request: Json, *, hourly: bool) -> str:
    """Return the granularity; hours only where the account has them."""
    granularity = str(request.get("Granularity"))
    if granularity not in GRANULARITIES:
        raise refused(f"Granularity must be DAILY, MONTHLY or HOURLY; got {granularity}")
    if granularity == "HOURLY" and not hourly:
        raise AwsError("DataUnavailableException", "Hourly data is not enabled for this account")
    return granularity


def moment(text: str, granularity: str) -> datetime:
    """Return a time in the form that the granularity needs."""
    form = "%Y-%m-%dT%H:%M:%SZ" if granularity == "HOURLY" else "%Y-%m-%d"
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        raise refused(f"{text!r} does not have the form {form} that {granularity} needs") from None


def bounds(request: Json, granularity: str) -> Period:
    """Return the beginning and end of the time asked for."""
    period = request.get("TimePeriod") or {}
    start, end = (moment(str(period.get(key)), granularity) for key in ("Start", "End"))
    if start >= end:
        raise refused(f"Start date {start} must be before end date {end}")
    return start, end


def past(request: Json, granularity: str, now: datetime) -> Period:
    """Return `bounds`, where they are in what Cost Explorer keeps."""
    start, end = bounds(request, granularity)
    kept = FORTNIGHT + timedelta(days=1) if granularity == "HOURLY" else _HISTORY
    if start < now - kept:
        raise refused(f"Start date {start} is before the history kept for {granularity} data: {kept.days} days")
    return start, end


def split(period: Period, granularity: str) -> Iterator[Period]:
    """Yield the hours, days or calendar months of a period."""
    start, end = period
    while start < end:
        if granularity == "MONTHLY":
            following = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
        else:
            following = start + (timedelta(days=1) if granularity == "DAILY" else timedelta(hours=1))
        yield start, min(following, end)
        start = following
