"""`spendstream replay`: recorded input through the steps once more."""

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from spendstream import settings as configuration
from spendstream.cli.terminal import AsJson, group, plainly, print_json
from spendstream.clock import SystemClock

app = group("Recorded input through the steps once more, beside the live pipeline.")

_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


@app.command("run")
@plainly
def run(
    run: Annotated[str, typer.Argument(help="Id of the run, as new-tags.")],
    since: Annotated[datetime | None, typer.Option("--from", formats=_TIMES, help="First time, UTC.")] = None,
    until: Annotated[datetime | None, typer.Option("--to", formats=_TIMES, help="Time after the last, UTC.")] = None,
    note: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Replay recorded statements into a run of its own; one that was cut short is run again under the same id."""
    from spendstream.replay import Range, Replay  # noqa: PLC0415 - keeps other commands quick

    replay = Replay(configuration.load(), SystemClock(), run)
    span = Range(*(at if at is None else at.replace(tzinfo=UTC) for at in (since, until)))
    done = replay.over(span, note, _show_progress)
    typer.echo(f"run {run}: {done.events} events; compare it: spendstream replay compare {run}")


def _show_progress(read: int, total: int) -> None:
    sys.stderr.write(f"\r{read:,} of {total:,} events" + ("\n" if read == total else ""))
    sys.stderr.flush()


@app.command("list")
@plainly
def show_all() -> None:
    """List all runs."""
    from spendstream.replay import runs  # noqa: PLC0415 - keeps other commands quick

    table = Table("run", "state", "began", "finished", "events", "note")
    for run in sorted(runs(configuration.load()).values(), key=lambda run: run.started_at):
        finished = "—" if run.finished_at is None else f"{run.finished_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(run.id, run.state, f"{run.started_at:%Y-%m-%d %H:%M:%S}", finished, f"{run.events:,}", run.note)
    Console().print(table if table.row_count else "no runs")


@app.command("compare")
@plainly
def compare(
    run: str,
    other: Annotated[str | None, typer.Argument(help="Another run; by default the live one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the day totals of two runs, to the last digit; exit status 1 when they differ."""
    from spendstream.compare import compare  # noqa: PLC0415 - keeps other commands quick
    from spendstream.dropping import wait_until_written  # noqa: PLC0415
    from spendstream.replay import known_run  # noqa: PLC0415

    settings = configuration.load()
    for name in (run, other):
        if name not in {None, settings.processing.run}:
            known_run(settings, name)
    wait_until_written(settings)
    found = compare(settings, run, other or settings.processing.run)
    print_json(found.plain()) if as_json else typer.echo(found.text())
    raise typer.Exit(0 if found.same else 1)


@app.command("promote")
@plainly
def promote(run: str) -> None:
    """Make a run the live one: replay it up to now, and leave its state for the workers."""
    from spendstream.replay import Replay  # noqa: PLC0415 - keeps other commands quick

    promoted = Replay(configuration.load(), SystemClock(), run).promote(_show_progress)
    for where, offset in promoted.to_offsets.items():
        typer.echo(f"live from {where} offset {offset}")
    typer.echo(f"now set SPENDSTREAM_PROCESSING__RUN={run} for every service, and start them again")


@app.command("drop")
@plainly
def drop(run: str) -> None:
    """Remove a run: its rows, and the state of its workers."""
    from spendstream.dropping import drop  # noqa: PLC0415 - keeps other commands quick

    drop(configuration.load(), SystemClock(), run)
    typer.echo(f"run {run} is dropped")
