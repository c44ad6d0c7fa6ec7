"""The step that applies rules: announcements, anomalies and rules in, alerts out.

Alerts of one currency go to one partition, where they fold into incidents; they are few. Rules come to every partition.
An announcement in several parts is learnt part by part and judged at its last.

State of a partition (keys):

- `rule/{id}`: the rule as it was applied last;
- `figures/{series}`: what is known of a series that a rule watches;
- `memory/{rule}/{subject}`: what a rule said of a series, a source, or an anomaly (by its id);
- `anomaly/{id}`: what is known of an anomaly (`alerts.open_anomalies`);
- `source/…`, `health/…`: what time alone may change, in one partition only (`alerts.timed`);
- `part/…`, `base/…`: shares of totals of other partitions (`alerts.shares`); what waits for these (`alerts.pairing`);
- `forecast/…`, `coming`: what is ahead of a series (`alerts.foretold`), and what waits for that;
- `touched`: series of an announcement whose last part is still to come; `version`: the last one judged.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, get_args

from alerts.detailed import Detailed
from alerts.edge import fires, judge, withdraw
from alerts.figures import Figures, learn
from alerts.findings import Finding
from alerts.foretold import Foretold
from alerts.open_anomalies import OpenAnomalies
from alerts.rule_files import unpacked
from alerts.rules import AnomalyRule, FeeRule, HealthRule, Rule, ThresholdRule, TimedRule, TotalRule
from alerts.shares import Applied, Shares
from alerts.timed import Timed, takes
from alerts.total_findings import days_looked_at, of_totals, with_course
from processors.ledger import book_of
from processors.series import Level, Series, parse, partition_of
from processors.step import Json, Output, State, Step
from schemas.events import (
    Alert,
    AlertBase,
    AlertRule,
    CostAggregate,
    CostAnomaly,
    CostForecast,
    Event,
    HealthFact,
    Tick,
)
from spendstream.clock import day_number, to_millis
from spendstream.topics import AGGREGATES, ALERTS, ANOMALIES, BASES, FORECASTS, HEALTH, RULES

_TICK = timedelta(minutes=1)
#: The one partition that judges what is no cost: every partition hears of every reading.
TIMED_AT = 0


@dataclass(frozen=True, slots=True)
class RuleOptions:
    """What the step needs to know of the deployment."""

    shards: int
    run: str = "live"
    foretold: frozenset[Level] = frozenset()
    """Levels of series that detection foretells; empty: it is switched off."""


def rule_step(options: RuleOptions) -> Step:
    """Return the application of rules as a step."""
    return Step(
        name="rules",
        inputs=(RULES, ANOMALIES, AGGREGATES, FORECASTS, HEALTH, BASES),
        open=lambda partition, state, counts: RulePartition(options, partition, state, counts),
        tick_every=_TICK,
    )


def home_of(currency: str | None, shards: int) -> int:
    """Return the partition in which alerts of a currency (None: about no cost) and their incidents live."""
    return partition_of(currency or "", shards)


class RulePartition:
    """The rules over the series of one partition."""

    def __init__(self, options: RuleOptions, partition: int, state: State, counts: Counter[str]) -> None:
        self._options = options
        self._partition = partition
        self._state = state
        self._counts = counts
        self._rules: dict[str, Rule] = {}
        self._applied_at: dict[str, int] = {}
        self._watching: dict[str, list[TotalRule]] = {}
        self._timed = Timed(state, self._rules.values, self._judge_series) if partition == TIMED_AT else None
        self._shares = Shares(
            partition,
            options.shards,
            options.run,
            state,
            self._about_shares,
            self._judge_series,
        )
        self._foretold = Foretold(
            state, options.foretold, self._rules.values, self._applied, self._watchers, self._judge_series
        )
        for key, applied in state.scan("rule/"):
            self._know(key.removeprefix("rule/"), applied)
        self._detailed = Detailed()
        for key, figures in state.scan("figures/"):
            self._detailed.note(key.removeprefix("figures/"), Figures.load(figures))
        self._anomalies = OpenAnomalies(state, self._judge)
        # Of each rule, what it fires for: (key of its memory, subject).
        self._firing: dict[str, dict[str, str]] = {}
        for key, memory in state.scan("memory/"):
            self._note(key, memory)

    def process(self, event: Event) -> Iterable[Output]:
        """Judge what an event tells, by every rule that it concerns."""
        match event:
            case AlertRule():
                return self._apply(event)
            case CostAnomaly() if event.run == self._options.run:
                return self._of_anomaly(event)
            case CostAggregate() if event.run == self._options.run:
                return self._of_totals(event)
            case AlertBase() if event.run == self._options.run:
                return self._out(self._shares.hear(event))
            case CostForecast() if event.run == self._options.run:
                return self._out(self._foretold.hear(event))
            case HealthFact() if self._timed is not None:
                return self._out(self._timed.take(event))
            case Tick() if self._timed is not None:
                return self._out(self._timed.at(event.at))
        return ()

    # Rules

    def _apply(self, event: AlertRule) -> list[Output]:
        key = f"rule/{event.id}"
        known: Any = self._state.get(key)
        at = to_millis(event.applied_at)
        if known is not None and at < known["applied_at"]:
            return []
        before = self._rules.get(event.id)
        after = None if event.definition is None else unpacked(event.definition)
        applied: Json = {"applied_at": at, "definition": event.definition}
        said = [] if before is None else self._withdraw(before, after, event.applied_at)
        self._state.put(key, applied)
        if self._rules.pop(event.id, None) is not None:
            self._shares.forget(event.id)
        self._know(event.id, applied)
        self._foretold.forget()
        self._watching.clear()
        self._counts["rules_applied"] += 1
        rule = self._rules.get(event.id)
        if isinstance(rule, AnomalyRule | FeeRule):
            for anomaly in self._anomalies.open():
                said += self._anomalies.judged(rule, anomaly)
        return self._out(said)

    def _know(self, name: str, applied: Any) -> None:  # noqa: ANN401 - plain data of the state
        self._applied_at[name] = applied["applied_at"]
        if applied["definition"] is not None:
            rule = unpacked(applied["definition"])
            if rule.enabled:
                self._rules[name] = rule

    def _applied(self, name: str) -> tuple[Rule, int] | None:
        rule = self._rules.get(name)
        return None if rule is None else (rule, self._applied_at[name])

    def _about_shares(self) -> dict[str, Applied]:
        return {
            name: Applied(rule, self._applied_at[name])
            for name, rule in self._rules.items()
            if isinstance(rule, ThresholdRule) and rule.of == "share"
        }

    def _withdraw(self, before: Rule, after: Rule | None, at: datetime) -> list[Alert]:
        """Say that what no rule looks at any more is over."""
        said = []
        firing = self._firing.get(before.id, {})
        for key, subject in sorted(firing.items()):
            if after is not None and after.enabled and _asks_the_same(before, after) and _takes(after, subject):
                continue
            said += withdraw(before, subject, _currency(before, subject), self._state.get(key), at, self._options.run)
            self._state.delete(key)
            del firing[key]
        return said

    # Facts

    def _of_anomaly(self, event: CostAnomaly) -> list[Output]:
        if not self._anomalies.hear(event):
            self._counts["anomalies_known"] += 1
            return []
        said: list[Alert] = []
        for rule in self._rules.values():
            if isinstance(rule, AnomalyRule | FeeRule):
                said += self._anomalies.judged(rule, event)
        return self._out(said)

    def _of_totals(self, event: CostAggregate) -> list[Output]:
        last: Any = self._state.get("version")
        if last is not None and event.version < last:
            self._counts["announcements_known"] += 1
            return []
        touched = self._learnt(event)
        if event.part < event.parts - 1:
            self._state.put("touched", {"version": event.version, "series": list(touched)})
            return []
        self._state.delete("touched")
        self._state.put("version", event.version)
        touched += self._closed(event, touched)
        known = [(series, self._figures(series)) for series in touched]
        said: list[Alert] = []
        for series, figures in known:
            for rule in self._watchers(series):
                looks_ahead = not self._foretold.awaits(rule, series)
                found = of_totals(rule, series, figures, event.closed_at, looks_ahead=looks_ahead)
                said += [with_course(alert, rule, figures) for alert in self._judge_series(rule, series, found)]
        # What waits for another's word tells no days: by then there may be newer ones.
        said += self._foretold.announced(event, known)
        of_shares, told = self._shares.announced(event, known)
        heard = [] if self._timed is None else self._timed.hear(event)
        return [*self._out([*said, *of_shares, *heard]), *told]

    def _learnt(self, event: CostAggregate) -> list[str]:
        """Learn what an announcement tells; return the series that it and its earlier parts changed."""
        changed = learn(event, self._days_looked_at, self._figures)
        for series, figures in changed.items():
            self._keep(series, figures)
        waiting: Any = self._state.get("touched") or {"version": 0, "series": []}
        earlier = waiting["series"] if waiting["version"] == event.version else []
        return list(dict.fromkeys([*earlier, *changed]))

    def _closed(self, event: CostAggregate, touched: Collection[str]) -> list[str]:
        """Move on the series without windows whose days are closed now and that the announcement does not tell of."""
        if event.closed_through is None:
            return []
        through = day_number(event.closed_through)
        moved = [one for one in self._detailed.closed(book_of(event), through) if one not in touched]
        for series in moved:
            figures = self._figures(series)
            figures.end = through
            self._keep(series, figures)
        return moved

    def _keep(self, series: str, figures: Figures) -> None:
        self._state.put(f"figures/{series}", figures.dump())
        self._detailed.note(series, figures)

    # What both need

    def _judge(self, rule: Rule, subject: str, name: str, found: Any) -> list[Alert]:  # noqa: ANN401 - findings
        key = f"memory/{rule.id}/{name}"
        before = self._state.get(key)
        after, said = judge(rule, subject, _currency(rule, subject), found, before, self._options.run)
        if after != before:
            self._state.put(key, after)
            self._note(key, after, subject)
        return said

    def _judge_series(self, rule: Rule, series: str, found: list[Finding]) -> list[Alert]:
        return self._judge(rule, series, series, found)

    def _note(self, key: str, memory: Any, subject: str | None = None) -> None:  # noqa: ANN401 - plain data
        rule = key.split("/", 2)[1]
        if fires(memory):
            # The id of an alert holds its subject, between the rule and what tells occasions apart.
            held = next(iter(memory.values()))
            self._firing.setdefault(rule, {})[key] = subject or held["id"].split("|")[1]
        else:
            self._firing.get(rule, {}).pop(key, None)

    def _watchers(self, key: str) -> list[TotalRule]:
        found = self._watching.get(key)
        if found is None:
            series = parse(key)
            found = self._watching[key] = [
                rule
                for rule in self._rules.values()
                if isinstance(rule, get_args(TotalRule)) and _looks_at(rule, series)
            ]
        return found

    def _days_looked_at(self, key: str) -> int:
        return max((days_looked_at(rule) for rule in self._watchers(key)), default=0)

    def _figures(self, series: str) -> Figures:
        return Figures.load(self._state.get(f"figures/{series}"))

    def _out(self, said: list[Alert]) -> list[Output]:
        self._counts["alerts_said"] += len(said)
        return [
            Output(ALERTS, home_of(alert.currency, self._options.shards), alert.id.encode(), alert) for alert in said
        ]


def _asks_the_same(before: Rule, after: Rule) -> bool:
    if isinstance(before, HealthRule) and isinstance(after, HealthRule):
        return before.check == after.check
    return before.kind == after.kind


def _looks_at(rule: TotalRule, series: Series) -> bool:
    """Tell whether a rule has to know the totals of a series: it is about them, or about shares of them."""
    bases = rule.bases if isinstance(rule, ThresholdRule) else None
    return rule.where.takes(series) or (bases is not None and bases.takes(series))


def _takes(rule: Rule, subject: str) -> bool:
    if isinstance(rule, TimedRule):
        return takes(rule, subject)
    return rule.where.takes(parse(subject), any_level=isinstance(rule, AnomalyRule | FeeRule))


def _currency(rule: Rule, subject: str) -> str | None:
    return None if isinstance(rule, TimedRule) else parse(subject).currency
