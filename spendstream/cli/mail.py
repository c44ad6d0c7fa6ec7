"""`spendstream mail`: addresses that get no mail, because it came back or somebody complained."""

import getpass
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from spendstream import settings as configuration
from spendstream.cli.terminal import AsJson, group, plainly, print_json
from spendstream.clock import SystemClock

app = group("Addresses that get no mail: it came back, or somebody complained.")

Address = Annotated[str, typer.Argument(help="A mail address, as `mail list` shows it.")]
Why = Annotated[str, typer.Option(help="The reason, for those who come after.")]


@app.command("list")
@plainly
def show_suspended(as_json: AsJson = False) -> None:
    """List the addresses that are suspended, the newest first."""
    from alerts.suspensions import known_suspensions  # noqa: PLC0415 - keeps other commands quick

    found = known_suspensions(configuration.load()).all()
    if as_json:
        print_json([{name: getattr(one, name) for name in ("address", "receiver", "at", "why")} for one in found])
        return
    table = Table("address", "receiver", "since (UTC)", "why")
    for one in found:
        table.add_row(one.address, one.receiver, f"{one.at:%Y-%m-%d %H:%M}", one.why)
    Console().print(table if found else "no address is suspended")


@app.command("lift")
@plainly
def lift_suspension(address: Address, why: Why = "") -> None:
    """Let mail go to an address again."""
    from alerts.suspensions import lift  # noqa: PLC0415 - keeps other commands quick

    for one in lift(configuration.load(), SystemClock(), address, getpass.getuser(), why):
        typer.echo(f"{one.receiver} tells {one.address} again")
