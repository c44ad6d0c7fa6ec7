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
#: A view follows, as `tag:KEY` or `category:NAME`: the source itself has divided the bill by it.
VIEW = "view:"
#: All of them, as a person reads it.
NAMED = (*DIMENSIONS, f"{TAG}KEY", f"{VIEW}tag:KEY", f"{VIEW}category:NAME")


def check_dimension(name: str) -> None:
    """Raise `Problem` 400 when there is no such dimension."""
    if name not in DIMENSIONS and not any(name.startswith(prefix) and name != prefix for prefix in (TAG, VIEW)):
        raise unknown("dimension", name, NAMED)
