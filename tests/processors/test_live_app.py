"""Handing a message on: at once where it can be, in Faust's race where it has to wait."""

import asyncio

import pytest
from mode import Service

from processors.live_app import AtOnce


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
