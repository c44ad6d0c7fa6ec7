"""Slack by an incoming webhook: one message a second. What was posted cannot be changed; `slack_bot` can."""

import json
from collections.abc import Mapping
from datetime import timedelta

import aiohttp

from alerts.channels.addresses import address
from alerts.channels.channel import Outcome, Tools, post
from alerts.channels.slack_blocks import note_payload, payload
from alerts.message import Message
from alerts.note import Note
from alerts.receivers import SlackReceiver


class Slack:
    """Posts to one incoming webhook, whose address is a secret.

    Parameters
    ----------
    session
        What connections are made from, with the time-out.
    url
        Address of the webhook.
    """

    pause = timedelta(seconds=1)

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def send(self, message: Message) -> Outcome:
        """Post a message."""
        return await post(self._session, self._url, json.dumps(payload(message)).encode(), {})

    async def note(self, note: Note) -> Outcome:
        """Post a note."""
        return await post(self._session, self._url, json.dumps(note_payload(note)).encode(), {})


def make(receiver: SlackReceiver, secrets: Mapping[str, str], tools: Tools) -> Slack:
    """Return the channel of a receiver."""
    return Slack(tools.session, address(receiver, secrets))
