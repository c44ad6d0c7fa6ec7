"""What Kafka has recorded of statements, readings and controls, read back whole to be counted and added up."""

from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field, fields
from datetime import date, datetime

from producers.statement import Scope
from schemas.codec import Codec, CodecError
from schemas.events import CostStatement, Event, ReadingClosed, SourceControl
from schemas.registry import schema_source
from schemas.repository import UnknownSchemaError
from spendstream.clock import day_number
from spendstream.read_back import read_back
from spendstream.settings import Settings
from spendstream.topics import CONTROLS, STATEMENTS

#: Version, lines, billed and effective cost in 10⁻¹⁸ units.
Held = tuple[int, int, int, int]
#: Source, provider, billing account and view: whose word a reading is.
Book = tuple[str, str, str, str | None]


@dataclass(slots=True)
class _Version:
    """A version of a scope; of the parts that are there, lines, billed and effective cost."""

    parts: int
    read_at: datetime
    found: dict[int, tuple[int, int, int]] = field(default_factory=dict)


@dataclass(slots=True)
class Recorded:
    """All of it; `scopes` by their keys, of every book the close of the `last` reading and what readings `covered`."""

    scopes: dict[str, Scope] = field(default_factory=dict)
    last: dict[Book, ReadingClosed] = field(default_factory=dict)
    controls: dict[tuple[object, ...], SourceControl] = field(default_factory=dict)
    covered: dict[Book, set[tuple[date, date]]] = field(default_factory=lambda: defaultdict(set))
    _versions: dict[str, dict[int, _Version]] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Take an event of either topic."""
        if isinstance(event, CostStatement):
            scope = Scope(**{f.name: getattr(event, f.name) for f in fields(Scope)})
            key = scope.key
            self.scopes[key] = scope
            version = self._versions.setdefault(key, {}).setdefault(event.version, _Version(event.parts, event.read_at))
            version.found[event.part] = (len(event.billed), sum(event.billed), sum(event.effective))
        elif isinstance(event, ReadingClosed):
            book = (event.source, event.provider, event.billing_account, event.view)
            if not event.billing_periods:
                self.covered[book].add((event.first_day, event.last_day))
            known = self.last.get(book)
            if known is None or known.opened_at <= event.opened_at:
                self.last[book] = event
        elif isinstance(event, SourceControl):
            where = (*_book_of(event), event.control, event.first_day, event.last_day, event.currency)
            if where not in self.controls or self.controls[where].version <= event.version:
                self.controls[where] = event

    def newest(self, until: datetime | None = None) -> dict[str, Held]:
        """Return the newest complete version of every scope; `until` leaves out what later readings brought."""
        held: dict[str, Held] = {}
        for key, versions in self._versions.items():
            complete = [
                number
                for number, version in versions.items()
                if len(version.found) == version.parts and (until is None or version.read_at <= until)
            ]
            if complete:
                found = versions[max(complete)].found.values()
                held[key] = (
                    max(complete),
                    sum(p[0] for p in found),
                    sum(p[1] for p in found),
                    sum(p[2] for p in found),
                )
        return held

    def sums_of(self, close: ReadingClosed) -> dict[str, Held]:
        """Return what is held of a reading's coverage as its close found it, by currency; the version is 0."""
        book = (close.source, close.provider, close.billing_account, close.view)
        periods = set(close.billing_periods)
        sums: dict[str, Counter[int]] = defaultdict(Counter)
        for key, held in self.newest(close.opened_at).items():
            scope = self.scopes[key]
            if (
                (scope.source, scope.provider, scope.billing_account, scope.view) == book
                and close.first_day <= scope.day <= close.last_day
                and (not periods or day_number(scope.billing_period) in periods)
            ):
                sums[scope.currency].update(dict(enumerate(held[1:])))
        return {currency: (0, one[0], one[1], one[2]) for currency, one in sums.items()}

    def sum_over(self, control: SourceControl) -> tuple[int, int] | None:
        """Return billed and effective cost held of a control's days; None when readings did not cover all of them."""
        book = (*_book_of(control), None)
        missing = set(range(day_number(control.first_day), day_number(control.last_day) + 1))
        for first, last in self.covered.get(book, ()):
            missing.difference_update(range(day_number(first), day_number(last) + 1))
        if missing:
            return None
        billed = effective = 0
        for key, held in self.newest().items():
            scope = self.scopes[key]
            if (scope.source, scope.provider, scope.billing_account, scope.view, scope.currency) == (
                *book,
                control.currency,
            ) and control.first_day <= scope.day <= control.last_day:
                billed += held[2]
                effective += held[3]
        return billed, effective


def _book_of(event: SourceControl) -> tuple[str, str, str]:
    return event.source, event.provider, event.billing_account


def recorded(settings: Settings) -> Recorded:
    """Read back `cost.statements` and `source.controls`; what cannot be read has been buried, and is left out.

    Raises
    ------
    ConfigurationError
        When no Kafka answers.
    """
    found = Recorded()
    codec = Codec(schema_source(settings), {CostStatement.SUBJECT: "effective"})
    for topic in (STATEMENTS, CONTROLS):
        for value in read_back(settings, topic):
            with suppress(CodecError, UnknownSchemaError):
                found.take(codec.decode(value))
    return found
