"""Receivers of every channel: what each needs, what it refuses, and what it is told."""

import pytest

from alerts.receivers import receiver as receiver_of
from alerts.routes import read
from spendstream.settings import ConfigurationError

MAIL = "channel: smtp, to: [ann@example.com], sender: costs@example.com, host: mail.example.com"


@pytest.mark.parametrize(
    ("receiver", "says"),
    [
        ("channel: sns", "receiver ops.topic: Field required"),
        ("channel: sns, topic: costs", "receiver ops.topic: String should match"),
        ("channel: slack, url: 'https://s3cret', topic: x", "receiver ops.topic: Extra inputs are not permitted"),
        ("channel: slack_bot, token: s3cret, conversation: general", "receiver ops.conversation: String should match"),
        (
            "channel: pigeon",
            "receiver ops: Input tag 'pigeon' found using 'channel' does not match any of the expected",
        ),
        ("channel: sms, region: eu-west-1, numbers: ['0151']", "receiver ops.numbers.0: String should match"),
        (f"{MAIL}, user: a", "receiver ops: user and password belong together: set both or none"),
        (f"{MAIL}, user: a, password: s3cret, tls: none", "a password would cross the network for all to read"),
        (MAIL.replace("ann@example.com", "'ann'"), "receiver ops.to.0: 'ann' is no mail address"),
        (MAIL.replace("ann@example.com", '"a@b.c\\r\\nBcc: x@y.z"'), "is no mail address"),
        (
            MAIL.replace("sender: costs@example.com", "sender: 'Costs'"),
            "receiver ops.sender: 'Costs' is no mail address",
        ),
        (
            f"{MAIL}, quiet: {{zone: Mars/Base, start: '20:00', end: '07:00'}}",
            "receiver ops.quiet.zone: 'Mars/Base' is",
        ),
    ],
)
def test_a_fault_names_receiver_and_field_and_no_secret(tmp_path, receiver, says):
    path = tmp_path / "routing.yaml"
    path.write_text(f"receivers:\n- {{name: ops, {receiver}}}\nroute: {{receiver: ops}}\n")
    with pytest.raises(ConfigurationError) as raised:
        read(path)
    assert says in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_a_text_message_is_for_critical_incidents_unless_told_otherwise():
    sms = {"name": "a", "channel": "sms", "region": "eu-west-1", "numbers": ["+4915112345678"]}
    only, more = receiver_of(sms), receiver_of({**sms, "severities": ["critical", "warning"]})
    assert [only.takes(severity) for severity in ("critical", "warning")] == [True, False]
    assert [more.takes(severity) for severity in ("warning", "info")] == [True, False]


@pytest.mark.parametrize(
    ("receiver", "follows"),
    [
        ({"channel": "slack", "url": "https://x"}, False),
        ({"channel": "slack_bot", "token": "t", "conversation": "C0123"}, True),
        ({"channel": "pagerduty", "key": "k"}, True),
    ],
)
def test_who_shows_that_an_incident_was_acknowledged_is_told(receiver, follows):
    assert receiver_of({"name": "a", **receiver}).follows is follows
