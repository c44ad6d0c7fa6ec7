"""The state of a partition after a crash between any two records of its changelog."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors import live_state
from processors.live_state import PartitionState, Writes


class Memory:
    """A database in a dictionary."""

    def __init__(self, entries: dict[bytes, bytes] | None = None) -> None:
        self.entries = entries or {}

    def get(self, key: bytes) -> bytes | None:
        return self.entries.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        self.entries[key] = value

    def delete(self, key: bytes) -> None:
        self.entries.pop(key, None)

    def items(self) -> list[tuple[bytes, bytes]]:
        return list(self.entries.items())


Event = dict[str, Any]


def opened(database: Memory) -> PartitionState:
    return PartitionState(lambda: database)


#: What each event writes; None removes.
EVENTS = st.lists(
    st.dictionaries(st.sampled_from("abcde"), st.one_of(st.none(), st.integers(0, 99)), max_size=4), max_size=8
)


def states_after(events: list[Event]) -> list[dict[str, Any]]:
    """Return what the state must be after no event, one, two, …"""
    states: list[dict[str, Any]] = [{}]
    for event in events:
        states.append({key: value for key, value in {**states[-1], **event}.items() if value is not None})
    return states


def written(state: PartitionState, event: Event) -> Writes:
    for key, value in event.items():
        state.put(key, value)
    return state.take()


def content(state: PartitionState) -> dict[str, Any]:
    return {key: value for key, value in state.scan("") if not key.startswith("\0")}


def recovered(changelog: list[tuple[bytes, bytes | None]]) -> tuple[PartitionState, Writes]:
    """Return the state as the next worker opens it, and what it sends to the changelog to finish."""
    database = Memory()
    for key, value in changelog:
        if value is None:
            database.delete(key)
        else:
            database.put(key, value)
    state = opened(database)
    return state, state.finish_journal()


@pytest.mark.parametrize("journal_bytes", [1, 20, 10_000])
@given(events=EVENTS, data=st.data())
def test_a_crash_between_any_two_records_leaves_the_state_of_whole_events(journal_bytes, events, data):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(live_state, "JOURNAL_BYTES", journal_bytes)
        first = opened(Memory())
        records = [record for event in events for record in written(first, event).records]
        cut = data.draw(st.integers(0, len(records)))

        state, finished = recovered(records[:cut])
        found = content(state)
        assert found in states_after(events)

        # What finishing has sent may be cut as well, and the state is the same again.
        changelog = records[:cut] + finished.records[: data.draw(st.integers(0, len(finished.records)))]
        assert content(recovered(changelog)[0]) == found

        # Further events build on it, and another crash at the end loses nothing.
        more = data.draw(EVENTS)
        changelog = records[:cut] + finished.records
        changelog += [record for event in more for record in written(state, event).records]
        assert content(recovered(changelog)[0]) == content(state) == states_after([found, *more])[-1]


@pytest.mark.parametrize("kept_bytes", [0, 20, 10_000])
@given(events=EVENTS)
def test_writes_are_seen_before_and_after_they_are_stored(kept_bytes, events):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(live_state, "KEPT_BYTES", kept_bytes)
        state = opened(Memory())
        under_way = [written(state, event) for event in events]
        expected = states_after(events)[-1]
        for writes in (None, *under_way):
            if writes is not None:
                state.settle(writes)
            assert content(state) == expected
            assert {key: state.get(key) for key in "abcde"} == {key: expected.get(key) for key in "abcde"}


def test_a_single_write_needs_no_journal():
    state = opened(Memory())
    assert written(state, {"a": 1}).records == [(b"a", b"1")]
