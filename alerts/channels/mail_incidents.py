"""Incidents as a mail shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from alerts.channels.mail_page import page
from alerts.course import Column, Course, columns
from alerts.message import Message, View, headline, view
from alerts.routing import Told
from alerts.rules import SEVERITIES
from alerts.wording import money, name_of, plain, share
from schemas.events import Incident

_TEMPLATE = Path(__file__).with_name("mail_incidents.mjml")
_OVER = "#067647"
_COLOURS = {"critical": "#b42318", "warning": "#b54708", "info": "#175cd3"}
_EXPECTED, _ACTUAL = "#8a94a6", "#d9480f"
_OTHERS = 50
_HEIGHT = 72


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of the chart: how long it is, of 100, and the amount that it stands for, which is its text alternative."""

    name: str
    amount: str
    share: int
    colour: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Days, the oldest first; the same in words, and what stands below it."""

    columns: tuple[Column, ...]
    says: str
    caption: str


@dataclass(frozen=True, slots=True)
class Part:
    """A series below the incident's, with its share as a text and of 100."""

    name: str
    told: str
    share: int


def html_of(message: Message, full: int, children: int, cut: str) -> str:
    """Return a message as HTML: so many incidents in full, with so many children each, the others by their titles.

    `cut` says that something was left out; empty: nothing was.
    """
    firing = [told.incident.severity for told in message.told if told.incident.state == "firing"]
    others = [view(told).title for told in message.told[full : full + _OTHERS]]
    if len(message.told) > full + _OTHERS:
        others.append(f"and {len(message.told) - full - _OTHERS} more: spendstream incidents list")
    return page(
        _TEMPLATE,
        title=headline(message),
        preview=view(message.told[0]).says,
        colour=_COLOURS[max(firing, key=SEVERITIES.index)] if firing else _OVER,
        incidents=[_shown(told, children) for told in message.told[:full]],
        others=others,
        cut=cut,
        receiver=message.receiver,
        linked=any(told.link is not None for told in message.told),
    )


def _shown(told: Told, children: int) -> dict[str, object]:
    incident, words = told.incident, view(told)
    word, _, title = words.title.partition(": ")
    firing = incident.state == "firing"
    return {
        "word": word,
        "chip": f"chip-{incident.severity}" if firing else "chip-over",
        "colour": _COLOURS[incident.severity] if firing else _OVER,
        "reason": plain(told.reason, 200),
        "title": title[:1].upper() + title[1:],
        "says": words.says,
        "chart": _chart(incident),
        "bars": _bars(incident),
        # Why now stands above the title.
        "facts": words.facts[1:],
        "children": _parts(incident)[:children],
        "link": words.link,
        "actions": words.actions[1:],
        "runbook": words.runbook,
        "runbook_is_address": _is_address(words),
    }


def _chart(incident: Incident) -> Chart | None:
    """Return the last days, where the incident tells of them."""
    course = Course.of(incident)
    drawn = columns(course, _HEIGHT, incident.currency)
    if not drawn:
        return None
    days = course.days
    says = f"{days[0]} to {days[-1]}, by day"
    expected = "; orange: more than expected, pale: less" if course.expected else ""
    return Chart(tuple(drawn), f"Cost from {says}: {'; '.join(one.says for one in drawn)}", f"{says}{expected}")


def _bars(incident: Incident) -> Sequence[Bar]:
    """Return what was expected and what it is, where both are known and bars can show them."""
    if incident.actual is None or incident.expected is None or min(incident.actual, incident.expected) < 0:
        return []
    longest = max(incident.actual, incident.expected)
    return [
        Bar("Expected", money(incident.expected, incident.currency), _of_100(incident.expected, longest), _EXPECTED),
        Bar("Actual", money(incident.actual, incident.currency), _of_100(incident.actual, longest), _ACTUAL),
    ]


def _parts(incident: Incident) -> list[Part]:
    return [
        Part(plain(name_of(child.series), 200), share(child.share), round(min(1.0, max(0.0, child.share)) * 100))
        for child in incident.children
    ]


def _of_100(amount: Decimal, longest: Decimal) -> int:
    """Return the length of a bar; what is not nothing can be seen."""
    return max(1 if amount else 0, round(amount / longest * 100)) if longest else 0


def _is_address(words: View) -> bool:
    return words.runbook is not None and words.runbook.startswith(("https://", "http://"))
