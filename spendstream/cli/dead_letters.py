"""`spendstream dead-letters`: what could not be processed."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from spendstream import settings as configuration
from spendstream.cli.terminal import AsJson, group, plainly, print_json
from spendstream.settings import ConfigurationError

app = group("What could not be processed.")

_SHOWN = ("id", "at", "stage", "origin", "error", "reason")


@app.command("list")
@plainly
def show_all(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 50, as_json: AsJson = False
) -> None:
    """List what could not be processed, the newest first."""
    from sinks.clickhouse import connect  # noqa: PLC0415 - keeps other commands quick

    with connect(configuration.load().clickhouse, reader=True) as client:
        rows = client.query(
            f"SELECT {', '.join(_SHOWN)} FROM dead_letters FINAL ORDER BY at DESC LIMIT {{n:UInt32}}",  # noqa: S608 - names are ours
            {"n": limit},
        ).result_rows
    if as_json:
        print_json([dict(zip(_SHOWN, row, strict=True)) for row in rows])
        return
    table = Table(*_SHOWN)
    for row in rows:
        table.add_row(*map(str, row))
    Console().print(table if rows else "no dead letters")


@app.command("show")
@plainly
def show(
    letter: Annotated[str, typer.Argument(help="Its id, as `dead-letters list` shows it, or its beginning.")],
) -> None:
    """Show one dead letter, whole."""
    from spendstream.dead_letters import kept, named  # noqa: PLC0415 - keeps other commands quick

    for event in named(kept(configuration.load()), [letter]):
        typer.echo(f"{event.id} found by {event.stage} at {event.at.isoformat()} in {event.origin}")
        typer.echo(f"{event.error}: {event.reason}")
        typer.echo(event.value.decode(errors="backslashreplace"))


@app.command("retry")
@plainly
def retry(
    letters: Annotated[list[str] | None, typer.Argument(help="Their ids, or the beginning of each.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that came from Kafka and were never sent back.")] = False,
    stage: Annotated[str | None, typer.Option(help="With --all: only those that this stage found.")] = None,
) -> None:
    """Send dead letters back to the topics and partitions that they came from."""
    from spendstream.dead_letters import kept, named, send_back, waiting  # noqa: PLC0415 - keeps other commands quick

    if bool(letters) == every or (stage and not every):
        raise ConfigurationError("say which: ids, as `dead-letters list` shows them, or --all, with --stage or without")
    settings = configuration.load()
    there = kept(settings)
    chosen = named(there, letters) if letters else waiting(there, stage)
    send_back(settings, chosen)
    for event in chosen:
        typer.echo(f"{event.id} sent back to {event.topic}/{event.partition}")
    if not chosen:
        typer.echo("no dead letter waits that came from Kafka")
