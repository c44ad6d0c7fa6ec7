"""The API's description in OpenAPI 3.1, made from the routes, and the page that tries them."""

from functools import lru_cache
from importlib.resources import files
from typing import Any

from pydantic.json_schema import models_json_schema

from alerts.incident_states import ACTIONS
from api.answers import ProblemAnswer
from api.dimensions import DIMENSIONS, TAG
from api.formats import MEDIA_TYPES
from api.parameters import Parameters, names_of
from api.route import Route
from api.routes import ROUTES, WRITING
from api.writing import Nothing, Writing
from spendstream import __version__

_TEXT: dict[str, Any] = {"type": "string"}
_NAME: dict[str, Any] = {**_TEXT, "minLength": 1}
_DIMENSION: dict[str, Any] = {"anyOf": [{**_TEXT, "enum": list(DIMENSIONS)}, {**_TEXT, "pattern": f"^{TAG}.+"}]}
#: name of a value in a path → its schema, where not every name will do.
_VALUES = {"name": _DIMENSION, "action": {**_TEXT, "enum": list(ACTIONS)}}
_SCHEMAS = "#/components/schemas/"
#: path → summary and media type of what is not asked of ClickHouse's tables.
_PAGES = {
    "/healthz": ("Whether the process lives; without a token.", "application/json"),
    "/readyz": ("Whether ClickHouse answers; without a token.", "application/json"),
    "/metrics": ("Metrics in Prometheus' format.", "text/plain"),
}


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    answers = [*(route.answer for route in ROUTES), *(writing.answer for writing in WRITING)]
    models = [(model, "serialization") for model in (ProblemAnswer, *answers)]
    models += [(writing.body, "validation") for writing in WRITING]
    _, schemas = models_json_schema(models, ref_template=f"{_SCHEMAS}{{model}}")  # type: ignore[arg-type]
    paths = {route.path: {"get": _operation(route.summary, _parameters(route), _contents(route))} for route in ROUTES}
    for writing in WRITING:
        paths.setdefault(writing.path, {})[writing.method.lower()] = _change(writing)
    for path, (summary, media) in _PAGES.items():
        paths[path] = {"get": _operation(summary, [], {media: {}})}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "spendstream",
            "version": __version__,
            "description": "What the cloud costs. Amounts are exact, and text; days are UTC.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "where one is set"}},
        },
        "security": [{}, {"token": []}],
    }


def _change(writing: Writing[Any, Any]) -> dict[str, Any]:
    """Return the description of what changes something: it needs a token that may write."""
    answer = {MEDIA_TYPES["json"]: {"schema": {"$ref": f"{_SCHEMAS}{writing.answer.__name__}"}}}
    operation = _operation(writing.summary, _parameters(writing), answer, str(writing.status))
    if writing.body is not Nothing:
        body = {"schema": {"$ref": f"{_SCHEMAS}{writing.body.__name__}"}}
        operation["requestBody"] = {"required": True, "content": {MEDIA_TYPES["json"]: body}}
    return {**operation, "security": [{"token": []}]}


def _operation(
    summary: str, parameters: list[dict[str, Any]], contents: dict[str, Any], status: str = "200"
) -> dict[str, Any]:
    problem = {
        "description": "What is wrong, and what to change",
        "content": {"application/problem+json": {"schema": {"$ref": f"{_SCHEMAS}{ProblemAnswer.__name__}"}}},
    }
    responses = {status: {"description": "The answer", "content": contents}, "default": problem}
    return {"summary": summary, "parameters": parameters, "responses": responses}


def _contents(route: Route[Any]) -> dict[str, Any]:
    document = {MEDIA_TYPES["json"]: {"schema": {"$ref": f"{_SCHEMAS}{route.answer.__name__}"}}}
    return document | {MEDIA_TYPES[name]: {} for name in route.formats if name != "json"}


def _parameters(route: Route[Any] | Writing[Any, Any]) -> list[dict[str, Any]]:
    found = [
        {"name": name, "in": "path", "required": True, "description": text, "schema": _VALUES.get(name, _NAME)}
        for name, text in route.values.items()
    ]
    model: type[Parameters] = route.parameters
    schema = model.model_json_schema()
    required = set(schema.get("required", ()))
    for name in names_of(model):
        own = _simple(schema["properties"][name])
        description = own.pop("description")
        parameter = {"name": name, "in": "query", "required": name in required, "description": description}
        if own.get("type") == "array":
            parameter |= {"style": "form", "explode": False}
        found.append({**parameter, "schema": own})
    return found + (_filters() if model.FILTERED else [])


def _simple(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter: one that is not needed is left out, it is never null."""
    plain = {key: value for key, value in schema.items() if key not in {"title", "anyOf"}}
    for choice in schema.get("anyOf", ()):
        if choice != {"type": "null"}:
            plain |= choice
    if plain.get("default", 0) is None:
        del plain["default"]
    if plain.get("type") == "array":
        plain["items"] = _DIMENSION
    return plain


def _filters() -> list[dict[str, Any]]:
    """Return a filter for every dimension, and one parameter that stands for those of all tags."""
    text = "`a,b` keeps these values of {}, `!a,b` leaves them out"
    found: list[dict[str, Any]] = [
        {
            "name": f"filter.{name}",
            "in": "query",
            "required": False,
            "description": text.format(name),
            "schema": dict(_TEXT),
        }
        for name in DIMENSIONS
    ]
    tags = {
        "name": "tags",
        "in": "query",
        "required": False,
        "description": f"`filter.{TAG}KEY=a,b` keeps these values of a tag, `!a,b` leaves them out",
        "style": "form",
        "explode": True,
        "schema": {
            "type": "object",
            "patternProperties": {rf"^filter\.{TAG}.+": dict(_TEXT)},
            "additionalProperties": False,
        },
    }
    return [*found, tags]


@lru_cache(maxsize=1)
def page() -> str:
    """Return the page that lists every path and lets one try it."""
    return (files("api") / "docs.html").read_text(encoding="utf-8")
