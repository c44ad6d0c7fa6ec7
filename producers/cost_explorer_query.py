"""Asking Cost Explorer: pages, each paid for before it is asked; answers as exact integers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Context, Decimal
from typing import Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from producers.aws_session import explained
from producers.budget import Budget, Purpose
from producers.source import SourceError
from spendstream.money import SCALE, to_units

#: A page of Cost Explorer costs one US cent.
PAGE_COST = to_units("0.01")

#: What a changed answer between two pages is called; the whole question is asked again.
_CHANGED = frozenset({"RequestChangedException", "InvalidNextTokenException"})
_ATTEMPTS = 3
#: What is answered where hours are asked of an account that has none, or of days whose hours are gone.
_NO_HOURS = frozenset({"DataUnavailableException", "ValidationException", "AccessDeniedException"})
_NO_DATA = frozenset({"DataUnavailableException"})
_FINEST = Decimal(1).scaleb(-SCALE)

#: Operations as IAM and the record of paid requests name them.
USAGE_API = "ce:GetCostAndUsage"
FORECAST_API = "ce:GetCostForecast"

Filter = dict[str, Any]
Granularity = Literal["HOURLY", "DAILY", "MONTHLY"]


class NoDataError(SourceError):
    """Cost Explorer has nothing of what was asked: no hours, or no history to forecast from."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """Amounts in 10⁻¹⁸ of the currency, and a quantity in 10⁻¹⁸ of its unit."""

    currency: str
    billed: int
    effective: int
    blended: int
    quantity: int
    unit: str


@dataclass(frozen=True, slots=True)
class Group:
    """One group of one period."""

    day: date
    hour: int
    keys: tuple[str, ...]
    metrics: Metrics
    estimated: bool


@dataclass(frozen=True, slots=True)
class Question:
    """What GetCostAndUsage is asked.

    `first_day` and `last_day` are inclusive; `groups` are dimensions as Cost Explorer names them, or `tag:KEY`, or
    `category:NAME`.
    """

    first_day: date
    last_day: date
    groups: tuple[str, ...]
    filter: Filter | None = None
    granularity: Granularity = "DAILY"

    def request(self, metrics: Sequence[str]) -> dict[str, Any]:
        """Return it in boto3's words."""
        end = _next(self.last_day)
        form = "{}T00:00:00Z" if self.granularity == "HOURLY" else "{}"
        request: dict[str, Any] = {
            "TimePeriod": {"Start": form.format(self.first_day), "End": form.format(end)},
            "Granularity": self.granularity,
            "Metrics": list(metrics),
        }
        if self.groups:
            request["GroupBy"] = [_group_by(name) for name in self.groups]
        return request | ({"Filter": self.filter} if self.filter else {})

    def text(self) -> str:
        """Return it in a few words, for the record of paid requests."""
        span = f"{self.first_day} to {self.last_day}"
        return f"{self.granularity.lower()} {' × '.join(self.groups) or 'total'}, {span}" + _words(self.filter)


@dataclass(frozen=True, slots=True)
class Forecast:
    """Cost Explorer's own forecast of a period; days are inclusive, amounts in 10⁻¹⁸ of the currency."""

    first_day: date
    last_day: date
    currency: str
    mean: int
    lower: int
    upper: int


def both(*filters: Filter | None) -> Filter | None:
    """Return a filter that passes what all of them pass."""
    some = [one for one in filters if one]
    return some[0] if len(some) == 1 else {"And": some} if some else None


def among(dimension: str, values: Sequence[str]) -> Filter:
    """Return a filter on the values of a dimension."""
    return {"Dimensions": {"Key": dimension, "Values": list(values)}}


def but(chosen: Filter) -> Filter:
    """Return a filter that passes what `chosen` does not."""
    return {"Not": chosen}


class Asker:
    """Asks for one payer account.

    Parameters
    ----------
    client
        boto3's Cost Explorer client.
    budget
        Pays for each page before it is asked.
    net
        Billed and effective are the net metrics.
    """

    def __init__(self, client: Any, budget: Budget, *, net: bool) -> None:  # noqa: ANN401 - boto3 is untyped
        self._client = client
        self._budget = budget
        self._billed, self._effective = (
            ("NetUnblendedCost", "NetAmortizedCost") if net else ("UnblendedCost", "AmortizedCost")
        )
        self._forecast_of = {
            "billed": "NET_UNBLENDED_COST" if net else "UNBLENDED_COST",
            "effective": "NET_AMORTIZED_COST" if net else "AMORTIZED_COST",
        }

    def affords(self, pages: int, share: float) -> bool:
        """Tell whether `share` of the polling budget still has room for so many pages."""
        return pages * PAGE_COST <= self._budget.left(share)

    def ask(self, question: Question, purpose: Purpose, share: float = 1.0) -> list[Group]:
        """Return all groups of all periods, pages joined; without groups one for each period.

        Raises
        ------
        BudgetExceededError
            Before the page that would go beyond `share` of a cap.
        NoDataError
            When hours were asked and there are none.
        SourceError
            When Cost Explorer does not answer; the text says what to do.
        """
        absent = _NO_HOURS if question.granularity == "HOURLY" else _NO_DATA
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return list(self._pages(question, purpose, share))
            except ClientError as error:
                if _code(error) not in _CHANGED or attempt == _ATTEMPTS:
                    raise _refusal(error, absent) from None
            except BotoCoreError as error:
                raise explained(error, "Cost Explorer") from None
        raise AssertionError("unreachable")

    def forecast(
        self, first_day: date, last_day: date, measure: str, purpose: Purpose, share: float = 1.0
    ) -> list[Forecast]:
        """Return Cost Explorer's forecast of `billed` or `effective` by month, from today on; raises as `ask`."""
        request = {
            "TimePeriod": {"Start": str(first_day), "End": str(_next(last_day))},
            "Granularity": "MONTHLY",
            "Metric": self._forecast_of[measure],
            "PredictionIntervalLevel": 80,
        }
        detail = f"forecast of {measure}, {first_day} to {last_day}"
        try:
            answer = self._paid(purpose, detail, share, lambda: self._client.get_cost_forecast(**request))
        except ClientError as error:
            raise _refusal(error, _NO_DATA) from None
        except BotoCoreError as error:
            raise explained(error, "Cost Explorer's forecast") from None
        try:
            currency = answer["Total"]["Unit"]
            return [_forecast(period, currency) for period in answer["ForecastResultsByTime"]]
        except (KeyError, ValueError, ArithmeticError) as error:
            raise SourceError(f"Cost Explorer: a forecast cannot be read: {error}; got {answer}") from None

    def _paid(self, purpose: Purpose, detail: str, share: float, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - boto3's
        """Make a call that was paid for; one that fails is free."""
        paid = self._budget.pay(purpose, detail, PAGE_COST, share=share)
        try:
            return call()
        except (BotoCoreError, ClientError):
            self._budget.failed(paid)
            raise

    def _pages(self, question: Question, purpose: Purpose, share: float) -> Iterator[Group]:
        request = question.request((self._billed, self._effective, "BlendedCost", "UsageQuantity"))
        while True:
            answer = self._paid(purpose, question.text(), share, lambda: self._client.get_cost_and_usage(**request))
            for period in answer["ResultsByTime"]:
                yield from self._groups(period, grouped=bool(question.groups))
            token = answer.get("NextPageToken")
            if not token:
                return
            request["NextPageToken"] = token

    def _groups(self, period: dict[str, Any], *, grouped: bool) -> Iterator[Group]:
        start = period["TimePeriod"]["Start"]
        day, hour = date.fromisoformat(start[:10]), -1
        if "T" in start:
            hour = datetime.fromisoformat(start).hour
        found = period.get("Groups", ()) if grouped else [{"Keys": [], "Metrics": period.get("Total") or {}}]
        for group in found:
            if group["Metrics"]:
                keys = tuple(group["Keys"])
                yield Group(day, hour, keys, self._metrics(group["Metrics"]), period["Estimated"])

    def _metrics(self, found: dict[str, dict[str, str]]) -> Metrics:
        try:
            quantity = found["UsageQuantity"]
            return Metrics(
                currency=found[self._billed]["Unit"],
                billed=to_units(found[self._billed]["Amount"]),
                effective=to_units(found[self._effective]["Amount"]),
                blended=to_units(found["BlendedCost"]["Amount"]),
                quantity=to_units(quantity["Amount"]),
                unit="" if quantity["Unit"] == "N/A" else quantity["Unit"],
            )
        except (KeyError, ValueError) as error:
            raise SourceError(f"Cost Explorer: an amount cannot be read: {error}; got {found}") from None


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _refusal(error: ClientError, absent: frozenset[str]) -> SourceError:
    told = explained(error, "Cost Explorer")
    return NoDataError(str(told)) if _code(error) in absent else told


def _next(day: date) -> date:
    return date.fromordinal(day.toordinal() + 1)


def _forecast(period: dict[str, Any], currency: str) -> Forecast:
    start, end = (date.fromisoformat(period["TimePeriod"][name][:10]) for name in ("Start", "End"))
    mean, lower, upper = (
        # A forecast is no money: AWS gives more digits than mean anything, and what is finer than our scale is cut.
        to_units(Decimal(period[name]).quantize(_FINEST, context=Context(prec=60)))
        for name in ("MeanValue", "PredictionIntervalLowerBound", "PredictionIntervalUpperBound")
    )
    return Forecast(start, date.fromordinal(end.toordinal() - 1), currency, mean, lower, upper)


def _group_by(name: str) -> dict[str, str]:
    kind, _, key = name.partition(":")
    if kind == "tag" and key:
        return {"Type": "TAG", "Key": key}
    if kind == "category" and key:
        return {"Type": "COST_CATEGORY", "Key": key}
    return {"Type": "DIMENSION", "Key": name}


def _words(expression: Filter | None) -> str:
    if expression is None:
        return ""
    return ", " + " and ".join(_word(part) for part in expression.get("And", [expression]))


def _word(part: Filter) -> str:
    if "Not" in part:
        return f"not ({_word(part['Not'])})"
    body = part.get("Dimensions", {})
    values = body.get("Values", [])
    shown = ", ".join(values[:3]) + (f" and {len(values) - 3} more" if len(values) > 3 else "")  # noqa: PLR2004
    return f"{body.get('Key')} {shown}"
