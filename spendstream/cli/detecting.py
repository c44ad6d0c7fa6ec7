"""`spendstream anomalies`: what detection has told, and what people say of it."""

import getpass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from spendstream import settings as configuration
from spendstream.cli.terminal import AsJson, group, plainly, print_json
from spendstream.clock import SystemClock

app = group("What detection has told, and what people say of it. See docs/detection-bills.md.")

_DAY = ["%Y-%m-%d"]


class Verdict(StrEnum):
    """What an anomaly was."""

    TRUE = "true"
    FALSE = "false"
    EXPECTED = "expected"


@app.command("list")
@plainly
def show_anomalies(
    everything: Annotated[bool, typer.Option("--all", help="Those that are over too.")] = False, as_json: AsJson = False
) -> None:
    """List anomalies, the newest day first."""
    from spendstream.feedback import known_anomalies  # noqa: PLC0415 - keeps other commands quick

    over = {"closed", "withdrawn"}
    found = [one for one in known_anomalies(configuration.load()).values() if everything or one.state not in over]
    found.sort(key=lambda one: (-one.day.toordinal(), one.id))
    if as_json:
        fields = ("id", "state", "shape", "series", "kind", "day", "since", "actual", "expected", "impact_so_far")
        print_json([{name: getattr(one, name) for name in fields} for one in found])
        return
    table = Table("id", "state", "day", "since", "shape", "series", "actual", "expected")
    for one in found:
        amounts = (f"{one.actual:,.2f}", f"{one.expected:,.2f}")
        table.add_row(one.id, one.state, f"{one.day}", f"{one.since:%Y-%m-%d}", one.shape, one.series, *amounts)
    Console().print(table if found else "no anomalies")


@app.command("feedback")
@plainly
def feedback(
    anomaly: Annotated[str, typer.Argument(help="Its id, or the beginning of it, as `anomalies list` shows it.")],
    verdict: Annotated[Verdict, typer.Argument(help="What it was.")],
    first: Annotated[
        datetime | None,
        typer.Option("--from", formats=_DAY, help="Expected from this day on; by default since it began."),
    ] = None,
    last: Annotated[
        datetime | None,
        typer.Option("--until", formats=_DAY, help="Expected to this day; without it the new level is to stay."),
    ] = None,
    why: Annotated[str, typer.Option(help="The reason, for those who come after.")] = "",
) -> None:
    """Say what an anomaly was; later scores of its series, and of those like it, heed it."""
    from spendstream.feedback import give, told  # noqa: PLC0415 - keeps other commands quick

    known = give(
        configuration.load(), SystemClock(), anomaly, verdict.value, by=getpass.getuser(), why=why,
        first_day=first and first.date(), last_day=last and last.date(),
    )  # fmt: skip
    typer.echo(f"{verdict.value}: {told(known)}")
