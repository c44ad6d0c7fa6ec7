"""What `spendstream doctor` finds, and what it tells the person to do."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from sinks.migrate import migrate
from spendstream.cli import app
from spendstream.doctor import diagnose
from spendstream.doctor_aws import principal_of
from spendstream.findings import Finding
from spendstream.iam_policy import CREDENTIALS, policies
from spendstream.settings import load

ROLE = "arn:aws:iam::222222222222:role/billing"
NOWHERE = "http://127.0.0.1:9"


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Operation")


class FakeAws:
    """Clients of an AWS that allows, denies, or knows nobody."""

    def __init__(self, denied: tuple[str, ...] = (), *, may_simulate: bool = True, who: str = "user/ann") -> None:
        self.denied = denied
        self.may_simulate = may_simulate
        self.arn = f"arn:aws:iam::111111111111:{who}"
        self.identity_error: ClientError | None = None
        self.role_account = "222222222222"
        self.simulated: list[tuple[str, str]] = []

    def client(self, _service: str, _region: str, payer: Any = None) -> "FakeAws":
        self._payer = payer
        return self

    def get_caller_identity(self) -> dict[str, str]:
        if self.identity_error is not None:
            raise self.identity_error
        if self._payer is not None:
            arn = f"arn:aws:sts::{self.role_account}:assumed-role/billing/session"
            return {"Account": self.role_account, "Arn": arn}
        return {"Account": "111111111111", "Arn": self.arn}

    def simulate_principal_policy(self, PolicySourceArn, ActionNames, **_: object):  # noqa: N803 - AWS's own names
        if not self.may_simulate:
            raise refused("AccessDenied")
        self.simulated.append((PolicySourceArn, ActionNames[0]))
        decision = "implicitDeny" if ActionNames[0] in self.denied else "allowed"
        return {"EvaluationResults": [{"EvalActionName": ActionNames[0], "EvalDecision": decision}]}

    def get_cost_and_usage(self, **_: object) -> None:
        raise refused("AccessDeniedException" if "ce:GetCostAndUsage" in self.denied else "ValidationException")

    def get_cost_forecast(self, **_: object) -> None:
        raise refused("AccessDeniedException" if "ce:GetCostForecast" in self.denied else "ValidationException")

    def list_metrics(self, **_: object) -> None:
        raise refused("AccessDenied" if "cloudwatch:ListMetrics" in self.denied else "InvalidParameterValue")

    def get_metric_data(self, **_: object) -> None:
        raise refused("AccessDenied" if "cloudwatch:GetMetricData" in self.denied else "ValidationError")


@pytest.fixture
def no_credentials(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    return monkeypatch


@pytest.fixture
def aws_only(embedded_kafka):
    """Settings with a Kafka that is there; what is found about AWS is looked at."""

    def made(**sections: object):
        return load(kafka=embedded_kafka.settings().kafka.model_dump(), clickhouse={"url": NOWHERE}, **sections)

    return made


def about(findings: tuple[Finding, ...], what: str) -> list[tuple[bool, str, str]]:
    return [(finding.ok, finding.detail, finding.fix) for finding in findings if what in finding.what]


def test_a_deployment_that_is_well(embedded_kafka, clickhouse):
    settings = load(
        kafka=embedded_kafka.settings().kafka.model_dump(),
        clickhouse={"url": clickhouse.url, "database": "doctor"},
        cost_explorer={"enabled": True},
        cloudwatch={"enabled": True},
    )
    migrate(settings.clickhouse)
    diagnosis = diagnose(settings, FakeAws())
    assert diagnosis.healthy, diagnosis.text()
    assert [finding.what for finding in diagnosis.findings][-5:] == [
        CREDENTIALS,
        "ce:GetCostAndUsage",
        "ce:GetCostForecast",
        "cloudwatch:GetMetricData",
        "cloudwatch:ListMetrics",
    ]


def test_topics_that_are_missing_are_no_fault_and_are_named(embedded_kafka):
    settings = load(kafka={"bootstrap": embedded_kafka.bootstrap, "prefix": "doctor."}, clickhouse={"url": NOWHERE})
    assert about(diagnose(settings).findings, "topics")[0][0]


@pytest.mark.parametrize(
    ("sections", "what", "fix"),
    [
        ({"kafka": {"bootstrap": "127.0.0.1:9"}}, "Kafka at 127.0.0.1:9", "SPENDSTREAM_KAFKA__BOOTSTRAP"),
        ({"clickhouse": {"url": NOWHERE}}, "ClickHouse at", "SPENDSTREAM_CLICKHOUSE__URL"),
        ({"clickhouse": {"url": "clickhouse"}}, "ClickHouse at", "SPENDSTREAM_CLICKHOUSE__URL"),
        ({"schema_registry": {"url": NOWHERE}}, "schema registry at", "schema_registry.url"),
    ],
)
def test_a_wrong_address_is_named_with_the_setting_to_change(embedded_kafka, sections, what, fix):
    kafka = {"bootstrap": embedded_kafka.bootstrap}
    settings = load(**{"kafka": kafka, "clickhouse": {"url": NOWHERE}, **sections})
    ok, _, told = about(diagnose(settings).findings, what)[0]
    assert not ok
    assert fix in told


@pytest.mark.parametrize(
    ("alerts", "ok", "fix"),
    [
        ({"public_url": "https://costs.example.com"}, False, "SPENDSTREAM_ALERTS__LINK_KEY"),
        ({"link_key": "k" * 32}, False, "SPENDSTREAM_ALERTS__PUBLIC_URL"),
        ({"public_url": "https://costs.example.com", "link_key": "k" * 32}, True, ""),
    ],
)
def test_links_that_messages_will_not_hold_are_told(embedded_kafka, alerts, ok, fix):
    settings = embedded_kafka.settings(clickhouse={"url": NOWHERE}, alerts=alerts)
    found, _, told = about(diagnose(settings).findings, "links in messages")[0]
    assert (found, fix in told) == (ok, True)


def test_a_clickhouse_user_that_is_refused_is_named(embedded_kafka, clickhouse):
    settings = load(
        kafka=embedded_kafka.settings().kafka.model_dump(),
        clickhouse={"url": clickhouse.url, "user": "nobody", "password": "sEcReT"},
    )
    diagnosis = diagnose(settings)
    ok, _, fix = about(diagnosis.findings, "ClickHouse user nobody")[0]
    assert not ok
    assert "SPENDSTREAM_CLICKHOUSE__URL, __USER and __PASSWORD" in fix
    assert "sEcReT" not in diagnosis.text()


@pytest.mark.usefixtures("no_credentials")
def test_no_credentials(aws_only):
    findings = diagnose(aws_only(cost_explorer={"enabled": True})).findings
    (ok, detail, fix) = about(findings, CREDENTIALS)[0]
    assert not ok
    assert "there are no AWS credentials" in detail
    assert "AWS_PROFILE" in fix


def test_expired_credentials(aws_only):
    aws = FakeAws()
    aws.identity_error = refused("ExpiredToken")
    ok, detail, fix = about(diagnose(aws_only(cost_explorer={"enabled": True}), aws).findings, CREDENTIALS)[0]
    assert not ok
    assert "ExpiredToken" in detail
    assert "log in again" in fix


def test_an_aws_endpoint_that_does_not_answer(aws_only, no_credentials):
    no_credentials.setenv("AWS_ACCESS_KEY_ID", "x")
    no_credentials.setenv("AWS_SECRET_ACCESS_KEY", "y")
    settings = aws_only(cost_explorer={"enabled": True}, aws={"endpoint_url": NOWHERE})
    ok, detail, fix = about(diagnose(settings).findings, CREDENTIALS)[0]
    assert not ok
    assert "AWS cannot be reached" in detail
    assert "aws.endpoint_url" in fix


@pytest.mark.parametrize("may_simulate", [True, False], ids=["IAM is asked", "a call that fails is made"])
def test_an_action_that_is_not_allowed_is_found_either_way(aws_only, may_simulate):
    aws = FakeAws(denied=("ce:GetCostAndUsage",), may_simulate=may_simulate)
    settings = aws_only(cost_explorer={"enabled": True}, cloudwatch={"enabled": True})
    findings = diagnose(settings, aws).findings
    assert [ok for ok, _, _ in about(findings, "ce:")] == [False, True]
    assert [ok for ok, _, _ in about(findings, "cloudwatch:")] == [True, True]
    assert "attach the policy below" in about(findings, "ce:")[0][2]


def test_a_role_is_checked_with_its_own_rights(aws_only):
    aws = FakeAws()
    payers = [{"account": "222222222222", "role_arn": ROLE}]
    findings = diagnose(aws_only(cost_explorer={"enabled": True}, aws={"payers": payers}), aws).findings
    assert all(finding.ok for finding in findings if "ClickHouse" not in finding.what)
    assert about(findings, f"ce:GetCostAndUsage as {ROLE}")
    assert aws.simulated == [
        ("arn:aws:iam::111111111111:user/ann", "sts:AssumeRole"),
        (ROLE, "ce:GetCostAndUsage"),
        (ROLE, "ce:GetCostForecast"),
    ]


def test_a_role_of_another_account_is_found(aws_only):
    aws = FakeAws()
    aws.role_account = "333333333333"
    payers = [{"account": "222222222222", "role_arn": ROLE}]
    findings = diagnose(aws_only(cost_explorer={"enabled": True}, aws={"payers": payers}), aws).findings
    assert "account 333333333333, and the settings say 222222222222" in about(findings, f"role {ROLE}")[0][1]


def test_the_policy_holds_what_the_settings_need_and_no_more():
    settings = load(
        cost_explorer={"enabled": True},
        cloudwatch={"enabled": True, "accounts": [{"account": "222222222222", "role_arn": ROLE}]},
        focus=[{"name": "main", "path": "s3://bills/focus/"}],
        recording={"target": "s3://tapes"},
        alerts={"mail_events": "https://sqs.eu-west-1.amazonaws.com/111111111111/mail"},
    )
    found = policies(settings)
    assert found[ROLE]["Statement"][0]["Action"] == ["cloudwatch:GetMetricData", "cloudwatch:ListMetrics"]
    assert {statement["Sid"]: statement["Resource"] for statement in found[CREDENTIALS]["Statement"]} == {
        "ReadCostExplorer": "*",
        "AssumeRoles": [ROLE],
        "ListExport0": ["arn:aws:s3:::bills"],
        "ReadExport0": ["arn:aws:s3:::bills/focus/*"],
        "ReadMailEvents": ["arn:aws:sqs:eu-west-1:111111111111:mail"],
        "KeepRecording": ["arn:aws:s3:::tapes/*"],
    }


def test_no_policy_where_aws_is_not_asked():
    assert policies(load(focus=[{"name": "main", "path": "exports"}])) == {}


def test_a_session_of_a_role_is_known_to_iam_as_the_role():
    assert principal_of("arn:aws-cn:sts::123:assumed-role/reader/me") == "arn:aws-cn:iam::123:role/reader"
    assert principal_of("arn:aws:iam::123:user/ann") == "arn:aws:iam::123:user/ann"


def test_the_command_ends_with_1_when_something_failed_and_prints_json(no_credentials, embedded_kafka):
    no_credentials.setenv("SPENDSTREAM_KAFKA__BOOTSTRAP", embedded_kafka.bootstrap)
    no_credentials.setenv("SPENDSTREAM_CLICKHOUSE__URL", NOWHERE)
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["healthy"] is False


def test_the_command_prints_the_policy_alone(no_credentials):
    no_credentials.setenv("SPENDSTREAM_CLOUDWATCH__ENABLED", "true")
    result = CliRunner().invoke(app, ["doctor", "--policy"])
    assert result.exit_code == 0
    assert list(json.loads(result.stdout)) == [CREDENTIALS]
