"""`spendstream replay`: recorded input through the steps once more."""

import logging
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from spendstream import settings as configuration
from spendstream.cli.terminal import AsJson, group, plainly, print_json
from spendstream.clock import SystemClock
from spendstream.settings import Settings
from spendstream.telemetry import configure

app = group("Recorded input through the steps once more, beside the live pipeline. See docs/replay.md.")

_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]
_LOG_SECONDS = 5.0

log = logging.getLogger(__name__)

RunId = Annotated[str, typer.Argument(help="Id of the run; `spendstream replay list` names all.")]


@app.command("run")
@plainly
def run(
    run: Annotated[str, typer.Argument(help="Id of the new run, as new-tags.")],
    since: Annotated[datetime | None, typer.Option("--from", formats=_TIMES, help="First time, UTC.")] = None,
    until: Annotated[datetime | None, typer.Option("--to", formats=_TIMES, help="Time after the last, UTC.")] = None,
    first: Annotated[
        str, typer.Option("--from-offsets", help="First offsets, as 0:1200,1:1180 (partition:offset).")
    ] = "",
    last: Annotated[str, typer.Option("--to-offsets", help="Offsets after the last, in the same form.")] = "",
    steps: Annotated[str, typer.Option(help="Steps that run, as ledger,totals; by default all.")] = "",
    of: Annotated[
        str | None, typer.Option(metavar="RUN", help="Run whose events a later step reads; by default the live one.")
    ] = None,
    note: Annotated[str, typer.Option(help="What it is for.")] = "",
    as_json: AsJson = False,
) -> None:
    """Replay recorded events into a run of its own; one that was cut short is run again under the same id."""
    from spendstream.replay import Replay  # noqa: PLC0415 - keeps other commands quick
    from spendstream.replay_input import Range, offsets_by_partition  # noqa: PLC0415

    settings = configuration.load()
    only = [name.strip() for name in steps.split(",") if name.strip()]
    replay = Replay(settings, SystemClock(), run, only, of)
    span = Range(_utc(since), _utc(until), offsets_by_partition(first), offsets_by_partition(last))
    done = replay.over(span, note, _Shown(settings))
    if as_json:
        print_json(asdict(done))
    else:
        typer.echo(f"run {run}: {done.events} events; compare it: spendstream replay compare {run}")


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.replace(tzinfo=UTC)


class _Shown:
    """Shows progress: a line that renews itself on a terminal, else a log line now and then."""

    def __init__(self, settings: Settings) -> None:
        self._line = sys.stderr.isatty() and settings.log.format != "json"
        self._began = self._told = time.monotonic()
        if not self._line:
            configure(settings.log, "replay")

    def __call__(self, read: int, total: int) -> None:
        now, done = time.monotonic(), read == total
        rate = round(read / max(now - self._began, 0.001))
        if self._line:
            share = read / total if total else 1.0
            sys.stderr.write(f"\r{read:,} of {total:,} events ({share:.0%}), {rate:,}/s " + ("\n" if done else ""))
            sys.stderr.flush()
        elif done or now - self._told >= _LOG_SECONDS:
            self._told = now
            log.info("replayed", extra={"read": read, "of": total, "events_a_second": rate})


@app.command("list")
@plainly
def show_all(as_json: AsJson = False) -> None:
    """List all runs, the live one and replays, oldest first."""
    from spendstream.runs import runs  # noqa: PLC0415 - keeps other commands quick

    found = sorted(runs(configuration.load()).values(), key=lambda run: run.started_at)
    if as_json:
        print_json([asdict(run) for run in found])
        return
    table = Table("run", "state", "steps", "began", "finished", "events", "note")
    for run in found:
        finished = "—" if run.finished_at is None else f"{run.finished_at:%Y-%m-%d %H:%M:%S}"
        of = f" of {run.input_run}" if run.input_run else ""
        began = f"{run.started_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(run.id, run.state, ", ".join(run.steps) + of, began, finished, f"{run.events:,}", run.note)
    Console().print(table if table.row_count else "no runs")


@app.command("compare")
@plainly
def compare(
    run: RunId,
    other: Annotated[str | None, typer.Argument(help="Another run; by default the live one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the totals of two runs, to the last digit; exit status 1 when they differ."""
    from spendstream.compare import compare as compared  # noqa: PLC0415 - keeps other commands quick
    from spendstream.dropping import wait_until_written  # noqa: PLC0415
    from spendstream.runs import known_run, live_run  # noqa: PLC0415

    settings = configuration.load()
    live = live_run(settings)
    for name in (run, other):
        if name not in {None, live}:
            known_run(settings, name)
    wait_until_written(settings)
    found = compared(settings, run, other or live)
    print_json(found.plain()) if as_json else typer.echo(found.text())
    raise typer.Exit(0 if found.same else 1)


@app.command("promote")
@plainly
def promote(run: RunId) -> None:
    """Make a run the live one: replay it up to now, leave its state for the workers, and let all go over to it."""
    from spendstream.promotion import promote as made_live  # noqa: PLC0415 - keeps other commands quick

    settings = configuration.load()
    promoted = made_live(settings, SystemClock(), run, _Shown(settings))
    for where, offset in sorted(promoted.to_offsets.items()):
        typer.echo(f"run {run} is live from {where} offset {offset}")
    typer.echo("workers and API go over to it within seconds; `spendstream status` shows who works on it")


@app.command("drop")
@plainly
def drop(run: RunId) -> None:
    """Remove a run: its rows, and the state of its workers."""
    from spendstream.dropping import drop as remove  # noqa: PLC0415 - keeps other commands quick

    remove(configuration.load(), SystemClock(), run)
    typer.echo(f"run {run} is dropped")
