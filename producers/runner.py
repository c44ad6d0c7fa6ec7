"""The process that reads the sources, each on its own schedule, in lanes.

A lane is a thread with sources that run one after the other: bills, which share the knowledge of what was published,
and metrics, which must not wait for a large bill. What Kafka refuses ends all lanes, and they begin anew after a pause.
"""

import logging
import random
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from confluent_kafka import KafkaException

from processors.ledger import OverlapError
from producers.aws_session import AwsSessions
from producers.budget import Budget, NoBudget
from producers.cloudwatch import CloudWatch
from producers.cost_explorer import CostExplorer
from producers.cost_explorer_access import Access, source_name
from producers.cost_explorer_controls import CostExplorerControls
from producers.cost_explorer_views import CostExplorerView
from producers.focus_export import FocusExport
from producers.on_demand import ask_running, pages
from producers.publisher import Publisher
from producers.recording import Player, Recorder, recorder, store
from producers.runs import Runs
from producers.scheduler import Scheduler
from producers.sender import DeliveryError, Sender
from producers.source import ReadingReport, Source, SourceError
from spendstream.admin import ensure_topics
from spendstream.clock import Clock, ManualClock, SystemClock
from spendstream.health import Progress, health_page
from spendstream.settings import ConfigurationError, Payer, Settings

_LOOK_SECONDS = 5.0
_STOP_SECONDS = 15.0
_FIRST_PAUSE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 300.0

log = logging.getLogger(__name__)

#: Builds the sources of a lane, given what tells that a run is alive.
Build = Callable[[Callable[[], None]], list[Source]]


class Shared:
    """What the sources of one process share, and the lanes that they run in."""

    def __init__(self, settings: Settings, clock: Clock, player: Player | None = None) -> None:
        self.settings = settings
        self.clock = clock
        self.runs = Runs(Sender(settings, clock))
        self.budget = NoBudget(clock) if player else Budget(settings.budget, Sender(settings, clock))
        self._player = player

    def bills(self, moved: Callable[[], None]) -> list[Source]:
        """Return the sources of cost statements."""
        settings = self.settings
        if not settings.focus and not settings.cost_explorer.enabled:
            return []
        publisher = Publisher(settings, self.clock)
        publisher.moved = moved
        found: list[Source] = [FocusExport(export, publisher) for export in settings.focus]
        if settings.cost_explorer.enabled:
            for payer in settings.aws.payers or (None,):
                found += self._cost_explorer(payer, publisher, moved)
        return found

    def metrics(self, moved: Callable[[], None]) -> list[Source]:
        """Return the sources of usage metrics."""
        if not self.settings.cloudwatch.enabled:
            return []
        sender = Sender(self.settings, self.clock)
        sender.moved = moved
        sessions, keep = self._taped(CloudWatch.name, moved)
        return [keep(CloudWatch(self.settings.cloudwatch, sessions, self.budget, sender, self.runs))]

    def lanes(self) -> dict[str, Build]:
        """Return what builds each lane."""
        return {"bills": self.bills, "metrics": self.metrics}

    def _cost_explorer(self, payer: Payer | None, publisher: Publisher, moved: Callable[[], None]) -> Iterator[Source]:
        """Yield the sources of one payer's bill: itself, its views, its controls."""
        options = self.settings.cost_explorer
        for part in ("", *options.views, *(("controls",) if options.controls else ())):
            sessions, keep = self._taped(source_name(payer, part), moved)
            access = Access(options, payer, sessions, self.budget)
            if not part:
                yield keep(CostExplorer(access, publisher))
            elif part == "controls":
                yield keep(CostExplorerControls(access, publisher))
            else:
                yield keep(CostExplorerView(access, publisher, part))

    def _taped(self, name: str, moved: Callable[[], None]) -> tuple[AwsSessions, Callable[[Source], Source]]:
        """Return sessions whose answers are kept, or come from a recording, and what makes a source begin its tape."""
        tape = self._player or recorder(self.settings.recording, name, self.clock)
        sessions = AwsSessions(self.settings.aws, tape, moved=moved)
        if not isinstance(tape, Recorder):
            return sessions, lambda source: source
        return sessions, lambda source: Recorded(source, tape, self.runs, self.clock)


def _check_configured(settings: Settings) -> None:
    if not settings.has_sources:
        raise ConfigurationError(
            "there is no source to read: set SPENDSTREAM_COST_EXPLORER__ENABLED=true, "
            'SPENDSTREAM_CLOUDWATCH__ENABLED=true or SPENDSTREAM_FOCUS=\'[{"name": "main", "path": "…"}]\''
        )


def read_once(settings: Settings, clock: Clock | None = None, only: str | None = None) -> list[ReadingReport]:
    """Read every source once, or the `only` one, and return what was done.

    Raises
    ------
    ConfigurationError
        When there is no such source, or one of them cannot be read; the others are read all the same.
    """
    _check_configured(settings)
    shared = Shared(settings, clock or SystemClock())
    found = [source for build in shared.lanes().values() for source in build(lambda: None)]
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
        for report in play(settings) if settings.recording.play_from is not None else read_once(settings, only=only):
            log.info("%s", report)
        return
    _check_configured(settings)
    service = Service(settings)
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
    return "\n".join(str(report) for report in read_once(settings, only=name))


class Recorded:
    """A source whose tape begins anew with each run."""

    def __init__(self, source: Source, tape: Recorder, runs: Runs, clock: Clock) -> None:
        self.name = source.name
        self.schedule = source.schedule
        self._source = source
        self._tape = tape
        self._runs = runs
        self._clock = clock

    def run_once(self) -> ReadingReport:
        """Read the source."""
        self._tape.begin(self._clock.now(), self._runs.good_at(self.name))
        return self._source.run_once()


@dataclass(slots=True)
class _Lane:
    name: str
    scheduler: Scheduler
    progress: Progress
    error: BaseException | None = None

    def run(self, ended: threading.Event) -> None:
        """Run what is due, until `ended`; an error ends the other lanes as well."""
        try:
            while not ended.is_set():
                self.progress.busy(True)
                self.scheduler.run_due()
                self.progress.busy(False)
                self.progress.moved()
                self.scheduler.wait(_LOOK_SECONDS)
        except Exception as error:  # noqa: BLE001 - raised again by the main thread
            self.error = error
        finally:
            self.progress.busy(False)
            ended.set()


class Service:
    """All lanes of the process, as its health page shows them."""

    service = "produce"

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._stop = threading.Event()
        self._lanes: Sequence[_Lane] = ()

    def stop(self) -> None:
        """Stop after what is being read, or within seconds: what is cut off is read again the next time."""
        self._stop.set()

    def ask(self, name: str) -> str:
        """Ask for a run of a source now; see `Scheduler.ask`."""
        answers = {lane.scheduler.ask(name) for lane in self._lanes}
        return next((answer for answer in answers if answer != "unknown"), "unknown")

    def details(self) -> dict[str, object]:
        """Return what each source does."""
        return {"sources": {name: state for lane in self._lanes for name, state in lane.scheduler.state().items()}}

    @property
    def ready(self) -> bool:
        """Whether the lanes have begun."""
        return bool(self._lanes)

    @property
    def seconds_without_progress(self) -> float:
        """Seconds since the slowest lane moved."""
        return max((lane.progress.seconds_without_progress for lane in self._lanes), default=0.0)

    def run_until_stopped(self) -> None:
        """Run all lanes; when Kafka refuses, begin anew after a pause.

        Raises
        ------
        ConfigurationError
            When there is no source, or a schedule is no cron expression.
        """
        pause = _FIRST_PAUSE_SECONDS
        while not self._stop.is_set():
            try:
                self._run_lanes()
            except (DeliveryError, KafkaException) as error:
                log.error("%s; the sources begin anew in %.0f s", error, pause)  # noqa: TRY400 - the text says all
                self._stop.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _run_lanes(self) -> None:
        shared, chance = Shared(self._settings, self._clock), random.Random()  # noqa: S311 - no secret
        lanes = []
        for name, build in shared.lanes().items():
            progress = Progress(name)
            if found := build(progress.moved):
                scheduler = Scheduler(found, shared.runs, self._clock, chance, self._settings.scheduling)
                lanes.append(_Lane(name, scheduler, progress))
        self._lanes = lanes
        ended = threading.Event()
        threads = [threading.Thread(target=partial(lane.run, ended), name=lane.name, daemon=True) for lane in lanes]
        for thread in threads:
            thread.start()
        while not ended.is_set() and not self._stop.is_set():
            ended.wait(0.5)
        ended.set()
        for lane, thread in zip(lanes, threads, strict=True):
            lane.scheduler.wake()
            thread.join(_STOP_SECONDS)
        for lane in lanes:
            if lane.error is not None:
                raise lane.error
