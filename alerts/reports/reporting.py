"""What is due, to whom, and whether it may go out now: of each report the newest period.

A receiver's quiet hours, rate, pauses, deadline and fallback are those that it has for alerts. What was due over three
days ago is history.
"""

import asyncio
import logging
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import aiohttp
from confluent_kafka import KafkaException
from prometheus_client import CollectorRegistry

from alerts.delivery_metrics import DeliveryMetrics
from alerts.lines import Line, pause_after
from alerts.reception import Reception
from alerts.reports.addressees import fallback_of, told_of
from alerts.reports.log import Key, key_of, recent, told
from alerts.reports.questions import view_of
from alerts.reports.records import Records
from alerts.reports.report import GRACE, Edition, Period, Report, Span
from alerts.reports.telling import Telling
from alerts.routes import Routing
from alerts.routing import quiet_hours
from api.problems import Problem
from producers.sender import Sender
from producers.sole import Sole
from schemas.events import CostReport
from spendstream.clock import Clock
from spendstream.health import Progress
from spendstream.settings import ConfigurationError, Settings

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
#: Stands for a receiver where none is told.
_NOBODY = ""
#: So often it is asked whether a period has become more final.
_ASK_EVERY = timedelta(minutes=10)


def check(routing: Routing, settings: Settings) -> None:
    """Raise `ConfigurationError` when a report asks for what cannot be told."""
    for report in routing.reports:
        view_of(report, settings)


@dataclass(frozen=True, slots=True)
class _Wait:
    """A pause before something is looked at again; so many tries to have its figures failed, as `error` says."""

    until: datetime
    failures: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Try:
    """An edition that a receiver could not be told yet: since when it is tried, and why it failed last."""

    edition: Edition
    since: datetime
    error: str


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
    metrics
        Count what becomes of messages.
    """

    def __init__(
        self,
        settings: Settings,
        routing: Routing,
        clock: Clock,
        sole: Sole,
        progress: Progress,
        metrics: DeliveryMetrics | None = None,
    ) -> None:
        self._settings = settings
        self._reception = Reception(settings, routing, lambda one: check(one, settings))
        self._clock = clock
        self._sole = sole
        self._progress = progress
        self._metrics = metrics or DeliveryMetrics(CollectorRegistry())
        self._sender = Sender(settings, clock)
        self._lines: dict[str, Line] = {}
        self._editions: dict[tuple[str, Span], list[Edition]] = {}
        self._waits: dict[Key, _Wait] = {}
        self._trying: dict[Key, _Try] = {}
        self._held: dict[Key, str] = {}
        self._log: dict[Key, CostReport] = {}
        progress.details = self.details

    def details(self) -> dict[str, object]:
        """Return what was not told at the last try, and why, for the health page."""
        failed = {_name(key): f"no figures: {wait.error}" for key, wait in self._waits.items() if wait.failures}
        failed |= {_name(key): one.error for key, one in self._trying.items()}
        fault = self._reception.fault
        return {"reports_in_trouble": failed, **({} if fault is None else {"routing_that_cannot_be_used": fault})}

    async def work(self, stop: threading.Event) -> None:
        """Send what is due until told to stop; what is under way then is finished."""
        timeout = aiohttp.ClientTimeout(total=self._settings.alerts.timeout_seconds)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            with self._reception as reception:
                self._log = await asyncio.to_thread(self._recent)
                await asyncio.to_thread(reception.open, session)
                telling = self._telling()
                while not stop.is_set():
                    self._sole.check()
                    if await asyncio.to_thread(reception.renew):
                        self._go_over()
                        telling = self._telling()
                    await self._look(telling)
                    self._progress.moved()
                    await asyncio.to_thread(stop.wait, _LOOK_SECONDS)

    def _telling(self) -> Telling:
        """Return how the receivers of the routing in force are told."""
        routing = self._reception.routing
        for one in routing.receivers:
            told_at = {event.sent_at for event in self._log.values() if event.receiver == one.name}
            self._lines.setdefault(one.name, Line(one, told_at)).limits = one
        records = Records(self._settings, routing, self._clock, self._sender, self._metrics)
        return Telling(self._settings, routing, self._clock, self._reception.channel, records)

    def _go_over(self) -> None:
        """Forget what was so under another routing."""
        routing = self._reception.routing
        self._editions.clear()
        self._waits = {key: wait for key, wait in self._waits.items() if key[-1] != _NOBODY}
        known = {report.id for report in routing.reports}, {receiver.name for receiver in routing.receivers}
        self._trying = {key: one for key, one in self._trying.items() if key[0] in known[0] and key[-1] in known[1]}

    def _recent(self) -> dict[Key, CostReport]:
        return recent(told(self._settings), self._clock.now())

    async def _look(self, telling: Telling) -> None:
        now = self._clock.now()
        begun = await self._begun(telling, now)
        late = {
            key: one
            for key, one in self._trying.items()
            if not self._may_wait(key, one, begun) and not self._rests(key, now)
        }
        due = {key: one for key, one in begun.items() if key not in late and not self._rests(key, now)}
        for key, (edition, _) in list(due.items()):
            if await self._holds(telling, key, edition):
                del due[key]
        self._progress.busy(bool(due or late))
        if not due and not late:
            return
        try:
            # A person may have had one sent meanwhile.
            self._log = await asyncio.to_thread(self._recent)
        except (ConfigurationError, KafkaException) as error:
            log.warning("the log of reports cannot be read: %s", error)
            return
        for key, one in late.items():
            await self._give_up(telling, key, one)
        for key, (edition, instead_of) in due.items():
            self._sole.check()
            # What was told just now may have taken the receiver's time.
            if self._lines[key[-1]].waits(self._clock.now()) is None:
                await self._tell(telling, key, edition, instead_of)
            self._progress.moved()

    async def _begun(self, telling: Telling, now: datetime) -> dict[Key, tuple[Edition, str | None]]:
        """Return what may have to be told, with whom it was meant for where somebody stands in."""
        found: dict[Key, tuple[Edition, str | None]] = {}
        periods: set[tuple[str, Span]] = set()
        for report in self._reception.routing.reports:
            newest = report.newest(now)
            spans = {Span(one.first_day, one.last_day) for one in self._log.values() if _open(one, report)}
            if now - report.due_at(newest) <= GRACE:
                spans.add(newest.span)
            periods |= {(report.id, span) for span in spans}
            for span in sorted(spans, key=lambda span: span.first):
                for edition in await self._editions_of(telling, report, Period(report.every, span)):
                    for receiver, instead_of in told_of(self._reception.routing, edition, self._log).items():
                        key = key_of(edition, receiver)
                        logged = self._log.get(key)
                        if span == newest.span if logged is None else _open(logged, report):
                            found[key] = edition, instead_of
        self._forget(found, periods)
        return found

    def _forget(self, begun: Collection[Key], periods: Collection[tuple[str, Span]]) -> None:
        """Forget what is known of what nobody has to be told any more."""
        alive = {*begun, *self._trying, *(_asking(*period) for period in periods)}
        self._waits = {key: wait for key, wait in self._waits.items() if key in alive}
        self._held = {key: why for key, why in self._held.items() if key in alive}
        self._editions = {period: found for period, found in self._editions.items() if period in periods}

    async def _editions_of(self, telling: Telling, report: Report, period: Period) -> list[Edition]:
        """Return the editions of a report, asked for anew now and then where it is made for each of something."""
        name, key = (report.id, period.span), _asking(report.id, period.span)
        known = self._editions.get(name)
        if self._rests(key, self._clock.now()) or (known is not None and report.for_each is None):
            return known or []
        try:
            found = self._editions[name] = await telling.editions(report, period)
        except (Problem, ConfigurationError, KafkaException) as error:
            self._no_figures(key, report.id, str(error))
            return known or []
        self._waits[key] = _Wait(self._clock.now() + _ASK_EVERY)
        return found

    def _rests(self, key: Key, now: datetime) -> bool:
        wait = self._waits.get(key)
        return wait is not None and now < wait.until

    def _may_wait(self, key: Key, one: _Try, begun: Mapping[Key, object]) -> bool:
        """Tell whether it is tried again: to the deadline where somebody stands in, else while it is news."""
        if fallback_of(self._reception.routing, key[-1]) is None:
            return key in begun
        return self._clock.now() < one.since + self._lines[key[-1]].limits.deadline

    async def _holds(self, telling: Telling, key: Key, edition: Edition) -> bool:
        """Tell whether a receiver is to be left alone now; why is written down once for what it was not told yet."""
        now, name = self._clock.now(), key[-1]
        line, quiet = self._lines[name], quiet_hours(self._reception.routing.receiver(name), "info", now)
        waits = line.waits(now)
        why = quiet or (None if waits is None else waits[1])
        told_why = quiet is not None or (not line.failures and line.left(now) == 0)
        if why is None:
            self._held.pop(key, None)
        elif told_why and key not in self._log and self._held.get(key) != why:
            self._held[key] = why
            await telling.records.hold(edition, name, why)
        return why is not None

    async def _tell(self, telling: Telling, key: Key, edition: Edition, instead_of: str | None) -> None:
        name, began = key[-1], self._clock.now()
        try:
            done = await telling.tell(edition, name, self._lines[name], self._log.get(key), instead_of=instead_of)
        except (Problem, ConfigurationError, KafkaException) as error:
            self._no_figures(key, f"{edition.name} for {name}", str(error))
            return
        outcome = done.outcome
        if done.event is None:
            why = "" if outcome is None else outcome.error
            known = self._trying.get(key)
            self._trying[key] = _Try(edition, began if known is None else known.since, why)
            log.warning("%s of %s did not reach %s: %s", edition.name, edition.period.name, name, why)
            return
        self._settle(key, done.event)
        if outcome is not None and outcome.accepted:
            log.info("sent %s of %s to %s: %s", edition.name, edition.period.name, name, done.verdict.reason)
        elif outcome is not None:
            log.error("%s refused %s of %s: %s", name, edition.name, edition.period.name, outcome.error)

    async def _give_up(self, telling: Telling, key: Key, one: _Try) -> None:
        logged = self._log.get(key)
        try:
            event = await telling.give_up(
                one.edition, key[-1], self._lines[key[-1]], 0 if logged is None else logged.number + 1
            )
        except (Problem, ConfigurationError, KafkaException) as error:
            self._no_figures(key, f"{one.edition.name}, which is given up", str(error))
            return
        self._settle(key, event)
        log.error("%s was not told %s of %s: %s", key[-1], one.edition.name, one.edition.period.name, one.error)

    def _settle(self, key: Key, event: CostReport) -> None:
        self._log[key] = event
        self._trying.pop(key, None)
        self._waits[key] = _Wait(self._clock.now() + _ASK_EVERY)

    def _no_figures(self, key: Key, what: str, error: str) -> None:
        known = self._waits.get(key)
        failures = 1 if known is None else known.failures + 1
        self._waits[key] = _Wait(self._clock.now() + pause_after(failures), failures, error)
        log.warning("no figures of %s, again in %s: %s", what, pause_after(failures), error)


def _asking(report: str, span: Span) -> Key:
    """Return the key under which it waits to be asked who is told of a report."""
    return report, "", span.first, span.last, _NOBODY


def _name(key: Key) -> str:
    """Return what is not told, and to whom, in words."""
    report, value, first, _, receiver = key
    return " ".join(filter(None, (report, value, str(first), receiver)))


def _open(logged: CostReport, report: Report) -> bool:
    """Tell whether what was told of a report may still have to be corrected."""
    return logged.report == report.id and logged.state == "sent" and logged.stage != "final"
