"""Text messages by Amazon SNS: 160 signs of GSM 7-bit, one part, that still say what, how much and where.

A signed link is longer than all of that, so the text names the incident for whoever opens the console. Signs that the
telephones' alphabet lacks become the nearest ones it has (3GPP TS 23.038, default alphabet without its extension).
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any
from unicodedata import normalize

from alerts.channels.aws import call, client
from alerts.channels.channel import Outcome, Tools
from alerts.channels.one_by_one import OneByOne
from alerts.message import Message, view
from alerts.note import Note
from alerts.receivers import SmsReceiver
from alerts.rules import SEVERITIES
from alerts.wording import plain, squeezed

_LONGEST = 160
_ALPHABET = frozenset(
    "@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_NEAREST = str.maketrans(
    {"…": "...", "–": "-", "—": "-", "’": "'", "“": '"', "”": '"', "€": "EUR", "[": "(", "]": ")", "{": "(", "}": ")"}
)


class Sms:
    """Sends to some telephones.

    Parameters
    ----------
    client
        boto3's client for SNS, with time-outs and no retries of its own.
    numbers
        Telephones, as +4930123456.
    sender_id
        What is shown as the sender, where the country allows it.
    seconds
        How long all of them may take.
    """

    pause = timedelta(seconds=1)

    def __init__(self, client: Any, numbers: tuple[str, ...], sender_id: str | None, seconds: float) -> None:  # noqa: ANN401
        self._client = client
        self._numbers = numbers
        self._sender_id = sender_id
        self._each = OneByOne(timedelta(0), seconds)

    async def send(self, message: Message) -> Outcome:
        """Send a message to each telephone."""
        return await self._send(message.id, text_of(message))

    async def note(self, note: Note) -> Outcome:
        """Send a note's title to each telephone."""
        return await self._send(note.id, _fitted(note.title))

    async def _send(self, name: str, text: str) -> Outcome:
        attributes = {"AWS.SNS.SMS.SMSType": "Transactional"}
        if self._sender_id is not None:
            attributes["AWS.SNS.SMS.SenderID"] = self._sender_id
        content = {
            "Message": text,
            "MessageAttributes": {
                key: {"DataType": "String", "StringValue": value} for key, value in attributes.items()
            },
        }
        outcome = await self._each.send(
            {
                f"{name}/{number}": partial(call, "SNS", self._client.publish, PhoneNumber=number, **content)
                for number in self._numbers
            }
        )
        return Outcome(accepted=True) if outcome.accepted else outcome


def make(receiver: SmsReceiver, secrets: Mapping[str, str], tools: Tools) -> Sms:  # noqa: ARG001 - as all are
    """Return the channel of a receiver."""
    sns = client("sns", receiver.region, tools.settings)
    return Sms(sns, receiver.numbers, receiver.sender_id, tools.seconds)


def text_of(message: Message) -> str:
    """Return a message as one text: the worst incident, since when, and how many more there are."""
    worst = max(message.told, key=lambda told: SEVERITIES.index(told.incident.severity))
    more = f" +{len(message.told) - 1} more." if len(message.told) > 1 else ""
    tail = f"Since {worst.incident.since:%d %b %H:%M} UTC.{more} Incident {plain(worst.incident.id, 20)}"
    title = _gsm(view(worst).title)
    room = _LONGEST - len(_gsm(tail)) - 2
    return f"{squeezed(title, room)}. {_gsm(tail)}"


def _fitted(text: str) -> str:
    signs = _gsm(text)
    return signs if len(signs) <= _LONGEST else f"{signs[: _LONGEST - 3]}..."


def _gsm(text: str) -> str:
    found = []
    for sign in plain(text, 1_000).translate(_NEAREST):
        if sign in _ALPHABET:
            found.append(sign)
            continue
        nearest = "".join(part for part in normalize("NFKD", sign) if part in _ALPHABET)
        found.append(nearest or "?")
    return "".join(found)
