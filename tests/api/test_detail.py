"""Services and resources, against sums that the test makes itself."""

from dataclasses import replace
from datetime import timedelta

from tests.api.serving import Serve
from tests.processors.histories import DAY, UNIT, closes, statement

MARCH = "from=2026-02-01&to=2026-03-31"
METERED = replace(
    statement("EC2", 1, [("us-east-1", "BoxUsage", 3), ("us-east-1", "BoxUsage", 4), ("eu-west-1", "Disk", 10)]),
    quantity=[10 * UNIT, 4 * UNIT, 0],
    quantity_absent=[2],
    details=["", "Hrs", "i-1", "i-2"],
    unit=[1, 1, 0],
    resource=[2, 3, 2],
)
EVENTS = [
    METERED,
    statement("EC2", 1, [("", "Tax", 2)], account="222", day=DAY - timedelta(days=1), kind=5),
    statement("S3", 1, [("us-east-1", "Storage", 50)]),
    *closes("r1"),
]


async def test_a_service_is_told_by_every_breakdown_with_the_price_of_a_unit(serve: Serve):
    async with serve(EVENTS) as api:
        answer = await (await api.get(f"/v1/services/EC2?{MARCH}")).json()
    assert answer["total"] == [{"currency": "USD", "cost": "19"}]
    assert [(row["day"], row["cost"]) for row in answer["by_day"]] == [("2026-03-08", "2"), ("2026-03-09", "17")]
    assert [(row["account"], row["cost"]) for row in answer["by_account"]] == [("111", "17"), ("222", "2")]
    assert [(row["region"], row["cost"]) for row in answer["by_region"]] == [
        ("eu-west-1", "10"),
        ("us-east-1", "7"),
        ("", "2"),
    ]
    prices = {row["usage_type"]: (row["unit"], row["quantity"], row["unit_price"]) for row in answer["by_usage_type"]}
    assert prices == {"BoxUsage": ("Hrs", "14", "0.5"), "Disk": ("", None, None), "Tax": ("", None, None)}


async def test_the_dearest_come_first_and_days_are_never_cut(serve: Serve):
    async with serve(EVENTS) as api:
        answer = await (await api.get(f"/v1/services/EC2?{MARCH}&limit=1&filter.account=111,222")).json()
    assert [row["region"] for row in answer["by_region"]] == ["eu-west-1"]
    assert len(answer["by_day"]) == 2


async def test_a_service_without_a_line_is_not_found(serve: Serve):
    async with serve(EVENTS) as api:
        answer = await api.get(f"/v1/services/EC3?{MARCH}")
        assert answer.status == 404
        problem = await answer.json(content_type="application/problem+json")
    assert "/v1/dimensions/service/values" in problem["detail"]


async def test_resources_are_paged_the_dearest_first(serve: Serve):
    async with serve(EVENTS) as api:
        whole = (await (await api.get(f"/v1/resources?{MARCH}")).json())["rows"]
        found, cursor = [], ""
        while cursor is not None:
            page = await (await api.get(f"/v1/resources?{MARCH}&limit=1{cursor and '&cursor='}{cursor}")).json()
            found += page["rows"]
            cursor = page["next_cursor"]
        csv = await (await api.get(f"/v1/resources?{MARCH}&filter.region=eu-west-1&format=csv")).text()
    assert [(row["resource"], row["region"], row["cost"]) for row in whole] == [
        ("i-1", "eu-west-1", "10"),
        ("i-2", "us-east-1", "4"),
        ("i-1", "us-east-1", "3"),
    ]
    assert found == whole
    assert csv.splitlines()[1] == "USD,AWS,111,EC2,eu-west-1,i-1,2026-03-09,2026-03-09,10"
