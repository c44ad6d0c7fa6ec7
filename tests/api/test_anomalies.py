"""Incidents through the API: chosen, paged, one by one."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from schemas.events import Contributor, CostAnomaly, CostStatement, Event
from tests.api.serving import Serve, land
from tests.processors.histories import DAY, UNIT, closes, statement
from tests.schemas.examples import EXAMPLES

EXAMPLE = next(event for event in EXAMPLES if isinstance(event, CostAnomaly))
EC2 = replace(
    EXAMPLE,
    id="ec2",
    state="updated",
    series="USD/provider=AWS/account=111/service=EC2",
    day=DAY,
    hour=None,
    score=9.0,
    impact_so_far=Decimal("-120.5"),
    contributors=[Contributor(series="USD/provider=AWS/account=111/service=EC2/region=us-east-1", share=0.75)],
)
S3 = replace(EC2, id="s3", state="closed", series="USD/provider=AWS/service=S3", day=DAY - timedelta(days=1), score=4.0)
OLD = replace(S3, id="old", state="withdrawn", series="EUR", currency="EUR", impact_so_far=Decimal(3))
EVENTS: list[Event] = [replace(EC2, version=1, state="open"), EC2, S3, OLD]


@pytest.fixture
async def api(serve: Serve) -> AsyncIterator[Any]:
    async with serve([]) as client:
        land(client.settings, EVENTS)
        yield client


async def ids(api: Any, question: str = "") -> list[str]:
    answer = await api.get(f"/v1/anomalies?{question}")
    assert answer.status == 200, await answer.text()
    return [row["id"] for row in (await answer.json())["rows"]]


async def test_the_newest_day_comes_first_and_a_newer_version_replaces(api):
    rows = (await (await api.get("/v1/anomalies")).json())["rows"]
    assert [(row["id"], row["state"]) for row in rows] == [("ec2", "updated"), ("old", "withdrawn"), ("s3", "closed")]
    assert (rows[0]["level"], rows[0]["account"], rows[0]["impact_so_far"]) == ("account_service", "111", "-120.5")


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("state=open", ["ec2"]),
        ("state=closed", ["s3"]),
        ("service=S3", ["s3"]),
        ("account=111&kind=usage", ["ec2"]),
        ("level=organisation&currency=EUR", ["old"]),
        (f"from={DAY}", ["ec2"]),
        (f"to={DAY - timedelta(days=1)}", ["old", "s3"]),
        ("min_score=5", ["ec2"]),
        ("min_impact=100", ["ec2", "s3"]),
    ],
)
async def test_incidents_are_chosen(api, question, found):
    assert await ids(api, question) == found


async def test_pages_hold_every_incident_once(api):
    first = await (await api.get("/v1/anomalies?limit=2")).json()
    rest = await (await api.get(f"/v1/anomalies?limit=2&cursor={first['next_cursor']}")).json()
    assert [row["id"] for page in (first, rest) for row in page["rows"]] == ["ec2", "old", "s3"]
    assert rest["next_cursor"] is None


async def test_one_incident_tells_what_carries_it(api):
    told = await (await api.get("/v1/anomalies/ec2")).json()
    assert told["contributors"] == [{"series": EC2.contributors[0].series, "share": 0.75}]
    assert told["alike"] == [
        {"id": "a0", "series": "USD", "since": "2026-03-09", "likeness": 0.8, "verdict": "expected"},
    ]
    assert (told["score"], told["since"]) == (9.0, EC2.since.date().isoformat())


async def test_an_incident_that_is_not_there_is_told_as_such(api):
    answer = await api.get("/v1/anomalies/nothing")
    assert (answer.status, (await answer.json(content_type=None))["title"]) == (404, "no such anomaly")


async def test_incidents_can_be_had_as_a_file(api):
    text = await (await api.get("/v1/anomalies?format=csv&state=open")).text()
    assert text.splitlines()[1].startswith("ec2,updated,")


def metered(day: date, cost: int, quantity: int, reading: str) -> CostStatement:
    """Return what a day's instances cost, and for how many hours they ran."""
    made = statement("EC2", 1, [("us-east-1", "BoxUsage", cost)], day=day, reading=reading)
    return replace(made, quantity=[quantity * UNIT], quantity_absent=[], details=["", "Hrs"], unit=[1])


@pytest.mark.parametrize(
    ("cost", "quantity", "cause", "change"),
    [(20, 200, "usage", {"usage": "10.00", "rate": "0.00"}), (20, 100, "rate", {"usage": "0.00", "rate": "10.00"})],
)
async def test_one_anomaly_says_whether_usage_or_rate_changed(serve: Serve, cost, quantity, cause, change):
    days = [metered(DAY - timedelta(days=back), 10, 100, "r1") for back in range(1, 8)]
    since = datetime.combine(DAY, time(), UTC)
    found = replace(EC2, kind=0, cause="unknown", since=since)
    async with serve([*days, metered(DAY, cost, quantity, "r1"), *closes("r1")]) as client:
        land(client.settings, [found])
        answer = await (await client.get("/v1/anomalies/ec2")).json()

    assert (answer["cause"], answer["change"]) == (cause, change)


async def test_without_lines_nobody_can_tell_usage_from_rate(api):
    answer = await (await api.get("/v1/anomalies/ec2")).json()

    assert answer["change"] is None


def _costs(day: date, *, rise: int = 0) -> list[Event]:
    """Return what two services of three accounts cost on a day; `rise` dollars more in each of account 222's."""
    return [
        statement(
            service, 1, [("", "", 40 + (rise if account == "222" else 0) + day.day % 2)], account=account, day=day
        )
        for account in ("111", "222", "333")
        for service in ("EC2", "S3")
    ]


#: Series → where below it two days' change lies, when account 222 rose as a whole.
CARRIED = {
    "USD": [
        ("USD/provider=AWS/account=222", 1.0),
        ("USD/provider=AWS/account=222/service=EC2", 0.5),
        ("USD/provider=AWS/account=222/service=S3", 0.5),
    ],
    "USD/provider=AWS/service=S3": [("USD/provider=AWS/account=222/service=S3", 1.0)],
    "USD/provider=AWS/account=111": [],
    "EUR": [],
    "USD/tag=team/value=search": [],
}


async def test_of_a_level_above_an_accounts_service_it_is_told_where_below_it_the_change_lies(serve: Serve):
    before = [one for back in range(2, 16) for one in _costs(DAY - timedelta(days=back))]
    rise = [one for back in (0, 1) for one in _costs(DAY - timedelta(days=back), rise=60)]
    since = datetime.combine(DAY - timedelta(days=1), time(), UTC)
    risen = replace(EC2, kind=0, since=since, contributors=[])
    found = {}
    async with serve([*before, *rise, *closes("r1")]) as client:
        for number, series in enumerate(CARRIED):
            land(client.settings, [replace(risen, id=str(number), series=series, currency=series[:3])])
            found[series] = (await (await client.get(f"/v1/anomalies/{number}")).json())["contributors"]

    for series, carried in CARRIED.items():
        assert [one["series"] for one in found[series]] == [name for name, _ in carried]
        assert [one["share"] for one in found[series]] == pytest.approx([share for _, share in carried], abs=0.02)
