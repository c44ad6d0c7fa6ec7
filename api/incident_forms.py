"""What the form of an incident's page says, checked."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from alerts.incident_states import ACTIONS
from alerts.wording import plain
from api.parameters import storable
from api.problems import Problem, bad_parameters
from schemas.events import IncidentAction, Verdict

_LONGEST, _LONGEST_NAME, _LONGEST_ID = 600, 80, 64
_LONGEST_SNOOZE = 720
_SAID = "answered on the incident's page"


@dataclass(frozen=True, slots=True)
class Answered:
    """What somebody answers.

    Attributes
    ----------
    name
        Of the button: an action, or a verdict.
    action, verdict
        What is to be done, and what is said of its anomalies; *expected* is both.
    until
        End of a snooze.
    last_day
        Of what is expected; None: it is meant to stay.
    person, why
        As they were typed, cleaned.
    request
        Made with the page: the same form sent twice counts once.
    """

    name: str
    action: IncidentAction | None
    verdict: Verdict | None
    until: datetime | None
    last_day: date | None
    person: str
    why: str
    request: str

    def named(self, visitor: str) -> str:
        """Return who answers: the name that was typed, and behind it what is sure."""
        return f"{self.person} ({visitor})" if self.person else visitor


def answer_of(form: dict[str, str], now: datetime) -> Answered:
    """Return what a form says.

    Raises
    ------
    Problem
        400, when it is none of ours, or a field cannot be used.
    """
    name = form.get("action", "")
    action = next((one for one in ACTIONS if one == name), None)
    verdicts: dict[str, Verdict] = {"true": "true", "false": "false", "expect": "expected"}
    verdict = verdicts.get(name)
    request = form.get("request", "")
    if (action is None and verdict is None) or not (request.isalnum() and len(request) <= _LONGEST_ID):
        raise Problem(400, "this is no answer", "open the page again, and choose one of its buttons")
    return Answered(
        name=name,
        action=action,
        verdict=verdict,
        until=_until(form.get("hours", ""), now) if name == "snooze" else None,
        last_day=_last_day(form.get("last_day", ""), now.date()) if name == "expect" else None,
        person=_line(form.get("person", ""), _LONGEST_NAME),
        why=_line(form.get("why", ""), _LONGEST) or _SAID,
        request=request,
    )


def _until(hours: str, now: datetime) -> datetime:
    if not (hours.isascii() and hours.isdigit() and 1 <= int(hours[:6]) <= _LONGEST_SNOOZE):
        raise bad_parameters(f"choose from 1 to {_LONGEST_SNOOZE} whole hours of rest")
    return now + timedelta(hours=int(hours))


def _last_day(text: str, today: date) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise bad_parameters("the last day is no day: write it as 2026-01-31, or leave it empty") from None
    if not today - timedelta(days=400) <= day <= today + timedelta(days=3660):
        raise bad_parameters(f"the last day {day} is too far away: choose another, or leave it empty")
    return day


def _line(text: str, longest: int) -> str:
    try:
        return plain(storable(text), longest)
    except ValueError as error:
        raise bad_parameters(str(error)) from None
