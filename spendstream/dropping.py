"""Dropping a run: its rows, the state and offsets of its workers, and last its record."""

import time
from dataclasses import replace

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from processors.live_names import app_id, changelog_name
from processors.pipeline import steps
from producers.sender import Sender
from spendstream.admin import kafka_client, kafka_consumer
from spendstream.clock import Clock
from spendstream.compare import drop_rows
from spendstream.runs import known_run, live_run
from spendstream.settings import ConfigurationError, Settings
from spendstream.topics import AGGREGATES, RUNS

_ADMIN_SECONDS = 20


def drop(settings: Settings, clock: Clock, run: str) -> None:
    """Drop a run; done again after a crash, it takes what is left.

    Raises
    ------
    ConfigurationError
        When there is no such run, when it is live, or when the sink still has rows of it to write.
    """
    record = None if run == live_run(settings) else known_run(settings, run)
    if record is None or record.state == "live":
        raise ConfigurationError(f"{run} is the live run, and cannot be dropped: promote another one first")
    wait_until_written(settings)
    drop_rows(settings, run)
    _remove_state(settings, run)
    sender = Sender(settings, clock)
    sender.send(RUNS, 0, run, replace(record, state="dropped", finished_at=clock.now()))
    sender.flush()


def wait_until_written(settings: Settings, seconds: float = 30) -> None:
    """Wait until the sink has written every total that Kafka holds now.

    Raises
    ------
    ConfigurationError
        When it has not after `seconds`.
    """
    name = settings.kafka.topics.name(AGGREGATES)
    everywhere = [TopicPartition(name, partition) for partition in range(settings.kafka.topics.partitions(AGGREGATES))]
    consumer = Consumer(kafka_consumer(settings, settings.kafka.sink_group))
    try:
        marks = {one.partition: consumer.get_watermark_offsets(one, timeout=10) for one in everywhere}
        deadline = time.monotonic() + seconds
        while True:
            committed = {one.partition: one.offset for one in consumer.committed(everywhere, timeout=10)}
            left = sum(max(high - max(committed[at], low), 0) for at, (low, high) in marks.items())
            if not left:
                return
            if time.monotonic() > deadline:
                raise ConfigurationError(f"the sink has {left} events of {name} to write: see that it runs, then again")
            time.sleep(0.5)
    finally:
        consumer.close()


def _remove_state(settings: Settings, run: str) -> None:
    """Remove changelogs and consumer groups, which a run has when it was promoted once."""
    own = settings.of_run(run)
    admin = AdminClient(kafka_client(settings))
    there = admin.list_topics(timeout=_ADMIN_SECONDS).topics
    topics = [name for name in (changelog_name(own, step) for step in steps(own)) if name in there]
    if not topics:
        return
    groups = [app_id(own, step) for step in steps(own)]
    for group, future in admin.delete_consumer_groups(groups, request_timeout=_ADMIN_SECONDS).items():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                raise ConfigurationError(
                    f"the consumer group {group} cannot be removed: {error.args[0].str()}; stop the workers of run "
                    f"{run} first"
                ) from None
    for removed in admin.delete_topics(topics, request_timeout=_ADMIN_SECONDS).values():
        removed.result()
