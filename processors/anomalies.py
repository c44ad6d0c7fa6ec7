"""Anomalies: scores what totals announce, and tells of incidents from their opening to their close.

A partition of `cost.aggregates` holds whole families of series. Its series are divided into *lanes*, one for each
currency and view, whose days are settled together (`processors.anomaly_lane`). The false alerts that the organisation
bears are shared evenly by the partitions: families are spread over them by a hash, so that none has many more than
another, and no partition has to know how many series the others have.

What people say of anomalies comes to every partition, and is kept until the next close (`processors.anomaly_feedback`).

State of a partition: `seen`, version and part of the last announcement; the words; the entries of each lane.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from processors.anomaly_feedback import Words
from processors.anomaly_forecast import all_foretold
from processors.anomaly_head import LaneOptions
from processors.anomaly_hours import HourRow
from processors.anomaly_lane import Lane, Row
from processors.ledger import book_of
from processors.series import Level, parse, quoted
from processors.step import Output, State, Step
from schemas.events import AnomalyFeedback, CostAggregate, CostAnomaly, CostForecast, Event
from spendstream.topics import AGGREGATES, ANOMALIES, FEEDBACK, FORECASTS

#: Parts of an account's service, which explain it and are not scored.
_PARTS: tuple[Level, ...] = ("region", "usage_type")


@dataclass(frozen=True, slots=True)
class AnomaliesOptions:
    """What anomalies need to know of the deployment.

    Attributes
    ----------
    false_alerts_a_week
        How many the whole organisation bears.
    levels
        Levels of series that are scored.
    settle_hours
        Hours after a day began from which its figures are learnt.
    holidays
        Days that differ from their weekday.
    hours
        Whether hours are scored, where lines have them.
    """

    shards: int
    epoch: int = 1
    run: str = "live"
    false_alerts_a_week: float = 1.0
    levels: tuple[Level, ...] = ("organisation", "account", "service", "account_service", "tag")
    settle_hours: int = 96
    holidays: tuple[date, ...] = ()
    hours: bool = True

    def of_a_lane(self) -> LaneOptions:
        """Return what a lane needs of it; fees are judged at the most detailed level there is."""
        fee_level: Level = "account_service" if "account_service" in self.levels else self.levels[0]
        share = self.false_alerts_a_week / self.shards
        return LaneOptions(share, self.settle_hours, fee_level, self.holidays, self.hours)


def anomalies(options: AnomaliesOptions) -> Step:
    """Return anomalies as a step."""
    return Step(
        name="anomalies",
        inputs=(AGGREGATES, FEEDBACK),
        open=lambda partition, state, counts: AnomaliesPartition(options, partition, state, counts),
        until={CostAggregate.SUBJECT: "hour_effective"},
    )


class AnomaliesPartition:
    """The lanes of one partition."""

    def __init__(self, options: AnomaliesOptions, partition: int, state: State, counts: Counter[str]) -> None:
        self._options = options
        self._partition = partition
        self._state = state
        self._counts = counts
        self._words = Words(state)
        self._lanes: dict[str, Lane] = {}
        for key, _ in state.scan("l/"):
            self._lane(key[2:])

    def process(self, event: Event) -> Iterable[Output]:
        """Take an announcement; with its last part, detect and tell."""
        if isinstance(event, AnomalyFeedback):
            self._counts["words_heard"] += self._words.hear(event)
        if not isinstance(event, CostAggregate):
            return ()
        if event.run != self._options.run or event.epoch != self._options.epoch:
            self._counts["announcements_of_other_runs"] += 1
            return ()
        seen: Any = self._state.get("seen") or [0, 0]
        if [event.version, event.part] <= seen:
            self._counts["announcements_known"] += 1
            return ()
        self._state.put("seen", [event.version, event.part])
        book = _book_in_view(event)
        touched = self._take(event, book)
        if event.part < event.parts - 1:
            for lane in touched:
                lane.save()
            return ()
        told: list[CostAnomaly | CostForecast] = []
        for _, lane in sorted(self._lanes.items()):
            if lane.has(book):
                lane.note(book, event)
                told += lane.close(event)
        told.append(all_foretold(event))
        self._counts["announcements"] += 1
        self._counts["incidents_told"] += sum(isinstance(one, CostAnomaly) for one in told)
        return [self._output(one) for one in told]

    def _output(self, told: CostAnomaly | CostForecast) -> Output:
        if isinstance(told, CostAnomaly):
            return Output(ANOMALIES, self._partition, told.id.encode(), told)
        return Output(FORECASTS, self._partition, b"forecast", told)

    def _take(self, event: CostAggregate, book: str) -> list[Lane]:
        """Hand the totals of an announcement to their lanes, and return these."""
        levels = {*self._options.levels, *(_PARTS if "account_service" in self._options.levels else ())}
        suffix = f"~{quoted(event.view)}" if event.view else ""
        lanes: list[str | None] = []
        for key in event.series:
            series = parse(key)
            lanes.append(series.currency + suffix if series.level in levels else None)
        by_lane: dict[str, list[Row]] = {}
        lists = [None if lane is None else by_lane.setdefault(lane, []) for lane in lanes]
        for row in zip(event.row_series, event.row_day, event.row_kind, event.row_effective, strict=True):
            into = lists[row[0]]
            if into is not None:
                into.append(row)
        touched = {name: rows for name, rows in by_lane.items() if rows}
        for name, rows in touched.items():
            lane = self._lane(name)
            lane.take(event.series, rows)
            lane.join(book)
        for name, hours in self._hours_of(event, lanes).items():
            if name in touched:
                self._lanes[name].hours.take(event.series, hours)
        prices = zip(event.price_series, event.price_day, event.price_cost, event.price_before, strict=True)
        for place, day, cost, before in prices:
            lane_name = lanes[place]
            if lane_name in touched:
                self._lanes[lane_name].take_price(event.series[place], day, cost, before)
        return [self._lanes[name] for name in touched]

    def _hours_of(self, event: CostAggregate, lanes: list[str | None]) -> dict[str, list[HourRow]]:
        found: dict[str, list[HourRow]] = {}
        columns = event.hour_series, event.hour_day, event.hour_kind, event.hour_hour, event.hour_effective
        for row in zip(*columns, strict=True) if self._options.hours else ():
            name = lanes[row[0]]
            if name is not None:
                found.setdefault(name, []).append(row)
        return found

    def _lane(self, name: str) -> Lane:
        lane = self._lanes.get(name)
        if lane is None:
            lane = Lane(name, self._options.of_a_lane(), self._state, self._counts, self._tested, self._words)
            self._lanes[name] = lane
        return lane

    def _tested(self) -> int:
        return sum(lane.series for lane in self._lanes.values())


def _book_in_view(event: CostAggregate) -> str:
    """Return the book of an announcement; a source's views are books of their own, as their lanes are."""
    return f"{book_of(event)}/{quoted(event.view or '')}"
