"""The batch driver: runs a chain of steps over recorded input in one process, for replay, backtest, benchmark and test.

Outputs go straight to the next step of the chain, and to `emit` when no step of the chain reads their topic or when
it is one that others read as well. Nothing is committed: a batch that is cut short is run again.
"""

from collections import deque
from collections.abc import Callable, Sequence

from processors.runner import StepFailedError, StepRunner
from processors.step import DictState, Json, Output, Step
from schemas.events import Event
from spendstream.topics import AGGREGATES, ANOMALIES, Topic

#: What becomes of an event that a step could not process.
OnFailure = Callable[[Topic, int, Event, StepFailedError], None]

#: What goes to ClickHouse, whatever else reads it.
_READ_BY_OTHERS = frozenset({AGGREGATES, ANOMALIES})

#: Step name → partition → its state.
States = dict[str, dict[int, dict[str, Json]]]


def _raise(topic: Topic, partition: int, event: Event, failure: StepFailedError) -> None:  # noqa: ARG001 - see OnFailure
    raise failure


class BatchDriver:
    """Runs steps over events that are handed in, partition by partition, in their recorded order.

    Parameters
    ----------
    steps
        The chain; a topic is read by every step that names it among its inputs.
    emit
        Receives the outputs that no step of the chain reads, and announcements.
    on_failure
        Receives what a step could not process; by default the failure is raised.
    states
        State to begin with, by step and partition; it is changed in place, so that it can be kept.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        emit: Callable[[Output], None],
        on_failure: OnFailure = _raise,
        states: States | None = None,
    ) -> None:
        self._emit = emit
        self._on_failure = on_failure
        self.states: States = {} if states is None else states
        self._readers: dict[Topic, list[Step]] = {}
        for step in steps:
            for topic in step.inputs:
                self._readers.setdefault(topic, []).append(step)
        self._runners: dict[tuple[str, int], StepRunner] = {}

    def feed(self, topic: Topic, partition: int, event: Event) -> None:
        """Process one event of the recorded input and all that follows from it."""
        queue: deque[tuple[Topic, int, Event]] = deque([(topic, partition, event)])
        while queue:
            where, number, current = queue.popleft()
            for step in self._readers.get(where, ()):
                for output in self._run(step, where, number, current):
                    if output.topic in self._readers:
                        queue.append((output.topic, output.partition, output.event))
                    if output.topic not in self._readers or output.topic in _READ_BY_OTHERS:
                        self._emit(output)

    def _run(self, step: Step, topic: Topic, partition: int, event: Event) -> list[Output]:
        runner = self._runner(step, partition)
        try:
            outputs = runner.process(event)
        except StepFailedError as failure:
            self._on_failure(topic, partition, event, failure)
            return []
        runner.release()
        return outputs

    def _runner(self, step: Step, partition: int) -> StepRunner:
        runner = self._runners.get((step.name, partition))
        if runner is None:
            entries = self.states.setdefault(step.name, {}).setdefault(partition, {})
            runner = self._runners[step.name, partition] = StepRunner(step, partition, DictState(entries))
        return runner

    @property
    def counts(self) -> dict[str, int]:
        """What the steps counted, over all partitions, as `step.name`."""
        sums: dict[str, int] = {}
        for (name, _), runner in self._runners.items():
            for what, number in runner.counts.items():
                sums[f"{name}.{what}"] = sums.get(f"{name}.{what}", 0) + number
        return sums
