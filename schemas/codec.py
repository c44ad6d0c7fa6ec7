"""The wire codec: event ↔ Confluent's wire format (a zero byte, the schema id in four bytes, the Avro body).

A schema without logical types is what is read and written: amounts are bytes there and become integers, which is twice
as fast as building `Decimal`s and as exact. Columns, the arrays of integers and amounts, go by `schemas.columns`, all
other fields by fastavro. A reader that needs only the first fields of a large event says where it stops (`Until`); the
rest is never looked at, which skipping field by field would not be.
"""

import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from io import BytesIO
from itertools import groupby
from typing import Any, NamedTuple

import fastavro
from fastavro.read import SchemaResolutionError

from schemas import repository
from schemas.columns import (
    OtherLayoutError,
    block_at,
    ints_from_wire,
    ints_to_wire,
    units_from_wire,
    units_to_wire,
)
from schemas.events import EVENT_CLASSES, Event
from schemas.repository import AvroSchema, SchemaSource, UnknownSchemaError
from spendstream.clock import day_number, day_of, from_millis, to_millis
from spendstream.money import MoneyError, from_units, to_units, units_from_bytes, units_to_bytes

_HEADER = struct.Struct(">bI")

#: Per subject, the last field that a reader wants; the fields behind it keep their defaults.
Until = Mapping[str, str]


class CodecError(ValueError):
    """Bytes that are no event of ours, or an event that its schema cannot hold; the text says why."""


class Codec:
    """Encodes and decodes events. Keeps what it learnt of each schema, so make one and keep it.

    Parameters
    ----------
    schemas
        Where schema ids come from.
    until
        The last field wanted of each subject; a subject that is not named comes whole.
    """

    def __init__(self, schemas: SchemaSource, until: Until | None = None) -> None:
        self._schemas = schemas
        self._until = until or {}
        self._readers: dict[int, _Reader] = {}
        self._writers: dict[str, _Writer] = {}

    def encode(self, event: Event) -> bytes:
        """Return the message value of `event`.

        Raises
        ------
        CodecError
            When a field does not fit its schema.
        """
        writer = self._writers.get(event.SUBJECT)
        if writer is None:
            schema_id = self._schemas.id_of(event.SUBJECT)
            writer = self._writers[event.SUBJECT] = _Writer(event.SUBJECT, schema_id)
        return writer.write(event)

    def decode(self, value: bytes) -> Event:
        """Return the event that a message value holds.

        Raises
        ------
        CodecError
            When the bytes are not in the wire format or do not fit their schema.
        UnknownSchemaError
            When nobody knows their schema id.
        """
        if len(value) < _HEADER.size or value[0] != 0:
            raise CodecError("not in Confluent's wire format: a message begins with a zero byte and a schema id")
        schema_id: int = _HEADER.unpack_from(value)[1]
        reader = self._readers.get(schema_id)
        if reader is None:
            subject, schema = self._schemas.schema(schema_id)
            reader = self._readers[schema_id] = _Reader(subject, schema, self._until.get(subject))
        return reader.read(value)


def _strip(avro: Any) -> Any:  # noqa: ANN401 - a schema inside a schema
    """Return a schema without logical types: the same bytes, read as what they are."""
    if isinstance(avro, list):
        return [_strip(branch) for branch in avro]
    if not isinstance(avro, dict):
        return avro
    if "logicalType" in avro:
        return avro["type"]
    stripped = {key: value for key, value in avro.items() if key != "doc"}
    for key in ("items", "values"):
        if key in stripped:
            stripped[key] = _strip(stripped[key])
    if "fields" in stripped:
        stripped["fields"] = [{**field, "type": _strip(field["type"])} for field in stripped["fields"]]
    return stripped


_Convert = Callable[[Any], Any]


def _optional(convert: _Convert | None) -> _Convert | None:
    if convert is None:
        return None
    return lambda value: None if value is None else convert(value)


def _decimal_in(raw: bytes) -> Decimal:
    return from_units(units_from_bytes(raw))


def _decimal_out(amount: Decimal) -> bytes:
    return units_to_bytes(to_units(amount))


def _units_in(raws: Sequence[bytes]) -> list[int]:
    from_bytes = int.from_bytes
    # The first bit is the sign; where no amount is negative, reading without one takes half as long.
    if not raws or max(raws) < b"\x80":
        return [from_bytes(raw) for raw in raws]
    return [from_bytes(raw, "big", signed=True) for raw in raws]


def _units_out(amounts: Sequence[int]) -> list[bytes]:
    return [unit.to_bytes((unit.bit_length() + 8) // 8, "big", signed=True) for unit in amounts]


_LOGICAL_IN: dict[str, _Convert] = {"decimal": _decimal_in, "date": day_of, "timestamp-millis": from_millis}
_LOGICAL_OUT: dict[str, _Convert] = {"decimal": _decimal_out, "date": day_number, "timestamp-millis": to_millis}


def _converters(avro: Any) -> tuple[_Convert | None, _Convert | None]:  # noqa: ANN401 - a schema inside a schema
    """Return how a field comes in from, and goes out to, a schema without logical types; None: as it is."""
    if isinstance(avro, list):
        inner = next(branch for branch in avro if branch != "null")
        come, go = _converters(inner)
        return _optional(come), _optional(go)
    if not isinstance(avro, dict):
        return None, None
    if "logicalType" in avro:
        return _LOGICAL_IN[avro["logicalType"]], _LOGICAL_OUT[avro["logicalType"]]
    if avro["type"] != "array":
        return None, None
    items = avro["items"]
    if isinstance(items, dict) and items.get("logicalType") == "decimal":
        return _units_in, _units_out
    if isinstance(items, dict) and items["type"] == "record":
        nested = _RecordShape(items)
        return (
            lambda records: [nested.build(record) for record in records],
            lambda entries: [nested.record(entry) for entry in entries],
        )
    return None, None


def _class_named(name: str) -> type[Any]:
    from schemas import events  # noqa: PLC0415 - looked up by name, also the classes that are no events themselves

    found: type[Any] = getattr(events, name)
    return found


class _RecordShape:
    """How the dataclass of one record and its plain dictionary turn into each other.

    The fields in `ready` are in the dictionary as they are in the class.
    """

    def __init__(self, schema: AvroSchema, ready: Collection[str] = ()) -> None:
        self.event_class = _class_named(schema["name"])
        self.names = [field["name"] for field in schema["fields"]]
        others = [field for field in schema["fields"] if field["name"] not in ready]
        pairs = [(field["name"], *_converters(field["type"])) for field in others]
        self._come = [(name, come) for name, come, _ in pairs if come is not None]
        self._go = [(name, go) for name, _, go in pairs if go is not None]

    def build(self, record: dict[str, Any]) -> Any:  # noqa: ANN401 - the class that the schema names
        for name, come in self._come:
            if name in record:
                record[name] = come(record[name])
        return self.event_class(**record)

    def record(self, event: Any) -> dict[str, Any]:  # noqa: ANN401 - the class that the schema names
        record = {name: getattr(event, name) for name in self.names}
        for name, go in self._go:
            record[name] = go(record[name])
        return record


class _Column(NamedTuple):
    """A field that is an array of integers, or of amounts."""

    name: str
    of_amounts: bool


#: A column, or what fastavro reads and writes: some fields as the schema of a record of their own, parsed.
_Piece = _Column | AvroSchema


def _layout(schema: AvroSchema) -> list[_Piece]:
    """Return the fields of a stripped record in their order: columns, and the fields between them together."""
    pieces: list[_Piece] = []
    for is_column, fields in groupby(schema["fields"], lambda field: _is_column(field["type"])):
        if is_column:
            pieces += [_Column(field["name"], field["type"]["items"] == "bytes") for field in fields]
        else:
            pieces.append(fastavro.parse_schema({**schema, "fields": list(fields)}))  # type: ignore[arg-type]
    return pieces


def _is_column(avro: Any) -> bool:  # noqa: ANN401 - a schema inside a schema
    return isinstance(avro, dict) and avro["type"] == "array" and avro["items"] in ("int", "long", "bytes")


def _columns_of(pieces: list[_Piece]) -> frozenset[str]:
    return frozenset(piece.name for piece in pieces if isinstance(piece, _Column))


class _Writer:
    def __init__(self, subject: str, schema_id: int) -> None:
        schema = repository.load(subject)
        self._subject = subject
        self._header = _HEADER.pack(0, schema_id)
        self._pieces = _layout(_strip(schema))
        self._shape = _RecordShape(schema, _columns_of(self._pieces))

    def write(self, event: Event) -> bytes:
        out = BytesIO()
        out.write(self._header)
        try:
            record = self._shape.record(event)
            for piece in self._pieces:
                if isinstance(piece, _Column):
                    to_wire = units_to_wire if piece.of_amounts else ints_to_wire
                    out.write(to_wire(record[piece.name]))
                else:
                    fastavro.schemaless_writer(out, piece, record)
        except (MoneyError, ValueError, TypeError, AttributeError, OverflowError) as error:
            raise CodecError(f"{self._subject} cannot be written: {error}") from error
        return out.getvalue()


class _Reader:
    def __init__(self, subject: str, written: AvroSchema, until: str | None) -> None:
        if subject not in {event_class.SUBJECT for event_class in EVENT_CLASSES}:
            raise UnknownSchemaError(f"no event class for the subject {subject!r}")
        newest = repository.load(subject)
        self._subject = subject
        source, target = _strip(written), _strip(newest)
        # The same schema on both sides needs no resolution, which is the fastest way to read.
        same = source == target
        self._whole = True
        if same and until is not None:
            names = [field["name"] for field in source["fields"]]
            source["fields"] = source["fields"][: names.index(until) + 1]
            self._whole = False
        self._pieces = _layout(source) if same else []
        columns = _columns_of(self._pieces)
        self._written = fastavro.parse_schema(source)
        self._target = None if same else fastavro.parse_schema(target)
        self._shape = _RecordShape(newest)
        self._shape_by_column = _RecordShape(newest, columns) if columns else None

    def read(self, value: bytes) -> Event:
        try:
            if self._shape_by_column is not None:
                try:
                    return self._by_column(value, self._shape_by_column)
                except OtherLayoutError:
                    pass  # another writer's, or broken: fastavro reads the one, and says what is wrong with the other
            return self._by_field(value)
        except (ValueError, TypeError, EOFError, IndexError, KeyError, OverflowError, SchemaResolutionError) as error:
            raise CodecError(f"{self._subject} cannot be read: {error or type(error).__name__}") from error

    def _by_column(self, value: bytes, shape: _RecordShape) -> Event:
        record: dict[str, Any] = {}
        body = BytesIO(value)
        at = _HEADER.size
        known: tuple[bytes, list[int]] = (b"", [])
        for piece in self._pieces:
            if not isinstance(piece, _Column):
                body.seek(at)
                fields: Any = fastavro.schemaless_reader(body, piece, None)
                record.update(fields)
                at = body.tell()
                continue
            block, count, at = block_at(value, at)
            if not piece.of_amounts:
                record[piece.name] = ints_from_wire(block, count)
                continue
            # Where billed and effective cost are the same column, it is turned into integers once.
            if block != known[0]:
                known = (block, units_from_wire(block, count))
            record[piece.name] = known[1]
        if self._whole and at != len(value):
            raise OtherLayoutError
        event: Event = shape.build(record)
        return event

    def _by_field(self, value: bytes) -> Event:
        body = BytesIO(value)
        body.seek(_HEADER.size)
        record = fastavro.schemaless_reader(body, self._written, self._target)
        event: Event = self._shape.build(record)  # type: ignore[arg-type]
        if self._whole and body.tell() != len(value):
            raise ValueError(f"{len(value) - body.tell()} bytes are left over")
        return event
