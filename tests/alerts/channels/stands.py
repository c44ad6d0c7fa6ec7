"""The other side of each channel: a server that speaks its protocol, answers as told, and shows what people would see.

How it answers is told as a status of HTTP; a stand that speaks something else translates it.
"""

import base64
import json
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any, ClassVar
from urllib.parse import parse_qs

import aiohttp
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from alerts.channels.channel import Channel
from alerts.channels.making import make
from alerts.channels.sms import _ALPHABET
from alerts.receivers import receiver as receiver_of
from spendstream.settings import Settings
from tests.alerts.channels.certificates import Certificate
from tests.alerts.web_double import Got, WebDouble

SECRET = "s3cret-part"


@dataclass(frozen=True)
class Told:
    """How a stand is to answer."""

    status: int = 200
    headers: Mapping[str, str] | None = None
    seconds: float = 0


class Stand:
    """One channel's other side.

    Attributes
    ----------
    redirects
        Whether its protocol knows redirects.
    waits
        Whether its protocol can say how long to wait.
    """

    redirects: ClassVar[bool] = True
    waits: ClassVar[bool] = True

    def __init__(self, told: Told, tls: Certificate | None) -> None:
        self.told = told
        self.double = WebDouble(self.answer, None if tls is None else tls.server)

    @contextmanager
    def at_work(self) -> Iterator[str]:
        """Serve, and give the address."""
        with self.double:
            yield self.double.url

    def answer(self, got: Got) -> tuple[int, dict[str, str], bytes]:
        """Answer a request as told."""
        time.sleep(self.told.seconds)
        status = self.told.status
        return status, dict(self.told.headers or {}), self.body(got, status)

    def body(self, got: Got, status: int) -> bytes:  # noqa: ARG002 - what most of them answer
        """Return the body of an answer."""
        return b""

    @staticmethod
    def receiver(address: str) -> dict[str, Any]:
        """Return the receiver that is behind an address of the web; by default the address is the secret."""
        return {"url": f"{address}/{SECRET}"}

    @property
    def count(self) -> int:
        """How many messages came."""
        return len(self.double.got)

    @property
    def documents(self) -> list[Any]:
        """What came, as JSON."""
        return [json.loads(got.body) for got in self.double.got]

    def seen(self) -> Iterable[str]:
        """Return the texts that people would see, as they came."""
        return (text for document in self.documents for text in texts(document))

    def fits(self) -> None:
        """Fail when what came is larger than the channel takes."""
        raise AssertionError("each stand says how much its channel takes")


class WebhookStand(Stand):
    def seen(self) -> Iterable[str]:
        """Only words: names and labels are data, which stays as it is."""
        for document in self.documents:
            yield from texts(document.get("note", {}))
            for one in document["incidents"]:
                yield from (one["title"], one["says"], one["reason"])

    def fits(self) -> None:
        assert all(len(got.body) < 1_000_000 for got in self.double.got)


class SlackStand(Stand):
    def fits(self) -> None:
        for document in self.documents:
            assert len(document.get("blocks", [])) <= 50
            for block in document.get("blocks", []):
                limit = {"header": 150, "section": 3_000}.get(block["type"], 0)
                assert len(block.get("text", {}).get("text", "")) <= limit

    def seen(self) -> Iterable[str]:
        for document in self.documents:
            marked = [document["text"]]
            for block in document.get("blocks", []):
                text = block.get("text", {})
                if text.get("type") == "mrkdwn":
                    marked.append(text["text"])
            for text in marked:
                # Whatever is markup of Slack's begins with one of these.
                assert "<" not in text
                assert "*bold*" not in text
            yield from texts(document)


class SlackBotStand(SlackStand):
    @staticmethod
    def receiver(address: str) -> dict[str, Any]:
        return {"token": f"xoxb-{SECRET}", "conversation": "C0123456789", "api": f"{address}/api"}

    def body(self, got: Got, status: int) -> bytes:
        assert got.headers["Authorization"] == f"Bearer xoxb-{SECRET}"
        return json.dumps({"ok": status < 300, "channel": "C0123456789", "ts": f"17{self.count}.0001"}).encode()


class TeamsStand(Stand):
    def fits(self) -> None:
        assert all(len(got.body) <= 28_000 for got in self.double.got)

    def seen(self) -> Iterable[str]:
        for document in self.documents:
            for element in document["attachments"][0]["content"]["body"]:
                # In runs of rich text nothing is markup.
                assert element["type"] == "RichTextBlock"
                assert {run["type"] for run in element["inlines"]} == {"TextRun"}
            yield from texts(document)


class PagerDutyStand(Stand):
    @staticmethod
    def receiver(address: str) -> dict[str, Any]:
        return {"key": SECRET, "api": f"{address}/v2/enqueue"}

    def fits(self) -> None:
        for got, document in zip(self.double.got, self.documents, strict=True):
            assert len(got.body) < 512_000
            assert len(document["payload"]["summary"]) <= 1_024


class AwsStand(Stand):
    redirects = False
    _CODES: ClassVar[dict[int, str]] = {408: "RequestTimeout", 429: "ThrottlingException", 500: "InternalFailure"}

    def code(self, status: int) -> str:
        return self._CODES.get(status, "InvalidParameter")


class SnsStand(AwsStand):
    @staticmethod
    def receiver(address: str) -> dict[str, Any]:  # noqa: ARG004 - AWS's address is a setting
        return {"topic": "arn:aws:sns:us-east-1:123456789012:costs"}

    def body(self, got: Got, status: int) -> bytes:  # noqa: ARG002
        if status < 300:
            return b"<PublishResponse><PublishResult><MessageId>m1</MessageId></PublishResult></PublishResponse>"
        return f"<ErrorResponse><Error><Code>{self.code(status)}</Code></Error></ErrorResponse>".encode()

    def forms(self) -> list[dict[str, str]]:
        return [{name: one[0] for name, one in parse_qs(got.body.decode()).items()} for got in self.double.got]

    def seen(self) -> Iterable[str]:
        return (value for form in self.forms() for value in (form["Subject"], *form["Message"].splitlines()))

    def fits(self) -> None:
        for form in self.forms():
            assert len(form["Message"].encode()) <= 256 * 1024
            assert len(form["Subject"]) < 100
            assert form["Subject"].isascii()


class SmsStand(SnsStand):
    @staticmethod
    def receiver(address: str) -> dict[str, Any]:  # noqa: ARG004
        return {"numbers": ["+4915112345678"], "region": "us-east-1", "sender_id": "Costs"}

    def seen(self) -> Iterable[str]:
        return (form["Message"] for form in self.forms())

    def fits(self) -> None:
        for form in self.forms():
            assert len(form["Message"]) <= 160
            assert set(form["Message"]) <= _ALPHABET


class SesStand(AwsStand):
    @staticmethod
    def receiver(address: str) -> dict[str, Any]:  # noqa: ARG004
        return {"to": ["ann@example.com"], "sender": "Costs <costs@example.com>", "region": "us-east-1"}

    def body(self, got: Got, status: int) -> bytes:  # noqa: ARG002
        if status < 300:
            return b'{"MessageId": "m1"}'
        return json.dumps({"__type": self.code(status), "message": "no"}).encode()

    def mails(self) -> list[EmailMessage]:
        return [mail_of(document["Content"]["Raw"]["Data"]) for document in self.documents]

    def seen(self) -> Iterable[str]:
        return (text for mail in self.mails() for text in texts_of_mail(mail))

    def fits(self) -> None:
        assert all(len(mail.as_bytes()) < 9_500_000 for mail in self.mails())


class SmtpStand(Stand):
    redirects = False
    waits = False
    #: A server that takes little, so that mails are cut.
    size = 60_000
    _CODES: ClassVar[dict[int, str]] = {
        200: "250 taken",
        202: "250 taken",
        400: "554 no",
        404: "550 no",
        408: "451 later",
        429: "450 later",
        500: "452 later",
        503: "421 later",
    }

    def __init__(self, told: Told, tls: Certificate | None) -> None:
        super().__init__(told, None)
        self._tls = tls
        self.received: list[bytes] = []

    @contextmanager
    def at_work(self) -> Iterator[str]:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        assert self._tls is not None
        controller = Controller(
            self,
            hostname="127.0.0.1",
            port=port,
            tls_context=self._tls.server,
            require_starttls=True,
            authenticator=self._signed_in,
            auth_required=True,
            data_size_limit=self.size,
        )
        controller.start()
        try:
            yield f"smtp://127.0.0.1:{port}"
        finally:
            controller.stop()

    def _signed_in(self, *_: Any) -> AuthResult:
        return AuthResult(success=self.told.status not in {401, 403}, handled=False)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ARG002, N802 - aiosmtpd's
        time.sleep(self.told.seconds)  # noqa: ASYNC251 - the whole server is slow, in a thread of its own
        self.received.append(envelope.content)
        return self._CODES[self.told.status]

    @staticmethod
    def receiver(address: str) -> dict[str, Any]:
        host, port = address.split("/")[2].rsplit(":", 1)
        mails = {"to": ["ann@example.com", "bob@example.com"], "sender": "Costs <costs@example.com>"}
        return {**mails, "host": host, "port": int(port), "user": "costs", "password": SECRET}

    @property
    def count(self) -> int:
        return len(self.received)

    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(content, policy=policy.default) for content in self.received]

    def seen(self) -> Iterable[str]:
        return (text for mail in self.mails() for text in texts_of_mail(mail))

    def fits(self) -> None:
        assert all(len(content) <= self.size for content in self.received)


#: A stand for every channel: the suite runs over the channels of the code, and misses none.
STANDS: Mapping[str, type[Stand]] = {
    "webhook": WebhookStand,
    "slack": SlackStand,
    "slack_bot": SlackBotStand,
    "teams": TeamsStand,
    "pagerduty": PagerDutyStand,
    "sns": SnsStand,
    "sms": SmsStand,
    "smtp": SmtpStand,
    "ses": SesStand,
}


@contextmanager
def stand_of(name: str, told: Told | None = None, tls: Certificate | None = None) -> Iterator[tuple[Stand, str]]:
    """Give a channel's other side at work, and its address. TLS: what an address of the web shows; SMTP always does."""
    stand = STANDS[name](told or Told(), tls)
    with stand.at_work() as address:
        yield stand, address


def channel_of(name: str, address: str, session: aiohttp.ClientSession, settings: Settings) -> Channel:
    """Return a channel, as it is made of a routing file."""
    plain = {"name": "on-call", "channel": name, **STANDS[name].receiver(address)}
    return make(receiver_of(plain), session, settings)


def texts(document: Any) -> Iterator[str]:
    """Yield every text in JSON."""
    if isinstance(document, str):
        yield from document.split("\n")
    elif isinstance(document, Mapping):
        for value in document.values():
            yield from texts(value)
    elif isinstance(document, list):
        for value in document:
            yield from texts(value)


def mail_of(encoded: str) -> EmailMessage:
    """Return a mail of what boto3 sends."""
    return message_from_bytes(base64.b64decode(encoded), policy=policy.default)


def texts_of_mail(mail: EmailMessage) -> Iterator[str]:
    """Yield the texts of a mail; fail when its HTML has elements that its template does not have."""
    assert set(mail.keys()) <= {
        *("From", "To", "Subject", "Date", "Message-ID", "References", "In-Reply-To", "MIME-Version", "Content-Type"),
        *("Auto-Submitted", "X-Auto-Response-Suppress", "X-Peer", "X-MailFrom", "X-RcptTo"),
        *("X-Spendstream-Id", "X-Spendstream-Receiver"),
    }
    yield str(mail["Subject"])
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    yield from text.get_content().splitlines()
    if html is not None:
        shown = _Shown()
        shown.feed(html.get_content())
        assert shown.elements.isdisjoint({"script", "img", "iframe", "form", "mj-text"})
        yield from (line for text in shown.texts for line in text.splitlines())


class _Shown(HTMLParser):
    """Elements and texts of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
