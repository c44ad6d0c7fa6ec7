"""How much is used of each series in each hour: size, growth, season, noise, and what incidents make of it."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from spendstream.local.simulator.bringing import brought
from spendstream.local.simulator.catalogue import BY_HOUR, BY_WEEKDAY, QUANTITY_SCALE
from spendstream.local.simulator.charges import Ints
from spendstream.local.simulator.incidents import BRINGING, Incident, IncidentError, of_kind
from spendstream.local.simulator.series import Series, hashed

_ORIGIN = date(2026, 1, 1).toordinal()
_DAILY_GROWTH = 0.0004
_MONTH_END = 1.25
#: Noise that a whole day shares, as a part of the noise of an hour.
_DAY_NOISE = 0.4


class Usage:
    """Usage of all series, any day by itself.

    Parameters
    ----------
    seed, noise
        Of the organisation.
    series
        Series of usage, those that incidents bring at the end.
    ordinary
        So many are there in any case.
    incidents
        All that may happen; see `of_day` for those that do.

    Raises
    ------
    IncidentError
        When the scope of an incident holds none of the series that it should change.
    """

    def __init__(
        self, seed: int, noise: float, series: Sequence[Series], ordinary: int, incidents: Sequence[Incident]
    ) -> None:
        self._seed = seed
        self._noise = noise
        self._mean = np.array([s.mean for s in series], dtype=np.float64)[:, None]
        self._by_hour = np.array([s.by_hour for s in series])[:, None]
        self._month_end = np.array([s.month_end for s in series])[:, None]
        self._whole = np.array([s.whole for s in series])[:, None]
        self._constant = np.array([bool(s.resource) for s in series])[:, None]
        self._since = np.array([s.since.toordinal() if s.since else 0 for s in series])[:, None]
        self._held = {one.id: np.array([one.scope.holds(s) for s in series]) for one in incidents}
        empty = [one for one in incidents if one.changes_lines and not self._held[one.id].any()]
        if empty:
            raise IncidentError(f"incident {empty[0].id}: nothing that the organisation uses is in its scope")
        extra = [one for one in of_kind(incidents, *BRINGING) for _ in brought(one, "")]
        self._brought = [(one, ordinary + number) for number, one in enumerate(extra)]

    def of_day(self, day: date, incidents: Sequence[Incident]) -> Ints:
        """Return the whole usage of each series and hour of a day, in 10⁻⁴ units, when `incidents` happen."""
        key = hashed(self._seed, "noise", day.toordinal())
        draws = np.random.Generator(np.random.Philox(key=key)).random((len(self._mean), 25, 2)).sum(axis=2) - 1.0
        noise = (1.0 + self._noise * draws[:, :24]) * (1.0 + self._noise * _DAY_NOISE * draws[:, 24:])
        growth = max(0.1, 1.0 + _DAILY_GROWTH * (day.toordinal() - _ORIGIN))
        season = np.where(self._by_hour, BY_HOUR[None, :] * BY_WEEKDAY[day.weekday()], 1.0)
        if (day + timedelta(days=2)).month != day.month:
            season = season * np.where(self._month_end, _MONTH_END, 1.0)
        level = np.where(self._constant, self._mean, self._mean * growth * season * noise)
        for incident, row in self._brought:
            level[row] *= incident.active(day) if incident in incidents else 0.0
        for incident in incidents:
            factor = incident.usage_factor(day)
            if factor is not None:
                level[self._held[incident.id]] *= factor
        units = np.floor(np.where(self._since <= day.toordinal(), level, 0.0)).astype(np.int64)
        return np.where(self._whole, units // QUANTITY_SCALE * QUANTITY_SCALE, units)
