"""`spendstream drill`: kills parts of the pipeline at random moments, and adds up what is left of the truth.

A seeded history of FOCUS exports (restated, vanished, new and returning charges) is read one edition after the other,
on the real Apache Kafka, by a producer, a Faust worker and a sink that are ended by `kill -9` now and then and started
again. In the end source, Kafka, state and ClickHouse must agree to the last digit: by `spendstream verify`, and by a
sum of the last edition with the standard library alone.
"""

import csv
import json
import os
import random
import subprocess
import tempfile
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

from spendstream.local.clickhouse import LocalClickHouse
from spendstream.local.kafka_apache import QUICK_START, ApacheKafka, free_port
from spendstream.settings import Settings, load
from spendstream.supervise import start_service
from spendstream.verify import verify

#: What may be killed: the project's own processes, and with `servers` also what they stand on.
PARTS = ("produce", "process", "sink")
SERVERS = ("kafka", "clickhouse")
_PATIENCE_SECONDS = 240

Row = dict[str, str]
Sums = dict[tuple[str, str], Decimal]


@dataclass(slots=True)
class DrillReport:
    """What was done, and whether the figures agree. `kills` are (seconds since the start, what)."""

    seed: int
    editions: int
    kills: list[tuple[float, str]] = field(default_factory=list)
    restarts: Counter[str] = field(default_factory=Counter)
    statements: int = 0
    lines: int = 0
    billed: str = "0"
    differences: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def agrees(self) -> bool:
        """Whether nothing was lost and nothing is there twice."""
        return not self.differences

    def text(self) -> str:
        """Return it for a person."""
        killed = ", ".join(f"{what} at {at:.1f} s" for at, what in self.kills)
        verdict = "everything agrees to the last digit" if self.agrees else "\n".join(self.differences[:30])
        return (
            f"seed {self.seed}: {self.editions} editions, {len(self.kills)} kills ({killed}); restarts "
            f"{dict(self.restarts)}\n{self.statements} statements, {self.lines} lines, {self.billed} billed, "
            f"{self.seconds:.0f} s\n{verdict}"
        )

    def plain(self) -> dict[str, object]:
        """Return it as plain data."""
        return {"agrees": self.agrees, **asdict(self)}


class _Part:
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


class History:
    """Editions of one export, each a random restatement of the one before, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a drill, not a secret
        sample = files("spendstream.local") / "data" / "focus" / "focus_sample.csv"
        self._all: list[Row] = list(csv.DictReader(sample.read_text("utf-8").splitlines()))
        self._there = set(self._random.sample(range(len(self._all)), len(self._all) * 3 // 4))

    def write(self, path: Path, modified: float) -> None:
        """Write the next edition as if it had been made at `modified` (seconds since 1970)."""
        chance = self._random
        self._there ^= set(chance.sample(range(len(self._all)), len(self._all) // 10))
        for number in chance.sample(range(len(self._all)), len(self._all) // 5):
            cost = str(Decimal(chance.randrange(-(10**6), 10**9)).scaleb(-chance.randrange(2, 12)))
            self._all[number] = {**self._all[number], "BilledCost": cost, "EffectiveCost": cost}
        draft = path.with_suffix(".draft")
        with draft.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(self._all[0]))
            writer.writeheader()
            writer.writerows(self._all[number] for number in sorted(self._there))
        os.utime(draft, (modified, modified))
        draft.rename(path)


def sum_of(path: Path) -> tuple[Sums, int]:
    """Return billed cost by provider and service, and the number of lines, by the standard library alone."""
    sums: Sums = defaultdict(Decimal)
    lines = 0
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            sums[row["ProviderName"], row["ServiceName"]] += Decimal(row["BilledCost"])
            lines += 1
    return {key: cost for key, cost in sums.items() if cost}, lines


def run(
    seed: int, kills: int, *, servers: bool = False, editions: int = 6, tell: Callable[[str], None] = print
) -> DrillReport:
    """Run one drill; see the module's docstring."""
    began = time.monotonic()
    report = DrillReport(seed, editions)
    with (
        tempfile.TemporaryDirectory(prefix="spendstream-drill-") as name,
        ApacheKafka(java_options=QUICK_START, report=tell) as kafka,
        LocalClickHouse(Path(name) / "clickhouse", port=free_port()) as clickhouse,
    ):
        folder = Path(name)
        environment = _environment(folder, kafka.bootstrap, clickhouse.url)
        chance = random.Random(f"kills of {seed}")  # noqa: S311 - a drill, not a secret
        drill = _Drill(report, folder, environment, kafka, clickhouse, tell)
        try:
            drill.run(History(seed), chance, kills, PARTS + (SERVERS if servers else ()))
            drill.compare(load(**_sections(environment)))
        finally:
            drill.stop()
    report.seconds = round(time.monotonic() - began, 1)
    return report


class _Drill:
    """One drill under way."""

    def __init__(
        self,
        report: DrillReport,
        folder: Path,
        environment: dict[str, str],
        kafka: ApacheKafka,
        clickhouse: LocalClickHouse,
        tell: Callable[[str], None],
    ) -> None:
        self._began = time.monotonic()
        self._report = report
        self._export = folder / "export.csv"
        self._environment = environment
        self._kafka = kafka
        self._clickhouse = clickhouse
        self._tell = tell
        self._parts: dict[str, _Part] = {}

    def run(self, history: History, chance: random.Random, kills: int, victims: tuple[str, ...]) -> None:
        """Read all editions, and kill meanwhile."""
        modified = time.time() - 10 * self._report.editions
        history.write(self._export, modified)
        for name in ("process", "sink"):
            self._parts[name] = _Part(name, [name], self._environment)
        pauses = [chance.uniform(0.3, 6.0) for _ in range(kills)]
        doomed = [chance.choice(victims) for _ in range(kills)]
        for edition in range(self._report.editions):
            if edition:
                history.write(self._export, modified + 10 * edition)
            producer = self._parts["produce"] = _Part("produce", ["produce", "--once"], self._environment)
            share = kills * (edition + 1) // self._report.editions
            while producer.status != 0 or len(self._report.kills) < share:
                done = len(self._report.kills)
                if done < share:
                    self._live(pauses[done])
                    self._kill(doomed[done])
                else:
                    self._live(0.2)

    def _live(self, seconds: float) -> None:
        """Let time pass; start again what has ended."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for part in self._parts.values():
                if part.status is not None and not (part.name == "produce" and part.status == 0):
                    self._report.restarts[part.name] += 1
                    part.again()
            time.sleep(0.05)

    def _kill(self, victim: str) -> None:
        at = round(time.monotonic() - self._began, 1)
        if victim == "kafka":
            self._kafka.kill()
            self._kafka.start()
        elif victim == "clickhouse":
            self._clickhouse.kill()
            self._clickhouse.start()
        else:
            part = self._parts[victim]
            if victim == "produce" and part.status == 0:
                part.again()  # it had nothing left to do: a second run dies instead
                self._live(0.5)
            part.kill()
        self._report.kills.append((at, victim))
        self._tell(f"{at:6.1f} s  kill -9 {victim}")

    def compare(self, settings: Settings) -> None:
        """Wait until everything has arrived, and add up."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            differences = self._differences(settings)
            if not differences or time.monotonic() > deadline:
                break
            self._live(1.0)
        self._report.differences = differences
        if differences:
            self._report.differences += [f"{part.name}: {part.log}" for part in self._parts.values()]

    def _differences(self, settings: Settings) -> list[str]:
        try:
            verified = verify(settings)
            found = self._sums()
            self._report.lines = int(self._ask("SELECT count() FROM lines WHERE run = 'live'")[0][0])
        except Exception as error:  # noqa: BLE001 - tables that are not there yet, a server that comes back
            return [f"not to be compared yet: {error}"]
        expected, lines = sum_of(self._export)
        differences = list(verified.differences)
        for what, sums in found.items():
            differences += [
                f"{key}: the export says {expected.get(key)}, {what} {sums.get(key)}"
                for key in sorted({*expected, *sums})
                if expected.get(key) != sums.get(key)
            ]
        if lines != self._report.lines:
            differences.append(f"the export has {lines} lines, ClickHouse {self._report.lines}")
        self._report.statements = verified.statements
        self._report.billed = str(sum(expected.values()))
        return differences

    def _sums(self) -> dict[str, Sums]:
        """Return billed cost by provider and service from the statements' lines, and from the totals."""
        return {
            "its lines": _sums_of(
                self._ask("SELECT provider, service, sum(billed) FROM lines WHERE run = 'live' GROUP BY 1, 2")
            ),
            "its totals": _sums_of(
                self._ask(
                    "SELECT provider, service, sum(billed) FROM totals FINAL "
                    "WHERE run = 'live' AND level = 'account_service' GROUP BY 1, 2"
                )
            ),
        }

    def _ask(self, query: str) -> list[list[str]]:
        parameters = urlencode({"query": f"{query} FORMAT TSV", "database": "spendstream", "user": "spendstream"})
        with urlopen(f"{self._clickhouse.url}/?{parameters}", timeout=60) as answer:  # noqa: S310 - our own address
            return [line.split("\t") for line in answer.read().decode().splitlines()]

    def stop(self) -> None:
        """End all parts."""
        for part in self._parts.values():
            part.stop()


def _sums_of(rows: list[list[str]]) -> Sums:
    return {(row[0], row[1]): Decimal(row[2]) for row in rows if Decimal(row[2])}


def _environment(folder: Path, bootstrap: str, clickhouse: str) -> dict[str, str]:
    return {
        "SPENDSTREAM_KAFKA__BOOTSTRAP": bootstrap,
        "SPENDSTREAM_CLICKHOUSE__URL": clickhouse,
        "SPENDSTREAM_PROCESSING__STATE_FOLDER": str(folder / "state"),
        "SPENDSTREAM_PROCESSING__SESSION_SECONDS": "6",
        "SPENDSTREAM_FOCUS": json.dumps([{"name": "drill", "path": str(folder / "export.csv")}]),
        **{f"SPENDSTREAM_HEALTH__{name}": "0" for name in ("PRODUCE", "PROCESS", "SINK")},
    }


def _sections(environment: Mapping[str, str]) -> dict[str, object]:
    """Return the same settings for this process, whose own environment stays as it is."""
    return {
        "kafka": {"bootstrap": environment["SPENDSTREAM_KAFKA__BOOTSTRAP"]},
        "clickhouse": {"url": environment["SPENDSTREAM_CLICKHOUSE__URL"]},
    }
