"""Writes `schemas/events.py` from the newest version of every schema: `python -m schemas.generate [--check]`."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from schemas import repository

_HEADER = '''"""The event classes, one per Avro record: made by `python -m schemas.generate`, not to be edited.

A scalar `decimal` is a `Decimal`, a `date` a `date`, a `timestamp-millis` an aware UTC `datetime`. In arrays they stay
integers: amounts in 10^-18 of a currency unit, days since 1970-01-01, milliseconds since 1970-01-01T00:00Z.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import ClassVar, Literal

'''
#: A schema inside a schema, as JSON has it: a name, a union, or an object.
AvroType = str | list[Any] | dict[str, Any]

_SCALARS = {
    "string": "str",
    "int": "int",
    "long": "int",
    "double": "float",
    "boolean": "bool",
    "bytes": "bytes",
}
_LOGICAL = {"decimal": "Decimal", "date": "date", "timestamp-millis": "datetime"}
_MAX_LINE = 120


def _type(avro: AvroType, *, in_array: bool = False) -> str:
    if isinstance(avro, str):
        return _SCALARS[avro]
    if isinstance(avro, list):
        inner = next(branch for branch in avro if branch != "null")
        return f"{_type(inner, in_array=in_array)} | None"
    if "logicalType" in avro:
        return "int" if in_array else _LOGICAL[avro["logicalType"]]
    match avro["type"]:
        case "array":
            return f"Sequence[{_type(avro['items'], in_array=True)}]"
        case "map":
            return f"Mapping[str, {_type(avro['values'])}]"
        case "enum" | "record":
            return str(avro["name"])
    raise ValueError(f"no event type for the Avro type {avro!r}")


def _default(avro: AvroType) -> str:
    if isinstance(avro, list):
        return " = None"
    if isinstance(avro, dict) and avro["type"] == "array":
        return " = ()"
    return ""


def _nested(schema: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for field in schema["fields"]:
        inner = field["type"].get("items") if isinstance(field["type"], dict) else None
        if isinstance(inner, dict) and inner["type"] == "record":
            found.append(inner)
    return found


def _enums(schema: dict[str, Any]) -> list[str]:
    """Return the enums of a record's fields, each as a name for its symbols."""
    found = [field["type"] for field in schema["fields"] if isinstance(field["type"], dict)]
    return [
        f"{enum['name']} = Literal[" + ", ".join(f'"{symbol}"' for symbol in enum["symbols"]) + "]\n"
        for enum in found
        if enum["type"] == "enum"
    ]


def _record(schema: dict[str, Any], subject: str | None) -> str:
    lines = ["@dataclass(frozen=True, slots=True, kw_only=True)", f"class {schema['name']}:"]
    doc = schema.get("doc") or f"One entry of an array of {schema['name']}."
    lines.append(f'    """{doc}"""\n')
    if subject is not None:
        lines.append(f'    SUBJECT: ClassVar[str] = "{subject}"\n')
    for field in schema["fields"]:
        lines.append(f"    {field['name']}: {_type(field['type'])}{_default(field['type'])}")
        lines.append(f'    """{field["doc"].rstrip(".")}."""')
    return "\n".join(_wrap(line) for line in lines) + "\n"


def _wrap(line: str) -> str:
    """Break a docstring line that is too long at a space."""
    indent = " " * (len(line) - len(line.lstrip()))
    parts = []
    while len(line) > _MAX_LINE:
        cut = line.rfind(" ", len(indent) + 1, _MAX_LINE)
        if cut <= len(indent):
            break
        parts.append(line[:cut])
        line = indent + line[cut + 1 :]
    return "\n".join([*parts, line])


def source() -> str:
    """Return the text of `schemas/events.py`, formatted."""
    blocks = []
    names = []
    for subject in repository.subjects():
        schema = repository.load(subject)
        blocks += [_record(inner, None) for inner in _nested(schema)]
        blocks += [*_enums(schema), _record(schema, subject)]
        names.append(schema["name"])
    union = "Event = " + " | ".join(names) + '\n"""Any event that stands in a topic."""\n'
    listing = "EVENT_CLASSES: tuple[type[Event], ...] = (" + ", ".join(names) + ",)\n"
    text = _HEADER + "\n\n".join(blocks) + "\n\n" + union + "\n" + listing
    formatted = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--stdin-filename", "schemas/events.py", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    return formatted.stdout


def main() -> int:
    """Write the file, or with `--check` say whether it is up to date."""
    target = Path(__file__).with_name("events.py")
    text = source()
    if "--check" in sys.argv[1:]:
        if target.read_text() != text:
            sys.stderr.write("schemas/events.py is not what the schemas say: run python -m schemas.generate\n")
            return 1
        return 0
    target.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
