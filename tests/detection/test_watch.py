import json
from datetime import date, timedelta

import numpy as np
import pytest

from detection.watch import Row, Watch

FIRST = date(2025, 1, 1)
NAMES = ("EC2", "S3", "RDS", "Lambda")


def day_of(n):
    return FIRST + timedelta(days=n)


def bill(n, factor=1.0, price=0.1, **others):
    """Return an ordinary day's rows: four services' usage, EC2's with its quantity, and a fee on the first."""
    rng = np.random.default_rng(n)
    rows = []
    for place, name in enumerate(NAMES):
        units = 1000 * (place + 1) * (1 + 0.04 * rng.normal()) * (factor if name == "EC2" else 1)
        cost = units * (price if name == "EC2" else 0.1)
        rows.append(Row(name, "usage", cost, units if name == "EC2" else None, name))
    rows += [Row(name, "usage", cost, None, name) for name, cost in others.items()]
    if day_of(n).day == 1:
        rows.append(Row("Support", "recurring_fee", 100.0))
    return rows


def watched(days=100, change=bill):
    watch = Watch(false_alerts_a_week=0.005)
    found = [one for n in range(days) for one in watch.settle(day_of(n), change(n))]
    return watch, found


@pytest.fixture(scope="module")
def saved():
    watch, found = watched()
    assert found == []
    return json.dumps(watch.plain())


@pytest.fixture
def watch(saved):
    watch = Watch(false_alerts_a_week=0.005)
    watch.restore(json.loads(saved))
    return watch


def test_more_usage_is_a_spike_by_usage(watch):
    (found,) = watch.settle(day_of(100), bill(100, factor=2))

    assert (found.series, found.kind, found.change, found.since) == ("EC2", "spike", "usage", day_of(100))
    assert found.lower < found.expected < found.upper < found.actual


def test_a_higher_price_is_told_as_rate(watch):
    (found,) = watch.settle(day_of(100), bill(100, price=0.2))

    assert found.change == "rate"


def test_a_service_that_is_gone_has_vanished(watch):
    rows = [row for row in bill(100) if row.series != "RDS"]

    (found,) = watch.settle(day_of(100), rows)

    assert (found.series, found.kind, found.actual) == ("RDS", "vanished", 0)


def test_a_large_new_service_is_told_and_a_small_one_is_not(watch):
    found = watch.settle(day_of(100), bill(100, GPU=90_000.0, KMS=0.5))

    assert [(one.series, one.kind) for one in found] == [("GPU", "new")]


def test_a_fee_that_is_missing_is_told_once(watch):
    found = []
    for n in range(100, 130):
        found += watch.settle(day_of(n), [row for row in bill(n) if row.charge == "usage"])

    assert [(one.series, one.kind, one.since) for one in found] == [("Support", "fee_missing", date(2025, 5, 1))]


def test_a_fee_charged_twice_is_told(watch):
    (found,) = watch.settle(day_of(100), [*bill(100), Row("Support", "recurring_fee", 100.0)])

    assert found.kind == "fee_doubled"


def test_a_fee_of_every_day_is_a_flow_with_seasons():
    def with_commitment(n):
        unused = 6.0 if day_of(n).weekday() >= 5 else 2.5
        return [*bill(n), Row("Plans", "commitment", unused if n != 95 else 60.0)]

    _, found = watched(100, with_commitment)

    assert [(one.series, one.charge, one.kind, one.day) for one in found] == [
        ("Plans", "commitment", "spike", day_of(95))
    ]


def test_the_end_of_a_credit_is_told_and_usage_is_not_blamed():
    def with_credit(n):
        rows = bill(n)
        return [*rows, Row("EC2", "credit", -0.5 * rows[0].cost)] if n < 90 else rows

    _, found = watched(100, with_credit)

    assert [(one.kind, one.day) for one in found] == [("credit_end", day_of(90))]


def test_a_partial_day_is_looked_at_and_changes_nothing_but_the_curve(watch):
    before = watch.plain()["usage"]
    half = [Row(row.series, row.charge, 0.65 * row.cost, row.quantity, row.group) for row in bill(100)]
    risen = [Row(row.series, row.charge, (4 if row.series == "EC2" else 1) * row.cost, None, row.group) for row in half]

    ordinary = watch.look(day_of(100), half, age_hours=24)
    alarming = watch.look(day_of(100), risen, age_hours=24)

    assert ordinary == []
    assert [(one.series, one.kind) for one in alarming] == [("EC2", "spike")]
    assert alarming[0].completeness < 1
    assert watch.plain()["usage"] == before


def test_the_same_incident_keeps_its_id(watch):
    seen = watch.look(day_of(100), bill(100, factor=3), age_hours=240)
    settled = watch.settle(day_of(100), bill(100, factor=3))

    assert [one.id for one in seen] == [one.id for one in settled]


def test_state_is_plain_and_goes_on_as_if_never_saved(watch, saved):
    other = Watch(false_alerts_a_week=0.005)
    other.restore(json.loads(saved))

    for n in range(100, 104):
        assert other.settle(day_of(n), bill(n, factor=2)) == watch.settle(day_of(n), bill(n, factor=2))

    assert other.plain() == watch.plain()
