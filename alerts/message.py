"""A message: what one receiver is told at once, and the view of an incident that every channel writes from."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from alerts.own_incidents import CANARY
from alerts.routing import Told
from alerts.wording import between, money, name_of, plain, share, squeezed
from processors.series import parse
from schemas.events import Incident

_LONGEST = 600
_ACTIONS = (("Acknowledge", "acknowledge"), ("Snooze", "snooze"), ("Expected", "expect"), ("Resolve", "resolve"))


@dataclass(frozen=True, slots=True)
class Message:
    """What goes to one receiver.

    Attributes
    ----------
    id
        The same for the same incidents in the same versions, so that a receiver can know a repetition.
    """

    id: str
    receiver: str
    group: str
    told: Sequence[Told]
    at: datetime

    @classmethod
    def of(cls, receiver: str, group: str, told: Sequence[Told], at: datetime) -> "Message":
        """Return the message about some incidents."""
        digest = hashlib.sha256(f"{receiver}|{group}".encode())
        for one in told:
            digest.update(f"|{one.incident.run}|{one.incident.id}|{one.incident.version}|{one.reason}".encode())
        return cls(digest.hexdigest()[:32], receiver, group, tuple(told), at)


@dataclass(frozen=True, slots=True)
class View:
    """An incident in words: plain text without control and direction marks; channels escape it their own way.

    Attributes
    ----------
    title
        Severity or end, what, how much.
    facts
        Names and values of what else is to be known.
    children
        What carries the change, with its share.
    link
        Address of the incident's page, where one may see it and say what becomes of it.
    """

    title: str
    says: str
    facts: tuple[tuple[str, str], ...]
    children: tuple[str, ...]
    runbook: str | None
    link: str | None

    @property
    def actions(self) -> tuple[tuple[str, str], ...]:
        """What one may do about it: names, and where on the incident's page; empty where there is no page.

        Each address only shows the page: what changes something is the form there.
        """
        if self.link is None:
            return ()
        return (("Open", self.link), *((name, f"{self.link}#{place}") for name, place in _ACTIONS))


def view(told: Told) -> View:
    """Return an incident in words."""
    incident = told.incident
    facts = [("Why now", told.reason), ("Owner", incident.owner or "nobody is named")]
    likely = between(incident.impact_lower, incident.impact_upper, incident.currency)
    for name, amount, band in (
        ("A day", incident.impact_per_day, None),
        ("So far", incident.impact_so_far, likely),
        ("To the end of the month", incident.impact_to_month_end, None),
    ):
        if amount is not None:
            said = f"{'+' if amount > 0 else ''}{money(amount, incident.currency)}"
            facts.append((name, said if band is None else f"{said} ({band})"))
    facts.append(("Since", f"{incident.since:%Y-%m-%d %H:%M} UTC"))
    facts.append(("Rules", ", ".join(incident.rules)))
    facts.append(("Incident", incident.id))
    return View(
        squeezed(plain(_title(incident), 1_000), 200),
        plain(incident.says, _LONGEST),
        tuple((name, plain(value, _LONGEST)) for name, value in facts),
        tuple(f"{share(child.share)} {plain(name_of(child.series), 200)}" for child in incident.children),
        None if incident.runbook is None else plain(incident.runbook, _LONGEST),
        told.link,
    )


def headline(message: Message) -> str:
    """Return in one line what a message is about: its first incident, and how many more there are."""
    first = view(message.told[0]).title
    return first if len(message.told) == 1 else f"{first}, and {len(message.told) - 1} more"


def in_text(message: Message, children: int = 10) -> str:
    """Return a message as text of some lines an incident, with so many of its children at most."""
    blocks = []
    for told in message.told:
        words = view(told)
        lines = [words.title, words.says, *(f"{name}: {value}" for name, value in words.facts)]
        if words.children[:children]:
            lines.append(f"Most of it: {', '.join(words.children[:children])}")
        if words.runbook is not None:
            lines.append(f"Runbook: {words.runbook}")
        if words.link is not None:
            lines.append(f"See and answer: {words.link}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _title(incident: Incident) -> str:
    what = incident.scope if incident.currency is None else name_of(incident.scope)
    if incident.kind == CANARY:
        return f"Test: {what} can be reached"
    word = (incident.severity if incident.state == "firing" else incident.state).capitalize()
    amount = incident.impact_per_day
    if amount is None or incident.currency is None:
        return f"{word}: {what}"
    moved = "rose" if amount > 0 else "fell"
    return f"{word}: {what} {moved} by {money(abs(amount), parse(incident.scope).currency)} a day"
