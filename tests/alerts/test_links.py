"""Signed links: made, read, ended, of another incident, with a replaced key, and in messages."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from alerts.links import LinkError, link, linked, read, token
from alerts.message import Message, in_text, view
from alerts.routing import Told
from schemas.events import Incident
from spendstream.settings import Alerting, ConfigurationError, load
from tests.alerts.facts import T
from tests.schemas.examples import EXAMPLES

KEY, OTHER = "k" * 32, "o" * 32
ALERTS = Alerting.model_validate({"public_url": "https://costs.example.com/at", "link_key": KEY})
INCIDENT: Any = next(event for event in EXAMPLES if isinstance(event, Incident))


def test_a_link_says_whom_it_was_sent_to_and_when_it_ends():
    made = urlsplit(link(ALERTS, "i/1", "us", T) or "")
    assert (made.scheme, made.netloc, made.path) == ("https", "costs.example.com", "/at/incidents/i%2F1")
    sent = read(ALERTS, parse_qs(made.query)["t"][0], "i/1", T)
    assert (sent.incident, sent.receiver, sent.until) == ("i/1", "us", T + timedelta(days=14))


def test_without_an_address_or_a_key_there_are_no_links():
    assert link(Alerting.model_validate({"public_url": "https://c.example"}), "i1", "us", T) is None
    assert link(Alerting.model_validate({"link_key": KEY}), "i1", "us", T) is None


@pytest.mark.parametrize(
    ("incident", "days", "says"),
    [("i2", 0, "for another incident"), ("i1", 15, "This link ended on 2026-03-24"), ("i1", 0, None)],
)
def test_a_link_is_for_one_incident_and_some_days(incident, days, says):
    signed = token(ALERTS, "i1", "us", T) or ""
    if says is None:
        assert read(ALERTS, signed, incident, T + timedelta(days=days)).receiver == "us"
        return
    with pytest.raises(LinkError, match=says):
        read(ALERTS, signed, incident, T + timedelta(days=days))


@pytest.mark.parametrize("spoil", [lambda text: text[:-1], lambda text: "x" + text, lambda _: "", lambda _: "é.\0"])
def test_a_link_that_was_changed_is_not_taken(spoil):
    with pytest.raises(LinkError, match="not one of ours"):
        read(ALERTS, spoil(token(ALERTS, "i1", "us", T)), "i1", T)


def test_links_of_a_replaced_key_are_taken_while_it_is_named():
    signed = token(ALERTS, "i1", "us", T) or ""
    rotated = Alerting.model_validate({"link_key": OTHER, "old_link_keys": [KEY]})
    assert read(rotated, signed, "i1", T).receiver == "us"
    assert read(rotated, token(rotated, "i1", "us", T) or "", "i1", T).receiver == "us"
    with pytest.raises(LinkError, match="not one of ours"):
        read(Alerting.model_validate({"link_key": OTHER}), signed, "i1", T)


def test_messages_hold_the_links_of_their_receiver():
    message = linked(ALERTS, Message.of("us", "", [Told(INCIDENT, "new")], T), T)
    shown = view(message.told[0]).link or ""
    assert shown in in_text(message)
    assert read(ALERTS, parse_qs(urlsplit(shown).query)["t"][0], INCIDENT.id, T).receiver == "us"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"link_key": "short"}, "32 characters at least"),
        ({"public_url": "costs.example.com"}, "alerts.public_url"),
        ({"public_url": "https://costs.example.com/"}, "alerts.public_url"),
        ({"public_url": "https://a@costs.example.com"}, "alerts.public_url"),
    ],
)
def test_settings_of_links_that_cannot_be_used_are_told_without_the_key(settings, says):
    with pytest.raises(ConfigurationError, match=says) as raised:
        load(alerts=settings)
    assert "short" not in str(raised.value)
    assert KEY not in repr(ALERTS)
