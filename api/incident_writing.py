"""What people do with incidents: acknowledge, snooze, …, and say whether they were real. The pages use it too."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, get_args
from uuid import uuid4

from alerts.incident_states import ACTIONS, ForbiddenMoveError, asked
from alerts.rule_step import home_of
from api.incident_answers import ActionBody, FeedbackBody, TakenAnswer
from api.incidents import known
from api.parameters import Parameters
from api.problems import Problem, bad_parameters, unknown
from api.publishing import Publisher
from api.route import Rows
from api.writing import Wish, Writing
from processors.series import ChargeKind
from producers.sender import Sender
from schemas.events import AlertRequest, AnomalyFeedback, IncidentAction, JudgedSeries, Verdict
from spendstream.settings import ConfigurationError, Settings
from spendstream.topics import ALERTS, FEEDBACK

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks, when and why; `id` of the request, so that the same one counts once."""

    by: str
    why: str
    at: datetime
    id: str | None = None

    def id_for(self, incident: str, asked_for: str) -> str:
        """Return the id of a request for an incident: the caller's own, bound to what it is about."""
        own = f"{self.by}|{incident}|{asked_for}|{self.id}"
        return uuid4().hex if self.id is None else hashlib.sha256(own.encode()).hexdigest()[:32]


class NothingToJudge(Problem):
    """No anomaly is behind an incident."""


class Desk:
    """Hands what people want of incidents to Kafka, after a look at what is known of them.

    What is known comes from ClickHouse, a second or two behind; the step that keeps incidents has the last word.
    """

    def __init__(self, settings: Settings, database: Rows, publisher: Publisher) -> None:
        self._settings = settings
        self._database = database
        self._publisher = publisher

    async def act(
        self, incident: str, action: IncidentAction, person: Person, until: datetime | None = None
    ) -> dict[str, Any]:
        """Ask for something to be done with an incident, and return what was taken.

        Raises
        ------
        Problem
            404, when there is no such incident; 409, when its state does not allow it; 503, when Kafka is away.
        """
        found = await known(self._database, self._settings.processing.run, incident)
        try:
            asked(
                found["state"],
                action,
                fires=found["firing_count"] > 0,
                at=person.at,
                by=person.by,
                why=person.why,
                until=until,
            )
        except ForbiddenMoveError as error:
            raise Problem(409, f"it cannot be done now: {action}", str(error)) from None
        wish = AlertRequest(
            id=person.id_for(incident, action),
            incident=incident,
            action=action,
            by=person.by,
            at=person.at,
            why=person.why,
            until=until,
        )
        home = home_of(found["currency"], self._settings.kafka.shards)
        await self._publisher.send(lambda sender: sender.send(ALERTS, home, wish.id, wish))
        return _taken(wish.id, found, action, person)

    async def judge(
        self,
        incident: str,
        verdict: Verdict,
        person: Person,
        first_day: date | None = None,
        last_day: date | None = None,
    ) -> dict[str, Any]:
        """Say what the anomalies behind an incident were, and return what was taken.

        Raises
        ------
        Problem
            400, when the days cannot be; 404, when there is no such incident; 409, when no anomaly is behind it; 503,
            when Kafka is away.
        """
        if verdict != "expected" and (first_day is not None or last_day is not None):
            raise bad_parameters("only what is expected has days: leave them out")
        if first_day is not None and last_day is not None and last_day < first_day:
            raise bad_parameters(f"the period ends on {last_day}, before it begins on {first_day}")
        found = await known(self._database, self._settings.processing.run, incident)
        judged = _judged(found["alerts"])
        if not judged:
            raise NothingToJudge(409, "no anomaly is behind it", "only what detection found can be judged")
        word = AnomalyFeedback(
            id=person.id_for(incident, verdict),
            verdict=verdict,
            judged=judged,
            first_day=first_day,
            last_day=last_day,
            incident=incident,
            by=person.by,
            why=person.why,
            at=person.at,
        )

        def send(sender: Sender) -> None:
            for partition in range(self._settings.kafka.topics.partitions(FEEDBACK)):
                sender.send(FEEDBACK, partition, word.id, word)

        await self._publisher.send(send)
        return _taken(word.id, found, verdict, person)


def _judged(alerts: Sequence[dict[str, Any]]) -> list[JudgedSeries]:
    return [
        JudgedSeries(
            anomaly=alert["anomaly"],
            series=alert["subject"],
            kind=ChargeKind[alert["charges"][0].upper()] if alert["charges"] else ChargeKind.USAGE,
        )
        for alert in alerts
        if alert["anomaly"] is not None
    ]


def _taken(request: str, found: dict[str, Any], asked_for: str, person: Person) -> dict[str, Any]:
    return {
        "id": request,
        "incident": found["id"],
        "asked": asked_for,
        "state": found["state"],
        "by": person.by,
        "at": person.at.isoformat(),
    }


def _person(wish: Wish[Any, Any]) -> Person:
    by = wish.writer if wish.body.by is None else f"{wish.body.by} ({wish.writer})"
    return Person(by, wish.body.why, wish.question.now, wish.body.id)


def _desk(wish: Wish[Any, Any]) -> Desk:
    return Desk(wish.question.settings, wish.question.database, wish.publisher)


async def act(wish: Wish[Parameters, ActionBody]) -> dict[str, Any]:
    """Do what is asked with an incident."""
    name = wish.question.path["action"]
    action = next((one for one in ACTIONS if one == name), None)
    if action is None:
        raise unknown("action", name, ACTIONS)
    if wish.body.until is not None and action != "snooze":
        raise bad_parameters("until: only a snooze has an end")
    return await _desk(wish).act(wish.question.path["id"], action, _person(wish), wish.body.until)


async def judge(wish: Wish[Parameters, FeedbackBody]) -> dict[str, Any]:
    """Take what somebody says of an incident's anomalies."""
    body = wish.body
    try:
        return await _desk(wish).judge(
            wish.question.path["id"], body.verdict, _person(wish), body.first_day, body.last_day
        )
    except ConfigurationError as error:
        raise bad_parameters(str(error)) from None


_ID = {"id": "`id` of `/v1/incidents`"}
FEEDBACK_ROUTE = Writing(
    "POST",
    "/v1/incidents/{id}/feedback",
    "Say whether an incident's anomalies were real; later scores heed it.",
    Parameters,
    FeedbackBody,
    TakenAnswer,
    judge,
    status=202,
    values=_ID,
)
ACTION_ROUTE = Writing(
    "POST",
    "/v1/incidents/{id}/{action}",
    "Acknowledge, snooze, expect, suppress, resolve or reopen an incident.",
    Parameters,
    ActionBody,
    TakenAnswer,
    act,
    status=202,
    values={**_ID, "action": "what to do"},
)
