"""Finding dead letters in Kafka, and sending them back after a fix."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from confluent_kafka import Producer

from schemas.codec import Codec
from schemas.events import DeadLetter
from schemas.registry import schema_source
from spendstream.admin import kafka_producer
from spendstream.read_back import read_back
from spendstream.settings import ConfigurationError, Settings
from spendstream.topics import DEAD_LETTERS


def kept(settings: Settings) -> list[DeadLetter]:
    """Return the dead letters that Kafka holds, the newest copy of each, in the order in which they came."""
    codec = Codec(schema_source(settings))
    found: dict[str, DeadLetter] = {}
    for value in read_back(settings, DEAD_LETTERS):
        event = codec.decode(value)
        if isinstance(event, DeadLetter):
            found[event.id] = event
    return list(found.values())


def named(letters: Iterable[DeadLetter], ids: Sequence[str]) -> list[DeadLetter]:
    """Return the letters of ids, or of as much of each as tells it from the others.

    Raises
    ------
    ConfigurationError
        When there is none of an id, or several.
    """
    letters = list(letters)
    found = []
    for wanted in ids:
        match = [one for one in letters if one.id == wanted] or [one for one in letters if one.id.startswith(wanted)]
        if not match:
            raise ConfigurationError(f"no dead letter {wanted}; see `spendstream dead-letters list`")
        if len(match) > 1:
            raise ConfigurationError(f"{wanted!r} begins the ids of {len(match)} dead letters: write more of it")
        found += match
    return found


def waiting(letters: Iterable[DeadLetter], stage: str | None = None) -> list[DeadLetter]:
    """Return the letters from Kafka, of all stages or one, that were never sent back."""
    return [one for one in letters if not one.retries and one.topic is not None and stage in {None, one.stage}]


def send_back(settings: Settings, letters: Sequence[DeadLetter]) -> None:
    """Send letters' bytes back to where they came from, and count the try in the letter.

    Raises
    ------
    ConfigurationError
        When one did not come from a topic, as a row of an export: the export is read again instead; then none is sent.
        When Kafka does not take them.
    """
    places = [_place(letter) for letter in letters]
    producer = Producer(kafka_producer(settings))
    codec = Codec(schema_source(settings))
    name = settings.kafka.topics.name(DEAD_LETTERS)
    failures: list[str] = []
    for letter, (topic, partition) in zip(letters, places, strict=True):
        counted = codec.encode(replace(letter, retries=letter.retries + 1))
        for sent in ((topic, letter.value, letter.key, partition), (name, counted, letter.id.encode(), 0)):
            producer.produce(*sent, on_delivery=lambda error, _: failures.append(error.str()) if error else None)
        producer.poll(0)
    left = producer.flush(60)
    if left or failures:
        raise ConfigurationError(
            f"Kafka did not take {left + len(failures)} messages ({', '.join(sorted(set(failures))) or 'no answer'}): "
            "what it took changes nothing when it is sent again, so try again"
        )


def _place(letter: DeadLetter) -> tuple[str, int]:
    if letter.topic is None or letter.partition is None:
        raise ConfigurationError(
            f"{letter.origin} is not in Kafka: mend the source, and read it again (`produce --once`)"
        )
    return letter.topic, letter.partition
