"""The report service: sends what is due, tries again, and corrects what was told too early.

One process at a time sends for a deployment.
"""

import asyncio
import logging
import signal
import threading

from prometheus_client import CollectorRegistry

from alerts import routes
from alerts.delivery_metrics import DeliveryMetrics
from alerts.reports.reporting import Reporting, check
from alerts.routes import Routing
from producers.sender import DeliveryError
from producers.sole import SoleProducer
from spendstream.admin import ensure_topics
from spendstream.clock import Clock, SystemClock
from spendstream.health import Progress, check_exposure, health_page
from spendstream.settings import ConfigurationError, Settings
from spendstream.supervise import begin_anew

log = logging.getLogger(__name__)


def routing_with_reports(settings: Settings) -> Routing:
    """Return the routing, whose reports can be told.

    Raises
    ------
    ConfigurationError
        When there is none, it cannot be used, or a report asks for what cannot be told.
    """
    if settings.alerts.routing is None:
        raise ConfigurationError("alerts.routing names no file: say there who is told what, see docs/reports.md")
    routing = routes.read(settings.alerts.routing)
    check(routing, settings)
    return routing


def run(settings: Settings, clock: Clock | None = None) -> None:
    """Send reports until SIGTERM or SIGINT.

    Raises
    ------
    ConfigurationError
        When there is no routing or no report in it, it cannot be used, or Kafka cannot be reached.
    """
    routing = routing_with_reports(settings)
    if not routing.reports:
        raise ConfigurationError(f"{settings.alerts.routing} has no reports: write them there, see docs/reports.md")
    check_exposure(settings.health.host, settings.health.token, "health")
    ensure_topics(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    progress = Progress("report")
    registry = CollectorRegistry()
    anew = False
    with (
        health_page(progress, settings.health, settings.health.report, registry=registry),
        SoleProducer(settings, "report") as sole,
    ):
        try:
            if sole.wait(stop):
                reporting = Reporting(
                    settings, routing, clock or SystemClock(), sole, progress, DeliveryMetrics(registry)
                )
                asyncio.run(reporting.work(stop))
        except DeliveryError as error:
            log.critical("beginning anew: %s", error)
            anew = True
    if anew:
        begin_anew()
