"""The bills benchmark's runs, and what they say as tables."""

import csv
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bench.detection import bills, bills_model, bills_rivals
from bench.detection.bills_model import Bills, Floats
from detection.explain import Leaf, root_cause
from detection.forecast import end_of, to_come
from detection.levels import LevelBank
from detection.seasons import Calendar

KINDS = ["spike", "two_periods", "step", "creep", "runaway_loop", "forgotten_resource", "vanished_usage"]
_WEEK = 7
_FORECAST_FROM = (8, 15, 22)
_ACCOUNTS, _SERVICES = 10, 10
OURS = "spendstream"
_LARGE, _LASTING, _TWICE_THE_BAND = 4.0, 5.0, 6.0
_SHORT = frozenset({"spike"})
_RULES_UP_TO = 1000
"""Series up to which the rules of others are run too: their windows take gigabytes beyond."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Which bills are made.

    Attributes
    ----------
    alone
        Each series is scored by a detector that knows no other.
    trees
        HalfSpaceTrees and a Random Cut Forest are run too: they take tens of times as long as ours.
    """

    name: str
    series: int
    days: int
    hourly: bool = False
    sparse: bool = True
    alone: bool = False
    residuals: Floats | None = None
    trees: bool = False


@dataclass(slots=True)
class Outcome:
    """What came of a scenario.

    Attributes
    ----------
    false_alerts, allowed
        Of our shipped threshold, and what the setting allows.
    microseconds
        To score and learn a point.
    """

    scenario: str
    false_alerts: int
    allowed: float
    microseconds: float
    powers: list[bills.Power] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Summary:
    """A scenario in a few figures.

    Attributes
    ----------
    of_the_oracle
        Incidents of 4 σ and more: the mean over kinds and sizes of our share ÷ the oracle's.
    lasting
        The share that is found of incidents of 5 σ and more that last two periods or longer.
    delay
        Median of the periods to the alert, of spikes and steps of 6 σ and more: twice the band.
    false_alerts
        Times what the setting allows.
    """

    scenario: str
    incidents: int
    of_the_oracle: float
    lasting: float
    delay: float
    false_alerts: float


def scenarios(*, small: bool, residuals: Floats | None) -> Iterator[Scenario]:
    """Yield what is run; `small` is to see that it runs."""
    if small:
        yield Scenario("daily, small", 20, 320)
        return
    yield Scenario("daily, 1,000 series", 1000, 700, trees=True)
    yield Scenario("daily, 1,000 series, an incident every 45 days", 1000, 700, sparse=False)
    yield Scenario("daily, 100 series", 100, 700)
    yield Scenario("daily, 10,000 series", 10_000, 330)
    yield Scenario("daily, 1 series (40 times)", 40, 700, alone=True)
    yield Scenario("hourly, 100 series", 100, 240, hourly=True)
    if residuals is not None:
        yield Scenario("daily, 1,000 series, noise of real series", 1000, 700, residuals=residuals)


def run(scenario: Scenario, seed: int) -> Outcome:
    """Make the bills, score them with ours and with the rules of others, and count."""
    rng = np.random.default_rng(seed)
    periods = scenario.days * (24 if scenario.hourly else 1)
    made = bills_model.ordinary(rng, scenario.series, periods, hourly=scenario.hourly, residuals=scenario.residuals)
    bills_model.add_incidents(rng, made, KINDS, hourly=scenario.hourly, sparse=scenario.sparse)
    begin = time.process_time()
    scores, threshold = _ours(made, scenario)
    spent = (time.process_time() - begin) / made.mean.size * 1e6
    allowed = bills.clean(made, hourly=scenario.hourly)
    bearable = bills.bearable(allowed, hourly=scenario.hourly)
    detectors = {OURS: (scores, threshold)}
    if scenario.series <= _RULES_UP_TO:
        a_day = 24 if scenario.hourly else 1
        for name, rule in bills_rivals.RULES.items():
            own = rule(made.values, a_day=a_day)
            detectors[name] = own, bills.fitted(own, allowed, bearable)
    if scenario.trees:
        for name, own in _trees(made):
            detectors[name] = own, bills.fitted(own, allowed, bearable)
    outcome = Outcome(scenario.name, bills.false_alerts(scores, allowed, threshold), bearable, spent)
    outcome.powers = bills.powers(made, detectors, hourly=scenario.hourly)
    return outcome


def summary(outcomes: Iterable[Outcome]) -> list[Summary]:
    """Return each scenario in a few figures, of our detector."""
    found = []
    for outcome in outcomes:
        own = [one for one in outcome.powers if one.detector == OURS and one.kind != "vanished_usage"]
        large = [one for one in own if one.size >= _LARGE and one.oracle > 0]
        lasting = [one for one in own if one.size >= _LASTING and one.kind not in _SHORT]
        sudden = [one.delay for one in own if one.size >= _TWICE_THE_BAND and one.kind in {"spike", "step"}]
        found.append(
            Summary(
                outcome.scenario,
                sum(one.incidents for one in own),
                _mean([one.found / one.oracle for one in large], [one.incidents for one in large]),
                _mean([one.found for one in lasting], [one.incidents for one in lasting]),
                float(np.median(sudden)) if sudden else float("nan"),
                outcome.false_alerts / outcome.allowed,
            )
        )
    return found


def _mean(shares: list[float], weights: list[int]) -> float:
    return float(np.average(shares, weights=weights)) if shares else float("nan")


def _ours(made: Bills, scenario: Scenario) -> tuple[Floats, float]:
    if not scenario.alone:
        return bills.ours(made, hourly=scenario.hourly, false_alerts_a_week=scenario.series / 1000)
    columns, threshold = [], 0.0
    for column in range(scenario.series):
        scores, threshold = bills.ours(made.alone(column), hourly=scenario.hourly, false_alerts_a_week=1 / 1000)
        columns.append(scores)
    return np.hstack(columns), threshold


def _trees(made: Bills) -> Iterator[tuple[str, Floats]]:
    yield "river HalfSpaceTrees", bills_rivals.half_space_trees(made.values)
    if bills_rivals.PYTHON.exists():
        yield "Random Cut Forest", bills_rivals.random_cut_forest(made.values)


@dataclass(frozen=True, slots=True)
class ForecastError:
    """Forecasts of the rest of a month: weighted absolute errors, and how often the 90 % band held."""

    ours: float
    seasonal_naive: float
    coverage: float
    forecasts: int


def forecasts(seed: int, series: int = 300, days: int = 500) -> ForecastError:
    """Forecast the rest of each month from three of its days, ours and the last week repeated."""
    made = bills_model.ordinary(np.random.default_rng(seed), series, days)
    calendar = Calendar(holidays=bills.HOLIDAYS)
    levels = LevelBank(calendar)
    levels.add(series)
    errors, naive, actuals, held, count = 0.0, 0.0, 0.0, 0, 0
    values = made.values
    for t, moment in enumerate(made.times):
        levels.advance(calendar.index(moment.replace(tzinfo=UTC)))
        levels.learn_many(values[t])
        left = (end_of(moment.date(), "month") - moment.date()) // timedelta(days=1)
        if moment.day not in _FORECAST_FROM or t < bills_model.parameters()["placing"]["warm_up_days"]:
            continue
        truth = values[t + 1 : t + 1 + left].sum(axis=0)
        if t + left >= days:
            break
        mean, variance = to_come(levels, left)
        week = values[t - _WEEK + 1 : t + 1]
        repeated = np.array([week[n % _WEEK] for n in range(left)]).sum(axis=0)
        errors += float(np.abs(mean - truth).sum())
        naive += float(np.abs(repeated - truth).sum())
        actuals += float(truth.sum())
        held += int((np.abs(truth - mean) <= 1.645 * np.sqrt(variance)).sum())
        count += series
    return ForecastError(errors / actuals, naive / actuals, held / count, count)


def causes(seed: int, incidents: int = 200, size: float = 6.0) -> dict[str, float]:
    """Return how often the scope of a one-day rise of `size` σ in each of its series is found exactly, by its width."""
    rng = np.random.default_rng(seed)
    made = bills_model.ordinary(rng, _ACCOUNTS * _SERVICES, 130)
    calendar = Calendar(holidays=bills.HOLIDAYS)
    levels = LevelBank(calendar)
    levels.add(_ACCOUNTS * _SERVICES)
    for moment, row in zip(made.times, made.values, strict=True):
        levels.advance(calendar.index(moment.replace(tzinfo=UTC)))
        expected = levels.expect()
        levels.learn_many(row)
    names = [{"account": f"a{n // _SERVICES}", "service": f"s{n % _SERVICES}"} for n in range(len(levels))]
    exact: dict[str, list[bool]] = {"account and service": [], "account": [], "service": []}
    for number in range(incidents):
        kind = list(exact)[number % len(exact)]
        whole = names[int(rng.integers(len(names)))]
        scope = {name: whole[name] for name in ("account", "service") if name in kind}
        inside = np.array([all(one[name] == value for name, value in scope.items()) for one in names])
        noise = rng.normal(size=len(names))
        actual = made.mean[-1] + made.sigma[-1] * (noise + size * inside)
        leaves = [
            Leaf(name, float(have), float(want), float(want * sd))
            for name, have, want, sd in zip(names, actual, expected.mean, expected.sd, strict=True)
        ]
        exact[kind].append(root_cause(leaves).scope == scope)
    return {kind: float(np.mean(found)) for kind, found in exact.items()}


def residuals_of(folder: Path) -> Floats:
    """Return standardised residuals of real series, of the folder with `cloud-monitoring`'s layout: what an EWM leaves.

    Raises
    ------
    ValueError
        When the folder has no series that can be read.
    """
    found = []
    for path in sorted(folder.rglob("*.csv")):
        values = _numbers(path)
        if len(values) < 10 * _WEEK:
            continue
        changes = np.diff(values, n=2)
        scale = 1.4826 * np.median(np.abs(changes - np.median(changes)))
        if scale > 0:
            found.append((changes - np.median(changes)) / scale)
    if not found:
        raise ValueError(f"{folder} has no CSV files with a column `Value` of at least {10 * _WEEK} rows")
    pooled = np.concatenate(found)
    pooled = pooled[np.abs(pooled) <= np.quantile(np.abs(pooled), 0.9999)]
    standardised: Floats = (pooled - pooled.mean()) / pooled.std()
    return standardised


def _numbers(path: Path) -> Floats:
    with path.open(encoding="utf-8", newline="") as lines:
        return np.array([float(row["Value"]) for row in csv.DictReader(lines) if row.get("Value")])
