"""`spendstream drill`: kills parts of the pipeline at random moments, and adds up what is left of the truth.

A seeded history of FOCUS exports (restated, vanished, new and returning charges) and a simulated AWS whose clock runs
fast are read one edition after the other, on the real Apache Kafka, by a producer, a Faust worker and a sink that are
ended by `kill -9` now and then and started again. In the end sources, Kafka, state and ClickHouse must agree to the
last digit: by `spendstream verify`, and by sums of the last edition with the standard library alone.
"""

import json
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

from spendstream.local.clickhouse import LocalClickHouse
from spendstream.local.drill_history import EXPORT, Bills, History, Sums, sum_of_bill, sum_of_export
from spendstream.local.drill_parts import Parts, Toll, environment_of
from spendstream.local.kafka_apache import QUICK_START, ApacheKafka, free_port
from spendstream.settings import Settings, load
from spendstream.verify import verify

#: What may be killed: the project's own processes, and with `servers` also what they stand on.
PARTS = ("produce", "process", "sink")
SERVERS = ("kafka", "clickhouse")
_PATIENCE_SECONDS = 240


@dataclass(slots=True)
class DrillReport(Toll):
    """What was done, and whether the figures agree; `exported` are the lines of the export alone."""

    editions: int = 0
    statements: int = 0
    lines: int = 0
    exported: int = 0
    billed: str = "0"
    differences: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether nothing was lost and nothing is there twice."""
        return not self.differences

    def text(self) -> str:
        """Return it for a person."""
        verdict = "everything agrees to the last digit" if self.agrees else "\n".join(self.differences[:30])
        return (
            f"seed {self.seed}: {self.editions} editions, {self.killed()}\n"
            f"{self.statements} statements, {self.lines} lines, {self.billed} billed, {self.seconds:.0f} s\n{verdict}"
        )


def run(
    seed: int, kills: int, *, servers: bool = False, editions: int = 6, tell: Callable[[str], None] = print
) -> DrillReport:
    """Run one drill; see the module's docstring."""
    began = time.monotonic()
    report = DrillReport(seed, editions=editions)
    with (
        tempfile.TemporaryDirectory(prefix="spendstream-drill-") as name,
        ApacheKafka(java_options=QUICK_START, report=tell) as kafka,
        LocalClickHouse(Path(name) / "clickhouse", port=free_port()) as clickhouse,
        Bills(seed, editions, datetime.now(UTC)) as bills,
    ):
        folder = Path(name)
        environment = {**_environment(folder, kafka.bootstrap, clickhouse.url), **bills.environment()}
        chance = random.Random(f"kills of {seed}")  # noqa: S311 - a drill, not a secret
        drill = _Drill(report, folder, environment, bills, kafka, clickhouse, tell)
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
        bills: Bills,
        kafka: ApacheKafka,
        clickhouse: LocalClickHouse,
        tell: Callable[[str], None],
    ) -> None:
        self._report = report
        self._export = folder / "export.csv"
        self._bill = folder / "bill.csv"
        self._bills = bills
        self._kafka = kafka
        self._clickhouse = clickhouse
        self._parts = Parts(report, environment, tell)

    def run(self, history: History, chance: random.Random, kills: int, victims: tuple[str, ...]) -> None:
        """Read all editions, and kill meanwhile."""
        modified = time.time() - 10 * self._report.editions
        history.write(self._export, modified)
        for name in ("process", "sink"):
            self._parts.begin(name)
        pauses = [chance.uniform(0.3, 6.0) for _ in range(kills)]
        doomed = [chance.choice(victims) for _ in range(kills)]
        for edition in range(self._report.editions):
            if edition:
                history.write(self._export, modified + 10 * edition)
            self._bills.move_on(edition)
            producer = self._parts.begin("produce", "--once", ends=True)
            share = kills * (edition + 1) // self._report.editions
            while not producer.done or len(self._report.kills) < share:
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
            self._parts.restart()
            time.sleep(0.05)

    def _kill(self, victim: str) -> None:
        if victim == "kafka":
            self._kafka.kill()
            self._kafka.start()
        elif victim == "clickhouse":
            self._clickhouse.kill()
            self._clickhouse.start()
        else:
            part = self._parts[victim]
            if part.done:
                part.again()  # it had nothing left to do: a second run dies instead
                self._live(0.5)
            part.kill()
        self._parts.note_kill(victim)

    def compare(self, settings: Settings) -> None:
        """Wait until everything has arrived, and add up."""
        self._bills.write(self._bill)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            differences = self._differences(settings)
            if not differences or time.monotonic() > deadline:
                break
            self._live(1.0)
        self._report.differences = differences
        if differences:
            self._report.differences += self._parts.logs

    def _differences(self, settings: Settings) -> list[str]:
        try:
            verified = verify(settings)
            found, totals = self._lines(), self._totals()
            exported = f"SELECT count() FROM lines WHERE run = 'live' AND source = '{EXPORT}'"  # noqa: S608 - our own name
            self._report.exported = int(self._ask(exported)[0][0])
        except Exception as error:  # noqa: BLE001 - tables that are not there yet, a server that comes back
            return [f"not to be compared yet: {error}"]
        sums, lines = sum_of_export(self._export)
        expected = {**sums, **sum_of_bill(self._bill)}
        differences = [
            *verified.differences,
            *_differing(expected, found, "its lines"),
            *_differing(_without_source(expected), totals, "its totals"),
        ]
        if lines != self._report.exported:
            differences.append(f"the export has {lines} lines, ClickHouse {self._report.exported}")
        self._report.statements = verified.statements
        self._report.lines = verified.lines
        self._report.billed = str(sum(expected.values()))
        return differences

    def _lines(self) -> Sums:
        """Return billed cost by source, provider and service from the statements' lines."""
        return _sums_of(
            self._ask("SELECT source, provider, service, sum(billed) FROM lines WHERE run = 'live' GROUP BY 1, 2, 3")
        )

    def _totals(self) -> Sums:
        """Return billed cost by provider and service from the totals, which know no source."""
        return _sums_of(
            self._ask(
                "SELECT '', provider, service, sum(billed) FROM totals FINAL "
                "WHERE run = 'live' AND level = 'account_service' GROUP BY 2, 3"
            )
        )

    def _ask(self, query: str) -> list[list[str]]:
        parameters = urlencode({"query": f"{query} FORMAT TSV", "database": "spendstream", "user": "spendstream"})
        with urlopen(f"{self._clickhouse.url}/?{parameters}", timeout=60) as answer:  # noqa: S310 - our own address
            return [line.split("\t") for line in answer.read().decode().splitlines()]

    def stop(self) -> None:
        """End all parts."""
        self._parts.stop()


def _differing(expected: Sums, found: Sums, what: str) -> list[str]:
    return [
        f"{' '.join(key).strip()}: the source says {expected.get(key)}, {what} {found.get(key)}"
        for key in sorted({*expected, *found})
        if expected.get(key) != found.get(key)
    ]


def _without_source(sums: Sums) -> Sums:
    added: Sums = defaultdict(Decimal)
    for (_, provider, service), cost in sums.items():
        added["", provider, service] += cost
    return {key: cost for key, cost in added.items() if cost}


def _sums_of(rows: Sequence[Sequence[str]]) -> Sums:
    return {(row[0], row[1], row[2]): Decimal(row[3]) for row in rows if Decimal(row[3])}


def _environment(folder: Path, bootstrap: str, clickhouse: str) -> dict[str, str]:
    return {
        **environment_of(folder, bootstrap, PARTS),
        "SPENDSTREAM_CLICKHOUSE__URL": clickhouse,
        "SPENDSTREAM_FOCUS": json.dumps([{"name": "drill", "path": str(folder / "export.csv")}]),
    }


def _sections(environment: Mapping[str, str]) -> dict[str, object]:
    """Return the same settings for this process, whose own environment stays as it is."""
    return {
        "kafka": {"bootstrap": environment["SPENDSTREAM_KAFKA__BOOTSTRAP"]},
        "clickhouse": {"url": environment["SPENDSTREAM_CLICKHOUSE__URL"]},
    }
