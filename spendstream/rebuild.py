"""A new epoch: the recorded input copied to topics with another number of shards, while nobody publishes.

Copied is what cannot be made again: `cost.statements`, `cost.heads`, `usage.metrics`. What steps made is not: the
workers of the new epoch begin at the beginning, and announce everything anew under the higher epoch, which wins in
ClickHouse. What people said, rules and feedback, is sent to all new partitions. Topics that are not sharded are shared
by all epochs.

Each topic is copied in transactions that hold the copies and how far the old partitions were read; so a rebuild that
was cut short goes on where it was, with nothing twice, and a second one at the same time is refused by Kafka. A message
keeps its bytes, key and time; only a close names its partition, and is written anew. In the end old and new are read
back and compared.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from processors.ledger import book_of
from processors.pipeline import changelogs
from processors.series import shard_of
from schemas.codec import Codec, CodecError
from schemas.events import CostHead, CostStatement, Event, ReadingClosed, ReadingOpened, Tick, UsageClosed, UsageMetrics
from schemas.registry import schema_source
from schemas.repository import UnknownSchemaError
from spendstream.admin import ensure_topics, kafka_client, kafka_producer
from spendstream.read_back import read_back_messages
from spendstream.rebuild_input import RebuildInput
from spendstream.regrouping import Item, Regrouping
from spendstream.settings import ConfigurationError, Settings
from spendstream.topics import FEEDBACK, HEADS, MAX_MESSAGE_BYTES, RULES, STATEMENTS, USAGE, Topic

#: What is copied; statements last: heads that are there without them would keep a producer from publishing.
COPIED = (USAGE, STATEMENTS, HEADS)
#: What people said, and every partition hears.
SAID = (RULES, FEEDBACK)
_UNTIL = {CostStatement.SUBJECT: "effective"}

_IN_TRANSACTION = 2000
_SECONDS = 60

#: Called with a topic, how many messages were read of it, and of how many.
Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Copied:
    """What was copied of a topic: messages read, messages written, ones left out that nobody can read."""

    topic: str
    read: int = 0
    written: int = 0
    left_out: int = 0
    abandoned: int = 0


def new_epoch(settings: Settings, epoch: int | None, shards: int | None) -> Settings:
    """Return the settings of the epoch that is to be built.

    Raises
    ------
    ConfigurationError
        When it is not a later one.
    """
    old = settings.kafka
    wanted = old.epoch + 1 if epoch is None else epoch
    if wanted <= old.epoch:
        raise ConfigurationError(f"epoch {wanted} is not later than {old.epoch}, which the settings name: choose more")
    kafka = old.model_copy(update={"epoch": wanted, "shards": old.shards if shards is None else shards})
    return settings.model_copy(update={"kafka": kafka})


def rebuild(old: Settings, new: Settings, progress: Progress = lambda _, __, ___: None) -> list[Copied]:
    """Copy the input to the topics of a new epoch, which are made; nobody may publish meanwhile.

    Raises
    ------
    ConfigurationError
        When the old topics cannot be read, or another rebuild is at work.
    """
    ensure_topics(new, changelogs(new))
    for topic in SAID:
        _say_again(old, new, topic)
    return [_Copy(old, new, topic, progress).run() for topic in COPIED]


def _say_again(old: Settings, new: Settings, topic: Topic) -> None:
    """Send what people said last, by key, to every partition of the new topic; twice is as good as once."""
    names = old.kafka.topics
    newest: dict[bytes, bytes | None] = {}
    for message in read_back_messages(old, names.name(topic), names.partitions(topic)):
        if message.partition() == 0:
            newest[message.key() or b""] = message.value()
    producer = Producer(kafka_producer(new))
    for key, value in newest.items():
        for partition in range(new.kafka.topics.partitions(topic)):
            producer.produce(new.kafka.topics.name(topic), value, key, partition)
    if producer.flush(_SECONDS):
        raise ConfigurationError(f"Kafka does not take {new.kafka.topics.name(topic)}: run the rebuild again")


class _Copy:
    """Copies one topic."""

    def __init__(self, old: Settings, new: Settings, topic: Topic, progress: Progress) -> None:
        self._codec = Codec(schema_source(old), _UNTIL)
        self._shards = new.kafka.shards
        self._name, self._target = old.kafka.topics.name(topic), new.kafka.topics.name(topic)
        self._partitions = range(old.kafka.topics.partitions(topic))
        self._progress = progress
        identity = f"{new.kafka.prefix}spendstream-rebuild-e{new.kafka.epoch}-{topic.name}"
        self._client = {
            **kafka_client(new),
            "transactional.id": identity,
            "compression.type": "lz4",
            "message.max.bytes": MAX_MESSAGE_BYTES,
            "log_level": 3,  # what it tries again by itself is no news
        }
        self._producer = Producer(self._client)
        self._input = RebuildInput(old, self._name, self._partitions, identity)
        self._regrouping: Regrouping[Message] = Regrouping(self._partitions, self._shards)
        self._done = Copied(topic.name)

    def run(self) -> Copied:
        try:
            self._producer.init_transactions(_SECONDS)
            with self._input as source:
                for partition, message in source.taken_before():
                    self._regrouping.take(partition, self._item(message) or Item("other", message))
                self._copy(source)
            # A commit returns before those who read can see it; the next owner of the id is let in only then.
            Producer(self._client).init_transactions(_SECONDS)
        except KafkaException as error:
            raise ConfigurationError(_explained(error, self._name)) from None
        return self._done

    def _copy(self, source: RebuildInput) -> None:
        self._producer.begin_transaction()
        since = 0
        while source.fill():
            heads = list(source.heads(self._item))
            free = [partition for partition, item in heads if not self._waits(partition, item)]
            if not free:
                self._regrouping.abandon(item for _, item in heads if item is not None)
                self._done.abandoned += 1
                continue
            partition = min(free, key=source.time_of)
            message, item = source.take(partition)
            self._done.read += 1
            if item is None:
                self._done.left_out += 1
            else:
                since += self._send(self._regrouping.take(partition, item), message)
            if since >= _IN_TRANSACTION:
                self._commit(source)
                self._producer.begin_transaction()
                since = 0
                self._progress(self._done.topic, self._done.read, source.total)
        self._commit(source)
        self._progress(self._done.topic, self._done.read, source.total)

    def _waits(self, partition: int, item: Item[Message] | None) -> bool:
        return item is not None and self._regrouping.must_wait(partition, item)

    def _send(self, placed: list[tuple[int, Item[Message]]], message: Message) -> int:
        for shard, item in placed:
            key, value = item.payload.key(), item.payload.value()
            if item.kind in {"opened", "closed"}:
                key, value = self._for_partition(item, shard)
            while True:
                try:
                    self._producer.produce(self._target, value, key, shard, timestamp=message.timestamp()[1])
                    break
                except BufferError:
                    self._producer.poll(0.5)
            self._producer.poll(0)
        self._done.written += len(placed)
        return len(placed)

    def _for_partition(self, item: Item[Message], shard: int) -> tuple[bytes, bytes]:
        """Return key and value of an event that stands in every partition: the key, and in a close a field, name it."""
        key = (item.payload.key() or b"").rpartition(b"/")[0] + b"/%d" % shard
        value = item.payload.value() or b""
        if item.kind == "closed":
            close: Any = self._codec.decode(value)
            value = self._codec.encode(replace(close, partition=shard))
        return key, value

    def _commit(self, source: RebuildInput) -> None:
        held = {
            partition: [item.payload.offset() or 0 for item in self._regrouping.held(partition)]
            for partition in self._partitions
        }
        self._producer.send_offsets_to_transaction(source.positions(held), source.group(), _SECONDS)
        self._producer.commit_transaction(_SECONDS)

    def _item(self, message: Message) -> Item[Message] | None:
        try:
            event = self._codec.decode(message.value() or b"")
        except (CodecError, UnknownSchemaError):
            return None  # the live pipeline has sent it to dead.letters
        return self._placed(event, message)

    def _placed(self, event: Event, message: Message) -> Item[Message]:
        partition = message.partition() or 0
        if isinstance(event, ReadingOpened | ReadingClosed):
            kind = "opened" if isinstance(event, ReadingOpened) else "closed"
            return Item(kind, message, (), book_of(event), event.reading, event.opened_at)  # type: ignore[arg-type]
        if isinstance(event, CostStatement):
            shard = shard_of(event.account, event.service, self._shards)
            return Item("statement", message, (shard,), book_of(event), event.reading, event.read_at)
        if isinstance(event, CostHead):
            return Item("other", message, (shard_of(event.account, event.service, self._shards),))
        if isinstance(event, UsageMetrics):
            return Item("other", message, (shard_of(event.account, event.service or event.namespace, self._shards),))
        if isinstance(event, UsageClosed):
            # A copy stands in each partition, after all points; that of the last one is for all.
            return Item("other", message, tuple(range(self._shards)) if partition == max(self._partitions) else ())
        if isinstance(event, Tick):
            # A partition's own time: each new partition takes that of one old one.
            old = len(self._partitions)
            return Item("other", message, tuple(shard for shard in range(self._shards) if shard % old == partition))
        return Item("other", message, (partition % self._shards,))


def _explained(error: KafkaException, name: str) -> str:
    known: KafkaError = error.args[0]
    if known.code() in {KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED}:  # noqa: SLF001 - its public name
        return f"another rebuild copies {name}: let it end"
    return f"{name} cannot be copied: {known.str()}; run it again, it goes on where it was"
