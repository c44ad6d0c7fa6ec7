"""What is known of past alerts: what people said of them, or a record of what really happened."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Self

from processors.series import parse
from schemas.events import AnomalyFeedback, Verdict
from spendstream.backtest_alerts import Told
from spendstream.settings import ConfigurationError

_FOUND_UNTIL = timedelta(days=7)
"""An alert so long after an incident's last day is still about it."""


@dataclass(frozen=True, slots=True)
class Happened:
    """An incident that really was: account and service of its parts, its first and last day."""

    parts: frozenset[tuple[str, str]]
    first: date
    last: date

    def is_told_by(self, alert: Told) -> bool:
        """Say whether an alert is about it: its series holds one of the parts, and the days overlap."""
        series = parse(alert.series)
        holds = any(
            series.account in {None, account} and series.service in {None, service} for account, service in self.parts
        )
        return holds and alert.first <= self.last + _FOUND_UNTIL and alert.last >= self.first


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What precision and recall are taken from.

    Attributes
    ----------
    happened
        Incidents of a record of truth; None: there is none, and what people said counts.
    said
        Anomaly → what people said of it last.
    """

    happened: tuple[Happened, ...] | None = None
    said: Mapping[str, Verdict] = field(default_factory=dict)

    @classmethod
    def of(cls, words: Iterable[AnomalyFeedback], truth: Path | None, since: date, until: date) -> Self:
        """Return what words (in the order of time) and a file of truth say of a range of days."""
        said = {one.anomaly: word.verdict for word in words for one in word.judged if one.anomaly}
        if truth is None:
            return cls(None, said)
        happened = tuple(one for one in _read(truth) if since <= one.first <= until)
        return cls(happened, said)

    def weigh(self, alerts: Sequence[Told], live: Mapping[str, str]) -> tuple[float | None, float | None]:
        """Return precision and recall of alerts, None where nothing is known; `live` names their live partners."""
        if self.happened is not None:
            right = sum(any(one.is_told_by(alert) for one in self.happened) for alert in alerts)
            found = sum(any(one.is_told_by(alert) for alert in alerts) for one in self.happened)
            return _share(right, len(alerts)), _share(found, len(self.happened))
        judged = [self.said[name] for alert in alerts if (name := live.get(alert.id, alert.id)) in self.said]
        found = sum(verdict == "true" for verdict in judged)
        real = sum(verdict == "true" for verdict in self.said.values())
        return _share(found, len(judged)), _share(found, real)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _read(path: Path) -> list[Happened]:
    """Return the incidents of a record of truth, as the simulated AWS writes it (docs/simulated-aws.md)."""
    try:
        document: Any = json.loads(path.read_text())
        return [_happened(one) for one in document["incidents"] if one["days"] and one["parts"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"the truth {path} cannot be used: {error}; it is JSON with `incidents`, each with `parts` (account, "
            "service) and `days` (day), as docs/simulated-aws.md has it"
        ) from None


def _happened(one: Any) -> Happened:  # noqa: ANN401 - JSON
    days = sorted(date.fromisoformat(day["day"]) for day in one["days"])
    return Happened(frozenset((part["account"], part["service"]) for part in one["parts"]), days[0], days[-1])
