"""Incidents and rules through the API: chosen, paged, one by one."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from schemas.events import IncidentState
from tests.api.incidents import EC2, FIRING, READER, RISE, Served
from tests.api.serving import Serve, land
from tests.processors.histories import DAY, closes, statement


def asked(api: Served, path: str, status: int = 200) -> Any:
    answer = api.ask("GET", path, headers={"Authorization": f"Bearer {READER}"})
    assert answer.status_code == status, answer.text
    return answer if "format=" in path else answer.json()


def ids(api: Served, question: str = "") -> list[str]:
    return [row["id"] for row in asked(api, f"/v1/incidents?{question}")["rows"]]


def test_the_newest_change_comes_first_and_a_newer_version_replaces(api):
    rows = asked(api, "/v1/incidents")["rows"]
    assert [(row["id"], row["state"]) for row in rows[:3]] == [("i1", "firing"), ("i2", "firing"), ("i3", "resolved")]
    assert (rows[0]["account"], rows[0]["impact_so_far"], rows[0]["rules"]) == ("111", "180.5", "rises")
    assert (rows[0]["impact_lower"], rows[0]["impact_upper"]) == ("150.5", "210.5")
    assert (rows[1]["currency"], rows[1]["actual"], rows[1]["account"]) == (None, None, "")


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("state=open", ["i1", "i2", "i4"]),
        ("state=resolved", ["i3"]),
        ("severity=warning", ["i2"]),
        ("kind=budget", ["i2"]),
        ("service=EC2&severity=critical", ["i1"]),
        (f"scope={EC2}&state=resolved", ["i3"]),
        ("owner=nobody", []),
    ],
)
def test_incidents_are_chosen(api, question, found):
    assert ids(api, question) == found


def test_pages_hold_every_incident_once(api):
    first = asked(api, "/v1/incidents?limit=3")
    rest = asked(api, f"/v1/incidents?limit=3&cursor={first['next_cursor']}")
    assert [row["id"] for page in (first, rest) for row in page["rows"]] == ["i1", "i2", "i3", "i4"]
    assert rest["next_cursor"] is None


def test_one_incident_tells_all_that_happened_to_it(api):
    told = asked(api, "/v1/incidents/i1")
    assert told["children"][0] == {"series": f"{EC2}/region=us-east-1", "share": 0.75}
    assert [(move["before"], move["after"], move["by"]) for move in told["transitions"]] == [
        (None, "firing", "spendstream")
    ]
    assert [(alert["rule"], alert["anomaly"], alert["charges"]) for alert in told["alerts"]] == [
        ("rises", "a1", ["usage"])
    ]
    assert [(one["receiver"], one["outcome"]) for one in told["deliveries"]] == [("us", "accepted")]
    assert len(told["feedback"]) == 1
    assert told["labels"] == {"team": "search"}
    assert told["course"][1] == {
        "day": "2026-03-10", "cost": "9.000000000000000001", "lower": "-1", "upper": "0.000000000000000003",
    }  # fmt: skip


async def test_of_an_account_that_rose_as_a_whole_it_is_told_which_services_carry_it(serve: Serve):
    scope = "USD/provider=AWS/account=111"
    days = [DAY - timedelta(days=back) for back in range(15)]
    costs = [
        statement(service, 1, [("", "", 10 + (90 if day == DAY and service == "EC2" else 0))], day=day)
        for day in days
        for service in ("EC2", "S3")
    ]
    rise = replace(RISE, subject=scope, day=DAY, charges=["usage"])
    since = datetime.combine(DAY, time(), UTC)
    wide = replace(FIRING, scope=scope, level="account", children=[], since=since)
    async with serve([*costs, *closes("r1")]) as api:
        land(api.settings, [wide, rise])
        told = await (await api.get(f"/v1/incidents/{FIRING.id}")).json()

    assert told["children"] == [{"series": f"{scope}/service=EC2", "share": 1.0}]


def test_an_incident_that_is_not_there_is_told_as_such(api):
    assert asked(api, "/v1/incidents/nothing", 404)["title"] == "no such incident"


async def test_what_was_just_acknowledged_is_not_read_as_firing(serve: Serve):
    async with serve([], api={"cache_seconds": 60}) as api:
        states: tuple[IncidentState, ...] = ("firing", "acknowledged")
        for version, state in enumerate(states, start=FIRING.version):
            land(api.settings, [replace(FIRING, version=version, state=state)])
            answer = await api.get(f"/v1/incidents/{FIRING.id}")
            assert (await answer.json())["state"] == state
            [row] = (await (await api.get("/v1/incidents")).json())["rows"]
            assert (row["state"], answer.headers["Cache-Control"]) == (state, "private, no-cache")


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_incidents_can_be_had_as_a_file(api, form):
    assert b"rises" in asked(api, f"/v1/incidents?format={form}&state=open").content


def test_rules_are_shown_as_a_file_of_rules_holds_them(api):
    told = asked(api, "/v1/rules")
    assert [(rule["id"], rule["by"], rule["rule"]) for rule in told["rules"]] == [
        ("fees", "ann", {"id": "fees", "kind": "fee"})
    ]
    assert "rules" in asked(api, "/v1/rules/schema")["json_schema"]["properties"]
