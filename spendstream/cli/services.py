"""Commands that run until they are stopped: the services, and all of them together."""

from typing import Annotated

import typer

from spendstream import settings as configuration
from spendstream.cli.terminal import group, plainly, service_settings
from spendstream.settings import Settings

app = group()
_PANEL = "Services"


@app.command(rich_help_panel=_PANEL)
@plainly
def up() -> None:
    """Run every service in this terminal, until interrupted."""
    from spendstream.supervise import run_until_interrupted  # noqa: PLC0415 - keeps other commands quick

    settings = configuration.load()
    raise typer.Exit(run_until_interrupted(_services(settings), {}))


def _services(settings: Settings) -> list[str]:
    # A recording is played once, by `spendstream produce` itself: what ends would end all services.
    reads = settings.has_sources and settings.recording.play_from is None
    alerts = ["alert"] if settings.alerts.enabled else []
    delivery = ["deliver"] if settings.alerts.enabled and settings.alerts.routing is not None else []
    return ["process", "sink", "api", *(["produce"] if reads else []), *alerts, *delivery, *_reports(settings)]


def _reports(settings: Settings) -> list[str]:
    if not settings.alerts.enabled or settings.alerts.routing is None:
        return []
    from alerts.routes import read  # noqa: PLC0415 - keeps other commands quick

    return ["report"] if read(settings.alerts.routing).reports else []


@app.command(rich_help_panel=_PANEL)
@plainly
def produce(
    once: Annotated[bool, typer.Option("--once", help="Read every source once, and stop.")] = False,
    source: Annotated[str | None, typer.Option(help="With --once: read this source only.")] = None,
    now: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="Read this source now, by the running producer or here.")
    ] = None,
) -> None:
    """Read the sources on their schedules, and publish what changed."""
    from producers.runner import run, run_now  # noqa: PLC0415 - keeps other commands quick

    if now is not None:
        typer.echo(run_now(service_settings("produce"), now))
        return
    run(service_settings("produce"), once=once, only=source)


@app.command(rich_help_panel=_PANEL)
@plainly
def process() -> None:
    """Run the stream steps: ledger and totals."""
    from processors.service import WORK  # noqa: PLC0415 - keeps other commands quick
    from processors.worker import run  # noqa: PLC0415

    run(service_settings("process"), WORK)


@app.command(rich_help_panel=_PANEL)
@plainly
def sink() -> None:
    """Write every topic to ClickHouse."""
    from sinks.runner import run  # noqa: PLC0415 - keeps other commands quick

    run(service_settings("sink"))


@app.command(rich_help_panel=_PANEL)
@plainly
def api() -> None:
    """Serve the read API."""
    from api.server import run  # noqa: PLC0415 - keeps other commands quick

    run(service_settings("api"))


@app.command(rich_help_panel=_PANEL)
@plainly
def alert() -> None:
    """Apply rules to totals and anomalies, and keep incidents."""
    from alerts.worker import WORK  # noqa: PLC0415 - keeps other commands quick
    from processors.worker import run  # noqa: PLC0415

    run(service_settings("alert"), WORK)


@app.command(rich_help_panel=_PANEL)
@plainly
def deliver() -> None:
    """Tell receivers of incidents."""
    from alerts.delivery import run  # noqa: PLC0415 - keeps other commands quick

    run(service_settings("deliver"))


@app.command(rich_help_panel=_PANEL)
@plainly
def report() -> None:
    """Send reports when they are due, and corrections."""
    from alerts.reports.service import run  # noqa: PLC0415 - keeps other commands quick

    run(service_settings("report"))
