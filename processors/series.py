"""Series: what a total is about, as one readable key; charge classes and windows as fixed lists.

A key is `CURRENCY` followed by `/name=value` pairs in a fixed order; values are percent-encoded, so that any name of a
provider, service or tag can stand in one:

    USD                                                         the organisation
    USD/provider=AWS                                            a provider
    USD/provider=AWS/account=1234                               an account
    USD/provider=AWS/service=AmazonS3                           a service
    USD/provider=AWS/account=1234/service=AmazonS3              an account's service
    USD/provider=AWS/account=1234/service=AmazonS3/region=eu-west-1
    USD/provider=AWS/account=1234/service=AmazonS3/usage_type=TimedStorage-ByteHrs
    USD/tag=team/value=search                                   a tag's value
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Literal
from urllib.parse import quote, unquote
from zlib import crc32


class ChargeKind(IntEnum):
    """Charge classes that are kept apart: their sum would hide a rise behind a credit, or cry on every fee."""

    USAGE = 0
    RECURRING_FEE = 1
    COMMITMENT = 2
    CREDIT = 3
    REFUND = 4
    TAX = 5
    ADJUSTMENT = 6
    MARKETPLACE = 7

    @property
    def label(self) -> str:
        """The name in tables and answers, as `recurring_fee`."""
        return self.name.lower()


Window = Literal["d7", "d30", "mtd", "qtd", "ytd"]
#: Rolling windows: 7 and 30 days, month, quarter and year to date; events hold an index into this list.
WINDOWS: tuple[Window, ...] = ("d7", "d30", "mtd", "qtd", "ytd")

Level = Literal["organisation", "provider", "account", "service", "account_service", "region", "usage_type", "tag"]

_NAMES = ("provider", "account", "service", "region", "usage_type", "tag", "value")


@lru_cache(maxsize=100_000)
def quoted(value: str) -> str:
    """Return `value` as it stands in a key."""
    return quote(value, safe=" :@+,;()!*'&$")


@dataclass(frozen=True, slots=True)
class Series:
    """What a total is about; a dimension that is None is summed over."""

    currency: str
    provider: str | None = None
    account: str | None = None
    service: str | None = None
    region: str | None = None
    usage_type: str | None = None
    tag: str | None = None
    value: str | None = None

    @property
    def key(self) -> str:
        """The readable key, as in the module's docstring."""
        return self.currency + "".join(f"/{name}={quoted(value)}" for name, value in self._dimensions())

    @property
    def level(self) -> Level:
        """Where the series stands in the lattice."""
        if self.tag is not None:
            return "tag"
        if self.usage_type is not None:
            return "usage_type"
        if self.region is not None:
            return "region"
        if self.account is not None:
            return "account" if self.service is None else "account_service"
        if self.service is not None:
            return "service"
        return "organisation" if self.provider is None else "provider"

    def _dimensions(self) -> Iterator[tuple[str, str]]:
        for name in _NAMES:
            value = getattr(self, name)
            if value is not None:
                yield name, value


@lru_cache(maxsize=200_000)
def parse(key: str) -> Series:
    """Return the series of a `key`; ValueError when it is none."""
    currency, *pairs = key.split("/")
    dimensions = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name not in _NAMES:
            raise ValueError(f"{key!r} is no series key: {pair!r} is not one of {', '.join(_NAMES)} with a value")
        dimensions[name] = unquote(value)
    return Series(currency, **dimensions)


def family_of(key: str) -> str:
    """Return the key of the series whose parts `key` is one of: an account's service holds its regions and usage types.

    A family lives in one partition and in one entry of the state.
    """
    for part in ("/region=", "/usage_type="):
        cut = key.find(part)
        if cut >= 0:
            return key[:cut]
    return key


def shard_of(account: str, service: str, shards: int) -> int:
    """Return the partition of `cost.statements`, from 0, that holds an account's service."""
    return crc32(f"{account}\0{service}".encode()) % shards


def partition_of(series_key: str, partitions: int) -> int:
    """Return the partition, from 0, that holds a series and its family downstream of the ledger."""
    return crc32(family_of(series_key).encode()) % partitions
