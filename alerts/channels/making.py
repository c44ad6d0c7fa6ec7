"""Which channel a receiver of the routing file has."""

import os

import aiohttp
import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from pydantic import SecretStr

from alerts.channels.channel import Channel
from alerts.channels.slack import Slack
from alerts.channels.sns import Sns
from alerts.channels.webhook import Webhook
from alerts.routes import Receiver
from spendstream.settings import ConfigurationError, Settings

_FROM_ENVIRONMENT = "env:"


def make(receiver: Receiver, session: aiohttp.ClientSession, settings: Settings) -> Channel:
    """Return the channel of a receiver.

    Raises
    ------
    ConfigurationError
        When its address or secret should come from the environment and does not.
    """
    if receiver.topic is not None:
        return _sns(receiver.topic, settings)
    url = _value(receiver, "url", receiver.url)
    if url is None or not url.startswith(("https://", "http://")):
        raise ConfigurationError(f"receiver {receiver.name}: its url is no address that begins with https://")
    if receiver.channel == "slack":
        return Slack(session, url)
    return Webhook(session, url, _value(receiver, "secret", receiver.secret))


def _sns(topic: str, settings: Settings) -> Sns:
    seconds = settings.alerts.timeout_seconds
    once = Config(connect_timeout=seconds, read_timeout=seconds, retries={"total_max_attempts": 1})
    region = topic.split(":")[3]
    try:
        client = boto3.client("sns", region_name=region, endpoint_url=settings.aws.endpoint_url, config=once)
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"SNS cannot be used: {error}: check AWS_PROFILE and aws.endpoint_url") from None
    return Sns(client, topic)


def _value(receiver: Receiver, name: str, secret: SecretStr | None) -> str | None:
    if secret is None:
        return None
    value = secret.get_secret_value()
    if not value.startswith(_FROM_ENVIRONMENT):
        return value
    variable = value.removeprefix(_FROM_ENVIRONMENT)
    found = os.environ.get(variable)
    if not found:
        raise ConfigurationError(f"receiver {receiver.name}: {name} is to come from {variable}, which is not set")
    return found
