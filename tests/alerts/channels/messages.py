"""Messages and notes that tests of channels are about."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from alerts.message import Message
from alerts.note import Attachment, Note
from alerts.routing import Told
from schemas.events import Incident
from tests.alerts.facts import S3, T
from tests.schemas.examples import EXAMPLES

_EXAMPLE: Any = next(event for event in EXAMPLES if isinstance(event, Incident))
LINK = "https://costs.example.com/incidents/i1?t=signed"
#: What somebody may write into a tag, a name or a comment.
HOSTILE = (
    '<!channel> *bold* <https://evil.example|click> [x](https://evil.example) & "quoted" <script>alert(1)</script>'
    "<img src=x> </td></mj-text> {{ 7*7 }} {% raw %} ]]> <!-- \r\nBcc: everybody@example.com\u202e\u2066 \x00\x07 "
    "'; DROP TABLE--"
)


def incident(**changes: Any) -> Any:
    """Return an incident of S3 that fires."""
    return replace(_EXAMPLE, **{"state": "firing", "scope": S3, "owner": None, **changes})


def message(*incidents: Incident, link: str | None = None, handle: str | None = None, reason: str = "new") -> Message:
    """Return the message about some incidents, by default one."""
    told = [Told(one, reason, link, handle) for one in incidents or (incident(),)]
    return Message.of("on-call", "", told, T)


def hostile() -> Message:
    """Return a message in which every text is hostile, and some are very long."""
    name = HOSTILE.replace("/", "")
    scope = f"USD/provider=AWS/account={name}/service={name}"
    long = "x" * 10_000
    return message(
        incident(says=HOSTILE, owner=HOSTILE, scope=scope, rules=[HOSTILE], runbook=HOSTILE, labels={long: long}),
        incident(id="i2", says=long, owner=long, scope=f"USD/provider=AWS/account={long}", rules=[long], runbook=long),
        link=LINK,
        reason=HOSTILE,
    )


def crowd() -> Message:
    """Return a message about more than any channel takes at once."""
    return message(*(incident(id=f"i{number}", says="ü" * 10_000, owner="é" * 600) for number in range(60)), link=LINK)


def note(**changes: Any) -> Note:
    """Return a report."""
    made = Note(
        id="daily/2026-03-09/on-call",
        receiver="on-call",
        kind="report",
        title="Costs of 2026-03-09: 1,234.50 USD",
        text="AmazonS3   1,000.00\nAmazonEC2    234.50\n",
        at=T + timedelta(hours=1),
        html="<html><body><p>1,234.50</p></body></html>",
        attachments=[Attachment("costs.csv", "text/csv", b"service,cost\r\nAmazonS3,1000\r\n")],
        thread="daily",
    )
    return replace(made, **changes)
