"""However the bill is asked for at one time, the parts add up to the whole, to the last digit."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from spendstream.local.simulator import Organisation
from spendstream.local.simulator.cost_explorer import CostExplorer
from spendstream.local.simulator.expression import DIMENSIONS, Call
from spendstream.local.simulator.organisation import METRICS

MODEL = Organisation(seed=11, accounts=2, regions=2)
EXPLORER = CostExplorer([MODEL], page_size=100_000)
TIMES = st.integers(0, 68 * 24).map(lambda hours: datetime(2026, 2, 1, tzinfo=UTC) + timedelta(hours=hours))
GROUPS = st.sampled_from(
    [
        *({"Type": "DIMENSION", "Key": name} for name in DIMENSIONS),
        *({"Type": "TAG", "Key": key} for key in ("env", "team", "owner")),
        {"Type": "COST_CATEGORY", "Key": "Unit"},
    ]
)
LEAVES = st.one_of(
    st.sampled_from(sorted(DIMENSIONS)).flatmap(
        lambda name: st.sampled_from(sorted({DIMENSIONS[name](series) for series in MODEL.series})).map(
            lambda value: {"Dimensions": {"Key": name, "Values": [value]}}
        )
    ),
    st.sampled_from(["", "data", "search"]).map(lambda value: {"Tags": {"Key": "team", "Values": [value]}}),
    st.just({"CostCategories": {"Key": "Unit", "MatchOptions": ["ABSENT"]}}),
)
FILTERS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda parts: {"And": parts}, st.lists(inner, min_size=2, max_size=3)),
        st.builds(lambda parts: {"Or": parts}, st.lists(inner, min_size=2, max_size=3)),
        st.builds(lambda part: {"Not": part}, inner),
    ),
    max_leaves=4,
)


def sums(now: datetime, **more: Any) -> Mapping[str, Decimal]:
    """Return the sum of each metric over the five days before `now`."""
    period = {"Start": f"{now - timedelta(days=4):%Y-%m-%d}", "End": f"{now + timedelta(days=1):%Y-%m-%d}"}
    request = {"TimePeriod": period, "Granularity": "DAILY", "Metrics": list(METRICS), **more}
    results = EXPLORER.get_cost_and_usage(Call(request, now, MODEL.payer))["ResultsByTime"]
    cells = [cell for result in results for cell in ([g["Metrics"] for g in result["Groups"]] or [result["Total"]])]
    return {metric: sum((Decimal(c[metric]["Amount"]) for c in cells if c), Decimal(0)) for metric in METRICS}


@settings(max_examples=25, deadline=None)
@given(TIMES, st.lists(GROUPS, min_size=1, max_size=2), FILTERS)
def test_groups_add_up_and_a_filter_and_its_opposite_share_the_bill(now, groups, chosen):
    part, rest = sums(now, Filter=chosen), sums(now, Filter={"Not": chosen})
    assert sums(now, Filter=chosen, GroupBy=groups) == part
    assert {metric: part[metric] + rest[metric] for metric in METRICS} == sums(now)
