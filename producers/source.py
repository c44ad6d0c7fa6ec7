"""What a source is to the rest of the system. A new source is one file with one class of this shape."""

from dataclasses import dataclass
from typing import Protocol


class SourceError(RuntimeError):
    """A source could not be read; the text says what is wrong and what to do. Nothing was announced."""


@dataclass(frozen=True, slots=True)
class ReadingReport:
    """What one run of a source did.

    `statements` (or events of a metric) went out, and `lines` (or points) were read; `dead_letters` rows could not be
    taken; `left_out` scopes were published without detail, or metrics not read, because the polling budget did not
    allow it.
    """

    source: str
    readings: int
    statements: int
    lines: int
    dead_letters: int
    seconds: float
    left_out: int = 0

    def __str__(self) -> str:
        """Return it as a person reads it in a log."""
        letters = f", {self.dead_letters} dead letters" if self.dead_letters else ""
        left_out = f", {self.left_out} left out" if self.left_out else ""
        return (
            f"{self.source}: {self.statements} published, {self.lines} lines read{letters}{left_out}, {self.seconds} s"
        )


class Source(Protocol):
    """Something that can be read, again and again."""

    @property
    def name(self) -> str:
        """Name for logs and on the command line, unique among the sources."""
        ...

    @property
    def schedule(self) -> str:
        """When it is due: a cron expression, UTC."""
        ...

    def run_once(self) -> ReadingReport:
        """Read it whole, publish what changed, close the readings.

        Raises
        ------
        SourceError, spendstream.settings.ConfigurationError
            When it cannot be read.
        """
        ...
