"""What every drill does: processes are killed at any moment and started again, and what was done is told."""

import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from spendstream.supervise import start_service


@dataclass(slots=True)
class Toll(ABC):
    """What was done to the processes; a drill adds what came of it.

    `kills` are (seconds since the start, what).
    """

    seed: int
    kills: list[tuple[float, str]] = field(default_factory=list)
    restarts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    @abstractmethod
    def agrees(self) -> bool:
        """Whether everything is as it must be."""

    def killed(self) -> str:
        """Return in words what was killed."""
        killed = ", ".join(f"{what} at {at:.1f} s" for at, what in self.kills)
        return f"{len(self.kills)} kills ({killed}); restarts {dict(self.restarts)}"

    def plain(self) -> dict[str, object]:
        """Return it as plain data."""
        return {"agrees": self.agrees, **asdict(self)}


class Part:
    """One of the project's processes; `ends`: it has an end of its own, and is done when that was well."""

    def __init__(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], *, ends: bool = False
    ) -> None:
        self.name = name
        self._ends = ends
        self._arguments = arguments
        self._environment = environment
        self._log: deque[str] = deque(maxlen=30)
        self._process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        process = start_service(list(self._arguments), self._environment)
        threading.Thread(target=self._copy, args=(process,), daemon=True).start()
        return process

    def _copy(self, process: subprocess.Popen[str]) -> None:
        if process.stderr is not None:
            self._log.extend(process.stderr)

    @property
    def status(self) -> int | None:
        """Exit status, None while it runs."""
        return self._process.poll()

    @property
    def done(self) -> bool:
        """Whether it has done all that it had to."""
        return self._ends and self.status == 0

    @property
    def log(self) -> str:
        """Its last lines."""
        return "".join(self._log)

    def kill(self) -> None:
        """`kill -9`."""
        self._process.kill()
        self._process.wait()

    def again(self) -> None:
        """Start it again, after it has ended."""
        self._process = self._start()

    def stop(self) -> None:
        """Ask it to stop, and wait."""
        if self.status is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()


class Parts:
    """The processes of a drill.

    Parameters
    ----------
    toll
        Where kills and restarts are counted.
    environment
        Of the processes.
    tell
        Hears of each kill.
    """

    def __init__(self, toll: Toll, environment: Mapping[str, str], tell: Callable[[str], None]) -> None:
        self._began = time.monotonic()
        self._toll = toll
        self._environment = environment
        self._tell = tell
        self._parts: dict[str, Part] = {}

    def __getitem__(self, name: str) -> Part:
        return self._parts[name]

    def begin(self, name: str, *options: str, ends: bool = False) -> Part:
        """Start the service of that name."""
        part = self._parts[name] = Part(name, [name, *options], self._environment, ends=ends)
        return part

    def restart(self) -> None:
        """Start again what has ended and was not done."""
        for part in self._parts.values():
            if part.status is not None and not part.done:
                self._toll.restarts[part.name] += 1
                part.again()

    def note_kill(self, victim: str) -> None:
        """Count, and tell, that something was killed now."""
        at = round(time.monotonic() - self._began, 1)
        self._toll.kills.append((at, victim))
        self._tell(f"{at:6.1f} s  kill -9 {victim}")

    @property
    def logs(self) -> list[str]:
        """The last lines of each."""
        return [f"{part.name}: {part.log}" for part in self._parts.values()]

    def stop(self) -> None:
        """End all."""
        for part in self._parts.values():
            part.stop()


def environment_of(folder: Path, bootstrap: str, services: Sequence[str]) -> dict[str, str]:
    """Return what services of a drill need to know; their health pages take free ports."""
    return {
        "SPENDSTREAM_KAFKA__BOOTSTRAP": bootstrap,
        "SPENDSTREAM_PROCESSING__STATE_FOLDER": str(folder / "state"),
        "SPENDSTREAM_PROCESSING__SESSION_SECONDS": "6",
        **{f"SPENDSTREAM_HEALTH__{name.upper()}": "0" for name in services},
    }
