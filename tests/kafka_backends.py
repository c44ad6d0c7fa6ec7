"""Kafka for tests: the embedded broker, and the real Apache Kafka (marker `kafka`)."""

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from confluent_kafka import Producer

from processors.pipeline import changelogs
from spendstream.admin import ensure_topics, plan
from spendstream.local.kafka import EmbeddedBroker
from spendstream.local.kafka_apache import QUICK_START, ApacheKafka
from spendstream.local.kafka_install import MissingDependencyError, install
from spendstream.settings import Settings, load


@dataclass
class Backend:
    """A Kafka, and settings with a prefix of their own."""

    kind: str
    bootstrap: str

    def settings(self, **sections: object) -> Settings:
        """Return settings for this Kafka; its topics are there afterwards."""
        kafka = {"bootstrap": self.bootstrap, "prefix": f"t{uuid.uuid4().hex[:8]}."}
        made = load(kafka=kafka, **sections)
        if self.kind == "embedded":
            touch(made)
        else:
            ensure_topics(made, changelogs(made))
        return made


def touch(settings: Settings) -> None:
    """Make topics on the embedded broker appear, as they do on first use."""
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap})
    for topic in plan(settings, changelogs(settings)):
        producer.list_topics(topic.name, timeout=10)


@pytest.fixture(scope="session")
def embedded_kafka() -> Iterator[Backend]:
    """A broker inside this process."""
    with EmbeddedBroker() as broker:
        yield Backend("embedded", broker.bootstrap)


@pytest.fixture(scope="session")
def apache_kafka() -> Iterator[Backend]:
    """The real Apache Kafka; without Java or Maven a failure in CI, and a skip elsewhere."""
    try:
        install()
    except MissingDependencyError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    with ApacheKafka(java_options=QUICK_START) as kafka:
        yield Backend("apache", kafka.bootstrap)


@pytest.fixture(params=["embedded", pytest.param("apache", marks=pytest.mark.kafka)])
def kafka(request: pytest.FixtureRequest) -> Backend:
    """Both, one after the other."""
    backend: Backend = request.getfixturevalue(f"{request.param}_kafka")
    return backend
