"""The channels of all receivers, without the addresses that are suspended."""

from datetime import timedelta

import aiohttp

from alerts.channels.channel import Channel, Outcome
from alerts.channels.making import make
from alerts.message import Message
from alerts.note import Note
from alerts.receivers import Receiver
from alerts.routes import Routing
from alerts.suspensions import CLOSED, Suspensions
from spendstream.settings import Settings


def open_channel(
    receiver: Receiver, suspensions: Suspensions, session: aiohttp.ClientSession, settings: Settings
) -> Channel:
    """Return the channel of a receiver: one that refuses everything when no address is left. May block, as `make`.

    Raises
    ------
    ConfigurationError
        When it cannot be made.
    """
    left = suspensions.left(receiver)
    return _Closed() if left is None else make(left, session, settings)


class OpenChannels:
    """The channels that are open.

    Parameters
    ----------
    settings, session
        What channels are made with.
    """

    def __init__(self, settings: Settings, session: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._session = session
        self._made: dict[str, tuple[Receiver | None, Channel]] = {}

    def open(self, routing: Routing, suspensions: Suspensions) -> None:
        """Make the channels of a routing; a receiver that is as it was keeps its own. May block: see `open_channel`.

        Raises
        ------
        ConfigurationError
            When one of them cannot be made; nothing has changed then.
        """
        made: dict[str, tuple[Receiver | None, Channel]] = {}
        for receiver in routing.receivers:
            left, known = suspensions.left(receiver), self._made.get(receiver.name)
            if known is None or known[0] != left:
                known = left, open_channel(receiver, suspensions, self._session, self._settings)
            made[receiver.name] = known
        self._made = made

    def of(self, receiver: str) -> Channel:
        """Return the channel of a receiver; KeyError when there is no such receiver."""
        return self._made[receiver][1]


class _Closed:
    """A channel that leads nowhere."""

    pause = timedelta(0)

    async def send(self, message: Message) -> Outcome:  # noqa: ARG002 - as all channels
        return Outcome(accepted=False, error=CLOSED)

    async def note(self, note: Note) -> Outcome:  # noqa: ARG002
        return Outcome(accepted=False, error=CLOSED)
