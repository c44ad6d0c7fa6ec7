"""Making the topics that a deployment needs, and telling which are missing or differ."""

from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from spendstream.settings import ConfigurationError, Settings
from spendstream.topics import MAX_MESSAGE_BYTES, TOPICS


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """What a topic must be."""

    name: str
    partitions: int
    configuration: dict[str, str]


def plan(settings: Settings, changelogs: tuple[str, ...] = ()) -> list[TopicPlan]:
    """Return all topics of the deployment; `changelogs` are the names of the steps' changelog topics."""
    names = settings.kafka.topics
    wanted = [TopicPlan(names.name(topic), names.partitions(topic), topic.configuration()) for topic in TOPICS]
    state = {"cleanup.policy": "compact", "max.message.bytes": str(MAX_MESSAGE_BYTES)}
    return wanted + [TopicPlan(name, settings.kafka.shards, state) for name in changelogs]


def kafka_client(settings: Settings) -> dict[str, str | int | float | bool]:
    """Return what every confluent-kafka client of the deployment is configured with."""
    return {"bootstrap.servers": settings.kafka.bootstrap, **settings.kafka.client}


def kafka_producer(settings: Settings) -> dict[str, str | int | float | bool]:
    """Return what a producer of events is configured with: acknowledged by all replicas, in order, never twice."""
    return {
        **kafka_client(settings),
        "enable.idempotence": True,
        "acks": "all",
        "compression.type": "lz4",
        "linger.ms": 5,
        "message.max.bytes": MAX_MESSAGE_BYTES,
    }


def kafka_consumer(settings: Settings, group: str) -> dict[str, str | int | float | bool]:
    """Return what a consumer is configured with: it begins with what is there, and nothing commits by itself.

    Without "earliest" one that begins before what retention has left would go to the end, and miss everything.
    """
    return {
        **kafka_client(settings),
        "group.id": group,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
    }


def check_kafka(settings: Settings, timeout: float = 20) -> None:
    """Wait until Kafka answers.

    Raises
    ------
    ConfigurationError
        When it does not, with what to do.
    """
    _answer(_admin(settings), settings, timeout)


def _admin(settings: Settings) -> AdminClient:
    """Return a client that does not log every attempt to connect: the error says what to do."""
    return AdminClient(kafka_client(settings) | {"log_level": 0})


def _answer(admin: AdminClient, settings: Settings, timeout: float) -> dict[str, Any]:
    try:
        return admin.list_topics(timeout=timeout).topics
    except KafkaException as error:
        raise ConfigurationError(
            f"no Kafka answers on {settings.kafka.bootstrap}: {error.args[0].str()}; start one with `make kafka`, "
            "or set SPENDSTREAM_KAFKA__BOOTSTRAP"
        ) from None


def ensure_topics(settings: Settings, changelogs: tuple[str, ...] = (), timeout: float = 20) -> list[str]:
    """Create the topics that are missing, and return their names.

    Raises
    ------
    ConfigurationError
        When Kafka cannot be reached, or a topic has another number of partitions than the settings say.
    """
    admin = _admin(settings)
    there = _answer(admin, settings, timeout)
    missing = []
    for topic in plan(settings, changelogs):
        if topic.name not in there:
            missing.append(topic)
        elif len(there[topic.name].partitions) < topic.partitions:
            raise ConfigurationError(
                f"topic {topic.name} has {len(there[topic.name].partitions)} partitions, and kafka.shards says "
                f"{topic.partitions}: partition counts never change in place; set it back, and see "
                "`spendstream topics rebuild --help`"
            )
    if missing:
        wanted = [NewTopic(t.name, t.partitions, settings.kafka.replication, config=t.configuration) for t in missing]
        for future in admin.create_topics(wanted, request_timeout=timeout).values():
            future.result()
    return [topic.name for topic in missing]
