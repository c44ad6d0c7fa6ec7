"""`/v1/forecasts`: the newest of each series, or as it was on a day."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from schemas.events import CostForecast, Event
from tests.api.serving import Serve, land
from tests.schemas.examples import EXAMPLES, D

EXAMPLE = next(event for event in EXAMPLES if isinstance(event, CostForecast))
TOMORROW = replace(EXAMPLE, day=D + timedelta(days=1), version=9, row_mean=[33 * 10**18, 10**18])
EVENTS: list[Event] = [EXAMPLE, replace(EXAMPLE, version=8, row_mean=[32 * 10**18, 10**18]), TOMORROW]


@pytest.fixture
async def api(serve: Serve) -> AsyncIterator[Any]:
    async with serve([]) as client:
        land(client.settings, EVENTS)
        yield client


async def rows(api: Any, question: str = "") -> list[dict[str, Any]]:
    answer = await api.get(f"/v1/forecasts?{question}")
    assert answer.status == 200, await answer.text()
    return list((await answer.json())["rows"])


async def test_the_newest_forecast_of_each_series_is_told(api):
    first, second = await rows(api)

    assert (first["series"], first["kind"], first["horizon"], first["mean"]) == ("USD", "usage", "month", "33")
    assert (first["day"], first["ends"]) == (f"{TOMORROW.day}", "2026-03-31")
    assert (second["service"], second["horizon"], second["mean"]) == ("S3", "quarter", "1")


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("horizon=quarter", ["1"]),
        ("service=S3", ["1"]),
        (f"day={D}", ["32", "1"]),
        ("account=9", []),
        ("limit=1", ["33"]),
    ],
)
async def test_forecasts_are_chosen(api, question, found):
    assert [row["mean"] for row in await rows(api, question)] == found


async def test_pages_follow_one_another(api):
    page = await (await api.get("/v1/forecasts?limit=1")).json()

    following = await rows(api, f"limit=1&cursor={page['next_cursor']}")

    assert [row["series"] for row in following] == ["USD/provider=AWS/service=S3"]
