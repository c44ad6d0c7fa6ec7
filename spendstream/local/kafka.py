"""Kafka on one machine, without Docker: a broker inside this process, and the real Apache Kafka.

`python -m spendstream.local.kafka [--port 9092] [--data FOLDER]` runs the real one in the foreground.
"""

import argparse
import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from spendstream.topics import MAX_MESSAGE_BYTES

_POM = Path(__file__).parents[2] / "deploy" / "kafka" / "pom.xml"
_START_SECONDS = 90
_STOP_SECONDS = 30
_OLDEST_JAVA = 17


class MissingDependency(RuntimeError):  # noqa: N818 - it names what is missing, not what failed
    """Something that the machine must have is not there; the text says what to install."""


class EmbeddedBroker:
    """librdkafka's mock cluster: a Kafka-protocol broker inside this process, up in a third of a second.

    Topics appear on first use with four partitions. It keeps a few MB a partition, in memory, knows no compaction and
    no administration, and ends with the process: for the demo and quick tests.
    """

    def __init__(self) -> None:
        self._producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "in-process", "log_level": 2})
        broker = next(iter(self._producer.list_topics(timeout=10).brokers.values()))
        self.bootstrap = f"{broker.host}:{broker.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        del self._producer


def install(folder: Path | None = None) -> Path:
    """Return the folder with Kafka's jars, fetching them with Maven on first use.

    Raises
    ------
    MissingDependency
        When Java or Maven is missing, too old, or Maven fails.
    """
    libs = (folder or Path(os.environ.get("SPENDSTREAM_LOCAL_DIR", ".local"))).absolute() / "kafka" / "libs"
    libs.parent.mkdir(parents=True, exist_ok=True)
    _check_java()
    with (libs.parent / "install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = libs / "pom.xml"
        if stamp.is_file() and stamp.read_bytes() == _POM.read_bytes():
            return libs
        if shutil.which("mvn") is None:
            raise MissingDependency("Maven is needed once, to fetch Apache Kafka: install `maven` (Debian, Homebrew)")
        sys.stderr.write("fetching Apache Kafka with Maven, once (about 45 MB) …\n")
        shutil.rmtree(libs, ignore_errors=True)
        command = ["mvn", "-q", "-B", "-f", str(_POM), "dependency:copy-dependencies", f"-DoutputDirectory={libs}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise MissingDependency(f"Maven could not fetch Apache Kafka:\n{(done.stdout + done.stderr)[-2000:]}")
        shutil.copy(_POM, stamp)
    return libs


def _check_java() -> None:
    if shutil.which("java") is None:
        raise MissingDependency(
            f"Java {_OLDEST_JAVA} or newer is needed for Apache Kafka: install `openjdk-{_OLDEST_JAVA}-jre-headless` "
            "(Debian) or `openjdk` (Homebrew); `spendstream demo` needs neither"
        )
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found[1]) < _OLDEST_JAVA:
        raise MissingDependency(f"Java {_OLDEST_JAVA} or newer is needed for Apache Kafka; this one says: {said[:200]}")


def free_port() -> int:
    """Return a port of the loopback interface that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ApacheKafka:
    """One broker of the real Apache Kafka (KRaft), as a process of its own, on loopback.

    Parameters
    ----------
    data
        Folder for its data; a temporary one, removed at the end, when None.
    port
        Port for clients; a free one when 0.
    properties
        Broker settings over ours.
    """

    def __init__(self, data: Path | None = None, port: int = 0, properties: Mapping[str, str] | None = None) -> None:
        self._temporary = data is None
        self.data = Path(tempfile.mkdtemp(prefix="spendstream-kafka-")) if data is None else data.absolute()
        self.port = port or free_port()
        self._controller = free_port()
        self._properties = dict(properties or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """Address for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return None if self._process is None else self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._temporary:
            shutil.rmtree(self.data, ignore_errors=True)

    def start(self) -> None:
        """Start it on its data, and wait until it answers."""
        libs = install()
        self.data.mkdir(parents=True, exist_ok=True)
        config = self.data / "server.properties"
        config.write_text("".join(f"{name}={value}\n" for name, value in self._settings().items()))
        (self.data / "log4j2.properties").write_text(_LOGGING)
        if not (self.data / "logs" / "meta.properties").exists():
            cluster = "c3BlbmRzdHJlYW0tLS0tLQ"
            self._java(libs, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(config)).wait()
        self._process = self._java(libs, "kafka.Kafka", str(config))
        self._wait()

    def stop(self) -> None:
        """Stop it cleanly; kill it when it does not."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def wait(self) -> int:
        """Wait until the process ends by itself, and return its exit status."""
        return 0 if self._process is None else self._process.wait()

    def _settings(self) -> dict[str, str]:
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self._controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.data / "logs"),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "1",
            "group.initial.rebalance.delay.ms": "0",
            "message.max.bytes": str(MAX_MESSAGE_BYTES),
            "replica.fetch.max.bytes": str(MAX_MESSAGE_BYTES),
            "log.cleaner.dedupe.buffer.size": "16777216",
            **self._properties,
        }

    def _java(self, libs: Path, main: str, *arguments: str) -> subprocess.Popen[bytes]:
        options = ["-Xmx512m", "-Xms128m", f"-Dlog4j2.configurationFile={self.data / 'log4j2.properties'}"]
        with (self.data / "kafka.log").open("ab") as log:
            return subprocess.Popen(
                ["java", *options, "-cp", f"{libs}/*", main, *arguments],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                break
            with contextlib.suppress(KafkaException):
                if admin.list_topics(timeout=1).brokers:
                    return
        log = (self.data / "kafka.log").read_text(errors="replace")[-3000:]
        self.kill()
        raise RuntimeError(f"Apache Kafka did not come up on {self.bootstrap}; the end of its log:\n{log}")


_LOGGING = """\
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c)%n
rootLogger.level=WARN
rootLogger.appenderRef.out.ref=out
"""


def main() -> int:
    """Run Apache Kafka in the foreground until interrupted."""
    parser = argparse.ArgumentParser(description="Apache Kafka on this machine, without Docker.")
    parser.add_argument("action", nargs="?", choices=("run", "install"), default="run")
    parser.add_argument("--port", type=int, default=9092)
    parser.add_argument("--data", type=Path, default=Path(".local/kafka/data"))
    options = parser.parse_args()
    try:
        if options.action == "install":
            install()
            return 0
        with ApacheKafka(options.data, options.port) as kafka:
            sys.stdout.write(
                f"Apache Kafka is up: bootstrap {kafka.bootstrap}, data in {options.data}; ctrl-C stops it\n"
            )
            sys.stdout.flush()
            with contextlib.suppress(KeyboardInterrupt):
                return kafka.wait()
    except MissingDependency as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
