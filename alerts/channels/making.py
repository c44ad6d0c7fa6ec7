"""Which channel a receiver of the routing file has."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import aiohttp

from alerts.channels import pagerduty, ses, slack, slack_bot, sms, smtp, sns, teams, webhook
from alerts.channels.channel import Channel, Outcome, Tools
from alerts.channels.secrets import secrets_of
from alerts.message import Message
from alerts.note import Note
from alerts.receivers import Receiver
from spendstream.settings import ConfigurationError, Settings

log = logging.getLogger(__name__)

#: How a channel is made from its receiver, the receiver's secrets by field, and what all channels share.
Making = Callable[[Any, Mapping[str, str], Tools], Channel]

#: Every channel, by its name in the routing file.
CHANNELS: Mapping[str, Making] = {
    "webhook": webhook.make,
    "slack": slack.make,
    "slack_bot": slack_bot.make,
    "teams": teams.make,
    "pagerduty": pagerduty.make,
    "sns": sns.make,
    "sms": sms.make,
    "smtp": smtp.make,
    "ses": ses.make,
}


def make(receiver: Receiver, session: aiohttp.ClientSession, settings: Settings) -> Channel:
    """Return the channel of a receiver. May block: secrets may be read from AWS.

    Raises
    ------
    ConfigurationError
        When a secret cannot be read, or an address is none.
    """
    return _Renewing(receiver, Tools(session, settings))


class _Renewing:
    """A channel that reads its secrets again when the other side does not take them any more.

    So a secret that was replaced in AWS Secrets Manager needs no restart.
    """

    def __init__(self, receiver: Receiver, tools: Tools) -> None:
        self._receiver = receiver
        self._tools = tools
        self._secrets = secrets_of(receiver, tools.settings)
        self._channel = CHANNELS[receiver.channel](receiver, self._secrets, tools)

    @property
    def pause(self) -> timedelta:
        return self._channel.pause

    async def send(self, message: Message) -> Outcome:
        return await self._handed(lambda channel: channel.send(message))

    async def note(self, note: Note) -> Outcome:
        return await self._handed(lambda channel: channel.note(note))

    async def _handed(self, over: Callable[[Channel], Awaitable[Outcome]]) -> Outcome:
        try:
            outcome = await over(self._channel)
            return await over(self._channel) if outcome.denied and await self._renewed() else outcome
        except Exception as error:  # noqa: BLE001 - one message that cannot be written must not stop all others
            return Outcome(accepted=False, error=f"the message cannot be written: {type(error).__name__}")

    async def _renewed(self) -> bool:
        """Read the secrets again; tell whether another one came."""
        try:
            fresh = await asyncio.to_thread(secrets_of, self._receiver, self._tools.settings)
            if fresh == self._secrets:
                return False
            self._channel = CHANNELS[self._receiver.channel](self._receiver, fresh, self._tools)
        except ConfigurationError as error:
            log.warning("secrets were refused and cannot be read again: %s", error)
            return False
        self._secrets = fresh
        return True
