"""Incidents → a row each; its newest version stays."""

from processors.series import parse
from schemas.events import CostAnomaly
from sinks.batch import KINDS, Batch

#: Fields of the event that are columns as they are.
_PLAIN = (
    "run",
    "id",
    "state",
    "currency",
    "series",
    "measure",
    "shape",
    "cause",
    "since",
    "day",
    "hour",
    "actual",
    "expected",
    "lower",
    "upper",
    "score",
    "p",
    "passes",
    "impact_so_far",
    "impact_lower",
    "impact_upper",
    "impact_per_day",
    "impact_to_month_end",
    "completeness",
    "source",
    "reading",
    "source_version",
    "scored_at",
    "detector",
    "detector_version",
    "version",
)
_MADE = (
    "level",
    "provider",
    "account",
    "service",
    "tag",
    "tag_value",
    "kind",
    "contributor_series",
    "contributor_share",
    "alike_id",
    "alike_series",
    "alike_since",
    "alike_likeness",
    "alike_verdict",
)


def anomaly_rows(event: CostAnomaly, _: str) -> list[Batch]:
    """Return what is known of an incident."""
    series = parse(event.series)
    row = (
        *(getattr(event, name) for name in _PLAIN),
        series.level,
        *(series.provider or "", series.account or "", series.service or "", series.tag or "", series.value or ""),
        KINDS[event.kind],
        [one.series for one in event.contributors],
        [one.share for one in event.contributors],
        [one.id for one in event.alike],
        [one.series for one in event.alike],
        [one.since for one in event.alike],
        [one.likeness for one in event.alike],
        [one.verdict or "" for one in event.alike],
    )
    return [Batch("anomalies", (*_PLAIN, *_MADE), [row], 1)]
