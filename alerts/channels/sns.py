"""Amazon SNS: a message to a topic, as text, with attributes for filter policies.

Limits by the API's reference: a subject of at most 100 characters of ASCII without line breaks, 256 KiB a message.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from alerts.channels.aws import call, client
from alerts.channels.channel import Outcome, Tools
from alerts.message import Message, headline, in_text
from alerts.note import Note
from alerts.own_incidents import CANARY
from alerts.receivers import SnsReceiver
from alerts.rules import SEVERITIES

_SUBJECT = 99
_BYTES = 250 * 1024


class Sns:
    """Publishes to one topic.

    Parameters
    ----------
    client
        boto3's client for SNS in the topic's region, with time-outs and no retries of its own.
    topic
        The topic's ARN.
    """

    pause = timedelta(0)

    def __init__(self, client: Any, topic: str) -> None:  # noqa: ANN401 - a boto3 client, made at run time
        self._client = client
        self._topic = topic

    async def send(self, message: Message) -> Outcome:
        """Publish a message."""
        return await call("SNS", self._client.publish, TopicArn=self._topic, **payload(message))

    async def note(self, note: Note) -> Outcome:
        """Publish a note."""
        text = _cut(note.shortened(_BYTES))
        content = _content(note.title, text, {"kind": note.kind, "id": note.id})
        return await call("SNS", self._client.publish, TopicArn=self._topic, **content)


def make(receiver: SnsReceiver, secrets: Mapping[str, str], tools: Tools) -> Sns:  # noqa: ARG001 - as all are
    """Return the channel of a receiver."""
    region = receiver.topic.split(":")[3]
    return Sns(client("sns", region, tools.settings), receiver.topic)


def payload(message: Message) -> dict[str, Any]:
    """Return a message as SNS wants it."""
    worst = max((told.incident.severity for told in message.told), key=SEVERITIES.index)
    open_ones = any(told.incident.state != "resolved" for told in message.told)
    kinds = {told.incident.kind for told in message.told}
    attributes = {
        "kind": kinds.pop() if len(kinds) == 1 and kinds <= {"anomaly", CANARY} else "alert",
        "severity": worst,
        "state": "firing" if open_ones else "resolved",
        "id": message.id,
    }
    return _content(headline(message), _cut(in_text(message)), attributes)


def _content(subject: str, text: str, attributes: Mapping[str, str]) -> dict[str, Any]:
    printable = "".join(sign if sign.isprintable() else " " for sign in subject)
    return {
        "Subject": printable.encode("ascii", "replace").decode()[:_SUBJECT].strip() or "spendstream",
        "Message": text,
        "MessageAttributes": {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()},
    }


def _cut(text: str) -> str:
    return text.encode()[:_BYTES].decode(errors="ignore")
