"""Costs by the values of a tag: of a view of Cost Explorer, and of lines, each apart from the other."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from schemas.events import Event
from tests.processors.histories import DAY, closes, statement

PERIOD = "from=2026-02-01&to=2026-03-31"
VIEW = "tag:team"


def of_view(service: str, lines: Sequence[tuple[str, int]], **options: Any) -> Event:
    """A statement of the view, with (value, dollars)."""
    made = statement(
        service, 1, [("", "", dollars) for _, dollars in lines], account="", source=f"cost_explorer.{VIEW}",
        tags=[{VIEW: value} for value, _ in lines], **options,
    )  # fmt: skip
    return replace(made, view=VIEW)


EVENTS: list[Event] = [
    statement("EC2", 1, [("r", "u", 10)], tags=[{"team": "of lines"}]),
    *closes("r1"),
    of_view("EC2", [("search", 7), ("(untagged)", 2)]),
    of_view("S3", [("search", 1)], day=DAY - timedelta(days=20)),
    *(replace(close, view=VIEW) for close in closes("r2", source=f"cost_explorer.{VIEW}")),
]


async def rows(api: Any, tag: str, query: str) -> list[tuple[str, ...]]:
    answer = await api.get(f"/v1/tags/{tag}?{PERIOD}&{query}")
    assert answer.status == 200, await answer.text()
    return [tuple(row.values()) for row in (await answer.json())["rows"]]


async def test_values_of_a_view_and_of_lines_stand_apart_and_beside_the_bill(serve):
    async with serve(EVENTS, ledger={"tags": ["team"]}) as api:
        assert await rows(api, VIEW, "granularity=total") == [
            ("2026-02-01", "USD", "(untagged)", "2"),
            ("2026-02-01", "USD", "search", "8"),
        ]
        assert await rows(api, "team", "granularity=total") == [("2026-02-01", "USD", "of lines", "10")]
        whole = await (await api.get(f"/v1/costs?{PERIOD}&granularity=total")).json()
        assert [row["cost"] for row in whole["rows"]] == ["10"]


async def test_periods_follow_one_another_and_pages_go_on(serve):
    async with serve(EVENTS) as api:
        expected = [
            ("2026-02-01", "USD", "search", "1"),
            ("2026-03-01", "USD", "(untagged)", "2"),
            ("2026-03-01", "USD", "search", "7"),
        ]
        assert await rows(api, VIEW, "granularity=month") == expected
        found, cursor = [], ""
        for _ in expected:
            answer = await (await api.get(f"/v1/tags/{VIEW}?{PERIOD}&granularity=month&limit=1{cursor}")).json()
            found += [tuple(row.values()) for row in answer["rows"]]
            cursor = f"&cursor={answer['next_cursor']}"
        assert (found, answer["next_cursor"]) == (expected, None)
        csv = await (await api.get(f"/v1/tags/{VIEW}?{PERIOD}&granularity=month&format=csv")).text()
        assert csv.splitlines()[:2] == ["period,currency,value,cost", "2026-02-01,USD,search,1"]


async def test_a_period_without_cost_is_empty_and_a_mistaken_tag_is_told_with_the_likely_one(serve):
    async with serve(EVENTS) as api:
        empty = await api.get(f"/v1/tags/{VIEW}?from=2025-01-01&to=2025-01-02")
        assert (empty.status, (await empty.json())["rows"]) == (200, [])
        mistaken = await api.get(f"/v1/tags/teams?{PERIOD}")
        assert mistaken.status == 400
        assert "did you mean tag:team?" in (await mistaken.json())["detail"]


async def test_a_tag_without_totals_is_told_with_what_to_do(serve):
    async with serve([]) as api:
        none = await api.get(f"/v1/tags/team?{PERIOD}")
        assert none.status == 404
        assert "cost_explorer.view_tags" in (await none.json())["detail"]
