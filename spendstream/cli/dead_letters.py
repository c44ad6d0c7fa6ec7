"""`spendstream dead-letters`: what could not be processed."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from schemas.events import DeadLetter
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
def show(letter: Annotated[str, typer.Argument(help="Its id, as `dead-letters list` shows it.")]) -> None:
    """Show one dead letter, whole."""
    found = _letters(letter)
    for event in found:
        typer.echo(f"{event.id} found by {event.stage} at {event.at.isoformat()} in {event.origin}")
        typer.echo(f"{event.error}: {event.reason}")
        typer.echo(event.value.decode(errors="backslashreplace"))


@app.command("retry")
@plainly
def retry(letter: Annotated[str, typer.Argument(help="Its id, as `dead-letters list` shows it.")]) -> None:
    """Send a dead letter back to the topic and partition that it came from."""
    from spendstream.dead_letters import send_back  # noqa: PLC0415 - keeps other commands quick

    for event in _letters(letter):
        typer.echo(send_back(configuration.load(), event))


def _letters(letter: str) -> list[DeadLetter]:
    from spendstream.dead_letters import find  # noqa: PLC0415 - keeps other commands quick

    found = find(configuration.load(), letter)
    if not found:
        raise ConfigurationError(f"no dead letter {letter}; see `spendstream dead-letters list`")
    return found
