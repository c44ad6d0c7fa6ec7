"""E-mail by a server of one's own: STARTTLS, TLS, or none on a trusted network."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from datetime import timedelta
from email.message import EmailMessage

import aiosmtplib
from aiosmtplib import errors

from alerts.channels.channel import Outcome, Tools
from alerts.channels.mail import LONGEST, Envelope, mail_of, mail_of_note
from alerts.message import Message
from alerts.note import Note
from alerts.receivers import SmtpReceiver

log = logging.getLogger(__name__)

_TEMPORARY = range(400, 500)


class Smtp:
    """Mails to some addresses by one server; a connection a mail.

    Parameters
    ----------
    receiver
        The server, sender and addresses.
    user, password
        To sign in with; None: it is not asked for.
    seconds
        How long a mail may take.
    """

    pause = timedelta(0)

    def __init__(self, receiver: SmtpReceiver, user: str | None, password: str | None, seconds: float) -> None:
        self._receiver = receiver
        self._envelope = Envelope(receiver.sender, receiver.to)
        self._user = user
        self._password = password
        self._seconds = seconds

    async def send(self, message: Message) -> Outcome:
        """Mail a message."""
        return await self._mail(lambda longest: mail_of(message, self._envelope, longest))

    async def note(self, note: Note) -> Outcome:
        """Mail a note."""
        return await self._mail(lambda longest: mail_of_note(note, self._envelope, longest))

    async def _mail(self, made: Callable[[int], EmailMessage]) -> Outcome:
        handed = asyncio.Event()
        try:
            async with asyncio.timeout(self._seconds):
                return await self._hand_over(made, handed)
        except (TimeoutError, errors.SMTPTimeoutError):
            return _retried("no answer in time", unknown=handed.is_set())
        except errors.SMTPAuthenticationError as error:
            return Outcome(
                accepted=False,
                retry=error.code in _TEMPORARY,
                error=f"the server refuses user and password: {error.code}",
                denied=True,
            )
        except errors.SMTPRecipientsRefused as error:
            codes = sorted({one.code for one in error.recipients})
            return _by_code(min(codes, default=550), f"the server refuses every address: {codes}")
        except errors.SMTPConnectError as error:
            return _retried(f"no connection: {type(error).__name__}")
        except errors.SMTPResponseException as error:
            return _by_code(error.code, f"the server refuses it: {error.code}")
        except (errors.SMTPServerDisconnected, ssl.SSLError, OSError, ValueError) as error:
            # The texts of these errors hold addresses.
            return _retried(f"no connection: {type(error).__name__}", unknown=handed.is_set())
        except errors.SMTPException:
            # It says so by an error of no kind of its own. Somebody between us and the server may have removed it.
            return _retried("the server offers no STARTTLS, or no way to sign in")

    async def _hand_over(self, made: Callable[[int], EmailMessage], handed: asyncio.Event) -> Outcome:
        """Hand a mail over; `handed` is set when the server may have it, whether or not it says so."""
        async with aiosmtplib.SMTP(
            hostname=self._receiver.host,
            port=self._receiver.port,
            username=self._user,
            password=self._password,
            use_tls=self._receiver.tls == "tls",
            start_tls=self._receiver.tls == "starttls",
            timeout=self._seconds,
        ) as server:
            mail = made(_size(server))
            handed.set()
            refused, _ = await server.send_message(mail, sender=self._envelope.address, recipients=self._envelope.to)
        if refused:
            log.warning("%s: %d of its addresses were refused", self._receiver.name, len(refused))
        return Outcome(accepted=True, handle=str(mail["Message-ID"]))


def make(receiver: SmtpReceiver, secrets: Mapping[str, str], tools: Tools) -> Smtp:
    """Return the channel of a receiver."""
    return Smtp(receiver, secrets.get("user"), secrets.get("password"), tools.seconds)


def _size(server: aiosmtplib.SMTP) -> int:
    """Return how many bytes the server takes, where it says so (RFC 1870)."""
    told = server.esmtp_extensions.get("size", "")
    return int(told) if told.isdigit() and int(told) > 0 else LONGEST


def _by_code(code: int, error: str) -> Outcome:
    return Outcome(accepted=False, retry=code in _TEMPORARY, error=error)


def _retried(error: str, *, unknown: bool = False) -> Outcome:
    return Outcome(accepted=False, retry=True, unknown=unknown, error=error)
