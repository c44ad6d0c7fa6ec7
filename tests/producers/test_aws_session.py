"""Sessions on the simulated AWS: roles, and answers that are cut short."""

import json
from datetime import UTC, datetime
from urllib.request import Request, urlopen

import pytest
from botocore.exceptions import ConnectionClosedError

from producers.aws_session import AwsSessions, explained
from spendstream.local.simulator import Organisation, SimulatedAWS, SimulatedClock
from spendstream.settings import Aws, Payer

MARCH = {"Start": "2026-03-01", "End": "2026-03-10"}
ROLE = "arn:aws:iam::100000000001:role/billing"


@pytest.fixture
def aws(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "simulated")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "simulated")
    model = Organisation(seed=7, accounts=1, services=1, regions=1)
    clock = SimulatedClock(datetime(2026, 3, 10, tzinfo=UTC))
    with SimulatedAWS(model, clock, external_ids={ROLE: "shared"}) as simulated:
        yield simulated


def test_a_role_is_assumed_with_its_external_id(aws):
    payer = Payer(account="100000000001", role_arn=ROLE, external_id="shared")
    client = AwsSessions(Aws(endpoint_url=aws.url)).client("sts", "us-east-1", payer)
    assert client.get_caller_identity()["Arn"].startswith("arn:aws:sts::100000000001:assumed-role/billing/spendstream-")


def test_an_answer_that_is_cut_short_is_no_answer(aws):
    client = AwsSessions(Aws(endpoint_url=aws.url)).client("ce", "us-east-1")
    urlopen(Request(f"{aws.url}/_simulator/faults", json.dumps({"truncate": True}).encode())).close()
    with pytest.raises(ConnectionClosedError) as error:
        client.get_tags(TimePeriod=MARCH)
    assert "AWS cannot be reached" in str(explained(error.value, "Cost Explorer"))
    assert client.get_tags(TimePeriod=MARCH)["Tags"]
