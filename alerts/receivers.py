"""Who messages go to: a class a channel, with what that channel needs to know, and no more."""

import re
from datetime import datetime, time
from email.utils import parseaddr
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr, TypeAdapter
from pydantic import model_validator as model_check

from alerts.limits import Limits
from alerts.parts import Part
from schemas.events import AlertSeverity

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: What a secret may be instead of itself, for descriptions.
_OR_FROM = "or env:NAME, or secretsmanager:NAME#KEY"
_REGION = r"^[a-z]{2}(-[a-z]+)+-\d$"
_WEB = r"^https?://[^\s/?#@]+(/[^\s?#]*[^\s?#/])?$"


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone: write as Europe/Berlin") from None
    return name


class Quiet(Part):
    """Hours in which a receiver is left alone, but for what is worse than it puts up with."""

    zone: Annotated[str, AfterValidator(_zone)] = Field(description="time zone, as Europe/Berlin")
    start: time = Field(description="local time at which the quiet begins, as 20:00")
    end: time = Field(description="local time at which it ends; before the start: on the next day")
    days: tuple[Day, ...] = Field(_DAYS, min_length=1, description="days on which it begins")
    passes: tuple[AlertSeverity, ...] = Field(("critical",), description="severities that are told all the same")

    def holds(self, now: datetime) -> bool:
        """Tell whether `now` is quiet.

        Examples
        --------
        >>> from datetime import UTC
        >>> night = Quiet(zone="Europe/Berlin", start=time(20), end=time(7))
        >>> night.holds(datetime(2026, 1, 5, 19, 0, tzinfo=UTC)), night.holds(datetime(2026, 1, 5, 18, 59, tzinfo=UTC))
        (True, False)
        """
        local = now.astimezone(ZoneInfo(self.zone))
        today, yesterday = _DAYS[local.weekday()], _DAYS[local.weekday() - 1]
        if self.start <= self.end:
            return today in self.days and self.start <= local.time() < self.end
        return (today in self.days and local.time() >= self.start) or (
            yesterday in self.days and local.time() < self.end
        )


def _address(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", text):
        raise ValueError(f"{text!r} is no mail address: write as costs@example.com")
    return text


def _sender(text: str) -> str:
    name, address = parseaddr(text)
    if not (text.isprintable() and address and (text == address or name)):
        raise ValueError(f"{text!r} is no sender: write as costs@example.com, or Costs <costs@example.com>")
    _address(address)
    return text


MailAddress = Annotated[str, AfterValidator(_address)]
#: SES takes 50 receivers a message.
MailAddresses = Annotated[tuple[MailAddress, ...], Field(min_length=1, max_length=50)]
MailSender = Annotated[str, AfterValidator(_sender)]
PhoneNumber = Annotated[str, Field(pattern=r"^\+[1-9]\d{6,14}$")]
TopicArn = Annotated[str, Field(pattern=r"^arn:[\w-]+:sns:[\w-]+:\d{12}:[\w-]+$")]


class Receiver(Limits):
    """What is the same of every receiver, however it is reached."""

    name: str = Field(pattern=r"^[a-zA-Z0-9][\w.-]{0,62}$", description="letters, digits, and - _ .")
    channel: str = Field(description="how it is reached")
    send_resolved: bool = Field(True, description="also tell that an incident is over")
    quiet: Quiet | None = Field(None, description="hours in which it is left alone")

    @property
    def follows(self) -> bool:
        """Whether it is also told that somebody acknowledged, snoozed, suppressed or expects what it was told of."""
        return False

    def takes(self, severity: AlertSeverity) -> bool:  # noqa: ARG002 - a question that some channels answer by it
        """Tell whether it is told of incidents of a severity."""
        return True


class WebhookReceiver(Receiver):
    """JSON, posted to an address of one's own."""

    channel: Literal["webhook"]
    url: SecretStr = Field(description=f"address, {_OR_FROM}")
    secret: SecretStr | None = Field(None, description=f"key of its signatures, {_OR_FROM}")


class SlackReceiver(Receiver):
    """Slack, by an incoming webhook."""

    channel: Literal["slack"]
    url: SecretStr = Field(description=f"address, {_OR_FROM}")


class SlackBotReceiver(Receiver):
    """Slack, by the token of a bot: messages are updated, and what changes is told in their threads."""

    channel: Literal["slack_bot"]
    token: SecretStr = Field(description=f"the bot's token, which begins with xoxb-, {_OR_FROM}")
    conversation: str = Field(pattern=r"^[CDG][A-Z0-9]{2,20}$", description="id of the Slack channel, as C0123456789")
    api: str = Field("https://slack.com/api", pattern=_WEB, description="another address of Slack's methods")

    @property
    def follows(self) -> bool:
        """It is: its message about the incident shows it."""
        return True


class TeamsReceiver(Receiver):
    """Microsoft Teams, by the webhook of a workflow."""

    channel: Literal["teams"]
    url: SecretStr = Field(description=f"address, {_OR_FROM}")


class PagerDutyReceiver(Receiver):
    """PagerDuty's Events API v2."""

    channel: Literal["pagerduty"]
    key: SecretStr = Field(description=f"integration key, {_OR_FROM}")
    api: str = Field(
        "https://events.pagerduty.com/v2/enqueue", pattern=_WEB, description="another address, as that of the EU"
    )

    @property
    def follows(self) -> bool:
        """It is: what is acknowledged here calls nobody there."""
        return True


class SnsReceiver(Receiver):
    """A topic of Amazon SNS."""

    channel: Literal["sns"]
    topic: TopicArn = Field(description="ARN of the topic")


class SmsReceiver(Receiver):
    """Text messages to telephones, by Amazon SNS."""

    channel: Literal["sms"]
    numbers: tuple[PhoneNumber, ...] = Field(min_length=1, max_length=20, description="as +4930123456")
    region: str = Field(pattern=_REGION, description="region of SNS that sends")
    sender_id: str | None = Field(None, pattern=r"^[A-Za-z][A-Za-z0-9]{0,10}$", description="shown as the sender")
    severities: tuple[AlertSeverity, ...] = Field(("critical",), min_length=1, description="it is told of these alone")

    def takes(self, severity: AlertSeverity) -> bool:
        """Tell whether it is told of incidents of a severity: by default of critical ones alone."""
        return severity in self.severities


class SmtpReceiver(Receiver):
    """E-mail by a server of one's own."""

    channel: Literal["smtp"]
    to: MailAddresses = Field(description="1 to 50 addresses")
    sender: MailSender = Field(description="From, as Costs <costs@example.com>")
    host: str = Field(pattern=r"^[\w.:-]+$", description="the server")
    port: int = Field(587, ge=1, le=65_535)
    tls: Literal["starttls", "tls", "none"] = Field("starttls", description="tls: from the first byte, mostly port 465")
    user: SecretStr | None = Field(None, description=f"name to sign in with, {_OR_FROM}")
    password: SecretStr | None = Field(None, description=f"to sign in with, {_OR_FROM}")

    @model_check(mode="after")
    def _signs_in_safely(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password belong together: set both or none")
        if self.password is not None and self.tls == "none":
            raise ValueError("a password would cross the network for all to read: set tls to starttls or tls")
        return self


class SesReceiver(Receiver):
    """E-mail by Amazon SES."""

    channel: Literal["ses"]
    to: MailAddresses = Field(description="1 to 50 addresses")
    sender: MailSender = Field(description="From, verified in SES, as Costs <costs@example.com>")
    region: str = Field(pattern=_REGION, description="region of SES that sends")
    configuration_set: str | None = Field(None, pattern=r"^[\w-]{1,64}$", description="of SES, for events of its own")


AnyReceiver = Annotated[
    WebhookReceiver
    | SlackReceiver
    | SlackBotReceiver
    | TeamsReceiver
    | PagerDutyReceiver
    | SnsReceiver
    | SmsReceiver
    | SmtpReceiver
    | SesReceiver,
    Field(discriminator="channel"),
]
_ANY: TypeAdapter[AnyReceiver] = TypeAdapter(AnyReceiver)


def receiver(document: Any) -> Receiver:  # noqa: ANN401 - plain data, not checked yet
    """Return a receiver of plain data.

    Raises
    ------
    pydantic.ValidationError
        When it is none.
    """
    return _ANY.validate_python(document)
