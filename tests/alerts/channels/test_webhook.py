"""The webhook's schema, and what a receiver can check."""

import json
from pathlib import Path

import aiohttp
from jsonschema import Draft202012Validator

from alerts.channels import webhook
from tests.alerts.channels.messages import incident, message, note
from tests.alerts.facts import T
from tests.alerts.web_double import WebDouble

SECRET = "s3cret-part"
SCHEMA = Draft202012Validator(json.loads(Path(webhook.__file__).with_name("webhook_schema.json").read_text()))


def test_a_message_is_of_the_published_schema_and_keeps_every_digit():
    made = webhook.payload(message(incident(), incident(id="i2", state="resolved", currency=None, scope="focus.main")))
    SCHEMA.validate(made)
    assert made["incidents"][0]["impact_to_month_end"] == "110.5"


def test_a_note_is_of_the_published_schema():
    SCHEMA.validate(webhook.note_payload(note()))


async def test_a_receiver_can_check_signature_time_and_repetition():
    with WebDouble() as double:
        async with aiohttp.ClientSession() as session:
            channel = webhook.Webhook(session, double.url, SECRET)
            await channel.send(message())
            await channel.send(message())
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
