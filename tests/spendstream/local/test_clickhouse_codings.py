"""Compressed bodies, whole or in pieces."""

import cramjam
import lz4.frame  # type: ignore[import-untyped]
import pytest

from spendstream.local.clickhouse_codings import choose, compressor, decode

PIECES = [b"", b"first " * 10_000, b"second", b""]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "lz4", "zstd"])
def test_what_is_packed_piece_by_piece_is_read_whole(coding: str) -> None:
    packer = compressor(coding)

    packed = b"".join([packer.feed(piece) for piece in PIECES] + [packer.end()])

    assert decode(packed, coding) == b"".join(PIECES)


@pytest.mark.parametrize(
    ("coding", "pack"), [("lz4", lz4.frame.compress), ("zstd", lambda data: bytes(cramjam.zstd.compress(data)))]
)
def test_frames_after_the_first_are_read_too(coding: str, pack) -> None:
    assert decode(pack(b"one,") + pack(b"two,") + pack(b"three"), coding) == b"one,two,three"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "lz4", "zstd"])
def test_a_body_that_is_cut_off_is_refused(coding: str) -> None:
    packer = compressor(coding)
    packed = packer.feed(b"a body" * 1000) + packer.end()

    with pytest.raises(ValueError, match=coding):
        decode(packed[:-6], coding)


def test_an_unknown_coding_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="zstd, lz4, gzip, deflate"):
        decode(b"x", "br")


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("lz4,zstd,gzip", "lz4"), ("br, gzip;q=0.5", "gzip"), ("zstd;q=0, deflate", "deflate"), ("br", None), ("", None)],
)
def test_the_first_coding_that_both_know_is_chosen(accepted: str, coding: str | None) -> None:
    assert choose(accepted) == coding
