"""Rows as a block in ClickHouse's Native format, written column by column.

It takes values as events hold them (amounts as integers of 10⁻¹⁸, days since 1970), so that no `Decimal` or `date` is
made only to be taken apart again, and is several times as fast as clickhouse-connect's own writer, which shows in what
the sink can take. The format: number of columns, number of rows, then of each column its name, its type, a prefix and
its values; see ClickHouse's documentation of the format `Native`.
"""

import re
import struct
import sys
from array import array
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from itertools import accumulate, chain
from typing import Any, Protocol

from spendstream.clock import day_number, to_millis
from spendstream.money import PRECISION, to_units

_LIMIT = 10**PRECISION
_WORD = struct.Struct("<Q")
_SEVEN_BITS = 0x7F
_LOW_CARDINALITY_VERSION = _WORD.pack(1)
#: "The block brings its own dictionary", to be added to the index type.
_OWN_DICTIONARY = 1 << 9 | 1 << 10


class UnstorableError(ValueError):
    """A value that its column cannot hold; the text names both."""


class Encoder(Protocol):
    """Writes the values of one type."""

    def prefix(self) -> bytes:
        """Return what stands before the values of a column, once."""
        ...

    def body(self, values: Sequence[Any]) -> bytes:
        """Return the values; raises what Python raises for a value that does not fit."""
        ...


def block(columns: Sequence[str], types: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> bytes:
    """Return `rows`, each with a value for each of `columns`, as one block; `types` are the table's, by column.

    Raises
    ------
    UnstorableError
        When a column is not in the table, or a value does not fit its type.
    """
    pieces = [_number(len(columns)), _number(len(rows))]
    for name, values in zip(columns, zip(*rows, strict=True), strict=True):
        if name not in types:
            raise UnstorableError(f"the table has no column {name}: apply the migrations with `spendstream migrate`")
        encoder = encoder_of(types[name])
        try:
            body = encoder.body(values)
        except (TypeError, ValueError, AttributeError, OverflowError, struct.error) as error:
            raise UnstorableError(f"{name} ({types[name]}) cannot hold what was given: {error}") from error
        pieces += (_text(name), _text(types[name]), encoder.prefix(), body)
    return b"".join(pieces)


def _number(value: int) -> bytes:
    """Return an unsigned LEB128 number."""
    out = bytearray()
    while value > _SEVEN_BITS:
        out.append(value & _SEVEN_BITS | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return _number(len(raw)) + raw


def _packed(code: str, values: Any) -> bytes:  # noqa: ANN401 - any numbers
    numbers = array(code, values)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


class _Numbers:
    """Numbers of a fixed size; `convert` turns another value into one."""

    def __init__(self, code: str, convert: Callable[[Any], int] | None = None) -> None:
        self._code = code
        self._convert = convert

    def prefix(self) -> bytes:
        return b""

    def body(self, values: Sequence[Any]) -> bytes:
        convert = self._convert
        if convert is None:
            return _packed(self._code, values)
        known = {value: convert(value) for value in set(values)}
        return _packed(self._code, [known[value] for value in values])


class _Amounts:
    """Decimal(38, 18), given in units of 10⁻¹⁸ or as `Decimal`."""

    def prefix(self) -> bytes:
        return b""

    def body(self, values: Sequence[Any]) -> bytes:
        units = [value if type(value) is int else to_units(value) for value in values]
        if units and not -_LIMIT < min(units) <= max(units) < _LIMIT:
            raise OverflowError(f"an amount has more than {PRECISION} digits")
        return b"".join([value.to_bytes(16, "little", signed=True) for value in units])


class _Strings:
    def prefix(self) -> bytes:
        return b""

    def body(self, values: Sequence[Any]) -> bytes:
        known = {value: _text(value) for value in set(values)}
        return b"".join([known[value] for value in values])


class _LowCardinality:
    """Strings that stand once in a dictionary of the block."""

    def prefix(self) -> bytes:
        return _LOW_CARDINALITY_VERSION

    def body(self, values: Sequence[Any]) -> bytes:
        if not values:
            return b""
        places = {value: place for place, value in enumerate(dict.fromkeys(values))}
        size = 0 if len(places) <= 1 << 8 else 1 if len(places) <= 1 << 16 else 2
        head = _WORD.pack(_OWN_DICTIONARY | size) + _WORD.pack(len(places))
        indexes = _packed("BHI"[size], [places[value] for value in values])
        return head + b"".join(map(_text, places)) + _WORD.pack(len(values)) + indexes


class _Nullable:
    def __init__(self, inner: Encoder, zero: Any) -> None:  # noqa: ANN401 - stands where there is no value
        self._inner = inner
        self._zero = zero

    def prefix(self) -> bytes:
        return self._inner.prefix()

    def body(self, values: Sequence[Any]) -> bytes:
        zero = self._zero
        nulls = bytes([value is None for value in values])
        return nulls + self._inner.body([zero if value is None else value for value in values])


class _Array:
    def __init__(self, inner: Encoder) -> None:
        self._inner = inner

    def prefix(self) -> bytes:
        return self._inner.prefix()

    def body(self, values: Sequence[Any]) -> bytes:
        offsets = _packed("Q", accumulate(map(len, values)))
        return offsets + self._inner.body(list(chain.from_iterable(values)))


class _Map:
    def __init__(self, key: Encoder, value: Encoder) -> None:
        self._key = key
        self._value = value

    def prefix(self) -> bytes:
        return self._key.prefix() + self._value.prefix()

    def body(self, values: Sequence[Any]) -> bytes:
        offsets = _packed("Q", accumulate(map(len, values)))
        keys, contents = list(chain.from_iterable(values)), list(chain.from_iterable(map(dict.values, values)))
        return offsets + self._key.body(keys) + self._value.body(contents)


def _day(value: date | int) -> int:
    return value if isinstance(value, int) else day_number(value)


_NUMBERS = {
    "Bool": "B", "UInt8": "B", "Int8": "b", "UInt16": "H", "Int16": "h", "UInt32": "I", "Int32": "i",
    "UInt64": "Q", "Int64": "q", "Float64": "d",
}  # fmt: skip
_ZEROS: dict[str, Any] = {"String": "", "DateTime64(3, 'UTC')": datetime.fromisoformat("1970-01-01T00:00:00+00:00")}
_WRAPPED = re.compile(r"(Array|Nullable|LowCardinality)\((.*)\)")
_MAPPED = re.compile(r"Map\((LowCardinality\(String\)|String), (.*)\)")


@lru_cache(maxsize=256)
def encoder_of(name: str) -> Encoder:
    """Return what writes the type `name`, as ClickHouse spells it.

    Raises
    ------
    UnstorableError
        When no table of ours has such a column.
    """
    if name in _NUMBERS:
        return _Numbers(_NUMBERS[name])
    plain: dict[str, Encoder] = {
        "String": _Strings(),
        "LowCardinality(String)": _LowCardinality(),
        f"Decimal({PRECISION}, 18)": _Amounts(),
        "Date": _Numbers("H", _day),
        "Date32": _Numbers("i", _day),
        "DateTime64(3, 'UTC')": _Numbers("q", to_millis),
    }
    if name in plain:
        return plain[name]
    if (mapped := _MAPPED.fullmatch(name)) is not None:
        return _Map(encoder_of(mapped[1]), encoder_of(mapped[2]))
    wrapped = _WRAPPED.fullmatch(name)
    if wrapped is not None and wrapped[1] == "Array":
        return _Array(encoder_of(wrapped[2]))
    if wrapped is not None and wrapped[1] == "Nullable":
        return _Nullable(encoder_of(wrapped[2]), _ZEROS.get(wrapped[2], 0))
    raise UnstorableError(f"the sink does not write columns of type {name}")
