"""Which channel a receiver of the routing file has."""

import os

import aiohttp
from pydantic import SecretStr

from alerts.channels.channel import Channel
from alerts.channels.slack import Slack
from alerts.channels.webhook import Webhook
from alerts.routes import Receiver
from spendstream.settings import ConfigurationError

_FROM_ENVIRONMENT = "env:"


def make(receiver: Receiver, session: aiohttp.ClientSession) -> Channel:
    """Return the channel of a receiver.

    Raises
    ------
    ConfigurationError
        When its address or secret should come from the environment and does not.
    """
    url = _value(receiver, "url", receiver.url)
    if not url.startswith(("https://", "http://")):
        raise ConfigurationError(f"receiver {receiver.name}: its url is no address that begins with https://")
    if receiver.channel == "slack":
        return Slack(session, url)
    return Webhook(session, url, None if receiver.secret is None else _value(receiver, "secret", receiver.secret))


def _value(receiver: Receiver, name: str, secret: SecretStr) -> str:
    value = secret.get_secret_value()
    if not value.startswith(_FROM_ENVIRONMENT):
        return value
    variable = value.removeprefix(_FROM_ENVIRONMENT)
    found = os.environ.get(variable)
    if not found:
        raise ConfigurationError(f"receiver {receiver.name}: {name} is to come from {variable}, which is not set")
    return found
