"""`spendstream dead-letters`: what was buried is found by its id, and goes back to where it came from."""

from datetime import UTC, datetime

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner

from producers.sender import Sender
from schemas.dead_letters import dead_letter
from schemas.events import DeadLetter
from spendstream.cli import app
from spendstream.clock import SystemClock
from spendstream.dead_letters import kept
from spendstream.read_back import read_back
from spendstream.settings import Settings
from spendstream.topics import DEAD_LETTERS, STATEMENTS
from tests.kafka_backends import Backend

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def buried(settings: Settings, *values: bytes, stage: str = "ledger") -> list[DeadLetter]:
    """Bury values that stood in statements, and return their letters."""
    sender, topic = Sender(settings, SystemClock()), settings.kafka.topics.name(STATEMENTS)
    letters = [
        dead_letter(
            stage=stage,
            origin=f"{topic}/2/{offset}",
            value=value,
            error=ValueError("no event"),
            at=NOON,
            topic=topic,
            partition=2,
            offset=offset,
            key=b"k",
        )
        for offset, value in enumerate(values)
    ]
    for letter in letters:
        sender.send(DEAD_LETTERS, 0, letter.id, letter)
    sender.flush()
    return letters


@pytest.fixture
def settings(embedded_kafka: Backend, monkeypatch) -> Settings:
    """Settings of a deployment, also for commands."""
    made = embedded_kafka.settings()
    monkeypatch.setenv("SPENDSTREAM_KAFKA__BOOTSTRAP", made.kafka.bootstrap)
    monkeypatch.setenv("SPENDSTREAM_KAFKA__PREFIX", made.kafka.prefix)
    return made


def run(*arguments: str) -> tuple[int, str]:
    """Run the command, and return its exit code and what it said."""
    result = CliRunner().invoke(app, ["dead-letters", *arguments])
    return result.exit_code, " ".join(result.output.split())


def test_a_letter_is_shown_by_the_beginning_of_its_id(settings):
    letter, _ = buried(settings, b"first", b"second")
    code, said = run("show", letter.id[:10])
    assert code == 0
    assert f"{letter.id} found by ledger" in said
    assert "ValueError: no event first" in said


def test_what_was_sent_back_stands_where_it_came_from_and_counts_the_try(settings):
    letter, other = buried(settings, b"first", b"second")
    code, said = run("retry", letter.id)
    assert (code, said) == (0, f"{letter.id} sent back to {letter.topic}/2")
    assert list(read_back(settings, STATEMENTS)) == [b"first"]
    assert {one.id: one.retries for one in kept(settings)} == {letter.id: 1, other.id: 0}


def test_all_are_those_of_a_stage_that_were_never_sent_back(settings):
    first, second = buried(settings, b"first", b"second")
    buried(settings, b"third", stage="sink")
    run("retry", first.id)
    code, said = run("retry", "--all", "--stage", "ledger")
    assert (code, said) == (0, f"{second.id} sent back to {second.topic}/2")
    assert run("retry", "--all", "--stage", "ledger") == (0, "no dead letter waits that came from Kafka")
    assert list(read_back(settings, STATEMENTS)) == [b"first", b"second"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["retry"], "say which"),
        (["retry", "--all", "abc"], "say which"),
        (["retry", "--stage", "sink"], "say which"),
        (["retry", "zzz"], "no dead letter zzz; see `spendstream dead-letters list`"),
        (["show", ""], "begins the ids of 2 dead letters: write more of it"),
    ],
)
def test_a_mistake_is_explained_and_nothing_is_sent(settings, arguments, says):
    buried(settings, b"first", b"second")
    code, said = run(*arguments)
    assert code != 0
    assert says in said
    assert list(read_back(settings, STATEMENTS)) == []


def test_a_row_of_an_export_is_not_in_kafka_and_none_is_sent(settings):
    (letter,) = buried(settings, b"first")
    row = dead_letter(stage="focus", origin="bill.csv row 3", value=b"x", error=ValueError("amount"), at=NOON)
    sender = Sender(settings, SystemClock())
    sender.send(DEAD_LETTERS, 0, row.id, row)
    sender.flush()
    code, said = run("retry", letter.id, row.id)
    assert code != 0
    assert "bill.csv row 3 is not in Kafka: mend the source" in said
    assert list(read_back(settings, STATEMENTS)) == []


@pytest.mark.kafka
def test_letters_are_found_when_retention_took_the_first(apache_kafka):
    settings = apache_kafka.settings()
    _, second = buried(settings, b"first", b"second")
    oldest = TopicPartition(settings.kafka.topics.name(DEAD_LETTERS), 0, 1)
    admin = AdminClient({"bootstrap.servers": apache_kafka.bootstrap})
    for removed in admin.delete_records([oldest]).values():
        removed.result(60)
    assert [letter.id for letter in kept(settings)] == [second.id]
