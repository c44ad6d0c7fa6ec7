"""Past months from Cost Explorer: whole, resumed, within the budget; and what polling costs before it begins."""

from datetime import UTC, date, datetime, timedelta

from producers.backfill import Backfill, months_before
from producers.polling_cost import Size, estimate, runs_a_month
from producers.publisher import Publisher
from producers.shared import Shared
from schemas.events import CostStatement
from spendstream.money import to_units
from spendstream.settings import load
from tests.producers.test_cost_explorer import Deployment, deployed

__all__ = ["deployed"]


def backfill_of(deployment: Deployment) -> Backfill:
    shared = Shared(deployment.settings, deployment.clock)
    (source,) = shared.bills(lambda: None)
    return Backfill(source, shared.runs, deployment.clock)  # type: ignore[arg-type]


def test_months_are_read_whole_and_oldest_first(deployed):
    deployment = deployed(budget={"usd_per_day": "50"})
    work = backfill_of(deployment)
    read: list[date] = []
    work.run(work.plan(2), lambda month, _: read.append(month))
    assert read == [date(2026, 1, 1), date(2026, 2, 1)]
    assert deployment.published() == deployment.truth(date(2026, 1, 1), date(2026, 2, 28))


def test_views_are_read_back_as_well(deployed):
    deployment = deployed(budget={"usd_per_day": "50"}, cost_explorer={"view_tags": ["team"]})
    shared = Shared(deployment.settings, deployment.clock)
    _, view = shared.bills(lambda: None)
    work = Backfill(view, shared.runs, deployment.clock)  # type: ignore[arg-type]
    work.run(work.plan(1), lambda *_: None)
    units = sum(sum(event.billed) for event in deployment.events() if isinstance(event, CostStatement))
    assert units == sum(deployment.truth(date(2026, 2, 1), date(2026, 2, 28)).values())
    assert work.plan(1).months == ()


def test_a_second_run_goes_on_where_the_first_was_cut_off(deployed):
    deployment = deployed(budget={"usd_per_day": "50"})
    work = backfill_of(deployment)
    first = work.plan(2)
    work.run(type(first)(first.months[:1], 0), lambda *_: None)
    again = backfill_of(deployment).plan(2)
    assert (again.months, again.done) == (((date(2026, 2, 1), date(2026, 2, 28)),), 1)


def test_a_month_without_all_its_detail_is_not_done(deployed):
    deployment = deployed(budget={"usd_per_day": "0.10"})
    work = backfill_of(deployment)
    work.run(work.plan(1), lambda *_: None)
    assert len(backfill_of(deployment).plan(1).months) == 1
    assert Publisher(deployment.settings, deployment.clock).heads


def test_the_months_before_today():
    assert list(months_before(date(2026, 3, 31), 2)) == [
        (date(2026, 1, 1), date(2026, 1, 31)),
        (date(2026, 2, 1), date(2026, 2, 28)),
    ]


def test_what_polling_costs_is_known_before_it_begins():
    settings = load(
        cost_explorer={"enabled": True, "controls": False, "schedule": "0 */8 * * *"}, budget={"usd_per_month": "20"}
    )
    found = estimate(settings, Size(accounts=500, services=50, regions=5), datetime(2026, 3, 1, 1, tzinfo=UTC))
    totals, detail = found.items
    assert totals.cost == to_units("0.02") * 90
    # 50 services in 5 regions: by region it is 250 questions a poll, by account it would be 25,000.
    assert to_units("2.50") * 90 < detail.cost < to_units("2.70") * 90
    assert "Raise budget.usd_per_day" in found.text()


def test_a_small_organisation_fits_into_the_budget():
    settings = load(cost_explorer={"enabled": True, "schedule": "0 6 * * *"}, budget={"usd_per_month": "20"})
    found = estimate(settings, Size(accounts=2, services=10, regions=3), datetime(2026, 3, 1, tzinfo=UTC))
    assert "is enough for all of it" in found.text()


def test_runs_of_a_month():
    assert runs_a_month("*/5 * * * *", datetime(2026, 3, 1, tzinfo=UTC) - timedelta(seconds=1)) == 30 * 24 * 12
