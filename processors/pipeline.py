"""Which steps there are, made for a deployment."""

from processors.anomalies import AnomaliesOptions, anomalies
from processors.ledger import LedgerOptions, ledger
from processors.live_names import changelog_name
from processors.of_record import record_of
from processors.step import Step
from processors.totals import TotalsOptions, totals
from spendstream.public_holidays import days_of
from spendstream.settings import Settings


def steps(settings: Settings, run: str | None = None) -> tuple[Step, ...]:
    """Return all steps, in the order of the flow; `run` is by default the one of the settings."""
    name = run or settings.processing.run
    kafka = settings.kafka
    detection = settings.detection
    detected = AnomaliesOptions(
        kafka.shards,
        kafka.epoch,
        name,
        detection.false_alerts_a_week,
        detection.levels,
        detection.settle_hours,
        days_of(detection.holidays),
        detection.hours,
    )
    return (
        ledger(LedgerOptions(kafka.shards, kafka.epoch, name, settings.ledger.tags, record_of(settings))),
        totals(TotalsOptions(kafka.shards, kafka.epoch, name)),
        *((anomalies(detected),) if detection.enabled else ()),
    )


def changelogs(settings: Settings) -> tuple[str, ...]:
    """Return the names of the changelog topics of all steps."""
    return tuple(changelog_name(settings, step) for step in steps(settings))
