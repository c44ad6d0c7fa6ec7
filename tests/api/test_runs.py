"""A run has totals of its own; lines stand once."""

from datetime import timedelta

from schemas.events import Event, Run
from tests.api.serving import Serve, land, outputs_of
from tests.processors.histories import NOW, closes, statement

MARCH = "from=2026-02-01&to=2026-03-31&granularity=total"
EVENTS: list[Event] = [statement("EC2", 1, [("r", "u", 5)]), *closes("r1")]


def run(name: str, state) -> Run:
    return Run(
        id=name, state=state, steps=["ledger", "totals"], started_at=NOW, finished_at=NOW + timedelta(hours=1),
        from_offsets={}, to_offsets={}, events=1, note="",
    )  # fmt: skip


async def test_a_run_answers_by_its_totals_and_has_no_lines(serve: Serve):
    async with serve(EVENTS) as api:
        other: list[Event] = [statement("EC2", 1, [("r", "u", 7)]), *closes("r1")]
        land(api.settings, [run("april", "finished"), *outputs_of(api.settings, other, "april")])
        totals = await (await api.get(f"/v1/costs?{MARCH}&run=april")).json()
        windows = await (await api.get("/v1/rolling?run=april&level=organisation&window=d7")).json()
        lines = await api.get(f"/v1/costs?{MARCH}&run=april&group_by=region")
        problem = await lines.json(content_type="application/problem+json")
    assert [row["cost"] for row in totals["rows"]] == ["7"]
    assert [row["effective"] for row in windows["rows"]] == ["7"]
    assert (lines.status, problem["title"]) == (400, "a run has no lines")
    assert "leave out run" in problem["detail"]


async def test_a_run_that_does_not_exist_or_was_dropped_is_refused(serve: Serve):
    async with serve(EVENTS) as api:
        land(api.settings, [run("april", "dropped"), run("may", "finished")])
        for path in (f"/v1/costs?{MARCH}&run=april", "/v1/rolling?run=mai"):
            problem = await (await api.get(path)).json(content_type="application/problem+json")
            assert problem["title"] == "unknown run"
            assert "may" in problem["detail"]
        runs = await (await api.get("/v1/runs")).json()
    assert (runs["live"], len(runs["rows"])) == ("live", 2)


async def test_lines_follow_the_run_that_is_live(serve: Serve):
    async with serve(EVENTS, processing={"run": "april"}) as api:
        answer = await (await api.get(f"/v1/costs?{MARCH}&group_by=region&run=april")).json()
        before = await api.get(f"/v1/costs?{MARCH}&run=live")
    assert [row["cost"] for row in answer["rows"]] == ["5"]
    assert before.status == 200
