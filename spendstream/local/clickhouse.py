"""ClickHouse on this machine: the engine behind its HTTP interface, in a process of its own.

Run it with `python -m spendstream.local.clickhouse --path DIR --port N`, or from Python with `LocalClickHouse`.
"""

import argparse
import asyncio
import contextlib
import ipaddress
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import IO, Self

PASSWORD = "SPENDSTREAM_LOCAL_CLICKHOUSE_PASSWORD"  # noqa: S105  (the variable's name)
READER_PASSWORD = "SPENDSTREAM_LOCAL_CLICKHOUSE_READER_PASSWORD"  # noqa: S105  (the variable's name)
_GRACE_SECONDS = 5.0


class ClickHouseNotStarted(RuntimeError):  # noqa: N818  (it names what happened)
    """The process ended, or did not answer in time; the text holds what it said."""


class LocalClickHouse:
    """A ClickHouse of one's own, for tests and the local stack: started on entry, ended on exit.

    Parameters
    ----------
    path
        The data folder; one that is removed at the end when none is given.
    port
        0 takes a free one.
    password, reader_password
        Of the users `spendstream` (reads and writes) and `spendstream_reader` (reads).
    start_seconds
        How long the process may take to answer.

    Attributes
    ----------
    url
        Address of the HTTP interface, without a slash at its end.
    pid
        Process id.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        port: int = 0,
        password: str = "",
        reader_password: str = "",
        start_seconds: float = 30.0,
    ) -> None:
        self._own_folder = Path(tempfile.mkdtemp(prefix="spendstream-clickhouse-")) if path is None else None
        self.path = path if path is not None else Path(str(self._own_folder)) / "data"
        self._port = port
        # The process finds this package also where it is run from a checkout and another working folder.
        places = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(places),
            PASSWORD: password,
            READER_PASSWORD: reader_password,
        }
        self._start_seconds = start_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the process)
        self.url = ""
        self.pid = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._errors.close()
        if self._own_folder is not None:
            shutil.rmtree(self._own_folder, ignore_errors=True)

    def start(self) -> None:
        """Start the process and wait until it answers; again after `stop` or `kill`, on the same folder.

        Raises
        ------
        ClickHouseNotStarted
            With what the process wrote.
        """
        command = [sys.executable, "-m", "spendstream.local.clickhouse", "--path", str(self.path)]
        command += ["--port", str(self._port), "--end-with-stdin"]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # closes when this process ends, however it ends: none is left behind
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=self._environment,
        )
        self.pid = self._process.pid
        try:
            self.url = self._announced()
            with urllib.request.urlopen(f"{self.url}/ping", timeout=self._start_seconds):  # noqa: S310  (own address)
                pass
        except (ClickHouseNotStarted, urllib.error.URLError) as error:
            self.kill()
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace").strip()
            raise ClickHouseNotStarted(f"The local ClickHouse did not start: {error}\n{said}") from error

    def _announced(self) -> str:
        if self._process is None or self._process.stdout is None:
            raise ClickHouseNotStarted("there is no process")
        deadline = time.monotonic() + self._start_seconds
        said = b""
        while not said.endswith(b"\n"):
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not select.select([self._process.stdout], [], [], remaining)[0]:
                raise ClickHouseNotStarted(f"it did not answer within {self._start_seconds:g} s")
            piece = os.read(self._process.stdout.fileno(), 4096)
            if not piece:
                raise ClickHouseNotStarted("it ended before it was ready")
            said += piece
        return said.decode().split()[-1]

    def stop(self) -> None:
        """End the process in good order; by force when it does not end within some seconds."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _set_at_end_of_input(ended: asyncio.Event) -> None:
    if not os.read(0, 4096):
        ended.set()


async def _serve(path: Path, host: str, port: int, *, end_with_stdin: bool) -> None:
    # The engine is large and optional: it is loaded by the process that runs it only.
    from aiohttp import web  # noqa: PLC0415

    from spendstream.local.clickhouse_engine import Engine  # noqa: PLC0415
    from spendstream.local.clickhouse_http import ClickHouseHttp, Passwords  # noqa: PLC0415

    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if end_with_stdin:
        loop.add_reader(0, _set_at_end_of_input, ended)
    engine = Engine(path)
    passwords = Passwords(os.environ.get(PASSWORD, ""), os.environ.get(READER_PASSWORD, ""))
    app = ClickHouseHttp(engine, passwords).application()
    runner = web.AppRunner(app, auto_decompress=False, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    bound = runner.addresses[0][1]
    shown = f"[{host}]" if ":" in host else host
    sys.stdout.write(f"ClickHouse answers at http://{shown}:{bound}\n")
    sys.stdout.flush()
    await ended.wait()
    await site.stop()


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m spendstream.local.clickhouse", description=__doc__)
    parser.add_argument("--path", type=Path, required=True, help="data folder")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--end-with-stdin", action="store_true", help="stop when standard input is closed")
    given = parser.parse_args(arguments)
    if not _is_loopback(given.host) and not (os.environ.get(PASSWORD) and os.environ.get(READER_PASSWORD)):
        return _complain(f"Host {given.host} can be reached from other machines: set {PASSWORD} and {READER_PASSWORD}.")
    try:
        asyncio.run(_serve(given.path, given.host, given.port, end_with_stdin=given.end_with_stdin))
    except ImportError as error:
        return _complain(f"The embedded ClickHouse is not installed ({error}): pip install 'spendstream[local]'.")
    except Exception as error:  # noqa: BLE001  (whatever keeps it from starting is told in a line, not a traceback)
        return _complain(f"ClickHouse cannot run on {given.path}, port {given.port}: {error}")
    return 0


def _complain(text: str) -> int:
    sys.stderr.write(text + "\n")
    return 2


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # A statement that still runs in a thread would hold up the interpreter's end; what was acknowledged is on disk.
    os._exit(status)
