"""Files of rules: YAML, checked by the models of `alerts.rules`, with messages that name file, line and rule.

`rule_schema.json` beside this module is the JSON schema of such a file, for editors; `python -m alerts.rule_files`
writes it.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from alerts.rule_faults import Fault, faults_of
from alerts.rules import Rule
from spendstream.settings import ConfigurationError

_SCHEMA = Path(__file__).with_name("rule_schema.json")
_RULE: TypeAdapter[Rule] = TypeAdapter(Rule)


class RuleFile(BaseModel):
    """A file of rules."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="spendstream rules")

    rules: tuple[Rule, ...] = Field(min_length=1)


def read(path: Path) -> tuple[Rule, ...]:
    """Return the rules of a file.

    Raises
    ------
    ConfigurationError
        When it cannot be read or a rule cannot be used: one line for each fault, as
        `rules.yaml:12: rule big-days: limits.warning: …`.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise ConfigurationError(f"the rules {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"the rules {path} are no text in UTF-8: save the file as UTF-8") from None
    return parse(text, str(path))


def parse(text: str, name: str) -> tuple[Rule, ...]:
    """Return the rules of a file's `text`; `name` stands in messages. Raises as `read`."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigurationError(f"{name}:{line}: this is no YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigurationError(f"{name}: this is no YAML: {error}") from None
    if not isinstance(document, dict) or not isinstance(document.get("rules"), list) or not document["rules"]:
        raise ConfigurationError(f"{name}:1: a file of rules begins with `rules:` and holds a list of them below")
    faults = [
        f"{name}:{_line(node, (key,))}: {key}: only `rules` can stand here; mind the spelling and indentation"
        for key in document
        if key != "rules"
    ]
    rules: list[Rule] = []
    for number, raw in enumerate(document["rules"]):
        try:
            rules.append(_RULE.validate_python(raw))
        except ValidationError as error:
            faults += [_told(name, node, number, raw, one) for one in faults_of(error)]
    faults += _repeated(name, node, document["rules"])
    if faults:
        raise ConfigurationError("rules cannot be used:\n  " + "\n  ".join(faults))
    return tuple(rules)


def of_plain(document: Sequence[dict[str, Any]]) -> tuple[Rule, ...]:
    """Return the rules of plain data, as JSON holds them; `ConfigurationError` names each fault."""
    rules: list[Rule] = []
    faults: list[str] = []
    for number, raw in enumerate(document):
        try:
            rules.append(_RULE.validate_python(raw))
        except ValidationError as error:
            named = raw.get("id", f"number {number + 1}")
            faults += [f"rule {named}: {one}" for one in faults_of(error)]
    names = [rule.id for rule in rules]
    faults += [f"rule {name}: its id stands twice" for name in sorted({one for one in names if names.count(one) > 1})]
    if faults:
        raise ConfigurationError("; ".join(faults))
    return tuple(rules)


def schema() -> str:
    """Return the JSON schema of a file of rules, as `rule_schema.json` holds it."""
    return json.dumps(RuleFile.model_json_schema(), indent=2) + "\n"


def plain(rule: Rule) -> dict[str, Any]:
    """Return a rule as plain data, without what is left at its default."""
    document: dict[str, Any] = rule.model_dump(mode="json", exclude_defaults=True)
    return document


def packed(rule: Rule) -> str:
    """Return a rule as one line of JSON, as it stands in an event."""
    return json.dumps(plain(rule), sort_keys=True, separators=(",", ":"))


def unpacked(text: str) -> Rule:
    """Return the rule of an event; `pydantic.ValidationError` when this version does not understand it."""
    return _RULE.validate_json(text)


def _told(name: str, node: yaml.Node | None, number: int, raw: object, fault: Fault) -> str:
    rule = raw.get("id", f"number {number + 1}") if isinstance(raw, dict) else f"number {number + 1}"
    return f"{name}:{_line(node, ('rules', number, *fault.place))}: rule {rule}: {fault}"


def _repeated(name: str, node: yaml.Node | None, raws: list[Any]) -> list[str]:
    faults: list[str] = []
    seen: dict[str, int] = {}
    for number, raw in enumerate(raws):
        rule = raw.get("id") if isinstance(raw, dict) else None
        if not isinstance(rule, str):
            continue
        line = _line(node, ("rules", number))
        if rule in seen:
            faults.append(f"{name}:{line}: rule {rule}: line {seen[rule]} has this id already: give it another one")
        seen.setdefault(rule, line)
    return faults


def _line(node: yaml.Node | None, place: tuple[object, ...]) -> int:
    """Return the line, from 1, of a place in a document, or of the nearest thing around it that is there."""
    line = 1 if node is None else node.start_mark.line + 1
    for part in place:
        if isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        sys.exit(0 if _SCHEMA.read_text() == schema() else "rule_schema.json is old: run python -m alerts.rule_files")
    _SCHEMA.write_text(schema())
