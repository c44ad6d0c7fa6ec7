"""A reading of one billing period announces nothing of another, though it covers all days."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from spendstream.clock import day_number
from tests.api.serving import Serve, opened
from tests.api.test_moments import FIRST, LATER, SECOND, shown
from tests.processors.histories import closes


@pytest.mark.parametrize(("period", "cost"), [(date(2026, 4, 1), "5"), (date(2026, 3, 1), "500")])
async def test_what_an_open_reading_brought_waits_for_a_close_of_its_billing_period(serve: Serve, period, cost):
    last = LATER + timedelta(hours=1)
    third = [
        replace(close, opened_at=last, closed_at=last, billing_periods=[day_number(period)]) for close in closes("r3")
    ]
    async with serve([*FIRST, SECOND, opened("r2", LATER), *third]) as api:
        assert await shown(api) == (cost, cost)
