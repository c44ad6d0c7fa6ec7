"""The log of reports: what each receiver was told of each period (`alert.reports`, compacted)."""

import hashlib
from collections.abc import Mapping
from datetime import date, datetime, timedelta

from alerts.reports.report import Report, Span
from schemas.codec import Codec
from schemas.events import CostReport
from schemas.registry import schema_source
from spendstream.read_back import read_back
from spendstream.settings import Settings
from spendstream.topics import REPORTS

#: A period that ended longer ago is corrected no more.
CORRECTED_FOR = timedelta(days=45)

#: Report, first and last day, receiver.
Key = tuple[str, date, date, str]


def key_of(report: Report, span: Span, receiver: str) -> Key:
    """Return under what it stands that a receiver was told of a span."""
    return report.id, span.first, span.last, receiver


def told(settings: Settings) -> dict[Key, CostReport]:
    """Return what was told last, of every period and to every receiver.

    Raises
    ------
    ConfigurationError
        When no Kafka answers.
    KafkaException
        When the log cannot be read.
    """
    codec = Codec(schema_source(settings))
    found: dict[Key, CostReport] = {}
    for raw in read_back(settings, REPORTS):
        event = codec.decode(raw)
        if isinstance(event, CostReport):
            found[event.report, event.first_day, event.last_day, event.receiver] = event
    return found


def recent(found: Mapping[Key, CostReport], now: datetime) -> dict[Key, CostReport]:
    """Return what was told of periods that may still be corrected."""
    oldest = (now - CORRECTED_FOR).date()
    return {key: event for key, event in found.items() if event.last_day >= oldest}


def topic_key(event: CostReport) -> str:
    """Return the key of an event in the topic."""
    return f"{event.report}/{event.first_day}/{event.last_day}/{event.receiver}"


def note_id(report: Report, span: Span, receiver: str, number: int) -> str:
    """Return the id of a message: the same when it is sent again after a crash, so that a receiver can know it."""
    return hashlib.sha256(f"{report.id}|{span.first}|{span.last}|{receiver}|{number}".encode()).hexdigest()[:32]
