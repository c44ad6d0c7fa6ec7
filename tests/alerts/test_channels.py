"""One suite over every channel, and what each of them writes."""

import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from alerts.channels import slack, slack_blocks, webhook
from alerts.channels.channel import Channel, Outcome
from alerts.channels.making import make
from alerts.message import Message, view
from alerts.receivers import receiver as receiver_of
from alerts.routing import Told
from schemas.events import Incident, IncidentChild
from spendstream.settings import ConfigurationError, load
from tests.alerts.facts import S3, T
from tests.alerts.web_double import Got, WebDouble
from tests.schemas.examples import EXAMPLES

SECRET = "s3cret-part"
_EXAMPLE: Any = next(event for event in EXAMPLES if isinstance(event, Incident))
HOSTILE = (
    '<!channel> *bold* <https://evil.example|click> & "quoted"\r\nBcc: everybody\u202e\u2066 \x00\x07 \'; DROP TABLE--'
)


def incident(**changes: Any) -> Any:
    return replace(_EXAMPLE, **{"state": "firing", "scope": S3, "owner": None, **changes})


def message(*incidents: Incident) -> Message:
    told = [Told(one, "new") for one in incidents or (incident(),)]
    return Message.of("on-call", "", told, T)


def by_webhook(session: aiohttp.ClientSession, url: str) -> Channel:
    return webhook.Webhook(session, url, SECRET)


def by_slack(session: aiohttp.ClientSession, url: str) -> Channel:
    return slack.Slack(session, url)


Making = Callable[[aiohttp.ClientSession, str], Channel]
channels = pytest.mark.parametrize("making", [by_webhook, by_slack])


async def sent(making: Making, url: str, seconds: float = 5) -> Outcome:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=seconds)) as session:
        outcome = await making(session, f"{url}/{SECRET}").send(message())
    assert SECRET not in repr(outcome)
    return outcome


@channels
@pytest.mark.parametrize(
    ("status", "headers", "outcome"),
    [
        (200, {}, Outcome(accepted=True)),
        (204, {}, Outcome(accepted=True)),
        (301, {"Location": "http://127.0.0.1:9/"}, Outcome(accepted=False, error="status 301")),
        (400, {}, Outcome(accepted=False, error="status 400")),
        (404, {}, Outcome(accepted=False, error="status 404")),
        (408, {}, Outcome(accepted=False, retry=True, error="status 408")),
        (429, {}, Outcome(accepted=False, retry=True, error="status 429")),
        (
            429,
            {"Retry-After": "7"},
            Outcome(accepted=False, retry=True, error="status 429", retry_after=timedelta(seconds=7)),
        ),
        (
            503,
            {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"},
            Outcome(accepted=False, retry=True, error="status 503", retry_after=timedelta(0)),
        ),
        (500, {"Retry-After": "soon"}, Outcome(accepted=False, retry=True, error="status 500")),
    ],
)
async def test_what_a_status_means(making, status, headers, outcome):
    with WebDouble(lambda _: (status, headers)) as double:
        assert await sent(making, double.url) == outcome
        assert len(double.got) == 1


@channels
async def test_no_answer_in_time_may_be_tried_again(making):
    def slowly(_: Got) -> tuple[int, dict[str, str]]:
        time.sleep(0.5)
        return 200, {}

    with WebDouble(slowly) as double:
        assert await sent(making, double.url, 0.2) == Outcome(accepted=False, retry=True, error="no answer in time")


@channels
async def test_nobody_there_may_be_tried_again_and_no_address_is_told(making):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    outcome = await sent(making, f"http://127.0.0.1:{port}")
    assert outcome.retry
    assert str(port) not in outcome.error


@channels
async def test_a_connection_that_breaks_and_tls_that_is_none_may_be_tried_again(making):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        server.settimeout(5)

        def hang_up() -> None:
            for _ in range(4):
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=hang_up, daemon=True).start()
        broken = await sent(making, f"http://127.0.0.1:{port}")
        untrusted = await sent(making, f"https://127.0.0.1:{port}")
    assert broken.retry
    assert untrusted.retry


@channels
async def test_what_is_no_address_is_given_up(making):
    outcome = await sent(making, "http://[")
    assert (outcome.accepted, outcome.retry) == (False, False)


# The webhook


def test_a_webhook_message_is_of_its_published_schema_and_keeps_every_digit():
    schema = json.loads((Path(webhook.__file__).with_name("webhook_schema.json")).read_text())
    made = webhook.payload(message(incident(), incident(id="i2", state="resolved", currency=None, scope="focus.main")))
    Draft202012Validator(schema).validate(made)
    assert made["incidents"][0]["impact_to_month_end"] == "110.5"


async def test_a_receiver_can_check_signature_time_and_repetition():
    with WebDouble() as double:
        await sent(by_webhook, double.url)
        await sent(by_webhook, double.url)
    first, second = double.got
    timestamp = first.headers["X-Spendstream-Timestamp"]
    assert int(timestamp) == int(T.timestamp())
    assert first.headers["X-Spendstream-Signature"] == webhook.signature(SECRET, timestamp, first.body)
    assert first.headers["X-Spendstream-Signature"] != webhook.signature("another", timestamp, first.body)
    assert first.headers["X-Spendstream-Id"] == second.headers["X-Spendstream-Id"]


def test_a_signature_is_what_the_documentation_says():
    assert webhook.signature("key", "1700000000", b"{}") == (
        "v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
    )


# Slack


def test_a_slack_message_says_what_how_much_where_and_who():
    made = slack_blocks.payload(message(incident(children=[IncidentChild(series=f"{S3}/region=eu-west-1", share=0.9)])))
    assert made["blocks"][0]["text"]["text"] == "Warning: AmazonS3 of account 1234 rose by 5.00 USD a day"
    text = made["blocks"][1]["text"]["text"]
    assert "*Owner:* nobody is named" in text
    assert "*Most of it:* 90 % AmazonS3 in eu-west-1 of account 1234" in text


def test_many_incidents_stay_within_the_limits_of_slack():
    made = slack_blocks.payload(message(*(incident(id=f"i{n}", says="x" * 10_000) for n in range(60))))
    assert len(made["blocks"]) <= 50
    assert all(len(block["text"]["text"]) <= 3_000 for block in made["blocks"])
    assert "and 40 more" in made["blocks"][-1]["text"]["text"]


def test_hostile_names_are_only_text():
    hostile = f"USD/provider=AWS/account={HOSTILE.replace('/', '')}"
    made = slack_blocks.payload(message(incident(says=HOSTILE, owner=HOSTILE, scope=hostile, rules=[HOSTILE])))
    # A header is plain text, in which Slack looks for no markup.
    text = made["text"] + "".join(block["text"]["text"] for block in made["blocks"][1:])
    assert made["blocks"][0]["text"]["type"] == "plain_text"
    for forbidden in ("<!channel>", "<https", "*bold*", "\u202e", "\u2066", "\x00", "\r"):
        assert forbidden not in text
    assert "&lt;!channel&gt;" in text


# What all are made from


@given(st.text(max_size=200), st.text(max_size=200))
def test_a_view_is_one_line_of_printable_text_each(says, owner):
    words = view(Told(incident(says=says, owner=owner), "new"))
    for text in (words.title, words.says, *(value for _, value in words.facts)):
        assert "\n" not in text
        assert "\r" not in text
        assert len(text) <= 600


def test_an_end_is_titled_as_one():
    assert view(Told(incident(state="resolved"), "resolved")).title.startswith("Resolved: AmazonS3")


# Receivers


async def test_addresses_and_secrets_come_from_the_environment(monkeypatch):
    receiver = receiver_of({"name": "a", "channel": "webhook", "url": "env:HOOK_URL", "secret": "env:HOOK_SECRET"})
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ConfigurationError, match="receiver a: url is to come from HOOK_URL, which is not set"):
            make(receiver, session, load())
        monkeypatch.setenv("HOOK_URL", "https://example.com/hook")
        monkeypatch.setenv("HOOK_SECRET", "k")
        assert make(receiver, session, load()).pause == timedelta(0)
        monkeypatch.setenv("HOOK_URL", f"ftp://{SECRET}")
        with pytest.raises(ConfigurationError, match="no address that begins with https") as raised:
            make(receiver, session, load())
    assert SECRET not in str(raised.value)
