"""Secrets from the environment and from AWS, read again when they are refused, and never shown."""

from collections.abc import Iterator
from datetime import timedelta

import aiohttp
import boto3
import pytest

from alerts.channels.making import make
from alerts.channels.secrets import secrets_of
from alerts.receivers import receiver as receiver_of
from spendstream.settings import ConfigurationError, load
from tests.alerts.channels.aws import REGION, played_aws
from tests.alerts.channels.messages import message
from tests.alerts.web_double import WebDouble

SECRET = "s3cret-part"


@pytest.fixture
def aws(monkeypatch) -> Iterator[str]:
    with played_aws(monkeypatch) as address:
        yield address


async def test_addresses_and_secrets_come_from_the_environment(monkeypatch):
    receiver = receiver_of({"name": "a", "channel": "webhook", "url": "env:HOOK_URL", "secret": "env:HOOK_SECRET"})
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ConfigurationError, match="receiver a: url is to come from HOOK_URL, which is not set"):
            make(receiver, session, load())
        monkeypatch.setenv("HOOK_URL", "https://example.com/hook")
        monkeypatch.setenv("HOOK_SECRET", "k")
        assert make(receiver, session, load()).pause == timedelta(0)
        monkeypatch.setenv("HOOK_URL", f"ftp://{SECRET}")
        with pytest.raises(ConfigurationError, match="no address that begins with https") as raised:
            make(receiver, session, load())
    assert SECRET not in str(raised.value)


def test_a_secret_of_aws_is_its_text_or_the_value_of_a_key(aws):
    manager = boto3.client("secretsmanager", region_name=REGION, endpoint_url=aws)
    manager.create_secret(Name="plain", SecretString="https://example.com/1")
    arn = manager.create_secret(Name="costs/hook", SecretString='{"key": "k1"}')["ARN"]
    receiver = receiver_of(
        {"name": "a", "channel": "webhook", "url": "secretsmanager:plain", "secret": f"secretsmanager:{arn}#key"}
    )
    found = secrets_of(receiver, load(aws={"endpoint_url": aws}))
    assert found == {"url": "https://example.com/1", "secret": "k1"}


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        (
            "secretsmanager:absent",
            "receiver a: url is to come from the secret absent, and Secrets Manager says Resource",
        ),
        ("secretsmanager:plain#key", "key key of the secret plain, which is no JSON with that key"),
        ("secretsmanager:json#other", "key other of the secret json, which is no JSON with that key"),
    ],
)
def test_a_secret_that_cannot_be_read_is_told_without_what_is_in_it(aws, reference, says):
    manager = boto3.client("secretsmanager", region_name=REGION, endpoint_url=aws)
    manager.create_secret(Name="plain", SecretString=SECRET)
    manager.create_secret(Name="json", SecretString=f'{{"key": "{SECRET}"}}')
    receiver = receiver_of({"name": "a", "channel": "slack", "url": reference})
    with pytest.raises(ConfigurationError, match=says) as raised:
        secrets_of(receiver, load(aws={"endpoint_url": aws}))
    assert SECRET not in str(raised.value)


async def test_a_secret_that_was_replaced_is_read_again_when_the_old_one_is_refused(aws):
    manager = boto3.client("secretsmanager", region_name=REGION, endpoint_url=aws)
    with WebDouble(lambda got: (200 if got.path == "/new" else 403, {})) as double:
        manager.create_secret(Name="hook", SecretString=f"{double.url}/old")
        receiver = receiver_of({"name": "a", "channel": "webhook", "url": "secretsmanager:hook"})
        async with aiohttp.ClientSession() as session:
            channel = make(receiver, session, load(aws={"endpoint_url": aws}))
            refused = await channel.send(message())
            manager.put_secret_value(SecretId="hook", SecretString=f"{double.url}/new")
            accepted = await channel.send(message())
            manager.delete_secret(SecretId="hook", ForceDeleteWithoutRecovery=True)
            assert (await channel.send(message())).accepted
    assert (refused.accepted, refused.retry, accepted.accepted) == (False, False, True)
    assert [got.path for got in double.got] == ["/old", "/old", "/new", "/new"]
