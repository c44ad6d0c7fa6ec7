"""A cost statement → its rows in `statement_history` and `statements`."""

from collections.abc import Mapping, Sequence

from schemas.events import CostStatement
from sinks.batch import KINDS, NO_VIEW, Batch

#: What a statement is identified by: its run, then its scope.
SCOPE = (
    "run",
    "source",
    "provider",
    "billing_account",
    "billing_period",
    "account",
    "service",
    "currency",
    "day",
    "view",
)
_STATEMENT = (
    *SCOPE,
    "part",
    "version",
    "parts",
    "reading",
    "read_at",
    "source_time",
    "estimated",
    "reconciled",
    "account_name",
    "kind",
    "region",
    "usage_type",
    "tags",
    "hour",
    "billed",
    "effective",
    "list_cost",
    "contracted",
    "blended",
    "quantity",
    "unit",
    "resource",
    "operation",
    "charge_category",
    "charge_class",
    "charge_frequency",
    "pricing_category",
    "commitment",
    "description",
    "charge_end",
)


def _amounts(column: Sequence[int], absent: Sequence[int]) -> Sequence[int | None]:
    if not absent:
        return column
    amounts: list[int | None] = list(column)
    for row in absent:
        amounts[row] = None
    return amounts


def statement_rows(event: CostStatement, run: str) -> list[Batch]:
    """Return the statement's row for the history, and, when it is whole, the same row as the newest version."""
    names, details = event.strings, event.details
    no_tags: Mapping[str, str] = {}
    tags = [event.tag_sets[index] for index in event.tags] or [no_tags] * len(event.billed)
    row = (
        run,
        event.source,
        event.provider,
        event.billing_account,
        event.billing_period,
        event.account,
        event.service,
        event.currency,
        event.day,
        event.view or NO_VIEW,
        event.part,
        event.version,
        event.parts,
        event.reading,
        event.read_at,
        event.source_time,
        event.estimated,
        event.reconciled,
        event.account_name or "",
        [KINDS[kind] for kind in event.kind],
        [names[index] for index in event.region],
        [names[index] for index in event.usage_type],
        tags,
        event.hour,
        event.billed,
        event.effective,
        _amounts(event.list_cost, event.list_cost_absent),
        _amounts(event.contracted, event.contracted_absent),
        event.blended,
        _amounts(event.quantity, event.quantity_absent),
        *(
            [details[index] for index in column]
            for column in (
                event.unit,
                event.resource,
                event.operation,
                event.charge_category,
                event.charge_class,
                event.charge_frequency,
                event.pricing_category,
                event.commitment,
                event.description,
            )
        ),
        event.charge_end,
    )
    weight = len(event.billed) + 1
    history = Batch("statement_history", _STATEMENT, [row], weight)
    return [history, Batch("statements", _STATEMENT, [row], 0)] if event.parts == 1 else [history]
