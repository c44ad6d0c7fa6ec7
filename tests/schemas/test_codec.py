"""Every event goes over the wire and back; every version ever published stays readable."""

import struct
from dataclasses import fields, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import repository
from schemas.codec import Codec, CodecError
from schemas.events import EVENT_CLASSES, CostStatement
from schemas.generate import source
from schemas.repository import RepositorySchemas, UnknownSchemaError
from tests.schemas.examples import EXAMPLES

GOLDEN = Path(__file__).with_name("golden")
CODEC = Codec(RepositorySchemas())


def plain(event):
    """Return the fields of an event, sequences as lists."""
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.SUBJECT)
def test_an_event_comes_back_as_it_went(event):
    assert plain(CODEC.decode(CODEC.encode(event))) == plain(event)


def test_there_is_an_example_of_every_event_class():
    assert {type(event) for event in EXAMPLES} == set(EVENT_CLASSES)


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.SUBJECT)
def test_every_version_ever_published_is_read_by_the_newest_reader(event):
    for version in repository.versions(event.SUBJECT):
        golden = (GOLDEN / f"{event.SUBJECT}.v{version}.bin").read_bytes()
        decoded = CODEC.decode(golden)
        assert decoded.SUBJECT == event.SUBJECT
        assert plain(decoded) == plain(event)


def test_any_avro_consumer_reads_a_statement():
    statement = EXAMPLES[0]
    value = CODEC.encode(statement)
    record: Any = fastavro.schemaless_reader(BytesIO(value[5:]), repository.load(statement.SUBJECT), None)
    assert str(record["billed"][0]) == "0.005000000000000000"
    assert record["strings"][record["region"][0]] == "eu-west-1"
    assert record["day"].isoformat() == "2026-03-09"


def test_a_reader_may_stop_where_totals_have_all_they_need():
    statement = EXAMPLES[0]
    short = Codec(RepositorySchemas(), {CostStatement.SUBJECT: "effective"}).decode(CODEC.encode(statement))
    assert isinstance(short, CostStatement)
    assert isinstance(statement, CostStatement)
    assert (short.effective, short.tags, short.details) == (statement.effective, statement.tags, ())


def test_bytes_that_are_no_message_say_so():
    with pytest.raises(CodecError, match="wire format"):
        CODEC.decode(b"{}")


def test_an_unknown_schema_id_says_where_to_look():
    with pytest.raises(UnknownSchemaError, match="SCHEMA_REGISTRY"):
        CODEC.decode(struct.pack(">bI", 0, 4711) + b"x")


def test_an_amount_finer_than_the_scale_is_refused_not_rounded():
    head: Any = next(event for event in EXAMPLES if event.SUBJECT == "cost.head")
    with pytest.raises(CodecError, match="finer than"):
        CODEC.encode(replace(head, billed=head.billed.scaleb(-18)))


@given(st.sampled_from(EXAMPLES), st.data())
def test_broken_bytes_never_give_anything_but_a_codec_error(event, data):
    value = bytearray(CODEC.encode(event))
    cut = data.draw(st.integers(5, len(value)))
    value[data.draw(st.integers(5, len(value) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        decoded = CODEC.decode(bytes(value[:cut]))
    except CodecError:
        return
    assert decoded.SUBJECT == event.SUBJECT


def test_the_event_classes_are_those_of_the_schemas():
    assert Path(source.__code__.co_filename).with_name("events.py").read_text() == source()
