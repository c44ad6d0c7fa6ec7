"""An incident in words and addresses, as its page shows it: from the answer of `/v1/incidents/{id}`. No I/O."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from alerts.cases import FOLDED
from alerts.console import cost_explorer
from alerts.wording import between, money, name_of, plain, share

#: What follows from each state, for somebody who never heard of it.
_MEANS = {
    "firing": "Nobody has answered yet.",
    "acknowledged": "Somebody cares for it. It is told again when it gets worse.",
    "snoozed": "It rests, and is told again at the end of the snooze or when it gets worse.",
    "suppressed": "Nobody is told of it, whatever it does.",
    "expected": "The change is meant to be. It is quiet until it is over.",
    "resolved": "It is over.",
}
#: state → what can be done with it then, the likeliest first.
_ANSWERS = {
    "firing": ("acknowledge", "snooze", "expect", "resolve", "suppress"),
    "acknowledged": ("resolve", "snooze", "expect", "suppress", "reopen"),
    "snoozed": ("acknowledge", "resolve", "expect", "suppress", "reopen"),
    "suppressed": ("reopen", "expect", "resolve"),
    "expected": ("reopen", "resolve", "suppress"),
    "resolved": ("reopen",),
}


@dataclass(frozen=True, slots=True)
class Fact:
    """An amount with its name."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A series below the scope, with its share of the change in words and as percents from 0 to 100."""

    name: str
    share: str
    percent: int


@dataclass(frozen=True, slots=True)
class Shown:
    """What the pages show of an incident; texts are plain, and escaped by the template.

    Attributes
    ----------
    expected_day
        What was expected of the newest day; None where the incident is about something else than days.
    """

    id: str
    title: str
    what: str
    says: str
    state: str
    severity: str
    means: str
    amounts: tuple[Fact, ...]
    facts: tuple[Fact, ...]
    parts: tuple[Part, ...]
    answers: tuple[str, ...]
    runbook: str | None
    console: str | None
    a_day: str
    since: date
    expected_day: Decimal | None
    currency: str | None


def shown(one: dict[str, Any], now: datetime) -> Shown:
    """Return what a page shows of an incident, or a row of the list."""
    currency = one["currency"]
    what = plain(name_of(one["scope"]) if currency is not None else one["scope"], 200)
    since, snoozed = _time(one["since"]), one["snoozed_until"]
    means = _MEANS[one["state"]]
    if one["state"] == "snoozed" and snoozed is not None:
        means = f"It rests until {told(snoozed)}, or until it gets worse."
    elif one["state"] == "resolved" and one["firing_count"]:
        means = "Somebody said that it is over. It opens again when it gets worse."
    a_day = _amount(one["impact_per_day"])
    facts = [Fact("Owner", one["owner"] or "nobody is named"), Fact("Since", f"{since:%Y-%m-%d}", _ago(since, now))]
    facts += [Fact("Severity", one["severity"]), Fact("Rules", one["rules"].replace(",", ", "))]
    facts += [Fact(name, value) for name, value in sorted(one.get("labels", {}).items())]
    return Shown(
        id=one["id"],
        title=_title(what, a_day, currency),
        what=what,
        says=plain(one["says"], 600),
        state=one["state"],
        severity=one["severity"],
        means=means,
        amounts=_amounts(one),
        facts=tuple(Fact(fact.name, plain(fact.value, 300), fact.note) for fact in facts),
        parts=tuple(
            Part(
                plain(name_of(child["series"]), 200), share(child["share"]), round(min(max(child["share"], 0), 1) * 100)
            )
            for child in one.get("children", ())
        ),
        answers=tuple(answer for answer in _ANSWERS[one["state"]] if answer != "reopen" or one["firing_count"]),
        runbook=_address(one["runbook"]),
        console=None if currency is None else cost_explorer(one["scope"], since.date(), now.date()),
        a_day="" if a_day is None else _signed(a_day, currency),
        since=since.date(),
        expected_day=_amount(one["expected"]) if one["kind"] in FOLDED else None,
        currency=currency,
    )


def told(time: str) -> str:
    """Return a time of an answer as people read it, UTC."""
    return f"{_time(time):%Y-%m-%d %H:%M} UTC"


def _title(what: str, a_day: Decimal | None, currency: str | None) -> str:
    if a_day is None or currency is None:
        return what
    return f"{what} {'rose' if a_day > 0 else 'fell'} by {money(abs(a_day), currency)} a day"


def _amounts(one: dict[str, Any]) -> tuple[Fact, ...]:
    currency = one["currency"]
    found = []
    # Of a rule over totals it is its window, and its limit or what was before; its sentence says which.
    names = ("Expected", "newest day") if one["kind"] in FOLDED else ("Limit or usual", "")
    for name, key, note in (("Actual", "actual", names[1]), (names[0], "expected", names[1])):
        amount = _amount(one[key])
        if amount is not None:
            found.append(Fact(name, money(amount, currency), note))
    likely = between(_amount(one["impact_lower"]), _amount(one["impact_upper"]), currency)
    for name, key, note in (
        ("A day", "impact_per_day", "more or less than expected"),
        ("So far", "impact_so_far", f"since it began; {likely}" if likely else "since it began"),
        ("To the month's end", "impact_to_month_end", "if it goes on"),
    ):
        amount = _amount(one[key])
        if amount is not None:
            found.append(Fact(name, _signed(amount, currency), note))
    return tuple(found)


def _signed(amount: Decimal, currency: str | None) -> str:
    return f"{'+' if amount > 0 else ''}{money(amount, currency)}"


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _ago(since: datetime, now: datetime) -> str:
    days = (now - since) // timedelta(days=1)
    return "today" if days <= 0 else f"{days} day{'s' if days > 1 else ''} ago"


def _address(text: str | None) -> str | None:
    """Return an address that can be followed; None for what is none, as `javascript:`."""
    if text is None:
        return None
    try:
        return text if urlsplit(text).scheme in {"http", "https"} else None
    except ValueError:
        return None
