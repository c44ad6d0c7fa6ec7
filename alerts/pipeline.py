"""The steps of alerting, made for a deployment; the `alert` service runs them."""

from alerts import routes
from alerts.incident_step import IncidentOptions, incident_step, no_owner
from alerts.rule_step import RuleOptions, rule_step
from processors.live_names import changelog_name
from processors.step import Step
from spendstream.settings import Settings


def rule_options(settings: Settings, run: str) -> RuleOptions:
    """Return what the application of rules needs to know of the deployment."""
    detection = settings.detection
    return RuleOptions(settings.kafka.shards, run, frozenset(detection.levels if detection.enabled else ()))


def steps(settings: Settings) -> tuple[Step, ...]:
    """Return the steps, in the order of the flow, for the run of the settings.

    Raises
    ------
    ConfigurationError
        When the routing file, which says who owns what, cannot be used.
    """
    routing = settings.alerts.routing
    return (
        rule_step(rule_options(settings, settings.processing.run)),
        incident_step(
            IncidentOptions(settings.processing.run, no_owner if routing is None else routes.read(routing).owner_of)
        ),
    )


def changelogs(settings: Settings) -> tuple[str, ...]:
    """Return the names of the changelog topics of the steps."""
    return tuple(changelog_name(settings, step) for step in steps(settings))
