"""What a row of a FOCUS export becomes, and what is said of one that cannot be taken."""

from datetime import date

import pytest

from processors.series import ChargeKind
from producers.focus_columns import RowError, missing_columns, parse_row

ROW = {
    "BilledCost": "0.00000080000",
    "BillingAccountId": "123",
    "BillingCurrency": "USD",
    "BillingPeriodStart": "2024-09-01 00:00:00",
    "ChargeCategory": "Usage",
    "ChargeClass": "NULL",
    "ChargePeriodStart": "2024-09-18 22:00:00",
    "ChargePeriodEnd": "2024-09-18 23:00:00",
    "ChargeFrequency": "Usage-Based",
    "EffectiveCost": "0.5",
    "ListCost": "NULL",
    "ProviderName": "AWS",
    "PublisherName": "Amazon Web Services, Inc.",
    "ServiceName": "Amazon SQS",
    "SubAccountId": "456",
    "RegionId": "us-west-2",
    "SkuId": "G95",
    "Tags": '{"team": "search", " team": "x"}',
}


def test_a_row_becomes_a_scope_and_a_line():
    scope, line, _ = parse_row(ROW, "focus.main")
    assert (scope.day, scope.billing_period, scope.account) == (date(2024, 9, 18), date(2024, 9, 1), "456")
    assert (line.kind, line.billed, line.effective, line.hour) == (ChargeKind.USAGE, 8 * 10**11, 5 * 10**17, 22)
    assert (line.charge_class, line.list_cost) == ("", None)
    assert line.tags == {"team": "search", " team": "x"}


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("BilledCost", "1e-19", "BilledCost: 1e-19 is finer than"),
        ("BilledCost", "many", "BilledCost: 'many' is not a decimal number"),
        ("BilledCost", "NaN", "BilledCost: 'NaN' is not a finite number"),
        ("EffectiveCost", "NULL", "EffectiveCost is empty"),
        ("BillingCurrency", "XQZ", "BillingCurrency: 'XQZ' is not an ISO 4217 currency code"),
        ("ChargePeriodStart", "yesterday", "ChargePeriodStart is 'yesterday'"),
        ("ServiceName", "", "ServiceName is empty"),
        ("Tags", "{not json", "Tags is no JSON"),
        ("Tags", "[1]", "Tags is no JSON object"),
    ],
)
def test_a_row_that_cannot_be_taken_says_which_column_and_why(column, value, reason):
    with pytest.raises(RowError) as error:
        parse_row({**ROW, column: value}, "focus.main")
    assert str(error.value).startswith(reason)


@pytest.mark.parametrize(
    ("category", "frequency", "commitment", "publisher", "kind"),
    [
        ("Purchase", "Recurring", "", "Amazon Web Services, Inc.", ChargeKind.RECURRING_FEE),
        ("Purchase", "One-Time", "arn:sp", "Amazon Web Services, Inc.", ChargeKind.COMMITMENT),
        ("Purchase", "One-Time", "", "Datadog", ChargeKind.MARKETPLACE),
        ("Usage", "Usage-Based", "arn:sp", "Amazon Web Services, Inc.", ChargeKind.USAGE),
        ("Tax", "One-Time", "", "Amazon Web Services, Inc.", ChargeKind.TAX),
        ("Credit", "One-Time", "", "Amazon Web Services, Inc.", ChargeKind.CREDIT),
        ("Something new", "", "", "Amazon Web Services, Inc.", ChargeKind.ADJUSTMENT),
    ],
)
def test_charge_classes_are_kept_apart(category, frequency, commitment, publisher, kind):
    row = {
        **ROW,
        "ChargeCategory": category,
        "ChargeFrequency": frequency,
        "CommitmentDiscountId": commitment,
        "PublisherName": publisher,
    }
    assert parse_row(row, "focus.main")[1].kind == kind


def test_a_file_without_a_mandatory_column_is_named():
    assert missing_columns([name for name in ROW if name != "BilledCost"]) == ["BilledCost"]
