"""Rules in Kafka: which are applied, applying them, and people's requests about incidents."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from alerts.incident_states import ForbiddenMoveError, asked
from alerts.rule_files import packed, plain, unpacked
from alerts.rule_step import home_of
from alerts.rules import Rule
from producers.sender import DeliveryError, Sender
from schemas.codec import Codec
from schemas.events import AlertRequest, AlertRule, Incident, IncidentAction
from schemas.registry import schema_source
from spendstream.admin import ensure_topics
from spendstream.clock import Clock
from spendstream.read_back import read_back
from spendstream.runs import live_run
from spendstream.settings import ConfigurationError, Settings
from spendstream.topics import ALERTS, INCIDENTS, RULES


@dataclass(frozen=True, slots=True)
class Difference:
    """What applying a file changes: ids of rules."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    entries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of each rule that is changed, which entries, as `limits.warning: 100 → 200`."""

    @property
    def empty(self) -> bool:
        """Whether it changes nothing."""
        return not self.names

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.added, *self.changed, *self.removed)


def applied(settings: Settings) -> dict[str, AlertRule]:
    """Return the rules that are applied, by id."""
    codec = Codec(schema_source(settings))
    found: dict[str, AlertRule] = {}
    for raw in read_back(settings, RULES):
        event = codec.decode(raw)
        if isinstance(event, AlertRule) and (event.id not in found or event.applied_at >= found[event.id].applied_at):
            found[event.id] = event
    return {name: event for name, event in sorted(found.items()) if event.definition is not None}


def difference(settings: Settings, rules: Sequence[Rule], *, remove_others: bool) -> Difference:
    """Return what applying `rules` would change; other rules stay unless `remove_others`."""
    known = {name: unpacked(event.definition or "") for name, event in applied(settings).items()}
    wanted = {rule.id: rule for rule in rules}
    changed = [name for name, rule in wanted.items() if name in known and known[name] != rule]
    return Difference(
        tuple(name for name in wanted if name not in known),
        tuple(changed),
        tuple(name for name in known if name not in wanted) if remove_others else (),
        {name: tuple(_changed_entries(known[name], wanted[name])) for name in changed},
    )


def _changed_entries(before: Rule, after: Rule) -> Iterator[str]:
    old, new = (dict(_entries(plain(rule))) for rule in (before, after))
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield f"{name}: {old.get(name, 'the default')} → {new.get(name, 'the default')}"


def _entries(value: Any, place: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401 - plain data
    """Yield the entries of plain data, each by its way down."""
    if not isinstance(value, dict):
        yield place, ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        return
    for name, one in value.items():
        yield from _entries(one, f"{place}.{name}" if place else name)


def apply(
    settings: Settings, clock: Clock, rules: Sequence[Rule], by: str, *, remove_others: bool = False
) -> Difference:
    """Apply rules: what differs from what is applied goes to every partition. Return what was changed.

    Raises
    ------
    ConfigurationError
        When Kafka cannot be reached, or does not take them.
    """
    ensure_topics(settings)
    found = difference(settings, rules, remove_others=remove_others)
    definitions: dict[str, str | None] = {rule.id: packed(rule) for rule in rules}
    _publish(settings, clock, {name: definitions.get(name) for name in found.names}, by)
    return found


def remove(settings: Settings, clock: Clock, name: str, by: str) -> Difference:
    """Remove a rule, and return what was changed: nothing, when it is not applied. Raises as `apply`."""
    ensure_topics(settings)
    found = Difference((), (), (name,) if name in applied(settings) else ())
    _publish(settings, clock, dict.fromkeys(found.names), by)
    return found


def _publish(settings: Settings, clock: Clock, definitions: Mapping[str, str | None], by: str) -> None:
    sender = Sender(settings, clock)
    at = clock.now()
    try:
        for name, definition in definitions.items():
            event = AlertRule(id=name, applied_at=at, by=by, definition=definition)
            for partition in range(settings.kafka.topics.partitions(RULES)):
                sender.send(RULES, partition, name, event)
        sender.flush()
    except DeliveryError as error:
        raise ConfigurationError(str(error)) from None


def incidents(settings: Settings) -> list[Incident]:
    """Return the incidents of the live run, the newest change first."""
    codec = Codec(schema_source(settings))
    run = live_run(settings)
    found: dict[str, Incident] = {}
    for raw in read_back(settings, INCIDENTS):
        event = codec.decode(raw)
        if isinstance(event, Incident) and event.run == run:
            found[event.id] = event
    return sorted(found.values(), key=lambda incident: (incident.changed_at, incident.id), reverse=True)


def ask(
    settings: Settings,
    clock: Clock,
    incident: str,
    action: IncidentAction,
    by: str,
    why: str,
    until: datetime | None = None,
) -> Incident:
    """Ask for something to be done with an incident, and return the incident as it was.

    Raises
    ------
    ConfigurationError
        When there is no such incident, several begin with that id, its state does not allow it, or Kafka fails.
    """
    found = [one for one in incidents(settings) if one.id.startswith(incident)]
    if len(found) != 1:
        what = "no incident has" if not found else f"{len(found)} incidents have"
        raise ConfigurationError(f"{what} an id that begins with {incident!r}; see `spendstream incidents list`")
    [known] = found
    now = clock.now()
    try:
        asked(known.state, action, fires=known.firing_count > 0, at=now, by=by, why=why, until=until)
    except ForbiddenMoveError as error:
        raise ConfigurationError(str(error)) from None
    wish = AlertRequest(id=uuid4().hex, incident=known.id, action=action, by=by, at=now, why=why, until=until)
    sender = Sender(settings, clock)
    try:
        sender.send(ALERTS, home_of(known.currency, settings.kafka.shards), wish.id, wish)
        sender.flush()
    except DeliveryError as error:
        raise ConfigurationError(str(error)) from None
    return known
