"""The process that reads the sources: each on its own schedule, one at a time, never twice at once.

A source is due at the times of its cron expression, a little later by chance, so that many deployments do not ask at
the same second. What was missed while the process was down is made up for by one run at its start. A run that fails is
tried again after a pause that doubles, until it is due anyway; the other sources go on meanwhile.
"""

import logging
import random
import signal
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from cronsim import CronSim, CronSimError

from processors.ledger import OverlapError
from producers.aws_session import AwsSessions
from producers.budget import Budget
from producers.cost_explorer import CostExplorer
from producers.focus_export import FocusExport
from producers.publisher import Publisher
from producers.source import ReadingReport, Source, SourceError
from spendstream.admin import ensure_topics
from spendstream.clock import Clock, SystemClock
from spendstream.health import Progress, health_page
from spendstream.settings import ConfigurationError, Settings

_FIRST_PAUSE = timedelta(minutes=1)

log = logging.getLogger(__name__)


def sources(settings: Settings, publisher: Publisher) -> list[Source]:
    """Return all configured sources.

    Raises
    ------
    ConfigurationError
        When there is none.
    """
    found: list[Source] = [FocusExport(export, publisher) for export in settings.focus]
    if settings.cost_explorer.enabled:
        sessions, budget = AwsSessions(settings.aws), Budget(settings.budget, publisher)
        payers = settings.aws.payers or (None,)
        found += [CostExplorer(settings.cost_explorer, payer, sessions, budget, publisher) for payer in payers]
    if not found:
        raise ConfigurationError(
            'there is no source to read: set SPENDSTREAM_COST_EXPLORER__ENABLED=true, or SPENDSTREAM_FOCUS=\'[{"name": '
            '"main", "path": "…"}]\''
        )
    return found


def read_once(settings: Settings, clock: Clock | None = None, only: str | None = None) -> list[ReadingReport]:
    """Read every source once, or the `only` one, and return what was done.

    Raises
    ------
    ConfigurationError
        When there is no such source, or one of them cannot be read; the others are read all the same.
    """
    found = sources(settings, Publisher(settings, clock or SystemClock()))
    chosen = [source for source in found if only in (None, source.name)]
    if not chosen:
        raise ConfigurationError(f"there is no source {only}; there are {', '.join(source.name for source in found)}")
    reports, problems = [], []
    for source in chosen:
        try:
            reports.append(source.run_once())
        except (SourceError, OverlapError, ConfigurationError) as error:
            problems.append(f"{source.name} cannot be read: {error}")
    if problems:
        raise ConfigurationError("\n".join(problems))
    return reports


def run(settings: Settings, *, once: bool, only: str | None = None) -> None:
    """Read the sources when they are due, until SIGTERM or SIGINT; or each, or the `only` one, `once`.

    Raises
    ------
    ConfigurationError
        When there is no source, or a schedule is no cron expression.
    """
    ensure_topics(settings)
    if once:
        for report in read_once(settings, only=only):
            log.info("%s", report)
        return
    clock = SystemClock()
    scheduler = Scheduler(sources(settings, Publisher(settings, clock)), clock, random.Random())  # noqa: S311
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    progress = Progress("produce")
    with health_page(progress, settings.health, settings.health.produce):
        while not stop.is_set():
            progress.busy(True)
            scheduler.run_due()
            progress.busy(False)
            progress.moved()
            stop.wait(min(60.0, scheduler.seconds_to_wait()))


@dataclass(slots=True)
class _Plan:
    source: Source
    due: datetime
    failures: int = 0


class Scheduler:
    """Runs sources when they are due, one after the other.

    Parameters
    ----------
    sources, clock, chance
        What is run, what time it is, and where the delay by chance comes from.
    jitter
        The longest delay by chance.
    """

    def __init__(
        self,
        sources: list[Source],
        clock: Clock,
        chance: random.Random,
        jitter: timedelta = timedelta(seconds=30),
    ) -> None:
        self._clock = clock
        self._chance = chance
        self._jitter = jitter
        now = clock.now()
        self._plans = []
        for source in sources:
            last = source.last_run()
            following = now if last is None else next_time(source.schedule, last)
            next_time(source.schedule, now)  # a schedule that is no cron expression is refused at the start
            self._plans.append(_Plan(source, following if following <= now else self._late(following)))

    def run_due(self) -> None:
        """Run every source whose time has come."""
        for plan in self._plans:
            if plan.due <= self._clock.now():
                self._run(plan)

    def seconds_to_wait(self) -> float:
        """Return how long nothing is due."""
        return max(0.0, (min(plan.due for plan in self._plans) - self._clock.now()).total_seconds())

    def _run(self, plan: _Plan) -> None:
        try:
            log.info("%s", plan.source.run_once())
        except (SourceError, OverlapError, ConfigurationError) as error:
            plan.failures += 1
            pause = _FIRST_PAUSE * 2 ** (plan.failures - 1)
            following = next_time(plan.source.schedule, self._clock.now())
            plan.due = min(following, self._clock.now() + pause)
            log.error("%s cannot be read: %s; next try at %s", plan.source.name, error, plan.due)  # noqa: TRY400
        else:
            plan.failures = 0
            plan.due = self._late(next_time(plan.source.schedule, self._clock.now()))

    def _late(self, due: datetime) -> datetime:
        return due + self._jitter * self._chance.random()


def next_time(schedule: str, after: datetime) -> datetime:
    """Return the next time of a cron expression, in UTC."""
    try:
        return next(CronSim(schedule, after))
    except CronSimError as error:
        raise ConfigurationError(f"{schedule!r} is no cron expression: {error}") from None
