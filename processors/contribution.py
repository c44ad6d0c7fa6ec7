"""What one statement contributes to each series of its scope, as exact integers: the hot path of the ledger."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from processors import columns
from processors.columns import Columns
from processors.series import quoted
from schemas.events import CostStatement

#: Section → columns, see `contribution`; a section without rows is left out.
Contribution = dict[str, Columns]

#: The sections, by what their names are.
OWN, HOURS, TAGS = "own", "hours", "tags"

#: A section that `processors.known_prices` adds: the cost of usage, and what it would have cost at earlier prices.
PRICES = "prices"

#: Name of the scope's own total; its series is the account's service.
TOTAL = ""

_HOURS = range(24)

_Row = tuple[Any, int, int, int]


def contribution(statement: CostStatement, tags: Sequence[str]) -> Contribution:
    """Return what `statement` adds to the series of its scope, in three sections.

    - `own`: the scope itself (`""`), and suffixes to its series: `/region=…`, `/usage_type=…`;
    - `hours`: the scope by hour (0 to 23), where lines have hours;
    - `tags`: suffixes to the currency, `/tag=…/value=…`, for each key in `tags`.

    A line without region, usage type or tag adds nothing to such series. A statement of a view adds to the series of
    its own key only.
    """
    if not statement.billed:
        return {}
    own: list[_Row] = []
    hours: list[_Row] = []
    tagged: list[_Row] = []
    strings = [quoted(name) for name in statement.strings]
    for kind, lines in _by_kind(statement):
        if statement.view is None:
            own.append((TOTAL, kind, *lines.total()))
            own.extend(lines.parts("/region=", statement.region, strings, kind))
            own.extend(lines.parts("/usage_type=", statement.usage_type, strings, kind))
            hours.extend(lines.sums(statement.hour, _HOURS, kind))
        for tag in tags if statement.view is None else (statement.view,):
            tagged.extend(lines.sums(statement.tags, _tag_names(statement, tag), kind))
    if len(set(strings)) < len(strings):
        own = _each_once(own)
    sections = {OWN: own, HOURS: hours, TAGS: _each_once(tagged)}
    return {section: columns.in_order(rows) for section, rows in sections.items() if rows}


def added(several: Iterable[Contribution]) -> Contribution:
    """Return the sum of contributions, as of the parts of one statement."""
    all_of_them = list(several)
    if len(all_of_them) == 1:
        return all_of_them[0]
    sections = {section for one in all_of_them for section in one}
    return {section: columns.added(one.get(section) for one in all_of_them) for section in sorted(sections)}


class _Lines:
    """The lines of one charge class; `rows` is None when these are all."""

    def __init__(self, rows: list[int] | None, billed: Sequence[int], effective: Sequence[int]) -> None:
        self._rows = rows
        # Where no commitment is at work, billed and effective cost are the same, and one sum serves for both.
        self._same = billed == effective
        self._billed = billed if rows is None else [billed[row] for row in rows]
        self._effective = effective if rows is None else [effective[row] for row in rows]

    def total(self) -> tuple[int, int]:
        billed = sum(self._billed)
        return billed, billed if self._same else sum(self._effective)

    def sums(self, keys: Sequence[int], names: Sequence[Any], kind: int) -> list[_Row]:
        """Return the sums by key, an index into `names`; a line without one (-1), or of an empty name, is left out."""
        if not keys:
            return []
        if self._rows is not None:
            keys = [keys[row] for row in self._rows]
        billed = _sum_by(keys, self._billed)
        effective = billed if self._same else _sum_by(keys, self._effective)
        return [
            (name, kind, amount, effective[key])
            for key, amount in billed.items()
            if key >= 0 and (name := names[key]) != ""
        ]

    def parts(self, prefix: str, keys: Sequence[int], names: Sequence[str], kind: int) -> list[_Row]:
        """Return the sums by key, with `prefix` before the names."""
        return [(prefix + name, kind, billed, effective) for name, _, billed, effective in self.sums(keys, names, kind)]


def _by_kind(statement: CostStatement) -> list[tuple[int, _Lines]]:
    kinds = statement.kind
    found = sorted(set(kinds))
    if len(found) == 1:
        return [(found[0], _Lines(None, statement.billed, statement.effective))]
    rows: dict[int, list[int]] = {kind: [] for kind in found}
    for row, kind in enumerate(kinds):
        rows[kind].append(row)
    return [(kind, _Lines(chosen, statement.billed, statement.effective)) for kind, chosen in rows.items()]


def _sum_by(keys: Sequence[int], amounts: Sequence[int]) -> dict[int, int]:
    sums: dict[int, int] = defaultdict(int)
    for key, amount in zip(keys, amounts, strict=True):
        sums[key] += amount
    return sums


def _tag_names(statement: CostStatement, tag: str) -> list[str]:
    """Return for each tag set the suffix of the series of its value, empty where it has none."""
    prefix = f"/tag={quoted(tag)}/value="
    return [prefix + value if (value := quoted(tag_set.get(tag, ""))) else "" for tag_set in statement.tag_sets]


def _each_once(rows: list[_Row]) -> list[_Row]:
    """Return the rows with those of one name and class added up: several tag sets hold the same value of a tag."""
    sums: dict[tuple[Any, int], tuple[int, int]] = {}
    for name, kind, billed, effective in rows:
        known = sums.get((name, kind), (0, 0))
        sums[name, kind] = (known[0] + billed, known[1] + effective)
    return [(name, kind, *amounts) for (name, kind), amounts in sums.items()]
