"""Regrouping: whatever the partitions and readings, each scope keeps its order and no reading shows half."""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from spendstream.regrouping import Item, Regrouping

T = datetime(2026, 3, 1, tzinfo=UTC)


def opened(book: str, number: int) -> Item[str]:
    return Item("opened", "", (), book, f"{book}{number}", T + timedelta(minutes=number))


def closed(book: str, number: int) -> Item[str]:
    return Item("closed", "", (), book, f"{book}{number}", T + timedelta(minutes=number))


def said(book: str, number: int, scope: int, shards: int) -> Item[str]:
    name = f"{book}{scope}"
    return Item("statement", name, (hash_of(name) % shards,), book, f"{book}{number}", T + timedelta(minutes=number))


def hash_of(name: str) -> int:
    return sum(name.encode()) * 31


def regroup(old: dict[int, list[Item[str]]], shards: int, chance) -> dict[int, list[Item[str]]]:
    """Take the next item of any partition that need not wait, until nothing is left."""
    regrouping: Regrouping[str] = Regrouping(old, shards)
    left = {partition: list(items) for partition, items in old.items()}
    new: dict[int, list[Item[str]]] = defaultdict(list)
    while any(left.values()):
        free = [p for p, items in left.items() if items and not regrouping.must_wait(p, items[0])]
        if not free:
            regrouping.abandon(items[0] for items in left.values() if items)
            continue
        partition = chance(free)
        for shard, item in regrouping.take(partition, left[partition].pop(0)):
            new[shard].append(item)
    return new


@st.composite
def recorded(draw):
    """Two books read several times into partitions, as publishers of their own would; some readings never close.

    A reading begins when its first event is published, and only when all closes of the one before have been.
    """
    partitions, shards = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    old: dict[int, list[Item[str]]] = {partition: [] for partition in range(partitions)}
    whole: list[str] = []
    scripts = {}
    for book in "ab":
        steps: list[tuple[int, Item[str]]] = []
        for number in range(draw(st.integers(1, 4))):
            steps += [(partition, opened(book, number)) for partition in old]
            for scope in draw(st.lists(st.integers(0, 5), max_size=5, unique=True)):
                steps.append((hash_of(f"{book}{scope}") % partitions, said(book, number, scope, shards)))
            reaches = draw(st.integers(0, partitions)) if draw(st.booleans()) else partitions
            steps += [(partition, closed(book, number)) for partition in range(reaches)]
            whole += [f"{book}{number}"] if reaches == partitions else []
        scripts[book] = steps
    began: dict[str, datetime] = {}
    while any(scripts.values()):
        book = draw(st.sampled_from([book for book, steps in scripts.items() if steps]))
        partition, item = scripts[book].pop(0)
        began.setdefault(item.reading, T + timedelta(minutes=len(began)))
        old[partition].append(replace(item, opened_at=began[item.reading]))
    return old, shards, whole


@given(recorded(), st.data())
def test_scopes_keep_their_order_and_closes_stand_behind_their_reading(history, data):
    old, shards, whole = history
    new = regroup(old, shards, lambda free: data.draw(st.sampled_from(free)))
    assert versions(new.values()) == versions(old.values())
    for items in new.values():
        closes = [item.reading for item in items if item.kind == "closed"]
        assert sorted(closes) == sorted(set(closes))
        assert {*whole} <= {*closes}
        for at, item in enumerate(items):
            if item.kind == "closed":
                later = [other for other in items[:at] if other.book == item.book and other.reading > item.reading]
                behind = [other for other in items[at:] if other.kind == "statement" and other.reading == item.reading]
                assert later == behind == []


def versions(partitions) -> dict[str, list[str]]:
    """Return the readings of each scope, in their order."""
    found: dict[str, list[str]] = defaultdict(list)
    for items in partitions:
        for item in items:
            if item.kind == "statement":
                found[item.payload].append(item.reading)
    return found


def test_a_close_that_a_crash_kept_from_a_partition_is_abandoned_for_the_next_reading():
    old = {
        0: [opened("a", 1), said("a", 1, 1, 1), closed("a", 1), opened("a", 2), closed("a", 2)],
        1: [opened("a", 1), opened("a", 2), said("a", 2, 2, 1), closed("a", 2)],
    }
    new = regroup(old, 1, min)
    assert [(item.kind, item.reading) for item in new[0]] == [
        ("opened", "a1"),
        ("statement", "a1"),
        ("opened", "a2"),
        ("statement", "a2"),
        ("closed", "a2"),
    ]


def test_only_the_close_that_cannot_come_is_abandoned():
    """Book a's close never came to partition 1, where book b's, which is whole, stands behind what waits for b's."""
    whole = replace(closed("b", 1), opened_at=T)
    after_a, after_b = opened("a", 2), replace(opened("b", 2), opened_at=T + timedelta(minutes=5))
    old = {
        0: [closed("a", 1), after_a, whole, after_b],
        1: [whole, after_b, after_a],
    }
    new = regroup(old, 1, min)
    assert [(item.kind, item.reading) for item in new[0]] == [("opened", "a2"), ("closed", "b1"), ("opened", "b2")]


def test_what_waits_is_named_for_a_restart():
    regrouping: Regrouping[str] = Regrouping((0, 1), 3)
    close = closed("a", 1)
    assert regrouping.take(0, close) == []
    assert regrouping.must_wait(0, opened("a", 2))
    assert not regrouping.must_wait(1, close)
    assert (regrouping.held(0), regrouping.held(1)) == ([close], [])
    assert [shard for shard, _ in regrouping.take(1, close)] == [0, 1, 2]
