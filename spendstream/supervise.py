"""Runs the services of one machine as processes, shows their logs in one terminal, and stops them cleanly."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, NoReturn, Self

_STOP_SECONDS = 20
_COLOURS = {"process": 36, "sink": 35, "api": 32, "produce": 33}


#: Set for a service that is to end with the process that started it: it watches its standard input.
_WATCH = "SPENDSTREAM_ENDS_WITH_ITS_PARENT"


def start_service(arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start `spendstream ARGUMENTS`; it ends with this process, also when this one is killed. Its log is its stderr."""
    return subprocess.Popen(
        [sys.executable, "-m", "spendstream.cli", *arguments],
        env={**os.environ, **environment, _WATCH: "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end_with_parent() -> None:
    """In a service that `start_service` has started: ask for a clean stop when the process that did so is gone."""
    if os.environ.pop(_WATCH, None):
        threading.Thread(target=_stop_at_end_of_input, name=_WATCH, daemon=True).start()


def begin_anew() -> NoReturn:
    """Replace this process by a fresh one with the same command line; process id, terminal and parent stay."""
    if any(thread.name == _WATCH for thread in threading.enumerate()):
        os.environ[_WATCH] = "1"
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - our own command line


def _stop_at_end_of_input() -> None:
    # The kernel closes the pipe when the other process ends, however it ends. Not by sys.stdin: a thread that waits in
    # it would hold its lock when the interpreter shuts down.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


class Services:
    """Child processes, each `spendstream NAME`.

    Parameters
    ----------
    names
        The services to run.
    environment
        Their settings, over this process's environment.
    show
        Where their logs go, each line behind the service's name; None: nowhere.
    """

    def __init__(self, names: Sequence[str], environment: Mapping[str, str], show: IO[str] | None) -> None:
        self._names = names
        self._environment = dict(environment)
        self._show = show
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._last: dict[str, list[str]] = {}

    def __enter__(self) -> Self:
        """Start all."""
        for name in self._names:
            self.start(name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop all, the newest first."""
        self.stop()

    def start(self, name: str) -> None:
        """Start one service."""
        process = self._processes[name] = start_service([name], self._environment)
        self._last[name] = []
        threading.Thread(target=self._copy, args=(name, process), daemon=True).start()

    def ended(self) -> dict[str, tuple[int, str]]:
        """Return exit status and last lines of the services that have ended."""
        return {
            name: (process.returncode, "\n".join(self._last[name]))
            for name, process in self._processes.items()
            if process.poll() is not None
        }

    def stop(self) -> None:
        """Ask every process to stop, and kill the ones that do not."""
        for process in self._processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        for process in self._processes.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def _copy(self, name: str, process: subprocess.Popen[str]) -> None:
        if process.stderr is None:
            return
        for line in process.stderr:
            self._last[name] = [*self._last[name][-20:], line.rstrip()]
            if self._show is not None:
                terminal = self._show.isatty()
                label = f"\033[{_COLOURS.get(name, 37)}m{name:>8}\033[0m" if terminal else f"{name:>8}"
                self._show.write(f"{label} │ {line}")
                self._show.flush()


def run_until_interrupted(names: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run services until SIGINT or SIGTERM, or until one of them ends; return the exit status."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with Services(names, environment, sys.stderr) as services:
        while not stop.wait(0.5):
            for name, (status, last) in services.ended().items():
                sys.stderr.write(f"{name} ended with status {status}; its last lines:\n{last}\n")
                return 1
    return 0
