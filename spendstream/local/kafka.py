"""A Kafka for one machine: librdkafka's broker inside this process, or the real Apache Kafka without Docker.

`python -m spendstream.local.kafka` runs the real one in the foreground until ctrl-C; with `install` it only fetches it.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from spendstream.local.kafka_apache import ApacheKafka, KafkaStartError
from spendstream.local.kafka_install import MissingDependencyError, install, local_folder
from spendstream.local.kafka_mock import MockCluster

__all__ = ["ApacheKafka", "EmbeddedBroker", "KafkaStartError", "MissingDependencyError", "install", "main"]


class EmbeddedBroker:
    """librdkafka's mock cluster: a broker inside this process, there at once, for the demo and quick tests.

    It speaks Kafka's protocol to any client, in this process or another, and carries keys, headers, explicit
    partitions, consumer groups and committed offsets. Its limits:

    - everything is in memory and gone with the process;
    - topics appear on first use, always with 4 partitions; there is no administration (`create_topics` times out),
      and no compaction or retention by time;
    - a partition keeps at most 5 MiB. What comes beyond drops the oldest messages, and of large ones the newest too:
      one of any size up to 16 MB passes when it is read before the next comes. A consumer that falls behind finds its
      offset out of range, and goes on as its `auto.offset.reset` says; nobody else is told.
    """

    def __init__(self) -> None:
        self._cluster = MockCluster()
        #: The address for clients.
        self.bootstrap: str = self._cluster.bootstrap

    def close(self) -> None:
        """End the broker; all that it held is gone."""
        self._cluster.close()

    def __enter__(self) -> Self:
        """Return the broker, which already runs."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the broker."""
        self.close()


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m spendstream.local.kafka", description="Apache Kafka on this machine, without Docker."
    )
    parser.add_argument("verb", nargs="?", choices=("run", "install"), default="run", help="install: only fetch it")
    parser.add_argument("--port", type=int, default=9092, help="port for clients (default %(default)s)")
    parser.add_argument("--data", type=Path, default=None, help="folder for its data (default .local/kafka/data)")
    return parser.parse_args(argv)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Run or fetch Apache Kafka; return the exit code. Prints the bootstrap address alone to standard output."""
    arguments = _arguments(argv)
    try:
        if arguments.verb == "install":
            _say(f"Apache Kafka is in {install(_say)}")
            return 0
        return _run(arguments.data or local_folder() / "kafka" / "data", arguments.port)
    except (MissingDependencyError, KafkaStartError) as error:
        _say(f"kafka: {error}")
        return 1


def _run(data: Path, port: int) -> int:
    signal.signal(signal.SIGTERM, _interrupt)  # a service manager's stop is as clean as ctrl-C
    kafka = ApacheKafka(data, port=port, report=_say)
    try:
        _say(f"Apache Kafka is starting, with its data in {data}")
        kafka.start()
        sys.stdout.write(f"{kafka.bootstrap}\n")
        sys.stdout.flush()
        _say("Apache Kafka is up; ctrl-C stops it")
        code = kafka.wait()
    except KeyboardInterrupt:
        _say("Apache Kafka is stopping")
        kafka.stop()
        return 0
    _say(f"Apache Kafka ended by itself with code {code}; see {kafka.log}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
