"""What one statement contributes to each series of its scope, as exact integers: the hot path of the ledger."""

from collections.abc import Sequence

from processors.series import quoted
from schemas.events import CostStatement

#: Billed and effective cost in 10⁻¹⁸ currency units; a third entry, where lines have hours, holds them by hour.
Amounts = list[int]
#: suffix of the series (see `contribution`) → charge class (as text) → amounts.
Contribution = dict[str, dict[str, Amounts]]

#: Suffix of the scope's own total; its series is the account's service.
TOTAL = ""


_HOURS = [f"{hour:02d}" for hour in range(24)]


def contribution(statement: CostStatement, tags: Sequence[str]) -> Contribution:
    """Return what `statement` adds to the series of its scope.

    The suffixes are `""` (the scope itself), `@HH` (one hour of it, where lines have hours), `/region=…`,
    `/usage_type=…`, and `/tag=…/value=…` for each key in `tags`. A line without region, usage type or tag adds nothing
    to such series. A statement of a view adds to the series of its own key only.
    """
    billed, effective = statement.billed, statement.effective
    result: Contribution = {}
    keys_of_tags = tags if statement.view is None else (statement.view,)
    if not billed:
        return result
    # Where no commitment is at work, billed and effective cost are the same, and one sum serves for both.
    same = billed == effective
    kinds = statement.kind
    strings = [quoted(name) for name in statement.strings]
    columns = (
        ("@", statement.hour, _HOURS),
        ("/region=", statement.region, strings),
        ("/usage_type=", statement.usage_type, strings),
    )
    for kind in set(kinds):
        if kinds.count(kind) == len(kinds):
            rows: list[int] | None = None
            some_billed, some_effective = billed, effective
        else:
            rows = [row for row, other in enumerate(kinds) if other == kind]
            some_billed = [billed[row] for row in rows]
            some_effective = some_billed if same else [effective[row] for row in rows]
        label = str(kind)
        if statement.view is None:
            total = sum(some_billed)
            result.setdefault(TOTAL, {})[label] = [total, total if same else sum(some_effective)]
            for prefix, column, names in columns:
                for key, amounts in _sums(_some(column, rows), some_billed, None if same else some_effective).items():
                    if key >= 0 and names[key]:
                        result.setdefault(prefix + names[key], {})[label] = amounts
        for tag in keys_of_tags:
            names = [quoted(tag_set[tag]) if tag in tag_set else "" for tag_set in statement.tag_sets]
            by_set = _sums(_some(statement.tags, rows), some_billed, None if same else some_effective)
            for key, amounts in by_set.items():
                if names[key]:
                    _add(result.setdefault(f"/tag={quoted(tag)}/value={names[key]}", {}), label, amounts)
    return result


def _some(column: Sequence[int], rows: list[int] | None) -> Sequence[int]:
    return column if rows is None or not column else [column[row] for row in rows]


def _sums(keys: Sequence[int], billed: Sequence[int], effective: Sequence[int] | None) -> dict[int, Amounts]:
    """Return the sums by key; an empty column of keys gives none."""
    first = _sum_by(keys, billed)
    if effective is None:
        return {key: [total, total] for key, total in first.items()}
    second = _sum_by(keys, effective)
    return {key: [total, second[key]] for key, total in first.items()}


def _sum_by(keys: Sequence[int], amounts: Sequence[int]) -> dict[int, int]:
    if not keys:
        return {}
    sums: dict[int, int] = dict.fromkeys(keys, 0)
    for key, amount in zip(keys, amounts, strict=True):
        sums[key] += amount
    return sums


def _add(into: dict[str, Amounts], label: str, amounts: Amounts) -> None:
    known = into.get(label)
    into[label] = list(amounts) if known is None else [known[0] + amounts[0], known[1] + amounts[1]]


def added(left: Contribution, right: Contribution) -> Contribution:
    """Return the sum of two contributions, as of two parts of one statement."""
    result = {suffix: dict(kinds) for suffix, kinds in left.items()}
    for suffix, kinds in right.items():
        into = result.setdefault(suffix, {})
        for label, amounts in kinds.items():
            _add(into, label, amounts)
    return result
