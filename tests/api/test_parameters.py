"""No question, however odd, is a fault of the service."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from yarl import URL

from schemas.events import Event
from tests.api.serving import serving
from tests.processors.histories import closes, statement

#: One database serves all questions here, so all run in the loop that it is served from.
pytestmark = pytest.mark.asyncio(loop_scope="module")
MARCH = "from=2026-02-01&to=2026-03-31"
EVENTS: list[Event] = [statement("EC2", 1, [("r", "u", 5)], tags=[{"team": "search"}]), *closes("r1")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(own_tables) -> AsyncIterator[Any]:
    async with serving(own_tables, EVENTS) as client:
        yield client


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/v1/rolling?limit=" + "9" * 5000, "limit: "),
        (f"/v1/costs?{MARCH}&limit=" + "9" * 5000, "limit: "),
        ("/v1/dimensions/service/values?limit=" + "9" * 5000, "limit: "),
        ("/v1/rolling?cursor=" + cursor("[" * 5500), "send next_cursor"),
        (f"/v1/costs?{MARCH}&cursor=" + cursor("[" * 5500), "send next_cursor"),
        (f"/v1/resources?{MARCH}&cursor=" + cursor("[" * 5500), "send next_cursor"),
        (f"/v1/resources?{MARCH}&cursor=" + cursor('["USD","1e99999","","","","",""]'), "send next_cursor"),
        (f"/v1/resources?{MARCH}&cursor=" + cursor('["USD","NaN","","","","",""]'), "send next_cursor"),
        (f"/v1/costs?{MARCH}&cursor=" + cursor('["2026-02-01", {}]'), "send next_cursor"),
        (f"/v1/costs?{MARCH}&cursor=" + cursor('["2026-02-01", "\\ud800"]'), "send next_cursor"),
        (f"/v1/costs?{MARCH}&group_by=tag:", "'tag:' is no dimension"),
        (f"/v1/costs?{MARCH}&filter.tag:=x", "'tag:' is no dimension"),
        ("/v1/dimensions/tag:/values", "'tag:' is no dimension"),
        (f"/v1/costs?{MARCH}&filter.service=a%00b", "not UTF-8 text"),
        (f"/v1/costs?{MARCH}&currency=" + "U" * 2000, "currency: String should have at most"),
        (f"/v1/costs?{MARCH}&" + "x" * 3000 + "=1", "is no parameter"),
        (f"/v1/costs?{MARCH}&group_by=" + ",".join(f"tag:{n}" for n in range(30)), "group_by: "),
        (f"/v1/costs?{MARCH}&" + "&".join(f"filter.tag:{n}=1" for n in range(30)), "30 filters"),
        ("/v1/dimensions/region/values?from=2020-01-01", "shorten the period"),
        ("/v1/dimensions/region/values?to=0001-01-01", "choose a day from"),
        ("/v1/freshness?limit=1", "'limit' is no parameter; there are: none"),
    ],
)
async def test_what_is_too_long_or_no_text_is_refused(api, path, says):
    answer = await api.get(URL(path, encoded=True))
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, says in problem["detail"]) == (400, True), problem


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/costs?{MARCH}&filter.service=%ff%fe",
        f"/v1/costs?{MARCH}&filter.service=%5C%27%09%0A%0D%08",
        f"/v1/costs?{MARCH}&group_by=tag:%27%5C%27&filter.tag:%7Bx%7D=%7Bf0:String%7D",
        f"/v1/costs?{MARCH}&filter.description=" + "a" * 7000,
        f"/v1/costs?{MARCH}&filter.service=",
        "/v1/dimensions/tag:%27%5C/values?prefix=%25%5C",
    ],
)
async def test_odd_names_are_names(api, path):
    answer = await api.get(URL(path, encoded=True))
    assert answer.status == 200, await answer.text()


async def test_bytes_that_are_no_text_get_an_answer(api):
    # No client library sends these.
    reader, writer = await asyncio.open_connection("127.0.0.1", api.server.port)
    writer.write(b"GET /v1/costs?from=\xff\xfe&to=\xed\xa0\x80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    status = await reader.readline()
    writer.close()
    assert b" 400 " in status
