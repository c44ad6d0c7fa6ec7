"""Who may ask the simulated AWS, and what can be made to go wrong, as ordinary boto3 clients meet it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from spendstream.doctor_aws import check_aws
from spendstream.local.simulator import Organisation, SimulatedAWS, SimulatedClock
from spendstream.settings import load
from tests.spendstream.local.simulator.conftest import NOW, get, post
from tests.spendstream.local.simulator.questions import FORTNIGHT, ask, by_key, total

ACCOUNT = "100000000001"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/billing"


def code_of(call: Any, **request: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**request)
    return str(error.value.response["Error"]["Code"])


def throttled(client: Any) -> bool:
    try:
        client.get_caller_identity()
    except client.exceptions.ClientError as error:
        return "Throttling" in str(error)
    return False


def test_any_key_is_the_payers_unless_keys_are_named(connect, aws):
    identity = connect("sts").get_caller_identity()
    assert (identity["Account"], identity["Arn"]) == (aws.model.payer, f"arn:aws:iam::{aws.model.payer}:user/simulated")


def test_an_unknown_key_is_refused_by_every_service(connect):
    keys = {"AKIAKNOWN": ACCOUNT}
    with SimulatedAWS(Organisation(seed=7, accounts=1), SimulatedClock(NOW), keys=keys) as aws:
        known = connect("sts", endpoint_url=aws.url, aws_access_key_id="AKIAKNOWN")
        assert known.get_caller_identity()["Account"] == ACCOUNT
        sts, explorer, cloudwatch = (connect(name, endpoint_url=aws.url) for name in ("sts", "ce", "cloudwatch"))
        assert code_of(sts.get_caller_identity) == "InvalidClientTokenId"
        assert code_of(explorer.get_tags, TimePeriod=FORTNIGHT) == "UnrecognizedClientException"
        assert code_of(cloudwatch.list_metrics) == "InvalidClientTokenId"


def test_a_role_is_assumed_and_runs_out_in_simulated_time(connect, assumed, aws):
    keys = assumed(ACCOUNT)
    assert (
        connect("sts", **keys).get_caller_identity()["Arn"].startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/billing/")
    )
    explorer = connect("ce", **keys)
    assert total(ask(explorer)) > 0
    aws.clock.advance(timedelta(hours=2))
    assert code_of(explorer.get_tags, TimePeriod=FORTNIGHT) == "ExpiredTokenException"
    assert code_of(connect("sts", **keys).get_caller_identity) == "ExpiredToken"


def test_sessions_end_by_the_clock_that_boto3_looks_at(connect):
    with SimulatedAWS(Organisation(seed=7, accounts=1), SimulatedClock(NOW, speed=60)) as aws:
        client = connect("sts", endpoint_url=aws.url)
        answer = client.assume_role(RoleArn=ROLE, RoleSessionName="one", DurationSeconds=3600)
    left = answer["Credentials"]["Expiration"] - datetime.now(UTC)
    assert timedelta(seconds=30) < left <= timedelta(seconds=60)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"RoleArn": "arn:aws:iam::999999999999:role/billing", "RoleSessionName": "one"}, "AccessDenied"),
        ({"RoleArn": "arn:aws:iam::somewhere:user/me", "RoleSessionName": "one"}, "ValidationError"),
        ({"RoleArn": ROLE, "RoleSessionName": "one", "DurationSeconds": 50_000}, "ValidationError"),
    ],
)
def test_a_role_that_cannot_be_assumed(connect, request_, code):
    client = connect("sts")
    client.meta.events.unregister("before-parameter-build.sts.AssumeRole")
    assert code_of(client.assume_role, **request_) == code


def test_an_external_id_is_asked_for(connect):
    with SimulatedAWS(Organisation(seed=7, accounts=1), SimulatedClock(NOW), external_ids={ROLE: "shared"}) as aws:
        client = connect("sts", endpoint_url=aws.url)
        assert code_of(client.assume_role, RoleArn=ROLE, RoleSessionName="one") == "AccessDenied"
        assert client.assume_role(RoleArn=ROLE, RoleSessionName="one", ExternalId="shared")["Credentials"]


def test_a_linked_account_sees_its_own_part_of_the_bill_only(connect, assumed, explorer):
    own = ask(connect("ce", **assumed(ACCOUNT)), "LINKED_ACCOUNT")
    assert by_key(own) == {(ACCOUNT,): by_key(ask(explorer, "LINKED_ACCOUNT"))[ACCOUNT,]}


def test_two_payers_each_see_their_own_organisation(connect, assumed):
    models = [Organisation(seed=7, accounts=1), Organisation(seed=8, accounts=1, payer="200000000000")]
    with SimulatedAWS(models, SimulatedClock(NOW)) as aws:
        totals = {
            model.payer: total(ask(connect("ce", **assumed(model.payer, aws), endpoint_url=aws.url)))
            for model in models
        }
    assert len(set(totals.values())) == 2
    assert all(totals.values())


def test_a_denied_action_is_refused_and_iam_says_so_before(connect, explorer, aws):
    post(aws, "denied", {"actions": ["ce:GetTags", "cloudwatch:ListMetrics"]})
    assert code_of(explorer.get_tags, TimePeriod=FORTNIGHT) == "AccessDeniedException"
    assert code_of(connect("cloudwatch").list_metrics) == "AccessDenied"
    arn = connect("sts").get_caller_identity()["Arn"]
    answer = connect("iam").simulate_principal_policy(
        PolicySourceArn=arn, ActionNames=["ce:GetTags", "ce:GetCostAndUsage"], ResourceArns=["*"]
    )
    decisions = [(result["EvalActionName"], result["EvalDecision"]) for result in answer["EvaluationResults"]]
    assert decisions == [("ce:GetTags", "implicitDeny"), ("ce:GetCostAndUsage", "allowed")]
    assert get(aws, "requests")["charged"] == {}


def test_doctor_finds_what_is_allowed_and_what_is_not(aws, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "simulated")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "simulated")
    settings = load(
        aws={"endpoint_url": aws.url, "payers": [{"account": ACCOUNT, "role_arn": ROLE}]},
        cost_explorer={"enabled": True},
        cloudwatch={"enabled": True, "regions": ["eu-central-1"]},
    )
    post(aws, "denied", {"actions": ["ce:GetCostAndUsage"]})
    findings = list(check_aws(settings))
    assert ["implicitDeny" in finding.detail for finding in findings if not finding.ok] == [True]
    assert len([finding for finding in findings if finding.ok]) > 3
    assert get(aws, "requests")["dollars"] == "0.00"


def test_a_fault_waits_for_its_operation(explorer, aws):
    post(aws, "faults", {"code": "LimitExceededException", "operation": "GetTags"})
    assert total(ask(explorer)) > 0
    assert code_of(explorer.get_tags, TimePeriod=FORTNIGHT) == "LimitExceededException"
    assert explorer.get_tags(TimePeriod=FORTNIGHT)["Tags"]


def test_a_connection_breaks_before_an_answer(explorer, aws):
    post(aws, "faults", {"drop": True})
    with pytest.raises(ConnectionClosedError):
        explorer.get_tags(TimePeriod=FORTNIGHT)
    assert explorer.get_tags(TimePeriod=FORTNIGHT)["Tags"]


def test_an_answer_that_is_cut_short_lacks_what_boto3_cannot_read(connect, aws):
    # boto3 takes it for an answer without members: who asks has to see that they are missing.
    explorer = connect("ce", checked=False)
    post(aws, "faults", {"truncate": True})
    assert "Tags" not in explorer.get_tags(TimePeriod=FORTNIGHT)
    assert explorer.get_tags(TimePeriod=FORTNIGHT)["Tags"]


def test_a_slow_answer_comes(explorer, aws):
    post(aws, "faults", {"delay_seconds": 0.05})
    assert explorer.get_tags(TimePeriod=FORTNIGHT)["Tags"]


def test_faults_can_be_taken_back(explorer, aws):
    post(aws, "faults", {"code": "ThrottlingException", "count": 100})
    assert post(aws, "faults", {"clear": True}) == {"waiting": 0}
    assert explorer.get_tags(TimePeriod=FORTNIGHT)["Tags"]


@pytest.mark.parametrize("fault", [{}, {"count": 2}, {"code": "X", "count": 0}, {"delay": 3}])
def test_a_fault_that_cannot_be_is_refused(aws, fault):
    with pytest.raises(OSError, match="400"):
        post(aws, "faults", fault)


def test_a_share_of_the_requests_is_throttled_and_patience_helps(connect):
    with SimulatedAWS(Organisation(seed=7, accounts=1), SimulatedClock(NOW), throttled=0.5) as aws:
        patient = boto3.client(
            "sts",
            endpoint_url=aws.url,
            region_name="us-east-1",
            aws_access_key_id="simulated",
            aws_secret_access_key="simulated",
            config=Config(retries={"mode": "standard", "total_max_attempts": 8}),
        )
        patient.get_caller_identity()
        hasty = connect("sts", endpoint_url=aws.url)
        refused = sum(throttled(hasty) for _ in range(20))
    assert 3 < refused < 17


def test_cloudwatch_costs_by_the_metric(connect, aws):
    connect("cloudwatch").list_metrics(Namespace="AWS/Billing")
    assert get(aws, "requests") == {
        "requests": {"ListMetrics": 1}, "charged": {"ListMetrics": 1}, "dollars": "0.00001"
    }  # fmt: skip
