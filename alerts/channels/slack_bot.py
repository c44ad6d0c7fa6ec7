"""Slack by the token of a bot: one message an incident, which is updated; what changed is told in its thread.

A message about more incidents than `_APIECE` becomes one post, and what follows about each goes into its thread. Slack
takes one message a second in a channel (rate limits of the Web API), and says how long to wait with a 429. An
error is an answer with `ok: false` and a status of 200. The bot needs the scope `chat:write`, and to be in the channel.
"""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import aiohttp

from alerts.channels.channel import Outcome, Tools, ask
from alerts.channels.one_by_one import OneByOne, name_of
from alerts.channels.slack_blocks import escaped, note_payload, payload
from alerts.message import Message, headline
from alerts.note import Note
from alerts.receivers import SlackBotReceiver
from alerts.routing import Told

_APIECE = 5
_RETRIED = frozenset(
    {
        *("ratelimited", "rate_limited", "message_limit_exceeded", "internal_error", "fatal_error"),
        *("service_unavailable", "request_timeout", "team_added_to_org"),
    }
)
_DENIED = frozenset({"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"})
#: The first message cannot be updated: it is gone, or too old.
_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "is_inactive"})
_MANY = "many"
_HANDLE = rf"[A-Z0-9]+:[\d.]+(:{_MANY})?"


class SlackBot:
    """Writes to one channel of Slack's.

    Parameters
    ----------
    session
        What connections are made from, with the time-out.
    api
        Address of Slack's methods.
    token
        The bot's token.
    conversation
        Id of the channel.
    seconds
        How long a message may take in all.
    apart
        How long to wait between two posts.
    """

    pause = timedelta(seconds=1)

    def __init__(
        self,
        session: aiohttp.ClientSession,
        api: str,
        token: str,
        conversation: str,
        seconds: float,
        apart: timedelta = timedelta(seconds=1),
    ) -> None:
        self._session = session
        self._api = api
        self._token = token
        self._conversation = conversation
        self._each = OneByOne(apart, seconds)

    async def send(self, message: Message) -> Outcome:
        """Post about incidents that are new, and update and answer to what was posted about the others."""
        if len(message.told) > _APIECE:
            outcome = await self._post(payload(message))
            # What has a message of its own keeps it.
            told = {one.incident.id: one.handle or f"{outcome.handle}:{_MANY}" for one in message.told}
            return Outcome(accepted=True, handles=told) if outcome.accepted else outcome
        outcome = await self._each.send({name_of(told): partial(self._tell, message, told) for told in message.told})
        if not outcome.accepted:
            return outcome
        handles = {told.incident.id: outcome.handles.get(name_of(told)) for told in message.told}
        return Outcome(accepted=True, handles={name: handle for name, handle in handles.items() if handle is not None})

    async def note(self, note: Note) -> Outcome:
        """Post a note."""
        return await self._post(note_payload(note))

    async def _tell(self, message: Message, told: Told) -> Outcome:
        alone = Message(message.id, message.receiver, message.group, (told,), message.at)
        whole = payload(alone)
        # Another channel may have told the one before: its name for it is none of Slack's.
        if told.handle is None or re.fullmatch(_HANDLE, told.handle) is None:
            return await self._post(whole)
        conversation, timestamp, *many = told.handle.split(":")
        if many:
            answered = await self._post({**whole, "channel": conversation, "thread_ts": timestamp})
            return Outcome(accepted=True, handle=told.handle) if answered.accepted else answered
        updated, code = await self._call("chat.update", {**whole, "channel": conversation, "ts": timestamp})
        if not updated.accepted:
            return await self._post(whole) if code in _GONE else updated
        answer = {"text": f"{escaped(headline(alone))}: {escaped(told.reason)}"}
        answered = await self._post({**answer, "channel": conversation, "thread_ts": timestamp})
        return Outcome(accepted=True, handle=told.handle) if answered.accepted else answered

    async def _post(self, content: Mapping[str, Any]) -> Outcome:
        plainly = {"channel": self._conversation, "unfurl_links": False, "unfurl_media": False}
        outcome, _ = await self._call("chat.postMessage", {**plainly, **content})
        return outcome

    async def _call(self, method: str, content: Mapping[str, Any]) -> tuple[Outcome, str]:
        """Return what became of a call, with Slack's word for what went wrong."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json; charset=utf-8"}
        outcome, raw = await ask(self._session, f"{self._api}/{method}", json.dumps(content).encode(), headers)
        if not outcome.accepted:
            return outcome, ""
        try:
            answer = json.loads(raw)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            return Outcome(accepted=False, retry=True, unknown=True, error="the answer is not one of Slack's"), ""
        if answer.get("ok") is True:
            return Outcome(accepted=True, handle=f"{answer.get('channel')}:{answer.get('ts')}"), ""
        code = str(answer.get("error"))
        said = code if re.fullmatch(r"[a-z_]{1,60}", code) else "an error"
        return (
            Outcome(accepted=False, retry=code in _RETRIED, error=f"Slack says {said}", denied=code in _DENIED),
            code,
        )


def make(receiver: SlackBotReceiver, secrets: Mapping[str, str], tools: Tools) -> SlackBot:
    """Return the channel of a receiver."""
    return SlackBot(tools.session, receiver.api, secrets["token"], receiver.conversation, tools.seconds)
