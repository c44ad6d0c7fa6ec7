"""Live and batch driver agree: from each step's recorded input both give exactly the same events in the same order."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from processors.batch import BatchDriver
from processors.pipeline import steps
from processors.step import Output
from schemas.events import CostStatement, Event, ReadingClosed
from spendstream.settings import Settings
from spendstream.topics import AGGREGATES, PARTIALS, STATEMENTS
from tests.kafka_backends import Backend
from tests.processors.histories import a_history
from tests.processors.workers import Worker, publish, recorded

pytestmark = pytest.mark.timeout(400)

Flow = dict[tuple[int, int], list[Event]]


@pytest.fixture(scope="module")
def worker(apache_kafka: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One live worker for all histories: what it keeps from one to the next, the batch driver keeps as well."""
    folder = tmp_path_factory.mktemp("state")
    settings = apache_kafka.settings(processing={"state_folder": folder, "session_seconds": 6})
    with Worker(settings) as running:
        yield running


def renamed(events: list[Event], history: int) -> list[Event]:
    """Give the readings of a history, and its accounts, names of their own."""
    own: list[Event] = []
    for event in events:
        assert isinstance(event, CostStatement | ReadingClosed)
        named = replace(event, reading=f"{history}-{event.reading}", billing_account=f"payer-{history % 3}")
        own.append(replace(named, account=f"{history}-{named.account}") if isinstance(named, CostStatement) else named)
    return own


def batch(settings: Settings, step: int, events: list[tuple[int, Event]]) -> Flow:
    """Return what one step alone gives, by the partitions that it comes from and goes to."""
    chosen = steps(settings)[step]
    flow: Flow = defaultdict(list)
    for partition in range(settings.kafka.shards):

        def emit(output: Output, origin: int = partition) -> None:
            flow[origin, output.partition].append(output.event)

        driver = BatchDriver([chosen], emit)
        for at, event in events:
            if at == partition:
                driver.feed(chosen.inputs[0], partition, event)
    return flow


@pytest.mark.kafka
def test_every_step_gives_the_same_events_in_both_drivers(worker: Worker):
    """The ledger's partials come apart by their shard; totals of partition n are all in partition n."""
    histories = iter(range(1000))

    @given(a_history())
    @hypothesis_settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    def agree(events: list[Event]) -> None:
        history = next(histories)
        publish(worker.settings, renamed(events, history))
        worker.wait_for(f"{history}-last")

        statements = recorded(worker.settings, STATEMENTS)
        partials: Flow = defaultdict(list)
        for partition, event in recorded(worker.settings, PARTIALS):
            partials[event.shard, partition].append(event)  # type: ignore[union-attr]
        assert partials == batch(worker.settings, 0, statements)

        aggregates: Flow = defaultdict(list)
        for partition, event in recorded(worker.settings, AGGREGATES):
            aggregates[partition, partition].append(event)
        assert aggregates == batch(worker.settings, 1, recorded(worker.settings, PARTIALS))

    agree()
