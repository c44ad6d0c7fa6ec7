import numpy as np
import pytest

from detection.arrivals import Arrivals
from detection.explain import Leaf, began, root_cause


def lattice(changed, by):
    """Return leaves of 3 accounts × 4 services × 2 regions, those that `changed` names raised by a share."""
    leaves = []
    for account in ("a1", "a2", "a3"):
        for service in ("EC2", "S3", "RDS", "Lambda"):
            for region in ("us-east-1", "eu-west-1"):
                dimensions = {"account": account, "service": service, "region": region}
                raised = all(dimensions[name] == value for name, value in changed.items())
                leaves.append(Leaf(dimensions, 100 * (1 + by * raised), 100, 2))
    return leaves


@pytest.mark.parametrize(
    "scope",
    [
        {"account": "a2", "service": "RDS", "region": "eu-west-1"},
        {"account": "a2", "service": "RDS"},
        {"account": "a2"},
        {"service": "S3"},
        {"region": "us-east-1"},
        {},
    ],
)
def test_the_scope_of_a_change_is_found_up_and_down_the_lattice(scope):
    cause = root_cause(lattice(scope, 0.5))

    assert cause.scope == scope
    assert cause.carried == pytest.approx(1)


def test_noise_elsewhere_does_not_widen_the_scope():
    rng = np.random.default_rng(1)
    scope = {"account": "a2", "service": "RDS"}
    leaves = [Leaf(one.dimensions, one.actual + 3 * rng.normal(), 100, 3) for one in lattice(scope, 0.5)]

    assert root_cause(leaves).scope == scope


def test_a_small_series_is_not_drowned_in_the_noise_of_large_ones():
    rng = np.random.default_rng(1)
    large = [Leaf({"account": "a", "service": f"s{n}"}, 9000 + 300 * rng.normal(), 9000, 300) for n in range(8)]
    small = Leaf({"account": "b", "service": "s0"}, 16, 10, 1)

    assert root_cause([*large, small]).scope["account"] == "b"


def test_many_small_rises_in_an_account_are_one_cause():
    rng = np.random.default_rng(2)
    leaves = [
        Leaf({"account": f"a{n // 10}", "service": f"s{n % 10}"}, 100 + 5 * (rng.normal() + 2 * (n < 10)), 100, 5)
        for n in range(60)
    ]

    assert root_cause(leaves).scope == {"account": "a0"}


def test_contributors_say_how_much_each_carries():
    leaves = [Leaf({"service": "EC2"}, 175, 100, 10), Leaf({"service": "S3"}, 125, 100, 5)]

    shares = {one.dimensions["service"]: one.share for one in root_cause(leaves).contributors}

    assert shares == {"EC2": 0.75, "S3": 0.25}


def test_no_change_has_no_scope():
    assert root_cause([Leaf({"service": "EC2"}, 100, 100)]).scope == {}


def test_the_start_of_a_step_is_found():
    z = np.random.default_rng(1).normal(size=40)
    z[28:] += 3

    assert began(z, within=40) == pytest.approx(28, abs=1)


def test_the_start_of_a_slow_rise_is_found():
    z = 0.3 * np.random.default_rng(1).normal(size=40)
    z[20:] += 0.2 * np.arange(1, 21)

    assert began(z, within=40) == pytest.approx(20, abs=3)


def test_what_doubles_began_before_the_window_that_found_it():
    assert began(np.array([0.1, -0.4, 0.3, 3.0, 6.0]), within=1) == 3
    assert began(np.array([0.1, -0.4, 0.3, -3.0, 6.0]), within=1) == 4


def test_a_large_new_series_passes_where_small_ones_come_daily():
    arrivals = Arrivals(usual=20)
    for n in range(60):
        arrivals.pass_days(1)
        arrivals.learn(1 + n % 3)

    assert not arrivals.passes(3, false_alerts_a_week=1)
    assert arrivals.passes(500, false_alerts_a_week=1)
    assert Arrivals.from_plain(arrivals.plain()) == arrivals


@pytest.mark.parametrize("nothing", [0.0, -3.0, float("nan"), float("inf")])
def test_a_new_series_without_cost_passes_never(nothing):
    arrivals = Arrivals()

    arrivals.learn(nothing)

    assert not arrivals.passes(nothing, 1)
    assert arrivals == Arrivals()
