"""Questions made from the API's own description: each answer is as described, none is a fault."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api import openapi
from api.app import make_app
from api.dimensions import DIMENSIONS
from schemas.events import Event
from spendstream.clock import ManualClock
from tests.api import incidents
from tests.api.incidents import ANN, Noted
from tests.api.serving import land, outputs_of, served
from tests.processors.histories import DAY, NOW, closes, statement

EVENTS: list[Event] = [
    statement("EC2", 1, [("r", "u", 5), ("", "v", 7)], tags=[{"team": "search"}, {}]),
    statement("S3", 1, [("r", "u", -2)], account="222", day=DAY - timedelta(days=20)),
    *closes("r1"),
]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
#: A longer address is refused by aiohttp, before the API sees it.
LONGEST_LINE = 8000
CONFIG = SchemathesisConfig.from_dict({"phases": {"coverage": {"enabled": False}}})
SCHEMA = schemathesis.openapi.from_dict(openapi.document(), config=CONFIG)


@pytest.fixture(scope="module")
def address(own_tables, embedded_kafka) -> Iterator[str]:
    """Serve from a thread: the questions come from blocking code."""
    made = embedded_kafka.settings(clickhouse=own_tables, api={"cache_seconds": 0, "writers": {"ann": ANN}})
    land(made, [*EVENTS, *outputs_of(made, EVENTS), *incidents.EVENTS])
    with served(make_app(made, ManualClock(NOW), Noted())) as address:
        yield address


@SCHEMA.parametrize()
@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_question_gets_an_answer_as_described(case, address):
    response = case.call(base_url=address, headers={"Authorization": f"Bearer {ANN}"})
    assume(len(response.request.url) < LONGEST_LINE)
    case.validate_response(response, checks=CHECKS)


GROUPS = st.lists(st.sampled_from([*DIMENSIONS, "tag:team", "tag:'"]), unique=True, max_size=4)
PERIODS = st.sampled_from(["day", "month", "quarter", "year", "total"])


@given(groups=GROUPS, granularity=PERIODS, measure=st.sampled_from(["billed", "effective"]), then=st.booleans())
@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_however_costs_are_grouped_they_add_up_to_the_same(address, groups, granularity, measure, then):
    query = {"from": "2026-02-01", "to": "2026-03-31", "group_by": ",".join(groups), "granularity": granularity}
    as_of = {"as_of": NOW.isoformat()} if then else {}
    answer = requests.get(f"{address}/v1/costs", {**query, "measure": measure, **as_of}, timeout=60)
    assert answer.status_code == 200, answer.text
    rows = answer.json()["rows"]
    assert sum(Decimal(row["cost"]) for row in rows) == 10
    assert len({tuple(row[name] for name in ("period", *groups)) for row in rows}) == len(rows)
