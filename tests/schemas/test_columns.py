"""Columns are plain Avro: what they write fastavro reads, and the other way round they know what is not theirs."""

from io import BytesIO

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import OtherLayoutError, block_at, ints_from_wire, ints_to_wire, units_from_wire, units_to_wire

INTS = fastavro.parse_schema({"type": "array", "items": "long"})
BYTES = fastavro.parse_schema({"type": "array", "items": "bytes"})

small = st.lists(st.integers(0, 63))
longs = st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-70, 70))
amounts = st.lists(st.integers(-(10**38), 10**38) | st.integers(0, 10**20))


def read(value, schema):
    return fastavro.schemaless_reader(BytesIO(value), schema, None)


def written(values, schema):
    out = BytesIO()
    fastavro.schemaless_writer(out, schema, values)
    return out.getvalue()


def block_of(wire):
    """Return the block of an array that has others before and behind it, and its number of items."""
    block, count, end = block_at(b"\x02\x00" + wire + b"\x02", 2)
    assert end == 2 + len(wire)
    return block, count


@given(small | longs)
def test_integers_come_back_and_any_avro_reader_reads_them(values):
    wire = ints_to_wire(values)
    assert ints_from_wire(*block_of(wire)) == values
    assert read(wire, INTS) == values


@given(amounts)
def test_amounts_come_back_and_any_avro_reader_reads_them(values):
    wire = units_to_wire(values)
    assert units_from_wire(*block_of(wire)) == values
    assert [int.from_bytes(raw, "big", signed=True) for raw in read(wire, BYTES)] == values


@pytest.mark.parametrize("sign", [1, -1])
def test_a_long_column_of_amounts_comes_back(sign):
    values = [sign * row * 10**15 for row in range(5000)]
    assert units_from_wire(*block_of(units_to_wire(values))) == values


def test_an_array_without_its_size_is_another_layout():
    with pytest.raises(OtherLayoutError):
        block_at(written([1, 2, 3], INTS), 0)


@pytest.mark.parametrize("missing", [1, 2, 3, 4])
def test_an_array_that_is_cut_is_another_layout(missing):
    with pytest.raises(OtherLayoutError):
        block_at(ints_to_wire([1, 2, 3])[:-missing], 0)


def test_a_second_block_is_another_layout():
    first = ints_to_wire([1, 2])
    with pytest.raises(OtherLayoutError):
        block_at(first[:-1] + first, 0)


def test_amounts_of_several_widths_are_another_layout():
    wide, narrow = (units_to_wire([amount])[2:-1] for amount in (10**6, 1))
    with pytest.raises(OtherLayoutError):
        units_from_wire(wide + narrow, 2)


@pytest.mark.parametrize("block", [b"\x02\x04", b"\x80\x01\x80", b"\x80\x02"])
def test_integers_of_another_number_are_another_layout(block):
    with pytest.raises(OtherLayoutError):
        ints_from_wire(block, 3)


def test_what_is_no_integer_is_refused():
    with pytest.raises(TypeError):
        ints_to_wire(["1"])  # type: ignore[list-item]
    with pytest.raises(OverflowError):
        ints_to_wire([2**63])
    with pytest.raises(OverflowError):
        units_to_wire([2**600])
