"""Names of a step's consumer group and changelog, apart from Faust, which is slow to import."""

from processors.step import Step
from spendstream.settings import Settings


def app_id(settings: Settings, step: Step) -> str:
    """Return the consumer group of a step; a new epoch or run begins a new one, with a state of its own."""
    return settings.kafka.group(f"{step.name}-e{settings.kafka.epoch}-{settings.processing.run}")


def changelog_name(settings: Settings, step: Step) -> str:
    """Return the name of the changelog topic of a step's state."""
    return f"{app_id(settings, step)}-state-changelog"
