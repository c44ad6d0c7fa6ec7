"""The process that runs steps live: Faust apps, health page, clean stop.

It works on the run that is live. When another one is promoted (see `spendstream.runs`), it stops cleanly and begins
anew, as a fresh process: Faust leaves threads and clients behind that a second app in one process trips over.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from processors.backlog import Backlog
from processors.backlog_report import BacklogReport
from processors.live import Faults, LiveStep, no_faults
from processors.live_names import changelog_name
from processors.step import Step
from schemas.registry import schema_source
from spendstream.admin import ensure_topics
from spendstream.clock import SystemClock
from spendstream.health import Progress, StallGuard, check_exposure, health_app
from spendstream.runs import LiveRun, begin_first, following
from spendstream.settings import ConfigurationError, Settings
from spendstream.supervise import begin_anew

log = logging.getLogger(__name__)

#: Exit status of a process that ended itself, to be restarted.
FATAL = 70
#: Seconds that the steps may take to settle what is under way and to leave.
LONGEST_STOP = 20.0


class _StepMetrics(Collector):
    def __init__(self, live: list[LiveStep], backlogs: list[Backlog]) -> None:
        self._live = live
        self._backlogs = backlogs

    def collect(self) -> Iterator[Metric]:
        events = CounterMetricFamily("spendstream_step_events", "Events processed by a step.", labels=["step"])
        counted = CounterMetricFamily("spendstream_step_counts", "What a step counts.", labels=["step", "what"])
        for step in self._live:
            events.add_metric([step.step.name], step.events)
            for what, number in sorted(step.counts.items()):
                counted.add_metric([step.step.name, what], number)
        waiting = GaugeMetricFamily("spendstream_step_backlog", "Events that wait in a step's input.", labels=["step"])
        for step, backlog in zip(self._live, self._backlogs, strict=True):
            waiting.add_metric([step.step.name], backlog.events)
        yield from (events, counted, waiting)


def _fatal(error: BaseException) -> None:
    log.critical("cannot go on, ending to be restarted: %s: %s", type(error).__name__, error)
    os._exit(FATAL)


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker does: its steps, for a deployment and run, and what its service is called in `health`.

    `beside` is entered when the steps run and left when they stop.
    """

    service: Literal["process", "alert"]
    steps: Callable[[Settings], tuple[Step, ...]]
    beside: Callable[[Settings], AbstractContextManager[object]] = lambda _: contextlib.nullcontext()

    def chosen(self, settings: Settings) -> dict[str, Step]:
        """Return the steps that this worker runs, by name; ConfigurationError when the settings name an unknown one."""
        known = {step.name: step for step in self.steps(settings)}
        if self.service != "process" or not settings.processing.steps:
            return known
        unknown = set(settings.processing.steps) - set(known)
        if unknown:
            raise ConfigurationError(
                f"processing.steps names {', '.join(sorted(unknown))}; there are {', '.join(known)}"
            )
        return {name: known[name] for name in settings.processing.steps}


def run(settings: Settings, work: Work, faults: Faults = no_faults) -> None:
    """Run the steps of a worker until SIGTERM or SIGINT, always for the run that is live.

    Raises
    ------
    ConfigurationError
        When the settings name a step that does not exist, Kafka cannot be reached, or the health page's port is taken.
    """
    check_exposure(settings.health.host, settings.health.token, "health")
    ensure_topics(settings)
    begin_first(settings, SystemClock())
    # Events are thousands of small lists, none of them in a cycle: looking for cycles at every 700th is for nothing.
    gc.set_threshold(20_000, 20, 20)
    with LiveRun(settings) as live_run:
        another_is_live = asyncio.run(_work(following(settings), live_run, faults, work))
    if another_is_live:
        begin_anew()


async def _work(settings: Settings, live_run: LiveRun, faults: Faults, work: Work) -> bool:
    """Run the steps of one run until told to stop, or until another run is live; return whether one is."""
    chosen = work.chosen(settings)
    names = tuple(changelog_name(settings, step) for step in work.steps(settings))
    await asyncio.to_thread(ensure_topics, settings, names)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    schemas = schema_source(settings)
    live = [LiveStep(settings, step, schemas, _fatal, faults) for step in chosen.values()]
    run = settings.processing.run
    progress = Progress(work.service, lambda: {"run": run, **{step.step.name: step.events for step in live}})
    guard = StallGuard(progress, settings.health.stalled_seconds)
    async with contextlib.AsyncExitStack() as open_until_the_end:
        backlogs = [open_until_the_end.enter_context(Backlog(settings, step.step)) for step in live]
        registry = CollectorRegistry()
        registry.register(_StepMetrics(live, backlogs))
        await open_until_the_end.enter_async_context(_health_page(settings, work.service, progress, registry))
        guard.start()
        progress.busy(True)  # a start that hangs is a stall
        try:
            await _started(live, stop)
            log.info("processing %s of run %s", ", ".join(step.step.name for step in live), run)
            open_until_the_end.enter_context(work.beside(settings))
            looking = asyncio.ensure_future(_look(live, backlogs, progress, settings.health.stalled_seconds / 8))
            open_until_the_end.callback(looking.cancel)
            return await _watch(live, backlogs, progress, stop, lambda: live_run.now() in {None, run})
        except Exception as error:
            # At once: Faust's threads and tasks, left half-way, would keep it alive for ever.
            _fatal(error)
            raise
        finally:
            guard.stop()
            with _at_last():
                for step in live:
                    await step.stop()


@contextlib.contextmanager
def _at_last() -> Iterator[None]:
    """End the process when it takes too long to leave: without Kafka, Faust never does. Nothing is lost by that."""
    late = threading.Timer(LONGEST_STOP, _fatal, [TimeoutError(f"the steps have not stopped within {LONGEST_STOP} s")])
    late.daemon = True
    late.start()
    try:
        yield
    finally:
        late.cancel()


@contextlib.asynccontextmanager
async def _health_page(
    settings: Settings, service: str, progress: Progress, registry: CollectorRegistry
) -> AsyncIterator[None]:
    """Serve the health page, from before the steps start: a port in use is told before anything is under way."""
    port = getattr(settings.health, service)
    runner = web.AppRunner(health_app(progress, settings.health, registry), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.health.host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise ConfigurationError(
            f"the health page cannot listen on {settings.health.host}:{port}: {error.strerror}; "
            f"set health.{service} to a free port, or to 0 for any"
        ) from error
    try:
        yield
    finally:
        await runner.cleanup()


async def _started(live: list[LiveStep], stop: asyncio.Event) -> None:
    """Start all steps, side by side: each waits some seconds for its consumer group.

    Told to stop meanwhile, the process ends at once: a start cannot be undone half-way in Faust.
    """
    stopped = asyncio.ensure_future(stop.wait())
    stopped.add_done_callback(_left_at_once)
    await asyncio.gather(*(step.start() for step in live))
    stopped.remove_done_callback(_left_at_once)
    stopped.cancel()


def _left_at_once(_: object) -> None:
    log.info("told to stop while steps were starting; nothing was under way")
    os._exit(0)


async def _look(live: list[LiveStep], backlogs: list[Backlog], progress: Progress, every: float) -> None:
    """Ask Kafka now and then what waits, and tell of it; committed offsets are progress, also of another worker."""
    report = BacklogReport()
    while True:
        for step, backlog in zip(live, backlogs, strict=True):
            await asyncio.to_thread(backlog.look, step.partitions)
            if backlog.moved:
                progress.moved()
            await step.tell(report.of(step.step.name, backlog.events, datetime.now(UTC)))
        await asyncio.sleep(every)


async def _watch(
    live: list[LiveStep], backlogs: list[Backlog], progress: Progress, stop: asyncio.Event, is_live: Callable[[], bool]
) -> bool:
    """Keep the health page's view of progress, until told to stop or another run is live; return whether one is."""
    done = -1
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 1)
        for step in live:
            if (crash := step.crash) is not None:
                raise RuntimeError(f"Faust gave up {step.step.name}: {type(crash).__name__}: {crash}") from crash
        if not is_live():
            log.info("another run was promoted: going over to it")
            return True
        progress.busy(any(step.under_way for step in live) or any(backlog.events for backlog in backlogs))
        if (now_done := sum(step.events for step in live)) != done:
            done = now_done
            progress.moved()
    return False
