"""Receivers while a service tells them: the routing file and what is suspended, as both change."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from alerts import routes
from alerts.reception import Reception
from schemas.events import Suspension
from spendstream.settings import ConfigurationError, Settings
from tests.kafka_backends import Backend

ROUTING = """
receivers:
- {name: letters, channel: smtp, host: 127.0.0.1, sender: costs@example.com, to: [ann@example.com, bob@example.com],
   user: costs, password: "env:TEST_OF_MAIL", fallback: hook}
- {name: hook, channel: webhook, url: "http://127.0.0.1/"}
route: {receiver: letters}
"""


@contextlib.asynccontextmanager
async def opened(settings: Settings, refused: str = "nobody") -> AsyncIterator[Reception]:
    """Give a reception with its channels open, of a service that cannot work with one receiver."""

    def check(routing: routes.Routing) -> None:
        if any(one.name == refused for one in routing.receivers):
            raise ConfigurationError(f"{refused} cannot be told")

    assert settings.alerts.routing is not None
    async with aiohttp.ClientSession() as session:
        with Reception(settings, routes.read(settings.alerts.routing), check) as reception:
            reception.open(session)
            yield reception


def settings_of(kafka: Backend, path: Path) -> Settings:
    path.write_text(ROUTING)
    return kafka.settings(alerts={"routing": path})


def suspended(address: str) -> Suspension:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return Suspension(receiver="letters", address=address, suspended=True, at=at, by="SES", why="no such mailbox")


def test_it_goes_over_to_a_routing_only_when_the_service_can_work_with_it(embedded_kafka, tmp_path, monkeypatch):
    monkeypatch.setenv("TEST_OF_MAIL", "a password")
    path = tmp_path / "routing.yaml"

    async def work() -> None:
        async with opened(settings_of(embedded_kafka, path), refused="pager") as reception:
            assert not reception.renew()
            before = reception.channel("letters")
            path.write_text(ROUTING.replace("name: hook", "name: pager").replace("fallback: hook", "fallback: pager"))
            assert not reception.renew()
            assert reception.fault == "pager cannot be told"
            path.write_text(ROUTING.replace("route:", "# as it was\nroute:").replace("127.0.0.1/", "127.0.0.1/other"))
            assert reception.renew()
            found = reception.fault
            assert found is None
            assert reception.channel("letters") is before

    asyncio.run(work())


def test_what_is_suspended_is_tried_again_until_a_channel_can_be_made_for_it(embedded_kafka, tmp_path, monkeypatch):
    monkeypatch.setenv("TEST_OF_MAIL", "a password")

    async def work() -> None:
        async with opened(settings_of(embedded_kafka, tmp_path / "routing.yaml")) as reception:
            before = reception.channel("letters")
            monkeypatch.delenv("TEST_OF_MAIL")
            reception.suspensions.take(suspended("bob@example.com"))
            assert not reception.reopen()
            assert not reception.renew()
            assert reception.channel("letters") is before
            monkeypatch.setenv("TEST_OF_MAIL", "another")
            assert reception.renew()
            assert not reception.renew()
            assert reception.channel("letters") is not before
            reception.suspensions.take(suspended("ann@example.com"))
            assert reception.reopen()
            assert set(reception.closed()) == {"letters"}

    asyncio.run(work())
