"""Amazon SNS: a message to a topic, as text, with attributes for filter policies.

Limits by the API's reference: a subject of at most 100 characters of ASCII without line breaks, 256 KiB a message.
boto3 blocks, so it works in a thread.
"""

import asyncio
from datetime import timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from alerts.channels.channel import ACCEPTED, Outcome
from alerts.message import Message, in_text, view
from alerts.rules import SEVERITIES

_SUBJECT = 99
_BYTES = 250 * 1024
#: Throttling passes, and credentials that have run out are renewed.
_RETRIED = frozenset(
    {
        *("Throttled", "Throttling", "ThrottledException", "ThrottlingException", "KMSThrottling"),
        *("ExpiredToken", "ExpiredTokenException", "RequestExpired"),
    }
)
_SERVER_ERROR = 500


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
        try:
            await asyncio.to_thread(self._client.publish, TopicArn=self._topic, **payload(message))
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown")
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            return Outcome(accepted=False, retry=code in _RETRIED or status >= _SERVER_ERROR, error=f"SNS says {code}")
        except BotoCoreError as error:
            # Credentials and connections come back; the texts of these errors hold addresses.
            return Outcome(accepted=False, retry=True, error=f"SNS cannot be asked: {type(error).__name__}")
        return ACCEPTED


def payload(message: Message) -> dict[str, Any]:
    """Return a message as SNS wants it."""
    titles = [view(told).title for told in message.told]
    head = titles[0] if len(titles) == 1 else f"{len(titles)} incidents: {titles[0]}"
    subject = head.encode("ascii", "replace").decode()[:_SUBJECT].strip()
    worst = max((told.incident.severity for told in message.told), key=SEVERITIES.index)
    open_ones = any(told.incident.state != "resolved" for told in message.told)
    attributes = {"severity": worst, "state": "firing" if open_ones else "resolved", "id": message.id}
    return {
        "Subject": subject,
        "Message": in_text(message).encode()[:_BYTES].decode(errors="ignore"),
        "MessageAttributes": {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()},
    }
