"""What delivery counts and measures, for Prometheus."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from alerts.desk import Desk
from schemas.events import DeliveryState, Notification
from spendstream.clock import Clock

_SECONDS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200)


class DeliveryMetrics:
    """The metrics of one process.

    Parameters
    ----------
    registry
        Where they are collected from.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._states = Counter(
            "spendstream_delivery_states",
            "What became of telling receivers of incidents.",
            ["receiver", "channel", "outcome"],
            registry=registry,
        )
        self._way = Histogram(
            "spendstream_alert_seconds",
            "From one time of an incident's way to the next, of what was told as new.",
            ["stage"],
            buckets=_SECONDS,
            registry=registry,
        )

    def watch(self, desk: Desk, clock: Clock) -> None:
        """Show the receivers in trouble of a desk."""
        self._registry.register(_Troubles(desk, clock))

    def count(self, states: Iterable[DeliveryState]) -> None:
        """Count states of messages."""
        for one in states:
            self._states.labels(one.receiver, one.channel, one.outcome).inc()

    def measure(self, notifications: Iterable[Notification]) -> None:
        """Measure the way of what was told the first time; a repetition waits on purpose."""
        for one in notifications:
            if one.repeats:
                continue
            for stage, before, after in (
                ("observed_to_scored", one.observed_at, one.scored_at),
                ("scored_to_fired", one.scored_at, one.fired_at),
                ("fired_to_delivered", one.fired_at, one.sent_at),
                ("observed_to_delivered", one.observed_at, one.sent_at),
            ):
                self._measure(stage, before, after)

    def _measure(self, stage: str, before: datetime | None, after: datetime | None) -> None:
        if before is not None and after is not None:
            # Clocks of several machines may differ by a little.
            self._way.labels(stage).observe(max(0.0, (after - before).total_seconds()))


class _Troubles(Collector):
    def __init__(self, desk: Desk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        breakers = GaugeMetricFamily(
            "spendstream_receiver_breaker",
            "0 closed, 1 half-open, 2 open, of receivers that fail.",
            labels=["receiver"],
        )
        for name, breaker in self._desk.breakers(self._clock.now()).items():
            breakers.add_metric([name], ("closed", "half-open", "open").index(breaker))
        yield breakers
