"""Answers of AWS kept as they came, and a producer that runs from them: no network, no credentials, no cost."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from producers.aws_session import AwsSessions
from producers.recording import Folder, NotRecordedError, Player, Recorder
from producers.runner import play, read_once
from producers.source import SourceError
from schemas.codec import Codec
from schemas.events import CostStatement, PaidRequest, UsageMetrics
from schemas.repository import RepositorySchemas
from spendstream.clock import ManualClock, to_millis
from spendstream.local.simulator import Organisation, SimulatedAWS, SimulatedClock
from spendstream.read_back import read_back
from spendstream.settings import Aws, ConfigurationError, Payer, load
from spendstream.topics import PAID_REQUESTS, STATEMENTS, USAGE

CODEC = Codec(RepositorySchemas())
START = datetime(2026, 3, 10, 12, tzinfo=UTC)
PAYER = "100000000000"
SECRETS = ("sEcReTkEy", "tOkEn", "AKIAEXAMPLE")


@pytest.fixture
def credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SECRETS[2])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRETS[0])
    monkeypatch.setenv("AWS_SESSION_TOKEN", SECRETS[1])
    return monkeypatch


@pytest.fixture
def aws():
    with SimulatedAWS(Organisation(seed=3), SimulatedClock(START)) as simulated:
        yield simulated


def configured(settings, **sections: object):
    return load(
        kafka=settings.kafka.model_dump(),
        cost_explorer={"enabled": True, "controls": False},
        budget={"usd_per_day": "50", "usd_per_month": "50"},
        **sections,
    )


def statements(settings) -> dict[str, tuple[int, int]]:
    found = {}
    for raw in read_back(settings, STATEMENTS):
        event = CODEC.decode(raw)
        if isinstance(event, CostStatement):
            found[f"{event.day}/{event.account}/{event.service}"] = (event.version, sum(event.effective))
    return found


def test_a_producer_publishes_from_a_recording_what_it_published_when_it_was_made(
    embedded_kafka, aws, credentials, tmp_path
):
    clock = ManualClock(START)
    payers = {"payers": [{"account": PAYER}]}
    recorded = configured(
        embedded_kafka.settings(),
        aws={"endpoint_url": aws.url, **payers},
        recording={"target": str(tmp_path)},
    )
    read_once(recorded, clock)
    aws.clock.set(START + timedelta(hours=8))
    clock.advance(timedelta(hours=8))
    read_once(recorded, clock)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        credentials.delenv(name)
    credentials.setenv("AWS_EC2_METADATA_DISABLED", "true")
    played = configured(
        embedded_kafka.settings(),
        # Nothing answers there: an answer can only come from the recording.
        aws={"endpoint_url": "http://127.0.0.1:9", **payers},
        recording={"play_from": str(tmp_path)},
    )
    reports = play(played)
    assert len(reports) == 2
    assert statements(played) == statements(recorded)
    assert [e for e in map(CODEC.decode, read_back(played, PAID_REQUESTS)) if isinstance(e, PaidRequest)] == []


@pytest.mark.usefixtures("credentials")
def test_no_credential_is_kept(aws, tmp_path):
    recorder = Recorder(Folder(tmp_path), "cost_explorer", ManualClock(START))
    recorder.begin(START, None)
    client = AwsSessions(Aws(endpoint_url=aws.url), recorder).client("ce", "us-east-1", Payer(account=PAYER))
    client.get_cost_and_usage(
        TimePeriod={"Start": "2026-03-08", "End": "2026-03-09"}, Granularity="DAILY", Metrics=["UnblendedCost"]
    )
    files = sorted(tmp_path.rglob("*.json.gz"))
    text = "".join(gzip.decompress(path.read_bytes()).decode() for path in files)
    assert len(files) == 2
    assert "2026-03-08" in text
    assert not [secret for secret in SECRETS if secret in text]


@pytest.mark.usefixtures("credentials")
def test_an_answer_that_holds_credentials_is_never_kept(tmp_path):
    recorder = Recorder(Folder(tmp_path), "cost_explorer", ManualClock(START))
    client = boto3.client("sts", region_name="us-east-1")
    recorder.attach(client, "")
    answer = SimpleNamespace(status_code=200, headers={}, content=b"<Credentials>ASIA</Credentials>")
    model = client.meta.service_model.operation_model("AssumeRole")
    client.meta.events.emit("after-call.sts.AssumeRole", http_response=answer, parsed={}, model=model, context={})
    assert list(tmp_path.rglob("*.gz")) == []


def answering(client: Any, bodies: list[bytes]) -> None:
    """Let a client get these answers, as if they came over the wire."""
    client.meta.events.register(
        "before-call", lambda **_: (SimpleNamespace(status_code=200, headers={}, content=bodies.pop(0)), {})
    )


def answered(tmp_path, body: bytes):
    """A recording of one answer of CloudWatch, as the wire brought it."""
    recorder = Recorder(Folder(tmp_path), "cloudwatch", ManualClock(START))
    recorder.begin(START, START - timedelta(hours=1))
    client = boto3.client("cloudwatch", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    recorder.attach(client, "123")
    answering(client, [body])
    client.list_metrics(Namespace="AWS/EC2")


def test_an_answer_in_any_encoding_comes_back_as_it_was(tmp_path):
    answered(tmp_path, b'{"Metrics": [{"Namespace": "AWS/EC2", "MetricName": "CPUUtilization"}]}')
    player = Player(Folder(tmp_path))
    known = player.begin(*player.runs()[0])
    client = AwsSessions(Aws(), player).client("cloudwatch", "us-east-1", Payer(account="123"))
    assert client.list_metrics(Namespace="AWS/EC2")["Metrics"][0]["MetricName"] == "CPUUtilization"
    assert known == START - timedelta(hours=1)


def test_a_question_that_was_never_asked_has_no_answer_and_says_what_to_do(tmp_path):
    answered(tmp_path, b'{"Metrics": []}')
    player = Player(Folder(tmp_path))
    player.begin(*player.runs()[0])
    client = AwsSessions(Aws(), player).client("cloudwatch", "us-east-1", Payer(account="123"))
    client.list_metrics(Namespace="AWS/EC2")
    with pytest.raises(NotRecordedError, match="no answer to cloudwatch:ListMetrics in us-east-1"):
        client.list_metrics(Namespace="AWS/EC2")


def test_bytes_that_are_no_text_are_kept_whole(tmp_path):
    answered(tmp_path, b"\xbf\xff\x00")
    kept = [json.loads(gzip.decompress(path.read_bytes())) for path in sorted(tmp_path.rglob("0*.json.gz"))]
    assert kept[0]["body_base64"] == "v/8A"


def test_metrics_are_played_too(embedded_kafka, tmp_path):
    catalogue = tmp_path / "catalogue.yaml"
    catalogue.write_text(
        "metrics: [{namespace: AWS/EC2, metric: CPUUtilization, dimensions: [], statistic: Average, period: 300, "
        "unit: Percent}]"
    )
    tape = tmp_path / "tape"
    recorder = Recorder(Folder(tape), "cloudwatch", ManualClock(START))
    recorder.begin(START, None)
    answers = [
        b'{"Metrics": [{"Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "Dimensions": []}]}',
        b'{"MetricDataResults": [{"Id": "m0", "Timestamps": [%d], "Values": [42.5], "StatusCode": "Complete"}]}'
        % (to_millis(START - timedelta(minutes=5)) // 1000),
    ]
    client = boto3.client("cloudwatch", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    recorder.attach(client, "123")
    answering(client, answers)
    client.list_metrics(Namespace="AWS/EC2", MetricName="CPUUtilization", RecentlyActive="PT3H")
    client.get_metric_data(
        MetricDataQueries=[
            {
                "Id": "m0",
                "MetricStat": {
                    "Metric": {"Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "Dimensions": []},
                    "Period": 300,
                    "Stat": "Average",
                },
            }
        ],
        StartTime=START - timedelta(minutes=40),
        EndTime=START,
        ScanBy="TimestampAscending",
    )
    settings = load(
        kafka=embedded_kafka.settings().kafka.model_dump(),
        cloudwatch={"enabled": True, "catalogue": str(catalogue), "accounts": [{"account": "123"}]},
        recording={"play_from": str(tape)},
    )
    play(settings)
    events = [e for e in map(CODEC.decode, read_back(settings, USAGE)) if isinstance(e, UsageMetrics)]
    assert [list(event.values) for event in events] == [[42.5]]


def test_an_answer_that_cannot_be_kept_is_told_and_names_the_setting(tmp_path):
    (tmp_path / "cloudwatch").write_text("a file where a folder should be")
    with pytest.raises(SourceError, match=r"an answer cannot be kept: .*; mend recording\.target"):
        answered(tmp_path, b"{}")


def test_files_of_others_are_no_part_of_a_recording(tmp_path):
    answered(tmp_path, b"{}")
    (tmp_path / "notes.json.gz").write_bytes(b"")
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c.json.gz").write_bytes(b"")
    assert Player(Folder(tmp_path)).runs() == [(START, "cloudwatch")]


def test_an_empty_folder_is_no_recording(embedded_kafka, tmp_path):
    settings = configured(embedded_kafka.settings(), recording={"play_from": str(tmp_path)})
    with pytest.raises(ConfigurationError, match=r"recording\.play_from holds no recording"):
        play(settings)


def test_a_recording_of_a_source_that_is_not_configured_says_so(embedded_kafka, tmp_path):
    answered(tmp_path, b'{"Metrics": []}')
    settings = configured(
        embedded_kafka.settings(),
        aws={"payers": [{"account": PAYER}]},
        recording={"play_from": str(tmp_path)},
    )
    with pytest.raises(ConfigurationError, match="the recording is of cloudwatch too"):
        play(settings)


def test_a_recording_is_made_or_played(tmp_path):
    with pytest.raises(ConfigurationError, match="target and play_from cannot both be set"):
        load(recording={"target": str(tmp_path), "play_from": str(tmp_path)})
