"""Replays: the recorded input through the steps once more, into rows of its own, while the live pipeline goes on.

A replay reads a range of a topic with the batch driver, with a state of its own. What its last step announces goes to
Kafka under the id of the run, and from there, as everything, to ClickHouse; nobody is notified. The same range under
the same id gives the same events again, so a replay that was cut short is simply run again.

By default all steps run, over `cost.statements`. A later step alone reads what the steps before it made in another run,
by default the live one, and takes it as if its own run had made it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from processors.batch import BatchDriver, States
from processors.pipeline import steps
from processors.runner import StepFailedError
from processors.step import Output, Step
from producers.sender import Sender
from schemas.codec import Codec, CodecError
from schemas.events import Event, Run
from schemas.registry import schema_source
from schemas.repository import UnknownSchemaError
from spendstream.clock import Clock
from spendstream.feedback import all_feedback
from spendstream.replay_input import Range, Reader
from spendstream.runs import live_among, runs
from spendstream.settings import ConfigurationError, Settings
from spendstream.topics import FEEDBACK, RUNS, Topic

#: Called with how many events were read, and of how many, about every thousand events.
Progress = Callable[[int, int], None]
_STEP = 1000


class Replay:
    """One run over a range of the recorded input.

    Parameters
    ----------
    settings, clock
        The deployment, with the rules that the replay is to follow.
    run
        Its id: lower-case letters, digits and hyphens; not that of the live run.
    only
        Names of the steps that run, one or more that follow one another; empty: all.
    input_run
        Where the first of them reads what another step makes: the run that made it; None: the live one.

    Raises
    ------
    ConfigurationError
        When the id, the steps or the input run cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        run: str,
        only: Sequence[str] = (),
        input_run: str | None = None,
    ) -> None:
        if not run or not all(sign.isascii() and (sign.islower() or sign.isdigit() or sign == "-") for sign in run):
            raise ConfigurationError(f"{run!r} cannot be a run id: use lower-case letters, digits and hyphens")
        self._runs = runs(settings)
        live = live_among(self._runs.values(), settings.processing.run)
        if run == live:
            raise ConfigurationError(f"{run!r} is the live run: choose another id")
        self.run = run
        self.steps = _chosen(steps(settings, run), only)
        self.topic: Topic = self.steps[0].inputs[0]
        self._whole = self.steps[0].name == steps(settings)[0].name
        self.input_run = self._input_run(input_run, live)
        self._settings = settings
        self._clock = clock
        self._sender = Sender(settings, clock)

    def _input_run(self, asked: str | None, live: str) -> str | None:
        if self._whole:
            if asked is not None:
                raise ConfigurationError(f"{self.steps[0].name} reads statements, which are of no run: leave --of out")
            return None
        if asked not in {None, live, *self._runs}:
            raise ConfigurationError(f"there is no run {asked!r} to read; `spendstream replay list` names all")
        return asked or live

    def over(self, span: Range, note: str = "", progress: Progress = lambda _, __: None) -> Run:
        """Replay a span, and return what was done; it is recorded as `running`, and as `failed` when it fails.

        Raises
        ------
        ConfigurationError
            When the id has rows that another range would mix with, or the input cannot be read.
        """
        known = self._runs.get(self.run)
        with Reader(self._settings, self.topic) as reader:
            first, last = reader.offsets(span)
            record = Run(
                id=self.run,
                state="running",
                steps=[step.name for step in self.steps],
                started_at=self._clock.now(),
                finished_at=None,
                from_offsets=self.named(first),
                to_offsets=self.named(last),
                events=0,
                note=note,
                input_run=self.input_run,
            )
            _check_unused(known, record)
            self.record(record)
            try:
                fed = self.feed(reader, span, first, last, progress)
            except BaseException:
                self.record(replace(record, state="failed", finished_at=self._clock.now()))
                raise
        record = replace(
            record,
            state="finished",
            finished_at=self._clock.now(),
            events=fed.events,
            from_offsets=self.named(fed.began),
            to_offsets=self.named(fed.ended),
        )
        self.record(record)
        return record

    def feed(
        self, reader: Reader, span: Range, first: dict[int, int], last: dict[int, int], progress: Progress
    ) -> "Fed":
        """Hand the events of the span to the steps, and return what that was; Kafka has all that follows from them."""
        driver = BatchDriver(self.steps, self._emit, on_failure=_left_out)
        self._say_again(driver)
        began = dict(first) if span.since is None else dict(last)
        ended = dict(last) if span.until is None else dict(first)
        events = 0
        total, read = sum(last[partition] - first[partition] for partition in last), 0
        until: dict[str, str] = {}
        for step in self.steps:
            until |= step.until
        codec = Codec(schema_source(self._settings), until)
        for message in reader.messages(first, last):
            read += 1
            if read % _STEP == 0:
                progress(read, total)
            if not span.holds(message):
                continue
            partition, offset = message.partition() or 0, message.offset() or 0
            began[partition] = min(began[partition], offset)
            ended[partition] = max(ended[partition], offset + 1)
            try:
                event = self._taken(codec.decode(message.value() or b""))
            except (CodecError, UnknownSchemaError):
                event = None  # the live pipeline has sent it to dead.letters
            else:
                events += event is not None
            if event is not None:
                driver.feed(self.topic, partition, event)
        self._sender.flush()
        progress(total, total)
        return Fed(events, began, ended, driver.states)

    def _say_again(self, driver: BatchDriver) -> None:
        """Let steps that hear people's words hear all of them first: each counts from the time when it was said."""
        if any(FEEDBACK in step.inputs for step in self.steps):
            for word in all_feedback(self._settings):
                for partition in range(self._settings.kafka.topics.partitions(FEEDBACK)):
                    driver.feed(FEEDBACK, partition, word)

    def _taken(self, event: Any) -> Event | None:  # noqa: ANN401 - any event class
        """Return an event as this run's own; None when it is another run's than the one that is read."""
        if self.input_run is None or not hasattr(event, "run"):
            taken: Event = event
            return taken
        return replace(event, run=self.run) if event.run == self.input_run else None

    def _emit(self, output: Output) -> None:
        self._sender.send(output.topic, output.partition, output.key.decode(), output.event)

    def record(self, run: Run) -> None:
        """Record what the run is now; Kafka has it when this returns."""
        self._sender.send(RUNS, 0, run.id, run)
        self._sender.flush()

    def named(self, offsets: dict[int, int]) -> dict[str, int]:
        """Return offsets with the name of the topic that is read."""
        name = self._settings.kafka.topics.name(self.topic)
        return {f"{name}/{partition}": offset for partition, offset in sorted(offsets.items())}


@dataclass(frozen=True, slots=True)
class Fed:
    """What was replayed: its events, the first offset and the one after the last by partition, and the state left."""

    events: int
    began: dict[int, int]
    ended: dict[int, int]
    states: States


def _chosen(known: tuple[Step, ...], names: Sequence[str]) -> tuple[Step, ...]:
    """Return the named steps in the order of the flow; all of them when none is named."""
    there = [step.name for step in known]
    unknown = [name for name in names if name not in there]
    if unknown:
        raise ConfigurationError(f"there is no step {unknown[0]}; there are {', '.join(there)}")
    if not names:
        return known
    at = sorted({there.index(name) for name in names})
    if at != list(range(at[0], at[-1] + 1)):
        missing = ", ".join(there[number] for number in range(at[0], at[-1]) if number not in at)
        raise ConfigurationError(f"the steps do not follow one another: name {missing} as well")
    return known[at[0] : at[-1] + 1]


def _check_unused(known: Run | None, record: Run) -> None:
    """Refuse an id whose rows would stay beside those of another range: versions count from each range's start."""
    if known is None or known.state == "dropped":
        return
    if known.state not in {"running", "failed"}:
        raise ConfigurationError(
            f"run {known.id} is {known.state} already: choose another id, or drop it first with "
            f"`spendstream replay drop {known.id}`"
        )
    before = (known.from_offsets, list(known.steps), known.input_run)
    if before != (record.from_offsets, list(record.steps), record.input_run):
        raise ConfigurationError(
            f"run {known.id} was cut short, and began elsewhere: give the same range and steps, choose another id, "
            f"or `spendstream replay drop {known.id}` first"
        )


def _left_out(topic: Topic, partition: int, event: Event, failure: StepFailedError) -> None:
    """What a step cannot process is left out, as the live pipeline leaves it out: it is among the dead letters."""
