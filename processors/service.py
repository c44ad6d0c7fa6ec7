"""What the `process` service does: the steps of costs, and of metered usage, by the worker that runs all steps."""

from processors.estimates import EstimatesOptions, estimates
from processors.of_record import record_of
from processors.pipeline import steps
from processors.step import Step
from processors.worker import Work
from spendstream.settings import Settings


def live_steps(settings: Settings) -> tuple[Step, ...]:
    """Return all steps that run live, in the order of the flow.

    Estimates are no part of a replay's chain: they are of the hour, and a run that is promoted works them out anew.
    """
    chain = steps(settings)
    if not settings.estimating:
        return chain
    options = EstimatesOptions(
        settings.kafka.shards,
        settings.processing.run,
        record_of(settings),
        settings.estimates.false_alerts_a_week,
        settings.estimates.price_list,
    )
    return (*chain, estimates(options))


WORK = Work("process", live_steps)
