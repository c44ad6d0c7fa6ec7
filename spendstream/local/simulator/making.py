"""Incidents made from a seed, so that a whole benchmark of them is one number."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta

from spendstream.local.simulator.bringing import HOSTED
from spendstream.local.simulator.catalogue import MARKETPLACE, UNUSED_REGIONS
from spendstream.local.simulator.charges import SUPPORT
from spendstream.local.simulator.completeness import day_start
from spendstream.local.simulator.incidents import KINDS, Incident, Scope
from spendstream.local.simulator.organisation import Organisation
from spendstream.local.simulator.series import Series, hashed

_LASTING_DAYS = {"spike": 1, "runaway_loop": 1, "creep": 20, "leaked_keys": 3}
#: Sizes that are drawn between, for kinds whose size is a factor.
_FACTORS = {"spike": (2.0, 8.0), "step": (1.2, 2.5), "creep": (1.3, 3.0), "price_change": (1.05, 1.5),
            "runaway_loop": (8.0, 64.0), "many_small_rises": (1.06, 1.2)}  # fmt: skip


def make_incidents(model: Organisation, seed: int, count: int, first: date, last: date) -> tuple[Incident, ...]:
    """Return `count` incidents that begin from `first` to `last` (inclusive), every kind in turn.

    Places are drawn among the series of usage, dearer ones more often, sizes of factors evenly from a range, and times
    evenly by the hour. A credit that is used up by then cannot end: such an incident changes nothing, and its truth
    says so. The same arguments give the same incidents.
    """
    usage = [series for series in model.series if series.record_type == "Usage" and not series.since]
    kinds = list(KINDS)
    made = []
    for number in range(count):
        kind = kinds[(number + seed) % len(kinds)]
        draw = _Draw(seed, number)
        hour = int(draw("hour") * ((last - first).days + 1) * 24)
        start = day_start(first) + timedelta(hours=hour)
        if kind == "double_fee":
            start = day_start(start.date().replace(day=1))
        low, high = _FACTORS.get(kind, (KINDS[kind][1], KINDS[kind][1]))
        size = round(low + (high - low) * draw("size"), 3)
        days = _LASTING_DAYS.get(kind, 10)
        made.append(
            Incident(
                f"{kind}-{number + 1}",
                kind,
                start,
                _scope(kind, model, usage, draw),
                size,
                start + timedelta(days=days),
            )
        )
    return tuple(made)


class _Draw:
    """Numbers from 0 to below 1, by name."""

    def __init__(self, seed: int, number: int) -> None:
        self._key = (seed, "incident", number)

    def __call__(self, name: str) -> float:
        return hashed(*self._key, name) / 2**64


def _scope(kind: str, model: Organisation, usage: Sequence[Series], draw: Callable[[str], float]) -> Scope:
    account = model.accounts[int(draw("account") * len(model.accounts))]
    if kind == "leaked_keys":
        return Scope(account, region=UNUSED_REGIONS[int(draw("region") * len(UNUSED_REGIONS))])
    if kind in {"forgotten_resource", "many_small_rises"}:
        return Scope(account)
    if kind == "new_service":
        return Scope(account, service=HOSTED)
    if kind == "double_fee":
        return Scope(model.payer, service=(SUPPORT, MARKETPLACE.service)[int(draw("fee") * 2)])
    if kind in {"commitment_expiry", "credit_end"}:
        return Scope()
    weights = [series.mean * series.price for series in usage]
    place = int(draw("series") * sum(weights))
    chosen = usage[-1]
    for series, weight in zip(usage, weights, strict=True):
        if place < weight:
            chosen = series
            break
        place -= weight
    if kind == "price_change":
        return Scope(service=chosen.service, region=chosen.region, usage_type=chosen.usage_type)
    return Scope(chosen.account, chosen.service, chosen.region, chosen.usage_type)
