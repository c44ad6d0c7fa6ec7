"""Bars on what is ahead, held against detection's forecasts.

Forecasts of a series stand in the same partition as its totals, and follow them after detection has thought. What an
announcement says is ahead waits until detection has told all that follows from the same announcement (it says when),
so that what is said does not depend on which is read first. A series that has no forecast is judged by its pace then.

State (keys): `forecast/{series}`: the newest bands of a series, by horizon; `coming`: forecasts that follow an
announcement of which detection has not told all; `queue/forecasts` and what goes with it (`alerts.pairing`).
"""

from collections.abc import Callable, Iterable
from typing import Any

from alerts.ahead import HORIZONS, Ahead, Band, ahead_of, bars_ahead, is_foretold, of_ahead
from alerts.budget_rules import BudgetRule
from alerts.figures import Figures
from alerts.findings import Finding
from alerts.pairing import Met, Pairing
from alerts.rules import Rule, ThresholdRule, TotalRule
from detection.forecast import HORIZONS as FORECAST
from processors.announced import number_of
from processors.series import ChargeKind, Level, parse
from processors.step import State
from schemas.events import Alert, CostAggregate, CostForecast
from spendstream.clock import day_number
from spendstream.money import from_units

#: Says what follows from what a rule finds of a series.
Judge = Callable[[Rule, str, list[Finding]], list[Alert]]
#: Gives the rule of an id with the time (ms) when it was applied; None when there is none.
Applied = Callable[[str], tuple[Rule, int] | None]
#: Gives all rules that are applied.
Rules = Callable[[], Iterable[Rule]]


class Foretold:
    """What waits for forecasts in one partition.

    Parameters
    ----------
    state
        The state of the partition.
    levels
        Levels of series that detection foretells; empty: it is switched off.
    rules, applied, watchers
        Give all rules, a rule by its id, and the rules that look at a series.
    judge
        Called with a rule, a series, and what was found.
    """

    def __init__(
        self,
        state: State,
        levels: frozenset[Level],
        rules: Rules,
        applied: Applied,
        watchers: Callable[[str], Iterable[TotalRule]],
        judge: Judge,
    ) -> None:
        self._state = state
        self._levels = levels
        self._rules = rules
        self._applied = applied
        self._watchers = watchers
        self._judge = judge
        self._pairing = Pairing(state, "forecasts")

    @property
    def _is_asked(self) -> bool:
        return bool(self._levels) and any(bars_ahead(rule) for rule in self._rules())

    def awaits(self, rule: TotalRule, series: str) -> bool:
        """Tell whether what a rule finds ahead of a series waits for detection."""
        return bars_ahead(rule) and is_foretold(rule, parse(series).level, self._levels)

    def announced(self, event: CostAggregate, figures: Iterable[tuple[str, Figures]]) -> list[Alert]:
        """Take an announcement, all parts of it, with the series that it changed."""
        if not self._is_asked:
            return []
        held: list[Any] = []
        for series, known in figures:
            for rule in self._watchers(series):
                if not bars_ahead(rule) or not self.awaits(rule, series):
                    continue
                ahead, applied = ahead_of(rule, series, known, event.closed_at), self._applied(rule.id)
                if ahead is not None and applied is not None:
                    held.append([rule.id, applied[1], ahead.dump()])
        number = number_of(event)
        return self._met(self._pairing.wait(number, "", str(number), held))

    def hear(self, event: CostForecast) -> list[Alert]:
        """Take forecasts, or word that all were told that follow from an announcement."""
        if not self._is_asked:
            return []
        known: Any = self._state.get("coming")
        coming = dict(known[1]) if known is not None and known[0] == event.version else {}
        if event.series:
            self._state.put("coming", [event.version, coming | self._bands(event)])
            return []
        self._state.delete("coming")
        return self._met(self._pairing.hear(event.version, "", str(event.version), coming))

    def forget(self) -> None:
        """Forget what waits, once no rule looks ahead any more."""
        if not self._is_asked:
            self._pairing.clear()
            self._state.delete("coming")

    def _bands(self, event: CostForecast) -> dict[str, Any]:
        """Return what is foretold of the series that a rule waits for: [last day, mean, lower, upper, coverage]."""
        awaited = {
            place
            for place, series in enumerate(event.series)
            if any(self.awaits(rule, series) for rule in self._watchers(series))
        }
        found: dict[str, dict[str, Any]] = {}
        for place, kind, horizon, *band in zip(
            event.row_series, event.row_kind, event.row_horizon,
            event.row_end, event.row_mean, event.row_lower, event.row_upper, strict=True,
        ):  # fmt: skip
            if place in awaited and kind == ChargeKind.USAGE:
                found.setdefault(event.series[place], {})[FORECAST[horizon]] = [*band, event.coverage]
        return found

    def _met(self, met: list[Met]) -> list[Alert]:
        said: list[Alert] = []
        for one in met:
            for _, bands in one.told:
                for series, band in sorted(bands.items()):
                    self._state.put(f"forecast/{series}", band)
            for name, at, plain in one.held:
                applied = self._applied(name)
                if applied is None or applied[1] != at or not bars_ahead(applied[0]):
                    continue
                ahead = Ahead.load(plain)
                finding = of_ahead(applied[0], ahead, self._band(applied[0], ahead))
                said += self._judge(applied[0], ahead.series, [finding])
        return said

    def _band(self, rule: ThresholdRule | BudgetRule, ahead: Ahead) -> Band | None:
        """Return the forecast of what is ahead; None when there is none of that end."""
        bands: Any = self._state.get(f"forecast/{ahead.series}") or {}
        end, *amounts, coverage = bands.get(HORIZONS[rule.window or ""], [None, 0.0])
        if end != day_number(ahead.last):
            return None
        mean, lower, upper = map(from_units, amounts)
        return Band(mean, lower, upper, coverage)
