"""The delivery service: incidents from Kafka, decisions, messages to channels, and a log of what was accepted.

For each message, in this order:

1. the desk says what goes out now, from all incidents as they are and from the log (`alerts.desk`);
2. the channel accepts it;
3. Kafka has a notification for each incident in the log (`alert.notifications`, compacted);
4. the receiver may be told more.

So a crash between 2 and 3 repeats that one message, under the same id, and nothing else is ever told twice. One process
at a time delivers for a deployment. Incidents of a run that is not live are never told.
"""

import asyncio
import contextlib
import logging
import random
import signal
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Self

import aiohttp
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from alerts import routes
from alerts.channels.channel import Channel, Outcome
from alerts.channels.making import make
from alerts.desk import Desk
from alerts.links import linked
from alerts.message import Message
from alerts.routes import Routing
from producers.sender import DeliveryError, Sender
from producers.sole import Sole, SoleProducer
from schemas.codec import Codec
from schemas.dead_letters import dead_letter
from schemas.events import Incident, Notification
from schemas.registry import schema_source
from spendstream.admin import ensure_topics, kafka_client
from spendstream.clock import Clock, SystemClock, from_millis
from spendstream.health import Progress, check_exposure, health_page
from spendstream.read_back import read_back
from spendstream.runs import LiveRun, live_run
from spendstream.settings import ConfigurationError, Settings
from spendstream.supervise import begin_anew
from spendstream.topics import DEAD_LETTERS, INCIDENTS, NOTIFICATIONS

log = logging.getLogger(__name__)

_WAIT_SECONDS = 0.1
_AT_ONCE = 500


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
    anew = False
    with (
        health_page(progress, settings.health, settings.health.deliver),
        SoleProducer(settings, "deliver") as sole,
    ):
        try:
            if sole.wait(stop):
                asyncio.run(Delivery(settings, routing, clock or SystemClock(), sole, progress).work(stop))
        except DeliveryError as error:
            log.critical("beginning anew: %s", error)
            anew = True
    if anew:
        begin_anew()


class _Incidents:
    """All incidents, from the beginning of their topic on, with the time at which each was written."""

    def __init__(self, settings: Settings) -> None:
        self._codec = Codec(schema_source(settings))
        self._consumer = Consumer(
            {
                **kafka_client(settings),
                "group.id": f"{settings.kafka.prefix}spendstream-deliver-incidents",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 50,
            }
        )
        topics = settings.kafka.topics
        partitions = range(topics.partitions(INCIDENTS))
        self._behind = set(partitions)
        self._consumer.assign([TopicPartition(topics.name(INCIDENTS), partition, 0) for partition in partitions])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    @property
    def caught_up(self) -> bool:
        """Whether every partition was read to its end once: before that, what is known may be long over."""
        return not self._behind

    def read(self, desk: Desk) -> int:
        """Hand what is new to the desk, waiting briefly for it; return how much there was."""
        count = 0
        for message in self._consumer.consume(_AT_ONCE, _WAIT_SECONDS):
            error = message.error()
            if error is None:
                event = self._codec.decode(message.value() or b"")
                if isinstance(event, Incident):
                    desk.take(event, from_millis(message.timestamp()[1]))
                    count += 1
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                self._behind.discard(message.partition() or 0)
            elif error.fatal():
                raise KafkaException(error)
        return count


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

    def __init__(self, settings: Settings, routing: Routing, clock: Clock, sole: Sole, progress: Progress) -> None:
        self._settings = settings
        self._routing = routing
        self._clock = clock
        self._sole = sole
        self._progress = progress
        self._sender = Sender(settings, clock)
        self._sending = asyncio.Lock()
        self._desk = Desk(routing, self._logged(), timedelta(hours=settings.alerts.max_age_hours))
        progress.details = lambda: {"receivers_in_trouble": dict(self._desk.troubles)}

    def _logged(self) -> Iterator[Notification]:
        for raw in read_back(self._settings, NOTIFICATIONS):
            event = self._sender.codec.decode(raw)
            if isinstance(event, Notification):
                yield event

    async def work(self, stop: threading.Event) -> None:
        """Deliver until told to stop; what is under way then is finished."""
        timeout = aiohttp.ClientTimeout(total=self._settings.alerts.timeout_seconds)
        tasks: set[asyncio.Task[None]] = set()
        async with aiohttp.ClientSession(timeout=timeout) as session:
            channels = {receiver.name: make(receiver, session, self._settings) for receiver in self._routing.receivers}
            live: str = live_run(self._settings)
            with _Incidents(self._settings) as incidents, LiveRun(self._settings) as runs:
                while not stop.is_set():
                    count = await asyncio.to_thread(incidents.read, self._desk)
                    live = runs.now() or live
                    self._progress.busy(bool(count) or bool(tasks))
                    self._progress.moved()
                    if not incidents.caught_up:
                        continue
                    self._sole.check()
                    now = self._clock.now()
                    for message in self._desk.messages(live, now):
                        told = linked(self._settings.alerts, message, now)
                        tasks.add(asyncio.create_task(self._send(channels[message.receiver], told)))
                    tasks = _unfinished(tasks)
            if tasks:
                await asyncio.gather(*tasks)

    async def _send(self, channel: Channel, message: Message) -> None:
        kind = self._routing.receiver(message.receiver).channel
        outcome = await channel.send(message)
        now = self._clock.now()
        if outcome.accepted:
            notifications = self._desk.accepted(message, kind, channel.pause, now, outcome)
            await self._keep(notifications)
            self._desk.logged(message)
            log.info("told %s of %d incidents", message.receiver, len(notifications))
            return
        self._desk.failed(message, outcome, now, random.uniform(0.8, 1.2))  # noqa: S311 - spreads tries, no secret
        log.warning("%s was not told: %s", message.receiver, outcome.error)
        if not outcome.retry:
            await self._bury(message, outcome)

    async def _keep(self, notifications: list[Notification]) -> None:
        async with self._sending:
            for one in notifications:
                self._sender.send(NOTIFICATIONS, 0, f"{one.receiver}/{one.incident}", one)
            await asyncio.to_thread(self._sender.flush)

    async def _bury(self, message: Message, outcome: Outcome) -> None:
        """Leave a dead letter for each incident that a receiver refused: it is not tried again as it is."""
        async with self._sending:
            for told in message.told:
                letter = dead_letter(
                    stage="deliver",
                    origin=f"{message.receiver}/{told.incident.id}/{told.incident.version}",
                    value=self._sender.codec.encode(told.incident),
                    error=_RefusedError(f"receiver {message.receiver} refused it: {outcome.error}"),
                    at=self._clock.now(),
                )
                self._sender.send(DEAD_LETTERS, 0, letter.id, letter)
            await asyncio.to_thread(self._sender.flush)


class _RefusedError(RuntimeError):
    """A receiver refused a message for what it is."""


def _unfinished(tasks: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Return the tasks that are under way; raise what one failed with: nothing is known of the log then."""
    for task in tasks:
        if task.done():
            with contextlib.suppress(asyncio.CancelledError):
                task.result()
    return {task for task in tasks if not task.done()}
