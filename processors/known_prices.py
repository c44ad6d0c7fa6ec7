"""How the prices of an account's service move: what a day's usage costs, and would have cost at earlier prices.

Totals carry no quantities: two more numbers for every usage type would go through every step. Instead the ledger keeps
one earlier price for each usage type, and sends two amounts for each service and day. Their quotient is a price index,
chained as statistics offices do it: every four weeks the prices are taken anew, and the index goes on from where it
was, so that a usage type which grows weighs as what it has become.

State of a shard: `k/{currency}/{provider}/{account}/{service}` → `types`, the price of each usage type (cost ÷
quantity); `since`, the day from which most of them are; `link`, what ties them to those before.

References
----------
IMF et al., 2020. Consumer Price Index Manual: Concepts and Methods, chapter 8 (chain linking).
"""

from collections.abc import Sequence
from itertools import islice
from operator import mul
from typing import Any

from processors.columns import Columns
from processors.contribution import TOTAL
from processors.series import ChargeKind, quoted
from processors.step import State
from schemas.events import CostStatement
from spendstream.clock import day_number

_MOST_TYPES = 256
_RENEWED_AFTER = 28


class KnownPrices:
    """The earlier prices of a shard."""

    def __init__(self, state: State) -> None:
        self._state = state

    def index(self, statement: CostStatement) -> Columns | None:
        """Return what a statement's usage costs and would have cost at earlier prices; None: it has no quantities."""
        if not statement.used_type or statement.view is not None:
            return None
        names = list(map(statement.strings.__getitem__, statement.used_type))
        key = (
            f"k/{statement.currency}/{quoted(statement.provider)}/{quoted(statement.account)}"
            f"/{quoted(statement.service)}"
        )
        day = day_number(statement.day)
        known: Any = self._state.get(key) or {"since": day, "link": 1.0, "types": {}}
        prices = list(map(known["types"].get, names))
        costs, quantities = statement.used_cost, statement.used_quantity
        if None in prices or day >= known["since"] + _RENEWED_AFTER:
            found = _learnt(known, day, names, costs, quantities)
            if found != known:
                known = found
                self._state.put(key, known)
            priced = [place for place, name in enumerate(names) if name in known["types"]]
            prices = [known["types"][names[place]] for place in priced]
            costs, quantities = [costs[place] for place in priced], [quantities[place] for place in priced]
        before = round(sum(map(mul, quantities, prices)) * known["link"])
        return [[TOTAL], [int(ChargeKind.USAGE)], [sum(costs)], [before]] if before else None


def _learnt(
    known: Any,  # noqa: ANN401 - plain data of the state
    day: int,
    names: Sequence[str],
    costs: Sequence[int],
    quantities: Sequence[int],
) -> Any:  # noqa: ANN401 - as above
    """Return what is known with the prices of a day: those of new usage types, or all of them when they are due."""
    fresh = {name: cost / quantity for name, cost, quantity in zip(names, costs, quantities, strict=True) if cost > 0}
    types = known["types"]
    if day < known["since"] + _RENEWED_AFTER:
        return {
            **known,
            "types": _most({**types, **{name: price for name, price in fresh.items() if name not in types}}),
        }
    # By the prices before and by these, the index of this day is the same.
    used = [
        (name, quantity) for name, quantity in zip(names, quantities, strict=True) if name in fresh and name in types
    ]
    before = sum(quantity * types[name] for name, quantity in used)
    now = sum(quantity * fresh[name] for name, quantity in used)
    link = known["link"] * before / now if before and now else known["link"]
    others = {name: price for name, price in types.items() if name not in fresh}
    return {"since": day, "link": link, "types": _most({**fresh, **others})}


def _most(types: dict[str, float]) -> dict[str, float]:
    """Return as many prices as are kept of one service."""
    return dict(islice(types.items(), _MOST_TYPES))
