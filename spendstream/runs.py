"""Runs: the live one, and replays beside it, as the compacted topic `config.runs` tells of them.

Which run is live stands there and nowhere else: workers read it when they start and go over when it changes, the API
reads it from the table that the sink makes of the topic, and the commands ask here. A setting instead would have to be
changed for every service at once, and one that was forgotten would show the old run's totals as if they were new. The
setting `processing.run` only names the first live run of a deployment.
"""

from collections.abc import Iterable
from typing import Self

from confluent_kafka import Consumer, KafkaException, TopicPartition

from producers.sender import Sender
from schemas.codec import Codec
from schemas.events import Run
from schemas.registry import schema_source
from spendstream.admin import kafka_consumer
from spendstream.clock import Clock
from spendstream.read_back import read_back
from spendstream.settings import ConfigurationError, Settings
from spendstream.topics import RUNS, STATEMENTS

_SECONDS = 10


def runs(settings: Settings) -> dict[str, Run]:
    """Return all runs by their id, as they are now."""
    codec = Codec(schema_source(settings))
    found: dict[str, Run] = {}
    for raw in read_back(settings, RUNS):
        event = codec.decode(raw)
        if isinstance(event, Run):
            found[event.id] = event
    return found


def known_run(settings: Settings, run: str) -> Run:
    """Return a run.

    Raises
    ------
    ConfigurationError
        When there is no such run.
    """
    found = runs(settings)
    if run not in found:
        names = ", ".join(sorted(found)) or "none"
        raise ConfigurationError(f"there is no run {run!r}; there are: {names}; `spendstream replay list` tells more")
    return found[run]


def live_among(found: Iterable[Run], first: str) -> str:
    """Return the id of the live run; `first` when none of them is.

    A promotion records the new live run before it retires the old one, so for a moment two may stand there: the newest
    is live.
    """
    live = [run for run in found if run.state == "live"]
    return max(live, key=lambda run: run.finished_at or run.started_at).id if live else first


def live_run(settings: Settings) -> str:
    """Return the id of the live run."""
    return live_among(runs(settings).values(), settings.processing.run)


def following(settings: Settings) -> Settings:
    """Return the settings of a worker of the live run."""
    return settings.of_run(live_run(settings))


def begin_first(settings: Settings, clock: Clock) -> None:
    """Record the first live run, unless a live run is recorded."""
    if any(run.state == "live" for run in runs(settings).values()):
        return
    from processors.pipeline import steps  # noqa: PLC0415 - loads detection, which takes a second

    name = settings.kafka.topics.name(STATEMENTS)
    consumer = Consumer(kafka_consumer(settings, settings.kafka.group("runs")))
    try:
        lows = {
            partition: consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=_SECONDS)[0]
            for partition in range(settings.kafka.topics.partitions(STATEMENTS))
        }
    finally:
        consumer.close()
    first = Run(
        id=settings.processing.run,
        state="live",
        steps=[step.name for step in steps(settings)],
        started_at=clock.now(),
        finished_at=None,
        from_offsets={f"{name}/{partition}": low for partition, low in lows.items()},
        to_offsets={},
        events=0,
        note="the first live run",
    )
    sender = Sender(settings, clock)
    sender.send(RUNS, 0, first.id, first)
    sender.flush()


class LiveRun:
    """Follows which run is live.

    Parameters
    ----------
    settings
        The deployment.
    """

    def __init__(self, settings: Settings) -> None:
        self._first = settings.processing.run
        self._codec = Codec(schema_source(settings))
        self._found: dict[str, Run] = {}
        self._consumer = Consumer(kafka_consumer(settings, settings.kafka.group("live-run")))
        self._consumer.assign([TopicPartition(settings.kafka.topics.name(RUNS), 0, 0)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def now(self) -> str | None:
        """Return the id of the live run as the topic says; None when there is nothing new. Does not wait."""
        messages = self._consumer.consume(100, 0)
        for message in messages:
            error = message.error()
            if error is not None:
                if error.fatal():
                    raise KafkaException(error)
                continue
            event = self._codec.decode(message.value() or b"")
            if isinstance(event, Run):
                self._found[event.id] = event
        return live_among(self._found.values(), self._first) if messages else None
