"""The Faust app of a step, and where it differs from Faust's own ways."""

import asyncio
from collections.abc import Collection, Coroutine, Generator, Mapping
from functools import partial
from pathlib import Path
from types import coroutine
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.tables.manager import TableManager
from faust.transport.drivers import aiokafka
from faust.types import TP
from mode.services import Service, WaitResults
from mode.utils.queues import FlowControlEvent

from processors.live_names import app_id
from processors.step import Step
from spendstream.settings import Settings
from spendstream.topics import MAX_MESSAGE_BYTES


class _FlowControl(FlowControlEvent):
    """Faust's flow control, which loses nothing when it is resumed twice.

    Resuming clears the streams' buffers. After a recovery Faust resumes when the changelog begins to flow and once
    more at the end; events that came in between would be dropped, and not be read again before the next rebalance.
    """

    def resume(self) -> None:
        """Resume; buffers are cleared only when the flow was suspended."""
        if not self.is_active():
            super().resume()


class AtOnce(Service):
    """A service in whose races the first racer gets the chance to be done before anybody makes a task.

    Faust's consumer hands each message on in a race with three signals, each in a task of its own; four tasks a message
    took a tenth of a worker's time. Handing on waits only while the flow is suspended or a stream's buffer is full.
    """

    async def wait_first(self, *racers: Any, timeout: Any = None) -> WaitResults:  # noqa: ANN401, ASYNC109 - Faust's signature
        """Return which of the racers came first; the first, a coroutine, may do so at once."""
        first, *others = racers
        if not asyncio.iscoroutine(first):
            return await super().wait_first(*racers, timeout=timeout)
        try:
            waits_for = first.send(None)
        except BaseException as ended:
            for other in others:
                other.close()
            if isinstance(ended, StopIteration):
                return WaitResults([first], [ended.value], False)
            raise
        return await super().wait_first(_rest(first, waits_for), *others, timeout=timeout)


#: A fetch waits no longer where there are no events: what a start asks next waits behind it, in the same connection.
_LONGEST_FETCH_MS = 200


class _Tables(TableManager):
    """Faust's tables, which need not wait a second for more of them: all are there when the app starts."""

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()


async def rewind(consumer: AIOKafkaConsumer, read: Collection[TopicPartition]) -> dict[TP, int]:
    """Go back to what is committed and return that; where nothing is and something was `read`, to the beginning.

    aiokafka stays where it is when nothing is committed. Around a rebalance Faust throws away what was read and counts
    on coming back to it; in a partition without a commit it was not read again before the next rebalance, and the
    consumer stood still for ever.
    """
    committed: dict[TP, int] = await consumer.seek_to_committed()
    if new := [place for place, offset in committed.items() if not offset and place in read]:
        await consumer.seek_to_beginning(*new)
    return committed


class _ConsumerThread(aiokafka.AIOKafkaConsumerThread):
    """The thread of Faust's consumer, which loses nothing around a rebalance, and starts at once."""

    def __init__(self, consumer: aiokafka.Consumer, **options: Any) -> None:  # noqa: ANN401 - passed on
        super().__init__(consumer, **options)
        self._read: set[TopicPartition] = set()

    def _create_worker_consumer(self, transport: aiokafka.Transport) -> AIOKafkaConsumer:
        made = super()._create_worker_consumer(transport)
        made._fetch_max_wait_ms = _LONGEST_FETCH_MS  # noqa: SLF001 - Faust sets it to 1.5 s and takes nothing else
        return made

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Go back to what is committed, in every partition of the input."""
        changelogs = self.app.tables.changelog_topics
        read = {place for place in self._read.copy() if place.topic not in changelogs}
        committed: Mapping[TP, int] = await self.call_thread(rewind, self._ensure_consumer(), read)
        return committed

    async def _fetch_records(
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - Faust's signature
        max_records: int | None = None,
    ) -> Any:  # noqa: ANN401 - as they come
        records = await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        self._read.update(records)
        return records

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit, unless a rebalance has just taken all of it away: aiokafka's complaint would crash the app."""
        return bool(self.assignment() & offsets.keys()) and await super()._commit(offsets)


class _Consumer(AtOnce, aiokafka.Consumer):
    """Faust's consumer, faster and with a thread that loses nothing."""

    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ANN401, ASYNC109
        # A copy: Faust empties its set when it pauses partitions, and to aiokafka an empty one stands for all.
        return await super()._getmany(active_partitions and set(active_partitions), timeout)


async def _rest(begun: Coroutine[Any, Any, Any], waits_for: Any) -> Any:  # noqa: ANN401 - what it returns
    """Run the rest of a coroutine that was begun by hand."""
    return await _go_on(begun, waits_for)


@coroutine
def _go_on(begun: Coroutine[Any, Any, Any], waits_for: Any) -> Generator[Any, Any, Any]:  # noqa: ANN401 - as above
    while True:
        try:
            sent = yield waits_for
        except BaseException as error:  # noqa: BLE001 - a cancellation too is the coroutine's own
            resume = partial(begun.throw, error)
        else:
            resume = partial(begun.send, sent)
        try:
            waits_for = resume()
        except StopIteration as done:
            return done.value


def make_app(settings: Settings, step: Step) -> faust.App:
    """Return the app of a step, with its state in a folder of its own."""
    folder = Path(settings.processing.state_folder).absolute() / app_id(settings, step)
    folder.mkdir(parents=True, exist_ok=True)
    brokers = ";".join(f"kafka://{address.strip()}" for address in settings.kafka.bootstrap.split(","))
    app = faust.App(
        app_id(settings, step),
        broker=brokers,
        store="rocksdb://",
        datadir=str(folder),
        key_serializer="raw",
        value_serializer="raw",
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=settings.kafka.shards,
        processing_guarantee="at_least_once",
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=1.0,
        broker_session_timeout=settings.processing.session_seconds,
        broker_heartbeat_interval=settings.processing.session_seconds / 4,
        broker_max_poll_records=500,
        consumer_max_fetch_size=MAX_MESSAGE_BYTES,
        stream_wait_empty=False,
        autodiscover=False,
        TableManager=_Tables,
    )
    app.flow_control = _FlowControl()
    app.transport.Consumer = _Consumer  # type: ignore[misc]
    return app
