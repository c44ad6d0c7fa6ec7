"""The read API on the real engine, its figures against sums that the test makes itself."""

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow.parquet as pq
import pytest
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from api.app import make_app
from processors.batch import BatchDriver
from processors.pipeline import steps
from schemas.events import Event, Run
from sinks.clickhouse import connect, insert
from sinks.rows import rows_of
from spendstream.clock import ManualClock
from spendstream.settings import load
from tests.processors.histories import DAY, NOW, closes, feed, statement

BILLS = [
    ("EC2", "111", date(2026, 2, 27), [("us-east-1", "BoxUsage", 3), ("eu-west-1", "BoxUsage", 4)]),
    ("EC2", "222", date(2026, 3, 2), [("us-east-1", "BoxUsage", 10)]),
    ("S3", "111", DAY, [("us-east-1", "Storage", 5), ("", "Tax", 1)]),
]
MARCH = "from=2026-02-01&to=2026-03-31"


@pytest.fixture(scope="module")
def settings(own_tables):
    settings = load(clickhouse=own_tables, api={"cache_seconds": 0})
    outputs = []
    events: list[Event] = [
        statement(service, 1, lines, account=account, day=day) for service, account, day, lines in BILLS
    ]
    events = [*events, *closes("r1")]
    feed(BatchDriver(steps(settings), lambda output: outputs.append(output.event)), events)
    store(settings, [*events, *outputs])
    return settings


@pytest.fixture
async def api(settings):
    async with TestClient(TestServer(make_app(settings, ManualClock(datetime(2026, 3, 10, tzinfo=UTC))))) as client:
        yield client


async def costs(api, query: str) -> dict[tuple[str, ...], str]:
    answer = await api.get(f"/v1/costs?{MARCH}&{query}")
    assert answer.status == 200, await answer.text()
    rows = (await answer.json())["rows"]
    return {tuple(v for k, v in row.items() if k not in {"currency", "cost"}): row["cost"] for row in rows}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("granularity=total", {("2026-02-01",): "23"}),
        ("granularity=month", {("2026-02-01",): "7", ("2026-03-01",): "16"}),
        ("granularity=quarter", {("2026-01-01",): "23"}),
        ("granularity=year", {("2026-01-01",): "23"}),
        ("granularity=total&group_by=service", {("2026-02-01", "EC2"): "17", ("2026-02-01", "S3"): "6"}),
        ("granularity=total&group_by=account", {("2026-02-01", "111"): "13", ("2026-02-01", "222"): "10"}),
        ("granularity=total&group_by=account&filter.service=EC2", {("2026-02-01", "111"): "7", ("2026-02-01", "222"): "10"}),
        ("granularity=total&filter.service=!EC2", {("2026-02-01",): "6"}),
        ("granularity=total&group_by=region", {("2026-02-01", ""): "1", ("2026-02-01", "eu-west-1"): "4", ("2026-02-01", "us-east-1"): "18"}),
        ("granularity=total&group_by=usage_type,kind&filter.account=111", {("2026-02-01", "BoxUsage", "usage"): "7", ("2026-02-01", "Storage", "usage"): "5", ("2026-02-01", "Tax", "usage"): "1"}),
        ("granularity=total&group_by=tag:team", {("2026-02-01", ""): "23"}),
        ("granularity=total&as_of=2026-03-10T13:00:00Z", {("2026-02-01",): "23"}),
        ("granularity=total&as_of=2026-03-10T11:00:00Z", {}),
    ],
)  # fmt: skip
async def test_costs_by_any_period_and_dimension_add_up(api, query, expected):
    assert await costs(api, query) == expected


async def test_pages_hold_every_row_once(api):
    whole = await costs(api, "group_by=service,account")
    found, cursor = {}, ""
    while True:
        answer = await (await api.get(f"/v1/costs?{MARCH}&group_by=service,account&limit=1{cursor}")).json()
        for row in answer["rows"]:
            key = (row["period"], row["service"], row["account"])
            assert key not in found
            found[key] = row["cost"]
        if answer["next_cursor"] is None:
            break
        cursor = f"&cursor={answer['next_cursor']}"
    assert found == whole


async def test_csv_and_parquet_hold_the_same_figures(api):
    csv = await (await api.get(f"/v1/costs?{MARCH}&granularity=total&group_by=service&format=csv")).text()
    assert csv.splitlines() == ["period,currency,service,cost", "2026-02-01,USD,EC2,17", "2026-02-01,USD,S3,6"]
    body = await (await api.get(f"/v1/costs?{MARCH}&granularity=total&group_by=service&format=parquet")).read()
    assert pq.read_table(io.BytesIO(body)).column("cost").to_pylist() == [Decimal(17), Decimal(6)]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/v1/costs", "from: Field required"),
        ("/v1/costs?from=x&to=2026-01-01", "from: Input should be a valid date"),
        ("/v1/costs?from=2026-02-01&to=2026-01-01", "swap them"),
        (f"/v1/costs?{MARCH}&granulrity=day", "did you mean granularity?"),
        (f"/v1/costs?{MARCH}&group_by=servic", "did you mean service?"),
        (f"/v1/costs?{MARCH}&group_by=service,service", "names a dimension twice"),
        (f"/v1/costs?{MARCH}&filter.sku=a", "'sku' is no dimension"),
        (f"/v1/costs?{MARCH}&as_of=2026-01-01T00:00:00", "as_of needs a zone"),
        (f"/v1/costs?{MARCH}&as_of=2020-01-01T00:00:00Z", "ask for a later as_of"),
        (f"/v1/costs?{MARCH}&cursor=zzz", "send next_cursor"),
        (f"/v1/costs?{MARCH}&limit=0", "limit: Input should be greater"),
        ("/v1/costs?from=2000-01-01&to=2026-01-01&group_by=resource", "shorten the period"),
        (f"/v1/costs?{MARCH}&group_by=service&format=csv&limit=1", "raise limit"),
        ("/v1/rolling?windw=d7", "did you mean window?"),
        ("/v1/dimensions/servce/values", "did you mean service or source?"),
    ],
)
async def test_a_bad_question_is_told_what_to_change(api, path, says):
    answer = await api.get(path)
    problem = await answer.json(content_type="application/problem+json")
    assert answer.status == 400
    assert says in problem["detail"]


async def test_rolling_freshness_reconciliation_and_values(api):
    rolling = await (await api.get("/v1/rolling?level=organisation&window=d30")).json()
    assert [(row["window_end"], row["effective"]) for row in rolling["rows"]] == [("2026-03-09", "23")]
    (book,) = (await (await api.get("/v1/freshness")).json())["rows"]
    assert (book["source"], book["closed_through"], book["open_readings"]) == ("cost_explorer", "2026-03-09", 0)
    assert (await api.get("/v1/reconciliation")).status == 200
    values = await (await api.get("/v1/dimensions/service/values?prefix=E")).json()
    assert values["values"] == ["EC2"]


async def test_an_answer_the_caller_has_is_not_sent_again(api):
    first = await api.get(f"/v1/costs?{MARCH}")
    again = await api.get(f"/v1/costs?{MARCH}", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, await again.read()) == (304, b"")


async def test_with_a_token_set_nobody_reads_without_it(settings):
    section = settings.api.model_copy(update={"token": SecretStr("s3cret")})
    app = make_app(settings.model_copy(update={"api": section}), ManualClock(datetime(2026, 3, 10, tzinfo=UTC)))
    async with TestClient(TestServer(app)) as client:
        assert (await client.get("/v1/freshness")).status == 401
        assert (await client.get("/v1/freshness", headers={"Authorization": "Bearer wrong"})).status == 401
        assert (await client.get("/v1/freshness", headers={"Authorization": "Bearer s3cret"})).status == 200
        for path in ("/healthz", "/docs", "/openapi.json"):
            assert (await client.get(path)).status == 200


async def test_without_clickhouse_the_api_says_so():
    settings = load(clickhouse={"url": "http://127.0.0.1:9"})
    app = make_app(settings, ManualClock(datetime(2026, 3, 10, tzinfo=UTC)))
    async with TestClient(TestServer(app)) as client:
        answer = await client.get("/v1/freshness")
        assert answer.status == 503
        assert (await answer.json(content_type="application/problem+json"))["title"] == "ClickHouse does not answer"


async def test_every_path_is_described(api):
    document = await (await api.get("/openapi.json")).json()
    served = {route.resource.canonical for route in api.server.app.router.routes() if route.resource is not None}
    served -= {"/openapi.json", "/docs", "/incidents", "/incidents/{id}", "/session", "/assets/incidents.css"}
    assert set(document["paths"]) == served


async def test_totals_are_those_of_the_run_that_is_live(api, settings):
    outputs: list[Event] = []
    events: list[Event] = [statement("EC2", 1, [("us-east-1", "BoxUsage", 99)]), *closes("r1")]
    feed(BatchDriver(steps(settings, "new"), lambda output: outputs.append(output.event)), events)
    promoted = Run(
        id="new", state="live", started_at=NOW, finished_at=NOW, from_offsets={}, to_offsets={}, events=1, note=""
    )
    before = await costs(api, "granularity=total")
    store(settings, [*outputs, promoted])
    after = await costs(api, "granularity=total")
    store(settings, [replace(promoted, state="retired", finished_at=NOW + timedelta(seconds=1))])
    back = await costs(api, "granularity=total")
    assert (before, after, back) == ({("2026-02-01",): "23"}, {("2026-02-01",): "99"}, before)


def store(settings, events: Sequence[Event]) -> None:
    with connect(settings.clickhouse) as client:
        for event in events:
            for batch in rows_of(event):
                insert(client, batch.table, batch.columns, batch.rows)
