"""The process that reads the sources, each on its own schedule, in lanes.

What Kafka refuses ends all lanes, and they begin anew after a pause. A second process of the same deployment waits,
and takes over when the first one is gone (see `producers.sole`).
"""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from confluent_kafka import KafkaException

from producers.scheduler import Scheduler
from producers.sender import DeliveryError
from producers.shared import Shared
from producers.sole import RivalError, Sole
from spendstream.clock import Clock, SystemClock
from spendstream.health import Progress
from spendstream.settings import Settings

_LOOK_SECONDS = 5.0
_STOP_SECONDS = 15.0
_FIRST_PAUSE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 300.0

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Lane:
    name: str
    scheduler: Scheduler
    progress: Progress
    error: BaseException | None = None

    def run(self, ended: threading.Event) -> None:
        """Run what is due, until `ended`; an error ends the other lanes as well."""
        try:
            while not ended.is_set():
                self.progress.busy(True)
                self.scheduler.run_due()
                self.progress.busy(False)
                self.progress.moved()
                self.scheduler.wait(_LOOK_SECONDS)
        except Exception as error:  # noqa: BLE001 - raised again by the main thread
            self.error = error
        finally:
            self.progress.busy(False)
            ended.set()


class Service:
    """All lanes of the process, as its health page shows them.

    Parameters
    ----------
    settings
        The deployment.
    sole
        Makes what holds the right to publish; without it the lanes do not begin.
    clock
        The time; by default the machine's.
    """

    service = "produce"

    def __init__(
        self, settings: Settings, sole: Callable[[Settings], AbstractContextManager[Sole]], clock: Clock | None = None
    ) -> None:
        self._settings = settings
        self._sole = sole
        self._standby = True
        self._clock = clock or SystemClock()
        self._stop = threading.Event()
        self._lanes: Sequence[_Lane] = ()

    def stop(self) -> None:
        """Stop after what is being read, or within seconds: what is cut off is read again the next time."""
        self._stop.set()

    def ask(self, name: str) -> str:
        """Ask for a run of a source now; see `Scheduler.ask`."""
        if self._standby:
            return "standby"
        answers = {lane.scheduler.ask(name) for lane in self._lanes}
        return next((answer for answer in answers if answer != "unknown"), "unknown")

    def details(self) -> dict[str, object]:
        """Return what each source does, and whether another process publishes while this one waits."""
        return {
            "standby": self._standby,
            "sources": {name: state for lane in self._lanes for name, state in lane.scheduler.state().items()},
        }

    @property
    def ready(self) -> bool:
        """Whether the lanes have begun."""
        return bool(self._lanes)

    @property
    def seconds_without_progress(self) -> float:
        """Seconds since the slowest lane moved."""
        return max((lane.progress.seconds_without_progress for lane in self._lanes), default=0.0)

    def run_until_stopped(self) -> None:
        """Run all lanes while this is the one that publishes; when Kafka refuses, begin anew after a pause.

        Raises
        ------
        ConfigurationError
            When there is no source, or a schedule is no cron expression.
        """
        pause = _FIRST_PAUSE_SECONDS
        while not self._stop.is_set():
            try:
                with self._sole(self._settings) as sole:
                    self._standby = True
                    if sole.wait(self._stop):
                        self._run_lanes(sole)
            except RivalError as error:
                log.warning("%s", error)
            except (DeliveryError, KafkaException) as error:
                log.error("%s; the sources begin anew in %.0f s", error, pause)  # noqa: TRY400 - the text says all
                self._stop.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _run_lanes(self, sole: Sole) -> None:
        shared, chance = Shared(self._settings, self._clock), random.Random()  # noqa: S311 - no secret
        lanes = []
        for name, build in shared.lanes().items():
            progress = Progress(name)
            if found := build(partial(_alive, sole, progress)):
                scheduler = Scheduler(found, shared.runs, self._clock, chance, self._settings.scheduling)
                lanes.append(_Lane(name, scheduler, progress))
        self._lanes, self._standby = lanes, False
        ended = threading.Event()
        threads = [threading.Thread(target=partial(lane.run, ended), name=lane.name, daemon=True) for lane in lanes]
        for thread in threads:
            thread.start()
        try:
            while not ended.is_set() and not self._stop.is_set():
                ended.wait(0.5)
                sole.check()
        finally:
            ended.set()
            for lane, thread in zip(lanes, threads, strict=True):
                lane.scheduler.wake()
                thread.join(_STOP_SECONDS)
        for lane in lanes:
            if lane.error is not None:
                raise lane.error


def _alive(sole: Sole, progress: Progress) -> None:
    """Called with every event and answer: a sign of life, and the moment to see that nobody else publishes."""
    sole.check()
    progress.moved()
