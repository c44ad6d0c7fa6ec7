"""The command line: `spendstream --help`. A module for each group of commands."""

import typer

from spendstream.cli import (
    alerting,
    dead_letters,
    detecting,
    local,
    mail,
    replays,
    reporting,
    services,
    sources,
    topics,
    upkeep,
)

app = typer.Typer(
    name="spendstream",
    help="What your cloud costs, while there is still time to act.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for commands in (local, services, sources, upkeep):
    app.add_typer(commands.app)
app.add_typer(topics.app, name="topics", rich_help_panel="Data")
app.add_typer(replays.app, name="replay", rich_help_panel="Data")
app.add_typer(detecting.backtests)
app.add_typer(detecting.app, name="anomalies", rich_help_panel="Alerts")
app.add_typer(alerting.rules, name="rules", rich_help_panel="Alerts")
app.add_typer(alerting.incidents, name="incidents", rich_help_panel="Alerts")
app.add_typer(reporting.app, name="reports", rich_help_panel="Alerts")
app.add_typer(mail.app, name="mail", rich_help_panel="Alerts")
app.add_typer(dead_letters.app, name="dead-letters", rich_help_panel="Data")


def main() -> None:
    """Run the command line."""
    app()
