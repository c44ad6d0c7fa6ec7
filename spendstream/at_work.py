"""Who is at work on which run: the members of the steps' consumer groups, as Kafka knows them."""

from collections import Counter
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from processors.live_names import app_id
from processors.pipeline import steps
from spendstream.admin import kafka_client
from spendstream.findings import Finding, failed, good
from spendstream.runs import live_among, runs
from spendstream.settings import Settings

_SECONDS = 10


@dataclass(frozen=True, slots=True)
class AtWork:
    """The live run, and how many workers each step of each run has; None: this Kafka cannot tell."""

    live: str
    workers: dict[str, dict[str, int]] | None

    @property
    def elsewhere(self) -> list[str]:
        """Runs that are not live and have workers."""
        return sorted(run for run, count in (self.workers or {}).items() if run != self.live and any(count.values()))

    def text(self) -> str:
        """Return it for a person."""
        if self.workers is None:
            return f"run {self.live} is live; this Kafka does not tell who works on it"
        told = ", ".join(f"{step} {count}" for step, count in self.workers[self.live].items())
        return f"run {self.live} is live; workers: {told}"


def at_work(settings: Settings) -> AtWork:
    """Return who is at work on which run."""
    found = runs(settings)
    live = live_among(found.values(), settings.processing.run)
    names = sorted({live, *(run.id for run in found.values() if run.state in {"live", "retired"})})
    groups = {
        app_id(settings.of_run(name), step): (name, step.name)
        for name in names
        for step in steps(settings.of_run(name))
    }
    counts: dict[str, Counter[str]] = {name: Counter() for name in names}
    admin = AdminClient(kafka_client(settings) | {"log_level": 0})
    for group, future in admin.describe_consumer_groups(list(groups), request_timeout=_SECONDS).items():
        name, step = groups[group]
        try:
            counts[name][step] = len(future.result().members)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                return AtWork(live, None)
            counts[name][step] = 0
    return AtWork(live, {name: dict(count) for name, count in counts.items()})


def check_at_work(settings: Settings) -> Finding:
    """Return whether the workers work on the live run."""
    found = at_work(settings)
    if found.elsewhere:
        fix = "workers go over within seconds; start those again that do not, with this deployment's settings"
        detail = f"workers are at work on {', '.join(found.elsewhere)}, and run {found.live} is live"
        return failed("live run", detail, fix)
    return good("live run", found.text())
