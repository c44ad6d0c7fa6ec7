"""What rules would have said of recorded history: the same step as live, over a list of events in memory."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from alerts.incident_step import IncidentOptions, incident_step
from alerts.rule_files import packed
from alerts.rule_step import RuleOptions, rule_step
from alerts.rules import Rule
from processors.batch import BatchDriver
from processors.step import Output
from schemas.codec import Codec
from schemas.events import Alert, AlertRule, CostAggregate, CostAnomaly, CostForecast, HealthFact, Incident, Tick
from schemas.registry import schema_source
from spendstream.clock import from_millis
from spendstream.read_back import read_back_messages
from spendstream.settings import Settings
from spendstream.topics import AGGREGATES, ALERTS, ANOMALIES, FORECASTS, HEALTH, RULES, Topic

_Fact = CostAggregate | CostAnomaly | CostForecast | HealthFact

#: Where what happened stands, by the class of the event.
TOPIC_OF: dict[type, Topic] = {
    CostAggregate: AGGREGATES,
    CostAnomaly: ANOMALIES,
    CostForecast: FORECASTS,
    HealthFact: HEALTH,
}

#: An event of history with the partition that it stands in.
Recorded = tuple[int, _Fact]


def history(settings: Settings) -> Iterator[Recorded]:
    """Yield all announcements, anomalies, forecasts and facts of health that Kafka still has.

    Raises
    ------
    ConfigurationError
        When no Kafka answers.
    """
    codec = Codec(schema_source(settings))
    names = settings.kafka.topics
    for topic in TOPIC_OF.values():
        for message in read_back_messages(settings, names.name(topic), names.partitions(topic)):
            event = codec.decode(message.value() or b"")
            if isinstance(event, _Fact):
                yield message.partition() or 0, event


def would_say(rules: Sequence[Rule], events: Iterable[Recorded], options: RuleOptions) -> list[Alert]:
    """Return what rules would have said, in the order of time, had they been applied before it all."""
    said: list[Alert] = []

    def heard(output: Output) -> None:
        if isinstance(output.event, Alert):
            said.append(output.event)

    driver = BatchDriver([rule_step(options)], heard)
    for partition in range(options.shards):
        for rule in rules:
            applied = AlertRule(id=rule.id, applied_at=from_millis(0), by="test", definition=packed(rule))
            driver.feed(RULES, partition, applied)
    for partition, event in _in_time(one for one in events if _is_of(one[1], options.run)):
        # A source that was silent before this is noticed at the latest now.
        driver.feed(RULES, 0, Tick(at=_at(event)))
        driver.feed(TOPIC_OF[type(event)], partition, event)
    return said


def _in_time(events: Iterable[Recorded]) -> list[Recorded]:
    """Return events in the order of time; those of one topic and partition stay in the order in which they stand."""
    reached: dict[tuple[type, int], datetime] = {}
    timed: list[tuple[datetime, Recorded]] = []
    for partition, event in events:
        place = (type(event), partition)
        reached[place] = max(reached.get(place, _at(event)), _at(event))
        timed.append((reached[place], (partition, event)))
    return [one for _, one in sorted(timed, key=lambda pair: pair[0])]


def incidents_of(said: Sequence[Alert]) -> list[Incident]:
    """Return the incidents that alerts fold into, each as it was last, in the order in which they began."""
    newest: dict[str, Incident] = {}

    def heard(output: Output) -> None:
        if isinstance(output.event, Incident):
            newest[output.event.id] = output.event

    driver = BatchDriver([incident_step(IncidentOptions(said[0].run))] if said else [], heard)
    for alert in said:
        driver.feed(ALERTS, 0, alert)
    return list(newest.values())


def _is_of(event: _Fact, run: str) -> bool:
    return isinstance(event, HealthFact) or event.run == run


def _at(event: _Fact) -> datetime:
    if isinstance(event, HealthFact):
        return event.at
    return event.scored_at if isinstance(event, CostAnomaly) else event.closed_at
