"""From what goes wrong in a simulated organisation to what people are told: how much, and each as one incident.

The simulator's record of truth says which lines each incident changed, and when. The chain is the whole one: statements
read once a day, with late and restated days, ledger, totals, detection, rules, folding.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Self

from alerts.backtest import would_say
from alerts.incident_step import IncidentOptions, incident_step
from alerts.lattice import MOST
from alerts.pipeline import rule_options
from alerts.rule_files import parse
from bench.result import Result
from processors.batch import BatchDriver
from processors.series import Series
from processors.step import Output
from schemas.events import Alert, CostAnomaly, Incident, IncidentTransition
from spendstream.local.kafka_apache import ApacheKafka
from spendstream.local.simulated_bills import noon
from spendstream.local.simulated_history import simulated_history
from spendstream.local.simulator.truth import Truth, truth
from spendstream.settings import load
from spendstream.topics import ALERTS

#: All that detection lets pass, and all fees: what people leave out is their choice.
_RULES = """
rules:
- {id: any, kind: anomaly, falls: true, severities: {info: {}}}
- {id: fees, kind: fee}
"""
_UNTIL = date(2026, 9, 30)
#: When a change began is told to a day or two: a level that wandered may seem to have risen before.
_ABOUT = timedelta(days=2)
_SEEDS = (3, 4)


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one thing that went wrong.

    Attributes
    ----------
    impact
        What it cost in all, in currency units; below zero where it saved.
    found
        Whether detection found it, in a series that holds most of it or lies within.
    incidents
        How many incidents of it people were told.
    days
        Days from its start to the first of them; None: it was not told.
    """

    kind: str
    impact: float
    found: bool
    incidents: int
    days: int | None


@dataclass(frozen=True, slots=True)
class Opened:
    """An incident as people were told of it: its alerts, each as it was first said, and when it was opened."""

    alerts: tuple[Alert, ...]
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Wrong:
    """What went wrong, when, and in which series."""

    what: Truth
    begin: datetime
    end: datetime
    series: frozenset[str]

    @classmethod
    def of(cls, what: Truth) -> Self:
        """Take it from the record of truth: what it changed, from an account's service down, and what holds most."""
        found = set[str]()
        above: dict[str, Decimal] = defaultdict(Decimal)
        for part in what.parts:
            family = {"account": part.account, "service": part.service}
            found |= {
                Series("USD", "AWS", **family).key,
                Series("USD", "AWS", **family, region=part.region).key,
                Series("USD", "AWS", **family, usage_type=part.usage_type).key,
            }
            for name, value in family.items():
                above[Series("USD", "AWS", **{name: value}).key] += Decimal(part.share)
        found |= {key for key, share in above.items() if share >= MOST}
        end = datetime.fromisoformat(what.ended_at) if what.ended_at else noon(_UNTIL)
        return cls(what, datetime.fromisoformat(what.started_at), end, frozenset(found))

    def holds(self, series: str, since: datetime, day: date | None, impact: Decimal | None) -> bool:
        """Tell whether a change is of it: in its series and time, and to the same side."""
        if series not in self.series or (impact or 0) * Decimal(self.what.impact_so_far) < 0:
            return False
        during = self.begin - _ABOUT <= since <= self.end + _ABOUT
        return during or (day is not None and self.begin.date() <= day <= self.end.date())

    def distance(self, incident: Opened) -> timedelta | None:
        """Return how far from its begin the nearest alert of it begins; None: none is of it."""
        own = [
            abs(alert.since - self.begin)
            for alert in incident.alerts
            if self.holds(alert.subject, alert.since, alert.day, alert.impact_per_day)
        ]
        return min(own, default=None)


def run(_: ApacheKafka | None, *, small: bool = False) -> Iterator[Result]:
    """Yield which share is told, and which share of that is one incident; Kafka has no part in it."""
    told: list[Told] = []
    for seed in _SEEDS[: 1 if small else None]:
        told += of_history(120 if small else 300, 4 if small else 26, seed)
    real = [one for one in told if one.impact]
    heard = [one for one in real if one.incidents]
    single = [one for one in heard if one.incidents == 1]
    sys.stderr.write("".join(f"{line}\n" for line in table(real)))
    yield _share("of what went wrong, told", len(heard), len(real))
    yield _share("of what was told, as one incident", len(single), len(heard))


def of_history(days: int, incidents: int, seed: int) -> list[Told]:
    """Return what became of each incident of a simulated history."""
    settings = load()
    made = simulated_history(settings, _UNTIL, days, seed=seed, accounts=4, incidents=incidents)
    said = would_say(parse(_RULES, "the benchmark's rules"), made.events, rule_options(settings, "live"))
    wrong = [Wrong.of(truth(made.model, one, noon(_UNTIL))) for one in made.incidents]
    anomalies = [event for _, event in made.events if isinstance(event, CostAnomaly)]
    return held(wrong, opened(said), anomalies)


def held(wrong: Sequence[Wrong], incidents: Sequence[Opened], anomalies: Sequence[CostAnomaly]) -> list[Told]:
    """Hold what people were told against what went wrong: an incident is about what began nearest in its series."""
    about: dict[str, list[Opened]] = defaultdict(list)
    for incident in incidents:
        near = [(distance, one.what.id) for one in wrong if (distance := one.distance(incident)) is not None]
        if near:
            about[min(near)[1]].append(incident)
    told = []
    for one in wrong:
        first = min((incident.opened_at for incident in about[one.what.id]), default=None)
        after = None if first is None else max((first - one.begin).days, 0)
        found = any(one.holds(event.series, event.since, event.day, event.impact_per_day) for event in anomalies)
        told.append(Told(one.what.kind, float(one.what.impact_so_far), found, len(about[one.what.id]), after))
    return told


def table(told: Sequence[Told]) -> Iterator[str]:
    """Yield the lines of a table, one a kind."""
    yield "| kind | incidents | found | told | as one | days |"
    yield "|---|---:|---:|---:|---:|---:|"
    kinds: dict[str, list[Told]] = defaultdict(list)
    for one in told:
        kinds[one.kind].append(one)
        kinds["~ all"].append(one)
    for kind, own in sorted(kinds.items()):
        after = [one.days for one in own if one.days is not None]
        single = sum(one.incidents == 1 for one in own)
        numbers = (len(own), sum(one.found for one in own), len(after), single)
        days = f"{median(after):g}" if after else ""
        yield f"| {kind.removeprefix('~ ')} | {' | '.join(map(str, numbers))} | {days} |"


def _share(name: str, ours: int, other: int) -> Result:
    ratio = ours / max(other, 1)
    return Result(name, ours, other, "incidents", ratio, (ratio, ratio))


def opened(said: Sequence[Alert]) -> list[Opened]:
    """Fold alerts, and return the incidents with all alerts that were ever part of each.

    What another incident took over is that one's.
    """
    members: dict[str, dict[str, Alert]] = defaultdict(dict)
    began: dict[str, datetime] = {}
    first_said: dict[str, Alert] = {}
    taken: set[str] = set()

    def heard(output: Output) -> None:
        if isinstance(output.event, IncidentTransition) and output.event.why.startswith("it is part of incident"):
            taken.add(output.event.incident)
        elif isinstance(output.event, Incident):
            began.setdefault(output.event.id, output.event.opened_at)
            for one in output.event.alerts:
                if one.id in first_said:
                    members[output.event.id].setdefault(one.id, first_said[one.id])

    driver = BatchDriver([incident_step(IncidentOptions())], heard)
    for alert in said:
        first_said.setdefault(alert.id, alert)
        driver.feed(ALERTS, 0, alert)
    return [Opened(tuple(alerts.values()), began[name]) for name, alerts in members.items() if name not in taken]
