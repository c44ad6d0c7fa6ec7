"""The real Apache Kafka on this machine, without Docker: one node, broker and controller in one process (KRaft)."""

import json
import random
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from spendstream.local.kafka_install import LOGGING, Report, install, java
from spendstream.topics import MAX_MESSAGE_BYTES

_HOST = "127.0.0.1"
#: A batch is a message and what Kafka wraps around it.
_BATCH_BYTES = MAX_MESSAGE_BYTES + 64 * 1024
#: Below the range that systems hand out to clients, so that a broker that restarts finds its port free.
_PORTS = range(20_000, 32_000)
_LOG_LINES = 25

#: Java options that halve the work of a start and slow long runs: for tests, not for benchmarks.
QUICK_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")

_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # A misspelled topic is an error, not a new topic.
    "auto.create.topics.enable": "false",
    "num.partitions": 4,
    "message.max.bytes": _BATCH_BYTES,
    "replica.fetch.max.bytes": _BATCH_BYTES,
    # One node holds the only copy of everything.
    "default.replication.factor": 1,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "share.coordinator.state.topic.num.partitions": 4,
    # Consumers of a group start one by one here: waiting for more of them only delays the first.
    "group.initial.rebalance.delay.ms": 0,
    # The default of 128 MB would be a quarter of the heap.
    "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
}


class KafkaStartError(RuntimeError):
    """Kafka did not come up; the text ends with the last lines of its log."""


class ApacheKafka:
    """A broker process with its own data folder and ports, on loopback. Use it as a context manager, or start and stop.

    It ends with the process that started it, also when that one is killed.

    Parameters
    ----------
    data
        Folder for data, settings and log; kept, and used again with its ports. None: a temporary one, which `stop`
        keeps and leaving the context removes.
    port
        Port for clients; None: the one of the last start on this data, else a free one.
    properties
        Broker settings that replace or add to the project's, as {"log.cleaner.backoff.ms": 100}.
    heap_mb
        Java's heap in MiB; the process takes about 200 MiB besides.
    java_options
        Further options of Java, as `QUICK_START`.
    report
        Receives lines of progress while Kafka is being fetched.
    """

    def __init__(
        self,
        data: Path | None = None,
        *,
        port: int | None = None,
        properties: Mapping[str, object] | None = None,
        heap_mb: int = 512,
        java_options: Sequence[str] = (),
        report: Report = print,
    ) -> None:
        self._temporary = data is None
        self.data = (Path(tempfile.mkdtemp(prefix="spendstream-kafka-")) if data is None else data).absolute()
        self.log = self.data / "server.log"
        self._properties = dict(properties or {})
        self._java_options = (f"-Xmx{heap_mb}m", *java_options)
        self._report = report
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._port, self._controller_port = self._ports(port)

    @property
    def bootstrap(self) -> str:
        """The address for clients, the same over restarts."""
        return f"{_HOST}:{self._port}"

    @property
    def pid(self) -> int | None:
        """The broker's process id, None when it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self, timeout: float = 60) -> Self:
        """Start the broker and wait until it answers, at most `timeout` seconds; nothing to do when it runs.

        Raises
        ------
        MissingDependencyError
            When Java or Maven is missing or too old.
        KafkaStartError
            When it ends or does not answer in time; with the end of its log.
        """
        if self.pid is not None:
            return self
        program = java()
        libs = install(self._report)
        if _answers(self._port):
            raise KafkaStartError(
                f"port {self._port} is in use. End what listens there (another Kafka?), or name another port"
            )
        self.data.mkdir(parents=True, exist_ok=True)
        settings = self._write_settings()
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))
        base = [program, *self._java_options, f"-Dlog4j2.configurationFile={LOGGING}", "-cp", f"{libs}/*"]
        with self.log.open("ab") as log:
            self._format(base, settings, log.fileno())
            # A session of its own: ctrl-C in a terminal reaches this process, which then stops the broker cleanly.
            self._process = subprocess.Popen(
                [*base, "kafka.Kafka", str(settings)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._guard = _stop_when_we_end(self._process.pid)
        try:
            self._wait(time.monotonic() + timeout)
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self, timeout: float = 30) -> None:
        """Stop the broker cleanly (it writes out what it holds); after `timeout` seconds it is killed."""
        if self._process is None:
            return
        self._dismiss_guard()
        self._process.terminate()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End the broker as a crash does (SIGKILL); `start` brings it back on the same data and port."""
        if self._process is not None:
            self._dismiss_guard()
            self._process.kill()
            self._process.wait()
            self._process = None

    def wait(self) -> int:
        """Wait until the broker ends by itself, and return its exit code."""
        return self._process.wait() if self._process is not None else 0

    def __enter__(self) -> Self:
        """Start the broker."""
        try:
            return self.start()
        except BaseException:
            self._remove_temporary()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the broker, and remove its data when the folder is temporary."""
        self.stop()
        self._remove_temporary()

    def _remove_temporary(self) -> None:
        if self._temporary:
            shutil.rmtree(self.data, ignore_errors=True)

    def _dismiss_guard(self) -> None:
        """End the guard before the broker: its process id may be another's afterwards."""
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
            self._guard = None

    def _ports(self, port: int | None) -> tuple[int, int]:
        """Return the ports for clients and for the controller; the latter belongs to the data and never changes."""
        kept = self.data / "ports.json"
        before = json.loads(kept.read_text()) if kept.exists() else {}
        clients = port or before.get("clients") or free_port()
        controller = before.get("controller") or free_port()
        self.data.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps({"clients": clients, "controller": controller}))
        return clients, controller

    def _write_settings(self) -> Path:
        settings = _SETTINGS | {
            "log.dirs": self.data / "topics",
            "listeners": f"PLAINTEXT://{_HOST}:{self._port},CONTROLLER://{_HOST}:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.quorum.voters": f"1@{_HOST}:{self._controller_port}",
        }
        path = self.data / "server.properties"
        path.write_text("".join(f"{name}={value}\n" for name, value in (settings | self._properties).items()))
        return path

    def _format(self, base: list[str], settings: Path, log: int) -> None:
        """Give a new data folder its cluster id, which Kafka wants done before the first start."""
        if (self.data / "topics" / "meta.properties").exists():
            return
        command = [*base, "kafka.tools.StorageTool", "format", "--config", str(settings)]
        command += ["--cluster-id", _cluster_id()]
        if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False).returncode:
            raise KafkaStartError(f"Kafka could not prepare {self.data}. {self._end_of_log()}")

    def _wait(self, deadline: float) -> None:
        process = self._process
        while process is not None and process.poll() is None:
            if _answers(self._port) and self._has_broker():
                return
            if time.monotonic() > deadline:
                raise KafkaStartError(f"Kafka does not answer on {self.bootstrap}. {self._end_of_log()}")
            time.sleep(0.05)
        code = process.returncode if process is not None else None
        raise KafkaStartError(f"Kafka ended with code {code} while it started. {self._end_of_log()}")

    def _has_broker(self) -> bool:
        client = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        try:
            return bool(client.list_topics(timeout=1).brokers)
        except KafkaException:
            return False

    def _end_of_log(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return f"The end of {self.log}:\n" + "\n".join(lines[-_LOG_LINES:])


def free_port() -> int:
    """Return a port of loopback that nothing listens on."""
    while True:
        port = random.choice(_PORTS)  # noqa: S311 - no secret
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
        return port


def _stop_when_we_end(pid: int) -> subprocess.Popen[bytes]:
    """Start a guard that stops process `pid` when this process ends without doing so, however it ends.

    It waits on a pipe that nobody writes to, which the operating system closes with this process.
    """
    script = 'read -r _; kill "$0"'
    return subprocess.Popen(["sh", "-c", script, str(pid)], stdin=subprocess.PIPE, start_new_session=True)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((_HOST, port)) == 0


def _cluster_id() -> str:
    """Return a new cluster id in Kafka's form: a UUID as 22 characters of URL-safe base 64."""
    while True:
        made = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not made.startswith("-"):  # it would be taken for an option
            return made
