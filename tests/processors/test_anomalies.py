"""What the step tells of costs that are announced to it: incidents from their opening to their close."""

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from processors.anomalies import AnomaliesOptions
from schemas.events import CostAnomaly
from spendstream.money import from_units
from tests.processors.announcements import (
    CREDIT,
    EC2,
    FEE,
    OPTIONS,
    RDS,
    S3,
    USAGE,
    Bill,
    Costs,
    Watched,
    announcement,
    day_of,
    ordinary,
    with_history,
)

DAYS = 80


def raised(factor: float, first: int, last: int, series: str = EC2) -> Bill:
    """Return a bill whose one series, with all its regions, costs `factor` times as much for some days."""

    def bill(day: int) -> Costs:
        return {
            (name, kind): cost * (factor if name.startswith(series) and first <= day <= last else 1)
            for (name, kind), cost in ordinary(day).items()
        }

    return bill


def states(told: list[CostAnomaly]) -> list[str]:
    return [one.state for one in told]


def test_ordinary_days_are_not_told():
    watched = with_history(DAYS)

    watched.read(DAYS, DAYS + 60)

    assert watched.told == []


def test_a_rise_is_told_with_the_first_day_and_closes_when_the_cost_is_back():
    watched = with_history(DAYS)

    told = watched.read(DAYS, DAYS + 12, raised(1.5, DAYS, DAYS + 3))

    first, last = told[0], told[-1]
    assert (first.state, first.series, first.day, first.scored_at.date()) == (
        "open",
        EC2,
        day_of(DAYS),
        day_of(DAYS + 1),
    )
    assert (last.state, last.since.date()) == ("closed", day_of(DAYS))
    assert {one.id for one in told} == {first.id}
    assert [one.version for one in told] == sorted({one.version for one in told})
    assert float(last.impact_so_far) == pytest.approx(400, rel=0.1)
    added = sum(0.5 * ordinary(day)[EC2, USAGE] for day in range(DAYS, DAYS + 4))
    assert 0.9 * added < (last.impact_lower or 0) < added < (last.impact_upper or 0) < 1.2 * added


def test_what_is_told_shows_the_days_before_beside_what_was_expected_of_them():
    watched = with_history(DAYS)

    first, *_ = watched.read(DAYS, DAYS + 12, raised(1.5, DAYS, DAYS + 3))

    assert (first.course_from, len(first.course)) == (day_of(DAYS - 13), 14)
    assert from_units(first.course[-1]) == first.actual
    assert (from_units(first.course_lower[-1]), from_units(first.course_upper[-1])) == (first.lower, first.upper)
    days = zip(first.course_lower, first.course, first.course_upper, strict=True)
    inside = [low <= cost <= high for low, cost, high in days]
    assert (inside[-1], sum(inside) >= 10) == (False, True)


def test_the_impact_of_a_creep_counts_what_the_level_had_learnt_of_it():
    first = DAYS + 10

    def creeping(day: int) -> Costs:
        costs = ordinary(day)
        costs[EC2, USAGE] *= 1 + 0.4 * min(max(day - first + 1, 0) / 30, 1)
        return costs

    last = with_history(first, creeping).read(first, first + 44, creeping)[-1]

    days = range(first, first + (last.day - day_of(first)).days + 1)
    added = sum(creeping(day)[EC2, USAGE] - ordinary(day)[EC2, USAGE] for day in days)
    assert last.series == EC2
    assert float(last.impact_so_far) == pytest.approx(added, rel=0.1)


def test_regions_that_carry_a_rise_are_named():
    def only_in_europe(day: int) -> Costs:
        costs = ordinary(day)
        if day >= DAYS:
            costs[EC2, USAGE] += 100
            costs[f"{EC2}/region=eu-west-1", USAGE] += 100
        return costs

    told = with_history(DAYS).read(DAYS, DAYS, only_in_europe)

    assert told[0].contributors[0].series == f"{EC2}/region=eu-west-1"
    assert told[0].contributors[0].share > 0.8


def test_what_a_look_found_and_the_final_figures_do_not_show_is_withdrawn():
    watched = with_history(DAYS)

    told = watched.announce({DAYS: raised(1.5, DAYS, DAYS)(DAYS)}, DAYS + 1)
    told += watched.announce({DAYS: ordinary(DAYS)}, DAYS + 2)

    assert states(told) == ["open", "withdrawn"]


def test_a_restatement_that_explains_an_incident_withdraws_it():
    watched = with_history(DAYS)
    watched.read(DAYS, DAYS + 9, raised(1.5, DAYS, DAYS, S3))
    assert watched.told[-1].state == "closed"

    told = watched.announce({DAYS: ordinary(DAYS)}, DAYS + 11)

    assert states(told) == ["withdrawn"]


def test_a_restatement_by_itself_is_told_as_such_and_moves_no_level():
    watched = with_history(DAYS)
    watched.read(DAYS, DAYS + 6)

    told = watched.announce({DAYS: {(RDS, USAGE): 400.0}}, DAYS + 8)
    told += watched.read(DAYS + 7, DAYS + 20)

    assert [(one.state, one.shape, one.day) for one in told] == [
        ("open", "restatement", day_of(DAYS)),
        ("closed", "restatement", day_of(DAYS)),
    ]
    assert (told[0].actual, told[0].impact_so_far > 300) == (Decimal(400), True)
    assert (told[0].impact_lower, told[0].impact_upper) == (None, None)


def test_a_service_that_is_gone_has_vanished_and_a_large_new_one_is_new():
    def changed(day: int) -> Costs:
        costs = {key: cost for key, cost in ordinary(day).items() if key[0] != RDS}
        return costs | {("USD/provider=AWS/account=111/service=GPU", USAGE): 90_000.0}

    told = with_history(DAYS).read(DAYS, DAYS + 4, changed)

    found = {(one.series.rpartition("=")[2], one.shape) for one in told if one.state == "open"}
    assert found == {("RDS", "vanished"), ("GPU", "new")}


def test_a_new_service_is_told_on_its_first_day_and_closes_after_a_week():
    def with_another(day: int) -> Costs:
        return ordinary(day) | ({("USD/provider=AWS/account=111/service=GPU", USAGE): 90_000.0} if day >= DAYS else {})

    told = with_history(DAYS).read(DAYS, DAYS + 14, with_another)

    assert (told[0].day, told[0].scored_at.date(), told[-1].state) == (day_of(DAYS), day_of(DAYS + 1), "closed")
    assert float(told[-1].impact_so_far) == pytest.approx(7 * 90_000)


def test_fees_are_judged_by_their_calendar():
    def with_fee(day: int) -> Costs:
        times = 2 if day_of(day) == date(2026, 4, 1) else 1
        return ordinary(day) | ({(RDS, FEE): 100.0 * times} if day_of(day).day == 1 else {})

    watched = with_history(DAYS, with_fee)
    told = watched.read(DAYS, DAYS + 30, with_fee)

    assert [(one.shape, one.state, one.day) for one in told] == [
        ("fee_doubled", "open", date(2026, 4, 1)),
        ("fee_doubled", "closed", date(2026, 4, 1)),
    ]


def test_a_fee_that_a_restatement_puts_right_is_withdrawn():
    def with_fee(day: int) -> Costs:
        times = 2 if day_of(day) == date(2026, 4, 1) else 1
        return ordinary(day) | ({(RDS, FEE): 100.0 * times} if day_of(day).day == 1 else {})

    watched = with_history(DAYS, with_fee)
    watched.read(DAYS, DAYS + 14, with_fee)

    told = watched.announce({90: {(RDS, FEE): 100.0}}, DAYS + 16)

    assert [(one.shape, one.state) for one in told] == [("fee_doubled", "withdrawn")]


def test_the_end_of_a_credit_is_told():
    def with_credit(day: int) -> Costs:
        costs = ordinary(day)
        return costs | ({(EC2, CREDIT): -0.5 * costs[EC2, USAGE]} if day < DAYS else {})

    told = with_history(DAYS, with_credit).read(DAYS, DAYS + 4, with_credit)

    assert [(one.shape, one.kind, one.day) for one in told if one.state == "open"] == [("credit", CREDIT, day_of(DAYS))]


def test_what_a_backfill_brings_is_learnt_and_what_it_explains_is_withdrawn():
    watched = Watched()
    watched.announce({day: ordinary(day) for day in range(60, 90)}, 90)

    told = watched.announce({day: ordinary(day) for day in range(60)}, 91)
    told += watched.read(90, 96, raised(1.5, 92, 92))

    assert watched.driver.counts["anomalies.learnt_again"] == 1
    assert {(one.series, one.since.date()) for one in told} == {(EC2, day_of(92))}


def test_days_long_before_are_left_out_and_counted():
    watched = with_history(DAYS)

    watched.announce({-100: ordinary(0)}, DAYS + 1)

    assert watched.driver.counts["anomalies.rows_too_old"] == len(ordinary(0))


def test_an_announcement_in_parts_is_scored_with_its_last_one():
    watched = with_history(DAYS)
    costs = raised(1.5, DAYS, DAYS)(DAYS)
    halves = [dict(list(costs.items())[:2]), dict(list(costs.items())[2:])]

    first = watched.feed(announcement(99, {DAYS: halves[0]}, DAYS + 1, parts=2, part=0))
    second = watched.feed(announcement(99, {DAYS: halves[1]}, DAYS + 1, parts=2, part=1))

    assert (states(first), states(second)) == ([], ["open"])


def test_an_announcement_known_already_or_of_another_run_tells_nothing():
    watched = with_history(DAYS)
    event = announcement(99, {DAYS: raised(1.5, DAYS, DAYS)(DAYS)}, DAYS + 1)

    other = watched.feed(replace(event, run="april"))
    first, again = watched.feed(event), watched.feed(event)

    assert (states(other), states(first), states(again)) == ([], ["open"], [])


def test_a_view_and_another_currency_are_lanes_of_their_own():
    watched = with_history(DAYS)
    tag = "USD/tag=tag:team/value=search"
    days = {day: {(tag, USAGE): 100.0} for day in range(DAYS)}

    watched.announce(days, DAYS, view="tag:team", source="cost_explorer.views")
    watched.announce({day: {("EUR", USAGE): 40.0} for day in range(DAYS)}, DAYS, billing_account="other")
    told = watched.announce({DAYS: {(tag, USAGE): 300.0}}, DAYS + 1, view="tag:team", source="cost_explorer.views")

    assert [(one.series, one.shape) for one in told] == [(tag, "spike")]
    lanes = [key for key in watched.driver.states["anomalies"][0] if key.startswith("l/")]
    assert sorted(lanes) == ["l/EUR", "l/USD", "l/USD~tag:team"]


def test_ten_currencies_are_ten_bills_and_only_the_one_that_rose_is_told():
    watched = with_history(DAYS)
    currencies = ("EUR", "GBP", "JPY", "CHF", "SEK", "INR", "BRL", "AUD", "CAD")

    def bill(last: float) -> dict[int, Costs]:
        return {day: {(code, USAGE): 40.0 for code in currencies} for day in range(DAYS)} | {
            DAYS: {(code, USAGE): last if code == "JPY" else 40.0 for code in currencies}
        }

    told = watched.announce(bill(400.0), DAYS + 1, billing_account="other")

    assert [(one.currency, one.shape) for one in told] == [("JPY", "spike")]
    assert sum(key.startswith("l/") for key in watched.driver.states["anomalies"][0]) == 10


def test_only_levels_that_are_named_are_scored():
    options = replace(OPTIONS, levels=("organisation",))

    told = with_history(DAYS, options=options).read(DAYS, DAYS, raised(9, DAYS, DAYS))

    assert told == []


def test_models_of_another_version_are_not_read_but_learnt_anew_of_the_days_that_are_kept():
    before = with_history(DAYS)
    entries = json.loads(json.dumps(before.driver.states["anomalies"][0]))
    for key in entries:
        if key.startswith("s/"):
            entries[key] |= {"version": 1, "arrays": {}}

    after = Watched(states={"anomalies": {0: entries}})
    after.version = before.version
    quiet = after.read(DAYS, DAYS + 5)
    told = after.read(DAYS + 6, DAYS + 8, raised(1.6, DAYS + 6, DAYS + 8))

    assert quiet == []
    assert {(one.series, one.state) for one in told} == {(EC2, "open"), (EC2, "updated")}
    assert after.driver.counts["anomalies.models_of_another_version"] == 1


def test_an_absurd_amount_is_told_and_ends_nothing():
    def absurd(day: int) -> Costs:
        return ordinary(day) | ({(RDS, USAGE): 1e18} if day == DAYS else {})

    watched = with_history(DAYS)
    watched.read(DAYS, DAYS + 20, absurd)

    assert watched.told[0].state == "open"
    assert watched.told[-1].state == "closed"


def test_a_series_takes_no_more_than_8_kilobytes():
    watched = with_history(DAYS, options=AnomaliesOptions(shards=1))
    entries = watched.driver.states["anomalies"][0]

    size = sum(len(json.dumps(value)) for key, value in entries.items() if key.startswith("s/"))

    assert size <= 8_000 * len({EC2, S3, RDS})
