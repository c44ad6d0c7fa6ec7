"""The embedded stack: what stands behind Kafka's, ClickHouse's and AWS's addresses on one machine."""

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import Producer

from alerts.pipeline import changelogs as alert_changelogs
from processors.pipeline import changelogs
from spendstream.admin import kafka_client, plan
from spendstream.local.clickhouse import LocalClickHouse
from spendstream.local.kafka import EmbeddedBroker
from spendstream.local.kafka_apache import free_port
from spendstream.settings import Settings


def touch_topics(settings: Settings) -> None:
    """Make all topics appear on the embedded broker, which creates them on first use."""
    producer = Producer(kafka_client(settings))
    for topic in plan(settings, (*changelogs(settings), *alert_changelogs(settings))):
        producer.list_topics(topic.name, timeout=10)


class LocalStack:
    """Kafka inside this process, ClickHouse beside it, and folders that go when it ends.

    `environment` holds the settings that lead every service to it, `folder` is one that goes when it ends.
    """

    folder: Path

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.environment: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Start Kafka; ClickHouse has an address, and is not there yet."""
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="spendstream-")))
        broker = self._stack.enter_context(EmbeddedBroker())
        self._clickhouse_port = free_port()
        self.environment = _environment(broker.bootstrap, f"http://127.0.0.1:{self._clickhouse_port}", self.folder)
        return self

    def start_clickhouse(self) -> None:
        """Start ClickHouse, and wait until it answers; services that do not need it may start meanwhile."""
        self._stack.enter_context(LocalClickHouse(self.folder / "clickhouse", port=self._clickhouse_port))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop both, and remove their data."""
        self._stack.close()


def _environment(bootstrap: str, clickhouse: str, folder: Path) -> dict[str, str]:
    ports: Mapping[str, int] = {name: free_port() for name in ("PRODUCE", "PROCESS", "SINK", "ALERT", "DELIVER")}
    return {
        "SPENDSTREAM_KAFKA__BOOTSTRAP": bootstrap,
        "SPENDSTREAM_CLICKHOUSE__URL": clickhouse,
        "SPENDSTREAM_API__PORT": str(free_port()),
        "SPENDSTREAM_PROCESSING__STATE_FOLDER": str(folder / "state"),
        **{f"SPENDSTREAM_HEALTH__{name}": str(port) for name, port in ports.items()},
    }
