"""The command line: `spendstream --help`."""

import asyncio
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial, wraps
from typing import Annotated, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from schemas.events import DeadLetter
from spendstream import settings as configuration
from spendstream.clock import SystemClock
from spendstream.settings import ConfigurationError, Settings
from spendstream.supervise import end_with_parent
from spendstream.telemetry import configure

app = typer.Typer(
    name="spendstream",
    help="What your cloud costs, while there is still time to act.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
dead_letters_app = typer.Typer(help="What could not be processed.", no_args_is_help=True)
app.add_typer(dead_letters_app, name="dead-letters")
replay_app = typer.Typer(
    help="Recorded input through the steps once more, beside the live pipeline.", no_args_is_help=True
)
app.add_typer(replay_app, name="replay")

_P = ParamSpec("_P")
_R = TypeVar("_R")

_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]

#: Exit status for what a person can mend: settings, addresses, files.
USAGE = 2


def _plainly(command: Callable[_P, _R]) -> Callable[_P, _R]:
    """Turn what a person can mend into a message, never a traceback."""

    @wraps(command)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return command(*args, **kwargs)
        except (ConfigurationError, OSError) as error:
            sys.stderr.write(f"spendstream: {error}\n")
            raise typer.Exit(USAGE) from None

    return run


def _service(name: str) -> Settings:
    end_with_parent()
    settings = configuration.load()
    configure(settings.log, name)
    return settings


@app.command()
@_plainly
def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop when the figures are there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Run the main job on real bills, with everything it needs inside this terminal."""
    from spendstream.local.demo import run  # noqa: PLC0415 - the local stack is an extra

    raise typer.Exit(run(once=once, as_json=as_json))


@app.command()
@_plainly
def drill(
    seed: Annotated[int, typer.Option(help="The same seed makes the same history and chooses the same victims.")] = 1,
    kills: Annotated[int, typer.Option(min=0, max=1000, help="How often something is killed.")] = 10,
    servers: Annotated[bool, typer.Option("--servers", help="Kill Kafka and ClickHouse as well.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Kill parts of the pipeline at random moments, on the real Kafka, and add up what is left."""
    from spendstream.local.drill import run  # noqa: PLC0415 - the local stack is an extra

    report = run(seed, kills, servers=servers, tell=partial(typer.echo, err=True))
    typer.echo(json.dumps(report.plain(), indent=2) if as_json else report.text())
    raise typer.Exit(0 if report.agrees else 1)


@app.command()
@_plainly
def up() -> None:
    """Run every service in this terminal, until interrupted."""
    from spendstream.supervise import run_until_interrupted  # noqa: PLC0415 - keeps other commands quick

    settings = configuration.load()
    raise typer.Exit(run_until_interrupted(_services(settings), {}))


def _services(settings: Settings) -> list[str]:
    # A recording is played once, by `spendstream produce` itself: what ends would end all services.
    reads = settings.has_sources and settings.recording.play_from is None
    return ["process", "sink", "api", *(["produce"] if reads else [])]


@app.command()
@_plainly
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
        typer.echo(run_now(_service("produce"), now))
        return
    run(_service("produce"), once=once, only=source)


@app.command()
@_plainly
def backfill(
    months: Annotated[int, typer.Option(min=1, max=37, help="How many months before this one.")] = 13,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: the price is agreed to.")] = False,
) -> None:
    """Read past months from Cost Explorer, priced before it starts; a second run goes on where the first ended."""
    from producers.runner import backfill as read_months  # noqa: PLC0415 - keeps other commands quick

    def agree(question: str) -> bool:
        typer.echo(question)
        return yes or typer.confirm("", default=False)

    read_months(_service("backfill"), months, agree, typer.echo)


@app.command("polling-cost")
@_plainly
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


@app.command()
@_plainly
def process() -> None:
    """Run the stream steps: ledger and totals."""
    from processors.worker import work  # noqa: PLC0415 - keeps other commands quick

    asyncio.run(work(_service("process")))


@app.command()
@_plainly
def sink() -> None:
    """Write every topic to ClickHouse."""
    from sinks.runner import run  # noqa: PLC0415 - keeps other commands quick

    run(_service("sink"))


@app.command()
@_plainly
def api() -> None:
    """Serve the read API."""
    from api.server import run  # noqa: PLC0415 - keeps other commands quick

    run(_service("api"))


@app.command()
@_plainly
def migrate() -> None:
    """Bring the ClickHouse tables up to date."""
    from sinks.migrate import migrate as bring_up_to_date  # noqa: PLC0415 - keeps other commands quick

    applied = bring_up_to_date(configuration.load().clickhouse)
    typer.echo("\n".join(f"applied {name}" for name in applied) or "the tables are up to date")


@app.command()
@_plainly
def topics() -> None:
    """Create the topics that are missing."""
    from processors.pipeline import changelogs  # noqa: PLC0415 - keeps other commands quick
    from spendstream.admin import ensure_topics  # noqa: PLC0415

    settings = configuration.load()
    created = ensure_topics(settings, changelogs(settings))
    typer.echo("\n".join(f"created {name}" for name in created) or "all topics are there")


@app.command()
@_plainly
def verify(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """Count and add up Kafka and ClickHouse, and compare them to the last digit."""
    from spendstream.verify import verify as compare  # noqa: PLC0415 - keeps other commands quick

    report = compare(configuration.load())
    if as_json:
        typer.echo(json.dumps(report.plain(), indent=2))
    else:
        typer.echo(report.text())
    raise typer.Exit(0 if report.agrees else 1)


@app.command()
@_plainly
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    policy: Annotated[bool, typer.Option("--policy", help="Print only the IAM policies, and check nothing.")] = False,
) -> None:
    """Check addresses, credentials and permissions, and say what to do."""
    from spendstream.doctor import diagnose  # noqa: PLC0415 - keeps other commands quick
    from spendstream.iam_policy import policies  # noqa: PLC0415

    settings = configuration.load()
    if policy:
        typer.echo(json.dumps(policies(settings), indent=2))
        return
    diagnosis = diagnose(settings)
    typer.echo(json.dumps(diagnosis.plain(), indent=2) if as_json else diagnosis.text())
    raise typer.Exit(0 if diagnosis.healthy else 1)


@app.command()
@_plainly
def status() -> None:
    """Show what was read when, and how far every book is."""
    from sinks.clickhouse import connect  # noqa: PLC0415 - keeps other commands quick

    settings = configuration.load()
    table = Table("source", "provider", "billing account", "last reading", "closed", "through", "open readings")
    with connect(settings.clickhouse, reader=True) as client:
        for row in client.query(_STATUS).result_rows:
            table.add_row(*("—" if value is None else str(value) for value in row))
    Console().print(table)


_STATUS = """
SELECT source, provider, billing_account, argMax(reading, opened_at), max(closed_at), max(closed_through),
       countIf(closed_at IS NULL)
FROM readings FINAL WHERE run = 'live' GROUP BY source, provider, billing_account ORDER BY 1, 2, 3
"""


@replay_app.command("run")
@_plainly
def replay_run(
    run: Annotated[str, typer.Argument(help="Id of the run, as new-tags.")],
    since: Annotated[datetime | None, typer.Option("--from", formats=_TIMES, help="First time, UTC.")] = None,
    until: Annotated[datetime | None, typer.Option("--to", formats=_TIMES, help="Time after the last, UTC.")] = None,
    note: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Replay recorded statements into a run of its own; one that was cut short is run again under the same id."""
    from spendstream.replay import Range, Replay  # noqa: PLC0415 - keeps other commands quick

    replay = Replay(configuration.load(), SystemClock(), run)
    span = Range(*(at if at is None else at.replace(tzinfo=UTC) for at in (since, until)))
    done = replay.over(span, note, _progress)
    typer.echo(f"run {run}: {done.events} events; compare it: spendstream replay compare {run}")


def _progress(read: int, total: int) -> None:
    sys.stderr.write(f"\r{read:,} of {total:,} events" + ("\n" if read == total else ""))
    sys.stderr.flush()


@replay_app.command("list")
@_plainly
def replay_list() -> None:
    """List all runs."""
    from spendstream.replay import runs  # noqa: PLC0415 - keeps other commands quick

    table = Table("run", "state", "began", "finished", "events", "note")
    for run in sorted(runs(configuration.load()).values(), key=lambda run: run.started_at):
        finished = "—" if run.finished_at is None else f"{run.finished_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(run.id, run.state, f"{run.started_at:%Y-%m-%d %H:%M:%S}", finished, f"{run.events:,}", run.note)
    Console().print(table if table.row_count else "no runs")


@replay_app.command("compare")
@_plainly
def replay_compare(
    run: str,
    other: Annotated[str | None, typer.Argument(help="Another run; by default the live one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Compare the day totals of two runs, to the last digit; exit status 1 when they differ."""
    from spendstream.compare import compare  # noqa: PLC0415 - keeps other commands quick
    from spendstream.dropping import wait_until_written  # noqa: PLC0415
    from spendstream.replay import known_run  # noqa: PLC0415

    settings = configuration.load()
    for name in (run, other):
        if name not in {None, settings.processing.run}:
            known_run(settings, name)
    wait_until_written(settings)
    found = compare(settings, run, other or settings.processing.run)
    typer.echo(json.dumps(found.plain(), indent=2) if as_json else found.text())
    raise typer.Exit(0 if found.same else 1)


@replay_app.command("promote")
@_plainly
def replay_promote(run: str) -> None:
    """Make a run the live one: replay it up to now, and leave its state for the workers."""
    from spendstream.replay import Replay  # noqa: PLC0415 - keeps other commands quick

    promoted = Replay(configuration.load(), SystemClock(), run).promote(_progress)
    for where, offset in promoted.to_offsets.items():
        typer.echo(f"live from {where} offset {offset}")
    typer.echo(f"now set SPENDSTREAM_PROCESSING__RUN={run} for every service, and start them again")


@replay_app.command("drop")
@_plainly
def replay_drop(run: str) -> None:
    """Remove a run: its rows, and the state of its workers."""
    from spendstream.dropping import drop  # noqa: PLC0415 - keeps other commands quick

    drop(configuration.load(), SystemClock(), run)
    typer.echo(f"run {run} is dropped")


@dead_letters_app.command("list")
@_plainly
def dead_letters_list(limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50) -> None:
    """List what could not be processed, the newest first."""
    from sinks.clickhouse import connect  # noqa: PLC0415 - keeps other commands quick

    table = Table("id", "at", "stage", "origin", "error", "reason")
    with connect(configuration.load().clickhouse, reader=True) as client:
        rows = client.query(
            "SELECT id, at, stage, origin, error, reason FROM dead_letters FINAL ORDER BY at DESC LIMIT {n:UInt32}",
            {"n": limit},
        ).result_rows
    for row in rows:
        table.add_row(*map(str, row))
    Console().print(table if rows else "no dead letters")


@dead_letters_app.command("show")
@_plainly
def dead_letters_show(letter: str) -> None:
    """Show one dead letter, whole."""
    found = _letters(letter)
    for event in found:
        typer.echo(f"{event.id} found by {event.stage} at {event.at.isoformat()} in {event.origin}")
        typer.echo(f"{event.error}: {event.reason}")
        typer.echo(event.value.decode(errors="backslashreplace"))


@dead_letters_app.command("retry")
@_plainly
def dead_letters_retry(letter: str) -> None:
    """Send a dead letter back to the topic and partition that it came from."""
    from spendstream.dead_letters import send_back  # noqa: PLC0415 - keeps other commands quick

    for event in _letters(letter):
        typer.echo(send_back(configuration.load(), event))


def _letters(letter: str) -> list[DeadLetter]:
    from spendstream.dead_letters import find  # noqa: PLC0415 - keeps other commands quick

    found = find(configuration.load(), letter)
    if not found:
        raise ConfigurationError(f"no dead letter {letter}; see `spendstream dead-letters list`")
    return found


@app.command()
@_plainly
def config() -> None:
    """Print the settings as they are in force; secrets are never printed."""
    typer.echo(configuration.load().model_dump_json(indent=2))


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
