"""The organisation as a pure function: any day by itself, another seed another bill."""

from datetime import UTC, date, datetime, timedelta

import pytest

from spendstream.local.simulator import Organisation

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)


def test_any_day_is_the_same_without_the_days_before():
    walked, direct = Organisation(seed=3, accounts=1), Organisation(seed=3, accounts=1)
    for offset in range(30):
        walked.day(date(2026, 2, 1) + timedelta(days=offset), NOW)
    a, b = (model.day(date(2026, 3, 5), NOW) for model in (walked, direct))
    assert (a.amounts == b.amounts).all()


def test_the_bill_does_not_depend_on_the_machine():
    # Sums of this seed as they were when it was written: whoever changes the model changes what others compare with.
    model = Organisation(seed=3, accounts=1)
    day = model.day(date(2026, 3, 5), datetime(2026, 5, 1, tzinfo=UTC))
    assert {m: int(day.of(m).sum()) for m in ("UnblendedCost", "AmortizedCost", "UsageQuantity")} == {
        "UnblendedCost": 10573336034007,
        "AmortizedCost": 10864681488087,
        "UsageQuantity": 2150485232850,
    }


def test_another_seed_is_another_bill():
    day = date(2026, 3, 5)
    assert Organisation(seed=3).day(day, NOW).cost.sum() != Organisation(seed=4).day(day, NOW).cost.sum()


def test_two_payers_have_accounts_of_their_own():
    first, second = Organisation(seed=3), Organisation(seed=3, payer="200000000000")
    assert not {s.account for s in first.series} & {s.account for s in second.series}


@pytest.mark.parametrize("size", [{"accounts": 0}, {"services": 0}, {"services": 99}, {"regions": 9}, {"noise": 0.7}])
def test_a_size_that_cannot_be_says_what_can(size):
    with pytest.raises(ValueError, match=r"give|must"):
        Organisation(**size)


def test_the_smallest_organisation_has_a_bill():
    model = Organisation(seed=3, accounts=1, services=1, regions=1, noise=0)
    assert model.day(date(2026, 3, 5), NOW).cost.sum() > 0
