"""The pages about incidents: by link, by session, hostile content, and nothing changed but by a form of their own."""

import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from alerts.console import cost_explorer
from alerts.incident_step import IncidentOptions, incident_step
from alerts.links import token
from api.incident_charts import HEIGHT, WIDTH, bars
from api.incident_view import shown
from processors.batch import BatchDriver
from schemas.events import AlertRequest, AnomalyFeedback, Event, Incident
from spendstream.topics import ALERTS
from tests.api.incidents import ANN, EC2, EVENTS, READER, RISE, TODAY, Noted, Served
from tests.api.opened import Opened
from tests.api.serving import land

#: As `/v1/incidents/{id}` answers.
EC2_TOLD: dict[str, Any] = {
    **dict.fromkeys(("owner", "runbook", "snoozed_until", "impact_so_far", "impact_lower", "impact_upper")),
    "impact_to_month_end": None,
    "id": "i1", "state": "firing", "severity": "critical", "scope": EC2, "kind": "anomaly", "rules": "rises",
    "currency": "USD", "says": "it rose", "actual": "90", "expected": "30", "impact_per_day": "60",
    "since": "2026-03-07T00:00:00+00:00", "firing_count": 1,
}  # fmt: skip
OWN = {"Origin": "https://costs.example.com"}


def link(api: Served, incident: str = "i1", days: int = 0) -> str:
    return token(api.settings.alerts, incident, "us", TODAY - timedelta(days=days)) or ""


def path(api: Served, incident: str = "i1") -> str:
    return f"/incidents/{incident}?{urlencode({'t': link(api, incident)})}"


def page(api: Served, address: str, headers: dict[str, str] | None = None) -> Opened:
    answer = api.ask("GET", address, headers=headers)
    assert answer.status_code == 200, answer.text
    return Opened(answer.text)


def answer(api: Served, form: dict[str, str], headers: dict[str, str] = OWN, incident: str = "i1") -> requests.Response:
    return api.ask("POST", f"/incidents/{incident}", data=form, headers=headers)


def sign_in(api: Served, form: dict[str, str]) -> requests.Response:
    return api.ask("POST", "/session", data=form, headers=OWN)


def test_a_link_opens_its_incident_with_what_is_to_be_known(api):
    found = page(api, path(api))
    text = found.text
    assert "EC2 of account 111 rose by 60.00 USD a day" in text
    for part in (
        "90.00 USD",
        "30.00 USD",
        "+1,260.00 USD",
        "likely 150.50 to 210.50 USD",
        "75 %",
        "search@example.com",
        "spendstream: rises",
        "us (slack)",
    ):
        assert part in text
    runbook, console = [one["href"] for one in found.all("a") if "noreferrer" in one.get("rel", "")]
    assert runbook == "https://example.com/costs"
    assert console.startswith("https://us-east-1.console.aws.amazon.com/")
    assert "EC2" in console


def test_nothing_is_loaded_from_elsewhere_stored_or_run(api):
    opened = api.ask("GET", path(api))
    policy = opened.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert opened.headers["Cache-Control"] == "no-store"
    assert opened.headers["Referrer-Policy"] == "same-origin"
    assert "noindex" in opened.headers["X-Robots-Tag"]
    found = Opened(opened.text)
    assert not found.all("script") + found.all("style") + found.all("iframe")
    assert not [name for _, attributes in found.elements for name in attributes if name == "style" or name[:2] == "on"]
    [style] = [one["href"] for one in found.all("link") if one["rel"] == "stylesheet"]
    assert api.ask("GET", f"/incidents/{style}").status_code == 200


def test_opening_a_link_changes_nothing(api):
    for _ in range(2):
        api.ask("GET", path(api) + "&action=resolve&asked=resolve")
        api.ask("HEAD", path(api))
        api.ask("OPTIONS", path(api))
    assert api.sent == []


def test_hostile_text_is_only_text(api):
    found = page(api, path(api, "i4"))
    listed = page(api, "/incidents", with_session(api, READER))
    for opened in (found, listed):
        assert not opened.all("script")
        assert not [one for one in opened.all("a") if one["href"].startswith("javascript")]
        assert "<script>alert('x')</script>" in opened.text
        assert "\u202e" not in opened.text


def test_an_answer_arrives_in_the_receivers_name_and_leads_back(api):
    form = (page(api, path(api))).hidden
    done = answer(api, {**form, "action": "acknowledge", "why": "on\r\nit", "person": "Bob"})
    assert done.status_code == 303
    assert re.match(r"i1\?asked=acknowledge&t=", done.headers["Location"])
    [wish] = api.sent
    assert isinstance(wish, AlertRequest)
    assert (wish.incident, wish.action, wish.by, wish.why) == ("i1", "acknowledge", "Bob (link of us)", "on it")
    shown = page(api, f"/incidents/{done.headers['Location']}")
    assert "You asked to acknowledge it" in shown.text


def test_the_same_form_sent_twice_counts_once(api):
    form = {**(page(api, path(api))).hidden, "action": "resolve"}
    answer(api, form)
    answer(api, form)
    first, second = api.sent
    assert isinstance(first, AlertRequest)
    assert isinstance(second, AlertRequest)
    assert first.id == second.id


def test_what_is_expected_is_told_to_the_incident_and_to_detection(api):
    form = (page(api, path(api))).hidden
    answer(api, {**form, "action": "expect", "last_day": "2026-04-01", "why": "a launch"})
    wish, *words = api.sent
    assert isinstance(wish, AlertRequest)
    assert wish.action == "expect"
    assert {(one.verdict, f"{one.last_day}") for one in words if isinstance(one, AnomalyFeedback)} == {
        ("expected", "2026-04-01")
    }


def test_a_snooze_has_the_end_that_was_chosen(api):
    answer(api, {**(page(api, path(api))).hidden, "action": "snooze", "hours": "24"})
    [wish] = api.sent
    assert isinstance(wish, AlertRequest)
    assert wish.until == TODAY + timedelta(hours=24)


def test_a_verdict_is_feedback_alone(api):
    answer(api, {**(page(api, path(api))).hidden, "action": "false"})
    assert {type(one) for one in api.sent} == {AnomalyFeedback}


@pytest.mark.parametrize(
    ("changes", "headers", "status"),
    [
        ({"t": None}, OWN, 403),
        ({"t": "x"}, OWN, 403),
        ({"t": "other"}, OWN, 403),
        ({"t": "old"}, OWN, 403),
        ({}, {}, 403),
        ({}, {"Origin": "https://evil.example"}, 403),
        ({}, {"Origin": "null"}, 403),
        ({}, {"Origin": "http://costs.example.com"}, 403),
        ({}, {"Referer": "https://evil.example/costs.example.com"}, 403),
        ({"action": "delete"}, OWN, 400),
        ({"action": None}, OWN, 400),
        ({"request": "../x"}, OWN, 400),
        ({"action": "snooze", "hours": "-1"}, OWN, 400),
        ({"action": "snooze", "hours": "٣"}, OWN, 400),
        ({"action": "expect", "last_day": "soon"}, OWN, 400),
    ],
)
def test_a_form_that_is_not_of_this_page_does_nothing(api, changes, headers, status):
    made = {"other": link(api, "i2"), "old": link(api, days=15)}
    form: dict[str, str | None] = {"t": link(api), "request": "abc", "action": "resolve", "why": ""} | changes
    sent = {name: made.get(value, value) for name, value in form.items() if value is not None}
    done = answer(api, sent, headers)
    assert done.status_code == status
    assert api.sent == []


def test_the_referer_will_do_where_a_browser_sends_no_origin(api):
    form = {**(page(api, path(api))).hidden, "action": "resolve"}
    assert answer(api, form, {"Referer": "https://costs.example.com/incidents/i1"}).status_code == 303


@pytest.mark.parametrize(
    ("kind", "says"), [("old", "ended on"), ("other", "for another incident"), ("cut", "not one of ours")]
)
def test_a_link_of_no_use_says_what_to_do(api, kind, says):
    made = {"old": link(api, days=15), "other": link(api, "i2"), "cut": link(api)[:-5]}[kind]
    opened = api.ask("GET", f"/incidents/i1?{urlencode({'t': made})}")
    text = opened.text
    assert (opened.status_code, says in text, "Sign in" in text) == (403, True, True)


def test_a_fault_leaves_no_link_in_the_log(api, monkeypatch, caplog):
    async def fault(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("api.incident_pages.known", fault)
    opened = api.ask("GET", path(api))
    assert opened.status_code == 500
    assert "no answer to GET '/incidents/i1'" in caplog.text
    assert link(api) not in caplog.text + opened.text


def test_an_incident_that_is_not_there_and_a_state_that_does_not_allow_it_are_told_on_a_page(api):
    assert "No such incident" in api.ask("GET", path(api, "i9")).text
    done = answer(api, {"t": link(api, "i3"), "request": "abc", "action": "snooze", "hours": "4"}, incident="i3")
    assert (done.status_code, "open it again first" in done.text) == (409, True)
    assert api.sent == []


def test_without_a_link_one_signs_in_and_comes_back(api):
    asked = api.ask("GET", "/incidents/i1")
    assert asked.status_code == 401
    form = {**Opened(asked.text).hidden, "token": ANN}
    done = sign_in(api, form)
    assert (done.status_code, done.headers["Location"]) == (303, "incidents/i1")
    cookie = done.headers["Set-Cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Lax", "Secure"))
    assert ANN not in cookie


def with_session(api: Served, token: str) -> dict[str, str]:
    done = sign_in(api, {"token": token})
    return {"Cookie": f"spendstream_session={done.cookies['spendstream_session']}"}


def test_a_writers_session_answers_in_the_writers_name(api):
    session = with_session(api, ANN)
    opened = page(api, "/incidents/i1", session)
    done = answer(api, {**opened.hidden, "action": "suppress"}, {**OWN, **session})
    assert (done.status_code, done.headers["Location"]) == (303, "i1?asked=suppress")
    [wish] = api.sent
    assert isinstance(wish, AlertRequest)
    assert wish.by == "ann"


def test_a_readers_session_only_looks(api):
    session = with_session(api, READER)
    assert (page(api, "/incidents/i1", session)).answers == []
    done = answer(api, {"request": "abc", "action": "resolve"}, {**OWN, **session})
    assert done.status_code == 403
    assert api.sent == []


def test_the_list_shows_what_goes_on_and_on_demand_all(api):
    session = with_session(api, READER)
    for query, names in (("", ["i1", "i2", "i4"]), ("?all=1", ["i1", "i2", "i3", "i4"])):
        found = page(api, f"/incidents{query}", session)
        shown = [one["href"] for one in found.all("a") if one["href"].startswith("incidents/")]
        assert shown == [f"incidents/{name}" for name in names]


@pytest.mark.parametrize("sent", [{"token": "wrong"}, {}])
def test_a_wrong_token_begins_no_session(api, sent):
    done = sign_in(api, sent)
    assert (done.status_code, "not known here" in done.text) == (401, True)
    assert not done.cookies
    assert api.ask("GET", "/incidents", headers={"Cookie": "spendstream_session=x.y"}).status_code == 401


@pytest.mark.parametrize("to", ["//evil.example", "/\\evil.example", "https://evil.example", "/i1\nX: y"])
def test_signing_in_leads_nowhere_else(api, to):
    done = sign_in(api, {"token": ANN, "to": to})
    assert done.headers["Location"] == "incidents"


async def test_where_reading_needs_no_token_all_may_look_and_nobody_answers(serve):
    async with serve([]) as client:
        land(client.settings, EVENTS)
        found = Opened(await (await client.get("/incidents/i1")).text())
        own = {"Origin": f"http://127.0.0.1:{client.port}"}
        done = await client.post("/incidents/i1", data={"request": "abc", "action": "resolve"}, headers=own)
    assert "rose by 60.00 USD" in found.text
    assert not found.all("form")
    assert done.status == 403


async def test_an_answer_becomes_a_transition_that_the_page_tells(serve):
    """From the alert through the step to ClickHouse, with the page's form between."""
    out: list[Event] = []
    driver = BatchDriver([incident_step(IncidentOptions())], lambda output: out.append(output.event))
    driver.feed(ALERTS, 0, RISE)
    [began] = [event for event in out if isinstance(event, Incident)]
    noted = Noted()
    async with serve([], alerts={"link_key": "k" * 32}, publisher=noted) as client:
        land(client.settings, [*out, RISE])
        signed = token(client.settings.alerts, began.id, "us", TODAY) or ""
        form = {"t": signed, "request": "abc", "action": "acknowledge", "why": "the launch", "person": "Bob"}
        own = {"Origin": f"http://127.0.0.1:{client.port}"}
        await client.post(f"/incidents/{began.id}", data=form, headers=own)
        [(_, _, wish)] = noted.sent
        driver.feed(ALERTS, 0, wish)
        land(client.settings, out)
        found = Opened(await (await client.get(f"/incidents/{began.id}", params={"t": signed})).text())
    assert "acknowledged by Bob (link of us): the launch" in found.text
    assert found.answers[0] == "resolve"


def test_the_days_are_drawn_in_proportion_with_what_was_expected():
    view = shown(EC2_TOLD, TODAY)
    days = [
        (view.since - timedelta(days=1), Decimal(30)),
        (view.since, Decimal(-5)),
        (view.since + timedelta(days=1), Decimal(60)),
    ]
    chart = bars(days, view)
    assert chart is not None
    assert [(bar.height, bar.since) for bar in chart.bars] == [(HEIGHT // 2, False), (0, True), (HEIGHT, True)]
    assert chart.expected == HEIGHT // 2
    assert "at most 60.00 USD" in chart.says


@pytest.mark.parametrize("known", [14, 20, 35])
def test_two_weeks_of_days_or_more_fill_the_drawing(known):
    days = [(TODAY.date() - timedelta(days=back), Decimal(5)) for back in range(known)][::-1]
    chart = bars(days, shown(EC2_TOLD, TODAY))
    assert chart is not None
    last = chart.bars[-1]
    assert WIDTH - known < last.x + last.width <= WIDTH


def test_what_was_expected_of_a_day_is_shaded_behind_it():
    days = [(date(2026, 3, 7 + number), Decimal(cost)) for number, cost in enumerate((30, 20, 60))]
    course = [{"day": "2026-03-08", "cost": "20", "lower": "15", "upper": "30"}]
    chart = bars(days, shown(EC2_TOLD, TODAY), course)
    assert chart is not None
    assert [bar.band for bar in chart.bars] == [None, (HEIGHT // 2, HEIGHT // 4), None]
    assert chart.expected is None
    assert chart.bars[1].says == "2026-03-08: 20.00 USD, expected 15.00 to 30.00"


@pytest.mark.parametrize("days", [[], [(TODAY.date(), Decimal(5))], [(TODAY.date(), Decimal(0))] * 5])
def test_too_few_days_are_not_drawn(days):
    assert bars(days, shown(EC2_TOLD, TODAY)) is None


def test_a_limit_is_not_called_an_expectation_of_a_day():
    view = shown({**EC2_TOLD, "kind": "budget"}, TODAY)
    assert view.expected_day is None
    assert ("Limit or usual", "30.00 USD") in [(fact.name, fact.value) for fact in view.amounts]


@pytest.mark.parametrize(
    ("scope", "there"),
    [
        ("USD/provider=AWS/account=111/service=Amazon%20S3", ("Amazon%20S3", "111", "startDate=2026-02-21")),
        ("USD", None),
        ("USD/provider=Microsoft/account=1", None),
        ("USD/tag=team/value=search", None),
    ],
)
def test_the_console_is_opened_where_it_is_known(scope, there):
    address = cost_explorer(scope, date(2026, 3, 7), date(2026, 3, 10))
    assert (address is None) == (there is None)
    assert all(part in (address or "") for part in there or ())
