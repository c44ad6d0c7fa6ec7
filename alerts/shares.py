"""Shares of a wider total, which lies in another partition more often than not.

Each partition tells every partition, its own among them, at each announcement what it has of totals that shares are of
(`alert.bases`). An announcement here is judged when what the other partition said of *the same reading* has come, in
the order of the announcements here. So no share is told from half a reading, and what is said follows from the two
partitions' announcements alone, whichever of them is read first.

State (keys); a *place* is the partition that a wider total lives in:

- `part/{rule}/{series}`: announcement, last day and total of a share's part, as judged last;
- `base/{rule}/{series}`: of a wider total, the announcement there, and the totals by last day;
- `queue/{place}`, `here/{place}/…`, `there/{place}/…`: what waits for the other partition's word (`alerts.pairing`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerts.figures import Figures
from alerts.findings import Finding
from alerts.lattice import holder
from alerts.pairing import Met, Pairing
from alerts.rule_parts import kinds_of
from alerts.rules import ThresholdRule
from alerts.total_findings import of_share
from processors.ledger import book_of
from processors.series import parse, partition_of
from processors.step import Json, Output, State
from schemas.events import Alert, AlertBase, CostAggregate
from spendstream.clock import from_millis, to_millis
from spendstream.topics import BASES

#: How many last days of a wider total are told: a part whose source is some days late is held against its own day.
_ENDS = 8

#: Says what follows from what a rule finds of a series.
Judge = Callable[[ThresholdRule, str, list[Finding]], list[Alert]]


@dataclass(frozen=True, slots=True)
class Applied:
    """A rule about shares, and when it was applied (ms): what another version of it worked out counts no more."""

    rule: ThresholdRule
    at: int

    def total(self, figures: Figures, end: int) -> int | None:
        """Return the total of the rule's window that ends with `end`."""
        rule = self.rule
        return figures.total_to(end, rule.window, kinds_of(rule.charges), rule.measure == "billed")


#: Rules about shares by their id.
Rules = Mapping[str, Applied]


class Shares:
    """The shares of the series of one partition, and what it tells other partitions for theirs.

    Parameters
    ----------
    partition, shards, run
        Which partition this is, of how many, in which run.
    state
        The state of the partition.
    rules
        Gives the rules about shares that are applied, by id.
    judge
        Called with a rule, a series and what was found.
    """

    def __init__(
        self, partition: int, shards: int, run: str, state: State, rules: Callable[[], Rules], judge: Judge
    ) -> None:
        self._partition = partition
        self._run = run
        self._state = state
        self._rules = rules
        self._judge = judge
        self._pairings = {place: Pairing(state, str(place)) for place in range(shards)}
        # The parts, and the wider totals, that are known of each rule.
        self._parts: dict[str, set[str]] = {}
        self._bases: dict[str, set[str]] = {}
        for prefix, known in (("part/", self._parts), ("base/", self._bases)):
            for key, _ in state.scan(prefix):
                _, rule, series = key.split("/", 2)
                known.setdefault(rule, set()).add(series)

    def announced(
        self, event: CostAggregate, figures: Iterable[tuple[str, Figures]]
    ) -> tuple[list[Alert], list[Output]]:
        """Take an announcement, all parts of it, with the series that it changed; return also what others are told."""
        rules = self._rules()
        if not rules:
            return [], []
        parts: dict[int, list[Any]] = {place: [] for place in self._pairings}
        told = _Told()
        for key, known in figures:
            series = parse(key)
            for name, one in rules.items():
                if known.end is None:
                    continue
                if one.rule.where.takes(series):
                    total = one.total(known, known.end)
                    if total is not None:
                        home = partition_of(_wider(one.rule, key), len(self._pairings))
                        parts[home].append([name, one.at, key, known.end, total])
                if one.rule.bases is not None and one.rule.bases.takes(series):
                    for end in range(known.end, known.end - _ENDS, -1):
                        total = one.total(known, end)
                        if total is not None:
                            told.add(name, one.at, key, end, total)
        said: list[Alert] = []
        for place, pairing in self._pairings.items():
            held: Json = [to_millis(event.closed_at), parts[place]]
            said += self._met(pairing.wait(event.version, book_of(event), event.reading, held))
        return said, [self._base(event, place, told) for place in self._pairings]

    def _base(self, event: CostAggregate, place: int, told: "_Told") -> Output:
        book = book_of(event)
        base = AlertBase(
            run=self._run,
            partition=self._partition,
            version=event.version,
            book=book,
            reading=event.reading,
            closed_at=event.closed_at,
            **told.columns(),
        )
        return Output(BASES, place, f"{self._partition}/{book}".encode(), base)

    def hear(self, event: AlertBase) -> list[Alert]:
        """Take what a partition tells of wider totals."""
        if not self._rules():
            return []
        rows: Json = [
            [event.rules[rule], event.applied[rule], event.series[series], end, total]
            for rule, series, end, total in zip(
                event.row_rule, event.row_series, event.row_end, event.row_total, strict=True
            )
        ]
        return self._met(self._pairings[event.partition].hear(event.version, event.book, event.reading, rows))

    def forget(self, name: str) -> None:
        """Forget what was worked out for a rule, which goes or changes; with the last rule, all that waits."""
        for prefix, known in (("part", self._parts), ("base", self._bases)):
            for series in known.pop(name, ()):
                self._state.delete(f"{prefix}/{name}/{series}")
        if not self._rules():
            for pairing in self._pairings.values():
                pairing.clear()

    def _met(self, met: list[Met]) -> list[Alert]:
        """Judge announcements whose counterpart has come."""
        said: list[Alert] = []
        rules = self._rules() if met else {}
        for one in met:
            at, parts = one.held
            touched = self._learn_parts(rules, one.number, parts)
            for version, rows in one.told:
                touched |= self._learn_bases(rules, version, rows)
            for name, series in sorted(touched):
                said += self._judged(rules[name].rule, series, from_millis(at))
        return said

    def _learn_parts(self, rules: Rules, version: int, parts: list[Any]) -> set[tuple[str, str]]:
        """Take the parts of an announcement; return them as rule and series."""
        touched = set()
        for name, at, series, end, total in parts:
            before: Any = self._state.get(f"part/{name}/{series}") or [0]
            if name in rules and rules[name].at == at and version >= before[0]:
                self._state.put(f"part/{name}/{series}", [version, end, total])
                self._parts.setdefault(name, set()).add(series)
                touched.add((name, series))
        return touched

    def _learn_bases(self, rules: Rules, version: int, rows: list[Any]) -> set[tuple[str, str]]:
        """Take the wider totals of an announcement there; return the parts that are of them, as rule and series."""
        found: dict[tuple[str, str], dict[str, Json]] = {}
        for name, at, series, end, total in rows:
            if name in rules and rules[name].at == at:
                found.setdefault((name, series), {})[str(end)] = total
        changed = set()
        for (name, series), ends in found.items():
            before: Any = self._state.get(f"base/{name}/{series}") or [0]
            if version >= before[0]:
                self._state.put(f"base/{name}/{series}", [version, ends])
                self._bases.setdefault(name, set()).add(series)
                changed.add((name, series))
        return {
            (name, part)
            for name in {name for name, _ in changed}
            for part in self._parts.get(name, ())
            if (name, _wider(rules[name].rule, part)) in changed
        }

    def _judged(self, rule: ThresholdRule, series: str, at: datetime) -> list[Alert]:
        wider = _wider(rule, series)
        part: Any = self._state.get(f"part/{rule.id}/{series}")
        base: Any = self._state.get(f"base/{rule.id}/{wider}")
        if base is None or str(part[1]) not in base[1]:
            return []
        finding = of_share(rule, series, wider, part[1], (part[2], base[1][str(part[1])]), at)
        return self._judge(rule, series, [finding])


class _Told:
    """Rows of totals, as the columns of `AlertBase`."""

    def __init__(self) -> None:
        self._rules: dict[tuple[str, int], int] = {}
        self._series: dict[str, int] = {}
        self._rows: list[tuple[int, int, int, int]] = []

    def add(self, rule: str, at: int, series: str, end: int, total: int) -> None:
        """Append the total of a series, by a rule that was applied at a time (ms)."""
        number = self._rules.setdefault((rule, at), len(self._rules))
        self._rows.append((number, self._series.setdefault(series, len(self._series)), end, total))

    def columns(self) -> dict[str, Any]:
        """Return the columns by the name of the event's field."""
        names = ("row_rule", "row_series", "row_end", "row_total")
        columns = zip(*self._rows, strict=True) if self._rows else ((), (), (), ())
        return {
            "rules": [rule for rule, _ in self._rules],
            "applied": [at for _, at in self._rules],
            "series": list(self._series),
            **{name: list(column) for name, column in zip(names, columns, strict=True)},
        }


def _wider(rule: ThresholdRule, series: str) -> str:
    if rule.share_of is None:
        raise ValueError(f"the rule {rule.id} is not about shares")
    return holder(series, rule.share_of)
