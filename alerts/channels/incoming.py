"""An incoming webhook of a chat: an address of the chat's own making, which is a secret, takes one message a second.

What was posted cannot be changed, nor answered to. How a message looks is the chat's own: see `slack`, `teams`.
"""

from collections.abc import Callable
from datetime import timedelta

import aiohttp

from alerts.channels.channel import Outcome, post
from alerts.message import Message
from alerts.note import Note


class IncomingWebhook:
    """Posts to one address.

    Parameters
    ----------
    session
        What connections are made from, with the time-out.
    url
        The address.
    of_message, of_note
        Return a message, and a note, as the chat wants it: JSON.
    """

    pause = timedelta(seconds=1)

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        of_message: Callable[[Message], bytes],
        of_note: Callable[[Note], bytes],
    ) -> None:
        self._session = session
        self._url = url
        self._of_message = of_message
        self._of_note = of_note

    async def send(self, message: Message) -> Outcome:
        """Post a message."""
        return await post(self._session, self._url, self._of_message(message), {})

    async def note(self, note: Note) -> Outcome:
        """Post a note."""
        return await post(self._session, self._url, self._of_note(note), {})
