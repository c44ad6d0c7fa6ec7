"""Totals of one scope and day as four parallel arrays: what the state keeps, and the steps compare and add up.

Arrays instead of an object for each total, because a close moves many thousands of them: what all rows share is done
once, and the rest are passes over lists. All is plain data, as the state wants it.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

#: `[names, charge classes, billed, effective]`, amounts in 10⁻¹⁸ units; a pair of name and class stands once.
Columns = list[list[Any]]


class Changed(NamedTuple):
    """Rows that differ: what they are now, and what they were."""

    now: Columns
    was_billed: list[int]
    was_effective: list[int]


def in_order(rows: Iterable[tuple[Any, int, int, int]]) -> Columns:
    """Return rows (name, charge class, billed, effective) as columns, sorted by name and class."""
    columns = [list(column) for column in zip(*sorted(rows), strict=True)]
    return columns or [[], [], [], []]


def by_name(columns: Columns | None) -> dict[tuple[Any, int], tuple[int, int]]:
    """Return the amounts by name and charge class."""
    if not columns:
        return {}
    names, kinds, billed, effective = columns
    return dict(zip(zip(names, kinds, strict=True), zip(billed, effective, strict=True), strict=True))


def added(several: Iterable[Columns | None]) -> Columns:
    """Return the sum of several columns."""
    sums: dict[tuple[Any, int], tuple[int, int]] = {}
    for columns in several:
        for row, (billed, effective) in by_name(columns).items():
            known = sums.get(row, (0, 0))
            sums[row] = (known[0] + billed, known[1] + effective)
    return in_order((name, kind, *amounts) for (name, kind), amounts in sums.items())


def replaced(known: Columns | None, new: Columns) -> Columns:
    """Return `known` with the rows of `new` in place of its own."""
    if not known or known[:2] == new[:2]:
        return new
    rows = by_name(known) | by_name(new)
    return in_order((name, kind, *amounts) for (name, kind), amounts in rows.items())


def changed(before: Columns | None, after: Columns | None) -> Changed:
    """Return the rows of `after` that are new or other than in `before`, and those that it lacks, as zero."""
    if not before:
        new = after or [[], [], [], []]
        zeros = [0] * len(new[0])
        return Changed(new, zeros, zeros)
    if after and before[:2] == after[:2]:
        return _changed_amounts(before, after)
    old, now = by_name(before), by_name(after)
    rows = [
        (row, now.get(row, (0, 0)), old.get(row, (0, 0)))
        for row in sorted({*old, *now})
        if row not in old or now.get(row, (0, 0)) != old[row]
    ]
    return Changed(
        [
            [name for (name, _), _, _ in rows],
            [kind for (_, kind), _, _ in rows],
            [amounts[0] for _, amounts, _ in rows],
            [amounts[1] for _, amounts, _ in rows],
        ],
        [was[0] for _, _, was in rows],
        [was[1] for _, _, was in rows],
    )


def _changed_amounts(before: Columns, after: Columns) -> Changed:
    """Return the same for columns that differ in their amounts only."""
    _, _, was_billed, was_effective = before
    _, _, billed, effective = after
    rows = [row for row in range(len(billed)) if billed[row] != was_billed[row] or effective[row] != was_effective[row]]
    if len(rows) == len(billed):
        return Changed(after, was_billed, was_effective)
    return Changed(
        [[column[row] for row in rows] for column in after],
        [was_billed[row] for row in rows],
        [was_effective[row] for row in rows],
    )
