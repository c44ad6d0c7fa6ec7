"""Where the app differs from Faust's ways: how a message is handed on, and what a rebalance must not lose."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Producer
from faust.types import TP
from mode import Service

from processors.live_app import AtOnce, make_app, rewind
from processors.pipeline import steps
from spendstream.settings import Settings
from spendstream.topics import STATEMENTS
from tests.kafka_backends import Backend


class Racers(AtOnce, Service):
    """A service that races as the consumer does."""


async def ended_by(events, result):
    """Wait for one event after the other."""
    for event in events:
        await event.wait()
    return result


def test_what_need_not_wait_is_done_without_a_task():
    async def race():
        signal = asyncio.Event()
        before = asyncio.all_tasks()
        won = await Racers().wait_first(ended_by([], "handed on"), signal.wait())
        assert asyncio.all_tasks() == before
        return won.results

    assert asyncio.run(race()) == ["handed on"]


def test_what_waits_goes_on_where_it_was():
    async def race():
        first, second = asyncio.Event(), asyncio.Event()
        asyncio.get_running_loop().call_soon(first.set)
        asyncio.get_running_loop().call_later(0.01, second.set)
        won = await Racers().wait_first(ended_by([first, second], "handed on"), asyncio.Event().wait())
        return won.results

    assert asyncio.run(race()) == ["handed on"]


def test_a_signal_ends_what_waits():
    ended = []

    async def for_ever():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def race():
        signal = asyncio.Event()
        asyncio.get_running_loop().call_soon(signal.set)
        won = await Racers().wait_first(for_ever(), signal.wait())
        await asyncio.sleep(0)
        return won.results

    assert asyncio.run(race()) == [True]
    assert ended == ["cancelled"]


@pytest.mark.parametrize("waits", [False, True])
def test_an_error_comes_through(waits):
    async def broken():
        if waits:
            await asyncio.sleep(0)
        raise LookupError("no such partition")

    async def race():
        await Racers().wait_first(broken(), asyncio.Event().wait())

    with pytest.raises(LookupError, match="no such partition"):
        asyncio.run(race())


@pytest.fixture
def settings(embedded_kafka: Backend, tmp_path) -> Settings:
    return embedded_kafka.settings(processing={"state_folder": tmp_path})


@pytest.fixture
async def app(settings: Settings) -> Any:
    return make_app(settings, steps(settings)[0])


async def values(consumer: AIOKafkaConsumer) -> list[bytes]:
    """Read what comes within some time."""
    return [one.value for batch in (await consumer.getmany(timeout_ms=2000)).values() for one in batch]


async def test_what_was_read_and_thrown_away_is_read_again_also_where_nothing_is_committed(settings: Settings):
    name = settings.kafka.topics.name(STATEMENTS)
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap})
    for value in (b"one", b"two", b"three"):
        producer.produce(name, value, partition=0)
    assert producer.flush(10) == 0
    options = {"bootstrap_servers": settings.kafka.bootstrap, "group_id": name, "auto_offset_reset": "earliest"}
    async with AIOKafkaConsumer(name, enable_auto_commit=False, **options) as consumer:
        first = await values(consumer)
        assert await rewind(consumer, consumer.assignment()) == dict.fromkeys(consumer.assignment())
        again = await values(consumer)
        await consumer.commit({TopicPartition(name, 0): 2})
        await rewind(consumer, consumer.assignment())
        behind_the_commit = await values(consumer)
    assert (first, again, behind_the_commit) == ([b"one", b"two", b"three"], first, [b"three"])


async def test_a_pause_does_not_turn_what_is_being_read_into_all_partitions(app, monkeypatch):
    consumer, asked = app.consumer, []

    async def getmany(partitions, _):
        consumer.pause_partitions({TP("input", 0)})
        asked.append(partitions)

    monkeypatch.setattr(consumer._thread, "getmany", getmany)
    consumer.resume_partitions({TP("input", 0)})
    await consumer._getmany(consumer._get_active_partitions(), 1)
    assert asked == [{TP("input", 0)}]


async def test_what_a_start_asks_waits_behind_no_long_fetch(app):
    made = app.consumer._thread._create_worker_consumer(app.transport)
    assert made._fetch_max_wait_ms < 500


@pytest.mark.parametrize("mine", [set(), {TP("input", 1)}])
async def test_offsets_of_partitions_that_are_gone_are_not_committed_and_crash_nothing(app, monkeypatch, mine):
    thread = app.consumer._thread
    monkeypatch.setattr(thread, "_consumer", SimpleNamespace(assignment=lambda: mine))
    assert not await thread._commit({TP("input", 0): 5})
    assert not thread.crashed
