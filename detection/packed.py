"""Arrays of floats as text: exact, eight bytes a number before base64, fit for JSON."""

from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterable


def packed(numbers: Iterable[float]) -> str:
    """Return the numbers as base64 of little-endian doubles."""
    return b64encode(array("d", numbers).tobytes()).decode("ascii")


def unpacked(text: str) -> list[float]:
    """Return what `packed` was given, bit for bit."""
    numbers = array("d")
    numbers.frombytes(b64decode(text))
    return numbers.tolist()
