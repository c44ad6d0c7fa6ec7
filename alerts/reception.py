"""Who can be told now, and through what: the routing in force, what is suspended, and a channel for each receiver."""

import logging
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import aiohttp

from alerts.channels.channel import Channel
from alerts.open_channels import OpenChannels
from alerts.receivers import Receiver
from alerts.routes import Routing
from alerts.routing_file import RoutingFile
from alerts.suspensions import SuspensionReader, Suspensions
from spendstream.settings import ConfigurationError, Settings

log = logging.getLogger(__name__)


class Reception:
    """The receivers of a deployment while a service tells them: follows the routing file and what is suspended.

    Parameters
    ----------
    settings, routing
        The deployment, and the routing as it was read at the start.
    check
        Raises `ConfigurationError` when the service cannot work with a routing.

    Attributes
    ----------
    routing
        The one in force: the newest that can be used.
    """

    def __init__(self, settings: Settings, routing: Routing, check: Callable[[Routing], None] = lambda _: None) -> None:
        self.routing = routing
        self._settings = settings
        self._check = check
        self._file = None if settings.alerts.routing is None else RoutingFile(settings.alerts.routing)
        self._reader = SuspensionReader(settings)
        self._channels: OpenChannels | None = None
        self._is_stale = False
        self._hindrance = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.__exit__(kind, error, trace)

    @property
    def suspensions(self) -> Suspensions:
        """What is suspended."""
        return self._reader.known

    @property
    def fault(self) -> str | None:
        """Why the routing file as it is cannot be used; None: it is used."""
        return None if self._file is None else self._file.fault

    def open(self, session: aiohttp.ClientSession) -> None:
        """Open the channels. May block, as `renew` may: some are made with the clients of AWS.

        Raises
        ------
        ConfigurationError
            When one of them cannot be made.
        """
        self._channels = OpenChannels(self._settings, session)
        self._channels.open(self.routing, self.suspensions)

    def channel(self, receiver: str) -> Channel:
        """Return the channel of a receiver, once they are open; KeyError when there is no such receiver."""
        return self._opened().of(receiver)

    def receiver(self, name: str) -> Receiver | None:
        """Return a receiver of the routing by its name; None: there is none."""
        return next((one for one in self.routing.receivers if one.name == name), None)

    def closed(self) -> Mapping[str, str]:
        """Return the receivers of which no address is left, and why nothing can be sent to them."""
        return self.suspensions.closed(self.routing.receivers)

    def renew(self) -> bool:
        """Go over to what has changed in the routing file or is suspended now; say whether anything has."""
        self._is_stale |= self._reader.changed()
        wanted = None if self._file is None else self._file.changed()
        if wanted is not None and self._file is not None and self._go_over(wanted, self._file.refuse):
            return True
        return self._is_stale and self.reopen()

    def reopen(self) -> bool:
        """Go over to what is suspended now; while a channel cannot be made for it, `renew` tries again."""
        self._is_stale = True
        return self._go_over(self.routing, self._hinder)

    def _go_over(self, routing: Routing, refuse: Callable[[str], None]) -> bool:
        try:
            self._check(routing)
            self._opened().open(routing, self.suspensions)
        except ConfigurationError as error:
            refuse(str(error))
            return False
        self.routing, self._is_stale, self._hindrance = routing, False, ""
        return True

    def _hinder(self, why: str) -> None:
        if why != self._hindrance:
            self._hindrance = why
            log.warning("suspended addresses still get mail, it is tried again: %s", why)

    def _opened(self) -> OpenChannels:
        if self._channels is None:
            raise RuntimeError("the channels are not open yet")
        return self._channels
