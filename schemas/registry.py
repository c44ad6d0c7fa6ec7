"""A Confluent-compatible schema registry as a source of schema ids."""

import json
from typing import TYPE_CHECKING

from schemas import repository
from schemas.repository import AvroSchema, RepositorySchemas, SchemaSource, UnknownSchemaError
from spendstream.settings import Settings

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import SchemaRegistryClient

# The registry's client takes most of a second to import, and most deployments have none: imported where it is used.


class RegistrySchemas:
    """Schema ids that a registry gives; a subject is registered as `SUBJECT-value` on first use.

    Parameters
    ----------
    client
        The registry's client.
    """

    def __init__(self, client: "SchemaRegistryClient") -> None:
        self._client = client
        self._ids: dict[str, int] = {}
        self._known: dict[int, tuple[str, AvroSchema]] = {}

    def id_of(self, subject: str) -> int:
        """Return the registry's id of the newest version of `subject`, registering it when it is new there."""
        if subject not in self._ids:
            from confluent_kafka.schema_registry import Schema  # noqa: PLC0415

            schema = Schema(json.dumps(repository.load(subject)), "AVRO")
            self._ids[subject] = self._client.register_schema(f"{subject}-value", schema)
        return self._ids[subject]

    def schema(self, schema_id: int) -> tuple[str, AvroSchema]:
        """Return subject and schema of an id; the subject is told by the record's name."""
        if schema_id not in self._known:
            try:
                found = self._client.get_schema(schema_id)
            except Exception as error:
                raise UnknownSchemaError(f"the schema registry does not know schema id {schema_id}: {error}") from error
            parsed: AvroSchema = json.loads(str(found.schema_str))
            names = {repository.load(subject)["name"]: subject for subject in repository.subjects()}
            name = str(parsed.get("name", "")).rpartition(".")[2]
            if name not in names:
                raise UnknownSchemaError(f"schema id {schema_id} is a {name}, which is none of our records")
            self._known[schema_id] = (names[name], parsed)
        return self._known[schema_id]


def schema_source(settings: Settings) -> SchemaSource:
    """Return the registry when the settings name one, else the repository's own numbers."""
    registry = settings.schema_registry
    if registry.url is None:
        return RepositorySchemas()
    from confluent_kafka.schema_registry import SchemaRegistryClient  # noqa: PLC0415

    configuration = {"url": registry.url}
    if registry.user:
        configuration["basic.auth.user.info"] = f"{registry.user}:{registry.password.get_secret_value()}"
    return RegistrySchemas(SchemaRegistryClient.new_client(configuration))
