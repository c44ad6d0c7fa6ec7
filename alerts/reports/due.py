"""How final a period is, and whether a receiver is to be told of it now. Pure: no clock, no I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from alerts.reports.report import Span
from schemas.events import CostReport, ReportStage

#: From the least certain to the most.
STAGES: tuple[ReportStage, ...] = ("provisional", "complete", "final")
#: A source that closed no reading for so long is not waited for.
_GONE = timedelta(days=35)


@dataclass(frozen=True, slots=True)
class Book:
    """One source's word about one billing account, as its announced readings left it.

    Attributes
    ----------
    closed_through, final_through
        Newest day that had ended when the source told of it; newest day that it calls final.
    closed_at
        When its newest announced reading closed.
    """

    source: str
    billing_account: str
    closed_through: date | None
    final_through: date | None
    closed_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """How final the figures of a period are.

    Attributes
    ----------
    late
        Which sources do not tell all of it.
    complete_through, final_through
        Newest day of the period that every source tells, and that every source calls final; None: no day of it.
    """

    stage: ReportStage
    late: tuple[str, ...] = ()
    complete_through: date | None = None
    final_through: date | None = None


def standing(books: Sequence[Book], span: Span, now: datetime) -> Standing:
    """Return how final a period is: complete when every source tells all its days, final when all call them so."""
    whole = [book for book in books if book.closed_through is not None and book.closed_through >= span.last]
    late = tuple(
        f"{book.source} of {book.billing_account} tells of days to {book.closed_through or 'none'}"
        for book in books
        if book not in whole and now - book.closed_at <= _GONE
    )
    waited_for = [book for book in books if book in whole or now - book.closed_at <= _GONE]
    complete = _through([book.closed_through for book in waited_for], span)
    final = _through([book.final_through for book in waited_for], span)
    if late or not whole:
        return Standing("provisional", late or ("no source has told anything of it",), complete, final)
    return Standing("final" if final == span.last else "complete", (), complete, final)


def _through(days: Sequence[date | None], span: Span) -> date | None:
    """Return the newest day of a span that all of these days reach; None: none is."""
    known = [day for day in days if day is not None]
    if not days or len(known) < len(days) or min(known) < span.first:
        return None
    return min(*known, span.last)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done for one receiver: tell it, tell it a correction, note how final it is, or nothing; and why."""

    action: Literal["send", "correct", "note", "nothing"]
    reason: str


def judge(
    logged: CostReport | None, stage: ReportStage, totals: Mapping[str, Decimal], share: Decimal, *, again: bool = False
) -> Verdict:
    """Decide whether a receiver is told of a period.

    Parameters
    ----------
    logged
        What it was told last of this period, if anything.
    stage, totals
        How final the period is now, and its total by currency.
    share
        From which difference on a correction follows, as a share of what was told.
    again
        Whether a person asked for it once more.
    """
    if logged is None:
        return Verdict("send", "not told yet")
    if again:
        return Verdict("send", "asked for once more")
    if logged.state == "refused":
        return Verdict("nothing", f"the receiver refused it at {logged.sent_at:%Y-%m-%d %H:%M} UTC")
    if logged.state == "expired":
        return Verdict("nothing", f"the receiver could not be reached, given up at {logged.sent_at:%Y-%m-%d %H:%M} UTC")
    told = f"told at {logged.sent_at:%Y-%m-%d %H:%M} UTC"
    if not more_final(stage, logged.stage):
        return Verdict("nothing", f"{told}, {logged.stage}")
    off = difference({total.currency: total.amount for total in logged.totals}, totals)
    if off is not None and off < share:
        return Verdict("note", f"{told}; the {stage} figures differ by less than {share:.1%}")
    return Verdict("correct", f"{told}, {logged.stage}; the {stage} figures differ")


def more_final(stage: ReportStage, than: ReportStage) -> bool:
    """Tell whether figures of `stage` may replace those of `than`."""
    return STAGES.index(stage) > STAGES.index(than)


def difference(told: Mapping[str, Decimal], now: Mapping[str, Decimal]) -> Decimal | None:
    """Return the largest difference of a currency's totals as a share of what was told; None: it was told as nothing.

    Examples
    --------
    >>> difference({"USD": Decimal(200)}, {"USD": Decimal(205)})
    Decimal('0.025')
    """
    largest = Decimal(0)
    for currency in {*told, *now}:
        before, after = told.get(currency, Decimal(0)), now.get(currency, Decimal(0))
        if before == after:
            continue
        if before == 0:
            return None
        largest = max(largest, abs((after - before) / before))
    return largest
