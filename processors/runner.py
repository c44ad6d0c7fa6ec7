"""What both drivers share: a step at work on one partition, with its writes held back until its outputs are safe."""

from collections import Counter

from processors.step import HeldBack, Output, State, Step
from schemas.events import Event


class StepFailedError(Exception):
    """A step could not process an event; the cause is chained. The state is as it was before."""


class StepRunner:
    """Runs `step` on one partition; for each event: `process`, then `release` once the outputs are acknowledged."""

    def __init__(self, step: Step, partition: int, state: State) -> None:
        self.step = step
        self.partition = partition
        self.counts: Counter[str] = Counter()
        self._held = HeldBack(state)
        self._at_work = step.open(partition, self._held, self.counts)

    def process(self, event: Event) -> list[Output]:
        """Return the outputs of `event`; its writes are held back.

        Raises
        ------
        StepFailedError
            When the step raised: its writes are forgotten, and it is opened again.
        """
        try:
            return list(self._at_work.process(event))
        except Exception as error:
            self._held.forget()
            self._at_work = self.step.open(self.partition, self._held, self.counts)
            raise StepFailedError(f"{self.step.name}: {error}") from error

    def release(self) -> None:
        """Let the writes of the last event reach the state."""
        self._held.release()
