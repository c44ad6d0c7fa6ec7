"""What answers may show, by day totals and by lines alike: the source of record, closed readings, one currency."""

import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.api.serving import opened
from tests.processors.histories import DAY, NOW, closes, statement

MARCH = "from=2026-02-01&to=2026-03-31&granularity=total"


async def cost(api: Any, query: str = "") -> dict[tuple[str, ...], str]:
    answer = await api.get(f"/v1/costs?{MARCH}&{query}")
    assert answer.status == 200, await answer.text()
    rows = (await answer.json())["rows"]
    return {tuple(v for k, v in row.items() if k not in {"period", "cost"}): row["cost"] for row in rows}


async def test_where_two_sources_tell_of_one_account_only_the_one_of_record_is_shown(serve):
    later = DAY + timedelta(days=1)
    events = [
        statement("EC2", 1, [("r", "u", 5)], day=DAY),
        statement("EC2", 1, [("r", "u", 50)], day=later),
        statement("EC2", 2, [("r", "u", 600)], day=DAY, source="focus.main"),
        statement("EC2", 2, [("r", "u", 6000)], day=later, source="focus.main"),
        *closes("r1", closed_through=later),
        *closes("r1", source="focus.main", closed_through=later),
    ]
    rules = [
        {"billing_account": "payer", "source": "cost_explorer"},
        {"billing_account": "payer", "source": "focus.main", "first_day": str(later)},
    ]
    async with serve(events, ledger={"of_record": rules}) as api:
        expected = "6005"
        assert await cost(api) == {("USD",): expected}
        assert await cost(api, "group_by=region") == {("USD", "r"): expected}
        assert await cost(api, "group_by=source") == {("USD", "cost_explorer"): "5", ("USD", "focus.main"): "6000"}
        assert await cost(api, f"as_of={NOW + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}") == {("USD",): expected}


async def test_a_reading_that_has_not_closed_shows_in_no_answer(serve):
    tomorrow = NOW + timedelta(hours=1)
    events = [
        statement("EC2", 1, [("r", "u", 5)]),
        statement("S3", 1, [("r", "u", 7)]),
        *closes("r1"),
        replace(statement("EC2", 2, [("r", "u", 500)], reading="r2"), read_at=tomorrow),
    ]
    async with serve([*events, opened("r2", tomorrow)]) as api:
        assert await cost(api, "group_by=service") == {("USD", "EC2"): "5", ("USD", "S3"): "7"}
        assert await cost(api, "group_by=service,region") == {("USD", "EC2", "r"): "5", ("USD", "S3", "r"): "7"}
        assert await cost(api, f"as_of={tomorrow + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}") == {("USD",): "12"}
    closed = [replace(close, opened_at=tomorrow, closed_at=tomorrow) for close in closes("r2")]
    async with serve([*events, *closed]) as api:
        assert await cost(api, "group_by=service,region") == {("USD", "EC2", "r"): "500", ("USD", "S3", "r"): "7"}
        assert await cost(api, f"as_of={NOW + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}") == {("USD",): "12"}


async def test_currencies_stay_apart_and_hours_are_told(serve):
    dollars = replace(statement("EC2", 1, [("r", "u", 5), ("r", "u", 3)]), hour=[4, 23])
    euros = replace(statement("S3", 1, [("r", "u", 7)]), currency="EUR")
    async with serve([dollars, euros, *closes("r1")]) as api:
        assert await cost(api) == {("EUR",): "7", ("USD",): "8"}
        assert await cost(api, "group_by=region&currency=EUR") == {("EUR", "r"): "7"}
        rows = (await (await api.get(f"/v1/costs?from={DAY}&to={DAY}&granularity=hour")).json())["rows"]
        assert [(row["period"], row["cost"]) for row in rows] == [
            ("2026-03-09T04:00:00+00:00", "5"),
            ("2026-03-09T23:00:00+00:00", "3"),
        ]


async def test_a_filter_given_twice_keeps_both(serve):
    events = [statement(name, 1, [("r", "u", n)]) for name, n in (("EC2", 1), ("S3", 2), ("RDS", 4))]
    async with serve([*events, *closes("r1")]) as api:
        assert await cost(api, "filter.service=EC2&filter.service=S3") == {("USD",): "3"}
        assert await cost(api, "filter.service=!EC2&filter.service=!S3") == {("USD",): "4"}
        mixed = await api.get(f"/v1/costs?{MARCH}&filter.service=EC2&filter.service=!S3")
        assert "both keeps and leaves out" in (await mixed.json(content_type="application/problem+json"))["detail"]


async def test_reconciliation_shows_a_currency_that_the_source_does_not_name(serve):
    events = [
        statement("EC2", 1, [("r", "u", 5)]),
        replace(statement("S3", 1, [("r", "u", 7)]), currency="EUR"),
        *closes("r1"),
    ]
    async with serve(events) as api:
        rows = (await (await api.get("/v1/reconciliation")).json())["readings"]
        assert [
            (row["currency"], row["said_billed"], row["held_billed"], row["difference_billed"]) for row in rows
        ] == [
            ("EUR", "0", "7", "7"),
            ("USD", "0", "5", "5"),
        ]


async def test_pages_of_rolling_windows_hold_every_row_once(serve):
    async with serve([statement("EC2", 1, [("r", "u", 5)]), *closes("r1")]) as api:
        whole = (await (await api.get("/v1/rolling")).json())["rows"]
        found, cursor = [], ""
        while cursor is not None:
            page = await (await api.get(f"/v1/rolling?limit=3{cursor and '&cursor='}{cursor}")).json()
            found += page["rows"]
            cursor = page["next_cursor"]
        assert found == whole
        assert len(whole) > 3


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (f"/v1/costs?{MARCH}&cursor=W10=", "send next_cursor"),
        (f"/v1/costs?{MARCH}&group_by=service&cursor=WyIyMDI2LTAyLTAxIl0=", "send next_cursor"),
        ("/v1/costs?from=1776-07-04&to=2026-01-01", "choose a day from 1970-01-01"),
        ("/v1/costs?from=2026-01-01&to=2400-01-01", "choose a day from 1970-01-01"),
        (f"/v1/costs?{MARCH}&as_of=9999-12-31T23:59:59Z", "as_of: choose a time"),
        (f"/v1/costs?{MARCH}&measure=billed&measure=effective", "measure is given 2 times"),
        ("/v1/rolling?limit=0", "limit: Input should be greater"),
        ("/v1/rolling?limit=²", "limit: Input should be a valid integer"),
        ("/v1/rolling?cursor=W10=", "send next_cursor"),
        ("/v1/rolling?window=d7&window=d30", "window is given 2 times"),
    ],
)
async def test_a_bad_question_is_no_fault_of_the_service(serve, path, says):
    async with serve([]) as api:
        answer = await api.get(path)
        problem = await answer.json(content_type="application/problem+json")
        assert (answer.status, says in problem["detail"]) == (400, True), problem


async def test_an_unexpected_error_is_a_problem_and_is_counted(serve, monkeypatch):
    async with serve([]) as api:
        monkeypatch.setattr("api.costs.sql", lambda *_: 1 / 0)
        answer = await api.get(f"/v1/costs?{MARCH}")
        assert answer.status == 500
        assert (await answer.json(content_type="application/problem+json"))["title"] == "a fault of this service"
        assert 'status="500"' in await (await api.get("/metrics")).text()


async def test_an_empty_parquet_file_has_the_columns_of_a_full_one(serve):
    async with serve([]) as api:
        body = await (await api.get(f"/v1/costs?{MARCH}&format=parquet")).read()
        assert pq.read_schema(io.BytesIO(body)).field("period").type == pa.date32()


async def test_one_of_several_etags_is_enough(serve):
    async with serve([]) as api:
        etag = (await api.get(f"/v1/costs?{MARCH}")).headers["ETag"]
        again = await api.get(f"/v1/costs?{MARCH}", headers={"If-None-Match": f'"other", W/{etag}'})
        assert again.status == 304
