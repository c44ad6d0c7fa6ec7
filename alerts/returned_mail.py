"""What Amazon SES says of mails that came back or were complained about. Pure.

SES tells it as JSON, in two dialects that differ in one name: event publishing by a configuration set (`eventType`) and
notifications of an identity (`notificationType`). SNS may have put it into an envelope of its own. Fields by the SES
developer guide: "Contents of event data that Amazon SES publishes to Amazon SNS", "Amazon SNS notification contents".
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.utils import parseaddr
from typing import Literal

from pydantic import AliasChoices, AwareDatetime, BaseModel, Field, ValidationError

from alerts.channels.mail import ID_HEADER, RECEIVER_HEADER
from alerts.wording import plain

#: What SNS and SES say once, when they begin to tell.
_GREETINGS = ("Successfully validated SNS topic", "AmazonSnsSubscriptionSucceeded")
_LONGEST = 300


class NotANoticeError(ValueError):
    """It is nothing that SES says; the text tells what is wrong."""


@dataclass(frozen=True, slots=True)
class Returned:
    """A mail that came back, or that somebody complained about.

    Attributes
    ----------
    message, receiver
        Id of the message or note, and name of the receiver that it went to.
    addresses
        Those that it came back from, in small letters; of a complaint, those that it may have come from.
    final
        Whether another mail would fare no better: a permanent bounce, or a complaint.
    """

    message: str
    receiver: str
    outcome: Literal["bounced", "complained"]
    addresses: tuple[str, ...]
    final: bool
    at: datetime
    says: str


class _Recipient(BaseModel):
    address: str = Field(alias="emailAddress")
    diagnosis: str | None = Field(None, alias="diagnosticCode")


class _Bounce(BaseModel):
    kind: str = Field(alias="bounceType")
    reason: str = Field("", alias="bounceSubType")
    recipients: list[_Recipient] = Field(alias="bouncedRecipients")
    at: AwareDatetime = Field(alias="timestamp")


class _Complaint(BaseModel):
    kind: str | None = Field(None, alias="complaintFeedbackType")
    recipients: list[_Recipient] = Field(alias="complainedRecipients")
    at: AwareDatetime = Field(alias="timestamp")


class _Header(BaseModel):
    name: str
    value: str


class _Mail(BaseModel):
    headers: list[_Header] | None = None


class _Notice(BaseModel):
    kind: str = Field(validation_alias=AliasChoices("eventType", "notificationType"))
    mail: _Mail
    bounce: _Bounce | None = None
    complaint: _Complaint | None = None


def returned(body: str) -> Returned | None:
    """Return what a message of the queue says; None where it is nothing of ours that came back.

    Raises
    ------
    NotANoticeError
        When it is nothing that SES says, or does not say whose mail it is.
    """
    text = _unwrapped(body)
    if any(greeting in text for greeting in _GREETINGS):
        return None
    try:
        notice = _Notice.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise NotANoticeError(f"no event of SES: {f'{where}: ' if where else ''}{first['msg']}") from None
    if notice.bounce is None and notice.complaint is None:
        return None
    if notice.mail.headers is None:
        raise NotANoticeError("it has no headers of the mail: let SES include them, see docs/alerts.md")
    headers = {header.name.lower(): header.value for header in notice.mail.headers}
    message, receiver = (_decoded(headers.get(name.lower(), "")) for name in (ID_HEADER, RECEIVER_HEADER))
    if not message or not receiver:
        return None
    if notice.bounce is not None:
        return _of_bounce(message, receiver, notice.bounce)
    return None if notice.complaint is None else _of_complaint(message, receiver, notice.complaint)


def _decoded(value: str) -> str:
    """Return a header's value as it was before it was encoded for mail (RFC 2047)."""
    return str(make_header(decode_header(value)))


def _unwrapped(body: str) -> str:
    """Return the text without the envelope of SNS, if it has one."""
    try:
        envelope = json.loads(body)
    except ValueError:
        return body
    inner = envelope.get("Message") if isinstance(envelope, dict) and "TopicArn" in envelope else None
    return inner if isinstance(inner, str) else body


def _of_bounce(message: str, receiver: str, bounce: _Bounce) -> Returned:
    why = next((one.diagnosis for one in bounce.recipients if one.diagnosis), "no reason told")
    says = f"came back from {_named(bounce.recipients)}: {bounce.kind}, {bounce.reason}: {why}"
    return Returned(
        message=message,
        receiver=receiver,
        outcome="bounced",
        addresses=_addresses(bounce.recipients),
        final=bounce.kind == "Permanent",
        at=bounce.at.astimezone(UTC),
        says=plain(says, _LONGEST),
    )


def _of_complaint(message: str, receiver: str, complaint: _Complaint) -> Returned:
    says = f"{_named(complaint.recipients)} complained: {complaint.kind or 'no reason told'}"
    return Returned(
        message=message,
        receiver=receiver,
        outcome="complained",
        addresses=_addresses(complaint.recipients),
        final=True,
        at=complaint.at.astimezone(UTC),
        says=plain(says, _LONGEST),
    )


def _addresses(recipients: Iterable[_Recipient]) -> tuple[str, ...]:
    return tuple(parseaddr(one.address)[1].lower() for one in recipients)


def _named(recipients: Iterable[_Recipient]) -> str:
    return ", ".join(_addresses(recipients)) or "nobody"
