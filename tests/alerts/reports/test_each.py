"""A report for each team or account: who gets it, and that each gets its own, once."""

import json
from dataclasses import replace

import pytest

from alerts.reports.addressees import editions, told_of
from alerts.reports.log import Key, key_of
from alerts.reports.report import Report
from alerts.routes import Routing
from schemas.events import CostReport
from spendstream.clock import ManualClock
from spendstream.topics import REPORTS
from tests.alerts.reports.bills import reading, write
from tests.alerts.reports.facts import report
from tests.alerts.reports.test_report import TOLD
from tests.alerts.reports.test_service import by_hand_now, log_of, read, reporting, wait_until
from tests.alerts.web_double import WebDouble
from tests.processors.histories import DAY, NOW

RECEIVERS = [
    {"name": name, "channel": "webhook", "url": f"http://x/{name}"} for name in ("all", "search", "ops", "away")
]
ROUTES = {
    "receiver": "all",
    "routes": [
        {"match": ["tag=team", "value=search"], "receiver": "search"},
        {"match": ["owner=ann"], "receiver": "ops"},
        {"match": ["value=phones"], "receiver": "phone"},
        {"match": ["severity=critical"], "receiver": "away"},
    ],
}
PHONE = {"name": "phone", "channel": "sms", "numbers": ["+4930123456"], "region": "eu-west-1"}
OWNERS = [{"where": {"tag": "team", "value": "op*"}, "owner": "ann"}, {"where": {"account": "7*"}, "owner": "ann"}]
ROUTING = Routing.model_validate({"receivers": [*RECEIVERS, PHONE], "route": ROUTES, "owners": OWNERS})
TEAMS: Report = report(id="teams", receivers=["all"], for_each="tag:team")
FILE = """
receivers:
- {{name: all, channel: webhook, url: "{url}/all"}}
- {{name: search, channel: webhook, url: "{url}/search"}}
route: {{receiver: all, routes: [{{match: [tag=team, value=search], receiver: search}}]}}
reports:
- {{id: teams, every: day, for_each: "tag:team", receivers: [all]}}
"""


def found(one: Report, *values: str) -> dict[str | None, tuple[str, ...]]:
    return {made.value: made.receivers for made in editions(ROUTING, one, one.period_of(DAY), values)}


def test_routes_and_owners_name_who_gets_what_and_the_rest_is_in_the_overview():
    assert found(TEAMS, "", "nobody", "operations", "phones", "search") == {
        None: ("all",),
        "operations": ("ops",),
        "search": ("search",),
    }
    assert found(report(for_each="account"), "711", "811") == {None: ("hook",), "711": ("ops",)}


def test_an_edition_is_narrowed_to_its_value_and_the_overview_lists_all():
    whole, search = editions(ROUTING, TEAMS, TEAMS.period_of(DAY), ["search"])
    assert (whole.report.by, dict(whole.report.where)) == ("tag:team", {})
    assert (search.report.by, dict(search.report.where)) == ("service", {"tag:team": ("search",)})


def test_fallbacks_are_told_one_after_the_other():
    chain = [{**one, "fallback": instead} for one, instead in zip(RECEIVERS[1:3], ("ops", "away"), strict=True)]
    routing = Routing.model_validate({"receivers": [RECEIVERS[0], *chain, RECEIVERS[3]], "route": {"receiver": "all"}})
    [edition] = editions(routing, report(receivers=["search"]), TEAMS.period_of(DAY), ())
    log: dict[Key, CostReport] = {}
    assert told_of(routing, edition, log) == {"search": None}
    for name in ("search", "ops"):
        log[key_of(edition, name)] = replace(TOLD, receiver=name, state="expired")
    assert told_of(routing, edition, log) == {"search": None, "ops": "search", "away": "ops"}


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    monkeypatch.setattr("alerts.reports.reporting._LOOK_SECONDS", 0.02)


def test_each_team_gets_its_own_report_once_and_those_of_nobody_are_named(settings):
    search = reading(1, {DAY: {"EC2": 120, "S3": 30}}, account="222", tags=[{"team": "search"}])
    others = reading(2, {DAY: {"EC2": 40}}, account="333", tags=[{"team": "ops"}])
    untagged = reading(3, {DAY: {"RDS": 5}}, account="444")
    write(settings, [*search, *others, *untagged])
    clock = ManualClock(NOW)
    with WebDouble() as double:
        assert settings.alerts.routing is not None
        settings.alerts.routing.write_text(FILE.format(url=double.url))
        with reporting(settings, clock):
            wait_until(lambda: len(log_of(settings)) == 2)
        assert [said for _, said, _ in by_hand_now(settings, clock)] == [
            "nothing sent: told at 2026-03-10 12:00 UTC, complete"
        ] * 2
        assert by_hand_now(settings, clock, value="ops", to="all") == [("all, ops", "sent", True)]
    notes = {got.path: json.loads(got.body)["note"] for got in double.got[:2]}
    assert "Usage by tag:team, 195.00 USD\n  search: 150.00 (new)\n  ops: 40.00 (new)" in notes["/all"]["text"]
    assert "no route names a receiver for them: (none), ops." in notes["/all"]["text"]
    assert "tag:team search" in notes["/search"]["text"]
    assert "  EC2: 120.00 (new)\n  S3: 30.00 (new)" in notes["/search"]["text"]
    assert {(one.value, one.receiver) for one in read(settings, REPORTS)} == {
        (None, "all"), ("search", "search"), ("ops", "all"),
    }  # fmt: skip
