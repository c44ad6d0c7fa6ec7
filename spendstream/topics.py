"""Topics: names, keys, retention. A partition is always computed by the project, never by a client's default."""

from dataclasses import dataclass
from typing import Literal

DAY_MS = 86_400_000
HORIZON_DAYS = 400
MAX_MESSAGE_BYTES = 16 * 1024 * 1024

Cleanup = Literal["delete", "compact"]


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as the project wants it.

    Attributes
    ----------
    name
        Logical name; the physical one adds the deployment's prefix and epoch.
    cleanup
        `compact` keeps the newest message of each key for ever.
    retention_ms
        How long a message of a `delete` topic is kept; how long a `compact` topic keeps all versions (0: not at all).
    sharded
        Has as many partitions as there are shards; else one.
    """

    name: str
    cleanup: Cleanup
    retention_ms: int
    sharded: bool = True

    def configuration(self) -> dict[str, str]:
        """Return the topic's settings as Kafka names them."""
        settings = {"cleanup.policy": self.cleanup, "max.message.bytes": str(MAX_MESSAGE_BYTES)}
        if self.cleanup == "compact":
            settings["min.compaction.lag.ms"] = str(self.retention_ms)
        else:
            settings["retention.ms"] = str(self.retention_ms)
        return settings


STATEMENTS = Topic("cost.statements", "compact", HORIZON_DAYS * DAY_MS)
HEADS = Topic("cost.heads", "compact", 0)
PARTIALS = Topic("cost.partials", "delete", 30 * DAY_MS)
AGGREGATES = Topic("cost.aggregates", "delete", HORIZON_DAYS * DAY_MS)
ANOMALIES = Topic("cost.anomalies", "delete", HORIZON_DAYS * DAY_MS)
FORECASTS = Topic("cost.forecasts", "delete", HORIZON_DAYS * DAY_MS)
FEEDBACK = Topic("anomaly.feedback", "compact", 0)
ESTIMATES = Topic("cost.estimates", "delete", HORIZON_DAYS * DAY_MS)
USAGE = Topic("usage.metrics", "delete", HORIZON_DAYS * DAY_MS)
CONTROLS = Topic("source.controls", "delete", HORIZON_DAYS * DAY_MS, sharded=False)
PAID_REQUESTS = Topic("requests.paid", "delete", HORIZON_DAYS * DAY_MS, sharded=False)
DEAD_LETTERS = Topic("dead.letters", "delete", HORIZON_DAYS * DAY_MS, sharded=False)
SOURCE_RUNS = Topic("source.runs", "compact", 0, sharded=False)
RUNS = Topic("config.runs", "compact", 0, sharded=False)
RULES = Topic("config.rules", "compact", 0)
HEALTH = Topic("alert.health", "delete", 30 * DAY_MS)
BASES = Topic("alert.bases", "delete", 30 * DAY_MS)
ALERTS = Topic("alerts", "delete", HORIZON_DAYS * DAY_MS)
INCIDENTS = Topic("alert.incidents", "compact", 0)
TRANSITIONS = Topic("alert.transitions", "delete", HORIZON_DAYS * DAY_MS)
NOTIFICATIONS = Topic("alert.notifications", "compact", 0, sharded=False)
DELIVERIES = Topic("alert.deliveries", "delete", HORIZON_DAYS * DAY_MS, sharded=False)
SUSPENSIONS = Topic("alert.suspensions", "compact", 0, sharded=False)
REPORTS = Topic("alert.reports", "compact", 0, sharded=False)

TOPICS = (
    STATEMENTS,
    HEADS,
    PARTIALS,
    AGGREGATES,
    ANOMALIES,
    FORECASTS,
    ESTIMATES,
    FEEDBACK,
    USAGE,
    CONTROLS,
    PAID_REQUESTS,
    DEAD_LETTERS,
    SOURCE_RUNS,
    RUNS,
    RULES,
    HEALTH,
    BASES,
    ALERTS,
    INCIDENTS,
    TRANSITIONS,
    NOTIFICATIONS,
    DELIVERIES,
    SUSPENSIONS,
    REPORTS,
)


@dataclass(frozen=True, slots=True)
class TopicNames:
    """Physical names of one deployment.

    Attributes
    ----------
    prefix
        Put before every name, as `staging.`; may be empty.
    epoch
        Raised by a rebuild with another number of shards: partition counts never change in place.
    shards
        Partitions of a sharded topic in this epoch.
    """

    prefix: str = ""
    epoch: int = 1
    shards: int = 4

    def name(self, topic: Topic) -> str:
        """Return the physical name; topics that are not sharded outlive an epoch."""
        suffix = f".e{self.epoch}" if topic.sharded and self.epoch > 1 else ""
        return f"{self.prefix}{topic.name}{suffix}"

    def partitions(self, topic: Topic) -> int:
        """Return how many partitions the topic has."""
        return self.shards if topic.sharded else 1

    def topic(self, name: str) -> Topic:
        """Return the topic with the physical `name`; KeyError when it is none of ours."""
        return {self.name(topic): topic for topic in TOPICS}[name]
