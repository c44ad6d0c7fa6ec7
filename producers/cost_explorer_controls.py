"""Controls of Cost Explorer: its own answers by month and year, and its own forecast, to compare ours with.

They are never added to anything. Once a day three requests are asked: one for all months, and one each for the forecast
of billed and effective cost. A year is the sum of its months, and is told when all of them since January were answered.
A forecast is told as AWS gives it: from the day on which it was asked to the end of the month, then whole months.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from producers.budget import BudgetExceededError, Purpose
from producers.cost_explorer import CostExplorer
from producers.cost_explorer_access import Access
from producers.cost_explorer_query import FORECAST_API, USAGE_API, Asker, Forecast, Group, NoDataError, Question
from producers.publisher import Publisher
from producers.source import ReadingReport, SourceError
from schemas.events import SourceControl
from spendstream.clock import to_millis
from spendstream.money import from_units
from spendstream.settings import CostExplorer as Options
from spendstream.topics import CONTROLS

log = logging.getLogger(__name__)

_Measure = Literal["billed", "effective"]


def questions(options: Options) -> int:
    """Return how many requests a poll asks: the months, and the forecasts of both measures."""
    return 3 if options.forecast_months else 1


class CostExplorerControls:
    """Reads the controls of one payer account.

    Parameters
    ----------
    access
        How the payer account is reached, and what is read.
    publisher
        Where controls go.
    """

    def __init__(self, access: Access, publisher: Publisher) -> None:
        self.name = access.name("controls")
        self.schedule = access.options.control_schedule
        self._access = access
        self._publisher = publisher

    def run_once(self) -> ReadingReport:
        """Read months, years and forecast; a forecast that the polling budget does not allow is left out.

        Raises
        ------
        SourceError
            When AWS does not answer, or the polling budget does not allow the question for the months.
        """
        began = time.monotonic()
        today = self._publisher.clock.now().date()
        asker = self._access.asker()
        months = self._months(asker, today)
        forecasts = self._forecasts(asker, today)
        controls = [
            *self._of_months(months, today),
            *self._of_years(months, today),
            *self._of_forecasts(forecasts or {}),
        ]
        for control in controls:
            key = "/".join((control.source, control.billing_account, control.control, str(control.first_day)))
            self._publisher.send(CONTROLS, 0, key, control)
        self._publisher.flush()
        seconds = round(time.monotonic() - began, 3)
        return ReadingReport(self.name, 0, len(controls), len(months), 0, seconds, left_out=int(forecasts is None))

    def _months(self, asker: Asker, today: date) -> list[Group]:
        first = today.replace(day=1)
        for _ in range(self._access.options.control_months):
            first = (first - timedelta(days=1)).replace(day=1)
        purpose = Purpose(USAGE_API, self._access.account, "control")
        try:
            question = Question(first, today, (), granularity="MONTHLY")
            return asker.ask(question, purpose, self._access.options.beside_share)
        except BudgetExceededError as error:
            raise SourceError(f"{self.name} is not read: {error}") from None

    def _forecasts(self, asker: Asker, today: date) -> dict[_Measure, list[Forecast]] | None:
        """Return the forecast of each measure; None when the polling budget does not allow both."""
        options = self._access.options
        if not options.forecast_months:
            return {}
        last = _month_end(today)
        for _ in range(options.forecast_months - 1):
            last = _month_end(last + timedelta(days=1))
        purpose = Purpose(FORECAST_API, self._access.account, "control")
        found: dict[_Measure, list[Forecast]] = {}
        measures: tuple[_Measure, ...] = ("billed", "effective")
        try:
            for measure in measures:
                found[measure] = asker.forecast(today, last, measure, purpose, options.beside_share)
        except BudgetExceededError as error:
            log.warning("%s: the forecast is left out: %s", self.name, error)
            return None
        except NoDataError as error:
            log.info("%s: there is no forecast yet, as after less than a billing cycle: %s", self.name, error)
            return {}
        return found

    def _of_months(self, months: Iterable[Group], today: date) -> Iterator[SourceControl]:
        for group in months:
            last = _month_end(group.day)
            yield self._control(
                "month", group.day, last, group.metrics.currency,
                billed=from_units(group.metrics.billed),
                effective=from_units(group.metrics.effective),
                estimated=group.estimated or last >= today,
            )  # fmt: skip

    def _of_years(self, months: Iterable[Group], today: date) -> Iterator[SourceControl]:
        by_year: dict[tuple[int, str], dict[int, Group]] = defaultdict(dict)
        for group in months:
            by_year[group.day.year, group.metrics.currency][group.day.month] = group
        for (year, currency), found in sorted(by_year.items()):
            last = date(year, 12, 31)
            if set(found) != set(range(1, (today.month if year == today.year else 12) + 1)):
                continue
            yield self._control(
                "year", date(year, 1, 1), last, currency,
                billed=from_units(sum(group.metrics.billed for group in found.values())),
                effective=from_units(sum(group.metrics.effective for group in found.values())),
                estimated=last >= today or any(group.estimated for group in found.values()),
            )  # fmt: skip

    def _of_forecasts(self, forecasts: dict[_Measure, list[Forecast]]) -> Iterator[SourceControl]:
        """Yield a control for each period; the band is that of the effective cost."""
        billed = {one.first_day: one for one in forecasts.get("billed", ())}
        for effective in forecasts.get("effective", ()):
            other = billed.get(effective.first_day)
            yield self._control(
                "forecast", effective.first_day, effective.last_day, effective.currency,
                billed=None if other is None else from_units(other.mean),
                effective=from_units(effective.mean),
                lower=from_units(effective.lower),
                upper=from_units(effective.upper),
                estimated=True,
            )  # fmt: skip

    def _control(
        self,
        control: Literal["month", "year", "forecast"],
        first_day: date,
        last_day: date,
        currency: str,
        *,
        billed: Decimal | None,
        effective: Decimal,
        estimated: bool,
        lower: Decimal | None = None,
        upper: Decimal | None = None,
    ) -> SourceControl:
        now = self._publisher.clock.now()
        return SourceControl(
            source=CostExplorer.source, provider="AWS", billing_account=self._access.account, control=control,
            first_day=first_day, last_day=last_day, currency=currency, billed=billed, effective=effective,
            lower=lower, upper=upper, estimated=estimated, read_at=now, version=to_millis(now),
        )  # fmt: skip


def _month_end(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)
