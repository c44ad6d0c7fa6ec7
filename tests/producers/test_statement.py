"""Folding lines into statements and back."""

from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from processors.series import ChargeKind
from producers import statement as module
from producers.statement import Line, Said, Scope, content_hash, fold, unfold

SCOPE = Scope("focus.main", "AWS", "1", date(2026, 3, 1), "2", "S3", "USD", date(2026, 3, 9))
SAID = Said(7, "r1", datetime(2026, 3, 10, tzinfo=UTC))
TEXT = st.sampled_from(["", "a", "b/c=d", "ü"])
UNITS = st.integers(-(10**30), 10**30)
LINES = st.lists(
    st.builds(
        Line,
        kind=st.sampled_from(ChargeKind),
        billed=UNITS,
        effective=UNITS,
        region=TEXT,
        usage_type=TEXT,
        tags=st.dictionaries(st.sampled_from(["team", "env"]), TEXT, max_size=2),
        hour=st.integers(-1, 23),
        charge_category=TEXT,
        charge_class=TEXT,
        quantity=st.none() | UNITS,
        list_cost=st.none() | UNITS,
        contracted=st.none() | UNITS,
        resource=TEXT,
        description=TEXT,
        charge_end=st.none() | st.dates(date(2026, 3, 11), date(2026, 5, 1)),
    ),
    max_size=8,
)


@given(LINES)
def test_lines_come_back_as_they_were_folded(lines):
    (statement,) = fold(SCOPE, lines, SAID)
    assert list(unfold(statement)) == lines


@given(LINES, st.randoms())
def test_the_content_is_the_same_in_any_order(lines, random):
    shuffled = list(lines)
    random.shuffle(shuffled)
    assert content_hash(lines) == content_hash(shuffled)


def test_another_amount_is_another_content():
    line = Line(ChargeKind.USAGE, 1, 1)
    assert content_hash([line]) != content_hash([Line(ChargeKind.USAGE, 1, 2)])
    assert content_hash([line]) != content_hash([line, line])


def test_a_large_scope_is_split_into_parts_that_hold_every_line_once(monkeypatch):
    monkeypatch.setattr(module, "MAX_PART_BYTES", 2_000)
    lines = [Line(ChargeKind.USAGE, number, number, resource=f"arn:{number}") for number in range(100)]
    parts = fold(SCOPE, lines, SAID)
    assert len(parts) > 1
    assert {part.parts for part in parts} == {len(parts)}
    assert [line for part in parts for line in unfold(part)] == lines
