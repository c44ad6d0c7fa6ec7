"""What is ahead: by detection's forecast where there is one, else by the pace; whichever of the two is read first."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.rule_files import packed
from alerts.rule_step import RuleOptions, rule_step
from detection.forecast import HORIZONS
from processors.announced import number_of
from processors.runner import StepRunner
from processors.step import DictState
from schemas.events import Alert, AlertRule, CostAggregate, CostForecast, Event
from spendstream.clock import day_number
from spendstream.money import to_units
from tests.alerts.facts import T, announced, rule

AHEAD = rule("id: ahead\nkind: threshold\nwhere: {}\nwindow: mtd\nof: forecast\nlimits: {warning: 1000}")
BUDGET = rule("id: budget\nkind: budget\nwhere: {}\namount: 1000\nactual: {}")
MARCH = date(2026, 3, 31)


class Partition:
    """The rule step in one partition."""

    def __init__(self, *rules: Any, foretold: frozenset[Any] = frozenset({"organisation"})) -> None:
        self.state = DictState()
        self.said: list[Alert] = []
        self._options = RuleOptions(1, "live", foretold)
        self.open()
        for one in rules:
            self.feed(AlertRule(id=one.id, applied_at=T, by="ann", definition=packed(one)))

    def open(self) -> None:
        self._runner = StepRunner(rule_step(self._options), 0, self.state)

    def feed(self, *events: Event) -> "Partition":
        for event in events:
            outputs = self._runner.process(event)
            self._runner.release()
            self.said += [output.event for output in outputs if isinstance(output.event, Alert)]
        return self

    @property
    def changes(self) -> list[str]:
        return [alert.change for alert in self.said]


def paced(version: int, a_week: str = "70") -> CostAggregate:
    """Return an announcement of the organisation on 9 March, of which 90 is spent: 70 a week is 310 by its end."""
    return announced("USD", {}, {"mtd": "90", "d7": a_week}, version=version)


def foretold(
    after: CostAggregate, means: Mapping[str, str], end: date = MARCH, kind: int = 0, horizon: str = "month"
) -> CostForecast:
    """Return forecasts that follow an announcement; each band is a tenth to both sides."""
    amounts = [Decimal(mean) for mean in means.values()]
    return CostForecast(
        run="live",
        version=number_of(after),
        source=after.source,
        reading=after.reading,
        closed_at=after.closed_at,
        day=after.closed_at.date(),
        settled=after.closed_at.date(),
        coverage=0.9,
        series=list(means),
        row_series=list(range(len(means))),
        row_kind=[kind] * len(means),
        row_horizon=[HORIZONS.index(horizon)] * len(means),
        row_end=[day_number(end)] * len(means),
        row_so_far=[0] * len(means),
        row_mean=[to_units(str(amount)) for amount in amounts],
        row_lower=[to_units(str(amount * Decimal("0.9"))) for amount in amounts],
        row_upper=[to_units(str(amount * Decimal("1.1"))) for amount in amounts],
    )


def told_all(after: CostAggregate) -> CostForecast:
    return foretold(after, {})


def test_what_is_ahead_waits_for_the_forecast_and_goes_by_it():
    first = paced(1)
    at_work = Partition(AHEAD).feed(first)
    assert at_work.changes == []
    at_work.feed(foretold(first, {"USD": "1200"}), told_all(first))
    [alert] = at_work.said
    assert alert.says == (
        "the organisation will cost 1,200.00 USD by 2026-03-31; the limit is 1,000.00 USD; "
        "by its forecast, 1,080.00 to 1,320.00 USD with 90 %"
    )
    assert (alert.actual, alert.expected) == (Decimal(1200), Decimal(1000))
    assert alert.observed_at == first.closed_at


def test_a_series_without_a_forecast_goes_by_its_pace_and_says_so():
    first = paced(1, "700")
    [alert] = Partition(AHEAD).feed(first, foretold(first, {"USD/provider=AWS": "1"}), told_all(first)).said
    assert alert.says == (
        "the organisation will cost 2,290.00 USD by 2026-03-31; the limit is 1,000.00 USD; "
        "at the pace of its last 7 days"
    )


def test_a_forecast_holds_until_the_next_one():
    first, second, third = paced(1), paced(2), paced(3)
    at_work = Partition(AHEAD).feed(first, foretold(first, {"USD": "1200"}), told_all(first))
    assert at_work.feed(second, told_all(second)).changes == ["crossed"]
    at_work.feed(third, foretold(third, {"USD": "900"}), told_all(third))
    assert at_work.changes == ["crossed", "restated"]


def test_a_budget_is_held_against_the_forecast_of_its_period():
    first = paced(1)
    [alert] = Partition(BUDGET).feed(first, foretold(first, {"USD": "1100"}), told_all(first)).said
    assert alert.says == (
        "the organisation will use 110 % by 2026-03-31 of its budget of 1,000.00 USD for the month: 1,100.00 USD; "
        "by its forecast, 990.00 to 1,210.00 USD with 90 %"
    )


@pytest.mark.parametrize(
    "other",
    [{"end": date(2026, 4, 30)}, {"kind": 1}, {"horizon": "quarter"}],
    ids=["of another month", "of fees", "of the quarter"],
)
def test_a_forecast_of_something_else_does_not_count(other):
    first = paced(1)
    assert Partition(AHEAD).feed(first, foretold(first, {"USD": "1200"}, **other), told_all(first)).said == []


@pytest.mark.parametrize(
    "change",
    [{"charges": ("usage", "tax")}, {"measure": "billed"}, {"window": "ytd"}],
    ids=["other charges", "billed", "a year"],
)
def test_what_detection_does_not_foretell_goes_by_its_pace_at_once(change):
    event = announced(
        "USD", {}, {"mtd": "900", "ytd": "900", "d7": "700"}, row_billed=[], window_billed=[to_units("900")] * 3
    )
    assert Partition(AHEAD.model_copy(update=change)).feed(event).changes == ["crossed"]


def test_without_detection_the_pace_counts_at_once():
    assert Partition(AHEAD, foretold=frozenset()).feed(paced(1, "700")).changes == ["crossed"]
    assert Partition(AHEAD, foretold=frozenset({"account"})).feed(paced(1, "700")).changes == ["crossed"]


def test_what_waits_for_a_rule_that_goes_says_nothing():
    first = paced(1, "700")
    at_work = Partition(AHEAD).feed(first)
    at_work.feed(AlertRule(id=AHEAD.id, applied_at=T, by="ann", definition=None))
    assert at_work.feed(told_all(first)).said == []
    assert not [key for key in at_work.state.entries if key.startswith(("queue/", "here/", "there/", "coming"))]


def test_an_announcement_of_which_detection_never_told_is_judged_with_the_next():
    first, second = paced(1, "700"), paced(2, "7")
    assert Partition(AHEAD).feed(first, second, told_all(second)).changes == ["crossed", "restated"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 700), st.none() | st.integers(500, 1500)), min_size=1, max_size=6),
    st.integers(0, 2**32),
)
def test_which_of_the_two_is_read_first_changes_nothing_of_what_is_said(history, seed):
    chance = Random(seed)
    totals = [paced(number + 1, str(a_week)) for number, (a_week, _) in enumerate(history)]
    forecasts = [
        [*([] if mean is None else [foretold(event, {"USD": str(mean)})]), told_all(event)]
        for event, (_, mean) in zip(totals, history, strict=True)
    ]
    in_turn, mixed = Partition(AHEAD, BUDGET), Partition(AHEAD, BUDGET)
    for event, following in zip(totals, forecasts, strict=True):
        in_turn.feed(event, *following)

    queues: list[list[Event]] = [list(totals), [one for following in forecasts for one in following]]
    while any(queues):
        read = chance.choice([queue for queue in queues if queue]).pop(0)
        mixed.feed(read)
        if chance.random() < 0.3:
            mixed.open()
            mixed.feed(read)

    assert mixed.said == in_turn.said
    assert mixed.state.entries == in_turn.state.entries
