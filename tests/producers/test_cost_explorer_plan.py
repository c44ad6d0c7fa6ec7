"""Every dollar in exactly one answer, for the fewest requests."""

from collections import Counter
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from producers.cost_explorer_plan import Change, plan_detail

DAY = date(2026, 3, 9)
CHANGES = st.lists(
    st.builds(
        Change,
        account=st.sampled_from("abc"),
        service=st.sampled_from(["EC2", "S3"]),
        day=st.integers(0, 5).map(lambda number: DAY - timedelta(days=number)),
        size=st.integers(0, 100),
    ),
    unique_by=lambda change: (change.account, change.service, change.day),
    max_size=12,
)
REGIONS = st.dictionaries(st.sampled_from(["EC2", "S3"]), st.sets(st.sampled_from(["r1", "r2"])))


@given(changes=CHANGES, regions=REGIONS)
def test_each_scope_is_asked_for_in_each_region_once(changes, regions):
    plans = plan_detail(changes, regions)
    for change in changes:
        (plan,) = [plan for plan in plans if change in plan.scopes]
        found = [
            request
            for request in plan.requests
            if change.account in request.accounts and request.first_day <= change.day <= request.last_day
        ]
        if found[0].region is None:
            assert len(found) == 1
        else:
            assert sorted(request.region or "" for request in found) == sorted(regions[change.service])


@given(changes=CHANGES, regions=REGIONS)
def test_neither_way_needs_fewer_requests_than_the_one_taken(changes, regions):
    asked = Counter(request.service for plan in plan_detail(changes, regions) for request in plan.requests)
    for service in {change.service for change in changes}:
        accounts = {change.account for change in changes if change.service == service}
        known = regions.get(service)
        assert asked[service] == (min(len(accounts), len(known)) if known else len(accounts))


@given(changes=CHANGES)
def test_the_largest_change_comes_first(changes):
    sizes = [plan.size for plan in plan_detail(changes, {})]
    assert sizes == sorted(sizes, reverse=True)


def test_whoever_waited_longest_has_the_first_turn_and_the_largest_change_the_second():
    changes = [
        Change("a", "large", DAY, 100),
        Change("a", "waits", DAY, 2, waiting_since=20),
        Change("a", "waits longer", DAY, 1, waiting_since=10),
        Change("a", "middling", DAY, 50, waiting_since=30),
    ]
    assert [plan.service for plan in plan_detail(changes, {})] == ["waits longer", "large", "middling", "waits"]


def test_accounts_of_one_service_stand_for_themselves():
    changes = [Change("a", "EC2", DAY, 1), Change("b", "EC2", DAY, 9)]
    assert [plan.scopes for plan in plan_detail(changes, {})] == [(changes[1],), (changes[0],)]


def test_regions_of_one_service_belong_together():
    changes = [Change(account, "EC2", DAY, 1) for account in "abc"]
    (plan,) = plan_detail(changes, {"EC2": ["r1", "r2"]})
    assert [request.region for request in plan.requests] == ["r1", "r2"]
