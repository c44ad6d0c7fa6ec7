"""The process that reads the sources: each on its own schedule, one at a time, never twice at once."""

import logging
import signal
import threading
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from processors.ledger import OverlapError
from producers.focus_export import FocusExport, ReadingReport
from producers.publisher import Publisher
from spendstream.admin import ensure_topics
from spendstream.clock import SystemClock
from spendstream.health import Progress, health_page
from spendstream.settings import ConfigurationError, Settings

log = logging.getLogger(__name__)


def read_once(settings: Settings) -> list[ReadingReport]:
    """Read every configured export once, and return what was done.

    Raises
    ------
    ConfigurationError
        When an export cannot be found or read, or tells of an account that another source tells of.
    """
    publisher = Publisher(settings, SystemClock())
    try:
        return [FocusExport(export, publisher).run_once() for export in settings.focus]
    except OverlapError as error:
        raise ConfigurationError(str(error)) from None


def run(settings: Settings, *, once: bool) -> None:
    """Read the sources when they are due, until SIGTERM or SIGINT.

    Raises
    ------
    ConfigurationError
        When there is no source, or a schedule is no cron expression.
    """
    if not settings.focus:
        raise ConfigurationError(
            'there is no source to read: set SPENDSTREAM_FOCUS=\'[{"name": "main", "path": "…"}]\''
        )
    ensure_topics(settings)
    if once:
        for report in read_once(settings):
            log.info("%s", report)
        return
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    progress = Progress("produce")
    with health_page(progress, settings.health, settings.health.produce):
        _read_when_due(settings, stop, progress)


def _read_when_due(settings: Settings, stop: threading.Event, progress: Progress) -> None:
    publisher = Publisher(settings, SystemClock())
    due = {export.name: datetime.now(UTC) for export in settings.focus}
    while not stop.is_set():
        for export in settings.focus:
            if due[export.name] <= datetime.now(UTC):
                progress.busy(True)
                try:
                    log.info("%s", FocusExport(export, publisher).run_once())
                except (ConfigurationError, OverlapError) as error:
                    log.error("%s cannot be read: %s", export.name, error)  # noqa: TRY400 - the text says all
                due[export.name] = next_time(export.schedule, datetime.now(UTC))
        progress.busy(False)
        progress.moved()
        wait = (min(due.values()) - datetime.now(UTC)).total_seconds()
        stop.wait(max(0.0, wait))


def next_time(schedule: str, after: datetime) -> datetime:
    """Return the next time of a cron expression, in UTC."""
    try:
        return next(CronSim(schedule, after))
    except CronSimError as error:
        raise ConfigurationError(f"{schedule!r} is no cron expression: {error}") from None
