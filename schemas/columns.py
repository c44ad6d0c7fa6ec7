"""Arrays of integers and amounts on the wire, written and read a column at a time instead of item by item.

All of it is plain Avro, which any reader understands; two things that Avro leaves to the writer make it fast here:

- an array is one block that says its size (a negative count, then the bytes), so its end is known before it is read;
- the amounts of a column are as wide as its widest. An amount may be longer than it needs to be, sign bits first.

What another writer has laid out in another way is `OtherLayoutError` here, and read by fastavro.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from struct import Struct

#: Bytes of an amount whose length is one byte on the wire; money has at most 16.
_WIDEST = 63

#: Up to here the layout of a column is kept, above it would take much memory.
_KEPT_ROWS = 1024

#: How many integers are kept beside their bytes; columns hold few others than indexes and days.
_KEPT_NUMBERS = 32_768

_EMPTY = b"\0"
#: The lower seven bits of a byte; the eighth says that a number goes on.
_SEVEN = 0x7F
_NUMBERS = re.compile(rb"[\x80-\xff]*[\x00-\x7f]")
#: Integers from 0 to 63 and the byte that each is on the wire, its double; any other becomes a byte that is not ASCII.
_TO_WIRE = bytes([*range(0, 128, 2)]).ljust(256, b"\xff")
_FROM_WIRE = bytes([byte // 2 if byte % 2 == 0 else 0xFF for byte in range(128)]).ljust(256, b"\xff")


class OtherLayoutError(Exception):
    """An array that is not laid out as here, or no array at all."""


def ints_to_wire(values: Sequence[int]) -> bytes:
    """Return an Avro array of `int` or `long`; TypeError for what is no integer."""
    if not values:
        return _EMPTY
    try:
        body = bytes(values).translate(_TO_WIRE)
    except ValueError:  # not all of them are bytes
        return _block(len(values), b"".join(map(_long, values)))
    return _block(len(values), body if body.isascii() else b"".join(map(_long, values)))


def units_to_wire(amounts: Sequence[int]) -> bytes:
    """Return an Avro array of decimals from amounts in 10⁻¹⁸ units; OverflowError for what is no money."""
    if not amounts:
        return _EMPTY
    width = (max(map(int.bit_length, amounts)) + 8) // 8
    if width > _WIDEST:
        raise OverflowError("an amount has too many digits")
    length = bytes([2 * width])
    body = length + length.join([amount.to_bytes(width, "big", signed=True) for amount in amounts])
    return _block(len(amounts), body)


def ints_from_wire(block: bytes, count: int) -> list[int]:
    """Return the integers of a block, see `block_at`."""
    small = block.translate(_FROM_WIRE)
    if small.isascii():
        if len(small) != count:
            raise OtherLayoutError
        return list(small)
    if block[-1] > _SEVEN:
        raise OtherLayoutError
    values = list(map(_number, _NUMBERS.findall(block)))
    if len(values) != count:
        raise OtherLayoutError
    return values


def units_from_wire(block: bytes, count: int) -> list[int]:
    """Return the amounts of a block in 10⁻¹⁸ units, see `block_at`."""
    if not count:
        return []
    width = block[0] // 2
    if not width or len(block) != count * (width + 1) or block[:: width + 1] != block[:1] * count:
        raise OtherLayoutError
    raws: Iterable[bytes]
    if count <= _KEPT_ROWS:
        raws = _layout(width, count).unpack(block)
    else:
        raws = chain.from_iterable(_layout(width, 1).iter_unpack(block))
    # The first bit is the sign; where no amount is negative, reading without one takes half as long.
    if block[1 :: width + 1].isascii():
        return list(map(int.from_bytes, raws))
    return [int.from_bytes(raw, "big", signed=True) for raw in raws]


def block_at(value: bytes, at: int) -> tuple[bytes, int, int]:
    """Return the only block of the array that begins at `at`, its number of items, and where the array ends."""
    try:
        if value[at] == 0:
            return b"", 0, at + 1
        count, at = _long_at(value, at)
        size, at = _long_at(value, at)
        end = at + size
        if count >= 0 or size < -count or value[end]:
            raise OtherLayoutError
    except IndexError:
        raise OtherLayoutError from None
    return value[at:end], -count, end + 1


@lru_cache(maxsize=256)
def _layout(width: int, count: int) -> Struct:
    return Struct(f"x{width}s" * count)


def _block(count: int, body: bytes) -> bytes:
    return _long(-count) + _long(len(body)) + body + _EMPTY


@lru_cache(maxsize=_KEPT_NUMBERS)
def _long(value: int) -> bytes:
    """Return an Avro `long`: zigzag, seven bits a byte, the lowest first."""
    left = value << 1 if value >= 0 else ~(value << 1)
    if left >> 64:
        raise OverflowError(f"{value} has more than 64 bits")
    written = bytearray()
    while left > _SEVEN:
        written.append(left & _SEVEN | 0x80)
        left >>= 7
    written.append(left)
    return bytes(written)


@lru_cache(maxsize=_KEPT_NUMBERS)
def _number(raw: bytes) -> int:
    return _long_at(raw, 0)[0]


def _long_at(value: bytes, at: int) -> tuple[int, int]:
    """Return the `long` at `at`, and where it ends; IndexError when it is cut."""
    byte = value[at]
    at += 1
    found = byte & _SEVEN
    shift = 7
    while byte > _SEVEN:
        byte = value[at]
        at += 1
        found |= (byte & _SEVEN) << shift
        shift += 7
    return (found >> 1) ^ -(found & 1), at
