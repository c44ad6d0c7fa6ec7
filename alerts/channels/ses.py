"""E-mail by Amazon SES, API v2: raw mails, one a second, which is what a sandbox may send.

SES gives a mail an id of its own, under which a later one can answer to it.
"""

from collections.abc import Mapping
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

from alerts.channels.aws import call, client
from alerts.channels.channel import Outcome, Tools
from alerts.channels.mail import Envelope, mail_of, mail_of_note
from alerts.message import Message
from alerts.note import Note
from alerts.receivers import SesReceiver


class Ses:
    """Mails to some addresses.

    Parameters
    ----------
    client
        boto3's client for SES v2, with time-outs and no retries of its own.
    receiver
        Sender, addresses and region.
    """

    pause = timedelta(seconds=1)

    def __init__(self, client: Any, receiver: SesReceiver) -> None:  # noqa: ANN401 - a boto3 client, made at run time
        self._client = client
        self._receiver = receiver
        self._envelope = Envelope(receiver.sender, receiver.to)

    async def send(self, message: Message) -> Outcome:
        """Mail a message."""
        return await self._mail(mail_of(message, self._envelope))

    async def note(self, note: Note) -> Outcome:
        """Mail a note."""
        return await self._mail(mail_of_note(note, self._envelope))

    async def _mail(self, mail: EmailMessage) -> Outcome:
        content: dict[str, Any] = {
            "FromEmailAddress": str(mail["From"]),
            "Destination": {"ToAddresses": list(self._envelope.to)},
            "Content": {"Raw": {"Data": mail.as_bytes()}},
        }
        if self._receiver.configuration_set is not None:
            content["ConfigurationSetName"] = self._receiver.configuration_set
        outcome = await call("SES", self._client.send_email, **content)
        if outcome.handle is None:
            return outcome
        return Outcome(accepted=True, handle=f"<{outcome.handle}@{_domain(self._receiver.region)}>")


def make(receiver: SesReceiver, secrets: Mapping[str, str], tools: Tools) -> Ses:  # noqa: ARG001 - as all are
    """Return the channel of a receiver."""
    return Ses(client("sesv2", receiver.region, tools.settings), receiver)


def _domain(region: str) -> str:
    """Return the domain of the ids that SES gives to mails in a region."""
    return "email.amazonses.com" if region == "us-east-1" else f"{region}.amazonses.com"
