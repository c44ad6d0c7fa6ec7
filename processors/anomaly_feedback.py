"""What people say of anomalies, and what it means for the scores of a lane.

- *expected* with a last day: the days are left out; nothing is told of them, and nothing learnt.
- *expected* without one: the level is meant to be. What is outside is taken as the new normal at once.
- *false*: ordinary. It is taken as normal, and from then on a p-value has to be ten times smaller in that series, and
  about three times in those of the same service and charge class; half of that is left after 90 days.
- *true*: it is not learnt as normal for 35 days, and what a *false* had raised is lowered. A level that was taken
  already is given back.

A word counts from the first close after it was said, however early it is heard: so a replay that hears all of them at
once gives what was given live. State: `f/{id}` (words, of the partition) and `w/{lane}` (what they mean).
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import date
from math import log
from typing import Any

from processors.anomaly_days import KEPT
from processors.series import parse
from processors.step import State
from schemas.events import AnomalyFeedback
from spendstream.clock import day_number, to_millis

_DAY_MS = 86_400_000
_TEN_TIMES = log(10.0)
_MOST = 4 * _TEN_TIMES
_HALF_LIFE_DAYS = 90.0
_MUTED = 1.0
"""The bar, in nats, from where a calendar is not heard."""
_LEVEL_COMES_WITHIN = 14
_FALSE_GOES_ON_FOR = 7
"""Days after a word for which what was false may go on until a settled day shows it."""


@dataclass(slots=True)
class _Span:
    """Days of a series (since 1970) of which nothing is told; `takes`: until what is outside was taken as normal."""

    key: str
    first: int
    last: int
    takes: bool
    anomaly: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A word about a series that has just come into force."""

    key: str
    anomaly: str
    verdict: str
    is_level: bool


@dataclass(slots=True)
class _Meaning:
    applied: dict[str, int] = field(default_factory=dict)
    spans: list[_Span] = field(default_factory=list)
    #: Series and charge class, or service and charge class → nats, and the day on which they were so many.
    bars: dict[str, list[float]] = field(default_factory=dict)
    #: Series → first and last day on which no new level is taken.
    held: dict[str, list[int]] = field(default_factory=dict)


class Words:
    """All that was said, as the partition heard it."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._all: dict[str, Any] = {key[2:]: stored for key, stored in state.scan("f/")}

    def hear(self, event: AnomalyFeedback) -> bool:
        """Keep a word; say whether it was new."""
        at, known = to_millis(event.at), self._all.get(event.id)
        if known is not None and known["at"] >= at:
            return False
        word = {
            "at": at,
            "verdict": event.verdict,
            "judged": [[one.anomaly, one.series, one.kind] for one in event.judged],
            "first": _number(event.first_day),
            "last": _number(event.last_day),
        }
        self._all[event.id] = word
        self._state.put(f"f/{event.id}", word)  # type: ignore[arg-type]
        return True

    def verdict(self, anomaly: str, at_ms: int) -> str | None:
        """Return what was said last, by a time, of the anomaly that has an id; None: nothing."""
        said = [word["verdict"] for _, word in self.until(at_ms) if any(one[0] == anomaly for one in word["judged"])]
        return said[-1] if said else None

    def until(self, at_ms: int) -> Iterable[tuple[str, Any]]:
        """Yield what was said by a time, in the order in which it was said."""
        said = [(word["at"], name) for name, word in self._all.items() if word["at"] <= at_ms]
        return ((name, self._all[name]) for _, name in sorted(said))


class Advice:
    """What words mean for one lane."""

    def __init__(self, lane: str, state: State, words: Words) -> None:
        self._key = f"w/{lane}"
        self._currency = lane.partition("~")[0]
        self._state = state
        self._words = words
        stored: Any = state.get(self._key)
        self._means = _Meaning()
        if stored:
            spans = [_Span(**span) for span in stored["spans"]]
            self._means = _Meaning(dict(stored["applied"]), spans, dict(stored["bars"]), dict(stored["held"]))
        self._changed = False

    def heed(self, at_ms: int, since: Callable[[str], int | None]) -> list[Judged]:
        """Let what was said by a time come into force, and return that; `since` tells when an anomaly began."""
        judged = []
        for name, word in self._words.until(at_ms):
            if self._means.applied.get(name, -1) >= word["at"]:
                continue
            self._means.applied[name] = word["at"]
            self._changed = True
            for anomaly, series, kind in word["judged"]:
                if parse(series).currency == self._currency:
                    judged.append(self._apply(word, anomaly, series, kind, since(anomaly)))
        return judged

    def _apply(self, word: Any, anomaly: str, series: str, kind: int, began: int | None) -> Judged:  # noqa: ANN401 - plain data
        key, said, means = f"{series}|{kind}", word["at"] // _DAY_MS, self._means
        # A later word about the same anomaly takes the place of the earlier one.
        means.spans = [one for one in means.spans if one.key != key or one.anomaly != anomaly]
        means.held.pop(key, None)
        first = word["first"] if word["first"] is not None else said if began is None else began
        match word["verdict"]:
            case "true":
                means.held[key] = [min(first, said), said + KEPT]
                self._raise(key, series, kind, said, -1)
            case "false":
                means.spans.append(_Span(key, min(first, said), said + _FALSE_GOES_ON_FOR, True, anomaly))
                self._raise(key, series, kind, said, 1)
            case _ if word["last"] is None:
                means.spans.append(_Span(key, first, max(first, said) + _LEVEL_COMES_WITHIN, True, anomaly))
            case _:
                means.spans.append(_Span(key, first, word["last"], False, anomaly))
        return Judged(key, anomaly, word["verdict"], word["verdict"] != "true" and word["last"] is None)

    def _raise(self, key: str, series: str, kind: int, day: int, sign: int) -> None:
        alike = like(series, kind)
        for name in (key, key) if alike is None else (key, alike):
            nats = self._bar(name, day) + sign * _TEN_TIMES / 2
            self._means.bars[name] = [min(max(nats, 0.0), _MOST), float(day)]

    def _bar(self, name: str, day: int) -> float:
        nats, since = self._means.bars.get(name, (0.0, day))
        return float(nats * 0.5 ** (max(day - since, 0) / _HALF_LIFE_DAYS))

    @property
    def raises(self) -> bool:
        """Whether any bar was ever raised."""
        return bool(self._means.bars)

    def bar(self, key: str, day: int) -> float:
        """Return by how much −ln p of a series has to be larger on a day, in nats."""
        series, _, kind = key.rpartition("|")
        alike = like(series, int(kind))
        return self._bar(key, day) + (0.0 if alike is None else self._bar(alike, day))

    def silent(self, key: str, day: int) -> bool:
        """Say whether nothing is to be told of a day of a series."""
        return any(one.key == key and one.first <= day <= one.last for one in self._means.spans)

    def muted(self, key: str, day: int, today: int) -> bool:
        """Say whether what a calendar says of a series is not to be told."""
        return self.silent(key, day) or self._bar(key, today) >= _MUTED

    def left_out(self, day: int) -> frozenset[str]:
        """Return the series whose cost of a day is neither scored nor learnt."""
        return frozenset(one.key for one in self._means.spans if not one.takes and one.first <= day <= one.last)

    def hidden(self, day: int) -> frozenset[str]:
        """Return the series that are not looked at on a day before it is settled."""
        return frozenset(one.key for one in self._means.spans if one.first <= day <= one.last)

    def meant(self, day: int) -> frozenset[str]:
        """Return the series whose cost of a day is to be taken as normal, if it is outside."""
        return frozenset(one.key for one in self._means.spans if one.takes and one.first <= day <= one.last)

    def held(self, day: int) -> frozenset[str]:
        """Return the series whose level is not to be taken on a day."""
        return frozenset(key for key, (first, last) in self._means.held.items() if first <= day <= last)

    def take(self, keys: Iterable[str]) -> None:
        """Note that what is meant was taken as normal: from now on these series are told of again."""
        taken = set(keys)
        if taken:
            self._means.spans = [one for one in self._means.spans if one.key not in taken or not one.takes]
            self._changed = True

    def forget(self, day: int) -> None:
        """Forget what is over since a day, as far as it can still be restated."""
        spans = [one for one in self._means.spans if one.last >= day]
        held = {key: days for key, days in self._means.held.items() if days[1] >= day}
        if len(spans) < len(self._means.spans) or len(held) < len(self._means.held):
            self._means.spans, self._means.held, self._changed = spans, held, True

    def begin_again(self) -> None:
        """Let all words come into force once more, at the next close."""
        self._means, self._changed = _Meaning(), True

    def save(self) -> None:
        """Write what has changed."""
        if self._changed:
            plain: Any = asdict(self._means)
            self._state.put(self._key, plain)
            self._changed = False


def like(series: str, kind: int) -> str | None:
    """Return what series that are alike share: service and charge class; None where there is no service."""
    parsed = parse(series)
    return None if parsed.service is None else f"service={parsed.service}|{kind}"


def _number(day: date | None) -> int | None:
    return None if day is None else day_number(day)
