"""Commands that bring all they need with them: the demo and the drill."""

from functools import partial
from typing import Annotated

import typer

from spendstream.cli.terminal import AsJson, group, plainly, print_json

app = group()
_PANEL = "Try it"


@app.command(rich_help_panel=_PANEL)
@plainly
def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop when the figures are there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the main job on real bills, with everything it needs inside this terminal."""
    from spendstream.local.demo import run  # noqa: PLC0415 - the local stack is an extra

    raise typer.Exit(run(once=once, as_json=as_json))


@app.command(rich_help_panel=_PANEL)
@plainly
def drill(
    seed: Annotated[int, typer.Option(help="The same seed makes the same history and chooses the same victims.")] = 1,
    kills: Annotated[int, typer.Option(min=0, max=1000, help="How often something is killed.")] = 10,
    servers: Annotated[bool, typer.Option("--servers", help="Kill Kafka and ClickHouse as well.")] = False,
    alerts: Annotated[
        bool, typer.Option("--alerts", help="Kill alerting and delivery instead, and count what receivers got.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Kill parts of the pipeline at random moments, on the real Kafka, and add up what is left."""
    from spendstream.local import alert_drill  # noqa: PLC0415 - the local stack is an extra
    from spendstream.local import drill as cost_drill  # noqa: PLC0415

    tell = partial(typer.echo, err=True)
    if alerts and servers:
        raise typer.BadParameter("--alerts kills alerting and delivery alone: leave --servers out")
    report: alert_drill.AlertDrillReport | cost_drill.DrillReport = (
        alert_drill.run(seed, kills, tell) if alerts else cost_drill.run(seed, kills, servers=servers, tell=tell)
    )
    print_json(report.plain()) if as_json else typer.echo(report.text())
    raise typer.Exit(0 if report.agrees else 1)
