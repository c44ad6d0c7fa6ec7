"""From facts to what a rule says: crossing fires once, staying does not, a restatement takes it back."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.edge import fires, judge, withdraw
from alerts.figures import DAYS, Figures, learn
from alerts.findings import of_anomaly
from alerts.health_findings import SourceFacts, of_source
from alerts.rules import Bar, Selector
from alerts.total_findings import days_looked_at, of_totals
from processors.series import parse
from schemas.events import AlikeAnomaly
from spendstream.clock import day_number
from tests.alerts.facts import DAY, S3, T, announced, anomaly, rule

RISES = rule(
    """
id: rises
kind: anomaly
severities:
  warning: {amount: 50}
  critical: {amount: 500, share: 0.5, need: both}
"""
)


def told(a_rule, *events):
    """Return what a rule says of anomalies, one list each."""
    state: Any = None
    said = []
    for event in events:
        finding = of_anomaly(a_rule, event)
        state, alerts = judge(a_rule, event.series, "USD", [] if finding is None else [finding], state, "live")
        said.append([(alert.change, alert.severity) for alert in alerts])
    return said


def learned(a_rule, event, figures):
    """Return what is known of the one series of an announcement after it."""
    return learn(event, lambda _: days_looked_at(a_rule), lambda _: figures).get(event.series[0], figures)


def totalled(a_rule, *events):
    """Return what a rule over totals says of announcements of one series, one list each."""
    state: Any = None
    figures = Figures()
    said = []
    for event in events:
        key = event.series[0]
        figures = Figures.load(learned(a_rule, event, figures).dump())
        found = of_totals(a_rule, key, figures, event.closed_at)
        state, alerts = judge(a_rule, key, "USD", found, state, "live")
        said.append([(alert.change, alert.severity) for alert in alerts])
    return said


# Anomalies


def test_an_anomaly_fires_when_it_crosses_a_bar_and_not_again():
    assert told(RISES, anomaly(), anomaly(version=2), anomaly(version=3)) == [[("crossed", "warning")], [], []]


def test_an_anomaly_that_grows_over_the_next_bar_says_so():
    assert told(RISES, anomaly(), anomaly(actual="900")) == [[("crossed", "warning")], [("worse", "critical")]]


def test_figures_of_an_anomaly_that_lasts_are_said_without_a_new_crossing():
    later = anomaly(actual="130", day=DAY + timedelta(days=1))
    assert told(RISES, anomaly(), later) == [[("crossed", "warning")], [("updated", "warning")]]


@pytest.mark.parametrize(("state", "change"), [("withdrawn", "restated"), ("closed", "ended")])
def test_an_anomaly_that_is_over_resolves_and_says_why(state, change):
    assert told(RISES, anomaly(), anomaly(state=state), anomaly(state=state))[1:] == [[(change, "warning")], []]


def test_an_anomaly_that_a_restatement_makes_small_resolves():
    assert told(RISES, anomaly(), anomaly(actual="30"))[1] == [("restated", "warning")]


def test_an_anomaly_that_never_reached_a_bar_says_nothing_at_its_end():
    assert told(RISES, anomaly(actual="30"), anomaly(actual="30", state="closed")) == [[], []]


@given(st.decimals(1, 1000, places=2), st.floats(0.01, 900))
def test_a_new_service_is_never_lost_to_a_share(actual, share):
    bars = rule(f"id: r\nkind: anomaly\nseverities: {{warning: {{share: {share}}}}}")
    assert told(bars, anomaly(actual=str(actual), expected="0")) == [[("crossed", "warning")]]


def test_need_both_asks_for_amount_and_share():
    bar = Bar(amount=Decimal(100), share=0.5, need="both")
    assert bar.holds(Decimal(120), Decimal(200))
    assert not bar.holds(Decimal(120), Decimal(1000))
    assert not bar.holds(Decimal(90), Decimal(100))


def test_what_the_false_alert_control_stops_is_silent_unless_asked_for():
    everything = rule("id: r\nkind: anomaly\nlet_pass_only: false\nseverities: {info: {}}")
    assert told(RISES, anomaly(passes=False)) == [[]]
    assert told(everything, anomaly(passes=False)) == [[("crossed", "info")]]


def test_falls_are_silent_unless_asked_for():
    falls = rule("id: r\nkind: anomaly\nfalls: true\nseverities: {info: {amount: 10}}")
    assert told(RISES, anomaly(actual="1", expected="100")) == [[]]
    assert told(falls, anomaly(actual="1", expected="100")) == [[("crossed", "info")]]


def test_fee_rules_take_fees_and_credits_alone():
    fees = rule("id: fees\nkind: fee\namount: 10")
    assert told(fees, anomaly(), anomaly(shape="fee_doubled", kind=1)) == [[], [("crossed", "warning")]]


@pytest.mark.parametrize(
    ("cause", "why"),
    [("unknown", ""), ("usage", "; more was used"), ("rate", "; the price of what was used is higher")],
)
def test_an_alert_says_what_where_how_much_and_whether_it_is_usage_or_rate(cause, why):
    finding = of_anomaly(RISES, anomaly(cause=cause))
    assert finding is not None
    assert finding.says == (
        "AmazonS3 of account 1234 cost 120.00 USD on 2026-03-09, 100.00 USD (500 %) more than the 20.00 USD expected"
        f"{why}"
    )


def test_an_alert_names_an_earlier_anomaly_that_it_is_like_and_what_was_said_of_it():
    newer = AlikeAnomaly(id="b", series=S3, since=date(2026, 2, 1), likeness=0.9)
    judged = AlikeAnomaly(id="a", series=S3.replace("1234", "5"), since=date(2025, 11, 3), likeness=0.7, verdict="true")

    found = [of_anomaly(RISES, anomaly(cause="unknown", alike=alike)) for alike in ([newer], [newer, judged])]

    assert [one.says.partition("expected")[2] for one in found if one is not None] == [
        "; like 2026-02-01",
        "; like that of AmazonS3 of account 5 on 2025-11-03, which was said to be real",
    ]


def test_a_rule_that_goes_closes_what_fires():
    finding = of_anomaly(RISES, anomaly())
    assert finding is not None
    state, _ = judge(RISES, S3, "USD", [finding], None, "live")
    said = withdraw(RISES, S3, "USD", state, T, "live")
    assert fires(state)
    assert [(alert.state, alert.change, alert.version) for alert in said] == [("resolved", "rule", 2)]


@given(
    st.lists(st.tuples(st.integers(0, 900), st.sampled_from(["open", "updated", "closed", "withdrawn"])), max_size=12)
)
def test_an_anomaly_never_fires_twice_without_being_resolved_between(history):
    events = [anomaly(actual=str(20 + rise), state=state) for rise, state in history]
    edges = [change for said in told(RISES, *events) for change, _ in said]
    edges = [change for change in edges if change not in {"updated", "worse", "eased"}]
    assert all(change == "crossed" for change in edges[::2])
    assert all(change in {"back", "restated", "ended"} for change in edges[1::2])


# Which series


@pytest.mark.parametrize(
    ("where", "key", "takes"),
    [
        ({}, "USD", True),
        ({}, "USD/provider=AWS", False),
        ({"account": "12*"}, "USD/provider=AWS/account=1234", True),
        ({"account": "12*"}, S3, False),
        ({"account": "12*", "service": ["AmazonEC2", "AmazonS3"]}, S3, True),
        ({"level": "account_service"}, S3, True),
        ({"tag": "team", "value": "search"}, "USD/tag=team/value=search", True),
        ({"tag": "team", "value": "search"}, "USD/tag=team/value=shop", False),
        ({"currency": "EUR"}, "USD", False),
    ],
)
def test_a_selector_takes_the_level_that_it_names(where, key, takes):
    assert Selector.model_validate(where).takes(parse(key)) is takes


# Totals


def test_a_threshold_fires_on_crossing_and_resolves_when_the_next_day_is_below():
    limit = rule("id: t\nkind: threshold\nwhere: {}\nwindow: day\nlimits: {warning: 100, critical: 200}")
    days = [DAY + timedelta(days=n) for n in range(4)]
    said = totalled(
        limit,
        *(
            announced("USD", {day: amount}, {"d7": "1"}, version=n + 1, through=day)
            for n, (day, amount) in enumerate(zip(days, ("99.99", "100", "250", "99"), strict=True))
        ),
    )
    assert said == [[], [("crossed", "warning")], [("worse", "critical")], [("back", "critical")]]


def test_a_restated_day_takes_the_alert_back_and_says_so():
    limit = rule("id: t\nkind: threshold\nwhere: {}\nwindow: day\nlimits: {warning: 100}")
    said = totalled(
        limit,
        announced("USD", {DAY: "150"}, {"d7": "1"}),
        announced("USD", {DAY: "80"}, {"d7": "1"}, version=2),
        announced("USD", {DAY: "80"}, {"d7": "1"}, version=3),
    )
    assert said == [[("crossed", "warning")], [("restated", "warning")], []]


def test_a_day_without_a_row_cost_nothing_once_it_is_closed():
    limit = rule("id: t\nkind: threshold\nwhere: {}\nwindow: day\nlimits: {warning: 100}")
    said = totalled(
        limit,
        announced("USD", {DAY: "150"}, {"d7": "150"}),
        announced("USD", {}, {"d7": "150"}, version=2, through=DAY + timedelta(days=1)),
    )
    assert said == [[("crossed", "warning")], [("back", "warning")]]


def test_a_new_month_is_another_occasion():
    limit = rule("id: t\nkind: threshold\nwhere: {}\nwindow: mtd\nlimits: {warning: 100}")
    said = totalled(
        limit,
        announced("USD", {}, {"mtd": "150"}, through=date(2026, 3, 31)),
        announced("USD", {}, {"mtd": "120"}, version=2, through=date(2026, 4, 1)),
    )
    assert said == [[("crossed", "warning")], [("ended", "warning"), ("crossed", "warning")]]


def test_a_forecast_adds_the_days_left_as_the_last_week_was():
    figures = learn(announced("USD", {}, {"mtd": "90", "d7": "70"}, through=DAY), lambda _: DAYS, lambda _: Figures())[
        "USD"
    ]
    assert figures.by_the_end("mtd", frozenset({0}), billed=False) == (90 + 22 * 10) * 10**18


def test_a_change_is_judged_once_all_of_the_time_before_is_known():
    jump = rule("id: c\nkind: change\nwhere: {}\nwindow: d7\nseverities: {warning: {share: 0.5}}")
    weeks = {DAY - timedelta(days=n): "10" for n in range(14)}
    young = {DAY - timedelta(days=n): "10" for n in range(13)}
    assert totalled(jump, announced("USD", weeks, {"d7": "105"})) == [[("crossed", "warning")]]
    assert totalled(jump, announced("USD", weeks, {"d7": "104"})) == [[]]
    assert totalled(jump, announced("USD", young, {"d7": "999"})) == [[]]


def test_a_budget_tells_each_share_once_and_its_forecast():
    budget = rule("id: b\nkind: budget\nwhere: {}\namount: 1000\nforecast: {}")
    days = [date(2026, 3, 10) + timedelta(days=n) for n in range(4)]
    said = totalled(
        budget,
        *(
            announced("USD", {}, {"mtd": amount}, version=n + 1, through=day)
            for n, (day, amount) in enumerate(zip(days, ("499", "500", "1100", "900"), strict=True))
        ),
    )
    assert said == [[], [("crossed", "info")], [("worse", "critical")], [("eased", "warning")]]
    ahead = rule("id: b\nkind: budget\nwhere: {}\namount: 1000\nactual: {}")
    assert totalled(ahead, announced("USD", {}, {"mtd": "300", "d7": "280"})) == [[("crossed", "warning")]]


def test_a_burn_rate_needs_both_of_its_windows():
    budget = rule("id: b\nkind: budget\nwhere: {}\namount: 310\nactual: {}\nforecast: {}\nburn: {fast: 3, slow: 1.5}")
    calm = {"mtd": "1", "d7": "70", "d30": "300"}
    assert totalled(budget, announced("USD", {DAY: "100"}, calm)) == [[]]
    assert totalled(budget, announced("USD", {DAY: "30"}, calm | {"d7": "210"})) == [[("crossed", "critical")]]
    assert totalled(budget, announced("USD", {DAY: "1"}, calm | {"d7": "140", "d30": "450"})) == [
        [("crossed", "warning")]
    ]


def test_charge_classes_that_a_rule_does_not_name_do_not_count():
    limit = rule("id: t\nkind: threshold\nwhere: {}\nwindow: day\ncharges: [tax]\nlimits: {warning: 1}")
    assert totalled(limit, announced("USD", {DAY: "150"}, {"d7": "1"})) == [[]]


def test_the_same_announcement_twice_says_nothing_more():
    limit = rule("id: t\nkind: threshold\nwhere: {}\nwindow: day\nlimits: {warning: 100}")
    once = announced("USD", {DAY: "150"}, {"d7": "1"})
    assert totalled(limit, once, once) == [[("crossed", "warning")], []]


# Sources


def test_a_source_that_is_silent_or_late_is_told():
    silent = rule("id: f\nkind: freshness\nsilent_hours: 24\nlate_days: 2")
    facts = SourceFacts("focus.main", T, day_number(DAY))
    fresh, late = of_source(silent, facts, T), of_source(silent, facts, T + timedelta(days=3))
    assert (fresh.rank, late.rank) == (0, 1)
    assert late.says == (
        "the source focus.main closed no reading since 2026-03-10 08:00 UTC and tells of no day after 2026-03-09, "
        "4 days ago"
    )
