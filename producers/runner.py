"""The producers' entry points: the service, one reading of every source, a recording, a source asked for by hand."""

import logging
import signal
from collections.abc import Callable

from processors.ledger import OverlapError
from producers.on_demand import ask_running, pages
from producers.recording import Player, store
from producers.service import Service
from producers.shared import Shared
from producers.sole import SoleProducer, publishing
from producers.source import ReadingReport, SourceError
from spendstream.admin import ensure_topics
from spendstream.clock import Clock, ManualClock, SystemClock
from spendstream.health import health_page
from spendstream.settings import ConfigurationError, Settings

log = logging.getLogger(__name__)


def _check_configured(settings: Settings) -> None:
    if not settings.has_sources:
        raise ConfigurationError(
            "there is no source to read: set SPENDSTREAM_COST_EXPLORER__ENABLED=true, "
            'SPENDSTREAM_CLOUDWATCH__ENABLED=true or SPENDSTREAM_FOCUS=\'[{"name": "main", "path": "…"}]\''
        )


def read_once(
    settings: Settings,
    clock: Clock | None = None,
    only: str | None = None,
    moved: Callable[[], None] = lambda: None,
) -> list[ReadingReport]:
    """Read every source once, or the `only` one, and return what was done; `moved` is called with every event.

    Raises
    ------
    ConfigurationError
        When there is no such source, or one of them cannot be read; the others are read all the same.
    """
    _check_configured(settings)
    shared = Shared(settings, clock or SystemClock())
    found = [source for build in shared.lanes().values() for source in build(moved)]
    chosen = [source for source in found if only in (None, source.name)]
    if not chosen:
        raise ConfigurationError(f"there is no source {only}; there are {', '.join(source.name for source in found)}")
    reports, problems = [], []
    for source in chosen:
        started = shared.clock.now()
        try:
            reports.append(source.run_once())
        except (SourceError, OverlapError, ConfigurationError) as error:
            shared.runs.keep(source.name, started, good=False, note=str(error))
            problems.append(f"{source.name} cannot be read: {error}")
        else:
            shared.runs.keep(source.name, started, good=True, note=str(reports[-1]))
    if problems:
        raise ConfigurationError("\n".join(problems))
    return reports


def play(settings: Settings) -> list[ReadingReport]:
    """Read every run of a recording in the order in which they were made, and return what was done.

    The clock of each run is the time at which it began, so that it asks what was asked then.

    Raises
    ------
    ConfigurationError
        When there is no recording, it is of a source that is not configured, or it lacks what a source asks.
    """
    _check_configured(settings)
    player = Player(store(settings.recording.play_from or ""))
    clock = ManualClock(player.runs()[0][0])
    shared = Shared(settings, clock, player)
    sources = {source.name: source for build in shared.lanes().values() for source in build(lambda: None)}
    reports = []
    for at, name in player.runs():
        if name not in sources:
            raise ConfigurationError(f"the recording is of {name} too, and that is not configured: enable it")
        clock.set(at)
        known = player.begin(at, name)
        if known is not None and shared.runs.good_at(name) is None:
            shared.runs.keep(name, known, good=True, note="before the recording began")
        try:
            reports.append(sources[name].run_once())
        except SourceError as error:
            raise ConfigurationError(f"{name} at {at.isoformat()}: {error}") from None
        shared.runs.keep(name, at, good=True, note=str(reports[-1]))
    return reports


def run(settings: Settings, *, once: bool, only: str | None = None) -> None:
    """Read the sources when they are due, until SIGTERM or SIGINT; or each, or the `only` one, `once`.

    Raises
    ------
    ConfigurationError
        When there is no source, or a schedule is no cron expression.
    """
    ensure_topics(settings)
    if once or settings.recording.play_from is not None:
        with publishing(settings) as moved:
            played = settings.recording.play_from is not None
            for report in play(settings) if played else read_once(settings, only=only, moved=moved):
                log.info("%s", report)
        return
    _check_configured(settings)
    service = Service(settings, SoleProducer)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: service.stop())
    with health_page(service, settings.health, settings.health.produce, pages(settings.health, service.ask)):
        service.run_until_stopped()


def run_now(settings: Settings, name: str) -> str:
    """Read one source now: by the producer that runs on this machine, or, where none does, in this process.

    Raises
    ------
    ConfigurationError
        When there is no such source, it is being read, or the running producer does not take requests.
    """
    answer = ask_running(settings.health, name)
    if answer is not None:
        return answer
    ensure_topics(settings)
    with publishing(settings) as moved:
        return "\n".join(str(report) for report in read_once(settings, only=name, moved=moved))
