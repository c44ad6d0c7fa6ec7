"""PagerDuty: one event an incident, folded by the incident's id."""

import json

import aiohttp
import pytest

from alerts.channels.pagerduty import PagerDuty, payload
from alerts.own_incidents import CANARY
from tests.alerts.channels.messages import LINK, incident, message, note
from tests.alerts.web_double import WebDouble


@pytest.mark.parametrize(
    ("state", "action"),
    [
        ("firing", "trigger"),
        ("acknowledged", "acknowledge"),
        ("snoozed", "acknowledge"),
        ("suppressed", "acknowledge"),
        ("expected", "acknowledge"),
        ("resolved", "resolve"),
    ],
)
def test_what_a_state_does_there(state, action):
    one = message(incident(state=state), link=LINK)
    made = payload(one, one.told[0])
    assert (made["event_action"], made["dedup_key"], made["payload"]["severity"]) == (action, "i1", "warning")
    assert made["links"][0]["href"] == LINK


async def test_an_event_that_was_taken_is_not_sent_again_with_the_others():
    answers = iter([202, 503, 202])
    with WebDouble(lambda _: (next(answers), {})) as double:
        async with aiohttp.ClientSession() as session:
            channel = PagerDuty(session, f"{double.url}/v2/enqueue", "key", 5)
            both = message(incident(), incident(id="i2"))
            first, second = await channel.send(both), await channel.send(both)
    assert (first.retry, second.accepted) == (True, True)
    assert [json.loads(got.body)["dedup_key"] for got in double.got] == ["i1", "i2", "i2"]


async def test_a_note_and_a_test_of_the_way_call_nobody():
    with WebDouble(lambda _: (202, {})) as double:
        async with aiohttp.ClientSession() as session:
            channel = PagerDuty(session, f"{double.url}/v2/enqueue", "key", 5)
            assert (await channel.note(note())).accepted
            assert (await channel.send(message(incident(kind=CANARY, currency=None, scope="receiver ops")))).accepted
    assert {got.path for got in double.got} == {"/v2/change/enqueue"}
