"""The process that serves the API."""

from aiohttp import web

from api.app import make_app
from spendstream.clock import SystemClock
from spendstream.health import check_exposure
from spendstream.settings import Settings


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises
    ------
    ConfigurationError
        When it would listen beyond loopback without a token.
    """
    check_exposure(settings.api.host, settings.api.token, "api")
    web.run_app(
        make_app(settings, SystemClock()), host=settings.api.host, port=settings.api.port, print=None, access_log=None
    )
