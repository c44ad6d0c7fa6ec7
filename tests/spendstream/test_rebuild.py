"""A new epoch on the real Kafka: copied once and whole, through a crash, and the same totals come of it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

from processors.live_names import app_id
from processors.pipeline import steps
from processors.series import shard_of
from producers.sender import Sender
from schemas.events import AnomalyFeedback, CostHead, Event, ReadingClosed, Tick
from spendstream import rebuild as copying
from spendstream.admin import kafka_client
from spendstream.clock import ManualClock
from spendstream.feedback import publish as publish_word
from spendstream.rebuild import new_epoch, rebuild
from spendstream.rebuilt import contents, differences, drop_old
from spendstream.replay import Replay
from spendstream.replay_input import Range
from spendstream.settings import ConfigurationError, Settings
from spendstream.topics import FEEDBACK, HEADS, STATEMENTS
from tests.kafka_backends import Backend
from tests.processors.histories import Announced, closes, statement
from tests.processors.test_live import seen
from tests.processors.workers import publish, recorded
from tests.schemas.examples import EXAMPLES

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]
CLOCK = ManualClock(datetime(2026, 3, 11, tzinfo=UTC))


def reading(number: int) -> list[Event]:
    """Return a reading of every service whose number it divides."""
    told: list[Event] = [
        statement(f"S{service}", number, [("us-east-1", "Use", number)], account=str(service), reading=f"r{number}")
        for service in range(12)
        if service % number == 0
    ]
    return [*told, *closes(f"r{number}")]


HISTORY = [event for number in range(1, 5) for event in reading(number)]


def totals_of(settings: Settings) -> Announced:
    """Return what the steps announce of an epoch's statements."""
    Replay(settings, CLOCK, f"trial-{settings.kafka.epoch}").over(Range())
    return seen(settings)


def head(service: str, version: int) -> CostHead:
    example = next(event for event in EXAMPLES if isinstance(event, CostHead))
    return replace(example, account="1", service=service, version=version)


@pytest.fixture
def old(apache_kafka: Backend) -> Settings:
    settings = apache_kafka.settings()
    publish(settings, HISTORY)
    sender = Sender(settings, CLOCK)
    for version in (1, 2):
        for service in ("S1", "S2", "S3"):
            sender.send(HEADS, shard_of("1", service, settings.kafka.shards), service, head(service, version))
    for partition in range(settings.kafka.shards):
        sender.send(STATEMENTS, partition, "tick", Tick(at=CLOCK.now()))
    sender.flush()
    return settings


def test_a_rebuild_cut_short_goes_on_and_holds_the_same(old: Settings, monkeypatch):
    monkeypatch.setattr(copying, "_IN_TRANSACTION", 5)
    new = new_epoch(old, None, 7)
    steps = 0

    def cut(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(old, new, cut)
    rebuild(old, new)

    assert differences(contents(old), contents(new)) == []
    written = recorded(new, STATEMENTS)
    assert len(written) == sum(not isinstance(event, ReadingClosed | Tick) for event in HISTORY) + 7 * (4 + 1)
    assert all(event.partition == partition for partition, event in written if isinstance(event, ReadingClosed))
    before, after = totals_of(old), totals_of(new)
    assert (after.days, after.windows) == (before.days, before.windows)
    assert [done.read for done in rebuild(old, new)] == [0, 0, 0]


def test_what_people_said_is_said_to_every_new_partition(old: Settings):
    sender = Sender(old, CLOCK)
    said = [replace(one, at=CLOCK.now()) for one in EXAMPLES if isinstance(one, AnomalyFeedback)]
    publish_word(sender, said[0])

    new = new_epoch(old, None, 7)
    rebuild(old, new)

    assert recorded(new, FEEDBACK) == [(partition, said[0]) for partition in range(7)]


@contextmanager
def working(settings: Settings) -> Iterator[None]:
    """Be a worker of the ledger, as far as Kafka can tell."""
    group = app_id(settings, steps(settings)[0])
    worker = Consumer({"bootstrap.servers": settings.kafka.bootstrap, "group.id": group})
    worker.subscribe([settings.kafka.topics.name(STATEMENTS)])
    deadline = time.monotonic() + 30
    while not worker.assignment():
        assert time.monotonic() < deadline, "nothing was assigned"
        worker.poll(0.1)
    try:
        yield
    finally:
        worker.close()


def test_the_old_epoch_is_dropped_only_when_the_new_one_holds_all_of_it(old: Settings):
    new = new_epoch(old, None, 3)
    rebuild(old, new)
    publish(old, [statement("Late", 9, [("us-east-1", "Use", 1)], reading="r9")])
    with pytest.raises(ConfigurationError, match="holds 1 scopes that this one lacks"):
        drop_old(new)
    rebuild(old, new)
    with working(old), pytest.raises(ConfigurationError, match=r"at work on the old epoch .*-ledger-e1-live"):
        drop_old(new)
    dropped = drop_old(new)
    left = AdminClient(kafka_client(new)).list_topics(timeout=10).topics
    assert old.kafka.topics.name(STATEMENTS) in dropped
    assert not {*dropped} & {*left}
    assert new.kafka.topics.name(STATEMENTS) in left
    with pytest.raises(ConfigurationError, match="there is no epoch before 2"):
        drop_old(new)


def test_an_epoch_that_is_not_later_is_refused(old: Settings):
    with pytest.raises(ConfigurationError, match="epoch 1 is not later than 1"):
        new_epoch(old, 1, None)
