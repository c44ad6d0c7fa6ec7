"""A bill that its source has divided itself, by a tag or cost category."""

from dataclasses import replace

from schemas.events import Event
from tests.api.serving import Serve
from tests.processors.histories import DAY, closes, statement

MARCH = "from=2026-02-01&to=2026-03-31&granularity=total"
SOURCE = "cost_explorer.tag:team"
VIEW = "tag:team"
TAGS = [{VIEW: "search"}, {VIEW: "(untagged)"}]
DIVIDED = replace(statement("EC2", 1, [("", "", 3), ("", "", 2)], source=SOURCE, tags=TAGS), view=VIEW, account="")
CLOSES: list[Event] = [replace(close, view=VIEW) for close in closes("v1", source=SOURCE)]
EVENTS: list[Event] = [statement("EC2", 1, [("r", "u", 5)]), *closes("r1"), DIVIDED, *CLOSES]


async def test_a_view_divides_the_bill_and_is_never_added_to_it(serve: Serve):
    async with serve(EVENTS) as api:
        whole = await (await api.get(f"/v1/costs?{MARCH}&group_by=source")).json()
        view = await (await api.get(f"/v1/costs?{MARCH}&group_by=view:tag:team")).json()
        search = await (await api.get(f"/v1/costs?{MARCH}&group_by=kind&filter.view:tag:team=search")).json()
        values = await (await api.get("/v1/dimensions/view:tag:team/values")).json()
    assert [row["cost"] for row in whole["rows"]] == ["5"]
    assert {row["view:tag:team"]: row["cost"] for row in view["rows"]} == {"(untagged)": "2", "search": "3"}
    assert [(row["kind"], row["cost"]) for row in search["rows"]] == [("usage", "3")]
    assert values["values"] == ["(untagged)", "search"]


async def test_a_view_says_with_what_it_cannot_be_combined(serve: Serve):
    async with serve([]) as api:
        for rest in (
            "group_by=view:tag:team,service",
            "group_by=view:tag:team&granularity=hour",
            "group_by=view:a,view:b",
        ):
            problem = await (await api.get(f"/v1/costs?from={DAY}&to={DAY}&{rest}")).json(
                content_type="application/problem+json"
            )
            assert problem["title"] == "a view stands alone"
