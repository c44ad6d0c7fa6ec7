"""The report service: sends what is due, tries again, and corrects what was told too early.

One process at a time sends for a deployment. Of each report the newest period goes out; what was due over three days
ago is history.
"""

import asyncio
import logging
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import aiohttp
from confluent_kafka import KafkaException

from alerts import routes
from alerts.channels.making import make
from alerts.reports.due import pause
from alerts.reports.log import Key, key_of, recent, told
from alerts.reports.questions import view_of
from alerts.reports.report import GRACE, Period, Report, Span
from alerts.reports.telling import Telling
from alerts.routes import Routing
from alerts.routing_file import RoutingFile
from api.problems import Problem
from producers.sender import DeliveryError, Sender
from producers.sole import Sole, SoleProducer
from schemas.events import CostReport
from spendstream.admin import ensure_topics
from spendstream.clock import Clock, SystemClock
from spendstream.health import Progress, check_exposure, health_page
from spendstream.settings import ConfigurationError, Settings
from spendstream.supervise import begin_anew

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
#: So often it is asked whether a period has become more final.
_ASK_EVERY = timedelta(minutes=10)


def routing_with_reports(settings: Settings) -> Routing:
    """Return the routing, whose reports can be told.

    Raises
    ------
    ConfigurationError
        When there is none, it cannot be used, or a report asks for what cannot be told.
    """
    if settings.alerts.routing is None:
        raise ConfigurationError("alerts.routing names no file: say there who is told what, see docs/reports.md")
    routing = routes.read(settings.alerts.routing)
    check(routing, settings)
    return routing


def check(routing: Routing, settings: Settings) -> None:
    """Raise `ConfigurationError` when a report asks for what cannot be told."""
    for report in routing.reports:
        view_of(report, settings)


def run(settings: Settings, clock: Clock | None = None) -> None:
    """Send reports until SIGTERM or SIGINT.

    Raises
    ------
    ConfigurationError
        When there is no routing or no report in it, it cannot be used, or Kafka cannot be reached.
    """
    routing = routing_with_reports(settings)
    if not routing.reports:
        raise ConfigurationError(f"{settings.alerts.routing} has no reports: write them there, see docs/reports.md")
    check_exposure(settings.health.host, settings.health.token, "health")
    ensure_topics(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    progress = Progress("report")
    anew = False
    with (
        health_page(progress, settings.health, settings.health.report),
        SoleProducer(settings, "report") as sole,
    ):
        try:
            if sole.wait(stop):
                asyncio.run(Reporting(settings, routing, clock or SystemClock(), sole, progress).work(stop))
        except DeliveryError as error:
            log.critical("beginning anew: %s", error)
            anew = True
    if anew:
        begin_anew()


@dataclass(frozen=True, slots=True)
class _Wait:
    """A pause before the next look at one receiver's report."""

    until: datetime
    failures: int = 0
    error: str = ""


class Reporting:
    """Sends the reports of a deployment.

    Parameters
    ----------
    settings, routing, clock
        The deployment, its reports and receivers, and the time.
    sole
        The right to send.
    progress
        For the health page.
    """

    def __init__(self, settings: Settings, routing: Routing, clock: Clock, sole: Sole, progress: Progress) -> None:
        self._settings = settings
        self._routing = routing
        self._clock = clock
        self._sole = sole
        self._progress = progress
        self._sender = Sender(settings, clock)
        self._file = None if settings.alerts.routing is None else RoutingFile(settings.alerts.routing)
        self._waits: dict[Key, _Wait] = {}
        self._log: dict[Key, CostReport] = {}
        progress.details = self.details

    def details(self) -> dict[str, object]:
        """Return what was not told at the last try, and why, for the health page."""
        failed = {f"{key[0]} {key[1]} {key[3]}": wait.error for key, wait in self._waits.items() if wait.failures}
        fault = None if self._file is None else self._file.fault
        return {"reports_in_trouble": failed, **({} if fault is None else {"routing_that_cannot_be_used": fault})}

    async def work(self, stop: threading.Event) -> None:
        """Send what is due until told to stop; what is under way then is finished."""
        timeout = aiohttp.ClientTimeout(total=self._settings.alerts.timeout_seconds)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            telling = await self._telling(self._routing, session)
            self._log = await asyncio.to_thread(self._recent)
            while not stop.is_set():
                self._sole.check()
                telling = await self._reread(telling, session)
                await self._look(telling)
                self._progress.moved()
                await asyncio.to_thread(stop.wait, _LOOK_SECONDS)

    async def _telling(self, routing: Routing, session: aiohttp.ClientSession) -> Telling:
        channels = {one.name: await asyncio.to_thread(make, one, session, self._settings) for one in routing.receivers}
        return Telling(self._settings, routing, self._clock, channels.__getitem__, self._sender)

    async def _reread(self, telling: Telling, session: aiohttp.ClientSession) -> Telling:
        """Go over to another routing when the file has changed; return how receivers are told by what holds."""
        routing = None if self._file is None else self._file.changed()
        if routing is None or self._file is None:
            return telling
        try:
            check(routing, self._settings)
            made = await self._telling(routing, session)
        except ConfigurationError as error:
            self._file.refuse(str(error))
            return telling
        self._routing = routing
        return made

    def _recent(self) -> dict[Key, CostReport]:
        return recent(told(self._settings), self._clock.now())

    async def _look(self, telling: Telling) -> None:
        wanted = list(self._wanted(self._clock.now()))
        self._progress.busy(bool(wanted))
        if not wanted:
            return
        try:
            # A person may have had one sent meanwhile.
            self._log = await asyncio.to_thread(self._recent)
        except (ConfigurationError, KafkaException) as error:
            log.warning("the log of reports cannot be read: %s", error)
            return
        for report, period, receiver in wanted:
            self._sole.check()
            await self._tell(telling, report, period, receiver)
            self._progress.moved()

    def _wanted(self, now: datetime) -> Iterator[tuple[Report, Period, str]]:
        """Yield what may have to be told now."""
        for report in self._routing.reports:
            newest = report.newest(now)
            spans = {Span(one.first_day, one.last_day) for one in self._log.values() if _open(one, report)}
            if now - report.due_at(newest) <= GRACE:
                spans.add(newest.span)
            for span in sorted(spans, key=lambda span: span.first):
                for receiver in report.receivers:
                    key = key_of(report, span, receiver)
                    logged, wait = self._log.get(key), self._waits.get(key)
                    begun = span == newest.span if logged is None else _open(logged, report)
                    if begun and (wait is None or wait.until <= now):
                        yield report, Period(report.every, span), receiver

    async def _tell(self, telling: Telling, report: Report, period: Period, receiver: str) -> None:
        key = key_of(report, period.span, receiver)
        failures = self._waits[key].failures if key in self._waits else 0
        try:
            done = await telling.tell(report, period, receiver, self._log.get(key), attempts=failures + 1)
        except (Problem, ConfigurationError, KafkaException) as error:
            self._failed(key, failures + 1, f"no figures: {error}", None)
            return
        if done.event is None:
            outcome = done.outcome
            self._failed(key, failures + 1, outcome.error if outcome else "", outcome.retry_after if outcome else None)
            return
        self._log[key] = done.event
        self._waits[key] = _Wait(self._clock.now() + _ASK_EVERY)
        if done.outcome is None:
            return
        if done.outcome.accepted:
            log.info("sent %s of %s to %s: %s", report.id, period.name, receiver, done.verdict.reason)
        else:
            log.error("%s refused %s of %s: %s", receiver, report.id, period.name, done.outcome.error)

    def _failed(self, key: Key, failures: int, error: str, retry_after: timedelta | None) -> None:
        wait = pause(failures, retry_after)
        self._waits[key] = _Wait(self._clock.now() + wait, failures, error)
        log.warning("%s of %s did not reach %s, again in %s: %s", key[0], key[1], key[3], wait, error)


def _open(logged: CostReport, report: Report) -> bool:
    """Tell whether what was told of a report may still have to be corrected."""
    return logged.report == report.id and logged.state == "sent" and logged.stage != "final"
