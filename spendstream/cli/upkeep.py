"""Commands that look after a deployment: tables, topics, settings, and whether all is well."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from spendstream import settings as configuration
from spendstream.cli.terminal import AsJson, group, plainly, print_json

app = group()
_PANEL = "Upkeep"


@app.command(rich_help_panel=_PANEL)
@plainly
def migrate() -> None:
    """Bring the ClickHouse tables up to date."""
    from sinks.migrate import migrate as bring_up_to_date  # noqa: PLC0415 - keeps other commands quick

    applied = bring_up_to_date(configuration.load().clickhouse)
    typer.echo("\n".join(f"applied {name}" for name in applied) or "the tables are up to date")


@app.command(rich_help_panel=_PANEL)
@plainly
def verify(as_json: AsJson = False) -> None:
    """Count and add up Kafka and ClickHouse, and compare them to the last digit."""
    from spendstream.verify import verify as compare  # noqa: PLC0415 - keeps other commands quick

    report = compare(configuration.load())
    print_json(report.plain()) if as_json else typer.echo(report.text())
    raise typer.Exit(0 if report.agrees else 1)


@app.command(rich_help_panel=_PANEL)
@plainly
def doctor(
    as_json: AsJson = False,
    policy: Annotated[bool, typer.Option("--policy", help="Print only the IAM policies, and check nothing.")] = False,
) -> None:
    """Check addresses, credentials and permissions, and say what to do."""
    from spendstream.doctor import diagnose  # noqa: PLC0415 - keeps other commands quick
    from spendstream.iam_policy import policies  # noqa: PLC0415

    settings = configuration.load()
    if policy:
        print_json(policies(settings))
        return
    diagnosis = diagnose(settings)
    print_json(diagnosis.plain()) if as_json else typer.echo(diagnosis.text())
    raise typer.Exit(0 if diagnosis.healthy else 1)


@app.command(rich_help_panel=_PANEL)
@plainly
def status(as_json: AsJson = False) -> None:
    """Show what was read when, how far every book is, and who works on the live run."""
    from sinks.clickhouse import connect  # noqa: PLC0415 - keeps other commands quick
    from spendstream.at_work import at_work  # noqa: PLC0415

    settings = configuration.load()
    with connect(settings.clickhouse, reader=True) as client:
        rows = client.query(_STATUS).result_rows
    workers = at_work(settings)
    if as_json:
        books = [dict(zip(_BOOK, row, strict=True)) for row in rows]
        print_json({"books": books, "live_run": workers.live, "workers": workers.workers})
        return
    table = Table(*(name.replace("_", " ") for name in _BOOK))
    for row in rows:
        table.add_row(*("—" if value is None else str(value) for value in row))
    console = Console()
    console.print(table)
    console.print(workers.text(), highlight=False)
    for run in workers.elsewhere:
        console.print(f"run {run} has workers too, and is not live: start them again", highlight=False)


_BOOK = ("source", "provider", "billing_account", "last_reading", "closed", "through", "open_readings")
_STATUS = """
SELECT source, provider, billing_account, argMax(reading, opened_at), max(closed_at), max(closed_through),
       arrayCount(o -> o > maxIf(opened_at, isNotNull(closed_at)), groupArrayIf(opened_at, isNull(closed_at)))
FROM readings FINAL WHERE run = 'live' GROUP BY source, provider, billing_account ORDER BY 1, 2, 3
"""


@app.command(rich_help_panel=_PANEL)
@plainly
def config() -> None:
    """Print the settings as they are in force; secrets are never printed."""
    typer.echo(configuration.load().model_dump_json(indent=2))
