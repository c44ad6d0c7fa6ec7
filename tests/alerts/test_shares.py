"""Shares of a wider total: judged when both partitions have told of the same reading, whichever comes first."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.lattice import holder
from alerts.rule_files import packed, parse
from alerts.rule_step import RuleOptions, rule_step
from processors.runner import StepRunner
from processors.series import partition_of
from processors.step import DictState, Output
from schemas.events import Alert, AlertBase, AlertRule, CostAggregate, Event
from spendstream.settings import ConfigurationError
from tests.alerts.facts import DAY, T, announced, rule

SHARDS = 4
AWS = "USD/provider=AWS"
EC2 = f"{AWS}/account=4/service=AmazonEC2"
EUROPE = f"{EC2}/region=eu-west-1"
LARGE = rule(
    """
id: large
kind: threshold
where: {account: "*"}
window: day
of: share
share_of: organisation
limits: {warning: 0.4, critical: 0.8}
"""
)


Announcements = list[tuple[int, CostAggregate]]


class Partitions:
    """The rule step in all partitions. What they tell one another waits until it is delivered."""

    def __init__(self, *rules: Any) -> None:
        self.said: list[Alert] = []
        self.under_way: deque[tuple[int, Event]] = deque()
        self._versions = [0] * SHARDS
        self._states = [DictState() for _ in range(SHARDS)]
        self._runners = [
            StepRunner(rule_step(RuleOptions(SHARDS)), number, state) for number, state in enumerate(self._states)
        ]
        for one in rules:
            self.apply(one)

    def apply(self, one: Any, *, hours: int = 0, **changes: Any) -> None:
        fields = {"id": one.id, "applied_at": T + timedelta(hours=hours), "by": "ann", "definition": packed(one)}
        for partition in range(SHARDS):
            self.feed(partition, AlertRule(**(fields | changes)))

    def feed(self, partition: int, event: Event) -> None:
        runner = self._runners[partition]
        outputs: Sequence[Output] = runner.process(event)
        runner.release()
        for output in outputs:
            if isinstance(output.event, Alert):
                self.said.append(output.event)
            else:
                self.under_way.append((output.partition, output.event))

    def deliver(self) -> None:
        while self.under_way:
            self.feed(*self.under_way.popleft())

    def opened_again(self) -> None:
        """Open every partition anew on what its state holds, as after a restart."""
        self._runners = [
            StepRunner(rule_step(RuleOptions(SHARDS)), number, state) for number, state in enumerate(self._states)
        ]

    @property
    def states(self) -> list[dict[str, Any]]:
        return [state.entries for state in self._states]

    @property
    def changes(self) -> list[tuple[str, str]]:
        return [(alert.subject.rpartition("=")[2], alert.change) for alert in self.said]


def reading(name: str, costs: Mapping[str, str], day: date = DAY, **changes: Any) -> Announcements:
    """Return the announcements of a reading that restates the cost of one day, a series each, by partition."""
    version = int(name.removeprefix("r"))
    told = []
    for partition in range(SHARDS):
        mine = {key: amount for key, amount in costs.items() if partition_of(key, SHARDS) == partition}
        events = [announced(key, {day: amount}, {"d7": amount}, through=day) for key, amount in mine.items()]
        events = events or [announced("USD", {}, {}, through=day)]
        told += [
            (
                partition,
                announced(
                    event.series[0],
                    {day: costs[event.series[0]]} if mine else {},
                    {"d7": costs[event.series[0]]} if mine else {},
                    version=version,
                    through=day,
                    part=number,
                    parts=len(events),
                    **changes,
                ),
            )
            for number, event in enumerate(events)
        ]
    return told


def account(number: int) -> str:
    return f"{AWS}/account={number}"


def told(rules: Sequence[Any], *readings: Announcements) -> list[tuple[str, str]]:
    at_work = Partitions(*rules)
    for one in readings:
        for partition, event in one:
            at_work.feed(partition, event)
        at_work.deliver()
    return at_work.changes


def test_a_share_of_a_total_in_another_partition_fires_and_a_restatement_of_either_takes_it_back():
    assert partition_of(account(4), SHARDS) != partition_of("USD", SHARDS)
    crossed = reading("r1", {"USD": "100", account(4): "40", account(2): "39"})
    assert told([LARGE], crossed) == [("4", "crossed")]
    assert told([LARGE], crossed, reading("r2", {"USD": "101"})) == [("4", "crossed"), ("4", "restated")]
    assert told([LARGE], crossed, reading("r2", {account(4): "39"}))[1:] == [("4", "restated")]
    assert told([LARGE], crossed, reading("r2", {"USD": "50"}))[1:] == [("4", "worse"), ("2", "crossed")]


def test_an_alert_says_both_totals_and_the_share():
    at_work = Partitions(LARGE)
    for one in reading("r1", {"USD": "100", account(4): "42.5"}):
        at_work.feed(*one)
    at_work.deliver()
    [alert] = at_work.said
    assert alert.says == (
        "account 4 cost 42.50 USD on 2026-03-09, 42.5 % of the 100.00 USD of the organisation; the limit is 40.0 %"
    )
    assert (alert.actual, alert.expected) == (Decimal("42.5"), Decimal(40))


def test_half_of_a_reading_says_nothing():
    at_work = Partitions(LARGE)
    narrow = partition_of(account(4), SHARDS)
    for partition, event in reading("r1", {"USD": "100", account(4): "90"}):
        if partition == narrow:
            at_work.feed(partition, event)
    at_work.deliver()
    assert at_work.said == []


@pytest.mark.parametrize(
    ("where", "level", "part", "whole"),
    [
        ('{account: "4", service: AmazonEC2, region: eu-west-1}', "account", EUROPE, account(4)),
        ('{account: "4", service: AmazonEC2, region: eu-west-1}', "account_service", EUROPE, EC2),
        ('{account: "*", service: AmazonEC2}', "service", EC2, f"{AWS}/service=AmazonEC2"),
        ("{tag: team, value: data}", "organisation", "USD/tag=team/value=data", "USD"),
        ('{account: "*"}', "provider", account(4), AWS),
    ],
)
def test_a_share_is_of_the_series_of_a_level_that_holds_it(where, level, part, whole):
    share = f"id: s\nkind: threshold\nwhere: {where}\nwindow: day\nof: share\nshare_of: {level}\nlimits: {{info: 0.3}}"
    assert [change for _, change in told([rule(share)], reading("r1", {part: "3", whole: "10"}))] == ["crossed"]
    assert told([rule(share)], reading("r1", {part: "2", whole: "10"})) == []
    assert holder(part, level) == whole


def test_a_part_that_is_small_or_a_total_of_nothing_says_nothing():
    small = LARGE.model_copy(update={"at_least": Decimal(50)})
    assert told([small], reading("r1", {"USD": "100", account(4): "45"})) == []
    assert told([small], reading("r1", {"USD": "100", account(4): "55"})) == [("4", "crossed")]
    assert told([LARGE], reading("r1", {"USD": "0", account(4): "55"})) == []


def test_a_part_whose_source_is_a_day_late_is_held_against_its_own_day():
    late = reading("r1", {"USD": "100", account(4): "45"})
    ahead = reading("r2", {"USD": "1000"}, DAY + timedelta(days=1))
    restated = reading("r3", {account(4): "30"})
    assert told([LARGE], late, ahead) == [("4", "crossed")]
    assert told([LARGE], late, ahead, restated) == [("4", "crossed"), ("4", "restated")]


def test_books_that_are_read_in_turn_are_judged_apart():
    ours = {"USD": "100", account(4): "45"}
    other = reading("r2", {"USD": "200"}, billing_account="2")
    assert told([LARGE], reading("r1", ours), other) == [("4", "crossed"), ("4", "restated")]


def test_a_rule_that_changes_forgets_what_was_worked_out_and_one_that_goes_leaves_nothing():
    at_work = Partitions(LARGE)
    for one in reading("r1", {"USD": "100", account(4): "45"}):
        at_work.feed(*one)
    at_work.deliver()
    at_work.apply(LARGE.model_copy(update={"limits": {"warning": Decimal("0.1")}}), hours=1)
    for one in reading("r2", {"USD": "1000"}):
        at_work.feed(*one)
    at_work.deliver()
    assert at_work.changes == [("4", "crossed")]
    at_work.apply(LARGE, hours=2, definition=None)
    assert at_work.changes == [("4", "crossed"), ("4", "rule")]
    kept = ("part/", "base/", "queue/", "here/", "there/")
    assert not [key for state in at_work.states for key in state if key.startswith(kept)]


_COSTS = st.dictionaries(
    st.sampled_from(["USD", account(4), account(2), account(1)]), st.integers(1, 100).map(str), min_size=1
)
_READINGS = st.lists(
    st.tuples(st.sampled_from("12"), _COSTS),
    min_size=1,
    max_size=5,
)


@settings(max_examples=40, deadline=None)
@given(_READINGS, st.integers(0, 2**32))
def test_the_order_in_which_narrow_and_wide_arrive_changes_nothing_of_what_is_said(costs, seed):
    chance = Random(seed)
    told_of = [reading(f"r{number + 1}", one, billing_account=book) for number, (book, one) in enumerate(costs)]
    in_turn = Partitions(LARGE)
    for one in told_of:
        for partition, event in one:
            in_turn.feed(partition, event)
        in_turn.deliver()

    mixed = Partitions(LARGE)
    for place, heard in _shuffled(mixed, told_of, chance):
        mixed.feed(place, heard)
        if chance.random() < 0.2:
            mixed.opened_again()

    assert _by_alert(mixed.said) == _by_alert(in_turn.said)
    assert mixed.states == in_turn.states


def _shuffled(at_work: Partitions, told_of: list[Announcements], chance: Random) -> Iterator[tuple[int, Event]]:
    """Yield one event after the other: each partition's announcements, and its word to each, in their order."""
    queues: dict[str, deque[tuple[int, Event]]] = {}
    for partition, event in (pair for one in told_of for pair in one):
        queues.setdefault(f"{partition}", deque()).append((partition, event))
    while True:
        while at_work.under_way:
            partition, heard = at_work.under_way.popleft()
            assert isinstance(heard, AlertBase)
            queues.setdefault(f"{heard.partition} to {partition}", deque()).append((partition, heard))
        waiting = sorted(name for name, queue in queues.items() if queue)
        if not waiting:
            return
        yield queues[chance.choice(waiting)].popleft()


def _by_alert(said: list[Alert]) -> dict[str, list[Alert]]:
    return {name: [alert for alert in said if alert.id == name] for name in {alert.id for alert in said}}


def test_an_event_that_is_read_again_says_nothing_new():
    at_work = Partitions(LARGE)
    for one in reading("r1", {"USD": "100", account(4): "45"}):
        at_work.feed(*one)
        at_work.feed(*one)
    again = list(at_work.under_way)
    at_work.deliver()
    for place, heard in again:
        at_work.feed(place, heard)
    assert at_work.changes == [("4", "crossed")]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ("of: share", "a share needs share_of, what it is of: organisation, provider, account"),
        ("of: share, share_of: service", "no single service holds a whole account: choose a wider share_of"),
        ("share_of: organisation", "share_of and at_least are about shares: add of: share"),
        ("of: share, share_of: planet", "Input should be 'organisation', 'provider', 'account'"),
    ],
)
def test_a_share_that_cannot_be_judged_is_refused_with_what_to_do(entries, message):
    text = (
        f'rules:\n- {{id: s, kind: threshold, where: {{account: "*"}}, window: day, {entries}, limits: {{info: 0.3}}}}'
    )
    with pytest.raises(ConfigurationError, match=message):
        parse(text, "rules.yaml")


def test_limits_of_a_share_are_fractions():
    text = str(packed(LARGE)).replace('"0.4"', "40").replace('"0.8"', "80")
    with pytest.raises(ConfigurationError, match=r"limits of a share are fractions: 0\.3 is 30 %"):
        parse(f"rules: [{text}]", "rules.yaml")
