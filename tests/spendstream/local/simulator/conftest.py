"""A small organisation behind an address, and clients that check every answer against botocore's own model of AWS."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.validate import ParamValidator

from spendstream.local.simulator import Organisation, SimulatedAWS, SimulatedClock

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)


@pytest.fixture
def aws() -> Iterator[SimulatedAWS]:
    with SimulatedAWS(Organisation(seed=7, accounts=2), SimulatedClock(NOW), page_size=50) as simulated:
        yield simulated


@pytest.fixture
def connect(aws: SimulatedAWS) -> Callable[..., Any]:
    """Make a boto3 client, ordinary but for not trying twice, of a service; more keywords go to boto3."""

    def make(service: str, *, checked: bool = True, **more: Any) -> Any:
        keys = {"aws_access_key_id": "simulated", "aws_secret_access_key": "simulated"}
        chosen = {
            "endpoint_url": aws.url,
            "region_name": "us-east-1",
            "config": Config(retries={"total_max_attempts": 1}),
            **keys,
            **more,
        }
        client = boto3.client(service, **chosen)  # type: ignore[call-overload]
        if checked:
            client.meta.events.register("after-call", _fits)
        return client

    return make


@pytest.fixture
def assumed(aws, connect):
    """Return a function that assumes the role `billing` of an account, and returns its keys for `connect`."""

    def assume(account: str, of: SimulatedAWS | None = None) -> dict[str, str]:
        sts = connect("sts", endpoint_url=(of or aws).url)
        role = f"arn:aws:iam::{account}:role/billing"
        found = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        return {
            "aws_access_key_id": found["AccessKeyId"],
            "aws_secret_access_key": found["SecretAccessKey"],
            "aws_session_token": found["SessionToken"],
        }

    return assume


@pytest.fixture
def explorer(connect):
    return connect("ce")


def _fits(http_response: Any, parsed: dict[str, Any], model: Any, **_: object) -> None:
    """Refuse an answer that misses what AWS always gives, or has another type."""
    if http_response.status_code < 300 and model.output_shape is not None:
        answer = {name: value for name, value in parsed.items() if name != "ResponseMetadata"}
        report = ParamValidator().validate(answer, model.output_shape)
        assert not report.has_errors(), report.generate_report()


def post(aws: SimulatedAWS, name: str, body: dict[str, Any]) -> Any:
    """Ask one of the simulator's own addresses."""
    request = urllib.request.Request(f"{aws.url}/_simulator/{name}", json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def get(aws: SimulatedAWS, name: str) -> Any:
    """Read one of the simulator's own addresses."""
    with urllib.request.urlopen(f"{aws.url}/_simulator/{name}") as answer:
        return json.load(answer)
