"""What the `alert` service does: the steps of alerting, by the worker that runs all steps, and a watch beside them."""

from alerts.health_watch import HealthWatch
from alerts.pipeline import steps
from processors.worker import Work

WORK = Work("alert", steps, HealthWatch)
