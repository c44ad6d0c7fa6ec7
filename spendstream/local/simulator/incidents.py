"""What goes wrong in the simulated organisation: incidents from a file, or made from a seed.

A file is TOML (`[[incidents]]`) or JSON (`{"incidents": […]}`), each with `id`, `kind`, `start`, and where it has them
`end`, `size` and a `scope` of `account`, `service`, `region`, `usage_type`, `resource` and `tags`.
"""

import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spendstream.local.simulator.completeness import day_start
from spendstream.local.simulator.series import Series

#: Kind → the meaning of `size`, and its default.
KINDS: dict[str, tuple[str, float]] = {
    "spike": ("factor of the usage, and back at the end", 4.0),
    "step": ("factor of the usage from the start on", 1.8),
    "creep": ("factor of the usage that it reaches at the end, growing evenly", 2.0),
    "new_service": ("dollars a day of a service that was never used", 300.0),
    "forgotten_resource": ("dollars a day of one resource that nobody stops", 120.0),
    "runaway_loop": ("factor of the usage that it reaches, doubling each hour", 24.0),
    "leaked_keys": ("dollars a day of instances in a region that was never used", 2500.0),
    "price_change": ("factor of the unit price", 1.3),
    "commitment_expiry": ("not used: the Savings Plan ends", 1.0),
    "double_fee": ("how many times a fee of the month is charged", 2.0),
    "credit_end": ("not used: the credit ends before it is used up", 1.0),
    "vanished_usage": ("share of the usage that is left", 0.0),
    "many_small_rises": ("factor of the usage in every series of the scope", 1.12),
}
#: Kinds that bring lines that nobody had before.
BRINGING = frozenset({"new_service", "forgotten_resource", "leaked_keys"})
_SCALING = frozenset({"spike", "step", "creep", "runaway_loop", "vanished_usage", "many_small_rises"})
_FIELDS = ("account", "service", "region", "usage_type", "resource")
_HOUR = timedelta(hours=1)

Floats = NDArray[np.float64]


class IncidentError(ValueError):
    """An incident that cannot be; the message says which and what to change."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an incident is; an empty field is any."""

    account: str = ""
    service: str = ""
    region: str = ""
    usage_type: str = ""
    resource: str = ""
    tags: tuple[tuple[str, str], ...] = ()

    def holds(self, series: Series) -> bool:
        """Say whether `series` is in it."""
        fields = (self.account, self.service, self.region, self.usage_type)
        own = (series.account, series.service, series.region, series.usage_type)
        named = all(not wanted or wanted == had for wanted, had in zip(fields, own, strict=True))
        return named and all(series.tag(key) == value for key, value in self.tags)

    def document(self) -> dict[str, Any]:
        """Return it as JSON, without what is empty."""
        found = {name: value for name, value in asdict(self).items() if value}
        return found | ({"tags": dict(self.tags)} if self.tags else {})


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that changes the bill from `start` until before `end`, whole hours; None: it lasts.

    See `KINDS` for `size`.
    """

    id: str
    kind: str
    start: datetime
    scope: Scope
    size: float
    end: datetime | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise IncidentError(f"incident {self.id}: unknown kind {self.kind!r}; use one of {', '.join(KINDS)}")
        if self.start.tzinfo is None or (self.end is not None and self.end.tzinfo is None):
            raise IncidentError(f"incident {self.id}: a time has no time zone; add one, as in 2026-03-01T00:00:00Z")
        if any(
            (time.minute, time.second, time.microsecond) != (0, 0, 0) for time in (self.start, self.end or self.start)
        ):
            raise IncidentError(f"incident {self.id}: it begins or ends within an hour: write a whole one, as 10:00")
        if self.end is not None and self.end <= self.start:
            raise IncidentError(f"incident {self.id}: its end {self.end} is not after its start {self.start}")
        if self.kind == "creep" and self.end is None:
            raise IncidentError(f"incident {self.id}: a creep needs an end, by which it reaches its size")
        if self.kind == "double_fee" and (self.start.day, self.start.hour) != (1, 0):
            raise IncidentError(f"incident {self.id}: a fee is charged on the first of a month: begin it there")
        if self.size < 0:
            raise IncidentError(f"incident {self.id}: its size {self.size} is negative")

    @property
    def changes_lines(self) -> bool:
        """Whether it changes the usage or the price of lines that are there without it."""
        return self.kind in _SCALING or self.kind == "price_change"

    def active(self, day: date) -> NDArray[np.bool_]:
        """Return for each of the 24 hours of a day whether the incident goes on."""
        began = day_start(day)
        hours = [began + number * _HOUR for number in range(24)]
        return np.array([self.start < hour + _HOUR and (self.end is None or hour < self.end) for hour in hours])

    def usage_factor(self, day: date) -> Floats | None:
        """Return by what the usage in each hour of a day is multiplied; None: by nothing."""
        active = self.active(day)
        if self.kind not in _SCALING or not active.any():
            return None
        hours = np.arange(24) - (self.start - day_start(day)) // _HOUR
        level = np.full(24, self.size)
        if self.kind == "creep" and self.end is not None:
            level = 1.0 + (self.size - 1.0) * np.clip((hours + 1) / max(1, (self.end - self.start) // _HOUR), 0.0, 1.0)
        elif self.kind == "runaway_loop":
            level = np.minimum(self.size, 2.0 ** np.clip(hours + 1, 0, 30))
        return np.where(active, level, 1.0)

    def price_permille(self, day: date) -> NDArray[np.int64] | None:
        """Return the parts in a thousand of the unit price in each hour of a day; None: a thousand."""
        active = self.active(day)
        if self.kind != "price_change" or not active.any():
            return None
        return np.where(active, round(self.size * 1000), 1000)

    def document(self) -> dict[str, Any]:
        """Return it as JSON, as a file of incidents has it."""
        found = {"id": self.id, "kind": self.kind, "start": self.start.isoformat(), "size": self.size}
        return found | ({"end": self.end.isoformat()} if self.end else {}) | {"scope": self.scope.document()}


def load_incidents(path: Path) -> tuple[Incident, ...]:
    """Read a file of incidents.

    Raises
    ------
    IncidentError
        When it cannot be read, or an entry is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise IncidentError(f"{path} cannot be read: {error}; give a TOML or JSON file of incidents") from None
    return read_incidents(document)


def read_incidents(document: object) -> tuple[Incident, ...]:
    """Return the incidents of a parsed file; see `load_incidents`."""
    entries = document.get("incidents") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise IncidentError("there is no list of incidents: write [[incidents]] with id, kind, start and scope")
    return tuple(_incident(entry, number) for number, entry in enumerate(entries, 1))


def _incident(entry: object, number: int) -> Incident:
    if not isinstance(entry, dict):
        raise IncidentError(f"incident {number} is not a table with id, kind, start and scope")
    name = str(entry.get("id", number))
    unknown = set(entry) - {"id", "kind", "start", "end", "size", "scope"}
    scope = entry.get("scope", {})
    if unknown or not isinstance(scope, dict) or set(scope) - {*_FIELDS, "tags"}:
        raise IncidentError(
            f"incident {name}: it may have id, kind, start, end, size, and a scope of {', '.join(_FIELDS)} and tags"
        )
    try:
        tags = tuple(sorted((str(key), str(value)) for key, value in dict(scope.get("tags", {})).items()))
        where = Scope(**{field: str(scope.get(field, "")) for field in _FIELDS}, tags=tags)
        kind = str(entry["kind"])
        size = float(entry.get("size", KINDS.get(kind, ("", 1.0))[1]))
        end = _moment(entry["end"]) if entry.get("end") else None
        return Incident(name, kind, _moment(entry["start"]), where, size, end)
    except KeyError as error:
        raise IncidentError(f"incident {name}: {error.args[0]} is missing") from None
    except (TypeError, ValueError) as error:
        raise error if isinstance(error, IncidentError) else IncidentError(f"incident {name}: {error}") from None


def _moment(value: object) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    if moment.tzinfo is None:
        raise IncidentError(f"the time {value} has no time zone; add one, as in 2026-03-01T00:00:00Z")
    return moment.astimezone(UTC)


def of_kind(incidents: Iterable[Incident], *kinds: str) -> Sequence[Incident]:
    """Return those of some kinds."""
    return [incident for incident in incidents if incident.kind in kinds]
