"""The simulated Price List: the price of a usage type is the one on the bill."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from botocore.exceptions import ClientError

from spendstream.local.simulator import Incident, Organisation, Scope, SimulatedAWS, SimulatedClock
from tests.spendstream.local.simulator.conftest import NOW


def match(field: str, value: str) -> dict[str, str]:
    return {"Type": "TERM_MATCH", "Field": field, "Value": value}


def price(product: str) -> Decimal:
    (term,) = json.loads(product)["terms"]["OnDemand"].values()
    (tier,) = term["priceDimensions"].values()
    return Decimal(tier["pricePerUnit"]["USD"])


def test_usage_times_price_is_the_cost_on_the_bill(connect, aws):
    filters = [match("usagetype", "DataTransfer-Out-Bytes"), match("regionCode", "us-east-1")]
    (product,) = connect("pricing").get_products(ServiceCode="AmazonCloudFront", Filters=filters)["PriceList"]
    day = aws.model.day(date(2026, 3, 5), NOW)
    row = next(n for n, s in enumerate(aws.model.series) if s.usage_type == "DataTransfer-Out-Bytes")
    for quantity, cost in zip(day.quantity[row], day.cost[row], strict=True):
        assert Decimal(int(quantity)).scaleb(-4) * price(product) == Decimal(int(cost)).scaleb(-10)


def test_a_price_that_changed_is_told_from_then_on(connect):
    start = datetime(2026, 3, 15, 12, tzinfo=UTC)
    dearer = Incident("dearer", "price_change", start, Scope(service="Amazon CloudFront"), 2.0)
    told = []
    for now in (datetime(2026, 3, 15, 11, tzinfo=UTC), start):
        with SimulatedAWS(Organisation(seed=7, accounts=1, incidents=[dearer]), SimulatedClock(now)) as aws:
            client = connect("pricing", endpoint_url=aws.url)
            told.append(price(client.get_products(ServiceCode="AmazonCloudFront")["PriceList"][0]))
    assert told == [Decimal("0.085"), Decimal("0.17")]


def test_products_come_in_pages(connect):
    client = connect("pricing")
    pages = list(
        client.get_paginator("get_products").paginate(ServiceCode="AmazonEC2", PaginationConfig={"PageSize": 4})
    )
    assert len(pages) > 2
    products = [product for page in pages for product in page["PriceList"]]
    assert products == client.get_products(ServiceCode="AmazonEC2")["PriceList"]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"ServiceCode": "AmazonTeapot"}, "NotFoundException"),
        (
            {"ServiceCode": "AmazonS3", "Filters": [{"Type": "CONTAINS", "Field": "usagetype", "Value": "x"}]},
            "InvalidParameterException",
        ),
    ],
)
def test_a_wrong_question_has_the_code_of_aws(connect, request_, code):
    with pytest.raises(ClientError, match=code):
        connect("pricing").get_products(**request_)
