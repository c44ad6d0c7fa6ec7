"""A simulated AWS: one seeded organisation behind the real wire protocols, on a clock of its own."""

from spendstream.local.simulator.clock import SimulatedClock
from spendstream.local.simulator.incidents import Incident, Scope
from spendstream.local.simulator.organisation import Organisation
from spendstream.local.simulator.series import Series
from spendstream.local.simulator.server import SimulatedAWS

__all__ = ["Incident", "Organisation", "Scope", "Series", "SimulatedAWS", "SimulatedClock"]
