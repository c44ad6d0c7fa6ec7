"""Estimates: metered usage × unit price, minutes after the usage and a day or two before the bill.

The points of metrics and the statements of an account's service come to the same partition. Statements teach unit
prices (`processors.estimate_prices`); points are added up by usage type, for the day and for five minutes at a time;
and when a reading of metrics is closed, each account's service that it told of is estimated and scored
(`processors.estimate_usage`). Later the bill says what the same usage types of that day cost, and the difference tells
how wrong such estimates are. An estimate is a measure of its own: it is never added to actual cost.

State of a partition:

- `m/{account}|{region}|{metric …}`: version and the newest points of one metric, to replace them by later versions;
- `f/{account}|{service}`: what was metered, of the last days and of the five minutes that are not scored yet;
- `p/{account}|{service}`: what bills said;
- `d/{account}|{service}`: what is usual, the incident that is open, the error of estimates;
- `touched`: the services that the open reading told of; `seen`: version of the reading closed last.
"""

from calendar import monthrange
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from math import hypot, isfinite, sqrt
from typing import Any, Literal

from processors.estimate_prices import Price, billed, coverage, learnt, prices
from processors.estimate_usage import DAY_MS, HOUR_MS, SLOT_MS, Look, Meter, bar
from processors.ledger import Record
from processors.series import ChargeKind, Series, partition_of
from processors.step import Output, State, Step
from schemas.events import Contributor, CostAnomaly, CostEstimate, CostStatement, Event, UsageClosed, UsageMetrics
from spendstream.clock import day_of, from_millis
from spendstream.money import from_units
from spendstream.topics import ANOMALIES, ESTIMATES, STATEMENTS, USAGE

DETECTOR, DETECTOR_VERSION = "spendstream.usage", "1"
_KEPT_MS = 3 * HOUR_MS
_DAYS_KEPT = 5
_BILL_SETTLES_MS = 3 * DAY_MS
_SCORED_PERIOD = 300
_NINETY_PERCENT = 1.645
_BAND = 3.0
_MICRO = 10**6
_MOST = 1e19
_SLOTS_AN_HOUR = HOUR_MS // SLOT_MS
_SLOTS_A_DAY = DAY_MS // SLOT_MS


@dataclass(frozen=True, slots=True)
class EstimatesOptions:
    """What estimates need to know of the deployment.

    Attributes
    ----------
    record
        Which source teaches prices, where several tell of one billing account.
    false_alerts_a_week
        How many the whole organisation bears of metered usage, beside those of bills.
    price_list
        Prices of usage types in currency units, instead of what bills say.
    """

    shards: int
    run: str = "live"
    record: Record = field(default_factory=Record)
    false_alerts_a_week: float = 1.0
    price_list: Mapping[str, float] = field(default_factory=dict)


def estimates(options: EstimatesOptions) -> Step:
    """Return estimates as a step."""
    return Step(
        name="estimates",
        inputs=(STATEMENTS, USAGE),
        open=lambda partition, state, counts: EstimatesPartition(options, partition, state, counts),
        until={CostStatement.SUBJECT: "quantity"},
    )


class EstimatesPartition:
    """The services of one partition."""

    def __init__(self, options: EstimatesOptions, partition: int, state: State, counts: Counter[str]) -> None:
        self._options = options
        self._partition = partition
        self._state = state
        self._counts = counts
        self._metered = {key[2:] for key, _ in state.scan("f/")}

    def process(self, event: Event) -> Iterable[Output]:
        """Learn prices and usage; at the close of a reading of metrics, estimate, score and tell."""
        match event:
            case CostStatement():
                self._learn(event)
            case UsageMetrics():
                self._add(event)
            case UsageClosed():
                return self._close(event)
        return ()

    def _learn(self, statement: CostStatement) -> None:
        of_record = self._options.record.source_for(statement.billing_account, statement.day)
        if of_record not in {None, statement.source}:
            return
        key = f"p/{statement.account}|{statement.service}"
        now = learnt(self._state.get(key), statement)
        if now is not None:
            self._state.put(key, now)

    def _add(self, event: UsageMetrics) -> None:
        if event.service is None or event.usage_type is None or event.factor is None:
            return
        dimensions = ",".join(f"{name}={value}" for name, value in sorted(event.dimensions.items()))
        key = f"m/{event.account}|{event.region}|{event.namespace}|{event.metric}|{event.statistic}|{dimensions}"
        known: Any = self._state.get(key) or {"version": 0, "points": {}}
        if event.version <= known["version"]:
            self._counts["points_known"] += len(event.starts)
            return
        name = f"{event.account}|{event.service}"
        family = _family(self._state.get(f"f/{name}"), event)
        points: dict[str, float] = dict(known["points"])
        forgotten = max((int(start) for start in points), default=0) - _KEPT_MS
        factor = float(event.factor)
        for start, value in zip(event.starts, event.values, strict=True):
            if not isfinite(value) or value < 0:
                self._counts["points_unusable"] += 1
            elif start < forgotten:
                self._counts["points_too_late"] += 1
            else:
                quantity = value * factor
                _add_up(family, event, start, quantity - points.get(str(start), 0.0))
                points[str(start)] = quantity
        newest = max((int(start) for start in points), default=0)
        kept: dict[str, Any] = {
            start: quantity for start, quantity in points.items() if int(start) >= newest - _KEPT_MS
        }
        self._state.put(key, {"version": event.version, "points": kept})
        self._state.put(f"f/{name}", family)
        self._metered.add(name)
        touched: Any = self._state.get("touched") or []
        if name not in touched:
            self._state.put("touched", [*touched, name])

    def _close(self, event: UsageClosed) -> list[Output]:
        seen: Any = self._state.get("seen") or 0
        if event.version <= seen:
            self._counts["readings_known"] += 1
            return []
        self._state.put("seen", event.version)
        touched: Any = self._state.get("touched") or []
        self._state.put("touched", [])
        outputs = []
        for name in touched:
            outputs += self._tell(name, event)
        self._counts["estimates"] += len(outputs)
        return outputs

    def _tell(self, name: str, event: UsageClosed) -> list[Output]:
        bills: Any = self._state.get(f"p/{name}")
        stored: Any = self._state.get(f"f/{name}")
        family = {**stored, "changed": []}
        meter = Meter(self._state.get(f"d/{name}"))
        outputs: list[Output] = []
        priced = bills is not None or bool(self._options.price_list)
        if event.whole or not priced:
            family["slots"] = _newest(stored["slots"])
        if priced:
            service = _Service(self._options, name, family, bills)
            if event.whole:
                self._score(service, meter, stored["slots"])
                anomaly = service.anomaly(meter, event)
                if anomaly is not None:
                    shard = partition_of(anomaly.series, self._options.shards)
                    outputs.append(Output(ANOMALIES, shard, anomaly.id.encode(), anomaly))
            days = sorted(
                {*(day for day in stored["changed"] if str(day) in family["days"]), *service.reconciled(meter, event)}
            )
            for day in days:
                estimate = service.estimate(day, meter, event)
                outputs.append(Output(ESTIMATES, self._partition, f"{name}|{day}".encode(), estimate))
            self._state.put(f"d/{name}", meter.plain())
        self._state.put(f"f/{name}", family)
        return outputs

    def _score(self, service: "_Service", meter: Meter, slots: Mapping[str, Mapping[str, float]]) -> None:
        """Score what has come since."""
        least = bar(self._options.false_alerts_a_week, len(self._metered) * self._options.shards)
        for slot in sorted(map(int, slots)):
            if slot > meter.scored:
                service.newest = meter.look(service.series, slot, service.costs(slots[str(slot)]), least)


class _Service:
    """An account's service at the close of a reading: its usage, and what it costs."""

    def __init__(self, options: EstimatesOptions, name: str, family: dict[str, Any], bills: Any) -> None:  # noqa: ANN401
        self._run = options.run
        self._family = family
        self._bills = bills
        self.account, _, self.service = name.partition("|")
        self.currency: str = "USD" if bills is None else bills["currency"]
        self.series = Series(self.currency, family["provider"], self.account, self.service).key
        self._types = {one for day in family["days"].values() for one in day}
        self._prices: dict[str, Price] = prices(bills, self._types, options.price_list)
        self.newest: Look | None = None

    def costs(self, quantities: Mapping[str, float]) -> dict[str, float]:
        """Return the cost of quantities by usage type, of those that have a price."""
        return {one: q * self._prices[one].amount for one, q in quantities.items() if one in self._prices}

    def reconciled(self, meter: Meter, event: UsageClosed) -> list[int]:
        """Compare days with their bills, once each when these have settled; return these days."""
        done = []
        for day, quantities in sorted(self._family["days"].items()):
            said = billed(self._bills, int(day), self._prices)
            settled = (int(day) + 1) * DAY_MS + _BILL_SETTLES_MS <= event.version
            if settled and said is not None and int(day) > self._family["reconciled"]:
                meter.error.learn(sum(self.costs(quantities).values()), said[1])
                self._family["reconciled"] = int(day)
                done.append(int(day))
        return done

    def estimate(self, day: int, meter: Meter, event: UsageClosed) -> CostEstimate:
        """Return what a day costs, as far as it is metered."""
        quantities = self._family["days"].get(str(day), {})
        costs = self.costs(quantities)
        ends = (day + 1) * DAY_MS
        as_of = min(self._family["newest"], ends)
        so_far, error = meter.error.corrected(sum(costs.values()))
        left, stray = meter.usual.left_of_day(as_of - SLOT_MS) if as_of < ends else (0.0, 0.0)
        at_day_end = so_far + left
        priced = sqrt(sum((cost * self._prices[one].spread) ** 2 for one, cost in costs.items()))
        half = _NINETY_PERCENT * hypot(error * (at_day_end / so_far if so_far > 0 else 1.0), priced, stray)
        said = billed(self._bills, day, self._prices) if day <= self._family["reconciled"] else None
        return CostEstimate(
            run=self._run,
            provider=self._family["provider"],
            billing_account=self._family["billing_account"],
            account=self.account,
            service=self.service,
            currency=self.currency,
            day=day_of(day),
            version=event.version,
            as_of=from_millis(as_of),
            so_far=_money(so_far),
            at_day_end=_money(at_day_end),
            lower=_money(max(so_far, at_day_end - half) if as_of < ends else max(0.0, at_day_end - half)),
            upper=_money(at_day_end + half),
            coverage=coverage(self._bills, self._prices),
            unpriced=sorted(set(quantities) - set(self._prices)),
            billed=None if said is None else _money(said[1]),
        )

    def anomaly(self, meter: Meter, event: UsageClosed) -> CostAnomaly | None:
        """Return what is to be told of the incident that is open, and let it go when it is over."""
        rise, look = meter.rise, self.newest
        if rise is None or look is None:
            return None
        said = billed(self._bills, rise.last // DAY_MS, self._prices)
        over = meter.is_over(None if said is None else said[0])
        state: Literal["open", "updated", "closed"] = "closed" if over else "updated" if rise.slots > 1 else "open"
        if over:
            meter.rise = None
        at = datetime.fromtimestamp(look.slot / 1000, UTC)
        a_day = rise.excess / rise.slots * _SLOTS_A_DAY
        left = 0 if rise.is_back else monthrange(at.year, at.month)[1] - at.day
        band = _BAND * look.deviation * _SLOTS_AN_HOUR
        rising = {name: cost for name, cost in rise.parts.items() if cost > 0}
        total = sum(rising.values())
        parts = sorted(rising.items(), key=lambda one: (-one[1], one[0]))[:10]
        return CostAnomaly(
            run=self._run,
            id=rise.id,
            version=event.version,
            state=state,
            series=self.series,
            currency=self.currency,
            measure="estimate",
            kind=ChargeKind.USAGE,
            day=at.date(),
            hour=at.hour,
            source=event.source,
            reading=event.reading,
            source_version=event.version,
            actual=_money(look.actual * _SLOTS_AN_HOUR),
            expected=_money(look.usual * _SLOTS_AN_HOUR),
            lower=_money(max(0.0, look.usual * _SLOTS_AN_HOUR - band)),
            upper=_money(look.usual * _SLOTS_AN_HOUR + band),
            score=rise.score,
            p=10**-rise.score,
            passes=True,
            shape="spike" if rise.slots <= _SLOTS_A_DAY else "step",
            cause="usage",
            since=from_millis(rise.since),
            impact_so_far=_money(rise.excess),
            impact_per_day=_money(a_day),
            impact_to_month_end=_money(rise.excess + a_day * left),
            contributors=[
                Contributor(
                    series=Series(
                        self.currency, self._family["provider"], self.account, self.service, usage_type=name
                    ).key,
                    share=cost / total,
                )
                for name, cost in parts
            ],
            completeness=coverage(self._bills, self._prices),
            scored_at=event.read_at,
            detector=DETECTOR,
            detector_version=DETECTOR_VERSION,
        )


def _family(stored: Any, event: UsageMetrics) -> dict[str, Any]:  # noqa: ANN401 - plain data of the state
    """Return a copy of what was metered of a service, which may be changed; an empty one when nothing was."""
    if stored is None:
        return {
            "provider": event.provider,
            "billing_account": event.billing_account,
            "newest": 0,
            "reconciled": -1,
            "changed": [],
            "days": {},
            "slots": {},
        }
    copied = {name: {key: dict(types) for key, types in stored[name].items()} for name in ("days", "slots")}
    return {**stored, **copied, "changed": list(stored["changed"])}


def _newest(slots: Mapping[str, Any]) -> dict[str, Any]:
    """Return the slots that a late point may still change."""
    newest = max(map(int, slots), default=0)
    return {slot: types for slot, types in slots.items() if int(slot) >= newest - _KEPT_MS}


def _add_up(family: dict[str, Any], event: UsageMetrics, start: int, quantity: float) -> None:
    """Add a point of usage to its day, and to its five minutes where it is as fine."""
    day = start // DAY_MS
    days = family["days"]
    if len(days) >= _DAYS_KEPT and str(day) not in days and day < min(map(int, days)):
        return
    into = days.setdefault(str(day), {})
    into[event.usage_type] = into.get(event.usage_type, 0.0) + quantity
    while len(days) > _DAYS_KEPT:
        del days[min(days, key=int)]
    if day not in family["changed"]:
        family["changed"].append(day)
    family["newest"] = max(family["newest"], start + event.period_seconds * 1000)
    if event.period_seconds <= _SCORED_PERIOD:
        slot = family["slots"].setdefault(str(start - start % SLOT_MS), {})
        slot[event.usage_type] = slot.get(event.usage_type, 0.0) + quantity


def _money(amount: float) -> Decimal:
    """Return an amount to a millionth of a currency unit, within what an amount can be."""
    held = min(max(amount if isfinite(amount) else _MOST, -_MOST), _MOST)
    return from_units(round(held * _MICRO) * 10**12)
