"""The SQS queue that hears of what becomes of mails at Amazon SES."""

import logging
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from alerts.channels.aws import client
from spendstream.settings import ConfigurationError, Settings

log = logging.getLogger(__name__)

_AT_ONCE = 10
_LONGEST_WAIT = 5
_PAUSE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Letter:
    """A message of the queue; `receipt` names it when it is removed."""

    id: str
    body: str
    receipt: str


class MailQueue:
    """Reads the queue that `alerts.mail_events` names.

    Parameters
    ----------
    settings
        The deployment.

    Raises
    ------
    ConfigurationError
        When there is no queue in the settings, or boto3 cannot use it.
    """

    def __init__(self, settings: Settings) -> None:
        address = settings.alerts.mail_events
        if address is None:
            raise ConfigurationError("alerts.mail_events names no queue, see docs/alerts.md")
        found = re.search(r"//sqs\.([a-z0-9-]+)\.", address)
        self._address = address
        self._client = client("sqs", None if found is None else found[1], settings)
        self._seconds = int(min(_LONGEST_WAIT, settings.alerts.timeout_seconds / 2))

    def receive(self) -> list[Letter]:
        """Return what is there, waiting some seconds for it; after a failure nothing, and after a pause. Blocks."""
        try:
            answer = self._client.receive_message(
                QueueUrl=self._address, MaxNumberOfMessages=_AT_ONCE, WaitTimeSeconds=self._seconds
            )
        except (BotoCoreError, ClientError) as error:
            log.warning("the queue of mail events cannot be read, it is tried again: %s", _word(error))
            time.sleep(_PAUSE_SECONDS)
            return []
        found = answer.get("Messages", [])
        return [Letter(one["MessageId"], one["Body"], one["ReceiptHandle"]) for one in found]

    def remove(self, letters: Sequence[Letter]) -> None:
        """Remove what was taken; what cannot be removed comes again. Blocks."""
        entries = [{"Id": str(number), "ReceiptHandle": one.receipt} for number, one in enumerate(letters)]
        try:
            self._client.delete_message_batch(QueueUrl=self._address, Entries=entries)
        except (BotoCoreError, ClientError) as error:
            log.warning("mail events cannot be removed from their queue, they come again: %s", _word(error))


def _word(error: BotoCoreError | ClientError) -> str:
    """Return an error without the addresses that its text may hold."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__
