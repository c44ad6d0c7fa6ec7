"""`spendstream anomalies` and `backtest`: what detection has told, and would have told; what people say of it."""

import getpass
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from spendstream import settings as configuration
from spendstream.cli.terminal import AsJson, group, plainly, print_json
from spendstream.clock import SystemClock

if TYPE_CHECKING:
    from spendstream.backtest import Backtest

app = group("What detection has told, and what people say of it. See docs/detection-bills.md.")

_DAY = ["%Y-%m-%d"]

backtests = group()


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


@backtests.command("backtest", rich_help_panel="Data")
@plainly
def backtest(
    config: Annotated[
        Path | None, typer.Option(help="TOML file with settings of detection; by default those of this deployment.")
    ] = None,
    false_alerts_a_week: Annotated[
        list[float] | None, typer.Option(help="Try this many; may be given several times.")
    ] = None,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=_DAY, help="Alerts that were told from this day on, UTC.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=_DAY, help="Alerts that were told up to this day, UTC.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Record of truth (JSON) instead of what people said, see docs/simulated-aws.md.")
    ] = None,
    plots: Annotated[Path | None, typer.Option(help="Write pictures of the alerts (SVG) into this folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """Try other settings of detection on recorded totals: alerts gained, lost, earlier, later. Touches nothing live."""
    from spendstream import backtest as testing  # noqa: PLC0415 - keeps other commands quick
    from spendstream.backtest_pictures import write  # noqa: PLC0415

    settings = configuration.load()
    tried = testing.configurations(settings, config, false_alerts_a_week or [])
    since = first.date() if first else date.min
    until = last.date() if last else datetime.now(UTC).date()
    found = testing.backtest(settings, tried, since, until, truth, with_actuals=plots is not None)
    if as_json:
        print_json({"live": [one.plain() for one in found.live], "tried": [one.plain() for one in found.compared]})
    else:
        _show(found)
    for path in write(found, plots) if plots is not None else ():
        typer.echo(f"picture: {path}", err=True)


def _show(found: "Backtest") -> None:
    table = Table("configuration", "alerts", "gained", "lost", "earlier", "later", "precision", "recall")
    table.add_row("live", f"{len(found.live)}", "", "", "", "", "", "")
    for one in found.compared:
        sizes = [len(some) for some in (one.alerts, one.gained, one.lost, one.earlier, one.later)]
        shares = ["–" if share is None else f"{share:.2f}" for share in (one.precision, one.recall)]
        table.add_row(one.name, *map(str, sizes), *shares)
    Console().print(table)
    for one in found.compared:
        for what, alerts in (("gained", one.gained), ("lost", one.lost)):
            for alert in alerts:
                typer.echo(f"{one.name}: {what}: {alert.text()}")
        for what, pairs in (("earlier", one.earlier), ("later", one.later)):
            for live, alert in pairs:
                typer.echo(f"{one.name}: {what}: {alert.text()} (live: {live.at:%Y-%m-%d %H:%M})")
