"""Replays: the recorded input through the steps once more, into rows of its own, while the live pipeline goes on.

A replay reads a range of `cost.statements` with the batch driver, with a state of its own. What its last step announces
goes to `cost.aggregates` under the id of the run, and from there, as everything, to ClickHouse; nobody is notified. The
same range under the same id gives the same events again, so a replay that was cut short is simply run again.

A run is promoted by replaying it up to now, and leaving its state and its offsets where a live worker of that run finds
them; `processing.run` then names the run whose totals are live, for workers, API and `verify`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from processors.batch import BatchDriver, States
from processors.live_names import app_id, changelog_name
from processors.pipeline import changelogs, steps
from processors.runner import StepFailedError
from processors.step import Output
from producers.sender import Sender
from schemas.codec import Codec, CodecError
from schemas.events import Event, Run
from schemas.registry import schema_source
from schemas.repository import UnknownSchemaError
from spendstream.admin import ensure_topics, kafka_client
from spendstream.clock import Clock, to_millis
from spendstream.read_back import read_back
from spendstream.settings import ConfigurationError, Settings
from spendstream.topics import PARTIALS, RUNS, STATEMENTS, Topic

#: Called with how many events were read, and of how many, about every thousand events.
Progress = Callable[[int, int], None]
_STEP = 1000


@dataclass(frozen=True, slots=True)
class Range:
    """What is replayed: times of the messages, from `since` to before `until`; None: no bound on this side."""

    since: datetime | None = None
    until: datetime | None = None


def runs(settings: Settings) -> dict[str, Run]:
    """Return all runs by their id, as they are now."""
    codec = Codec(schema_source(settings))
    found: dict[str, Run] = {}
    for raw in read_back(settings, RUNS):
        event = codec.decode(raw)
        if isinstance(event, Run):
            found[event.id] = event
    return found


def known_run(settings: Settings, run: str) -> Run:
    """Return a run.

    Raises
    ------
    ConfigurationError
        When there is no such run.
    """
    found = runs(settings)
    if run not in found:
        names = ", ".join(sorted(found)) or "none"
        raise ConfigurationError(f"there is no run {run!r}; there are: {names}; `spendstream replay list` tells more")
    return found[run]


class Replay:
    """One run over a range of the recorded input.

    Parameters
    ----------
    settings, clock
        The deployment, with the rules that the replay is to follow.
    run
        Its id: lower-case letters, digits and hyphens; not that of the live run.

    Raises
    ------
    ConfigurationError
        When the id cannot be used.
    """

    def __init__(self, settings: Settings, clock: Clock, run: str) -> None:
        if not run or not all(sign.isascii() and (sign.islower() or sign.isdigit() or sign == "-") for sign in run):
            raise ConfigurationError(f"{run!r} cannot be a run id: use lower-case letters, digits and hyphens")
        if run == settings.processing.run:
            raise ConfigurationError(f"{run!r} is the live run: choose another id")
        self.run = run
        self._settings = settings
        self._sender = Sender(settings, clock)
        self._clock = clock
        self._steps = steps(settings, run)

    def over(self, span: Range, note: str = "", progress: Progress = lambda _, __: None) -> Run:
        """Replay a span, and return what was done; it is recorded as `running`, and as `failed` when it fails.

        Raises
        ------
        ConfigurationError
            When the id has rows that another range would mix with, or the input cannot be read.
        """
        known = runs(self._settings).get(self.run)
        with _Reader(self._settings) as reader:
            first, last = reader.offsets(span)
            self._check_unused(known, self._named(first))
            record = Run(
                id=self.run,
                state="running",
                steps=[step.name for step in self._steps],
                started_at=self._clock.now(),
                finished_at=None,
                from_offsets=self._named(first),
                to_offsets=self._named(last),
                events=0,
                note=note,
            )
            self._record(record)
            try:
                fed = self._feed(reader, span, first, last, progress)
            except BaseException:
                self._record(replace(record, state="failed", finished_at=self._clock.now()))
                raise
        record = replace(
            record,
            state="finished",
            finished_at=self._clock.now(),
            events=fed.events,
            from_offsets=self._named(fed.began),
            to_offsets=self._named(fed.ended),
        )
        self._record(record)
        return record

    def _check_unused(self, known: Run | None, first: dict[str, int]) -> None:
        """Refuse an id whose rows would stay beside those of another range: versions count from each range's start."""
        if known is None or known.state == "dropped":
            return
        if known.state not in {"running", "failed"}:
            raise ConfigurationError(
                f"run {self.run} is {known.state} already: choose another id, or drop it first with "
                f"`spendstream replay drop {self.run}`"
            )
        if known.from_offsets != first:
            raise ConfigurationError(
                f"run {self.run} was cut short, and began elsewhere: give the same --from and --to, choose another id, "
                f"or `spendstream replay drop {self.run}` first"
            )

    def promote(self, progress: Progress = lambda _, __: None) -> Run:
        """Replay up to now, leave state and offsets for a live worker of this run, and record it as live.

        Raises
        ------
        ConfigurationError
            When there is no such run, when it did not finish, or when it left out the beginning.
        """
        record = known_run(self._settings, self.run)
        if record.state not in {"finished", "retired"}:
            raise ConfigurationError(f"run {self.run} is {record.state}: only a finished run can be promoted")
        with _Reader(self._settings) as reader:
            beginning, last = reader.offsets(Range())
            if self._named(beginning) != record.from_offsets:
                raise ConfigurationError(
                    f"run {self.run} does not begin where the topic begins, so its totals are not whole: "
                    "replay without --from under another id, and promote that"
                )
            fed = self._feed(reader, Range(), beginning, last, progress)
            partials = reader.ends(PARTIALS)
        self._leave(fed.states, last, partials)
        for other in runs(self._settings).values():
            if other.state == "live":
                self._record(replace(other, state="retired"))
        record = replace(
            record, state="live", finished_at=self._clock.now(), to_offsets=self._named(last), events=fed.events
        )
        self._record(record)
        return record

    def _feed(
        self, reader: "_Reader", span: Range, first: dict[int, int], last: dict[int, int], progress: Progress
    ) -> "_Fed":
        """Hand the events of the span to the steps, and return what that was."""
        driver = BatchDriver(self._steps, self._emit, on_failure=_left_out)
        began = dict(first) if span.since is None else dict(last)
        ended = dict(last) if span.until is None else dict(first)
        events = 0
        total, read = sum(last[partition] - first[partition] for partition in last), 0
        until: dict[str, str] = {}
        for step in self._steps:
            until |= step.until
        codec = Codec(schema_source(self._settings), until)
        for message in reader.messages(first, last):
            read += 1
            if read % _STEP == 0:
                progress(read, total)
            if not _within(message, span):
                continue
            events += 1
            partition, offset = message.partition() or 0, message.offset() or 0
            began[partition] = min(began[partition], offset)
            ended[partition] = max(ended[partition], offset + 1)
            try:
                event = codec.decode(message.value() or b"")
            except (CodecError, UnknownSchemaError):
                continue  # the live pipeline has sent it to dead.letters
            driver.feed(STATEMENTS, partition, event)
        self._sender.flush()
        progress(total, total)
        return _Fed(events, began, ended, driver.states)

    def _emit(self, output: Output) -> None:
        self._sender.send(output.topic, output.partition, output.key.decode(), output.event)

    def _leave(self, states: States, statements: dict[int, int], partials: dict[int, int]) -> None:
        """Write the state to the changelogs, and commit the offsets, of the workers of this run."""
        processing = self._settings.processing.model_copy(update={"run": self.run})
        settings = self._settings.model_copy(update={"processing": processing})
        ensure_topics(settings, changelogs(settings))
        for step in self._steps:
            self._sender.send_state(changelog_name(settings, step), states.get(step.name, {}))
        self._sender.flush()
        starts = {STATEMENTS: statements, PARTIALS: partials}
        for step in self._steps:
            consumer = Consumer({**kafka_client(settings), "group.id": app_id(settings, step)})
            offsets = [
                TopicPartition(settings.kafka.topics.name(topic), partition, offset)
                for topic in step.inputs
                for partition, offset in starts[topic].items()
            ]
            try:
                consumer.commit(offsets=offsets, asynchronous=False)
            except KafkaException as error:
                raise ConfigurationError(
                    f"the offsets of {step.name} cannot be set: {error.args[0].str()}; stop the workers of run "
                    f"{self.run} first"
                ) from None
            finally:
                consumer.close()

    def _record(self, run: Run) -> None:
        self._sender.send(RUNS, 0, run.id, run)
        self._sender.flush()

    def _named(self, offsets: dict[int, int]) -> dict[str, int]:
        name = self._settings.kafka.topics.name(STATEMENTS)
        return {f"{name}/{partition}": offset for partition, offset in sorted(offsets.items())}


@dataclass(frozen=True, slots=True)
class _Fed:
    """What was replayed: its events, the first offset and the one after the last by partition, and the state left."""

    events: int
    began: dict[int, int]
    ended: dict[int, int]
    states: States


def _left_out(topic: Topic, partition: int, event: Event, failure: StepFailedError) -> None:
    """What a step cannot process is left out, as the live pipeline leaves it out: it is among the dead letters."""


def _within(message: Message, span: Range) -> bool:
    at = message.timestamp()[1]
    after = span.since is None or at >= to_millis(span.since)
    return after and (span.until is None or at < to_millis(span.until))


class _Reader:
    """Reads ranges of `cost.statements`."""

    def __init__(self, settings: Settings) -> None:
        self._names = settings.kafka.topics
        self._consumer = Consumer(
            {
                **kafka_client(settings),
                "group.id": f"{settings.kafka.prefix}spendstream-replay",
                "enable.auto.commit": False,
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def offsets(self, span: Range) -> tuple[dict[int, int], dict[int, int]]:
        """Return the first offset and the one after the last, by partition.

        Kafka finds a time by its index; a broker that has none (-1) is read from the beginning, and messages are left
        out by their own times.
        """
        name = self._names.name(STATEMENTS)
        first, last = {}, {}
        for partition in range(self._names.partitions(STATEMENTS)):
            first[partition], last[partition] = low, _ = self._watermarks(name, partition)
            if span.since is not None:
                asked = TopicPartition(name, partition, to_millis(span.since))
                found = self._consumer.offsets_for_times([asked], timeout=10)[0].offset
                first[partition] = found if found >= 0 else low
        return first, last

    def ends(self, topic: Topic) -> dict[int, int]:
        """Return the offset after the last, by partition."""
        name = self._names.name(topic)
        return {partition: self._watermarks(name, partition)[1] for partition in range(self._names.partitions(topic))}

    def _watermarks(self, name: str, partition: int) -> tuple[int, int]:
        try:
            return self._consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=10)
        except KafkaException as error:
            raise ConfigurationError(
                f"{name} cannot be read: {error.args[0].str()}; `spendstream topics` makes what is missing"
            ) from None

    def messages(self, first: dict[int, int], last: dict[int, int]) -> Iterator[Message]:
        """Yield the messages between offsets, every partition in its order."""
        name = self._names.name(STATEMENTS)
        waiting = {partition for partition in last if first[partition] < last[partition]}
        self._consumer.assign([TopicPartition(name, partition, first[partition]) for partition in waiting])
        while waiting:
            for message in self._consumer.consume(500, 0.2):
                if message.error() is not None:
                    raise KafkaException(message.error())
                partition, offset = message.partition() or 0, message.offset() or 0
                if partition in waiting and offset < last[partition]:
                    yield message
                # The last offsets of a compacted topic may be gone: then a later position tells that it is at its end.
                if offset >= last[partition] - 1:
                    waiting.discard(partition)
            for done in self._consumer.position([TopicPartition(name, partition) for partition in waiting]):
                if done.offset >= last[done.partition]:
                    waiting.discard(done.partition)
