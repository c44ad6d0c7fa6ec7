"""The interface of a channel, and what all channels over HTTP share. To add one: one file, and one line in `making`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Protocol

import aiohttp

from alerts.message import Message
from alerts.note import Note
from spendstream.settings import Settings

_RETRIED = frozenset({408, 425, 429})
_DENIED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_LONGEST_ANSWER = 64 * 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message.

    Attributes
    ----------
    accepted
        The other side has it.
    retry
        Where it has not: whether the same message may be accepted later.
    unknown
        Where it did not say so: whether it may have the message all the same, or a part of it.
    error
        Why not, without any secret: no address, no header, no body.
    retry_after
        How long the other side wants to be left alone, where it said so.
    denied
        Whether the other side did not take our secret: another one may be set by now.
    handle
        Of an accepted message: what the channel calls it. It is kept, and comes back with the next message about the
        same incident (`Told.handle`), so that the channel can update it, or answer to it.
    handles
        The same by incident, where a channel makes several messages of one.
    """

    accepted: bool
    retry: bool = False
    unknown: bool = False
    error: str = ""
    retry_after: timedelta | None = None
    denied: bool = False
    handle: str | None = None
    handles: Mapping[str, str] = field(default_factory=dict)

    def handle_of(self, incident: str) -> str | None:
        """Return what the channel calls the message about an incident; None where it has no name."""
        return self.handles.get(incident, self.handle)


ACCEPTED = Outcome(accepted=True)


class Channel(Protocol):
    """A way to one receiver."""

    @property
    def pause(self) -> timedelta:
        """How long to wait between two messages."""
        ...

    async def send(self, message: Message) -> Outcome:
        """Hand a message over, once.

        May be called again with the same message, whose id stays. Ends within the deployment's time-out. Raises
        nothing: what goes wrong is in the outcome.
        """
        ...

    async def note(self, note: Note) -> Outcome:
        """Hand over a note, which is about no incident; as `send` otherwise."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What channels are made with: connections with the deployment's time-out, and its settings."""

    session: aiohttp.ClientSession
    settings: Settings

    @property
    def seconds(self) -> float:
        """How long a channel may take to accept a message."""
        return self.settings.alerts.timeout_seconds


async def post(session: aiohttp.ClientSession, url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
    """Post JSON, and return what became of it."""
    outcome, _ = await ask(session, url, body, headers)
    return outcome


async def ask(
    session: aiohttp.ClientSession, url: str, body: bytes, headers: Mapping[str, str]
) -> tuple[Outcome, bytes]:
    """Post JSON, and return what became of it, with the beginning of the answer."""
    try:
        # A redirect would carry the message to an address that nobody configured.
        async with session.post(
            url, data=body, headers={"Content-Type": "application/json", **headers}, allow_redirects=False
        ) as response:
            answer = await response.content.read(_LONGEST_ANSWER)
            return _outcome(response.status, response.headers.get("Retry-After")), answer
    except aiohttp.ClientConnectorError as error:
        return Outcome(accepted=False, retry=True, error=f"no connection: {type(error).__name__}"), b""
    except TimeoutError:
        return Outcome(accepted=False, retry=True, unknown=True, error="no answer in time"), b""
    except aiohttp.InvalidURL:
        return Outcome(accepted=False, error="the receiver's url is no address of the web"), b""
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # The texts of these errors hold the address.
        return Outcome(accepted=False, retry=True, unknown=True, error=f"no answer: {type(error).__name__}"), b""


def _outcome(status: int, retry_after: str | None) -> Outcome:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return ACCEPTED
    if status in _RETRIED or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        # A server that fails, or a gateway that waits in vain for one, may have taken it; one that is busy has not.
        unknown = status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.SERVICE_UNAVAILABLE
        pause = pause_of(retry_after)
        return Outcome(accepted=False, retry=True, unknown=unknown, error=f"status {status}", retry_after=pause)
    return Outcome(accepted=False, error=f"status {status}", denied=status in _DENIED)


def pause_of(retry_after: str | None) -> timedelta | None:
    """Return how long a Retry-After header asks to wait: seconds, or a date; None for what is neither."""
    if retry_after is None:
        return None
    if retry_after.strip().isdigit():
        return timedelta(seconds=min(int(retry_after), 86_400))
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(timedelta(0), at.astimezone(UTC) - datetime.now(UTC))
