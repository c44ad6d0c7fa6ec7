"""`spendstream drill --alerts`: kills rules, incidents and delivery at random moments, and counts what people got.

Anomalies of causes that have nothing to do with each other go into the real Apache Kafka, and half of them end again,
while `spendstream alert` and `spendstream deliver` are ended by `kill -9` and started again. Two receivers are web
servers of the drill's own: they are slow, now and then they answer 503, or take a message and answer 504 as if they had
not, and they count by themselves. In the end each of them must have been told of every cause once, and of every end
once, also where the cause ended before it was known that its message had arrived; what comes a second time must be such
a message, or the one that was on its way when delivery was killed, under the same id.
"""

import json
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from alerts.applied import apply
from alerts.rule_files import parse
from processors.series import Series, partition_of
from producers.sender import Sender
from schemas.events import CostAnomaly
from spendstream.clock import SystemClock
from spendstream.local.drill_parts import Parts, Toll, environment_of
from spendstream.local.drill_receivers import RECEIVERS, Receivers, faults_of
from spendstream.local.kafka_apache import QUICK_START, ApacheKafka
from spendstream.settings import Settings, load
from spendstream.topics import ANOMALIES

PARTS = ("alert", "deliver")
_PATIENCE_SECONDS = 180
_SETTLE_SECONDS = 3.0
_WAITING = 25
_RULES = "rules:\n- {id: rises, kind: anomaly, severities: {critical: {amount: 10}}}\n"


@dataclass(slots=True)
class AlertDrillReport(Toll):
    """What was done, and what the receivers counted; `repeated` are messages that came again under the same id."""

    causes: int = 0
    ends: int = 0
    messages: int = 0
    refused: int = 0
    doubted: int = 0
    repeated: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether everybody was told of everything, and of nothing twice."""
        return not self.faults

    def text(self) -> str:
        """Return it for a person."""
        verdict = "each was told once" if self.agrees else "\n".join(self.faults[:30])
        return (
            f"seed {self.seed}: {self.killed()}\n"
            f"{self.causes} causes and {self.ends} ends at {len(RECEIVERS)} receivers: {self.messages} messages taken, "
            f"{self.refused} answered 503, {self.doubted} taken with a 504, {self.repeated} came again, "
            f"{self.seconds:.0f} s\n"
            f"{verdict}"
        )


def run(seed: int, kills: int, tell: Callable[[str], None] = print) -> AlertDrillReport:
    """Run one drill; see the module's docstring."""
    began = time.monotonic()
    report = AlertDrillReport(seed)
    with (
        tempfile.TemporaryDirectory(prefix="spendstream-drill-") as name,
        ApacheKafka(java_options=QUICK_START, report=tell) as kafka,
        Receivers(seed) as receivers,
    ):
        environment = _environment(Path(name), kafka.bootstrap, receivers.url)
        drill = _Drill(report, load(kafka={"bootstrap": kafka.bootstrap}), environment, receivers, tell)
        try:
            drill.run(random.Random(f"kills of {seed}"), kills)  # noqa: S311 - a drill, not a secret
            drill.compare()
        finally:
            drill.stop()
    report.seconds = round(time.monotonic() - began, 1)
    return report


class _Drill:
    """One drill under way."""

    def __init__(
        self,
        report: AlertDrillReport,
        settings: Settings,
        environment: Mapping[str, str],
        receivers: Receivers,
        tell: Callable[[str], None],
    ) -> None:
        self._report = report
        self._settings = settings
        self._receivers = receivers
        self._anomalies: dict[str, CostAnomaly] = {}
        self._ended: set[str] = set()
        apply(settings, SystemClock(), parse(_RULES, "the drill's rules"), "drill")
        self._sender = Sender(settings, SystemClock())
        self._parts = Parts(report, environment, tell)
        for name in PARTS:
            self._parts.begin(name)

    def run(self, chance: random.Random, kills: int) -> None:
        """Let causes begin and end, and kill meanwhile."""
        for number in range(kills):
            # Some die while they start; most while messages flow, with something in their hands.
            if number == 0 or chance.random() < 0.7:  # noqa: PLR2004 - most
                self._flow(chance)
            self._live(chance.uniform(0.2, 5.0), chance)
            victim = chance.choice(PARTS)
            self._parts[victim].kill()
            self._parts.note_kill(victim)
        self._live(1.0, chance)

    def _flow(self, chance: random.Random) -> None:
        """Let time pass until receivers are told something."""
        deadline, before = time.monotonic() + _PATIENCE_SECONDS, self._receivers.messages
        while self._receivers.messages == before and time.monotonic() < deadline:
            self._live(0.2, chance)

    def _live(self, seconds: float, chance: random.Random) -> None:
        """Let time pass: causes begin, some end, and what has ended is started again."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            told = self._told_to_all()
            # The receivers are slow on purpose: what waits for them is kept small, or the end would take long.
            if len(self._anomalies) - len(told) < _WAITING:
                self._begin(chance)
            self._end(told, chance)
            self._sender.flush()
            self._parts.restart()
            time.sleep(0.2)

    def _begin(self, chance: random.Random) -> None:
        number = len(self._anomalies)
        series = Series("USD", provider="AWS", account=f"{number:012}").key
        anomaly = _anomaly(f"drill-{number}", series, Decimal(chance.randint(20, 900)))
        self._anomalies[series] = anomaly
        self._sender.send(ANOMALIES, self._partition(series), series, anomaly)

    def _told_to_all(self) -> set[str]:
        taken = self._receivers.taken
        return {one for one in self._anomalies if all((name, one, "firing") in taken for name in RECEIVERS)}

    def _end(self, told: set[str], chance: random.Random) -> None:
        """Let a cause end that all receivers know of: what ends before it was told is rightly told to nobody."""
        candidates = sorted(told - self._ended)
        if candidates and chance.random() < 0.5:  # noqa: PLR2004 - every second time
            series = chance.choice(candidates)
            self._ended.add(series)
            self._sender.send(ANOMALIES, self._partition(series), series, _ended(self._anomalies[series]))

    def _partition(self, series: str) -> int:
        return partition_of(series, self._settings.kafka.shards)

    def compare(self) -> None:
        """Wait until everything has arrived, and a little longer for what should not; then count."""
        moved, messages = time.monotonic(), -1
        while self._faults() and time.monotonic() - moved < _PATIENCE_SECONDS:
            if self._receivers.messages != messages:
                moved, messages = time.monotonic(), self._receivers.messages
            self._parts.restart()
            time.sleep(0.5)
        time.sleep(_SETTLE_SECONDS)
        report, taken = self._report, self._receivers.taken
        report.faults = self._faults()
        if report.faults:
            report.faults += self._parts.logs
        report.causes, report.ends = len(self._anomalies), len(self._ended)
        report.messages, report.refused = self._receivers.messages, self._receivers.refused
        report.doubted = self._receivers.doubted.total()
        report.repeated = sum(len(ids) - 1 for (_, scope, _), ids in taken.items() if scope in self._anomalies)

    def _faults(self) -> list[str]:
        kills = sum(victim == "deliver" for _, victim in self._report.kills)
        may_repeat = {name: kills + self._receivers.doubted[name] for name in RECEIVERS}
        return faults_of(self._receivers.taken, set(self._anomalies), self._ended, may_repeat)

    def stop(self) -> None:
        """End all parts."""
        self._parts.stop()


def _anomaly(name: str, series: str, rise: Decimal) -> CostAnomaly:
    now = datetime.now(UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return CostAnomaly(
        run="live",
        id=name,
        version=1,
        state="open",
        series=series,
        currency="USD",
        measure="effective",
        kind=0,
        day=today.date(),
        hour=None,
        source="drill",
        reading="drill",
        source_version=1,
        actual=rise + 10,
        expected=Decimal(10),
        lower=Decimal(9),
        upper=Decimal(11),
        score=9.0,
        p=1e-9,
        passes=True,
        shape="step",
        cause="usage",
        since=today,
        impact_so_far=rise,
        impact_per_day=rise,
        impact_to_month_end=rise,
        contributors=[],
        completeness=1.0,
        scored_at=now,
        detector="drill",
        detector_version="1",
    )


def _ended(anomaly: CostAnomaly) -> CostAnomaly:
    later = max(datetime.now(UTC), anomaly.scored_at + timedelta(milliseconds=1))
    return replace(anomaly, version=2, state="withdrawn", scored_at=later)


def _environment(folder: Path, bootstrap: str, url: str) -> dict[str, str]:
    routing = folder / "routing.yaml"
    receivers = [{"name": name, "channel": "webhook", "url": f"{url}/{name}"} for name in RECEIVERS]
    route = {
        "receiver": RECEIVERS[0],
        "group_by": ["scope"],
        "group_wait": "0s",
        "group_interval": "0s",
        "routes": [{"receiver": name, "continue": True} for name in RECEIVERS],
    }
    # YAML holds JSON.
    routing.write_text(json.dumps({"receivers": receivers, "route": route}))
    return {**environment_of(folder, bootstrap, PARTS), "SPENDSTREAM_ALERTS__ROUTING": str(routing)}
