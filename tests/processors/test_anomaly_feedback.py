"""What people say of anomalies changes what is told later: of the same series, and less of those like it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from math import log

import numpy as np
import pytest

from detection.cost_series import CostSeries
from detection.seasons import Calendar
from processors.anomalies import anomalies
from processors.anomaly_feedback import Advice, Words
from processors.batch import BatchDriver, States
from processors.step import DictState, Output
from schemas.events import AnomalyFeedback, CostAnomaly, JudgedSeries, Verdict
from spendstream.clock import day_number, to_millis
from spendstream.topics import AGGREGATES, FEEDBACK
from tests.processors.announcements import (
    EC2,
    FEE,
    OPTIONS,
    RDS,
    USAGE,
    Bill,
    Costs,
    Watched,
    announcement,
    day_of,
    ordinary,
    with_history,
)  # fmt: skip

DAYS = 80
RISE = 2.0
OTHER_EC2 = EC2.replace("111", "222")


@cache
def _states() -> tuple[States, int]:
    watched = with_history(DAYS)
    return watched.driver.states, watched.version


def fresh() -> Watched:
    """Return a step that knows the ordinary days before `DAYS`."""
    states, version = _states()
    watched = Watched(OPTIONS, {name: {0: json.loads(json.dumps(one[0]))} for name, one in states.items()})
    watched.version = version
    return watched


def raised(factor: float, first: int, last: int = 10**6, bill: Bill = ordinary) -> Bill:
    """Return a bill in which EC2 costs `factor` times as much from the first to the last day."""

    def changed(day: int) -> Costs:
        times = factor if first <= day <= last else 1.0
        return {key: cost * (times if key[0].startswith(EC2) else 1.0) for key, cost in bill(day).items()}

    return changed


def word(
    verdict: Verdict,
    at: int,
    *,
    anomaly: str = "",
    days: tuple[date | None, date | None] = (None, None),
    **more: object,
) -> AnomalyFeedback:
    """Return what is said of EC2's usage, or of the anomaly that has this id, in the evening of day `at`."""
    fields: dict[str, object] = {
        "id": f"{verdict}{at}", "verdict": verdict, "first_day": days[0], "last_day": days[1], "by": "ann", "why": "",
        "judged": [JudgedSeries(anomaly=anomaly, series=EC2, kind=USAGE)],
        "at": datetime.combine(day_of(at), time(18), UTC),
    }  # fmt: skip
    return AnomalyFeedback(**{**fields, **more})  # type: ignore[arg-type]


def say(watched: Watched, said: AnomalyFeedback) -> None:
    watched.driver.feed(FEEDBACK, 0, said)


def opened(told: Sequence[CostAnomaly]) -> list[date]:
    return [one.day for one in told if one.state == "open"]


def test_nothing_is_told_of_a_spike_that_is_expected_and_nothing_learnt_of_it():
    watched = with_history(DAYS)
    plain = fresh()
    say(watched, word("expected", DAYS - 2, days=(day_of(DAYS), day_of(DAYS + 3))))

    told = watched.read(DAYS, DAYS + 20, raised(2 * RISE, DAYS, DAYS + 3))
    [later] = [one for one in watched.read(DAYS + 21, DAYS + 21, raised(RISE, DAYS + 21)) if one.state == "open"]
    plain.read(DAYS, DAYS + 20)
    [usual] = [one for one in plain.read(DAYS + 21, DAYS + 21, raised(RISE, DAYS + 21)) if one.state == "open"]

    assert told == []
    assert float(later.expected) == pytest.approx(float(usual.expected), rel=0.02)


def test_what_lasts_longer_than_it_was_expected_is_told_then():
    watched = fresh()
    say(watched, word("expected", DAYS - 2, days=(day_of(DAYS), day_of(DAYS + 3))))

    told = watched.read(DAYS, DAYS + 8, raised(RISE, DAYS))

    assert opened(told) == [day_of(DAYS + 4)]


def test_an_anomaly_that_is_said_to_be_expected_closes_and_its_level_is_the_normal_one_at_once():
    watched = fresh()
    [first, *_] = watched.read(DAYS, DAYS + 1, raised(RISE, DAYS))
    say(watched, word("expected", DAYS + 2, anomaly=first.id))

    told = watched.read(DAYS + 2, DAYS + 12, raised(RISE, DAYS))
    on_top = watched.read(DAYS + 13, DAYS + 13, raised(2 * RISE, DAYS))

    assert [(one.id, one.state) for one in told] == [(first.id, "closed")]
    assert opened(on_top) == [day_of(DAYS + 13)]
    assert float(on_top[0].expected) == pytest.approx(RISE * 200, rel=0.05)


def test_a_level_that_was_held_back_by_an_open_anomaly_is_taken_when_it_is_expected():
    watched = fresh()
    [first, *_] = watched.read(DAYS, DAYS + 7, raised(RISE, DAYS))
    say(watched, word("expected", DAYS + 8, anomaly=first.id))

    told = watched.read(DAYS + 8, DAYS + 15, raised(RISE, DAYS))

    assert [(one.id, one.state) for one in told] == [(first.id, "closed")]
    today = watched.forecasts[-1].row_mean[watched.forecasts[-1].series.index(EC2)]
    assert today / 10**18 == pytest.approx(RISE * 200, rel=0.05)


def test_a_level_may_be_expected_before_it_comes():
    watched = fresh()
    say(watched, word("expected", DAYS - 2, days=(day_of(DAYS), None)))

    told = watched.read(DAYS, DAYS + 20, raised(RISE, DAYS + 2))

    assert told == []


def test_what_was_false_is_not_told_again_while_it_goes_on_and_needs_more_afterwards():
    watched = fresh()
    rises = raised(RISE, DAYS, DAYS + 2)
    [first, *_] = watched.read(DAYS, DAYS, rises)
    for number in range(4):
        say(watched, replace(word("false", DAYS + 1, anomaly=first.id), id=f"w{number}"))

    told = watched.read(DAYS + 1, DAYS + 7, rises)
    bar = Advice("USD", DictState(watched.driver.states["anomalies"][0]), Words(DictState())).bar(f"{EC2}|0", 0)

    assert [(one.id, one.state) for one in told] == [(first.id, "closed")]
    assert bar == pytest.approx(4 * log(10), rel=0.02)


def test_a_raised_bar_has_to_be_passed():
    series = CostSeries(Calendar())
    series.add(1)
    for day in range(60):
        series.advance(day)
        series.learn_many(np.array([100.0 + day % 3]))
    series.advance(60)
    rise = np.array([160.0])
    before = series.score_many(rise)

    series.bar = before.log_p - series.needed + 0.1

    assert (before.passes.tolist(), series.score_many(rise).passes.tolist()) == ([True], [False])


def test_a_false_alert_raises_the_bar_of_what_is_like_it_less_and_for_a_while():
    words = Words(DictState())
    words.hear(word("false", DAYS))
    advice = Advice("USD", DictState(), words)

    advice.heed(to_millis(datetime.combine(day_of(DAYS + 1), time(), UTC)), lambda _: None)

    said = day_number(day_of(DAYS))
    assert advice.bar(f"{EC2}|0", said) == pytest.approx(log(10))
    assert advice.bar(f"{OTHER_EC2}|0", said) == pytest.approx(log(10) / 2)
    assert advice.bar(f"{EC2}|0", said + 90) == pytest.approx(log(10) / 2)
    assert advice.bar(f"{EC2}|1", said) == advice.bar(f"{RDS}|0", said) == advice.bar("USD|0", said) == 0


def test_what_is_true_is_not_learnt_as_normal():
    unsaid, watched = fresh(), fresh()
    rise = raised(RISE, DAYS)
    usual = unsaid.read(DAYS, DAYS + 20, rise)
    [first, *_] = watched.read(DAYS, DAYS + 2, rise)
    say(watched, word("true", DAYS + 2, anomaly=first.id))

    told = watched.read(DAYS + 3, DAYS + 20, rise)
    for_ever = watched.read(DAYS + 21, DAYS + 60, rise)

    assert "closed" in [one.state for one in usual]
    assert {one.state for one in told} == {"updated"}
    assert float(told[-1].expected) == pytest.approx(200, rel=0.05)
    assert "closed" in [one.state for one in for_ever]


def test_a_fee_that_is_expected_is_not_told():
    def with_fee(day: int) -> Costs:
        times = 2 if day_of(day) == date(2026, 4, 1) else 1
        return ordinary(day) | ({(RDS, FEE): 100.0 * times} if day_of(day).day == 1 else {})

    watched = with_history(80, with_fee)
    judged = [JudgedSeries(anomaly="", series=RDS, kind=FEE)]
    say(watched, word("expected", 80, days=(date(2026, 4, 1), date(2026, 4, 1)), judged=judged))

    assert watched.read(80, 110, with_fee) == []


def test_a_later_word_about_the_same_anomaly_takes_the_place_of_the_earlier():
    watched = fresh()
    [first, *_] = watched.read(DAYS, DAYS, raised(RISE, DAYS))
    say(watched, word("expected", DAYS + 1, anomaly=first.id, days=(day_of(DAYS), day_of(DAYS + 30))))
    watched.read(DAYS + 1, DAYS + 1, raised(RISE, DAYS))
    say(watched, word("true", DAYS + 2, anomaly=first.id))

    assert opened(watched.read(DAYS + 2, DAYS + 6, raised(RISE, DAYS))) != []


SAID = (
    word("expected", DAYS + 3, days=(day_of(DAYS + 2), day_of(DAYS + 4))),
    word("false", DAYS + 9),
    word("true", DAYS + 14),
)


def told_of(words_at: Sequence[int], *, restarting: bool = False, twice: bool = False) -> list[CostAnomaly]:
    """Return what is told of a month, when each word is heard before the close of a day."""
    told: list[CostAnomaly] = []
    states: States = {}

    def keep(output: Output) -> None:
        if isinstance(output.event, CostAnomaly):
            told.append(output.event)

    driver = BatchDriver([anomalies(OPTIONS)], keep, states=states)
    bill = raised(RISE, DAYS + 13, bill=raised(RISE, DAYS + 1, DAYS + 9))
    driver.feed(AGGREGATES, 0, announcement(1, {day: bill(day) for day in range(DAYS)}, DAYS))
    for day in range(DAYS, DAYS + 20):
        for said, heard in zip(SAID, words_at, strict=True):
            for _ in range((heard == day) * (1 + twice)):
                driver.feed(FEEDBACK, 0, said)
        driver.feed(AGGREGATES, 0, announcement(day, {day: bill(day)}, day + 1))
        if restarting:
            states = {"anomalies": {0: json.loads(json.dumps(states["anomalies"][0]))}}
            driver = BatchDriver([anomalies(OPTIONS)], keep, states=states)
    return told


def test_a_replay_that_hears_all_words_first_or_begins_anew_tells_what_was_told_live():
    live = told_of([DAYS + 3, DAYS + 9, DAYS + 14])

    assert {one.state for one in live} >= {"open", "closed"}
    assert told_of([DAYS, DAYS, DAYS], twice=True) == live
    assert told_of([DAYS + 3, DAYS + 9, DAYS + 14], restarting=True) == live


def test_a_word_counts_from_the_first_close_after_it_was_said():
    words, later = Words(DictState()), timedelta(hours=1)
    said = word("false", DAYS)
    words.hear(said)
    advice = Advice("USD", DictState(), words)

    before = advice.heed(to_millis(said.at - later), lambda _: None)
    after = advice.heed(to_millis(said.at + later), lambda _: None)
    again = advice.heed(to_millis(said.at + later), lambda _: None)

    assert ([one.key for one in before], [one.key for one in after], again) == ([], [f"{EC2}|0"], [])


@pytest.mark.parametrize(("is_true", "states"), [(True, ["open", "closed"]), (False, [])])
def test_what_is_said_to_be_true_after_its_level_was_taken_goes_on_until_the_cost_is_back(is_true, states):
    last = DAYS + 14
    watched = fresh()
    first = watched.read(DAYS, last, raised(RISE, DAYS))[0]
    usual = float(first.expected)
    assert watched.told[-1].state == "closed"

    if is_true:
        say(watched, word("true", last + 1, anomaly=first.id))
    told = watched.read(last + 1, last + 40, raised(RISE, DAYS, last + 6))

    assert list(dict.fromkeys(one.state for one in told if one.state != "updated")) == states
    assert {one.id for one in told} <= {first.id}
    assert all(float(one.expected) == pytest.approx(usual, rel=0.1) for one in told if one.state == "open")
