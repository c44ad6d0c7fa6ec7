"""When sources run.

A source is due at the times of its cron expression, a little later by chance, so that many deployments do not ask at
the same second. However many times were missed, while the process was down or the last run took too long, one run makes
up for them. A run that fails is tried again after a pause that doubles, until it is due anyway. A source never runs
twice at once: a scheduler runs its sources one after the other, and several schedulers share no source.
"""

import logging
import random
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from confluent_kafka import KafkaException
from cronsim import CronSim, CronSimError

from processors.ledger import OverlapError
from producers.runs import Runs
from producers.sender import DeliveryError
from producers.source import Source, SourceError
from schemas.events import SourceRun
from spendstream.clock import Clock
from spendstream.settings import ConfigurationError, Scheduling

_LONGEST_PAUSE = timedelta(hours=1)
_NOTE_LENGTH = 2000

log = logging.getLogger(__name__)


def next_time(schedule: str, after: datetime) -> datetime:
    """Return the next time of a cron expression, in UTC.

    Raises
    ------
    ConfigurationError
        When it is no cron expression.
    """
    try:
        found: datetime = next(CronSim(schedule, after.astimezone(UTC)))
    except CronSimError as error:
        raise ConfigurationError(f"{schedule!r} is no cron expression: {error}") from None
    except StopIteration:
        raise ConfigurationError(f"{schedule!r} names a time that never comes") from None
    return found


def due_after(schedule: str, last: SourceRun | None, late: timedelta, first_pause: timedelta) -> datetime | None:
    """Return when a source is due after its last run; None: now.

    Parameters
    ----------
    schedule
        A cron expression.
    last
        The newest run, None when there was none.
    late
        Delay by chance, for a run that is on schedule.
    first_pause
        Pause after the first failure; each further one doubles it.
    """
    if last is None:
        return None
    following = next_time(schedule, last.started_at) + late
    if not last.failures:
        return following
    pause: timedelta = min(first_pause * 2 ** min(last.failures - 1, 20), _LONGEST_PAUSE)
    return min(max(following, last.ended_at), last.ended_at + pause)


@dataclass(slots=True)
class _Plan:
    source: Source
    due: datetime
    running: bool = False
    asked: bool = False


class Scheduler:
    """Runs sources when they are due, one after the other.

    Parameters
    ----------
    sources, runs
        What is run, and what is known of earlier runs.
    clock, chance
        What time it is, and where the delay by chance comes from.
    options
        Delay and pause.

    Raises
    ------
    ConfigurationError
        When a schedule is no cron expression, or two sources have one name.
    """

    def __init__(
        self, sources: list[Source], runs: Runs, clock: Clock, chance: random.Random, options: Scheduling
    ) -> None:
        self._runs = runs
        self._clock = clock
        self._chance = chance
        self._options = options
        self._woken = threading.Event()
        self._plans: dict[str, _Plan] = {}
        for source in sources:
            next_time(source.schedule, clock.now())
            if source.name in self._plans:
                raise ConfigurationError(f"there are two sources of the name {source.name}: give one another name")
            self._plans[source.name] = _Plan(source, self._due(source))

    def run_due(self) -> None:
        """Run every source whose time has come, or that was asked for.

        Raises
        ------
        producers.sender.DeliveryError, confluent_kafka.KafkaException
            When Kafka does not take what a source publishes: no source can go on.
        """
        self._woken.clear()
        for plan in self._plans.values():
            if plan.asked or plan.due <= self._clock.now():
                self._run(plan)

    def ask(self, name: str) -> str:
        """Ask for a run now, from any thread; return `accepted`, `running` (nothing is done) or `unknown`."""
        plan = self._plans.get(name)
        if plan is None:
            return "unknown"
        if plan.running:
            return "running"
        plan.asked = True
        self._woken.set()
        return "accepted"

    def wait(self, at_most: float) -> None:
        """Wait until a source is due or asked for, or `at_most` seconds."""
        self._woken.wait(min(at_most, self.seconds_to_wait()))

    def wake(self) -> None:
        """End a wait."""
        self._woken.set()

    def seconds_to_wait(self) -> float:
        """Return how long nothing is due; infinite without a source."""
        waits = [(plan.due - self._clock.now()).total_seconds() for plan in self._plans.values()]
        return max(0.0, min(waits, default=float("inf")))

    def state(self) -> dict[str, dict[str, str]]:
        """Return what each source does, did last and will do next, for the health page."""
        shown = {}
        for name, plan in self._plans.items():
            last = self._runs.last(name)
            shown[name] = {
                "state": "running"
                if plan.running
                else ("failing" if last is not None and last.failures else "waiting"),
                "last": "never" if last is None else f"{last.started_at.isoformat()}: {last.note}",
                "due": plan.due.isoformat(),
            }
        return shown

    def _run(self, plan: _Plan) -> None:
        started, name = self._clock.now(), plan.source.name
        plan.running = True
        try:
            note = str(plan.source.run_once())
        except (DeliveryError, KafkaException):
            raise
        except (SourceError, OverlapError, ConfigurationError) as error:
            self._failed(plan, started, str(error))
            log.error("%s cannot be read: %s; next try at %s", name, error, plan.due.isoformat())  # noqa: TRY400
        except Exception as error:
            # Whatever is wrong with one source, the others go on.
            self._failed(plan, started, f"{type(error).__name__}: {error}")
            log.exception("%s failed; next try at %s", name, plan.due.isoformat())
        else:
            self._runs.keep(name, started, good=True, note=note[:_NOTE_LENGTH])
            log.info("%s", note)
            plan.due = self._due(plan.source)
        finally:
            plan.running = plan.asked = False

    def _failed(self, plan: _Plan, started: datetime, note: str) -> None:
        self._runs.keep(plan.source.name, started, good=False, note=note[:_NOTE_LENGTH])
        plan.due = self._due(plan.source)

    def _due(self, source: Source) -> datetime:
        late = timedelta(seconds=self._options.jitter_seconds * self._chance.random())
        pause = timedelta(seconds=self._options.retry_seconds)
        return due_after(source.schedule, self._runs.last(source.name), late, pause) or self._clock.now()
