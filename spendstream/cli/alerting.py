"""`spendstream rules` and `spendstream incidents`: what is worth an alert, and what became of it."""

import getpass
from collections import Counter
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from spendstream import settings as configuration
from spendstream.cli.terminal import AsJson, group, plainly, print_json
from spendstream.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alerts.applied import Difference
    from alerts.backtest import Recorded
    from schemas.events import Alert, IncidentAction

rules = group("What is worth an alert.")
incidents = group("What alerts are about, and who cares for it.")

RuleFile = Annotated[Path, typer.Argument(help="YAML file of rules, see docs/alerts.md.")]
Others = Annotated[bool, typer.Option("--remove-others", help="Remove applied rules that the file does not have.")]
Incident = Annotated[str, typer.Argument(help="Its id, or the beginning of it, as `incidents list` shows it.")]
Why = Annotated[str, typer.Option(help="The reason, for those who come after.")]


@rules.command("list")
@plainly
def show_applied(as_json: AsJson = False) -> None:
    """List the rules that are applied."""
    from alerts.applied import applied  # noqa: PLC0415 - keeps other commands quick
    from alerts.rule_files import plain, unpacked  # noqa: PLC0415

    found = applied(configuration.load())
    known = {name: unpacked(event.definition or "") for name, event in found.items()}
    if as_json:
        print_json([plain(rule) for rule in known.values()])
        return
    table = Table("id", "kind", "enabled", "applied", "by", "description")
    for name, rule in known.items():
        event = found[name]
        at = f"{event.applied_at:%Y-%m-%d %H:%M} UTC"
        table.add_row(name, rule.kind, "yes" if rule.enabled else "no", at, event.by, rule.description)
    Console().print(table if known else "no rules are applied; see `spendstream rules apply --help`")


@rules.command("diff")
@plainly
def diff(file: RuleFile, remove_others: Others = False) -> None:
    """Show what applying a file would change."""
    from alerts.applied import difference  # noqa: PLC0415 - keeps other commands quick
    from alerts.rule_files import read  # noqa: PLC0415

    _say(difference(configuration.load(), read(file), remove_others=remove_others))


@rules.command("apply")
@plainly
def apply_file(file: RuleFile, remove_others: Others = False) -> None:
    """Check a file of rules and apply them; the alert service follows within seconds."""
    from alerts.applied import apply  # noqa: PLC0415 - keeps other commands quick
    from alerts.rule_files import read  # noqa: PLC0415

    settings = configuration.load()
    _say(apply(settings, SystemClock(), read(file), getpass.getuser(), remove_others=remove_others))


@rules.command("test")
@plainly
def dry_run(
    file: RuleFile,
    check: Annotated[bool, typer.Option("--check", help="Only check the file; ask no Kafka.")] = False,
    days: Annotated[int, typer.Option(min=1, help="Show what would have been said in so many last days.")] = 90,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Try it on a simulated organisation; ask no Kafka.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check a file, and show what it would have said of the history that Kafka has. Nothing is sent."""
    from alerts.backtest import history, would_say  # noqa: PLC0415 - keeps other commands quick
    from alerts.pipeline import rule_options  # noqa: PLC0415
    from alerts.rule_files import read  # noqa: PLC0415
    from spendstream.runs import live_run  # noqa: PLC0415

    found = read(file)
    if check:
        typer.echo(f"{len(found)} rules, all of them can be used")
        return
    settings = configuration.load()
    if simulated:
        events: Sequence[Recorded] = _simulated(settings, days)
        run = settings.processing.run
    else:
        events, run = list(history(settings)), live_run(settings)
    said = would_say(found, events, rule_options(settings, run))
    newest = max((alert.observed_at for alert in said), default=None)
    if newest is not None:
        said = [alert for alert in said if newest - alert.observed_at <= timedelta(days=days)]
    if as_json:
        fields = ("observed_at", "rule", "state", "change", "severity", "subject", "day", "actual", "expected", "says")
        print_json([{name: getattr(alert, name) for name in fields} for alert in said])
        return
    _tell_what_was_said(said)


def _simulated(settings: "configuration.Settings", days: int) -> "Sequence[Recorded]":
    from spendstream.local.simulated_history import simulated_history  # noqa: PLC0415 - it loads all of detection

    console = Console(stderr=True)
    until = SystemClock().now().date()
    with console.status(f"simulating {days} days of an organisation") as status:
        passed = count(1)
        made = simulated_history(
            settings, until, days, each_day=lambda: status.update(f"simulated {next(passed)} of {days + 1} readings")
        )
    table = Table("simulated from", "to", "what", "where")
    for one in sorted(made.incidents, key=lambda one: one.start):
        where = ", ".join(str(value) for value in one.scope.document().values()) or "the organisation"
        table.add_row(f"{one.start:%Y-%m-%d}", "" if one.end is None else f"{one.end:%Y-%m-%d}", one.kind, where)
    console.print(table)
    return made.events


def _tell_what_was_said(said: "list[Alert]") -> None:
    from alerts.backtest import incidents_of  # noqa: PLC0415 - keeps other commands quick

    table = Table("observed", "rule", "change", "severity", "what")
    for alert in said:
        if alert.change != "updated":
            table.add_row(f"{alert.observed_at:%Y-%m-%d %H:%M}", alert.rule, alert.change, alert.severity, alert.says)
    console = Console()
    console.print(table if said else "nothing would have been said")
    fired = Counter(alert.rule for alert in said if alert.change == "crossed")
    opened = incidents_of(said)
    for rule, times in sorted(fired.items()):
        inside = sum(rule in incident.rules for incident in opened)
        console.print(f"{rule} would have fired {times} times, in {inside} incidents")


@incidents.command("list")
@plainly
def show_incidents(
    everything: Annotated[bool, typer.Option("--all", help="Resolved ones too.")] = False, as_json: AsJson = False
) -> None:
    """List incidents, the newest change first."""
    from alerts.applied import incidents as known  # noqa: PLC0415 - keeps other commands quick

    found = [one for one in known(configuration.load()) if everything or one.state != "resolved"]
    if as_json:
        fields = ("id", "state", "severity", "scope", "kind", "since", "impact_per_day", "owner", "says")
        print_json([{name: getattr(one, name) for name in fields} for one in found])
        return
    table = Table("id", "state", "severity", "since", "owner", "what")
    for one in found:
        table.add_row(one.id, one.state, one.severity, f"{one.since:%Y-%m-%d}", one.owner or "", one.says)
    Console().print(table if found else "no incidents")


@incidents.command("acknowledge")
@plainly
def acknowledge(incident: Incident, why: Why = "") -> None:
    """Say that somebody cares for it: it is not told again unless it gets worse."""
    _ask(incident, "acknowledge", why)


@incidents.command("snooze")
@plainly
def snooze(incident: Incident, hours: Annotated[float, typer.Option(min=0.1, max=720)] = 4, why: Why = "") -> None:
    """Let it rest for some hours."""
    _ask(incident, "snooze", why, timedelta(hours=hours))


@incidents.command("expect")
@plainly
def expect(incident: Incident, why: Why = "") -> None:
    """Say that the change is meant to be: it is quiet until it is over."""
    _ask(incident, "expect", why)


@incidents.command("suppress")
@plainly
def suppress(incident: Incident, why: Why = "") -> None:
    """Hear nothing of it any more."""
    _ask(incident, "suppress", why)


@incidents.command("resolve")
@plainly
def resolve(incident: Incident, why: Why = "") -> None:
    """Say that it is over; it opens again when it gets worse."""
    _ask(incident, "resolve", why)


@incidents.command("reopen")
@plainly
def reopen(incident: Incident, why: Why = "") -> None:
    """Let it fire again."""
    _ask(incident, "reopen", why)


def _ask(incident: str, action: "IncidentAction", why: str, length: timedelta | None = None) -> None:
    from alerts.applied import ask  # noqa: PLC0415 - keeps other commands quick

    clock = SystemClock()
    until = None if length is None else clock.now() + length
    found = ask(configuration.load(), clock, incident, action, getpass.getuser(), why, until)
    typer.echo(f"asked: {action} {found.id} ({found.says})")


def _say(found: "Difference") -> None:
    if found.empty:
        typer.echo("nothing differs")
    for word, names in (("new", found.added), ("changed", found.changed), ("removed", found.removed)):
        for name in names:
            typer.echo(f"{word}: {name}")
            for entry in found.entries.get(name, ()) if word == "changed" else ():
                typer.echo(f"  {entry}")
