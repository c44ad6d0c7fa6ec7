"""The delivery service: incidents from Kafka, decisions, messages to channels, and a log of what was accepted.

For each message, in this order:

1. the desk says what goes out now, from all incidents as they are and from the log (`alert.notifications`);
2. Kafka has it in the log that the receiver may have heard of each incident (`Attempt`);
3. the channel accepts it, or does not, or nobody knows;
4. Kafka has it in the log what became of it: each incident was told (`Notification`), or how it stands (`Attempt`);
5. the receiver may be told more.

So a crash between 3 and 4 repeats that one message, under the same id, and nothing else is ever told twice. What may
have been heard, be it for a crash or for an answer that never came, is told as over when it is. One process at a time
delivers for a deployment. Incidents of a run that is not live are never told.
"""

import asyncio
import contextlib
import logging
import random
import signal
import threading
from datetime import timedelta

import aiohttp
from prometheus_client import CollectorRegistry

from alerts import routes
from alerts.channels.channel import Channel
from alerts.delivery_metrics import DeliveryMetrics
from alerts.delivery_records import DeliveryRecords
from alerts.desk import Desk
from alerts.incident_reader import IncidentReader
from alerts.links import linked
from alerts.mail_queue import MailQueue
from alerts.mail_returns import MailReturns
from alerts.message import Message
from alerts.pulse import Pulse
from alerts.reception import Reception
from alerts.records import Written
from alerts.routes import Routing
from producers.sender import DeliveryError
from producers.sole import Sole, SoleProducer
from spendstream.admin import ensure_topics
from spendstream.clock import Clock, SystemClock
from spendstream.health import Progress, check_exposure, health_page
from spendstream.runs import LiveRun, live_run
from spendstream.settings import ConfigurationError, Settings
from spendstream.supervise import begin_anew

log = logging.getLogger(__name__)

_LOOK_EVERY = timedelta(seconds=1)
_FEEL_EVERY = timedelta(seconds=30)


def run(settings: Settings, clock: Clock | None = None) -> None:
    """Deliver until SIGTERM or SIGINT.

    Raises
    ------
    ConfigurationError
        When there is no routing, it cannot be used, Kafka cannot be reached, or the health page's port is taken.
    """
    if settings.alerts.routing is None:
        raise ConfigurationError("alerts.routing names no file: say there who is told of what, see docs/alerts.md")
    check_exposure(settings.health.host, settings.health.token, "health")
    routing = routes.read(settings.alerts.routing)
    ensure_topics(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    progress = Progress("deliver")
    registry = CollectorRegistry()
    anew = False
    with (
        health_page(progress, settings.health, settings.health.deliver, registry=registry),
        SoleProducer(settings, "deliver") as sole,
    ):
        try:
            if sole.wait(stop):
                delivery = Delivery(
                    settings, routing, clock or SystemClock(), sole, progress, DeliveryMetrics(registry)
                )
                asyncio.run(delivery.work(stop))
        except DeliveryError as error:
            log.critical("beginning anew: %s", error)
            anew = True
    if anew:
        begin_anew()


class Delivery:
    """Delivers for one deployment.

    Parameters
    ----------
    settings, routing, clock
        The deployment, who is told of what, and the time.
    sole
        The right to deliver.
    progress
        For the health page.
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
        self._reception = Reception(settings, routing)
        self._clock = clock
        self._sole = sole
        self._progress = progress
        metrics = metrics or DeliveryMetrics(CollectorRegistry())
        self._records = DeliveryRecords(settings, clock, metrics)
        self._desk = Desk(routing, self._records.log(), timedelta(hours=settings.alerts.max_age_hours))
        self._queue = None if settings.alerts.mail_events is None else MailQueue(settings)
        metrics.watch(self._desk, clock)
        progress.details = self._details

    def _details(self) -> dict[str, object]:
        details: dict[str, object] = {"receivers_in_trouble": self._desk.troubles(self._clock.now())}
        if self._reception.fault is not None:
            details["routing_that_cannot_be_used"] = self._reception.fault
        suspended = len(self._reception.suspensions.all())
        if suspended:
            details["suspended_addresses"] = suspended
        return details

    async def work(self, stop: threading.Event) -> None:
        """Deliver until told to stop; what is under way then is finished."""
        timeout = aiohttp.ClientTimeout(total=self._settings.alerts.timeout_seconds)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            self._reception.open(session)
            self._desk.close(self._reception.closed())
            returns = self._begin_returns()
            with (
                self._reception,
                IncidentReader(self._settings) as incidents,
                LiveRun(self._settings) as runs,
                Pulse(self._settings, self._clock.now()) as pulse,
            ):
                await self._deliver(stop, incidents, runs, pulse, returns)

    def _begin_returns(self) -> asyncio.Task[None] | None:
        """Begin to hear of mails that come back, where a queue tells of them."""
        if self._queue is None:
            return None
        returns = MailReturns(
            self._queue,
            self._desk,
            self._records,
            self._reception.suspensions,
            self._clock,
            receiver_of=self._reception.receiver,
            reopen=self._reopen,
        )
        return asyncio.create_task(returns.work())

    async def _deliver(
        self,
        stop: threading.Event,
        incidents: IncidentReader,
        runs: LiveRun,
        pulse: Pulse,
        returns: asyncio.Task[None] | None,
    ) -> None:
        tasks: set[asyncio.Task[None]] = set()
        live: str = live_run(self._settings)
        looked_at = felt_at = self._clock.now()
        while not stop.is_set():
            found = await asyncio.to_thread(incidents.read)
            for one in found:
                self._desk.take(one.incident, one.written_at, one.passed)
            live = runs.now() or live
            self._progress.busy(bool(found) or bool(tasks))
            self._progress.moved()
            if not incidents.caught_up:
                continue
            self._sole.check()
            now = self._clock.now()
            if now - looked_at >= _LOOK_EVERY:
                looked_at = now
                if self._reception.renew():
                    self._go_over()
            pipeline = self._reception.routing.pipeline
            if now - felt_at >= _FEEL_EVERY and pipeline is not None:
                felt_at = now
                self._desk.pipeline(await asyncio.to_thread(pulse.silence, pipeline, now), now)
            for message in self._desk.messages(live, now):
                told = linked(self._settings.alerts, message, now)
                tasks.add(asyncio.create_task(self._send(self._reception.channel(message.receiver), told)))
            written = self._desk.written()
            if written:
                tasks.add(asyncio.create_task(self._records.keep(written)))
            tasks = _unfinished(tasks)
            if returns is not None and returns.done():
                returns.result()
        if returns is not None:
            returns.cancel()
        await asyncio.gather(*tasks)

    def _reopen(self) -> None:
        if self._reception.reopen():
            self._go_over()

    def _go_over(self) -> None:
        """Let the desk go on with the receivers as they are now."""
        self._desk.close(self._reception.closed())
        self._desk.reroute(self._reception.routing)

    async def _send(self, channel: Channel, message: Message) -> None:
        await self._records.keep(Written(attempts=self._desk.leaving(message, self._clock.now())))
        outcome = await channel.send(message)
        now = self._clock.now()
        if outcome.accepted:
            self._desk.accepted(message, channel.pause, now, outcome)
            log.info("told %s of %d incidents", message.receiver, len(message.told))
        else:
            self._desk.failed(message, outcome, now, random.uniform(0.8, 1.2))  # noqa: S311 - spreads tries, no secret
            log.warning("%s was not told: %s", message.receiver, outcome.error)
        await self._records.keep(self._desk.written())
        self._desk.logged(message)


def _unfinished(tasks: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Return the tasks that are under way; raise what one failed with: nothing is known of the log then."""
    for task in tasks:
        if task.done():
            with contextlib.suppress(asyncio.CancelledError):
                task.result()
    return {task for task in tasks if not task.done()}
