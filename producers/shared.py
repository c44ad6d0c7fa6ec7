"""What the sources of one process share, and the lanes that they run in.

A lane is a thread with sources that run one after the other: bills, which share the knowledge of what was published,
and metrics, which must not wait for a large bill.
"""

from collections.abc import Callable, Iterator

from producers.aws_session import AwsSessions
from producers.budget import Budget, NoBudget
from producers.cloudwatch import CloudWatch
from producers.cost_explorer import CostExplorer
from producers.cost_explorer_access import Access, source_name
from producers.cost_explorer_controls import CostExplorerControls
from producers.cost_explorer_views import CostExplorerView
from producers.focus_export import FocusExport
from producers.publisher import Publisher
from producers.recording import Player, Recorder, recorder
from producers.runs import Runs
from producers.sender import Sender
from producers.source import ReadingReport, Source
from spendstream.clock import Clock
from spendstream.settings import Payer, Settings

#: Builds the sources of a lane, given what tells that a run is alive.
Build = Callable[[Callable[[], None]], list[Source]]


class Shared:
    """What the sources of one process share, and the lanes that they run in."""

    def __init__(self, settings: Settings, clock: Clock, player: Player | None = None) -> None:
        self.settings = settings
        self.clock = clock
        self.runs = Runs(Sender(settings, clock))
        self.budget = NoBudget(clock) if player else Budget(settings.budget, Sender(settings, clock))
        self._player = player

    def bills(self, moved: Callable[[], None]) -> list[Source]:
        """Return the sources of cost statements."""
        settings = self.settings
        if not settings.focus and not settings.cost_explorer.enabled:
            return []
        publisher = Publisher(settings, self.clock)
        publisher.moved = moved
        found: list[Source] = [FocusExport(export, publisher) for export in settings.focus]
        if settings.cost_explorer.enabled:
            for payer in settings.aws.payers or (None,):
                found += self._cost_explorer(payer, publisher, moved)
        return found

    def metrics(self, moved: Callable[[], None]) -> list[Source]:
        """Return the sources of usage metrics."""
        if not self.settings.cloudwatch.enabled:
            return []
        sender = Sender(self.settings, self.clock)
        sender.moved = moved
        sessions, keep = self._taped(CloudWatch.name, moved)
        return [keep(CloudWatch(self.settings.cloudwatch, sessions, self.budget, sender, self.runs))]

    def lanes(self) -> dict[str, Build]:
        """Return what builds each lane."""
        return {"bills": self.bills, "metrics": self.metrics}

    def _cost_explorer(self, payer: Payer | None, publisher: Publisher, moved: Callable[[], None]) -> Iterator[Source]:
        """Yield the sources of one payer's bill: itself, its views, its controls."""
        options = self.settings.cost_explorer
        for part in ("", *options.views, *(("controls",) if options.controls else ())):
            sessions, keep = self._taped(source_name(payer, part), moved)
            access = Access(options, payer, sessions, self.budget)
            if not part:
                yield keep(CostExplorer(access, publisher))
            elif part == "controls":
                yield keep(CostExplorerControls(access, publisher))
            else:
                yield keep(CostExplorerView(access, publisher, part))

    def _taped(self, name: str, moved: Callable[[], None]) -> tuple[AwsSessions, Callable[[Source], Source]]:
        """Return sessions whose answers are kept, or come from a recording, and what makes a source begin its tape."""
        tape = self._player or recorder(self.settings.recording, name, self.clock)
        sessions = AwsSessions(self.settings.aws, tape, moved=moved)
        if not isinstance(tape, Recorder):
            return sessions, lambda source: source
        return sessions, lambda source: Recorded(source, tape, self.runs, self.clock)


class Recorded:
    """A source whose tape begins anew with each run."""

    def __init__(self, source: Source, tape: Recorder, runs: Runs, clock: Clock) -> None:
        self.name = source.name
        self.schedule = source.schedule
        self._source = source
        self._tape = tape
        self._runs = runs
        self._clock = clock

    def run_once(self) -> ReadingReport:
        """Read the source."""
        self._tape.begin(self._clock.now(), self._runs.good_at(self.name))
        return self._source.run_once()
