"""From statements to announced totals: what a restated bill must look like at each step."""

import json
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.batch import BatchDriver
from processors.ledger import LedgerOptions, OverlapError, Record, ledger
from processors.runner import StepFailedError
from processors.series import WINDOWS
from processors.totals import TotalsOptions, totals
from spendstream.clock import day_number
from spendstream.topics import STATEMENTS
from tests.processors.histories import (
    DAY,
    SHARDS,
    UNIT,
    Announced,
    a_history,
    close,
    closes,
    feed,
    model,
    partition_of,
    partitioned,
    statement,
)


def chain(announced, tags=(), record=None, states=None):
    options = LedgerOptions(SHARDS, tags=tags, record=record or Record())
    return BatchDriver([ledger(options), totals(TotalsOptions(SHARDS))], announced, states=states)


def announced_model(announced):
    return {key: amount for key, amount in announced.days.items() if amount}


def scopes_in(driver):
    partitions = driver.states["ledger"].values()
    return {key: entry for entries in partitions for key, entry in entries.items() if key.startswith("s/")}


def test_a_closed_reading_announces_every_level():
    announced = Announced()
    lines = [("us-east-1", "BoxUsage", 3), ("eu-west-1", "BoxUsage", 4)]
    tags = [{"team": "search"}, {"team": "ads"}]
    feed(chain(announced, tags=("team",)), [statement("EC2", 1, lines, tags=tags), *closes("r1")])
    assert announced.dollars("USD") == 7
    assert announced.dollars("USD/provider=AWS/account=111") == 7
    assert announced.dollars("USD/provider=AWS/account=111/service=EC2/region=eu-west-1") == 4
    assert announced.dollars("USD/provider=AWS/account=111/service=EC2/usage_type=BoxUsage") == 7
    assert announced.dollars("USD/tag=team/value=ads") == 4


def test_nothing_is_announced_before_every_shard_has_closed():
    announced = Announced()
    driver = chain(announced)
    feed(driver, [statement("EC2", 1, [("us-east-1", "BoxUsage", 3)]), *closes("r1")[:-1]])
    assert announced.events == []
    feed(driver, closes("r1")[-1:])
    assert announced.dollars("USD") == 3


def test_a_day_restated_three_times_with_vanished_lines_and_a_scope_that_goes_to_zero():
    announced = Announced()
    driver = chain(announced)
    region = "USD/provider=AWS/account=111/service=EC2/region=eu-west-1"
    steps = [
        ([("us-east-1", "BoxUsage", 3), ("eu-west-1", "BoxUsage", 4)], 7, 4),
        ([("us-east-1", "BoxUsage", 5)], 5, 0),
        ([("eu-west-1", "Fee", 1)], 1, 1),
        ([], 0, 0),
    ]
    for version, (lines, total, part) in enumerate(steps, start=1):
        feed(driver, [statement("EC2", version, lines, reading=f"r{version}"), *closes(f"r{version}")])
        assert announced.dollars("USD") == total
        assert announced.dollars(region) == part


def test_an_old_export_read_again_changes_nothing():
    announced = Announced()
    driver = chain(announced)
    feed(driver, [statement("EC2", 5, [("us-east-1", "BoxUsage", 3)]), *closes("r1")])
    feed(driver, [statement("EC2", 4, [("us-east-1", "BoxUsage", 9)], reading="r2"), *closes("r2")])
    assert announced.dollars("USD") == 3


def test_a_statement_in_parts_counts_when_the_last_part_is_there():
    announced = Announced()
    driver = chain(announced)
    parts = [statement("EC2", 2, [("us-east-1", f"T{part}", 1)], part=part, parts=3) for part in range(3)]
    feed(driver, [statement("EC2", 1, [("us-east-1", "T", 10)]), *closes("r0")])
    feed(driver, [parts[0], parts[2], *closes("r1")])
    assert announced.dollars("USD") == 10
    feed(driver, [parts[1], *closes("r2")])
    assert announced.dollars("USD") == 3


def test_a_correction_in_a_later_bill_adds_to_the_same_charge_day():
    announced = Announced()
    driver = chain(announced)
    correction = statement("EC2", 1, [("us-east-1", "BoxUsage", -2)], period=date(2026, 4, 1), reading="r2")
    feed(driver, [statement("EC2", 1, [("us-east-1", "BoxUsage", 10)]), *closes("r1"), correction, *closes("r2")])
    assert announced.dollars("USD") == 8
    assert announced.dollars("USD/provider=AWS/account=111/service=EC2/region=us-east-1") == 8


def test_a_billing_period_that_a_reading_does_not_cover_stays_open_also_over_a_restart():
    announced = Announced()
    march, april = date(2026, 3, 1), date(2026, 4, 1)
    before = chain(announced)
    feed(before, [statement("EC2", 1, [("r", "u", 10)]), statement("EC2", 1, [("r", "u", -2)], period=april)])
    feed(before, closes("r1", billing_periods=[day_number(march)]))
    assert announced.dollars("USD") == 10
    restarted = chain(announced, states=before.states)
    feed(restarted, [statement("EC2", 2, [("r", "u", 11)])])
    feed(restarted, closes("r2", billing_periods=[day_number(april)]))
    assert announced.dollars("USD") == 8
    feed(restarted, closes("r3"))
    assert announced.dollars("USD") == 9


def test_a_close_writes_no_scope_again():
    driver = chain(Announced())
    feed(driver, [statement(service, 1, [("r", "u", 5)]) for service in ("EC2", "S3", "RDS")])
    scopes = scopes_in(driver)
    feed(driver, closes("r1"))
    assert all(scope is scopes[key] for key, scope in scopes_in(driver).items())
    assert len(scopes) == 3


def test_a_reading_that_never_closes_is_overtaken_by_the_next():
    announced = Announced()
    driver = chain(announced)
    feed(driver, [statement("EC2", 1, [("us-east-1", "BoxUsage", 3)], reading="lost"), *closes("lost")[:2]])
    feed(driver, [statement("S3", 1, [("us-east-1", "Storage", 4)], reading="r2")])
    assert announced.events == []
    feed(driver, closes("r2"))
    assert announced.dollars("USD") == 7


def test_a_half_read_book_does_not_leak_through_another_books_close():
    announced = Announced()
    driver = chain(announced)
    feed(driver, [statement("EC2", 1, [("us-east-1", "BoxUsage", 3)], billing_account="a", reading="half")])
    feed(driver, closes("half", billing_account="a")[:3])
    feed(driver, [statement("EC2", 1, [("us-east-1", "BoxUsage", 4)], billing_account="b", reading="whole")])
    feed(driver, closes("whole", billing_account="b"))
    assert announced.dollars("USD") == 4


def test_days_outside_the_coverage_of_a_reading_stay_open():
    announced = Announced()
    driver = chain(announced)
    early = DAY - timedelta(days=20)
    feed(driver, [statement("EC2", 1, [("us-east-1", "BoxUsage", 3)], day=early, reading="backfill")])
    feed(driver, closes("daily", first_day=DAY - timedelta(days=13)))
    assert announced.dollars("USD", early) is None
    feed(driver, closes("backfill", first_day=early, last_day=early))
    assert announced.dollars("USD", early) == 3


def test_rolling_windows_end_at_the_newest_closed_day_and_follow_a_restatement():
    announced = Announced()
    driver = chain(announced)
    days = [DAY - timedelta(days=back) for back in range(40)]
    feed(driver, [statement("EC2", 1, [("r", "u", 1)], day=day) for day in days])
    feed(driver, closes("r1", first_day=days[-1]))
    windows = {
        WINDOWS[name]: amount // UNIT for (key, name, _), (_, amount) in announced.windows.items() if key == "USD"
    }
    assert windows == {"d7": 7, "d30": 30, "mtd": 9, "qtd": 40, "ytd": 40}
    feed(driver, [statement("EC2", 2, [("r", "u", 11)], day=days[20], reading="r2"), *closes("r2")])
    windows = {
        WINDOWS[name]: amount // UNIT for (key, name, _), (_, amount) in announced.windows.items() if key == "USD"
    }
    assert windows == {"d7": 7, "d30": 40, "mtd": 9, "qtd": 50, "ytd": 50}


def test_a_partial_day_after_the_newest_closed_day_is_in_no_window():
    announced = Announced()
    driver = chain(announced)
    today = DAY + timedelta(days=1)
    feed(driver, [statement("EC2", 1, [("r", "u", 5)]), statement("EC2", 1, [("r", "u", 2)], day=today), *closes("r1")])
    assert announced.dollars("USD", today) == 2
    assert {amount // UNIT for (key, _, _), (_, amount) in announced.windows.items() if key == "USD"} == {5}


def test_windows_of_a_quiet_series_move_with_the_day():
    announced = Announced()
    driver = chain(announced)
    feed(driver, [statement("EC2", 1, [("r", "u", 5)]), *closes("r1")])
    later = DAY + timedelta(days=7)
    feed(driver, closes("r2", closed_through=later))
    end, amount = announced.windows["USD/provider=AWS/account=111/service=EC2", WINDOWS.index("d7"), 0]
    assert (end, amount) == (later, 0)


def test_two_sources_of_one_account_are_refused_until_a_setting_says_which_counts():
    first = statement("EC2", 1, [("r", "u", 5)])
    second = statement("EC2", 2, [("r", "u", 6)], source="focus.main")
    driver = chain(Announced())
    driver.feed(STATEMENTS, partition_of(first), first)
    with pytest.raises(StepFailedError) as failure:
        driver.feed(STATEMENTS, partition_of(second), second)
    assert isinstance(failure.value.__cause__, OverlapError)
    announced = Announced()
    chosen = chain(announced, record=Record((("payer", "focus.main", None),)))
    feed(chosen, [first, second, *closes("r1"), *closes("r2", source="focus.main")])
    assert announced.dollars("USD") == 6


@given(a_history())
@settings(max_examples=80, deadline=None)
def test_totals_are_those_of_the_newest_statements_whatever_the_history(events):
    announced = Announced()
    feed(chain(announced), events)
    expected = {key: value for key, value in model(events).items() if not key[0].endswith("region=")}
    assert announced_model(announced) == expected


@given(a_history(), st.data())
@settings(max_examples=60, deadline=None)
def test_state_saved_and_restored_and_events_sent_again_change_nothing(events, data):
    """Cut at any point, state through JSON, and the last events redelivered, as after a crash before the commit."""
    whole = Announced()
    feed(chain(whole), events)
    cut = data.draw(st.integers(0, len(events)))
    again = data.draw(st.integers(0, cut))
    announced = Announced()
    before = chain(announced)
    feed(before, events[:cut])
    saved = json.loads(json.dumps(before.states))
    states = {step: {int(p): entries for p, entries in partitions.items()} for step, partitions in saved.items()}
    feed(chain(announced, states=states), events[again:])
    assert announced_model(announced) == announced_model(whole)
    assert announced.windows == whole.windows


def test_a_step_reads_the_same_from_any_interleaving_of_partitions():
    events = partitioned(
        [
            statement("EC2", 1, [("r", "u", 5)]),
            statement("S3", 1, [("r", "u", 6)]),
            statement("RDS", 1, [("r", "u", 7)]),
            *closes("r1"),
        ]
    )
    one, other = Announced(), Announced()
    driver = chain(one)
    for partition, event in events:
        driver.feed(STATEMENTS, partition, event)
    driver = chain(other)
    for partition, event in sorted(events, key=lambda pair: -pair[0]):
        driver.feed(STATEMENTS, partition, event)
    assert one.days == other.days


def test_a_statement_before_the_horizon_is_counted_and_left_out():
    announced = Announced()
    driver = chain(announced)
    feed(driver, [statement("EC2", 1, [("r", "u", 5)]), *closes("r1")])
    ancient = DAY - timedelta(days=401)
    feed(driver, [statement("EC2", 1, [("r", "u", 5)], day=ancient), *closes("r2", first_day=ancient)])
    assert announced.dollars("USD", ancient) is None
    assert driver.counts["ledger.statements_before_horizon"] == 1


def test_a_close_sent_twice_is_announced_once():
    announced = Announced()
    driver = chain(announced)
    feed(driver, [statement("EC2", 1, [("r", "u", 5)]), *closes("r1"), close("r1", 0), close("r1", 2)])
    assert len({event.reading for event in announced.events}) == 1
    assert len({(event.reading, event.version) for event in announced.events}) == len(
        {e.version for e in announced.events}
    )
