"""`spendstream reports`: what is told regularly, to look at and to send by hand."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from spendstream import settings as configuration
from spendstream.cli.terminal import AsJson, group, plainly, print_json
from spendstream.clock import SystemClock
from spendstream.settings import ConfigurationError

if TYPE_CHECKING:
    from alerts.reports.report import Period, Report
    from alerts.routes import Routing

app = group("What is told regularly: costs of a day, a week or a month.")

Name = Annotated[str, typer.Argument(metavar="REPORT", help="Its id in the routing file.")]
Day = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"], help="Tell of the newest period that has ended with this day; else the newest due."
    ),
]
Value = Annotated[
    str | None, typer.Option(metavar="VALUE", help="Only what this one is told, of a report with for_each.")
]


@app.command("list")
@plainly
def show_reports(as_json: AsJson = False) -> None:
    """List reports, and what was told last."""
    from alerts.reports.log import told  # noqa: PLC0415 - keeps other commands quick
    from alerts.reports.service import routing_with_reports  # noqa: PLC0415

    settings = configuration.load()
    routing = routing_with_reports(settings)
    log = told(settings)
    found = []
    for report in routing.reports:
        told_before = {(event.value or "", event.receiver) for event in log.values() if event.report == report.id}
        for value, receiver in sorted({*(("", name) for name in report.receivers), *told_before}):
            events = [
                event
                for event in log.values()
                if (event.report, event.value or "", event.receiver) == (report.id, value, receiver)
            ]
            last = max(events, key=lambda event: (event.last_day, event.sent_at), default=None)
            found.append(
                {
                    "report": report.id,
                    "every": report.every,
                    "at": f"{report.at:%H:%M}",
                    "value": value or None,
                    "receiver": receiver,
                    "last_period": None if last is None else f"{last.first_day}..{last.last_day}",
                    "state": None if last is None else f"{last.state}, {last.stage}",
                    "sent_at": None if last is None else last.sent_at,
                }
            )
    if as_json:
        print_json(found)
        return
    table = Table("report", "every", "at (UTC)", "for", "receiver", "last period", "state", "told at (UTC)")
    for one in found:
        sent = one["sent_at"]
        texts = [
            str(one[name] or "") for name in ("report", "every", "at", "value", "receiver", "last_period", "state")
        ]
        table.add_row(*texts, f"{sent:%Y-%m-%d %H:%M}" if isinstance(sent, datetime) else "")
    Console().print(table if found else "there are no reports; see docs/reports.md")


@app.command("show")
@plainly
def show(
    name: Name,
    day: Day = None,
    value: Value = None,
    html: Annotated[Path | None, typer.Option(help="Write it to this file, as mail programs show it.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write its rows to this file.")] = None,
) -> None:
    """Show what a report says now. Nothing is sent."""
    from alerts.reports import page, words  # noqa: PLC0415 - keeps other commands quick
    from alerts.reports.by_hand import figures_now  # noqa: PLC0415
    from alerts.reports.service import routing_with_reports  # noqa: PLC0415
    from alerts.reports.table import table  # noqa: PLC0415

    settings, clock = configuration.load(), SystemClock()
    report, period = _asked(routing_with_reports(settings), name, day, clock.now())
    figures = asyncio.run(figures_now(settings, clock, report, period, value))
    if html is not None:
        html.write_text(page.html(figures), encoding="utf-8")
    if csv is not None:
        csv.write_bytes(table(figures))
    typer.echo(words.text(figures), nl=False)


@app.command("send")
@plainly
def send(
    name: Name,
    day: Day = None,
    value: Value = None,
    to: Annotated[
        str | None, typer.Option(metavar="RECEIVER", help="Only to this receiver, whoever else gets it.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also to who was told already.")] = False,
) -> None:
    """Send a report now. Who was told of that period is told no more, unless it is to be corrected."""
    from alerts.reports.by_hand import send_now  # noqa: PLC0415 - keeps other commands quick
    from alerts.reports.service import routing_with_reports  # noqa: PLC0415

    settings, clock = configuration.load(), SystemClock()
    routing = routing_with_reports(settings)
    report, period = _asked(routing, name, day, clock.now())
    failed = False
    done = asyncio.run(send_now(settings, routing, clock, report, period, to=to, value=value, again=again))
    for receiver, said, good in done:
        typer.echo(f"{receiver}: {said}")
        failed |= not good
    if failed:
        raise typer.Exit(1)


def _asked(routing: "Routing", name: str, day: datetime | None, now: datetime) -> "tuple[Report, Period]":
    found = {report.id: report for report in routing.reports}
    if name not in found:
        raise ConfigurationError(f"there is no report {name!r}; there are: {', '.join(found) or 'none'}")
    report = found[name]
    if day is not None and day.date() >= now.date():
        raise ConfigurationError(f"{day:%Y-%m-%d} has not ended: name a day before {now:%Y-%m-%d} (UTC)")
    return report, report.newest(now) if day is None else report.period_of(day.date())
