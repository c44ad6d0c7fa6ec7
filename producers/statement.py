"""Lines and statements: folding lines into the columns of a statement, and unfolding them again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from hashlib import blake2b
from operator import attrgetter
from typing import Any

from processors.series import ChargeKind, quoted
from schemas.events import CostStatement
from spendstream.clock import day_number, day_of

#: Bytes of lines that one part may hold, by a careful estimate; the limit of a message is 16 MB.
MAX_PART_BYTES = 8 * 1024 * 1024
_LINE_BYTES = 120


@dataclass(frozen=True, slots=True)
class Scope:
    """What a statement is about; names as in the statement's schema."""

    source: str
    provider: str
    billing_account: str
    billing_period: date
    account: str
    service: str
    currency: str
    day: date
    view: str | None = None

    @property
    def key(self) -> str:
        """A readable, unambiguous key."""
        return "/".join(quoted(str(getattr(self, f.name) or "")) for f in fields(self))


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill; amounts in 10⁻¹⁸ units of the scope's currency, names as in the statement's schema."""

    kind: ChargeKind
    billed: int
    effective: int
    region: str = ""
    usage_type: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    hour: int = -1
    charge_category: str = ""
    charge_class: str = ""
    charge_frequency: str = ""
    quantity: int | None = None
    unit: str = ""
    list_cost: int | None = None
    contracted: int | None = None
    blended: int | None = None
    resource: str = ""
    operation: str = ""
    pricing_category: str = ""
    commitment: str = ""
    description: str = ""
    charge_end: date | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What a source says of a scope besides its lines."""

    version: int
    reading: str
    read_at: datetime
    source_time: datetime | None = None
    estimated: bool = False
    reconciled: bool = True
    account_name: str | None = None


def content_hash(lines: Sequence[Line]) -> str:
    """Return a hash that is the same for the same lines in any order."""
    digest = blake2b(digest_size=16)
    for text in sorted(repr((*_PLAIN(line), sorted(line.tags.items()))) for line in lines):
        digest.update(text.encode())
        digest.update(b"\n")
    return digest.hexdigest()


_PLAIN = attrgetter(*(f.name for f in fields(Line) if f.name != "tags"))


class _Dictionary:
    def __init__(self) -> None:
        self.entries = [""]
        self._index = {"": 0}

    def index(self, text: str) -> int:
        found = self._index.get(text)
        if found is None:
            found = self._index[text] = len(self.entries)
            self.entries.append(text)
        return found


_DETAILS = (
    "charge_category",
    "charge_class",
    "charge_frequency",
    "unit",
    "resource",
    "operation",
    "pricing_category",
    "commitment",
    "description",
)
_AMOUNTS = ("quantity", "list_cost", "contracted", "blended")


def fold(scope: Scope, lines: Sequence[Line], said: Said) -> list[CostStatement]:
    """Return the statement of a scope, in as many parts as messages of 16 MB need; with no lines, an empty one."""
    pieces = list(_pieces(lines))
    return [_part(scope, piece, said, number, len(pieces)) for number, piece in enumerate(pieces)]


def _pieces(lines: Sequence[Line]) -> Iterator[Sequence[Line]]:
    start, size = 0, 0
    for row, line in enumerate(lines):
        own = _LINE_BYTES + sum(len(getattr(line, name)) for name in _DETAILS) + len(line.region) + len(line.usage_type)
        own += sum(len(key) + len(value) for key, value in line.tags.items())
        if size + own > MAX_PART_BYTES and row > start:
            yield lines[start:row]
            start, size = row, 0
        size += own
    yield lines[start:]


def _part(scope: Scope, lines: Sequence[Line], said: Said, part: int, parts: int) -> CostStatement:
    strings, details = _Dictionary(), _Dictionary()
    tag_sets: dict[tuple[tuple[str, str], ...], int] = {(): 0}
    tags = [tag_sets.setdefault(tuple(sorted(line.tags.items())), len(tag_sets)) for line in lines]
    columns: dict[str, Any] = {
        name: _optional([details.index(getattr(line, name)) for line in lines]) for name in _DETAILS
    }
    for name in _AMOUNTS:
        values = [getattr(line, name) for line in lines]
        if any(value is not None for value in values):
            columns[name] = [value or 0 for value in values]
            absent = [row for row, value in enumerate(values) if value is None]
            if name != "blended":
                columns[f"{name}_absent"] = absent
    used = _used(lines)
    columns["charge_category"] = [details.index(line.charge_category) for line in lines]
    if any(line.charge_end is not None for line in lines):
        after = day_number(scope.day) + 1
        columns["charge_end"] = [after if line.charge_end is None else day_number(line.charge_end) for line in lines]
    return CostStatement(
        **{f.name: getattr(scope, f.name) for f in fields(scope)},
        **{f.name: getattr(said, f.name) for f in fields(said)},
        part=part,
        parts=parts,
        kind=[int(line.kind) for line in lines],
        region=[strings.index(line.region) for line in lines],
        usage_type=[strings.index(line.usage_type) for line in lines],
        used_type=[strings.index(name) for name in used],
        used_quantity=[quantity for quantity, _ in used.values()],
        used_cost=[cost for _, cost in used.values()],
        strings=strings.entries,
        tag_sets=[dict(pairs) for pairs in tag_sets],
        tags=_optional(tags),
        hour=[line.hour for line in lines] if any(line.hour >= 0 for line in lines) else [],
        billed=[line.billed for line in lines],
        effective=[line.effective for line in lines],
        details=details.entries,
        **columns,
    )


def _used(lines: Sequence[Line]) -> dict[str, tuple[int, int]]:
    """Return how much of each usage type was used, and what it cost, where lines have quantities."""
    used: dict[str, tuple[int, int]] = {}
    for line in lines:
        if line.quantity and line.usage_type and line.kind == ChargeKind.USAGE:
            quantity, cost = used.get(line.usage_type, (0, 0))
            used[line.usage_type] = quantity + line.quantity, cost + line.effective
    return {name: (quantity, cost) for name, (quantity, cost) in used.items() if quantity > 0}


def _optional(column: list[int]) -> list[int]:
    return column if any(column) else []


def unfold(statement: CostStatement) -> Iterator[Line]:
    """Yield the lines of a statement, as they were folded."""
    details = statement.details
    for row in range(len(statement.billed)):
        values: dict[str, Any] = {
            name: details[getattr(statement, name)[row]] for name in _DETAILS if getattr(statement, name)
        }
        for name in _AMOUNTS:
            column = getattr(statement, name)
            if column and row not in getattr(statement, f"{name}_absent", ()):
                values[name] = column[row]
        if statement.charge_end and statement.charge_end[row] != day_number(statement.day) + 1:
            values["charge_end"] = day_of(statement.charge_end[row])
        yield Line(
            kind=ChargeKind(statement.kind[row]),
            billed=statement.billed[row],
            effective=statement.effective[row],
            region=statement.strings[statement.region[row]],
            usage_type=statement.strings[statement.usage_type[row]],
            tags=statement.tag_sets[statement.tags[row]] if statement.tags else {},
            hour=statement.hour[row] if statement.hour else -1,
            **values,
        )
