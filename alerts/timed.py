"""What time alone may change, judged in one partition: sources, the deployment's health, ends of commitments.

State (keys): `source/{source}`: last closed reading and newest closed day; `health/{check}/{subject}`: what was told.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from alerts.findings import Finding
from alerts.health_findings import Health, SourceFacts, of_commitment, of_health, of_source
from alerts.health_rules import CommitmentRule, FreshnessRule, HealthRule
from alerts.rules import Rule
from processors.step import State
from schemas.events import Alert, CostAggregate, HealthFact
from spendstream.clock import day_number, from_millis, to_millis

#: Says what follows from what a rule finds of a subject.
Judge = Callable[[Rule, str, list[Finding]], list[Alert]]


class Timed:
    """Keeps what the rules that time may change are about, and judges it when something is told, or time passes.

    Parameters
    ----------
    state
        The state of the partition.
    rules
        Gives the rules that are applied.
    judge
        Called with a rule, a subject, and what was found.
    """

    def __init__(self, state: State, rules: Callable[[], Iterable[Rule]], judge: Judge) -> None:
        self._state = state
        self._rules = rules
        self._judge = judge
        self._sources = {key.removeprefix("source/") for key, _ in state.scan("source/")}
        self._health = {key.removeprefix("health/") for key, _ in state.scan("health/")}

    def hear(self, event: CostAggregate) -> list[Alert]:
        """Take the last part of an announcement: its source has closed a reading."""
        key = f"source/{event.source}"
        known: Any = self._state.get(key) or [0, None]
        through = None if event.closed_through is None else day_number(event.closed_through)
        newest = max((day for day in (known[1], through) if day is not None), default=None)
        self._state.put(key, [max(known[0], to_millis(event.closed_at)), newest])
        self._sources.add(event.source)
        return self._of_source(event.source, event.closed_at)

    def take(self, fact: HealthFact) -> list[Alert]:
        """Take a fact about the deployment's health."""
        name = f"{fact.check}/{fact.subject}"
        known = Health.load(self._state.get(f"health/{name}"))
        if not known.learn(fact):
            return []
        self._state.put(f"health/{name}", known.dump())
        self._health.add(name)
        return self._of_health(name, fact.at)

    def at(self, now: datetime) -> list[Alert]:
        """Judge all of it as of `now`."""
        said = [alert for source in sorted(self._sources) for alert in self._of_source(source, now)]
        said += [alert for name in sorted(self._health) for alert in self._of_health(name, now)]
        for rule in self._rules():
            if isinstance(rule, CommitmentRule):
                for name in rule.ends:
                    said += self._judge(rule, name, [of_commitment(rule, name, now)])
        return said

    def _of_source(self, source: str, now: datetime) -> list[Alert]:
        known: Any = self._state.get(f"source/{source}")
        facts = SourceFacts(source, from_millis(known[0]), known[1])
        said: list[Alert] = []
        for rule in self._rules():
            if isinstance(rule, FreshnessRule) and takes(rule, source):
                said += self._judge(rule, source, [of_source(rule, facts, now)])
        return said

    def _of_health(self, name: str, now: datetime) -> list[Alert]:
        check, subject = name.split("/", 1)
        known: Health | None = None
        said: list[Alert] = []
        for rule in self._rules():
            if isinstance(rule, HealthRule) and rule.check == check and takes(rule, subject):
                known = known or Health.load(self._state.get(f"health/{name}"))
                said += self._judge(rule, subject, [of_health(rule, subject, known, now)])
        return said


def takes(rule: FreshnessRule | HealthRule | CommitmentRule, subject: str) -> bool:
    """Tell whether a rule is about a subject: a source, a step, a receiver, a commitment."""
    if isinstance(rule, CommitmentRule):
        return subject in rule.ends
    patterns = rule.source if isinstance(rule, FreshnessRule) else rule.subject
    return any(fnmatchcase(subject, pattern) for pattern in patterns)
