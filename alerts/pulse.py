"""Signs of life of what comes before delivery: the newest messages of the topics between."""

from datetime import datetime, timedelta
from typing import Self

from confluent_kafka import Consumer, KafkaException, TopicPartition

from alerts.limits import Pipeline
from spendstream.admin import kafka_consumer
from spendstream.clock import from_millis
from spendstream.settings import Settings
from spendstream.topics import AGGREGATES, ALERTS, Topic

_SECONDS = 10.0


class Pulse:
    """Looks at Kafka now and then.

    Parameters
    ----------
    settings
        The deployment.
    begun_at
        Before that nothing is missed.
    """

    def __init__(self, settings: Settings, begun_at: datetime) -> None:
        self._names = settings.kafka.topics
        self._begun_at = begun_at
        self._consumer = Consumer(kafka_consumer(settings, settings.kafka.group("deliver-pulse")))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def silence(self, pipeline: Pipeline, now: datetime) -> str | None:
        """Return what is silent, and since when; None: nothing is, or Kafka cannot say."""
        try:
            # The driver's ticks stand in the input of the last step, so this topic moves while the service lives.
            alerts = self._newest(ALERTS)
            totals = None if pipeline.no_totals is None else self._newest(AGGREGATES)
        except KafkaException:
            return None
        return silent(pipeline, alerts or self._begun_at, totals or self._begun_at, now)

    def _newest(self, topic: Topic) -> datetime | None:
        """Return when the newest message of a topic was written; None: there is none."""
        name = self._names.name(topic)
        last: list[TopicPartition] = []
        for partition in range(self._names.partitions(topic)):
            low, high = self._consumer.get_watermark_offsets(TopicPartition(name, partition), _SECONDS)
            if high > low:
                last.append(TopicPartition(name, partition, high - 1))
        if not last:
            return None
        self._consumer.assign(last)
        messages = self._consumer.consume(len(last), _SECONDS)
        self._consumer.unassign()
        return max((from_millis(one.timestamp()[1]) for one in messages if one.error() is None), default=None)


def silent(pipeline: Pipeline, alerts: datetime, totals: datetime, now: datetime) -> str | None:
    """Return what is silent for too long.

    Parameters
    ----------
    alerts, totals
        When the alert service gave its last sign of life, and when a total was announced last.
    """
    if now - alerts > pipeline.silent:
        return f"`spendstream alert` has given no sign of life since {_at(alerts)}: see whether it runs"
    if pipeline.no_totals is not None and now - totals > pipeline.no_totals:
        return f"no total was announced since {_at(totals)}: see whether producers and processors run"
    return None


def _at(time: datetime) -> str:
    return f"{time - timedelta(microseconds=time.microsecond):%Y-%m-%d %H:%M:%S} UTC"
