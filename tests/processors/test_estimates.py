"""Estimates: usage × unit price, minutes after the usage; scored at once, and held against the bill when it comes."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import pi, sin
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.estimates import EstimatesOptions, estimates
from processors.ledger import Record
from processors.step import DictState
from schemas.events import CostAnomaly, CostEstimate, CostStatement, Event, UsageClosed, UsageMetrics
from spendstream.clock import day_number, to_millis

START = datetime(2026, 3, 2, tzinfo=UTC)
POLL = timedelta(minutes=5)
SERVICE, TYPE, OTHER = "Amazon Elastic Compute Cloud - Compute", "BoxUsage:m5.large", "BoxUsage:c5.large"
UNIT = 10**18


def bill(
    day: date, types: dict[str, tuple[float, float]], version: datetime | None = None, **fields: Any
) -> CostStatement:
    """Return a statement with cost and quantity of each usage type."""
    read_at = version or datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1, hours=6)
    rows = range(len(types))
    values: dict[str, Any] = {
        "source": "cost_explorer",
        "provider": "AWS",
        "billing_account": "payer",
        "billing_period": day.replace(day=1),
        "account": "111",
        "service": SERVICE,
        "currency": "USD",
        "day": day,
        "version": to_millis(read_at),
        "part": 0,
        "parts": 1,
        "reading": "r",
        "read_at": read_at,
        "estimated": True,
        "reconciled": True,
        "strings": ["", *types],
        "tag_sets": [{}],
        "tags": [],
        "hour": [],
        "kind": [0 for _ in rows],
        "region": [0 for _ in rows],
        "usage_type": [row + 1 for row in rows],
        "billed": [round(cost * 10**9) * 10**9 for cost, _ in types.values()],
        "effective": [round(cost * 10**9) * 10**9 for cost, _ in types.values()],
        "quantity": [round(quantity * 10**9) * 10**9 for _, quantity in types.values()],
    }
    return CostStatement(**values | fields)


def usage(
    read_at: datetime, points: dict[datetime, float], *, usage_type: str = TYPE, factor: str = "1", **fields: Any
) -> UsageMetrics:
    """Return points of five minutes of a metric that the bill counts."""
    values: dict[str, Any] = {
        "source": "cloudwatch",
        "provider": "AWS",
        "billing_account": "payer",
        "account": "111",
        "region": "us-east-1",
        "namespace": "AWS/EC2",
        "metric": "CPUUtilization",
        "dimensions": {"InstanceType": usage_type},
        "statistic": "SampleCount",
        "period_seconds": 300,
        "unit": "Count",
        "service": SERVICE,
        "usage_type": usage_type,
        "usage_unit": "Hrs",
        "factor": Decimal(factor),
        "reading": f"{read_at:%d%H%M}",
        "read_at": read_at,
        "version": to_millis(read_at),
        "starts": [to_millis(at) for at in points],
        "values": list(points.values()),
        "complete": [True for _ in points],
    }
    return UsageMetrics(**values | fields)


def closed(read_at: datetime, *, whole: bool = True) -> UsageClosed:
    return UsageClosed(
        source="cloudwatch", reading=f"{read_at:%d%H%M}", read_at=read_at, version=to_millis(read_at), whole=whole
    )


class Line:
    """The step on one partition, with what it said."""

    def __init__(self, **options: Any) -> None:
        self.state = DictState()
        self.counts: Counter[str] = Counter()
        self.options = EstimatesOptions(1, **options)
        self.open()

    def open(self) -> None:
        self.partition = estimates(self.options).open(0, self.state, self.counts)

    def feed(self, *events: Event) -> list[Event]:
        return [output.event for event in events for output in self.partition.process(event)]


def estimated(events: Sequence[Event]) -> CostEstimate:
    """Return the newest estimate."""
    return [event for event in events if isinstance(event, CostEstimate)][-1]


NOON = START + timedelta(hours=12)
YESTERDAY = (START - timedelta(days=1)).date()


def test_usage_times_the_price_of_the_bill_is_the_estimate():
    line = Line()
    line.feed(bill(YESTERDAY, {TYPE: (24.0, 240.0), OTHER: (6.0, 10.0)}))
    told = estimated(line.feed(usage(NOON, {NOON - POLL: 30.0}, factor="0.5"), closed(NOON)))
    assert (told.so_far, told.as_of, told.day) == (Decimal("1.5"), NOON, START.date())  # 15 hours at 0.10
    assert told.coverage == pytest.approx(0.8)
    assert told.lower <= told.at_day_end <= told.upper


def test_a_later_version_of_a_point_replaces_it_and_repetitions_change_nothing():
    line = Line()
    first, second = usage(NOON, {NOON - POLL: 30.0}), usage(NOON + POLL, {NOON - POLL: 40.0, NOON: 10.0})
    line.feed(bill(YESTERDAY, {TYPE: (24.0, 240.0)}), first, closed(NOON))
    told = line.feed(second, closed(NOON + POLL))
    assert estimated(told).so_far == Decimal(5)
    assert line.feed(first, closed(NOON), second, closed(NOON + POLL)) == []


def test_metrics_of_several_resources_add_up():
    line = Line()
    line.feed(bill(YESTERDAY, {TYPE: (24.0, 240.0)}))
    one, other = (usage(NOON, {NOON - POLL: 30.0}, dimensions={"InstanceId": name}) for name in "ab")
    assert estimated(line.feed(one, other, closed(NOON))).so_far == Decimal(6)


def test_a_restated_bill_changes_the_price_and_an_older_one_does_not():
    line = Line()
    line.feed(bill(YESTERDAY, {TYPE: (24.0, 240.0)}, START), bill(YESTERDAY, {TYPE: (48.0, 240.0)}, NOON))
    line.feed(bill(YESTERDAY, {TYPE: (24.0, 240.0)}, START))
    assert estimated(line.feed(usage(NOON, {NOON - POLL: 10.0}), closed(NOON))).so_far == Decimal(2)


def test_a_bill_in_parts_teaches_when_all_are_there():
    line = Line()
    line.feed(bill(YESTERDAY, {TYPE: (12.0, 120.0)}, parts=2))
    assert estimated(line.feed(usage(NOON, {NOON - POLL: 10.0}), closed(NOON))).unpriced == [TYPE]
    line.feed(bill(YESTERDAY, {TYPE: (36.0, 120.0)}, parts=2, part=1))
    told = estimated(line.feed(usage(NOON + POLL, {NOON: 10.0}), closed(NOON + POLL)))
    assert (told.so_far, told.unpriced) == (Decimal(4), [])


def test_a_price_list_comes_before_the_bill_and_stands_alone():
    line = Line(price_list={TYPE: 0.25})
    assert estimated(line.feed(usage(NOON, {NOON - POLL: 10.0}), closed(NOON))).so_far == Decimal("2.5")


def test_only_the_source_of_record_teaches_prices():
    line = Line(record=Record((("payer", "focus.main", None),)))
    line.feed(bill(YESTERDAY, {TYPE: (24.0, 240.0)}))
    assert line.feed(usage(NOON, {NOON - POLL: 10.0}), closed(NOON)) == []


def test_rubbish_is_counted_and_adds_nothing():
    line = Line()
    line.feed(bill(YESTERDAY, {TYPE: (24.0, 240.0)}))
    rubbish = {NOON - 3 * POLL: float("nan"), NOON - 2 * POLL: float("inf"), NOON - POLL: -3.0, NOON: 10.0}
    assert estimated(line.feed(usage(NOON + POLL, rubbish), closed(NOON + POLL))).so_far == Decimal(1)
    assert line.counts["points_unusable"] == 3


def polls(
    days: int, per_poll: float, rise: dict[datetime, float], noise: float = 0.02, seed: int = 5
) -> list[list[Event]]:
    """Return the events of each poll: a daily season with noise, and what rises at some points."""
    random = Random(seed)
    found = []
    for poll in range(days * 288):
        at = START + poll * POLL
        value = per_poll * (1 + 0.3 * sin(2 * pi * poll / 288)) * (1 + noise * random.gauss(0, 1))
        read_at = at + POLL
        events: list[Event] = [usage(read_at, {at: value + rise.get(at, 0.0)}), closed(read_at)]
        if poll % 288 == 72 and poll >= 288:
            day = (at - timedelta(days=1)).date()
            events.insert(0, bill(day, {TYPE: (288 * per_poll * 0.1, 288 * per_poll)}, at))
        found.append(events)
    return found


ONSET = START + timedelta(days=4, hours=7)
LONG_RISE = {ONSET + n * POLL: 6.0 for n in range(36)}


@pytest.fixture(scope="module")
def runaway() -> tuple[Line, list[Event]]:
    line = Line()
    line.feed(bill(YESTERDAY, {TYPE: (288.0, 2880.0)}))
    return line, [event for events in polls(7, 10.0, LONG_RISE) for event in line.feed(*events)]


def test_a_runaway_is_told_within_two_polls_and_over_when_usage_is_back_and_the_bill_has_come(runaway):
    _, said = runaway
    found = [event for event in said if isinstance(event, CostAnomaly)]
    assert {event.id for event in found} == {found[0].id}
    assert found[0].state == "open"
    assert found[0].scored_at <= ONSET + 2 * POLL
    assert (found[0].measure, found[0].cause, found[0].since) == ("estimate", "usage", ONSET)
    assert found[-1].state == "closed"
    assert [state for state in (event.state for event in found) if state != "updated"] == ["open", "closed"]
    assert float(found[-1].impact_so_far) == pytest.approx(36 * 6.0 * 0.1, rel=0.2)
    assert found[-1].contributors[0].series.endswith("usage_type=BoxUsage:m5.large")
    day_after = datetime(2026, 3, 7, 6, tzinfo=UTC)
    assert found[-1].scored_at > day_after


def test_ordinary_usage_is_left_alone():
    line = Line()
    line.feed(bill(YESTERDAY, {TYPE: (288.0, 2880.0)}))
    said = [event for events in polls(6, 10.0, {}) for event in line.feed(*events)]
    assert [event for event in said if isinstance(event, CostAnomaly)] == []
    assert sum(isinstance(event, CostEstimate) for event in said) > 5 * 288


def test_a_reading_that_lacks_regions_estimates_and_is_not_scored():
    line = Line()
    line.feed(bill(YESTERDAY, {TYPE: (288.0, 2880.0)}))
    for number in range(3):
        at = START + number * POLL
        told = line.feed(usage(at + POLL, {at: 10.0}), closed(at + POLL, whole=False))
        assert [type(event) for event in told] == [CostEstimate]
    meter: Any = line.state.entries["d/111|" + SERVICE]
    assert meter["usual"]["rows"] == 0


def test_bills_that_settle_tell_how_wrong_estimates_are_and_correct_them():
    line = Line()
    said = []
    for number, events in enumerate(polls(7, 10.0, {}, noise=0.0)):
        priced = [
            bill(event.day, {TYPE: (288.0 * 1.2, 2880.0 * 1.2)}, event.read_at)
            if isinstance(event, CostStatement)
            else event
            for event in events
        ]  # the bill counts a fifth more than the metric shows
        said += line.feed(*priced)
        assert number or not said
    settled = [event for event in said if isinstance(event, CostEstimate) and event.billed is not None]
    assert {event.day for event in settled} == {(START + timedelta(days=n)).date() for n in range(len(settled))}
    assert settled[0].billed == Decimal("345.6")
    first = [e for e in said if isinstance(e, CostEstimate) and e.day == date(2026, 3, 4) and e.billed is None][-1]
    last = [e for e in said if isinstance(e, CostEstimate) and e.day == date(2026, 3, 8)][-1]
    assert float(first.so_far) == pytest.approx(288.0, rel=0.01)
    assert float(last.so_far) == pytest.approx(345.6, rel=0.05)
    assert last.upper - last.lower < first.upper - first.lower


def test_the_state_of_a_service_is_small(runaway):
    line, _ = runaway
    sizes = {key[:2]: len(repr(value)) for key, value in line.state.entries.items()}
    assert sizes["d/"] < 10_000
    assert sizes["f/"] < 4_000
    assert sizes["m/"] < 2_000


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 99), st.integers(1, 98))
def test_the_step_may_be_opened_anew_at_any_point_and_read_twice_what_it_knows(seed, cut):
    events = [event for some in polls(1, 10.0, {}, seed=seed)[:50] for event in some]
    events.insert(0, bill(YESTERDAY, {TYPE: (288.0, 2880.0)}))
    straight, broken = Line(), Line()
    expected = straight.feed(*events)
    told = broken.feed(*events[:cut])
    broken.open()
    told += broken.feed(*events[max(0, cut - 7) :])
    assert [repr(event) for event in told] == [repr(event) for event in expected]
    assert broken.state.entries == straight.state.entries


def test_days_of_the_estimate_are_kept_for_a_while_only():
    line = Line()
    line.feed(bill(YESTERDAY, {TYPE: (288.0, 2880.0)}))
    for day in range(8):
        at = START + timedelta(days=day)
        line.feed(usage(at + POLL, {at: 1.0}), closed(at + POLL))
    family: Any = line.state.entries["f/111|" + SERVICE]
    assert [int(day) for day in family["days"]] == [day_number(START.date()) + n for n in range(3, 8)]
