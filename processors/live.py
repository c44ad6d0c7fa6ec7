"""The live driver: runs steps as Faust agents, with their state in Faust tables.

What happens to every event, in this order; a crash anywhere means that it is read again (see `processors.step`):

1. the step processes it; its writes are held back;
2. its outputs are sent, and acknowledged by Kafka;
3. its writes are sent to the table's changelog, behind a journal that lets the next start finish them when they are cut
   (see `processors.live_state`), and acknowledged by Kafka; meanwhile later events see them;
4. its writes reach the local store, with the changelog's offset;
5. its offset may be committed.

So the local store never holds what the changelog lacks, and no offset is committed before all that follows from it is
in Kafka. Events without outputs do not wait for each other: up to `IN_FLIGHT` of them are between 3 and 5. A delivery
that fails ends the process; nothing has been committed, and the next start reads the event again.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from faust.exceptions import ConsumerNotStarted
from faust.types import TP

from processors.live_app import make_app
from processors.live_names import changelog_name
from processors.live_outbox import Flight, Outbox
from processors.live_state import PartitionState, Writes
from processors.passage import Passage, passage_of, passed_on
from processors.runner import StepFailedError, StepRunner
from processors.step import Output, Step
from schemas.codec import Codec, CodecError
from schemas.dead_letters import dead_letter
from schemas.events import Tick
from schemas.repository import SchemaSource, UnknownSchemaError
from spendstream.clock import to_millis
from spendstream.settings import Settings
from spendstream.topics import DEAD_LETTERS

IN_FLIGHT = 512
_OFFSETS_EVERY = 100

#: Memory of each partition's store; its own defaults are gigabytes.
_ROCKSDB = {"block_cache_size": 32 * 2**20, "write_buffer_size": 8 * 2**20, "max_write_buffer_number": 2}

log = logging.getLogger(__name__)

#: Called at each numbered point of the protocol; tests let it raise.
Faults = Callable[[str], None]


def no_faults(_: str) -> None:
    """Do nothing: the fault points of a process that is not under test."""


@dataclass(slots=True)
class _Done:
    """An event that was processed, and what has to be acknowledged before it may be forgotten."""

    event: Any
    partition: int
    state: PartitionState
    writes: Writes
    flight: Flight


class LiveStep:
    """One step as a Faust app with one agent.

    Parameters
    ----------
    settings, step, schemas
        The deployment, what to run, where schema ids come from.
    on_fatal
        Called once with the error when the process must end.
    faults
        Called at each numbered point of the protocol, for tests.
    """

    def __init__(
        self,
        settings: Settings,
        step: Step,
        schemas: SchemaSource,
        on_fatal: Callable[[BaseException], None],
        faults: Faults = no_faults,
    ) -> None:
        self.step = step
        self.events = 0
        self.moved_at = datetime.now(UTC)
        self._settings = settings
        self._names = settings.kafka.topics
        self._codec = Codec(schemas, step.until)
        self._on_fatal = on_fatal
        self._faults = faults
        self._runners: dict[int, StepRunner] = {}
        self._states: dict[int, PartitionState] = {}
        self._outbox = Outbox(settings)
        self._at_work = asyncio.Lock()
        self._revoked = False
        self._settled = 0
        self._queue: asyncio.Queue[_Done] = asyncio.Queue(IN_FLIGHT)
        self._changelog = changelog_name(settings, step)
        self.app = make_app(settings, step)
        # The types decide how recovery reads the changelog: bytes, as they were written.
        self._table: Any = self.app.Table(
            "state", partitions=self._names.shards, key_type=bytes, value_type=bytes, options=_ROCKSDB
        )
        for topic in step.inputs:
            source = self.app.topic(self._names.name(topic), key_type=bytes, value_type=bytes, value_serializer="raw")
            self.app.agent(source, name=f"{step.name}-{topic.name}", concurrency=1)(self._consume)
        self.app.on_partitions_revoked.connect(self._let_go)
        self.app.on_partitions_assigned.connect(self._take_up)
        self.app.task(self._settle_in_order)
        if step.tick_every is not None:
            self.app.timer(step.tick_every.total_seconds())(self._tick)

    async def start(self) -> None:
        """Join the consumer group, recover the state, begin."""
        self._outbox.start()
        await self.app.start()
        # Nothing reads these statistics, and keeping them takes time at each event.
        self.app.sensors.remove(self.app.monitor)

    async def stop(self) -> None:
        """Let what is under way settle, and leave."""
        await self.app.stop()
        await self._outbox.stop()

    async def tell(self, outputs: Sequence[Output]) -> None:
        """Send what is about the step and follows from no event; Kafka has it when this returns."""
        await self._send(outputs, {})

    @property
    def crash(self) -> BaseException | None:
        """What Faust's app ended of, None while it works: all its loops stop then, and the process would stay."""
        return (self.app.crash_reason or RuntimeError("it does not say why")) if self.app.crashed else None

    @property
    def under_way(self) -> int:
        """Events that were processed and are not yet settled."""
        return self._queue.qsize()

    @property
    def partitions(self) -> set[int]:
        """The partitions of its input that this worker was given."""
        inputs = {self._names.name(topic) for topic in self.step.inputs}
        with suppress(ConsumerNotStarted):
            return {one.partition for one in self.app.consumer.assignment() if one.topic in inputs}
        return set()

    @property
    def counts(self) -> Counter[str]:
        """What the step counted in this process, over its partitions."""
        total: Counter[str] = Counter()
        for runner in self._runners.values():
            total += runner.counts
        return total

    async def _consume(self, stream: Any) -> None:  # noqa: ANN401 - a Faust stream, untyped
        try:
            async for event in stream.noack().events():
                await self._one(event)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, the process ends
            self._on_fatal(error)
            # Left by an exception, an agent would begin anew behind the event: wait for the process to end instead.
            await asyncio.Event().wait()

    async def _one(self, event: Any) -> None:  # noqa: ANN401 - a Faust event, untyped
        async with self._at_work:
            if self._revoked:
                return  # it is read again after the rebalance, by whoever has the partition then
            partition = event.message.partition
            runner, state = await self._at(partition)
            try:
                outputs = runner.process(self._codec.decode(event.message.value))
            except (CodecError, UnknownSchemaError, StepFailedError) as error:
                await self._bury(event, error)
                outputs = []
            self._faults("processed")
            if outputs:
                await self._send(outputs, passage_of(event.message.headers))
                self._faults("outputs acknowledged")
            runner.release()
            await self._keep(event, partition, state, state.take())

    async def _keep(self, event: Any, partition: int, state: PartitionState, writes: Writes) -> None:  # noqa: ANN401
        """Send writes to the changelog; the event, when there is one, is done once they are settled."""
        flight = Flight()
        for key, value in writes.records:
            self._outbox.send(flight, self._changelog, partition, key, value)
            self._faults("changelog record sent")
        self._faults("changelog sent")
        await self._queue.put(_Done(event, partition, state, writes, flight))

    async def _settle_in_order(self) -> None:
        """Finish events in the order in which they were read."""
        offsets: dict[int, int] = {}
        try:
            while True:
                done = await self._queue.get()
                await done.flight.arrived()
                self._faults("changelog acknowledged")
                done.state.settle(done.writes)
                if done.writes.records:
                    offsets[done.partition] = done.flight.offset
                # Behind the last one of many: an offset that is too old lets a recovery read a little twice.
                if self._queue.empty() or self._settled % _OFFSETS_EVERY == 0:
                    for partition, offset in offsets.items():
                        self._table.data.set_persisted_offset(TP(self._changelog, partition), offset)
                    offsets.clear()
                self._settled += 1
                self._faults("state stored")
                if done.event is not None:
                    done.event.ack()
                    self.events += 1
                    self.moved_at = datetime.now(UTC)
                self._queue.task_done()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._on_fatal(error)
            raise

    async def _at(self, partition: int) -> tuple[StepRunner, PartitionState]:
        runner = self._runners.get(partition)
        if runner is None:
            # Private, but there is no other way to one partition's database.
            state = self._states[partition] = PartitionState(partial(self._table.data._db_for_partition, partition))  # noqa: SLF001
            await self._keep(None, partition, state, state.finish_journal())
            runner = self._runners[partition] = StepRunner(self.step, partition, state)
        return runner, self._states[partition]

    async def _let_go(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - the signal's signature
        """Settle what is under way: another worker may get our partitions."""
        self._revoked = True
        async with self._at_work:
            await self._queue.join()
            self._runners.clear()
            self._states.clear()

    async def _take_up(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - the signal's signature
        """Go on with the partitions that are ours now; each step is opened anew from what the store holds."""
        self._revoked = False

    async def _send(self, outputs: Sequence[Output], passage: Passage) -> None:
        """Send what follows from an event that came by this passage, and wait until Kafka has it."""
        flight = Flight()
        headers = passed_on(passage, self.step.name, to_millis(datetime.now(UTC)))
        for output in outputs:
            topic = self._names.name(output.topic)
            self._outbox.send(flight, topic, output.partition, output.key, self._codec.encode(output.event), headers)
        await flight.arrived()

    async def _bury(self, event: Any, error: Exception) -> None:  # noqa: ANN401 - a Faust event, untyped
        message = event.message
        cause = error.__cause__ if isinstance(error, StepFailedError) and error.__cause__ is not None else error
        letter = dead_letter(
            stage=self.step.name,
            origin=f"{message.topic}/{message.partition}/{message.offset}",
            value=message.value or b"",
            error=cause,
            at=datetime.now(UTC),
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            key=message.key,
        )
        log.warning("dead letter", extra={"origin": letter.origin, "reason": letter.reason})
        await self._send([Output(DEAD_LETTERS, 0, letter.id.encode(), letter)], {})

    async def _tick(self) -> None:
        tick = Tick(at=datetime.now(UTC))
        await self._send(
            [Output(self.step.inputs[0], partition, b"tick", tick) for partition in list(self._runners)], {}
        )
