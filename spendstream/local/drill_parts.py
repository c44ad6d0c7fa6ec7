"""A process under a drill: killed at any moment, and started again."""

import subprocess
import threading
from collections import deque
from collections.abc import Mapping

from spendstream.supervise import start_service


class Part:
    """One of the project's processes, started again whenever it has ended before it was done."""

    def __init__(self, name: str, arguments: list[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self._arguments = arguments
        self._environment = environment
        self._log: deque[str] = deque(maxlen=30)
        self._process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        process = start_service(self._arguments, self._environment)
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
