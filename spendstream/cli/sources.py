"""Commands about what the sources are asked, and what that costs."""

from typing import Annotated

import typer

from spendstream import settings as configuration
from spendstream.cli.terminal import group, plainly, service_settings
from spendstream.clock import SystemClock
from spendstream.settings import ConfigurationError

app = group()
_PANEL = "Sources"


@app.command(rich_help_panel=_PANEL)
@plainly
def backfill(
    months: Annotated[int, typer.Option(min=1, max=37, help="How many months before this one.")] = 13,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: the price is agreed to.")] = False,
) -> None:
    """Read past months from Cost Explorer, priced before it starts; a second run goes on where the first ended."""
    from producers.backfill import backfill as read_months  # noqa: PLC0415 - keeps other commands quick

    def agree(question: str) -> bool:
        typer.echo(question)
        return yes or typer.confirm("", default=False)

    read_months(service_settings("backfill"), months, agree, typer.echo)


@app.command("polling-cost", rich_help_panel=_PANEL)
@plainly
def polling_cost(
    accounts: Annotated[int | None, typer.Option(min=1, help="Linked accounts; by default as last read.")] = None,
    services: Annotated[int | None, typer.Option(min=1, help="Services; by default as last read.")] = None,
    regions: Annotated[int | None, typer.Option(min=1, help="Regions that a service is used in.")] = None,
) -> None:
    """Say what this configuration's polling costs a month, and what that buys; nothing is asked."""
    from producers.polling_cost import Size, estimate, size_of  # noqa: PLC0415 - keeps other commands quick
    from producers.publisher import Publisher  # noqa: PLC0415

    settings = configuration.load()
    payers = max(1, len(settings.aws.payers))
    if accounts is None or services is None:
        size = size_of(Publisher(settings, SystemClock()).heads.values(), payers)
        if size is None:
            raise ConfigurationError("Cost Explorer was not read yet: say how large it is by --accounts and --services")
        accounts, services = accounts or size.accounts, services or size.services
    typer.echo(estimate(settings, Size(accounts, services, regions or accounts, payers)).text())
