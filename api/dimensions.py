"""By what costs can be grouped and filtered."""

from api.problems import unknown

#: Dimensions that day totals answer.
TOTALS_DIMENSIONS = ("provider", "account", "service", "region", "usage_type", "kind")
#: Dimensions that only lines have.
LINE_DIMENSIONS = (
    "source",
    "billing_account",
    "billing_period",
    "account_name",
    "resource",
    "operation",
    "charge_category",
    "charge_class",
    "charge_frequency",
    "pricing_category",
    "commitment",
    "description",
    "unit",
)
DIMENSIONS = (*TOTALS_DIMENSIONS, *LINE_DIMENSIONS)
#: A tag's key follows.
TAG = "tag:"
#: All of them, as a person reads it.
NAMED = (*DIMENSIONS, f"{TAG}KEY")


def check_dimension(name: str) -> None:
    """Raise `Problem` 400 when there is no such dimension."""
    if name not in DIMENSIONS and not (name.startswith(TAG) and len(name) > len(TAG)):
        raise unknown("dimension", name, NAMED)
