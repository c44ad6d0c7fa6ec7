"""What was told of reports, through the API: the newest first, each message once, page by page."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from schemas.events import CostReport, Event, ReportTotal
from tests.api.serving import Serve, land
from tests.schemas.examples import EXAMPLES

SEARCH = next(event for event in EXAMPLES if isinstance(event, CostReport))
WHOLE = replace(
    SEARCH, value=None, receiver="finops", sent_at=SEARCH.sent_at + timedelta(minutes=1),
    totals=[ReportTotal(currency="USD", amount=Decimal("1234.5")), ReportTotal(currency="EUR", amount=Decimal(12))],
)  # fmt: skip
CORRECTED = replace(WHOLE, number=1, stage="complete", sent_at=WHOLE.sent_at + timedelta(days=1))
LOST = replace(SEARCH, value="ops", receiver="away", state="expired", sent_at=SEARCH.sent_at - timedelta(minutes=1))
#: What the log says later of the same message, that its figures are final by now, comes first here.
EVENTS: list[Event] = [replace(SEARCH, stage="final"), SEARCH, WHOLE, CORRECTED, LOST]


@pytest.fixture
async def api(serve: Serve) -> AsyncIterator[Any]:
    async with serve([]) as client:
        land(client.settings, EVENTS)
        yield client


async def ask(api: Any, question: str = "") -> dict[str, Any]:
    answer = await api.get(f"/v1/reports?{question}")
    assert answer.status == 200, await answer.text()
    found: dict[str, Any] = await answer.json()
    return found


async def test_the_newest_comes_first_and_a_message_stands_once_with_how_final_it_is_now(api):
    rows = (await ask(api))["rows"]
    assert [(row["value"], row["receiver"], row["number"], row["state"], row["stage"]) for row in rows] == [
        ("", "finops", 1, "sent", "complete"),
        ("", "finops", 0, "sent", "provisional"),
        ("search", "on-call", 0, "sent", "final"),
        ("ops", "away", 0, "expired", "provisional"),
    ]
    assert rows[0]["totals"] == "1234.5 USD, 12 EUR"


@pytest.mark.parametrize(
    ("question", "receivers"),
    [("value=ops", ["away"]), ("value=", ["finops", "finops"]), ("state=expired", ["away"]), ("report=none", [])],
)
async def test_what_was_told_is_chosen(api, question, receivers):
    assert [row["receiver"] for row in (await ask(api, question))["rows"]] == receivers


async def test_pages_hold_each_once(api):
    first = await ask(api, "limit=3")
    rest = await ask(api, f"limit=3&cursor={first['next_cursor']}")
    assert [row["receiver"] for page in (first, rest) for row in page["rows"]] == [
        "finops", "finops", "on-call", "away",
    ]  # fmt: skip
    assert (await api.get("/v1/reports?cursor=WyJ4IiwieSJd")).status == 400
