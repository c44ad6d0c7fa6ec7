"""The repository's own numbered schemas, and the interface that a schema registry stands behind as well."""

import json
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

AvroSchema = dict[str, Any]


class UnknownSchemaError(LookupError):
    """A message names a schema id that nobody here knows."""


class SchemaSource(Protocol):
    """Where schema ids come from and what they mean. May block on first use of an id, never afterwards."""

    def id_of(self, subject: str) -> int:
        """Return the id under which the newest version of `subject` is written."""
        ...

    def schema(self, schema_id: int) -> tuple[str, AvroSchema]:
        """Return subject and schema of `schema_id`; `UnknownSchemaError` when there is none."""
        ...


@cache
def _numbers() -> dict[int, tuple[str, int]]:
    text = (files("schemas") / "subjects" / "numbers.json").read_text()
    numbered = {}
    for number, name in json.loads(text).items():
        subject, version = name.split("/v")
        numbered[int(number)] = (subject, int(version))
    return numbered


@cache
def versions(subject: str) -> tuple[int, ...]:
    """Return all versions of `subject`, oldest first."""
    return tuple(sorted(version for name, version in _numbers().values() if name == subject))


def subjects() -> tuple[str, ...]:
    """Return the names of all subjects."""
    return tuple(sorted({name for name, _ in _numbers().values()}))


@cache
def load(subject: str, version: int | None = None) -> AvroSchema:
    """Return the schema of `subject` in `version` (None: the newest) as parsed JSON."""
    wanted = versions(subject)[-1] if version is None else version
    path = files("schemas") / "subjects" / subject / f"v{wanted}.avsc"
    schema: AvroSchema = json.loads(path.read_text())
    return schema


class RepositorySchemas:
    """Schema ids as `schemas/subjects/numbers.json` fixes them."""

    def id_of(self, subject: str) -> int:
        """Return the number of the newest version of `subject`."""
        ids = [(version, number) for number, (name, version) in _numbers().items() if name == subject]
        if not ids:
            raise UnknownSchemaError(f"no schema of subject {subject!r} in schemas/subjects/numbers.json")
        return max(ids)[1]

    def schema(self, schema_id: int) -> tuple[str, AvroSchema]:
        """Return subject and schema of the number `schema_id`."""
        try:
            subject, version = _numbers()[schema_id]
        except KeyError:
            raise UnknownSchemaError(
                f"schema id {schema_id} is not in schemas/subjects/numbers.json; if the message was written through a "
                "schema registry, set SPENDSTREAM_SCHEMA_REGISTRY__URL to it"
            ) from None
        return subject, load(subject, version)
