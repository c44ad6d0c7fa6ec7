"""Backtest: recorded announcements through a detector with other settings, beside what was told live. Nothing is sent.

The detector learns from all that Kafka holds of `cost.aggregates`, as the live one did; alerts are compared that were
first told in the range. Two alerts are the same when they are of one series and charge class, and their days lie at
most a week apart.
"""

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from processors.batch import BatchDriver
from processors.pipeline import steps
from processors.step import Output, Step
from schemas.codec import Codec
from schemas.events import AnomalyFeedback, CostAggregate, CostAnomaly
from schemas.registry import schema_source
from spendstream.backtest_alerts import Told, folded
from spendstream.backtest_truth import Verdicts
from spendstream.feedback import all_feedback
from spendstream.read_back import read_back_messages
from spendstream.runs import live_run
from spendstream.settings import ConfigurationError, Detection, Settings
from spendstream.topics import AGGREGATES, ANOMALIES, FEEDBACK

_UNIT = 10**18

#: Series and number of the charge class → day since 1970 → currency units.
Actuals = dict[tuple[str, int], dict[int, float]]


@dataclass(frozen=True, slots=True)
class Compared:
    """What one configuration tells, beside what was told live.

    Attributes
    ----------
    gained, lost
        Alerts that only this configuration tells, and that only the live one told.
    earlier, later
        Pairs (live, this) that this configuration tells earlier, or later.
    precision, recall
        Shares from 0 to 1, where enough is known; else None.
    """

    name: str
    alerts: list[Told]
    gained: list[Told]
    lost: list[Told]
    earlier: list[tuple[Told, Told]]
    later: list[tuple[Told, Told]]
    precision: float | None
    recall: float | None

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        lists = {what: [one.plain() for one in getattr(self, what)] for what in ("alerts", "gained", "lost")}
        moved = {
            what: [{"live": one.plain(), "tried": two.plain()} for one, two in getattr(self, what)]
            for what in ("earlier", "later")
        }
        return {"name": self.name, **lists, **moved, "precision": self.precision, "recall": self.recall}


def compare(name: str, live: Sequence[Told], other: Sequence[Told], verdicts: Verdicts) -> Compared:
    """Hold the alerts of a configuration against those that were told live; each has at most one partner."""
    left, pairs = list(other), list[tuple[Told, Told]]()
    for one in live:
        partner = min((two for two in left if one.same(two)), key=lambda two: abs(two.first - one.first), default=None)
        if partner is not None:
            left.remove(partner)
            pairs.append((one, partner))
    paired = {one.id for one, _ in pairs}
    precision, recall = verdicts.weigh(other, {two.id: one.id for one, two in pairs})
    return Compared(
        name,
        list(other),
        left,
        [one for one in live if one.id not in paired],
        [(one, two) for one, two in pairs if two.at < one.at],
        [(one, two) for one, two in pairs if two.at > one.at],
        precision,
        recall,
    )


@dataclass(slots=True)
class Backtest:
    """What a backtest found: the live alerts, each configuration beside them, and costs for pictures."""

    live: list[Told]
    compared: list[Compared]
    actuals: Actuals


def backtest(
    settings: Settings,
    configurations: Mapping[str, Detection],
    since: date,
    until: date,
    truth: Path | None = None,
    *,
    with_actuals: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Backtest:
    """Run each configuration over what Kafka holds of announcements, and compare it with what was told live.

    Raises
    ------
    ConfigurationError
        When no Kafka answers, it holds no announcements, or the file of truth cannot be used.
    """
    run = live_run(settings)
    words = all_feedback(settings)
    verdicts = Verdicts.of(words, truth, since, until)
    told: dict[str, list[CostAnomaly]] = {name: [] for name in configurations}
    drivers = [
        BatchDriver([detecting(settings, detection, run)], _into(told[name]))
        for name, detection in configurations.items()
    ]
    _say(drivers, words, settings.kafka.shards)
    actuals: Actuals = {}
    names, read = settings.kafka.topics, 0
    codec = Codec(schema_source(settings), {CostAggregate.SUBJECT: "row_effective"})
    for message in read_back_messages(settings, names.name(AGGREGATES), names.partitions(AGGREGATES)):
        event = codec.decode(message.value() or b"")
        if not isinstance(event, CostAggregate) or event.run != run or event.closed_at.date() > until:
            continue
        read += 1
        progress(read)
        for driver in drivers:
            driver.feed(AGGREGATES, message.partition() or 0, event)
        if with_actuals:
            _note(actuals, event)
    if not read:
        raise ConfigurationError(f"Kafka holds no announcements of run {run} until {until}; was anything read yet?")
    live = folded(_told_live(settings, run, until), since, until)
    compared = [compare(name, live, folded(told[name], since, until), verdicts) for name in configurations]
    return Backtest(live, compared, actuals)


def detecting(settings: Settings, detection: Detection, run: str) -> Step:
    """Return the step of detection with other settings."""
    changed = settings.model_copy(update={"detection": detection.model_copy(update={"enabled": True})})
    [step] = [one for one in steps(changed, run) if one.name == "anomalies"]
    return step


def configurations(settings: Settings, file: Path | None, false_alerts_a_week: Sequence[float]) -> dict[str, Detection]:
    """Return the settings of detection that are to be tried, by name.

    Parameters
    ----------
    file
        TOML with settings of detection, as `settle_hours = 72`, by themselves or under `[detection]`.
    false_alerts_a_week
        Values to try, each with what the file says.

    Raises
    ------
    ConfigurationError
        When the file cannot be read, or a setting cannot be used.
    """
    base, name = settings.detection, "as set"
    changes: dict[str, Any] = {}
    if file is not None:
        name = file.stem
        try:
            read = tomllib.loads(file.read_text())
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigurationError(f"the configuration {file} cannot be read: {error}") from None
        changes = read.get("detection", read)
    tried = {name: changes} if file is not None or not false_alerts_a_week else {}
    tried |= {
        f"{value:g} a week" if file is None else f"{name}, {value:g} a week": {**changes, "false_alerts_a_week": value}
        for value in false_alerts_a_week
    }
    try:
        return {one: Detection.model_validate({**base.model_dump(), **changed}) for one, changed in tried.items()}
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ConfigurationError(f"settings of detection cannot be used: {problems}") from None


def _into(told: list[CostAnomaly]) -> Callable[[Output], None]:
    def keep(output: Output) -> None:
        if isinstance(output.event, CostAnomaly):
            told.append(output.event)

    return keep


def _say(drivers: Iterable[BatchDriver], words: Iterable[AnomalyFeedback], shards: int) -> None:
    said = list(words)
    for driver in drivers:
        for partition in range(shards):
            for word in said:
                driver.feed(FEEDBACK, partition, word)


def _note(actuals: Actuals, event: CostAggregate) -> None:
    for place, day, kind, units in zip(
        event.row_series, event.row_day, event.row_kind, event.row_effective, strict=True
    ):
        actuals.setdefault((event.series[place], kind), {})[day] = units / _UNIT


def _told_live(settings: Settings, run: str, until: date) -> list[CostAnomaly]:
    names, codec = settings.kafka.topics, Codec(schema_source(settings))
    found = []
    for message in read_back_messages(settings, names.name(ANOMALIES), names.partitions(ANOMALIES)):
        event = codec.decode(message.value() or b"")
        if (
            isinstance(event, CostAnomaly)
            and event.measure != "estimate"
            and event.run == run
            and event.scored_at.date() <= until
        ):
            found.append(replace(event, contributors=[]))
    return found
