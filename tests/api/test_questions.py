"""Questions made from the API's own description: each answer is as described, none is a fault."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
import schemathesis
from aiohttp import web
from hypothesis import HealthCheck, assume, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api import openapi
from api.app import make_app
from schemas.events import Event
from sinks.migrate import migrate
from spendstream.clock import ManualClock
from spendstream.settings import load
from tests.api.serving import land, outputs_of
from tests.processors.histories import NOW, closes, statement

EVENTS: list[Event] = [statement("EC2", 1, [("r", "u", 5)], tags=[{"team": "search"}]), *closes("r1")]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
#: A longer address is refused by aiohttp, before the API sees it.
LONGEST_LINE = 8000
SCHEMA = schemathesis.openapi.from_dict(openapi.document())


@pytest.fixture(scope="module")
def address(clickhouse) -> Iterator[str]:
    """Serve from a thread: the questions come from blocking code."""
    made = load(clickhouse={"url": clickhouse.url, "database": "questions"}, api={"cache_seconds": 0})
    migrate(made.clickhouse)
    land(made, [*EVENTS, *outputs_of(made, EVENTS)])
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(make_app(made, ManualClock(NOW)), access_log=None)
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@SCHEMA.parametrize()
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_question_gets_an_answer_as_described(case, address):
    response = case.call(base_url=address)
    assume(len(response.request.url) < LONGEST_LINE)
    case.validate_response(response, checks=CHECKS)
