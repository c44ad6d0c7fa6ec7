"""Budgets: whose period they are about, what there is to spend, and what is told of it."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.budgets import of_budget
from alerts.figures import Figures, learn
from alerts.periods import CustomPeriod
from alerts.total_findings import days_looked_at, of_totals
from schemas.events import CostAggregate
from spendstream.settings import ConfigurationError
from tests.alerts.facts import DAY, T, announced, rule

MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
TEAM = "USD/tag=team/value=search"


def days(first: date, *amounts: int) -> dict[date, str]:
    return {first + timedelta(days=n): str(amount) for n, amount in enumerate(amounts)}


def known(a_rule: Any, *told: dict[date, str], key: str = "USD", windows: dict[str, str] | None = None) -> Figures:
    """Return what is known of a series after the days it was told of, each announcement closed at its last day."""
    figures = Figures()
    for number, amounts in enumerate(told):
        event = announced(key, amounts, windows or {"d7": "7"}, version=number, through=max(amounts))
        figures = learned(a_rule, event, figures)
    return figures


def learned(a_rule: Any, event: CostAggregate, figures: Figures) -> Figures:
    return learn(event, lambda _: days_looked_at(a_rule), lambda _: figures)[event.series[0]]


def track(a_rule: Any, figures: Figures, name: str, key: str = "USD") -> Any:
    [found] = [one for one in of_totals(a_rule, key, figures, T) if one.track == name]
    return found


def test_a_period_of_days_begins_anew_and_counts_its_own_days_only():
    budget = rule("id: b\nkind: budget\nwhere: {}\namount: 100\nperiod: {start: 2026-02-01, days: 14}")
    found = track(budget, known(budget, days(date(2026, 2, 10), *[10] * 10)), "actual")
    assert (found.period, found.actual, found.rank, found.severity) == (date(2026, 2, 15), 50, 1, "info")
    assert found.says == (
        "the organisation has used 50 % of its budget of 100.00 USD for 2026-02-15 to 2026-02-28: 50.00 USD"
    )


def test_what_is_known_of_a_part_of_the_period_only_says_since_when():
    budget = rule("id: b\nkind: budget\nwhere: {}\namount: 100\nperiod: {start: 2026-03-01, months: 1}")
    found = track(budget, known(budget, days(date(2026, 3, 5), 30, 30)), "actual")
    assert found.says.endswith(": 60.00 USD (known since 2026-03-05)")


def test_an_opening_says_what_was_spent_before():
    budget = rule(
        "id: b\nkind: budget\nwhere: {}\namount: 100\nperiod: {start: 2026-03-01, months: 12}\n"
        "opening: {through: 2026-03-04, amount: 40}"
    )
    figures = known(budget, days(date(2026, 3, 3), 7, 7, 30, 30))
    found = track(budget, figures, "actual")
    assert (found.actual, found.severity) == (Decimal(100), "critical")
    assert "known since" not in found.says


def test_an_opening_is_no_part_of_the_next_period():
    budget = rule(
        "id: b\nkind: budget\nwhere: {}\namount: 100\nperiod: {start: 2026-03-01, days: 5}\n"
        "opening: {through: 2026-03-02, amount: 40}"
    )
    assert track(budget, known(budget, days(MARCH, 1, 1, 1, 1, 1, 20)), "actual").actual == 20


def test_what_a_month_left_over_is_added_once_all_of_it_is_known():
    budget = rule("id: b\nkind: budget\nwhere: {}\namount: 100\nrollover: true")
    windows = {"mtd": "120", "d7": "7"}
    whole = known(budget, days(MARCH, *[2] * 31, 120), windows=windows)
    found = track(budget, whole, "actual")
    assert (found.actual, found.expected, found.severity) == (120, 138, "warning")
    assert "138.00 USD for the month, 38.00 USD of it left over" in found.says
    part = known(budget, days(MARCH + timedelta(days=1), *[2] * 30, 120), windows=windows)
    assert track(budget, part, "actual").expected == 100


def test_what_a_month_spent_too_much_is_not_taken_from_the_next():
    budget = rule("id: b\nkind: budget\nwhere: {}\namount: 100\nrollover: true")
    figures = known(budget, days(MARCH, *[9] * 31, 50), windows={"mtd": "50", "d7": "7"})
    assert track(budget, figures, "actual").expected == 100


def test_a_year_remembers_the_year_before_for_what_it_left_over():
    budget = rule(
        "id: b\nkind: budget\nwhere: {}\namount: 1000\nperiod: {start: 2026-04-01, months: 12}\nrollover: true"
    )
    figures = known(budget, days(date(2025, 4, 1), *[1] * 365), days(APRIL, 500))
    assert track(budget, figures, "actual").expected == 1635


@pytest.mark.parametrize(
    ("spent", "severity", "rank"), [("109", "warning", 0), ("110", "warning", 1), ("126", "critical", 2)]
)
def test_a_variance_is_told_against_the_plan_of_this_day(spent, severity, rank):
    budget = rule("id: b\nkind: budget\nwhere: {}\namount: 310\nvariance: {above: {0.1: warning, 0.25: critical}}")
    tenth = date(2026, 3, 10)
    found = track(budget, known(budget, {tenth: "1"}, windows={"mtd": spent}), "variance")
    assert (found.rank, found.severity, found.expected) == (rank, severity, 100)


def test_the_first_days_of_a_period_say_nothing_of_its_plan():
    budget = rule("id: b\nkind: budget\nwhere: {}\namount: 310\nvariance: {above: {0.1: warning}}")
    second = known(budget, {date(2026, 3, 2): "1"}, windows={"mtd": "300"})
    assert [one for one in of_budget(budget, "USD", second, T) if one.track == "variance"] == []


def test_a_plan_runs_as_the_period_before_did():
    budget = rule(
        "id: b\nkind: budget\nwhere: {}\namount: 200\nperiod: {start: 2026-03-01, days: 5}\n"
        "variance: {above: {0.1: warning}, course: last}"
    )
    front_loaded = days(MARCH, 60, 20, 10, 5, 5, 120, 40, 20)
    found = track(budget, known(budget, front_loaded), "variance")
    assert (found.expected, found.actual, found.rank) == (180, 180, 0)
    young = days(MARCH + timedelta(days=1), 60, 20, 10, 5, 120, 40, 20)
    assert [one for one in of_budget(budget, "USD", known(budget, young), T) if one.track == "variance"] == []


def test_a_forecast_of_a_period_of_ones_own_adds_the_days_left():
    budget = rule("id: b\nkind: budget\nwhere: {}\namount: 100\nperiod: {start: 2026-03-08, days: 10}\nactual: {}")
    found = track(budget, known(budget, days(date(2026, 3, 8), 10, 10), windows={"d7": "70"}), "forecast")
    assert (found.actual, found.rank) == (100, 1)


def test_a_budget_of_a_tag_is_one_for_each_value():
    budget = rule("id: b\nkind: budget\nwhere: {tag: team, value: '*'}\namount: 100")
    figures = known(budget, {DAY: "1"}, key=TEAM, windows={"mtd": "80"})
    assert track(budget, figures, "actual", TEAM).says.startswith("team=search has used 80 %")


def test_a_dear_hour_is_told_once_a_day():
    limit = rule("id: h\nkind: threshold\nwhere: {}\nwindow: hour\nlimits: {warning: 5}")
    event = announced(
        "USD", {}, hour_series=[0] * 3, hour_day=[20_521] * 3, hour_hour=[3, 4, 5], hour_kind=[0] * 3,
        hour_billed=[0] * 3, hour_effective=[10**18, 6 * 10**18, 6 * 10**18],
    )  # fmt: skip
    [found] = of_totals(limit, "USD", learn(event, lambda _: 62, lambda _: Figures())["USD"], T)
    assert (found.severity, str(found.actual), found.period) == ("warning", "6", date(2026, 3, 9))
    assert "cost 6.00 USD in the hour from 04:00 UTC on 2026-03-09; the limit is 5.00 USD" in found.says


@given(
    st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    st.one_of(
        st.builds(lambda n: {"days": n}, st.integers(1, 366)), st.builds(lambda n: {"months": n}, st.integers(1, 12))
    ),
)
def test_periods_hold_every_day_once(start, day, length):
    period = CustomPeriod(start=start.replace(day=min(start.day, 28)), **length)
    first, last = period.around(day)
    assert first <= day <= last
    assert period.around(last + timedelta(days=1))[0] == last + timedelta(days=1)
    assert period.around(period.start)[0] == period.start


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("period: {start: 2026-03-01}", "give a period months or days"),
        ("period: {start: 2026-03-31, months: 1}", "begins on the 1st to 28th"),
        ("opening: {through: 2026-03-01, amount: 5}", "opening is for periods with a start"),
    ],
)
def test_a_period_that_cannot_be_is_refused(text, message):
    with pytest.raises(ConfigurationError, match=message):
        rule(f"id: b\nkind: budget\nwhere: {{}}\namount: 100\n{text}")
