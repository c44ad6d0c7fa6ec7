"""PagerDuty's Events API v2: an event an incident, under the incident's id, so that PagerDuty folds what is one.

A note, or a test of the way, is a change event, which calls nobody. Limits by the API's reference: a summary of 1,024
characters, 512 KB an event.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import aiohttp

from alerts.channels.channel import Outcome, Tools, post
from alerts.channels.one_by_one import OneByOne, name_of
from alerts.message import Message, view
from alerts.note import Note
from alerts.own_incidents import CANARY
from alerts.receivers import PagerDutyReceiver
from alerts.routing import Told
from alerts.wording import plain

_SUMMARY = 1_024
_NOTE = 50_000
_CHILDREN = 10


class PagerDuty:
    """Sends events to one integration.

    Parameters
    ----------
    session
        What connections are made from, with the time-out.
    api
        Address of the API.
    key
        Key of the integration.
    seconds
        How long a message may take in all.
    """

    pause = timedelta(0)

    def __init__(self, session: aiohttp.ClientSession, api: str, key: str, seconds: float) -> None:
        self._session = session
        self._api = api
        self._key = key
        self._each = OneByOne(timedelta(0), seconds)

    async def send(self, message: Message) -> Outcome:
        """Send an event for each incident."""
        outcome = await self._each.send({name_of(told): partial(self._event, message, told) for told in message.told})
        return Outcome(accepted=True) if outcome.accepted else outcome

    async def note(self, note: Note) -> Outcome:
        """Send a change event."""
        return await self._change(note.title, note.at, {"kind": note.kind, "text": note.shortened(_NOTE)})

    async def _event(self, message: Message, told: Told) -> Outcome:
        if told.incident.kind == CANARY:
            return await self._change(view(told).title, message.at, {"kind": CANARY, "text": told.incident.says})
        return await self._post(self._api, payload(message, told))

    async def _change(self, summary: str, at: datetime, details: Mapping[str, str]) -> Outcome:
        """Send a change event, which has an address beside that of the others."""
        change = {
            "summary": plain(summary, _SUMMARY),
            "timestamp": at.isoformat(),
            "source": "spendstream",
            "custom_details": details,
        }
        return await self._post(f"{self._api.removesuffix('/enqueue')}/change/enqueue", {"payload": change})

    async def _post(self, address: str, content: Mapping[str, Any]) -> Outcome:
        return await post(self._session, address, json.dumps({"routing_key": self._key, **content}).encode(), {})


def make(receiver: PagerDutyReceiver, secrets: Mapping[str, str], tools: Tools) -> PagerDuty:
    """Return the channel of a receiver."""
    return PagerDuty(tools.session, receiver.api, secrets["key"], tools.seconds)


def payload(message: Message, told: Told) -> dict[str, Any]:
    """Return what is told about one incident as PagerDuty wants it, without the key."""
    incident, words = told.incident, view(told)
    actions = {"firing": "trigger", "resolved": "resolve"}
    event: dict[str, Any] = {
        "event_action": actions.get(incident.state, "acknowledge"),
        "dedup_key": incident.id,
        "client": "spendstream",
        "payload": {
            "summary": plain(words.title, _SUMMARY),
            "source": plain(incident.scope, 200) or "spendstream",
            "severity": incident.severity,
            "timestamp": incident.changed_at.isoformat(),
            "class": incident.kind,
            "group": plain(message.group, 200),
            "custom_details": {
                "says": words.says,
                **dict(words.facts),
                "most of it": list(words.children[:_CHILDREN]),
            },
        },
    }
    if words.link is not None:
        event |= {"client_url": words.link, "links": [{"href": words.link, "text": "See and answer"}]}
    if words.runbook is not None:
        event["links"] = [*event.get("links", []), {"href": words.runbook, "text": "Runbook"}]
    return event
