"""Cost Explorer's filter expressions and group keys over the series of an organisation."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from spendstream.local.simulator.catalogue import COST_CATEGORIES, SERVICE_CODES
from spendstream.local.simulator.series import Series

Json = dict[str, Any]
_TWO = 2

#: Dimension of Cost Explorer → its value of a series.
DIMENSIONS: dict[str, Callable[[Series], str]] = {
    "SERVICE": lambda s: s.service,
    "LINKED_ACCOUNT": lambda s: s.account,
    "LINKED_ACCOUNT_NAME": lambda s: account_name(s.account),
    "REGION": lambda s: s.region,
    "USAGE_TYPE": lambda s: s.usage_type,
    "OPERATION": lambda s: s.operation,
    "RECORD_TYPE": lambda s: s.record_type,
    "BILLING_ENTITY": lambda s: s.billing_entity,
    "LEGAL_ENTITY_NAME": lambda s: "Amazon Web Services, Inc." if s.billing_entity == "AWS" else s.service,
    "INSTANCE_TYPE": lambda s: s.instance_type,
    "PURCHASE_TYPE": lambda s: s.purchase_type,
    "SERVICE_CODE": lambda s: SERVICE_CODES.get(s.service, s.service.replace(" ", "")),
    "AZ": lambda _: "NoAZ",
    "TENANCY": lambda s: "Shared" if s.instance_type != "NoInstanceType" else "NoTenancy",
}


class AwsError(Exception):
    """An error answer: AWS's code, a text, and the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True)
class Call:
    """A request, when it comes in simulated time, of which account and to which region."""

    request: Json
    now: datetime
    account: str
    region: str = "us-east-1"


def refused(message: str) -> AwsError:
    """Return the answer to a request that cannot be."""
    return AwsError("ValidationException", message)


def account_name(account: str) -> str:
    """Return the name of an account."""
    return f"account-{int(account) % 1_000_000:06d}"


@dataclass(frozen=True, slots=True)
class Row:
    """What is filtered and grouped: a series, or its share in one resource."""

    series: Series
    resource: str = "NoResourceId"


def dimension(row: Row, name: str) -> str:
    """Return the value of the Cost Explorer dimension `name`, or raise a `ValidationException`."""
    if name == "RESOURCE_ID":
        return row.resource
    if name not in DIMENSIONS:
        raise refused(f"{name} is not a dimension here; use one of {', '.join(DIMENSIONS)}")
    return DIMENSIONS[name](row.series)


def cost_category(row: Row, name: str) -> str:
    """Return the value of a cost category, or raise a `ValidationException`."""
    if name not in COST_CATEGORIES:
        raise refused(f"there is no cost category {name!r}; there is {', '.join(COST_CATEGORIES)}")
    return row.series.cost_category(name)


def group_key(row: Row, group: Json) -> str:
    """Return the key of `row` in a GroupBy entry: a dimension's value, or `key$value` of a tag or cost category."""
    kind, key = group.get("Type"), str(group.get("Key"))
    if kind == "DIMENSION":
        return dimension(row, key)
    if kind == "TAG":
        return f"{key}${row.series.tag(key)}"
    if kind == "COST_CATEGORY":
        return f"{key}${cost_category(row, key)}"
    raise refused(f"GroupBy type {kind} is not known here; use DIMENSION, TAG or COST_CATEGORY")


def matches(row: Row, expression: Json) -> bool:
    """Say whether `row` passes a Cost Explorer expression."""
    if len(expression) != 1:
        raise refused("Expression must have exactly one root: And, Or, Not, Dimensions, Tags or CostCategories")
    root, body = next(iter(expression.items()))
    if root in {"And", "Or"}:
        if len(body) < _TWO:
            raise refused(f"{root} needs at least two operands")
        # Each part is looked at, so that a mistake shows whatever the row is.
        parts = [matches(row, part) for part in body]
        return all(parts) if root == "And" else any(parts)
    if root == "Not":
        return not matches(row, body)
    key = str(body.get("Key"))
    if root == "Dimensions":
        value = dimension(row, key)
    elif root == "Tags":
        value = row.series.tag(key)
    elif root == "CostCategories":
        value = cost_category(row, key)
    else:
        raise refused(f"{root} is not known in an expression")
    return _passes(value, list(body.get("Values") or []), body.get("MatchOptions") or ["EQUALS"])


def _passes(value: str, values: list[str], options: list[str]) -> bool:
    if "ABSENT" in options:
        return not value
    if "CASE_INSENSITIVE" in options:
        value, values = value.lower(), [v.lower() for v in values]
    if "STARTS_WITH" in options:
        return value.startswith(tuple(values))
    if "ENDS_WITH" in options:
        return value.endswith(tuple(values))
    if "CONTAINS" in options:
        return any(one in value for one in values)
    return value in values
