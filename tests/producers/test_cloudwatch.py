"""Metrics to events: discovery, batches, late points, failures of a part, and what it costs."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from producers.budget import Budget
from producers.cloudwatch import CloudWatch
from producers.cloudwatch_catalogue import load
from producers.runs import Runs
from producers.sender import Sender
from producers.source import SourceError
from schemas.codec import Codec
from schemas.events import PaidRequest, UsageMetrics
from schemas.repository import RepositorySchemas
from spendstream.clock import ManualClock, from_millis
from spendstream.read_back import read_back
from spendstream.settings import Budget as Caps
from spendstream.settings import CloudWatch as Options
from spendstream.settings import ConfigurationError, Payer
from spendstream.topics import PAID_REQUESTS, USAGE
from tests.producers.fake_cloudwatch import FakeCloudWatch, FakeSessions

CODEC = Codec(RepositorySchemas())
NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
NAT = ("AWS/NATGateway", "BytesInFromSource", {"NatGatewayId": "nat-1"})
CPU = ("AWS/EC2", "CPUUtilization", {"InstanceId": "i-1"})
CATALOGUE = """
region_prefixes: {us-east-1: "", eu-central-1: EUC1-}
metrics:
  - {namespace: AWS/Billing, metric: EstimatedCharges, dimensions: [Currency], regions: [us-east-1],
     statistic: Maximum, period: 3600, unit: USD, differenced: true}
  - {namespace: AWS/NATGateway, metric: BytesInFromSource, dimensions: [NatGatewayId], statistic: Sum, period: 300,
     unit: Bytes, service: EC2 - Other, usage: {type: "{region}NatGateway-Bytes", unit: GB, factor: 1/1073741824}}
  - {namespace: AWS/EC2, metric: CPUUtilization, dimensions: [InstanceId], statistic: Average, period: 300,
     unit: Percent}
  - {namespace: AWS/S3, metric: NumberOfObjects, dimensions: [BucketName, StorageType],
     where: {StorageType: AllStorageTypes}, statistic: Average, period: 86400, every: 21600, unit: Count}
"""


class Account:
    """A source that reads fakes, on a Kafka with topics of its own."""

    def __init__(self, settings, folder) -> None:
        self.settings = settings
        self.clock = ManualClock(NOON + timedelta(seconds=20))
        self.sessions = FakeSessions({})
        self.catalogue = folder / "catalogue.yaml"
        self.catalogue.write_text(CATALOGUE)
        self.caps = Caps()

    def source(self, **options: object) -> CloudWatch:
        made = Options(enabled=True, catalogue=self.catalogue, **options)
        budget = Budget(self.caps, Sender(self.settings, self.clock))
        sender = Sender(self.settings, self.clock)
        return CloudWatch(made, self.sessions, budget, sender, Runs(Sender(self.settings, self.clock)))  # type: ignore[arg-type]

    def region(self, region: str = "us-east-1", account: str = "123") -> FakeCloudWatch:
        return self.sessions.fakes.setdefault((account, region), FakeCloudWatch(region))

    def events(self) -> list[UsageMetrics]:
        decoded = (CODEC.decode(value) for value in read_back(self.settings, USAGE))
        return sorted(
            (e for e in decoded if isinstance(e, UsageMetrics)), key=lambda e: (e.version, e.region, e.metric)
        )

    def paid(self) -> list[PaidRequest]:
        decoded = (CODEC.decode(value) for value in read_back(self.settings, PAID_REQUESTS))
        return [event for event in decoded if isinstance(event, PaidRequest)]

    def values(self) -> dict[datetime, float]:
        """What a reader of all events holds: the newest version of each point."""
        return {
            from_millis(at): value
            for event in self.events()
            for at, value in zip(event.starts, event.values, strict=True)
        }


@pytest.fixture
def account(embedded_kafka, tmp_path):
    return Account(embedded_kafka.settings(), tmp_path)


def test_a_metric_becomes_an_event_with_what_turns_it_into_priced_usage(account):
    account.region("eu-central-1").put(*NAT, NOON - timedelta(minutes=5), 2.0**31)
    report = account.source(regions=("eu-central-1",)).run_once()
    event = account.events()[0]
    assert (report.statements, report.lines) == (1, 1)
    assert (event.usage_type, event.usage_unit, event.factor) == (
        "EUC1-NatGateway-Bytes",
        "GB",
        Decimal("9.31322575E-10"),
    )
    assert (event.account, event.region, event.dimensions) == ("123", "eu-central-1", {"NatGatewayId": "nat-1"})
    assert (list(event.starts), list(event.values)) == ([1_773_143_700_000], [2.0**31])


def test_a_region_whose_prefix_nobody_knows_has_no_usage_type(account):
    account.region("xx-new-1").put(*NAT, NOON - timedelta(minutes=5), 1.0)
    account.source(regions=("xx-new-1",)).run_once()
    assert account.events()[0].usage_type is None


def test_only_new_and_changed_points_are_published_again(account):
    region, source = account.region(), account.source()
    region.put(*CPU, NOON - timedelta(minutes=10), 10.0)
    region.put(*CPU, NOON - timedelta(minutes=5), 20.0)
    source.run_once()
    region.put(*CPU, NOON - timedelta(minutes=10), 11.0)
    region.put(*CPU, NOON, 30.0)
    account.clock.advance(timedelta(minutes=5))
    source.run_once()
    first, second = account.events()
    assert len(first.starts) == 2
    assert [from_millis(at) for at in second.starts] == [NOON - timedelta(minutes=10), NOON]
    assert account.values() == {
        NOON - timedelta(minutes=10): 11.0,
        NOON - timedelta(minutes=5): 20.0,
        NOON: 30.0,
    }


def test_a_point_is_complete_when_it_can_no_longer_change(account):
    source = account.source(reread_minutes=30)
    account.region().put(*CPU, NOON - timedelta(minutes=5), 20.0)
    for _ in range(8):
        source.run_once()
        account.clock.advance(timedelta(minutes=5))
    assert [list(event.complete) for event in account.events()] == [[False], [True]]


def test_after_downtime_the_points_since_the_last_good_run_are_read(account):
    Runs(Sender(account.settings, account.clock)).keep("cloudwatch", NOON - timedelta(hours=6), good=True, note="")
    account.region().put(*CPU, NOON - timedelta(hours=5), 1.0)
    account.source().run_once()
    assert account.values() == {NOON - timedelta(hours=5): 1.0}


def test_a_resource_that_was_found_late_is_read_from_its_beginning(account):
    region, source = account.region(), account.source(discover_minutes=60)
    region.put(*CPU, NOON - timedelta(minutes=5), 1.0)
    source.run_once()
    for minutes in range(0, 60, 5):
        region.put("AWS/EC2", "CPUUtilization", {"InstanceId": "i-2"}, NOON + timedelta(minutes=minutes), 2.0)
    account.clock.advance(timedelta(minutes=60))
    source.run_once()
    assert min(at for at, value in account.values().items() if value == 2.0) == NOON


def test_estimated_charges_are_published_as_increases(account):
    charges = ("AWS/Billing", "EstimatedCharges", {"Currency": "USD"})
    for hours, total in ((60, 900.0), (36, 1000.0), (12, 1070.0), (6, 1090.0)):
        account.region().put(*charges, NOON - timedelta(hours=hours), total)
    account.source().run_once()
    assert account.events()[0].statistic == "Increase"
    assert list(account.values().values()) == [100.0, 70.0, 20.0]


def test_a_metric_of_a_day_is_asked_for_four_times_a_day(account):
    region, source = account.region(), account.source()
    region.put("AWS/S3", "NumberOfObjects", {"BucketName": "b", "StorageType": "AllStorageTypes"}, NOON, 5.0)
    for _ in range(24 * 2):
        source.run_once()
        account.clock.advance(timedelta(minutes=30))
    assert len(region.asked("GetMetricData")) == 4


def test_other_dimensions_of_the_same_metric_are_left_alone(account):
    account.region().put("AWS/EC2", "CPUUtilization", {"AutoScalingGroupName": "g"}, NOON - timedelta(minutes=5), 1.0)
    account.source().run_once()
    assert account.events() == []


def test_pages_and_batches_are_joined(account):
    region = account.region()
    region.page_size = 400
    for number in range(1100):
        region.put("AWS/EC2", "CPUUtilization", {"InstanceId": f"i-{number}"}, NOON - timedelta(minutes=5), number)
    report = account.source().run_once()
    calls = region.asked("GetMetricData")
    assert (report.statements, len(account.events())) == (1100, 1100)
    assert [len(call["MetricDataQueries"]) for call in calls] == [500, 500, 500, 500, 100]
    assert sorted(value for event in account.events() for value in event.values) == list(range(1100))


def test_no_more_metrics_are_read_than_allowed_and_the_first_of_the_catalogue_come_first(account):
    account.region().put(*CPU, NOON - timedelta(minutes=5), 1.0)
    account.region().put(*NAT, NOON - timedelta(minutes=5), 1.0)
    report = account.source(max_metrics=1).run_once()
    assert [event.metric for event in account.events()] == ["BytesInFromSource"]
    assert report.left_out == 1


def test_a_region_that_fails_is_read_later_from_where_it_stood_and_holds_up_no_other(account):
    good, bad = account.region("us-east-1"), account.region("eu-central-1")
    source = account.source(regions=("us-east-1", "eu-central-1"))
    good.put(*CPU, NOON - timedelta(minutes=5), 1.0)
    bad.put(*NAT, NOON - timedelta(minutes=5), 7.0)
    bad.refusals = ["AccessDeniedException"]
    with pytest.raises(SourceError, match=r"in eu-central-1: AccessDeniedException.*allow the action"):
        source.run_once()
    assert [event.region for event in account.events()] == ["us-east-1"]
    account.clock.advance(timedelta(minutes=1))
    source.run_once()
    assert [event.region for event in account.events()] == ["us-east-1", "eu-central-1"]
    assert len(good.asked("GetMetricData")) == 1


def test_an_account_whose_role_cannot_be_assumed_holds_up_no_other(account):
    account.sessions.unreachable = {"222"}
    account.region(account="111").put(*CPU, NOON - timedelta(minutes=5), 1.0)
    accounts = (Payer(account="222", role_arn="arn:aws:iam::222:role/r"), Payer(account="111"))
    with pytest.raises(SourceError, match="role arn:aws:iam::222:role/r cannot be assumed"):
        account.source(accounts=accounts, billing_account="999").run_once()
    assert [(event.account, event.billing_account) for event in account.events()] == [("111", "999")]


def test_a_metric_that_aws_could_not_compute_is_a_failure_not_a_gap(account):
    account.region().put(*CPU, NOON - timedelta(minutes=5), 1.0)
    account.region().status = "InternalError"
    with pytest.raises(SourceError, match=r"CPUUtilization .* InternalError"):
        account.source().run_once()


def test_a_monitoring_account_reads_what_others_share_with_it(account):
    account.region().put(*CPU, NOON - timedelta(minutes=5), 1.0, owner="456")
    account.source(linked_accounts=True).run_once()
    query = account.region().asked("GetMetricData")[0]["MetricDataQueries"][0]
    assert (query["AccountId"], account.events()[0].account) == ("456", "456")


def test_every_request_is_paid_and_a_failed_one_is_free(account):
    region = account.region()
    region.put(*CPU, NOON - timedelta(minutes=5), 1.0)
    account.source().run_once()
    costs = [(event.api, event.cost) for event in account.paid()]
    assert costs.count(("cloudwatch:GetMetricData", Decimal("0.00001"))) == 1
    assert costs.count(("cloudwatch:ListMetrics", Decimal("0.00001"))) == 4
    region.refusals = ["Throttling"]
    account.clock.advance(timedelta(minutes=5))
    with pytest.raises(SourceError, match="throttles"):
        account.source().run_once()
    assert account.paid()[-1].outcome == "failed"


def test_beyond_the_polling_budget_nothing_is_asked_and_it_is_told(account):
    account.region().put(*CPU, NOON - timedelta(minutes=5), 1.0)
    account.caps = Caps(usd_per_day="0.00008")
    report = account.source(budget_share=0.5).run_once()
    assert (report.left_out, account.region().asked("GetMetricData")) == (1, [])


def test_the_projects_own_catalogue_can_be_used():
    catalogue = load(None)
    assert {kind.namespace for kind in catalogue.metrics} >= {
        "AWS/EC2",
        "AWS/Lambda",
        "AWS/RDS",
        "AWS/S3",
        "AWS/Billing",
    }
    assert all(kind.usage.decimal() > 0 for kind in catalogue.metrics if kind.usage)


@pytest.mark.parametrize(
    ("changed", "to", "message"),
    [
        ("statistic: Sum", "statistic: Median", r"metrics\.1\.statistic"),
        ("factor: 1/1073741824", "factor: much", "no number and no fraction"),
        ("factor: 1/1073741824", "factor: 1/0", "no number and no fraction"),
        ("{region}NatGateway", "{zone}NatGateway", "a name in braces is region or a dimension"),
        ("where: {StorageType", "where: {Colour", "where names Colour"),
        ("metrics:", "metrics: [", "is no YAML"),
        ("unit: Percent", "unit: Percent, colour: red", r"metrics\.2\.colour"),
    ],
)
def test_a_catalogue_that_cannot_be_used_says_where_and_why(tmp_path, changed, to, message):
    path = tmp_path / "own.yaml"
    path.write_text(CATALOGUE.replace(changed, to, 1))
    with pytest.raises(ConfigurationError, match=message):
        load(path)


def test_a_catalogue_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"none\.yaml cannot be read: No such file"):
        load(tmp_path / "none.yaml")
