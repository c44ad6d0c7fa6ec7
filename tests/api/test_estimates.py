"""Estimates through the API: the newest day first, the newest version only, page by page."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from schemas.events import CostEstimate, Event
from tests.api.serving import Serve, land
from tests.processors.histories import DAY
from tests.schemas.examples import EXAMPLES

EXAMPLE = next(event for event in EXAMPLES if isinstance(event, CostEstimate))
TODAY = replace(EXAMPLE, day=DAY, service="EC2", version=5, so_far=Decimal("12.5"), billed=None)
S3 = replace(TODAY, service="S3", account="222")
BEFORE = replace(TODAY, day=DAY - timedelta(days=1), billed=Decimal("23.9"))
EVENTS: list[Event] = [replace(TODAY, version=4, so_far=Decimal(1)), TODAY, S3, BEFORE]


@pytest.fixture
async def api(serve: Serve) -> AsyncIterator[Any]:
    async with serve([]) as client:
        land(client.settings, EVENTS)
        yield client


async def rows(api: Any, question: str = "") -> list[dict[str, Any]]:
    answer = await api.get(f"/v1/estimates?{question}")
    assert answer.status == 200, await answer.text()
    found: list[dict[str, Any]] = (await answer.json())["rows"]
    return found


async def test_the_newest_day_comes_first_and_the_newest_version_stays(api):
    found = await rows(api)
    assert [(row["day"], row["service"], row["billed"]) for row in found] == [
        (str(DAY), "EC2", None),
        (str(DAY), "S3", None),
        (str(BEFORE.day), "EC2", "23.9"),
    ]
    assert (found[0]["so_far"], found[0]["coverage"]) == ("12.5", 0.8)


@pytest.mark.parametrize(
    ("question", "services"),
    [("account=222", ["S3"]), (f"to={BEFORE.day}", ["EC2"]), (f"from={DAY}&service=S3", ["S3"]), ("currency=EUR", [])],
)
async def test_estimates_are_chosen(api, question, services):
    assert [row["service"] for row in await rows(api, question)] == services


async def test_pages_follow_each_other(api):
    first = await (await api.get("/v1/estimates?limit=2")).json()
    rest = await (await api.get(f"/v1/estimates?limit=2&cursor={first['next_cursor']}")).json()
    assert [row["day"] for row in rest["rows"]] == [str(BEFORE.day)]
    assert rest["next_cursor"] is None


async def test_a_cursor_of_another_list_is_told(api):
    answer = await api.get("/v1/estimates?cursor=nonsense")
    assert answer.status == 400
