"""What mail servers say, and what becomes of a mail then."""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import pytest
from aiosmtpd.controller import Controller

from alerts.channels.channel import Outcome
from alerts.channels.making import make
from alerts.receivers import receiver as receiver_of
from spendstream.settings import load
from tests.alerts.channels.certificates import certificate
from tests.alerts.channels.messages import message


class Server:
    """A mail server without accounts; it answers each address as told."""

    def __init__(self, **refused: str) -> None:
        self._refused = refused
        self.received: list[Any] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: ARG002, N802
        answer = self._refused.get(address.partition("@")[0], "250 ok")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ARG002, N802
        self.received.append(envelope)
        return "250 ok"

    @contextmanager
    def at_work(self, **options: Any) -> Iterator[int]:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port: int = free.getsockname()[1]
        controller = Controller(self, hostname="127.0.0.1", port=port, **options)
        controller.start()
        try:
            yield port
        finally:
            controller.stop()


async def mailed(port: int, **fields: Any) -> Outcome:
    plain = {"name": "a", "channel": "smtp", "host": "127.0.0.1", "port": port, "sender": "costs@example.com"}
    receiver = receiver_of({**plain, "to": ["ann@example.com", "bob@example.com"], "tls": "none", **fields})
    async with aiohttp.ClientSession() as session:
        return await make(receiver, session, load(alerts={"timeout_seconds": 5})).send(message())


async def test_one_mail_goes_to_all_addresses():
    server = Server()
    with server.at_work() as port:
        outcome = await mailed(port)
    [envelope] = server.received
    assert outcome.accepted
    assert outcome.handle is not None
    assert (envelope.mail_from, envelope.rcpt_tos) == ("costs@example.com", ["ann@example.com", "bob@example.com"])
    assert outcome.handle.encode() in envelope.content


async def test_tls_from_the_first_byte(tmp_path, monkeypatch):
    made = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.path))
    server = Server()
    with server.at_work(ssl_context=made.server) as port:
        assert (await mailed(port, tls="tls")).accepted


async def test_nothing_is_sent_in_the_clear_when_tls_was_asked_for():
    server = Server()
    with server.at_work() as port:
        outcome = await mailed(port, tls="starttls")
    assert (outcome.accepted, outcome.retry, server.received) == (False, True, [])
    assert "STARTTLS" in outcome.error


async def test_an_address_that_is_refused_keeps_the_mail_from_nobody_else(caplog):
    caplog.set_level(logging.WARNING)
    server = Server(bob="550 who?")
    with server.at_work() as port:
        outcome = await mailed(port)
    assert outcome.accepted
    assert [envelope.rcpt_tos for envelope in server.received] == [["ann@example.com"]]
    said = [record.getMessage() for record in caplog.records if record.name == "alerts.channels.smtp"]
    assert said == ["a: 1 of its addresses were refused"]


@pytest.mark.parametrize(("answer", "retry"), [("550 who?", False), ("451 later", True)])
async def test_when_every_address_is_refused_nobody_has_it(answer, retry):
    server = Server(ann=answer, bob=answer)
    with server.at_work() as port:
        outcome = await mailed(port)
    assert (outcome.accepted, outcome.retry) == (False, retry)
    assert "example.com" not in outcome.error
