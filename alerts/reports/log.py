"""The log of reports: who was told of which period (`alert.reports`, compacted)."""

import hashlib
from collections.abc import Mapping
from datetime import date, datetime, timedelta

from alerts.reports.report import Edition
from schemas.codec import Codec
from schemas.events import CostReport
from schemas.registry import schema_source
from spendstream.read_back import read_back
from spendstream.settings import Settings
from spendstream.topics import REPORTS

#: A period that ended longer ago is corrected no more.
CORRECTED_FOR = timedelta(days=45)

#: Report, whose it is (empty: the whole), first and last day, receiver.
Key = tuple[str, str, date, date, str]


def key_of(edition: Edition, receiver: str) -> Key:
    """Return under what it stands that a receiver was told of an edition."""
    span = edition.period.span
    return edition.report.id, edition.value or "", span.first, span.last, receiver


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
            found[_key(event)] = event
    return found


def recent(found: Mapping[Key, CostReport], now: datetime) -> dict[Key, CostReport]:
    """Return what was told of periods that may still be corrected."""
    oldest = (now - CORRECTED_FOR).date()
    return {key: event for key, event in found.items() if event.last_day >= oldest}


def topic_key(event: CostReport) -> str:
    """Return the key of an event in the topic."""
    return "/".join(map(str, _key(event)))


def note_id(edition: Edition, receiver: str, number: int) -> str:
    """Return the id of a message: the same when it is sent again after a crash, so that a receiver can know it."""
    return hashlib.sha256("|".join(map(str, (*key_of(edition, receiver), number))).encode()).hexdigest()[:32]


def _key(event: CostReport) -> Key:
    return event.report, event.value or "", event.first_day, event.last_day, event.receiver
