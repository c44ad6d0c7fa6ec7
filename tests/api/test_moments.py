"""Between tables that land one after the other: lines and totals tell the same at every moment."""

from dataclasses import replace
from datetime import timedelta

from schemas.events import CostAggregate, Event
from spendstream.money import from_units
from tests.api.serving import Serve, land, opened, outputs_of
from tests.processors.histories import DAY, NOW, closes, statement

MARCH = "from=2026-02-01&to=2026-03-31&granularity=total"
LATER = NOW + timedelta(hours=1)
FIRST: list[Event] = [statement("EC2", 1, [("r", "u", 5)]), *closes("r1")]
SECOND = replace(statement("EC2", 2, [("r", "u", 500)], reading="r2"), read_at=LATER)
SECOND_CLOSES = [replace(close, opened_at=LATER, closed_at=LATER) for close in closes("r2")]


async def shown(api) -> tuple[str, str]:
    """Return the cost by totals and by lines."""
    found = []
    for dimension in ("service", "region"):
        (row,) = (await (await api.get(f"/v1/costs?{MARCH}&group_by={dimension}")).json())["rows"]
        found.append(row["cost"])
    return found[0], found[1]


async def test_lines_and_totals_move_together_when_the_last_partition_has_announced(serve: Serve):
    async with serve(FIRST) as api:
        aggregates = outputs_of(api.settings, [*FIRST, SECOND, *SECOND_CLOSES])[-4:]
        assert {event.reading for event in aggregates} == {"r2"}
        assert await shown(api) == ("5", "5")
        land(api.settings, [SECOND])
        assert await shown(api) == ("5", "5"), "a statement whose reading nobody has heard of yet"
        land(api.settings, [opened("r2", LATER), *SECOND_CLOSES])
        assert await shown(api) == ("5", "5"), "a close whose totals are not there yet"
        holding = [event for event in aggregates if tells_of(event, "USD/provider=AWS/service=EC2")]
        land(api.settings, [event for event in aggregates if event not in holding])
        assert await shown(api) == ("5", "5"), "totals of which the last is not there yet"
        land(api.settings, holding)
        assert await shown(api) == ("500", "500")


def tells_of(event: CostAggregate, series: str) -> bool:
    return series in event.series


async def test_a_reading_that_never_closes_shows_only_where_a_later_one_covers_its_days(serve: Serve):
    old = DAY - timedelta(days=30)
    dead = [
        replace(statement("EC2", 2, [("r", "u", dollars)], day=day, reading="dead"), read_at=LATER)
        for day, dollars in ((old, 100), (DAY, 1000))
    ]
    last = LATER + timedelta(hours=1)
    closing = closes("r3", first_day=DAY, last_day=DAY)
    events = [*FIRST, *dead, *(replace(close, opened_at=last, closed_at=last) for close in closing)]
    async with serve([*events, opened("dead", LATER)]) as api:
        assert await shown(api) == ("1000", "1000")


async def test_what_was_known_follows_what_was_announced(serve: Serve):
    async with serve([*FIRST, SECOND]) as api:
        land(api.settings, SECOND_CLOSES)
        as_of = f"as_of={LATER + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
        answer = await (await api.get(f"/v1/costs?{MARCH}&{as_of}")).json()
        assert [row["cost"] for row in answer["rows"]] == ["5"]


async def test_values_and_reconciliation_leave_out_what_is_not_announced(serve: Serve):
    new = replace(statement("Athena", 1, [("moon", "u", 9)], reading="r2"), read_at=LATER)
    async with serve([*FIRST, opened("r2", LATER)]) as api:
        land(api.settings, [SECOND, new])
        assert await values(api, "service") == ["EC2"]
        assert await values(api, "region") == ["r"]
        (reading,) = (await (await api.get("/v1/reconciliation")).json())["readings"]
        assert (reading["reading"], reading["held_effective"]) == ("r1", "5")


async def values(api, dimension: str) -> list[str]:
    found: list[str] = (await (await api.get(f"/v1/dimensions/{dimension}/values")).json())["values"]
    return found


async def test_values_are_those_of_the_source_of_record(serve: Serve):
    other = statement("EC2", 1, [("mars", "u", 7)], source="focus.main")
    rule = {"billing_account": "payer", "source": "cost_explorer"}
    async with serve([*FIRST, other, *closes("r1", source="focus.main")], ledger={"of_record": [rule]}) as api:
        assert await values(api, "region") == ["r"]
        assert await values(api, "source") == ["cost_explorer"]
        (against,) = (await (await api.get("/v1/reconciliation")).json())["sources"]
        assert (against["source"], against["of_record"], against["month"]) == (
            "focus.main",
            "cost_explorer",
            "2026-03-01",
        )
        assert (against["said_effective"], against["held_effective"]) == ("7", "5")
        assert against["difference_effective"] == "-2"


async def test_freshness_tells_what_is_announced(serve: Serve):
    async with serve(FIRST) as api:
        land(api.settings, [opened("r2", LATER), *SECOND_CLOSES])
        (book,) = (await (await api.get("/v1/freshness")).json())["rows"]
        assert (book["last_announced"], book["last_closed"]) == (NOW.isoformat(), LATER.isoformat())


async def test_an_amount_of_38_digits_stays_as_it_is(serve: Serve):
    units = 12345678901234567890_123456789012345678
    large = replace(statement("EC2", 1, [("r", "u", 1)]), billed=[units], effective=[units])
    async with serve([large, *closes("r1")]) as api:
        assert await shown(api) == (str(from_units(units)), "12345678901234567890.123456789012345678")
