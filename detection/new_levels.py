"""When a change becomes the new normal: after it was confirmed, not before; and when the old one is back, at once.

An anomaly is not refused for ever: when so many periods in a row lie on the same side, or an incident has been open for
as many, their level is taken. When the cost then falls back to where it was, the level that was left is taken again.
"""

from typing import Any

import numpy as np

from detection.arrays import Bools, Floats, Ints
from detection.seasons import Calendar

OUTSIDE = 3.0
"""Standard deviations from where a period counts towards a new level."""
CONFIRM_DAYS = 7
CONFIRM_HOURS = 72
_REMEMBERED_DAYS = 60
"""How long a level that was left is remembered."""
_NEAR = 0.35
"""How much of a change may be missing for it to be a return."""


class NewLevels:
    """For how long each series has been outside, and which level it left last; logarithms of the cost.

    Parameters
    ----------
    calendar
        Days or hours.
    confirm
        Periods in a row outside on one side that make a new level; else 7 days, or 72 hours.

    Attributes
    ----------
    run, run_sum
        Periods in a row on one side, negative below, and the sum of their changes.
    left, left_ago
        By how much the level was moved when a new one was taken last, 0: it is not remembered; and periods since.
    unsettled
        Grows while a series is outside and falls while it is not, up to twice `confirm`.
    """

    def __init__(self, calendar: Calendar, confirm: int | None = None) -> None:
        self.confirm = confirm or (CONFIRM_HOURS if calendar.hourly else CONFIRM_DAYS)
        self._remembered = _REMEMBERED_DAYS * calendar.a_day
        self.run: Ints = np.zeros(0, dtype=np.int64)
        self.run_sum: Floats = np.zeros(0)
        self.left: Floats = np.zeros(0)
        self.left_ago: Ints = np.zeros(0, dtype=np.int64)
        self.unsettled: Ints = np.zeros(0, dtype=np.int64)

    def add(self, rows: int) -> None:
        """Append series of which nothing is known."""
        for name, values in self._arrays().items():
            setattr(self, name, np.append(values, np.zeros(rows, dtype=values.dtype)))

    def level(self, row: int) -> float | None:
        """Return how far a series has been from its level in its run of periods, on average; None: it has none."""
        return float(self.run_sum[row] / abs(self.run[row])) if self.run[row] else None

    def keep(self, rows: Bools) -> None:
        """Forget for how long some series have been outside, so that no new level is taken of it."""
        self.run[rows] = 0
        self.run_sum[rows] = 0.0

    def note(self, rows: Bools, by: Floats) -> None:
        """Note that the levels of some series were moved: what they left is remembered for a while."""
        self.left[rows] = by[rows]
        self.left_ago[rows] = 0
        self.keep(rows)

    def give_back(self, row: int, side: int) -> float | None:
        """Return by how much to move a level so that the last one is left again; None where there is none to give back.

        That is so when it was no rise (1), or fall (−1), as is said, or taken longer ago than returns are remembered.
        """
        by = float(self.left[row])
        if by * side <= 0 or self.left_ago[row] > self._remembered:
            return None
        self._forget(np.arange(len(self.left)) == row)
        return -by

    def returned(self, jump: Floats, z: Floats, known: Bools) -> tuple[Bools, Floats]:
        """Say which series are back at the level that they left, and by how much the level is moved for it."""
        self.left_ago += 1
        remembered = (self.left != 0) & (self.left_ago <= self._remembered)
        near = np.abs(jump + self.left) < _NEAR * np.abs(self.left)
        back: Bools = known & remembered & near & (np.abs(z) > OUTSIDE)
        by = -self.left
        self._forget(back)
        return back, by

    def confirmed(self, jump: Floats, z: Floats, known: Bools, held: Ints) -> tuple[Bools, Floats]:
        """Count the periods in a row on one side; say where a new level is confirmed, and how far it is away.

        Parameters
        ----------
        jump, z
            Logarithm of actual ÷ expected, and the standardised residual.
        known
            Where there is a cost.
        held
            1 or −1 where an incident is open, upwards or downwards: its periods count whatever they cost.
        """
        side = np.subtract(z > OUTSIDE, z < -OUTSIDE, dtype=np.int64)
        is_held = held != 0
        self.unsettled += np.where((side != 0) & ~is_held, 1, -1) * known
        self.unsettled = np.minimum(np.maximum(self.unsettled, 0), 2 * self.confirm)
        side = np.where(is_held, held, side)
        goes_on = (side != 0) & (side * self.run >= 0)
        self.run = np.where(known, (self.run + side) * goes_on, self.run)
        self.run_sum = np.where(known, np.where(goes_on, self.run_sum + jump, 0.0), self.run_sum)
        found: Bools = np.abs(self.run) >= self.confirm
        by = self.run_sum / np.maximum(np.abs(self.run), 1)
        if found.any():
            self.note(found, by)
        return found, by

    def _forget(self, rows: Bools) -> None:
        if rows.any():
            self.note(rows, np.zeros(len(rows)))

    def _arrays(self) -> dict[str, Any]:
        names = ("run", "run_sum", "left", "left_ago", "unsettled")
        return {name: getattr(self, name) for name in names}

    def plain(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {name: values.tolist() for name, values in self._arrays().items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `plain` returned."""
        for name, values in self._arrays().items():
            setattr(self, name, np.array(state[name], dtype=values.dtype))
