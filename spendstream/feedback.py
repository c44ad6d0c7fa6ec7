"""What people say of anomalies, which goes to every partition: series that are alike heed it too."""

from collections.abc import Sequence
from datetime import date
from uuid import uuid4

from processors.series import ChargeKind
from producers.sender import DeliveryError, Sender
from schemas.codec import Codec
from schemas.events import AnomalyFeedback, CostAnomaly, JudgedSeries, Verdict
from schemas.registry import schema_source
from spendstream.admin import ensure_topics
from spendstream.clock import Clock
from spendstream.read_back import read_back
from spendstream.runs import live_run
from spendstream.settings import ConfigurationError, Settings
from spendstream.topics import ANOMALIES, FEEDBACK


def word(
    clock: Clock,
    judged: Sequence[JudgedSeries],
    verdict: Verdict,
    *,
    by: str,
    why: str = "",
    first_day: date | None = None,
    last_day: date | None = None,
    incident: str | None = None,
) -> AnomalyFeedback:
    """Return what somebody says of anomalies now.

    Parameters
    ----------
    first_day, last_day
        Of `expected`: its days, both included. Without a last day the new level is meant to stay.
    incident
        Id of the incident of alerts that was judged, when it was one.

    Raises
    ------
    ConfigurationError
        When days are given for another verdict, or end before they begin.
    """
    if verdict != "expected" and (first_day is not None or last_day is not None):
        raise ConfigurationError(f"only what is expected has a period: leave the days out for {verdict!r}")
    if first_day is not None and last_day is not None and last_day < first_day:
        raise ConfigurationError(f"the period ends on {last_day}, before it begins on {first_day}")
    return AnomalyFeedback(
        id=uuid4().hex, verdict=verdict, judged=list(judged), first_day=first_day, last_day=last_day,
        incident=incident, by=by, why=why, at=clock.now(),
    )  # fmt: skip


def publish(sender: Sender, feedback: AnomalyFeedback) -> None:
    """Send a word to every partition; Kafka has it when this returns.

    Raises
    ------
    DeliveryError
        When Kafka does not take it.
    """
    for partition in range(sender.settings.kafka.topics.partitions(FEEDBACK)):
        sender.send(FEEDBACK, partition, feedback.id, feedback)
    sender.flush()


def known_anomalies(settings: Settings) -> dict[str, CostAnomaly]:
    """Return the newest version of each anomaly of the live run that Kafka has, by id."""
    codec, run = Codec(schema_source(settings)), live_run(settings)
    found: dict[str, CostAnomaly] = {}
    for raw in read_back(settings, ANOMALIES):
        event = codec.decode(raw)
        if isinstance(event, CostAnomaly) and event.run == run:
            newer = event.id not in found or event.version >= found[event.id].version
            if newer:
                found[event.id] = event
    return found


def all_feedback(settings: Settings) -> list[AnomalyFeedback]:
    """Return every word that was said, once each, in the order of time."""
    codec = Codec(schema_source(settings))
    found: dict[str, AnomalyFeedback] = {}
    for raw in read_back(settings, FEEDBACK):
        event = codec.decode(raw)
        if isinstance(event, AnomalyFeedback) and (event.id not in found or event.at >= found[event.id].at):
            found[event.id] = event
    return sorted(found.values(), key=lambda one: (one.at, one.id))


def give(
    settings: Settings,
    clock: Clock,
    anomaly: str,
    verdict: Verdict,
    *,
    by: str,
    why: str = "",
    first_day: date | None = None,
    last_day: date | None = None,
) -> CostAnomaly:
    """Say what an anomaly was, and return it.

    Parameters
    ----------
    anomaly
        Its id, or the beginning of it.

    Raises
    ------
    ConfigurationError
        When there is no such anomaly, or several begin so, the period cannot be, or Kafka does not take it.
    """
    ensure_topics(settings)
    found = [one for name, one in known_anomalies(settings).items() if anomaly and name.startswith(anomaly)]
    if len(found) != 1:
        what = "no anomaly has" if not found else f"{len(found)} anomalies have"
        raise ConfigurationError(f"{what} an id that begins with {anomaly!r}; `spendstream anomalies list` shows them")
    [known] = found
    judged = [JudgedSeries(anomaly=known.id, series=known.series, kind=known.kind)]
    said = word(clock, judged, verdict, by=by, why=why, first_day=first_day, last_day=last_day)
    try:
        publish(Sender(settings, clock), said)
    except DeliveryError as error:
        raise ConfigurationError(str(error)) from None
    return known


def told(anomaly: CostAnomaly) -> str:
    """Return an anomaly in a line."""
    kind = ChargeKind(anomaly.kind).label
    return f"{anomaly.shape} of {anomaly.series} ({kind}) since {anomaly.since:%Y-%m-%d}"
