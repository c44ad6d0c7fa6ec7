"""Reconciliation with a source's own answers over a longer time."""

from datetime import date
from decimal import Decimal

from schemas.events import SourceControl
from tests.api.serving import Serve, land
from tests.processors.histories import NOW, closes, statement


def control(what, last_day: date, billed: str, **options) -> SourceControl:
    return SourceControl(
        source="cost_explorer", provider="AWS", billing_account="payer", control=what, first_day=date(2026, 3, 1),
        last_day=last_day, currency="USD", billed=Decimal(billed), estimated=True, read_at=NOW, version=1, **options,
    )  # fmt: skip


async def test_a_months_answer_and_a_forecast_stand_beside_what_is_held(serve: Serve):
    bounds = {"lower": Decimal(80), "upper": Decimal(120)}
    async with serve([statement("EC2", 1, [("r", "u", 5)]), *closes("r1")]) as api:
        land(
            api.settings,
            [control("month", date(2026, 3, 9), "4.5"), control("forecast", date(2026, 3, 31), "100", **bounds)],
        )
        forecast, month = (await (await api.get("/v1/reconciliation")).json())["controls"]
    assert (month["held_billed"], month["difference_billed"], month["complete"]) == ("5", "0.5", True)
    assert (forecast["said_billed"], forecast["lower"], forecast["upper"]) == ("100", "80", "120")
    assert (forecast["held_billed"], forecast["complete"]) == ("5", False)
    assert "difference_billed" not in forecast, "what is still to come is no difference"


async def test_a_forecast_of_days_that_are_over_is_compared(serve: Serve):
    async with serve([statement("EC2", 1, [("r", "u", 5)]), *closes("r1")]) as api:
        land(api.settings, [control("forecast", date(2026, 3, 9), "4")])
        (row,) = (await (await api.get("/v1/reconciliation")).json())["controls"]
    assert (row["complete"], row["difference_billed"]) == (True, "1")
