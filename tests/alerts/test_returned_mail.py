"""Mails that come back, and complaints: what SES says of them, and whom it suspends."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.channels.mail import Envelope, mail_of
from alerts.receivers import receiver as receiver_of
from alerts.returned_mail import NotANoticeError, Returned, returned
from alerts.suspensions import Suspensions, suspended_by
from schemas.events import Suspension
from tests.alerts.channels.messages import message
from tests.alerts.facts import T

MAIL = mail_of(message(), Envelope("costs@example.com", ["ann@example.com"]))
TWO = receiver_of(
    {
        "name": "on-call",
        "channel": "ses",
        "region": "eu-west-1",
        "sender": "costs@example.com",
        "to": ["Ann@example.com", "bob@example.com"],
    }
)


def notice(headers: Any = None, **what: Any) -> dict[str, Any]:
    """Return what SES says of the mail."""
    listed = [{"name": name, "value": str(value)} for name, value in (headers or MAIL).items()]
    return {"eventType": "Bounce", "mail": {"messageId": "0102-ses", "headers": listed}, **what}


def bounce(kind: str = "Permanent", address: str = "ann@example.com", **more: Any) -> dict[str, Any]:
    recipient = {"emailAddress": address, "diagnosticCode": "smtp; 550 5.1.1 user unknown"}
    at = {"timestamp": "2026-03-10T08:00:03.250Z"}
    said = {"bounceType": kind, "bounceSubType": "General", "bouncedRecipients": [recipient], **at}
    return notice(bounce=said, **more)


def complaint(address: str = "ann@example.com") -> dict[str, Any]:
    said = {
        "complainedRecipients": [{"emailAddress": address}],
        "complaintFeedbackType": "abuse",
        "timestamp": "2026-03-10T09:00:00.000Z",
    }
    return notice(complaint=said)


def heard(document: Any) -> Returned:
    found = returned(json.dumps(document))
    assert found is not None
    return found


def test_a_bounce_says_which_message_came_back_from_where_and_why():
    assert heard(bounce()) == Returned(
        message=message().id,
        receiver="on-call",
        outcome="bounced",
        addresses=("ann@example.com",),
        final=True,
        at=datetime(2026, 3, 10, 8, 0, 3, 250_000, tzinfo=UTC),
        says="came back from ann@example.com: Permanent, General: smtp; 550 5.1.1 user unknown",
    )


def test_a_full_mailbox_is_no_reason_to_stop():
    assert heard(bounce("Transient")).final is False


def test_a_complaint_says_who_complained():
    found = heard(complaint("Ann <Ann@example.com>"))
    assert (found.outcome, found.addresses, found.final) == ("complained", ("ann@example.com",), True)
    assert found.says == "ann@example.com complained: abuse"


def test_the_envelope_of_sns_and_the_other_dialect_say_the_same():
    inner = bounce()
    inner["notificationType"] = inner.pop("eventType")
    envelope = {"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:123456789012:mail"}
    assert heard({**envelope, "Message": json.dumps(inner)}) == heard(bounce())


@pytest.mark.parametrize(
    "document",
    [
        notice(delivery={"timestamp": "2026-03-10T08:00:03Z"}),
        bounce(headers={"Subject": "not ours"}),
        {"notificationType": "AmazonSnsSubscriptionSucceeded", "message": "You have successfully subscribed"},
    ],
)
def test_what_is_not_ours_or_did_not_come_back_is_nothing(document):
    assert returned(json.dumps(document)) is None


def test_a_greeting_is_nothing():
    assert returned("Successfully validated SNS topic for Amazon SES event publishing.") is None


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("{", "no event of SES: Invalid JSON"),
        ("[]", "no event of SES: Input should be an object"),
        ('{"eventType": "Bounce"}', "no event of SES: mail: Field required"),
        (json.dumps({**bounce(), "mail": {}}), "no headers of the mail: let SES include them"),
        (json.dumps({**bounce(), "bounce": {"bounceType": "Permanent"}}), "bounce.bouncedRecipients: Field required"),
    ],
)
def test_rubbish_is_told_as_such(body, says):
    with pytest.raises(NotANoticeError, match=says):
        returned(body)


def test_the_address_that_a_mail_came_back_from_is_suspended_for_that_receiver():
    [event] = suspended_by(heard(bounce()), TWO)
    known = Suspensions([event])
    left = known.left(TWO)
    assert left is not None
    assert left.to == ("bob@example.com",)  # type: ignore[attr-defined]
    assert known.closed([TWO]) == {}
    assert Suspensions().left(TWO) == TWO


def test_without_an_address_left_a_receiver_is_closed():
    events = [*suspended_by(heard(bounce()), TWO), *suspended_by(heard(complaint("bob@example.com")), TWO)]
    assert list(Suspensions(events).closed([TWO])) == ["on-call"]


@pytest.mark.parametrize("document", [bounce("Transient"), bounce(address="elsewhere@example.com")])
def test_others_addresses_and_what_may_pass_suspend_nobody(document):
    assert suspended_by(heard(document), TWO) == []


def test_what_somebody_lifted_stays_so_though_the_same_bounce_is_told_again():
    known = Suspensions()
    [event] = suspended_by(heard(bounce()), TWO)
    assert known.take(event)
    lifted = Suspension(
        receiver="on-call", address="ann@example.com", suspended=False, at=T + timedelta(hours=1), by="ann", why=""
    )
    assert known.take(lifted)
    assert not known.take(event)
    assert known.all() == []
