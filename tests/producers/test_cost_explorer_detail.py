"""Any bill that Cost Explorer could tell: its detail and its views say every dollar once, in the right class."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.series import ChargeKind
from producers.budget import NoBudget, Purpose
from producers.charge_kind import of_record_type
from producers.cost_explorer_detail import Detail, DetailReader
from producers.cost_explorer_plan import Change
from producers.cost_explorer_query import Asker
from producers.cost_explorer_totals import USAGE, ask_totals, window
from producers.cost_explorer_views import UNTAGGED, ask_view
from producers.source import SourceError
from producers.statement import Line, unfold
from spendstream.clock import ManualClock
from spendstream.settings import CostExplorer as Options
from tests.producers.bill_client import BillClient, Entry
from tests.producers.test_cost_explorer import deploying

DAY = date(2026, 3, 9)
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
PURPOSE = Purpose("ce:GetCostAndUsage", "payer", "test")
RECORD_TYPES = [*USAGE["Dimensions"]["Values"], "Tax", "Credit", "Refund", "Recurring", "Support fee", "New programme"]
ENTRIES = st.lists(
    st.builds(
        Entry,
        day=st.integers(0, 3).map(lambda number: DAY - timedelta(days=number)),
        account=st.sampled_from("123"),
        service=st.sampled_from(["EC2", "S3", "Seller"]),
        region=st.sampled_from(["us-east-1", "eu-west-1", "NoRegion"]),
        usage_type=st.sampled_from(["Hours", "NoUsageType"]),
        record_type=st.sampled_from(RECORD_TYPES),
        entity=st.sampled_from(["AWS", "AWS Marketplace"]),
        team=st.sampled_from(["", "search", "shop"]),
        billed=st.integers(0, 10**12),
        effective=st.integers(0, 10**12),
        hour=st.integers(0, 23),
    ),
    max_size=12,
)


@pytest.fixture
def deployed(embedded_kafka, monkeypatch):
    yield from deploying(embedded_kafka, monkeypatch)


def asker(client: BillClient) -> Asker:
    return Asker(client, NoBudget(ManualClock(NOW)), net=False)


def detail_of(client: BillClient, *, days: int = 4, **options: object) -> Detail:
    """Everything is read for the first time."""
    span = DAY - timedelta(days=days - 1), DAY
    asking = asker(client)
    totals = ask_totals(asking, *span, PURPOSE)
    changes = {key: Change(key[1], key[2], key[0], abs(total.effective)) for key, total in totals.items()}
    return DetailReader(asking, Options(**options), "payer", span, NOW).read(changes, totals)


def by_kind(lines: Sequence[tuple[tuple[object, ...], Line]]) -> dict[tuple[object, ...], tuple[int, int]]:
    """Billed and effective by scope and charge class, without zeros."""
    billed: Counter[tuple[object, ...]] = Counter()
    effective: Counter[tuple[object, ...]] = Counter()
    for key, line in lines:
        billed[*key, line.kind] += line.billed
        effective[*key, line.kind] += line.effective
    return {key: (billed[key], effective[key]) for key in billed if billed[key] or effective[key]}


def kind_of(entry: Entry) -> ChargeKind:
    kind = of_record_type(entry.record_type)[0]
    sold = entry.entity == "AWS Marketplace" and kind in {ChargeKind.USAGE, ChargeKind.RECURRING_FEE}
    return ChargeKind.MARKETPLACE if sold else kind


def truth(entries: Sequence[Entry], *names: str) -> dict[tuple[object, ...], tuple[int, int]]:
    lines = [
        (
            tuple(getattr(entry, name) for name in names),
            Line(kind_of(entry), entry.billed * 10**8, entry.effective * 10**8),
        )
        for entry in entries
    ]
    return by_kind(lines)


def one_seller_a_fee(entries: Sequence[Entry]) -> list[Entry]:
    """A fee of one service is sold by AWS or by others, never by both; usage may be sold by both."""
    sellers: dict[tuple[str, str], str] = {}
    return [
        entry
        if entry.record_type in USAGE["Dimensions"]["Values"]
        else Entry(**{**vars(entry), "entity": sellers.setdefault((entry.service, entry.record_type), entry.entity)})
        for entry in entries
    ]


@given(entries=ENTRIES)
@settings(deadline=None, max_examples=80)
def test_detail_says_every_dollar_once_in_its_class(entries):
    entries = one_seller_a_fee(entries)
    detail = detail_of(BillClient(entries))
    lines = [
        ((day, account, service), line)
        for found in (detail.usage, detail.other)
        for (day, account, service), lines in found.items()
        for line in lines
    ]
    assert by_kind(lines) == truth(entries, "day", "account", "service")


@given(entries=ENTRIES)
@settings(deadline=None, max_examples=80)
def test_a_view_says_every_dollar_once_in_its_class(entries):
    found = ask_view(asker(BillClient(entries)), "tag:team", (DAY - timedelta(days=3), DAY), PURPOSE)
    lines = [((key[0], line.tags["tag:team"]), line) for key, line, _ in found]
    expected = {
        (day, team or UNTAGGED, kind): amounts for (day, team, kind), amounts in truth(entries, "day", "team").items()
    }
    assert by_kind(lines) == expected


def test_the_simulated_bill_stands_in_the_statements_by_class_billed_and_effective(deployed):
    deployment = deployed()
    deployment.read()
    first, last = window(deployment.clock, deployment.settings.cost_explorer)
    expected: dict[tuple[object, ...], tuple[int, int]] = {}
    for number in range(first.toordinal(), last.toordinal() + 1):
        day = date.fromordinal(number)
        known = deployment.model.day(day, deployment.simulated.now())
        billed, effective = (known.of(name).sum(axis=1) for name in ("UnblendedCost", "AmortizedCost"))
        for row, series in enumerate(deployment.model.series):
            entry = Entry(day, record_type=series.record_type, entity=series.billing_entity)
            key = (day, series.account, series.service, kind_of(entry))
            so_far = expected.get(key, (0, 0))
            expected[key] = (so_far[0] + int(billed[row]) * 10**8, so_far[1] + int(effective[row]) * 10**8)
    lines = [(key, line) for key, event in deployment.statements().items() for line in unfold(event)]
    assert by_kind(lines) == {key: amounts for key, amounts in expected.items() if any(amounts)}
    # Commitments make the two differ, and a seller's usage is told apart.
    assert any(billed != effective for billed, effective in expected.values())
    assert {ChargeKind.USAGE, ChargeKind.MARKETPLACE, ChargeKind.RECURRING_FEE} <= {key[3] for key in expected}


def test_what_has_no_region_or_usage_type_names_none():
    bill = BillClient([Entry(DAY, region="NoRegion", usage_type="NoUsageType", billed=5, effective=5)])
    (line,) = detail_of(bill).usage[DAY, "1", "EC2"]
    assert (line.region, line.usage_type) == ("", "")


@pytest.mark.parametrize(
    ("answers", "told", "waits"),
    [(2, set(), {"EC2", "RDS", "S3"}), (5, {"EC2"}, {"RDS", "S3"}), (9, {"EC2", "RDS", "S3"}, set())],
)
def test_what_aws_does_not_answer_waits_and_what_it_did_answer_is_kept(answers, told, waits):
    entries = [
        Entry(DAY, service=name, billed=size, effective=size) for name, size in (("EC2", 9), ("RDS", 5), ("S3", 1))
    ]
    detail = detail_of(BillClient(entries, answers=answers))
    assert {service for (_, _, service), lines in detail.usage.items() if lines} == told
    assert {service for _, _, service in detail.left_out} == waits


def test_hours_are_asked_where_they_are_kept_and_days_before():
    bill = BillClient(
        [Entry(DAY - timedelta(days=age), billed=100, effective=100, hour=7) for age in range(20)],
    )
    usage = detail_of(bill, days=20, hourly=True).usage
    hours = {day: [line.hour for line in lines] for (day, _, _), lines in usage.items()}
    assert hours == {
        DAY - timedelta(days=age): [7] if NOW.date() - timedelta(days=13) <= DAY - timedelta(days=age) else [-1]
        for age in range(20)
    }


@pytest.mark.parametrize("code", ["DataUnavailableException", "ValidationException", "AccessDeniedException"])
def test_an_account_without_hours_is_read_by_the_day_and_asked_for_hours_once(code, caplog):
    entries = [Entry(DAY, account=account, billed=100, effective=100) for account in "12"]
    bill = BillClient(entries, refusals={"HOURLY": code})
    usage = detail_of(bill, hourly=True).usage
    assert [line.hour for lines in usage.values() for line in lines] == [-1, -1]
    assert [request["Granularity"] for request in bill.asked].count("HOURLY") == 1
    assert "enable hourly data at AWS, or unset cost_explorer.hourly" in caplog.text


def test_an_error_that_is_not_about_hours_is_not_hidden_by_them():
    refusals = dict.fromkeys(("HOURLY", "DAILY"), "AccessDeniedException")
    with pytest.raises(SourceError, match="allow the action"):
        detail_of(BillClient([], refusals=refusals), hourly=True)
