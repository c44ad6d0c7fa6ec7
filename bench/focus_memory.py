"""What memory the producer takes for a FOCUS export of a million lines.

The export is made from the sample of real bills, whose lines are repeated with other resources: so it has the sample's
629 scopes (an account's service on a day), each with many lines, the largest with some 18,000, in no order. It is read
by `spendstream produce --once`, a process of its own, and published to the real Kafka; measured is the most memory that
the process held at once (VmHWM, which Linux keeps), its libraries included. Then the topic is read back: lines and
costs must be those of the file.
"""

import csv
import gzip
import json
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from importlib.resources import files
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bench.result import Result, compared
from bench.sink import topics
from schemas.codec import Codec
from schemas.events import CostStatement
from schemas.repository import RepositorySchemas
from spendstream.local.kafka_apache import ApacheKafka
from spendstream.read_back import read_back
from spendstream.settings import Kafka, load
from spendstream.supervise import start_service
from spendstream.topics import STATEMENTS

LINES = 1_000_000
LIMIT_MB = 300
_SECONDS = 900
_ROW_GROUP = 100_000


def run(kafka: ApacheKafka, *, small: bool = False) -> Iterator[Result]:
    """Yield the results: the same lines as CSV in gzip, and as Parquet; in MB, against the limit."""
    lines, repeats = (2_000, 1) if small else (LINES, 3)
    for ending in (".csv.gz", ".parquet"):
        with tempfile.TemporaryDirectory(prefix="spendstream-bench-") as folder:
            path = Path(folder) / f"export{ending}"
            make_export(path, lines)
            held = [(published(topics(kafka), path, lines), float(LIMIT_MB)) for _ in range(repeats)]
        yield compared(f"memory for a FOCUS export of {lines:,} lines, {ending}", held, "MB", 1.0, at_most=True)


def make_export(path: Path, lines: int) -> None:
    """Write an export of `lines` lines, as CSV in gzip or as Parquet."""
    names, rows = sample()
    resource = names.index("ResourceId")
    repeated = (
        [f"{value}-{number // len(rows)}" if column == resource else value for column, value in enumerate(row)]
        for number, row in ((number, rows[number % len(rows)]) for number in range(lines))
    )
    if path.suffix == ".parquet":
        _write_parquet(path, names, repeated)
        return
    with gzip.open(path, "wt", compresslevel=1, newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(repeated)


def _write_parquet(path: Path, names: list[str], rows: Iterator[list[str]]) -> None:
    schema = pa.schema([(name, pa.string()) for name in names])
    with pq.ParquetWriter(path, schema) as writer:
        while group := list(islice(rows, _ROW_GROUP)):
            columns = [list(column) for column in zip(*group, strict=True)]
            writer.write_table(pa.table(columns, schema=schema))


def sample() -> tuple[list[str], list[list[str]]]:
    """Return the sample's columns and lines."""
    text = (files("spendstream.local") / "data" / "focus" / "focus_sample.csv").read_text(encoding="utf-8-sig")
    names, *rows = csv.reader(text.splitlines(keepends=True))
    return names, rows


def effective_of(lines: int) -> dict[str, int]:
    """Return what an export of `lines` lines costs by currency, in units of 10⁻¹⁸, by csv and Decimal alone."""
    names, rows = sample()
    cost, currency = names.index("EffectiveCost"), names.index("BillingCurrency")
    sums: Counter[str] = Counter()
    for number, row in enumerate(rows):
        times = lines // len(rows) + (number < lines % len(rows))
        sums[row[currency]] += int(Decimal(row[cost]).scaleb(18)) * times
    return dict(sums)


def published(kafka: Kafka, path: Path, lines: int) -> float:
    """Return the most MB that the producer held while it published an export.

    Raises
    ------
    AssertionError
        When what is in Kafka is not what the file says.
    OSError
        When the producer failed.
    """
    environment = {
        "SPENDSTREAM_KAFKA__BOOTSTRAP": kafka.bootstrap,
        "SPENDSTREAM_KAFKA__PREFIX": kafka.prefix,
        "SPENDSTREAM_FOCUS": json.dumps([{"name": "bench", "path": str(path)}]),
        "SPENDSTREAM_LOG__LEVEL": "warning",
    }
    with _service(environment) as producer:
        peak = _peak_mb(producer)
    found, effective = _in_kafka(kafka)
    if (found, effective) != (lines, effective_of(lines)):
        raise AssertionError(f"Kafka holds {found} lines of {effective}, the file {lines} of {effective_of(lines)}")
    return peak


@contextmanager
def _service(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    producer = start_service(["produce", "--once"], environment)
    try:
        yield producer
    finally:
        if producer.poll() is None:
            producer.kill()
        producer.communicate()


def _peak_mb(process: subprocess.Popen[str]) -> float:
    """Watch a process until it ends, and return the most memory that it held."""
    status, peak = Path(f"/proc/{process.pid}/status"), 0
    deadline = time.monotonic() + _SECONDS
    while process.poll() is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the producer has not ended within {_SECONDS} s")
        said = status.read_text().partition("VmHWM:")[2].split() if status.exists() else []
        # A process that has ended and is not waited for yet has no memory, and no such line.
        peak = max(peak, int(said[0]) if said else 0)
        time.sleep(0.05)
    if process.returncode:
        raise OSError(f"the producer ended with {process.returncode}: {process.communicate()[1]}")
    return peak / 1024 * (1024**2 / 10**6)


def _in_kafka(kafka: Kafka) -> tuple[int, dict[str, int]]:
    """Return lines and effective cost by currency of all statements."""
    codec, lines, sums = Codec(RepositorySchemas()), 0, Counter[str]()
    for value in read_back(load(kafka=kafka.model_dump()), STATEMENTS):
        event = codec.decode(value)
        if isinstance(event, CostStatement):
            lines += len(event.effective)
            sums[event.currency] += sum(event.effective)
    return lines, dict(sums)
