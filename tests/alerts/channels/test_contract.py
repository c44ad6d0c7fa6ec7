"""One suite over every channel of the code: what answers mean, what is never shown, how much goes out, what is text."""

import logging
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from unicodedata import category

import aiohttp
import pytest

from alerts.channels.channel import Outcome
from alerts.channels.making import CHANNELS
from alerts.message import Message
from alerts.note import Note
from spendstream.settings import load
from tests.alerts.channels.certificates import Certificate, certificate
from tests.alerts.channels.messages import HOSTILE, crowd, hostile, message, note
from tests.alerts.channels.stands import SECRET, STANDS, Told, channel_of, stand_of

channels = pytest.mark.parametrize("name", sorted(CHANNELS))


@pytest.fixture(scope="module")
def untrusted(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate that nobody trusts."""
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True)
def _credentials(monkeypatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@pytest.fixture
def trusted(untrusted: Certificate, monkeypatch: pytest.MonkeyPatch) -> Certificate:
    """The same, trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(untrusted.path))
    return untrusted


@pytest.fixture(autouse=True)
def _nothing_secret_is_logged(caplog) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert SECRET not in caplog.text


async def sent(name: str, address: str, what: Message | Note | None = None, seconds: float = 5) -> Outcome:
    """Hand something over to a channel of an address; nothing secret may be in what comes back."""
    aws = {"endpoint_url": address} if address.startswith("http") else {"endpoint_url": None}
    settings = load(aws=aws, alerts={"timeout_seconds": seconds})
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=seconds)) as session:
        channel = channel_of(name, address, session, settings)
        outcome = await (channel.note(what) if isinstance(what, Note) else channel.send(what or message()))
    assert SECRET not in repr(outcome) + repr(channel)
    return outcome


def test_every_channel_has_its_other_side():
    assert sorted(STANDS) == sorted(CHANNELS)


@channels
@pytest.mark.parametrize(
    ("status", "accepted", "retry"),
    [
        (200, True, False),
        (202, True, False),
        (400, False, False),
        (401, False, False),
        (403, False, False),
        (404, False, False),
        (408, False, True),
        (429, False, True),
        (500, False, True),
        (503, False, True),
    ],
)
async def test_what_a_status_means(name, status, accepted, retry, trusted):
    with stand_of(name, Told(status), trusted if name == "smtp" else None) as (stand, address):
        outcome = await sent(name, address)
        assert (outcome.accepted, outcome.retry) == (accepted, retry)
        assert (outcome.error == "") is accepted
        assert not (outcome.unknown and status in {400, 429})
        assert stand.count <= 1


@pytest.mark.parametrize("name", [name for name, stand in STANDS.items() if stand.redirects])
async def test_a_message_goes_to_no_address_that_nobody_configured(name):
    with stand_of(name) as (elsewhere, other), stand_of(name, Told(307, {"Location": other})) as (_, address):
        outcome = await sent(name, address)
        assert (outcome.accepted, outcome.retry, elsewhere.count) == (False, False, 0)


@pytest.mark.parametrize("name", [name for name, stand in STANDS.items() if stand.waits])
@pytest.mark.parametrize(
    ("asked", "pause"),
    [("7", timedelta(seconds=7)), ("Thu, 01 Jan 1970 00:00:00 GMT", timedelta(0)), ("soon", None)],
)
async def test_who_says_how_long_to_wait_is_left_alone_so_long(name, asked, pause):
    with stand_of(name, Told(429, {"Retry-After": asked})) as (_, address):
        outcome = await sent(name, address)
    assert (outcome.retry, outcome.retry_after) == (True, pause)


@channels
async def test_no_answer_in_time_may_be_tried_again(name, trusted):
    with stand_of(name, Told(seconds=0.4), trusted if name == "smtp" else None) as (_, address):
        outcome = await sent(name, address, seconds=0.15)
    assert (outcome.accepted, outcome.retry, outcome.unknown) == (False, True, True)


@channels
async def test_nobody_there_may_be_tried_again_and_no_address_is_told(name):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    outcome = await sent(name, f"{'smtp' if name == 'smtp' else 'http'}://127.0.0.1:{port}")
    assert (outcome.accepted, outcome.retry, outcome.unknown) == (False, True, False)
    assert str(port) not in outcome.error


@channels
async def test_a_connection_that_breaks_may_be_tried_again(name):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            try:
                while True:
                    server.accept()[0].close()
            except OSError:
                return

        threading.Thread(target=hang_up, daemon=True).start()
        port = server.getsockname()[1]
        outcome = await sent(name, f"{'smtp' if name == 'smtp' else 'http'}://127.0.0.1:{port}")
        server.shutdown(socket.SHUT_RDWR)
    assert (outcome.accepted, outcome.retry) == (False, True)


@channels
async def test_nothing_is_sent_to_a_server_that_nobody_vouches_for(name, untrusted):
    with stand_of(name, tls=untrusted) as (stand, address):
        outcome = await sent(name, address)
        assert (outcome.accepted, outcome.retry, outcome.unknown, stand.count) == (False, True, False, 0)


@channels
async def test_much_stays_within_the_limits_of_the_channel(name, trusted):
    with stand_of(name, tls=trusted if name == "smtp" else None) as (stand, address):
        for what in (crowd(), hostile(), note(text="ü" * 140_000, html="<p>ü</p>" * 10_000)):
            assert (await sent(name, address, what)).accepted
        assert stand.count >= 3
        stand.fits()


@channels
async def test_hostile_texts_are_only_text(name, trusted):
    with stand_of(name, tls=trusted if name == "smtp" else None) as (stand, address):
        assert (await sent(name, address, hostile())).accepted
        assert (await sent(name, address, note(title=HOSTILE, text=HOSTILE, html=None))).accepted
        seen = list(stand.seen())
    assert seen
    for text in seen:
        assert [sign for sign in text if category(sign) in {"Cc", "Cf", "Cs"} and sign != "\t"] == []
        # An address of the hostile text's own may stand there, as text; nothing leads to it.
        assert not text.startswith("https://evil")


@channels
async def test_what_goes_out_says_what_and_how_much(name, trusted):
    with stand_of(name, tls=trusted if name == "smtp" else None) as (stand, address):
        await sent(name, address)
        seen = " ".join(stand.seen())
    assert "AmazonS3 of account 1234" in seen
    assert "5.00 USD a day" in seen
