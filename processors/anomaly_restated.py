"""Restatements of settled days: what they take from incidents, and whether they are odd by themselves.

The level learns nothing from them. A restatement is odd when it is large beside what such days still change by, and
beside the noise of the day.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from processors.anomaly_bank import Bank
from processors.anomaly_calendars import Told
from processors.anomaly_follow import OUTSIDE, Following
from processors.anomaly_incidents import Incident

_DAYS_OPEN = 2


@dataclass(frozen=True, slots=True)
class Change:
    """What a settled day cost before and costs now, in currency units."""

    key: str
    day: int
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Ages:
    """How old the day was when it was settled and is now, in hours; and the present day, since 1970."""

    before: float
    after: float
    today: int


def restate(change: Change, ages: Ages, bank: Bank, incidents: Following, *, warm: bool) -> None:
    """Take a restatement of a settled day; `warm` says whether enough is known to alert."""
    row = bank.rows.get(change.key)
    if row is None:
        return
    actual, expected, spread = bank.past(row, change.day)
    if not (np.isfinite(actual) and np.isfinite(expected)):
        return
    bank.restate(row, change.day, change.after)
    incident = incidents.covering(change.key, change.day)
    if incident is not None:
        still = _shows(incident, bank, row)
        incidents.restated(incident, change.day, change.after - change.before, still=still)
        if not still:
            bank.end(row)
        return
    usual = abs(bank.visible.restated(row, change.before, change.after, ages.before, ages.after))
    noise = abs(change.after - change.before) / max(spread, 0.01)
    surprise = -float(log_ndtr(-min(usual, noise)))
    if warm and surprise >= bank.series.needed + bank.series.bar[row]:
        told = Told(change.key, "restatement", change.day, change.after, change.before)
        incidents.stand_apart(told, ages.today + _DAYS_OPEN, surprise / float(np.log(10)))


def _shows(incident: Incident, bank: Bank, row: int) -> bool:
    """Say whether any of an incident's settled days is still outside."""
    for day in range(max(incident.since, (bank.series.levels.period or 0) - bank.kept + 1), incident.last + 1):
        actual, expected, spread = bank.past(row, day)
        if incident.shape == "new":
            expected = 0.0
        if np.isfinite(actual) and incident.side * (actual - expected) > OUTSIDE * spread:
            return True
    return False
