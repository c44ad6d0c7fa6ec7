"""Formats by parameter and by the header Accept, and amounts as text."""

from decimal import Decimal

import pytest

from api.formats import MEDIA_TYPES, chosen, plain
from api.problems import Problem
from tests.api.serving import Serve

ALL = tuple(MEDIA_TYPES)
MARCH = "from=2026-02-01&to=2026-03-31"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "json"),
        ("", "json"),
        ("*/*", "json"),
        ("text/csv", "csv"),
        ("TEXT/CSV; charset=utf-8", "csv"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "json"),
        ("text/csv, */*", "csv"),
        ("application/*;q=0.5, text/csv;q=0.4", "json"),
        ("application/json;q=0.1, application/vnd.apache.parquet", "parquet"),
        ("text/csv;q=broken, application/json;q=0.2", "json"),
    ],
)
def test_the_format_that_is_most_welcome_is_sent(accept, expected):
    assert chosen(None, accept, ALL) == expected
    assert chosen("parquet", accept, ALL) == "parquet"


@pytest.mark.parametrize("accept", ["image/png", "text/csv;q=0", "application/json;q=0, text/html"])
def test_a_format_that_there_is_not_is_said_to_be_missing(accept):
    with pytest.raises(Problem) as problem:
        chosen(None, accept, ("json",))
    assert problem.value.status == 406
    assert "application/json" in problem.value.detail


async def test_answers_of_one_address_differ_by_accept_and_are_cached_apart(serve: Serve):
    async with serve([], api={"cache_seconds": 60}) as api:
        for _ in range(2):
            for media in MEDIA_TYPES.values():
                answer = await api.get(f"/v1/costs?{MARCH}", headers={"Accept": media})
                assert (answer.status, answer.content_type, answer.headers["Vary"]) == (200, media, "Accept")
        assert (await api.get("/v1/freshness", headers={"Accept": "text/csv"})).status == 406


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("12345678901234567890.123456789012345678", "12345678901234567890.123456789012345678"),
        ("-0.000000000000000001", "-0.000000000000000001"),
        ("100.000", "100"),
        ("100", "100"),
        ("-0.000", "0"),
        ("1E+3", "1000"),
    ],
)
def test_an_amount_is_text_to_its_last_digit(amount, expected):
    assert plain(Decimal(amount)) == expected
