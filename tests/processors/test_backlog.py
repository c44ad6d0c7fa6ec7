"""What waits in a step's input, as Kafka tells it."""

import time

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from processors.backlog import Backlog
from processors.live_names import app_id
from processors.pipeline import steps
from processors.step import Step
from spendstream.settings import Settings
from spendstream.topics import STATEMENTS
from tests.kafka_backends import Backend
from tests.processors.histories import statement
from tests.processors.workers import publish

BILL = [statement(f"service {number}", 1, [("us-east-1", "BoxUsage", 5)]) for number in range(12)]


@pytest.fixture
def settings(kafka: Backend) -> Settings:
    return kafka.settings()


def ledger(settings: Settings) -> Step:
    return steps(settings)[0]


def commit(settings: Settings, offsets: dict[int, int]) -> None:
    """Commit as the step's consumer group."""
    group = {"bootstrap.servers": settings.kafka.bootstrap, "group.id": app_id(settings, ledger(settings))}
    consumer = Consumer(group)
    name = settings.kafka.topics.name(STATEMENTS)
    done = [TopicPartition(name, partition, offset) for partition, offset in offsets.items()]
    consumer.commit(offsets=done, asynchronous=False)
    consumer.close()


def ends(settings: Settings) -> dict[int, int]:
    consumer = Consumer({"bootstrap.servers": settings.kafka.bootstrap, "group.id": "test"})
    name = settings.kafka.topics.name(STATEMENTS)
    found = {p: consumer.get_watermark_offsets(TopicPartition(name, p), 10)[1] for p in range(settings.kafka.shards)}
    consumer.close()
    return found


def first_look(backlog: Backlog, mine: set[int]) -> None:
    """Look until Kafka answers: a broker that has just started has no coordinator of groups at first."""
    backlog.events = -1
    deadline = time.monotonic() + 60
    while backlog.events < 0:
        assert time.monotonic() < deadline
        backlog.look(mine)


def test_what_the_group_has_not_committed_waits(settings):
    publish(settings, BILL)
    with Backlog(settings, ledger(settings)) as backlog:
        first_look(backlog, {0, 1, 2, 3})
        assert (backlog.events, backlog.moved) == (12, False)
        of_each = ends(settings)
        partition = max(of_each, key=lambda one: of_each[one])
        commit(settings, {partition: of_each[partition] - 1})
        backlog.look({0, 1, 2, 3})
        assert (backlog.events, backlog.moved) == (12 - of_each[partition] + 1, True)
        backlog.look({0, 1, 2, 3})
        assert not backlog.moved
        commit(settings, of_each)
        backlog.look({0, 1, 2, 3})
        assert (backlog.events, backlog.moved) == (0, True)


@pytest.mark.kafka
def test_the_mark_that_ends_a_transaction_is_nothing_that_waits(apache_kafka):
    settings = apache_kafka.settings()
    name = settings.kafka.topics.name(STATEMENTS)
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap, "transactional.id": name})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(name, b"event", b"k", 0)
    producer.commit_transaction(30)
    commit(settings, {0: 1})
    deadline = time.monotonic() + 30
    while ends(settings)[0] < 2 and time.monotonic() < deadline:  # the mark follows the commit's answer
        time.sleep(0.05)
    assert ends(settings)[0] == 2
    with Backlog(settings, ledger(settings)) as backlog:
        first_look(backlog, {0})
        backlog.look({0})
        assert backlog.events == 0
        commit(settings, {0: 0})
        backlog.look({0})
        backlog.look({0})
        assert backlog.events == 2


def test_what_another_worker_was_given_is_its_own_unless_one_has_nothing(settings):
    publish(settings, BILL)
    of_each = ends(settings)
    with Backlog(settings, ledger(settings)) as backlog:
        first_look(backlog, {0})
        assert backlog.events == of_each[0]
        backlog.look(set())
        assert backlog.events == 12


def test_a_kafka_that_does_not_answer_changes_nothing(settings, monkeypatch):
    monkeypatch.setattr("processors.backlog._TIMEOUT_SECONDS", 0.2)
    nowhere = settings.kafka.model_copy(update={"bootstrap": "127.0.0.1:1"})
    with Backlog(settings.model_copy(update={"kafka": nowhere}), ledger(settings)) as backlog:
        backlog.events = 7
        backlog.look(set())
        assert (backlog.events, backlog.moved) == (7, False)
