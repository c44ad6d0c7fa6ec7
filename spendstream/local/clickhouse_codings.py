"""HTTP content codings of ClickHouse: a body may be several frames one after the other; all of them count."""

import gzip
import zlib
from collections.abc import Callable
from typing import Protocol

import cramjam
import lz4.frame  # type: ignore[import-untyped]


class Compressor(Protocol):
    """Compresses a body piece by piece."""

    def feed(self, data: bytes) -> bytes:
        """Take `data`, return what is ready to be sent (maybe nothing)."""
        ...

    def end(self) -> bytes:
        """Return what remains, and the end mark."""
        ...


class _Zlib:
    def __init__(self, wbits: int) -> None:
        self._stream = zlib.compressobj(level=3, wbits=wbits)

    def feed(self, data: bytes) -> bytes:
        return self._stream.compress(data)

    def end(self) -> bytes:
        return self._stream.flush()


class _Lz4:
    def __init__(self) -> None:
        self._stream = lz4.frame.LZ4FrameCompressor()
        self._begun = False

    def feed(self, data: bytes) -> bytes:
        head = b"" if self._begun else self._stream.begin()
        self._begun = True
        return bytes(head + self._stream.compress(data))

    def end(self) -> bytes:
        head = b"" if self._begun else self._stream.begin()
        return bytes(head + self._stream.flush())


class _Zstd:
    def __init__(self) -> None:
        self._stream = cramjam.zstd.Compressor(3)

    def feed(self, data: bytes) -> bytes:
        self._stream.compress(data)
        return bytes(self._stream.flush())

    def end(self) -> bytes:
        return bytes(self._stream.finish())


_COMPRESSORS: dict[str, Callable[[], Compressor]] = {
    "zstd": _Zstd,
    "lz4": _Lz4,
    "gzip": lambda: _Zlib(31),
    "deflate": lambda: _Zlib(15),
}


def _every_lz4_frame(body: bytes) -> bytes:
    parts = []
    while body:
        frame = lz4.frame.LZ4FrameDecompressor()
        parts.append(frame.decompress(body))
        if not frame.eof:
            raise ValueError("the last lz4 frame is cut off")
        body = frame.unused_data or b""
    return b"".join(parts)


def _zlib_or_raw(body: bytes) -> bytes:
    try:
        return zlib.decompress(body)
    except zlib.error:
        return zlib.decompress(body, wbits=-15)


_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": lambda body: bytes(cramjam.zstd.decompress(body)),
    "lz4": _every_lz4_frame,
    "gzip": gzip.decompress,
    "deflate": _zlib_or_raw,
}


def decode(body: bytes, coding: str) -> bytes:
    """Return `body` as it was before `coding` (a Content-Encoding; empty or "identity" for none).

    Raises
    ------
    ValueError
        The coding is not known, or the body is not of that coding or cut off.
    """
    coding = coding.strip().lower()
    if coding in {"", "identity"} or not body:
        return body
    if coding not in _DECODERS:
        raise ValueError(f"Unknown Content-Encoding {coding!r}: use one of {', '.join(_DECODERS)}")
    try:
        return _DECODERS[coding](body)
    except (RuntimeError, OSError, EOFError, zlib.error, cramjam.DecompressionError) as error:
        raise ValueError(f"The body is not valid {coding}: {error}") from error


def choose(accepted: str) -> str | None:
    """Return the first coding of an Accept-Encoding header that can be made here, or None."""
    for entry in accepted.split(","):
        name, _, weight = entry.strip().partition(";")
        if name.strip().lower() in _COMPRESSORS and weight.replace(" ", "") not in {"q=0", "q=0.0"}:
            return name.strip().lower()
    return None


def compressor(coding: str) -> Compressor:
    """Return a fresh compressor for a coding that `choose` returned."""
    return _COMPRESSORS[coding]()
