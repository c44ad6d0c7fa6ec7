"""The generic webhook: JSON by `webhook_schema.json`, signed, with what a receiver needs against replays.

Headers of a message, when the receiver has a secret:

- `X-Spendstream-Id`: the same for a message that is sent again; a receiver takes each id once;
- `X-Spendstream-Timestamp`: seconds of Unix; a receiver refuses what is older than some minutes;
- `X-Spendstream-Signature`: `v1=` and the hex HMAC-SHA256 of `TIMESTAMP.BODY` with the secret.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import aiohttp

from alerts.channels.addresses import address
from alerts.channels.channel import Outcome, Tools, post
from alerts.message import Message, view
from alerts.note import Note
from alerts.receivers import WebhookReceiver
from alerts.routing import Told
from alerts.wording import plain
from spendstream.clock import to_millis

_LONGEST_NOTE = 100_000


class Webhook:
    """Posts to one address.

    Parameters
    ----------
    session
        What connections are made from, with the time-out.
    url, secret
        The address, and the key of signatures; None: messages are not signed.
    """

    pause = timedelta(0)

    def __init__(self, session: aiohttp.ClientSession, url: str, secret: str | None) -> None:
        self._session = session
        self._url = url
        self._secret = secret

    async def send(self, message: Message) -> Outcome:
        """Post a message."""
        return await self._post(message, payload(message))

    async def note(self, note: Note) -> Outcome:
        """Post a note."""
        return await self._post(note, note_payload(note))

    async def _post(self, message: Message | Note, document: dict[str, Any]) -> Outcome:
        body = json.dumps(document, separators=(",", ":")).encode()
        timestamp = str(to_millis(message.at) // 1000)
        headers = {"X-Spendstream-Id": message.id, "X-Spendstream-Timestamp": timestamp}
        if self._secret is not None:
            headers["X-Spendstream-Signature"] = signature(self._secret, timestamp, body)
        return await post(self._session, self._url, body, headers)


def make(receiver: WebhookReceiver, secrets: Mapping[str, str], tools: Tools) -> Webhook:
    """Return the channel of a receiver."""
    return Webhook(tools.session, address(receiver, secrets), secrets.get("secret"))


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a body, as receivers compute it to compare."""
    return "v1=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def payload(message: Message) -> dict[str, Any]:
    """Return a message as JSON has it; amounts are texts, so that no digit is lost."""
    incidents = [_incident(told) for told in message.told]
    return {**_envelope(message), "group": message.group, "incidents": incidents}


def note_payload(note: Note) -> dict[str, Any]:
    """Return a note as JSON has it."""
    words = {"kind": note.kind, "title": note.title, "text": note.shortened(_LONGEST_NOTE)}
    return {**_envelope(note), "group": "", "incidents": [], "note": words}


def _envelope(message: Message | Note) -> dict[str, Any]:
    return {"version": 1, "id": message.id, "receiver": message.receiver, "sent_at": message.at.isoformat()}


def _incident(told: Told) -> dict[str, Any]:
    incident, words = told.incident, view(told)
    return {
        "id": incident.id,
        "version": incident.version,
        "state": incident.state,
        "severity": incident.severity,
        "reason": plain(told.reason, 600),
        "title": words.title,
        "says": words.says,
        "scope": incident.scope,
        "level": incident.level,
        "kind": incident.kind,
        "rules": list(incident.rules),
        "currency": incident.currency,
        "actual": _text(incident.actual),
        "expected": _text(incident.expected),
        "impact_per_day": _text(incident.impact_per_day),
        "impact_so_far": _text(incident.impact_so_far),
        "impact_lower": _text(incident.impact_lower),
        "impact_upper": _text(incident.impact_upper),
        "impact_to_month_end": _text(incident.impact_to_month_end),
        "since": incident.since.isoformat(),
        "opened_at": incident.opened_at.isoformat(),
        "changed_at": incident.changed_at.isoformat(),
        "scored_at": _time(told.scored_at),
        "fired_at": _time(told.fired_at),
        "children": [{"series": child.series, "share": child.share} for child in incident.children],
        "owner": incident.owner,
        "labels": dict(incident.labels),
        "runbook": incident.runbook,
        "link": told.link,
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _text(amount: object) -> str | None:
    return None if amount is None else f"{amount:f}"
