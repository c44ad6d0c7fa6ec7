"""The figures of reports, asked of the real ClickHouse engine."""

from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from alerts.budget_rules import BudgetRule
from alerts.budget_standing import standing_of
from alerts.figures import Figures as Figured
from alerts.figures import learn
from alerts.reports.figures import Figures
from alerts.reports.questions import Questions, view_of
from alerts.rule_files import packed
from detection.forecast import HORIZONS as FORECAST
from schemas.events import AlertRule, CostForecast, Event, Incident
from spendstream.clock import day_number
from spendstream.money import to_units
from spendstream.settings import ConfigurationError, Settings, load
from tests.alerts.reports.bills import BILL, DAY_BEFORE, in_currency, reading, write
from tests.alerts.reports.facts import report
from tests.api.serving import land, outputs_of
from tests.processors.histories import DAY, NOW
from tests.schemas.examples import EXAMPLES

INCIDENT = next(event for event in EXAMPLES if isinstance(event, Incident))


def retold(event: Any, **changes: str) -> Event:
    return replace(event, **changes)  # type: ignore[no-any-return]


async def ask(settings: Settings, **changes: object) -> Figures:
    one = report(**changes)
    return await Questions(settings).figures(one, one.period_of(DAY), NOW + timedelta(hours=1))


def lines(figures: Figures) -> dict[str, list[int]]:
    return {line.name: [int(amount) for amount in line.amounts] for money in figures.money for line in money.lines}


async def test_a_day_is_told_by_service_beside_its_weekday_and_the_day_before(settings):
    write(settings, reading(1, BILL))
    figures = await ask(settings)
    assert lines(figures) == {"EC2": [120, 100, 110], "S3": [30, 50, 30]}
    [money] = figures.money
    assert [int(amount) for amount in money.total.amounts] == [150, 150, 140]
    assert [int(amount) for amount in money.trend] == [0, 0, 0, 0, 0, 0, 150, 0, 0, 0, 0, 0, 140, 150]
    assert figures.standing.stage == "complete"


async def test_usage_and_other_charges_stand_apart(settings):
    write(settings, [*reading(1, BILL), *reading(2, {DAY: {"Support": 90}}, kind=1)])
    [money] = (await ask(settings)).money
    assert "Support" not in {line.name for line in money.lines}
    assert [(line.name, int(line.cost)) for line in money.charges] == [("recurring_fee", 90)]
    assert [int(line.cost) for line in (money.total, money.usage)] == [240, 150]


async def test_currencies_are_never_added(settings):
    write(settings, [*reading(1, BILL), *in_currency(reading(2, {DAY: {"VM": 7}}), "EUR")])
    assert (await ask(settings)).totals == {"USD": 150, "EUR": 7}


async def test_a_team_by_its_tag_and_by_its_account(settings):
    search = reading(1, BILL, account="222", tags=[{"team": "search"}])
    write(settings, [*search, *reading(2, {DAY: {"EC2": 1000}}, account="333")])
    assert lines(await ask(settings, where={"tag:team": "search"})) == {"EC2": [120, 100, 110], "S3": [30, 50, 30]}
    assert lines(await ask(settings, where={"account": ["333", "444"]})) == {"EC2": [1000, 0, 0]}
    assert lines(await ask(settings, by="tag:team")) == {"": [1000, 0, 0], "search": [150, 150, 140]}
    assert lines(await ask(settings, by="account", where={"service": "S3"})) == {"222": [30, 50, 30]}


async def test_an_organisation_without_costs_is_told_so(settings):
    figures = await ask(settings)
    assert (figures.money, figures.standing.stage) == ((), "provisional")
    assert figures.standing.late == ("no source has told anything of it",)


@pytest.mark.parametrize(
    ("through", "final", "stage"), [(None, None, "provisional"), (DAY_BEFORE, None, "provisional"), (DAY, DAY, "final")]
)
async def test_closes_say_how_final_a_day_is(settings, through, final, stage):
    write(settings, reading(1, BILL, through=through, final=final))
    assert (await ask(settings)).standing.stage == stage


async def test_a_reading_that_totals_have_not_announced_makes_nothing_complete(settings):
    land(settings, reading(1, BILL))
    assert (await ask(settings)).standing.stage == "provisional"


async def test_a_source_that_is_only_compared_is_not_waited_for(settings):
    rules = ({"billing_account": "payer", "source": "cost_explorer"},)
    asked = settings.model_copy(update={"ledger": load(ledger={"of_record": rules}).ledger})
    late = [
        retold(event, source="focus.main") if hasattr(event, "source") else event
        for event in reading(2, {}, through=None)
    ]
    write(asked, [*reading(1, BILL), *late])
    assert (await ask(asked)).standing.stage == "complete"


async def test_a_tag_that_cost_explorer_tells_is_read_from_its_totals(settings):
    view = reading(1, {})
    write(settings, [*reading(2, BILL), *(retold(event, view="tag:stage") for event in view)])
    assert (await ask(settings, by="tag:stage")).standing.stage == "complete"
    with pytest.raises(ConfigurationError, match="set `by: tag:stage`"):
        view_of(report(where={"tag:stage": "prod"}), settings)
    with pytest.raises(ConfigurationError, match="view_categories"):
        view_of(report(by="category:Product"), settings)


async def test_open_incidents_are_those_of_what_the_report_is_about(settings):
    scope = "USD/provider=AWS/account=222"
    worst = replace(INCIDENT, id="b", severity="critical", scope="USD/tag=team/value=search", says="search rose")
    land(settings, [replace(INCIDENT, id="a", scope=scope), worst, replace(INCIDENT, id="c", state="resolved")])
    assert [one.says for one in (await ask(settings)).incidents] == ["search rose", INCIDENT.says]
    assert [one.says for one in (await ask(settings, where={"account": "222"})).incidents] == [INCIDENT.says]
    assert [one.says for one in (await ask(settings, where={"tag:team": "search"})).incidents] == ["search rose"]


async def test_figures_are_exact(settings):
    write(settings, reading(1, {DAY: {f"S{number}": 1 for number in range(7)}}))
    assert (await ask(settings, measure="billed")).totals == {"USD": Decimal(7)}


def budget_rule(**fields: Any) -> Any:
    """Return a budget as `rules apply` sends it."""
    rule = BudgetRule.model_validate({"id": "b", "kind": "budget", "amount": 1000, **fields})
    return AlertRule(id=rule.id, applied_at=NOW, by="ann", definition=packed(rule))


async def test_budgets_are_told_with_the_figures_that_their_rules_judge(settings):
    own = {"start": DAY - timedelta(days=8), "days": 28}
    rules = [
        budget_rule(where={}),
        budget_rule(id="own", where={}, amount=2000, period=own, rollover=True),
        budget_rule(id="team", where={"tag": "team", "value": "*"}, amount=300),
        budget_rule(id="off", where={}, enabled=False),
    ]
    events = reading(1, BILL, tags=[{"team": "search"}])
    write(settings, events)
    land(settings, rules)
    told = (await ask(settings)).budgets
    known: dict[str, Figured] = defaultdict(Figured)
    for event in outputs_of(settings, events):
        known |= learn(event, lambda _: 400, known.__getitem__)
    for standing in (one.standing for one in told):
        judged = standing_of(standing.rule, standing.key, known[standing.key])
        assert judged is not None
        assert (standing.spent, standing.forecast, standing.budget, standing.end) == (
            judged.spent, judged.forecast, judged.budget, judged.end,
        )  # fmt: skip
    assert [(one.standing.rule.id, one.standing.key, int(one.standing.spent or 0)) for one in told] == [
        ("team", "USD/tag=team/value=search", 440), ("b", "USD", 440), ("own", "USD", 440),
    ]  # fmt: skip
    team = await ask(settings, where={"tag:team": "search"})
    assert [one.standing.rule.id for one in team.budgets] == ["team"]


async def test_what_a_budget_comes_to_is_detections_forecast_where_rules_go_by_it(settings):
    write(settings, reading(1, BILL))
    land(settings, [budget_rule(where={}), budget_rule(id="billed", where={}, measure="billed")])
    ends, usage, month = date(DAY.year, DAY.month, 31), [0], [FORECAST.index("month")]
    forecast = CostForecast(
        run="live", version=7, day=DAY, settled=DAY, series=["USD"], coverage=0.9, source="s", reading="r1",
        closed_at=NOW, row_series=[0], row_kind=usage, row_horizon=month, row_end=[day_number(ends)], row_so_far=[0],
        row_mean=[to_units(900)], row_lower=[to_units(800)], row_upper=[to_units(1000)],
    )  # fmt: skip
    land(settings, [forecast])
    detecting = settings.model_copy(update={"detection": load().detection})
    told = {one.standing.rule.id: one for one in (await ask(detecting)).budgets}
    assert (told["b"].ahead, told["billed"].ahead) == (Decimal(900), told["billed"].standing.forecast)
    assert all(one.band is None for one in (await ask(settings)).budgets)


async def test_each_account_is_told_its_own(settings):
    first = reading(1, BILL, account="222")
    write(settings, [*first, *reading(2, {DAY: {"EC2": 1000}}, account="333")])
    land(settings, [replace(INCIDENT, scope="USD/provider=AWS/account=222")])
    one = report(for_each="account")
    each = await Questions(settings).each(one, one.period_of(DAY), NOW + timedelta(hours=1))
    assert {value: lines(figures) for value, figures in each.items()} == {
        "222": {"EC2": [120, 100, 110], "S3": [30, 50, 30]},
        "333": {"EC2": [1000, 0, 0]},
    }
    assert {value: len(figures.incidents) for value, figures in each.items()} == {"222": 1, "333": 0}
    assert [int(amount) for amount in each["222"].money[0].trend][-2:] == [140, 150]


async def test_a_view_of_cost_explorer_has_a_report_for_each_of_its_values(settings):
    one = report(for_each="tag:stage", by="tag:stage")
    assert await Questions(settings).each(one, one.period_of(DAY), NOW) == {}
    with pytest.raises(ConfigurationError, match="set `by: tag:stage`"):
        view_of(report(for_each="tag:stage"), settings)
