"""The live path against other stream processors, in lines a second of the same bill.

Ours: the Faust workers of `bench.stream`, from statement to aggregate: every series of every line, state on disk,
totals announced when the reading closes; at 100 and at 1,000 lines a statement. Theirs: the same lines as one-line
events, added up by key and region into a state on disk with its changelog; no other series, no versions, nothing
announced. Each is a process of its own over the same Kafka, one after the other. Ours is timed from the publishing of
the first statement to the last aggregate; theirs from the first line that the program takes, all lines being in Kafka,
to the last one taken.
"""

import json
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from bench.lines import PARTITIONS, published
from bench.result import Result, compared
from bench.statements import closes, encoded, statements
from bench.stream import fresh, live_path
from schemas.codec import Codec
from schemas.repository import RepositorySchemas
from spendstream.local.kafka_apache import ApacheKafka
from spendstream.local.kafka_install import MissingDependencyError

#: lines a statement → statements
SIZES = {100: 3000, 1000: 600}
QUIX_BAR, FAUST_BAR = 3.0, 30.0
_QUIX_LINES, _FAUST_LINES = 150_000, 20_000
_SECONDS = 300
_ROOT = Path(__file__).parents[1]


def run(kafka: ApacheKafka, *, small: bool = False) -> Iterator[Result]:
    """Yield the results: ours against Quix Streams and against naive Faust, at both sizes.

    Raises
    ------
    MissingDependencyError
        When Quix Streams is not installed.
    """
    python, repeats = quix_python(), 1 if small else 3
    share = 20 if small else 1
    quix, faust = [], []
    ours: dict[int, list[float]] = {lines: [] for lines in SIZES}
    for _ in range(repeats):
        quix.append(quix_speed(kafka.bootstrap, python, _QUIX_LINES // share))
        faust.append(faust_speed(kafka.bootstrap, _FAUST_LINES // share))
        for lines, count in SIZES.items():
            ours[lines].append(live_speed(kafka, count // share, lines))
    for lines, speeds in ours.items():
        name = f"live path at {lines:,} lines a statement"
        yield compared(f"{name}, Quix Streams with state", list(zip(speeds, quix, strict=True)), "lines/s", QUIX_BAR)
        yield compared(f"{name}, naive Faust", list(zip(speeds, faust, strict=True)), "lines/s", FAUST_BAR)


def quix_python() -> Path:
    """Return the Python of the environment that holds Quix Streams."""
    python = _ROOT / ".venv-quix" / "bin" / "python"
    if not python.exists():
        raise MissingDependencyError("Quix Streams is not installed: `make bench` installs it, into .venv-quix")
    return python


def live_speed(kafka: ApacheKafka, count: int, lines: int) -> float:
    """Return the lines a second of the live path."""
    settings, codec = fresh(kafka), Codec(RepositorySchemas())
    shards = settings.kafka.shards
    messages = encoded(codec, statements(count, lines), shards) + encoded(codec, closes("r1", shards), shards)
    return count * lines / live_path(settings, messages)


def quix_speed(bootstrap: str, python: Path, count: int) -> float:
    """Return the lines a second of Quix Streams."""
    return _speed(bootstrap, count, [str(python), str(_ROOT / "bench" / "quix.py")])


def faust_speed(bootstrap: str, count: int) -> float:
    """Return the lines a second of an ordinary Faust application."""
    return _speed(bootstrap, count, [sys.executable, "-m", "bench.naive_faust"])


def _speed(bootstrap: str, count: int, program: Sequence[str]) -> float:
    topic = f"lines-{uuid.uuid4().hex[:8]}"
    _make(bootstrap, topic)
    expected = published(bootstrap, topic, count)
    with tempfile.TemporaryDirectory(prefix="spendstream-bench-") as folder:
        said = _answer([*program, bootstrap, topic, str(count), folder])
    if said["effective"] != expected:
        raise AssertionError(f"{program[-1]} added up {said['effective']}, and {expected} was sent")
    return count / float(said["seconds"])


def _make(bootstrap: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result()


def _answer(command: Sequence[str]) -> dict[str, Any]:
    """Return the document that a program prints, and end it.

    Raises
    ------
    OSError
        When it ends or takes too long without one; with what it wrote.
    """
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=_ROOT)
        killer = threading.Timer(_SECONDS, process.kill)
        killer.start()
        try:
            # Faust greets before it works.
            text = next((line for line in process.stdout or () if line.startswith("{")), None)
            if text is None:
                process.wait()
                errors.seek(0)
                raise OSError(f"{' '.join(command[:3])} gave no figures: {errors.read()[-2000:]}")
            found: dict[str, Any] = json.loads(text)
            return found
        finally:
            killer.cancel()
            process.terminate()
            try:
                process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
