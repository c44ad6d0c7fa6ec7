"""What the `process` service does: the steps of costs, by the worker that runs all steps."""

from processors.pipeline import steps
from processors.worker import Work

WORK = Work("process", steps)
