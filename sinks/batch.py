"""Rows of one table on their way into ClickHouse."""

from dataclasses import dataclass
from typing import Any

from processors.series import ChargeKind

#: Charge classes as tables have them, by their number in events.
KINDS = tuple(kind.label for kind in ChargeKind)
#: What tables hold where an event belongs to no view.
NO_VIEW = ""


@dataclass(slots=True)
class Batch:
    """Rows of one table, in the order of `columns`; `weight` counts lines, for the size of a batch."""

    table: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    weight: int
