"""What every source did last, kept in Kafka: a restart on any machine knows what is due."""

import threading
from datetime import datetime

from producers.sender import Sender
from schemas.events import SourceRun
from spendstream.read_back import read_back
from spendstream.topics import SOURCE_RUNS


class Runs:
    """The newest run of each source.

    Parameters
    ----------
    sender
        Where runs go, used by nothing else because sources of several threads end here.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._lock = threading.Lock()
        self._runs: dict[str, SourceRun] = {}
        for raw in read_back(sender.settings, SOURCE_RUNS):
            event = sender.codec.decode(raw)
            if isinstance(event, SourceRun):
                self._runs[event.source] = event

    def last(self, source: str) -> SourceRun | None:
        """Return the newest run of a source; None when there was none."""
        return self._runs.get(source)

    def good_at(self, source: str) -> datetime | None:
        """Return when the newest run of a source began that went well; None when there was none."""
        last = self._runs.get(source)
        return None if last is None else last.good_at

    def keep(self, source: str, started_at: datetime, *, good: bool, note: str) -> SourceRun:
        """Keep a run that ended now; Kafka has it when this returns.

        Raises
        ------
        producers.sender.DeliveryError
            When Kafka did not take it.
        """
        with self._lock:
            before = self._runs.get(source)
            run = SourceRun(
                source=source,
                started_at=started_at,
                ended_at=self._sender.clock.now(),
                failures=0 if good else 1 + (0 if before is None else before.failures),
                good_at=started_at if good else (None if before is None else before.good_at),
                note=note,
            )
            self._runs[source] = run
            self._sender.send(SOURCE_RUNS, 0, source, run)
            self._sender.flush()
        return run
