"""Runs: the live one and its replays."""

from typing import Any

from api.answers import RunsAnswer
from api.formats import dicts
from api.parameters import Parameters
from api.problems import unknown
from api.route import Answer, Question, Route

_COLUMNS = ("run", "state", "steps", "started_at", "finished_at", "events", "note")
_FIRST_RUN = "live"


async def runs(question: Question[Parameters]) -> Answer:
    """Answer with every run, the newest first."""
    rows = await question.database.rows(f"SELECT {', '.join(_COLUMNS)} FROM runs FINAL ORDER BY started_at DESC, run")  # noqa: S608
    return {"live": question.settings.processing.run, "rows": dicts(_COLUMNS, rows)}


async def known_run(question: Question[Any], run: str | None) -> str:
    """Return the run whose totals are asked for; the live one when none is named.

    Raises
    ------
    Problem
        400, when there is no such run, or it was dropped.
    """
    live = question.settings.processing.run
    if run is None or run == live:
        return live
    found = await question.database.rows("SELECT run FROM runs FINAL WHERE state != 'dropped' ORDER BY started_at DESC")
    names = list(dict.fromkeys([live, _FIRST_RUN, *(str(row[0]) for row in found)]))
    if run not in names:
        raise unknown("run", run, names)
    return run


ROUTE = Route("/v1/runs", "Replays, and the live run.", Parameters, RunsAnswer, runs)
