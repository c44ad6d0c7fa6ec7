"""Cost Explorer's filter expressions and group keys over the series of an organisation."""

from typing import Any

from spendstream.local.simulator.organisation import Series

Json = dict[str, Any]

#: Dimension of Cost Explorer → field of a series.
DIMENSIONS = {
    "SERVICE": "service",
    "LINKED_ACCOUNT": "account",
    "REGION": "region",
    "USAGE_TYPE": "usage_type",
    "OPERATION": "operation",
    "RECORD_TYPE": "record_type",
    "BILLING_ENTITY": "billing_entity",
}


class AwsError(Exception):
    """An error answer: AWS's code, a text, and the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def dimension(series: Series, name: str) -> str:
    """Return the value of the Cost Explorer dimension `name`, or raise a `ValidationException`."""
    if name not in DIMENSIONS:
        raise AwsError("ValidationException", f"{name} is not a dimension here; use one of {', '.join(DIMENSIONS)}")
    return str(getattr(series, DIMENSIONS[name]))


def group_key(series: Series, group: Json) -> str:
    """Return the key of `series` in a GroupBy entry: a dimension's value, or `tag$value`."""
    if group.get("Type") == "DIMENSION":
        return dimension(series, str(group.get("Key")))
    if group.get("Type") == "TAG":
        key = str(group.get("Key"))
        return f"{key}${dict(series.tags).get(key, '')}"
    raise AwsError("ValidationException", f"GroupBy type {group.get('Type')} is not known here; use DIMENSION or TAG")


def matches(series: Series, expression: Json) -> bool:
    """Say whether `series` passes a Cost Explorer expression."""
    if len(expression) != 1:
        raise AwsError("ValidationException", "Expression must have exactly one root: And, Or, Not, Dimensions or Tags")
    root, body = next(iter(expression.items()))
    if root == "And":
        return all(matches(series, part) for part in body)
    if root == "Or":
        return any(matches(series, part) for part in body)
    if root == "Not":
        return not matches(series, body)
    if root not in {"Dimensions", "Tags"}:
        raise AwsError("ValidationException", f"{root} is not known in an expression")
    key = str(body.get("Key"))
    value = dimension(series, key) if root == "Dimensions" else dict(series.tags).get(key, "")
    return _passes(value, body.get("Values", []), body.get("MatchOptions") or ["EQUALS"])


def _passes(value: str, values: list[str], options: list[str]) -> bool:
    if "ABSENT" in options:
        return not value
    if "CASE_INSENSITIVE" in options:
        value, values = value.lower(), [v.lower() for v in values]
    if "STARTS_WITH" in options:
        return value.startswith(tuple(values))
    return value in values
