"""The routing file while delivery runs: read again when it changes; one that cannot be used changes nothing."""

import logging
from pathlib import Path

from alerts import routes
from alerts.routes import Routing
from spendstream.settings import ConfigurationError

log = logging.getLogger(__name__)


class RoutingFile:
    """A routing file, and what was last wrong with it.

    Parameters
    ----------
    path
        The file.
    routing
        What was read from it last.

    Attributes
    ----------
    fault
        Why its newest form cannot be used; None: it is used. No secret stands in it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = _form(path)
        self.fault: str | None = None

    def changed(self) -> Routing | None:
        """Return the routing when the file has changed and can be used; else None."""
        form = _form(self._path)
        if form == self._seen:
            return None
        self._seen = form
        try:
            routing = routes.read(self._path)
        except ConfigurationError as error:
            self.refuse(str(error))
            return None
        self.fault = None
        log.info("%s was read again", self._path)
        return routing

    def refuse(self, fault: str) -> None:
        """Note that its newest form cannot be used."""
        self.fault = fault
        log.error("going on with the routing as it was: %s", fault)


def _form(path: Path) -> tuple[int, int, int] | None:
    """Return what differs when a file was written or put in another's place; None: there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
