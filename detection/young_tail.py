"""p-values of young series, from what was seen of all of them together.

How wild a series is takes months to learn of itself. Until then it is one of its organisation's: as long as nobody
knows which series are the wild ones, how often all of them together were as far out is the p-value of each, however
many of them are wild. Twenty days of two hundred series are four thousand days, enough to say what is rare here.

Only the far tail is described: how often −ln p lies beyond `FAR`, and the power by which that falls off. Nothing is
left out of it as an incident: what one in a hundred young series had, the next may have as well.

What a series' own tail says is only a belief while nothing is learnt of it, and gives way once enough was seen of all
young ones together. Before that, and when both are learnt, the verdict counts that finds a day rarer.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.arrays import Bools, Floats
from detection.calibration import FAR, once

FROM, UNTIL = 14, 84
"""Days of a series between which it is a young one.

Before, its week was not seen twice; after, four weeks of tails are known: its own, and those of all that are as old.
"""
_ENOUGH = 1000.0
"""Days of young series from where it gives way: of calm ones about one lies beyond `FAR`, of wild ones several."""
_OWN = 14
"""Days of a series' own tail that make it more than a belief."""
_OFTEN = 1 / 75
"""How often −ln p is beyond `FAR` before it was seen once: as in series with a heavy tail."""
_POWER, _POWER_PRIOR = 1.0, 8.0
"""The power of the tail before any is seen, and how many exceedances that counts: as many as 400 calm series show.

The tail grows heavier with age, as what is expected of a series gets more certain: the first few exceedances of the
first weeks do not tell its power.
"""


class YoungTail:
    """The far tail of −ln p in series that are young, each of which counts as any other.

    Parameters
    ----------
    own_from
        Age in periods from where a series' own tail is learnt.
    until
        Age from where it is young no more; 0 where none is.

    Examples
    --------
    >>> tail = YoungTail(own_from=56)
    >>> tail.add(200)
    >>> for day in range(14, 34):
    ...     tail.learn(np.full(200, 1.0), np.full(200, day))
    >>> tail.log_p(np.array([6.0, 60.0, 60.0]), np.array([34, 34, 400]), alone=np.full(3, 5.0)).round(1)
    array([ 5. , 10.3,  5. ])
    """

    def __init__(self, own_from: int, until: int = UNTIL) -> None:
        self.own_from = own_from
        self.until = until
        self.series: Floats = np.zeros((4, 0))

    def add(self, rows: int) -> None:
        """Append series of which nothing is known."""
        self.series = np.hstack([self.series, np.zeros((4, rows))])

    def log_p(self, nominal: Floats, age: NDArray[np.int64], alone: Floats) -> Floats:
        """Return −ln p for nominal values of it, of series that are so many periods old.

        It is what their own tails say `alone` of values that are not beyond `FAR`, and of series that are not young.
        """
        beyond = self._are_young(age) & (nominal > FAR)
        if not beyond.any():
            return alone
        count, far, logs, _ = self.series.sum(axis=1).tolist()
        power = (far + _POWER_PRIOR) / (logs + _POWER_PRIOR / _POWER)
        together = power * np.log(np.maximum(nominal / FAR, 1.0)) - np.log((far + 1) / (count + 1 / _OFTEN))
        gives_way = (age < self.own_from + _OWN) & (count >= _ENOUGH)
        found: Floats = np.where(beyond, np.where(gives_way, together, np.maximum(alone, together)), alone)
        return found

    def learn(self, nominal: Floats, age: NDArray[np.int64], ordinary: Bools | None = None) -> None:
        """Count nominal values of −ln p that were seen in young series, where the period was an ordinary one.

        Those close together count as one.
        """
        known = self._are_young(age) if ordinary is None else ordinary & self._are_young(age)
        if not known.any():
            return
        count, far, logs, waits = self.series
        count += known
        counted = once(waits, known, nominal > FAR)
        far[counted] += 1
        logs[counted] += np.log(nominal[counted] / FAR)

    def plain(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {"series": self.series.tolist()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `plain` returned."""
        self.series = np.array(state["series"]).reshape(4, -1)

    def _are_young(self, age: NDArray[np.int64]) -> Bools:
        young: Bools = (age >= FROM) & (age < self.until)
        return young
