"""Promotion: a finished replay becomes the live run.

In this order; a crash anywhere leaves the old run live, or is mended by promoting again:

1. the run is replayed up to now, and the sink has written it;
2. its state goes to the changelogs of its workers, and what a former life left there is removed;
3. the offsets from which it is live are committed for its workers;
4. it is recorded as live: workers and API go over to it;
5. the run that was live is recorded as retired. Promoting that one is the way back.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from confluent_kafka import Consumer, KafkaException, TopicPartition

from processors.batch import States
from processors.live_names import app_id, changelog_name
from processors.pipeline import changelogs, steps
from producers.sender import Sender
from schemas.events import Run
from spendstream.admin import ensure_topics, kafka_consumer
from spendstream.clock import Clock
from spendstream.dropping import wait_until_written
from spendstream.read_back import read_back_messages
from spendstream.replay import Progress, Replay
from spendstream.replay_input import Range, Reader
from spendstream.runs import begin_first, known_run, runs
from spendstream.settings import ConfigurationError, Settings
from spendstream.topics import AGGREGATES, FEEDBACK, PARTIALS, STATEMENTS, Topic


def promote(
    settings: Settings,
    clock: Clock,
    run: str,
    progress: Progress = lambda _, __: None,
    until_written: Callable[[Settings], None] = wait_until_written,
) -> Run:
    """Make a run the live one, and return its record.

    Parameters
    ----------
    settings, clock
        The deployment, with the rules that the run is to follow.
    run
        A run that is finished, or retired.
    progress
        Called while it is replayed up to now.
    until_written
        Waits until ClickHouse holds what was replayed, so that nobody is shown a run that is half there.

    Raises
    ------
    ConfigurationError
        When there is no such run, when it did not finish, left out a step or the beginning, or the sink does not run.
    """
    begin_first(settings, clock)
    record = known_run(settings, run)
    if record.state not in {"finished", "retired"}:
        raise ConfigurationError(f"run {run} is {record.state}: only a finished run can be promoted")
    replay = Replay(settings, clock, run)
    if list(record.steps) != [step.name for step in replay.steps]:
        raise ConfigurationError(
            f"run {run} ran {', '.join(record.steps)} only: replay without --steps under another id, and promote that"
        )
    with Reader(settings) as reader:
        beginning, last = reader.offsets(Range())
        if replay.named(beginning) != record.from_offsets:
            raise ConfigurationError(
                f"run {run} does not begin where the topic begins, so its totals are not whole: "
                "replay without --from under another id, and promote that"
            )
        fed = replay.feed(reader, Range(), beginning, last, progress)
        ends = {topic: reader.ends(topic) for topic in (PARTIALS, AGGREGATES)}
    until_written(settings)
    _leave_state(settings.of_run(run), clock, fed.states)
    # People's words are heard from the beginning: those that the state knows change nothing.
    words = dict.fromkeys(range(settings.kafka.topics.partitions(FEEDBACK)), 0)
    _leave_offsets(settings.of_run(run), {STATEMENTS: last, FEEDBACK: words, **ends})
    now = clock.now()
    record = replace(record, state="live", finished_at=now, to_offsets=replay.named(last), events=fed.events)
    replay.record(record)
    for other in runs(settings).values():
        if other.state == "live" and other.id != run:
            replay.record(replace(other, state="retired", finished_at=now))
    return record


def _leave_state(settings: Settings, clock: Clock, states: States) -> None:
    """Write the state to the changelogs of the workers; of what they held before, as a journal, nothing stays."""
    made = set(ensure_topics(settings, changelogs(settings)))
    sender = Sender(settings, clock)
    for step in steps(settings):
        changelog, own = changelog_name(settings, step), states.get(step.name, {})
        if changelog not in made:
            sender.remove_state(changelog, _left_from_before(settings, changelog, own))
        sender.send_state(changelog, own)
    sender.flush()


def _left_from_before(
    settings: Settings, changelog: str, states: Mapping[int, Mapping[str, object]]
) -> set[tuple[int, bytes]]:
    """Return partition and key of all that a changelog holds and the state does not."""
    held: set[tuple[int, bytes]] = set()
    for message in read_back_messages(settings, changelog, settings.kafka.shards):
        where = (message.partition() or 0, message.key() or b"")
        held.discard(where)
        if message.value() is not None and where[1].decode() not in states.get(where[0], {}):
            held.add(where)
    return held


def _leave_offsets(settings: Settings, starts: dict[Topic, dict[int, int]]) -> None:
    for step in steps(settings):
        consumer = Consumer(kafka_consumer(settings, app_id(settings, step)))
        offsets = [
            TopicPartition(settings.kafka.topics.name(topic), partition, offset)
            for topic in step.inputs
            for partition, offset in starts[topic].items()
        ]
        try:
            consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            raise ConfigurationError(
                f"the offsets of {step.name} cannot be set: {error.args[0].str()}; stop the workers of run "
                f"{settings.processing.run} first"
            ) from None
        finally:
            consumer.close()
