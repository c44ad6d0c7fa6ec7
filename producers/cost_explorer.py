"""AWS Cost Explorer, in two tiers, because every request costs money.

1. Two cheap questions ask for the totals of each account and service by day, usage apart from everything else
   (`cost_explorer_totals`). They are the fingerprint of a scope: where they are as published last, nothing more is
   asked.
2. The scopes that changed are asked for in detail (`cost_explorer_detail`). Detail that does not agree with its total
   to the cent gets the remainder on a line of its own, and the statement is marked as not reconciled. What the polling
   budget does not allow is published as its totals, and asked for again the next time; whose turn it is says
   `cost_explorer_plan`.

Views by tag and cost category (`cost_explorer_views`) and controls (`cost_explorer_controls`) are sources of their own.
"""

import time
from collections.abc import Iterable
from datetime import date

from processors.series import ChargeKind
from producers.budget import BudgetExceededError, Purpose
from producers.cost_explorer_access import Access
from producers.cost_explorer_detail import Detail, DetailReader, reconciled
from producers.cost_explorer_plan import Change
from producers.cost_explorer_query import USAGE_API
from producers.cost_explorer_totals import Key, Total, ask_totals, closed_and_final, estimated_since, window
from producers.publisher import Coverage, Publisher, Reading
from producers.source import ReadingReport, SourceError
from producers.statement import Scope
from schemas.events import CostHead
from spendstream.clock import to_millis

#: Begins the fingerprint of a scope that was published without its detail.
_WAITS = "waits since "


class CostExplorer:
    """Reads the bill of one payer account, and publishes it as one reading.

    Parameters
    ----------
    access
        How the payer account is reached, and what is read.
    publisher
        Where statements go.
    """

    source = "cost_explorer"

    def __init__(self, access: Access, publisher: Publisher) -> None:
        self.name = access.name()
        self.schedule = access.options.schedule
        self._access = access
        self._publisher = publisher

    def run_once(self) -> ReadingReport:
        """Read the restatement window.

        Raises
        ------
        SourceError
            When AWS does not answer, or the polling budget does not allow the cheap questions.
        """
        publisher, account = self._publisher, self._access.account
        still = estimated_since(publisher.heads.values(), self.source, account, publisher.clock.now().date())
        return self.read(*window(publisher.clock, self._access.options, still), "totals")

    def read(self, first_day: date, last_day: date, purpose: str | None = None) -> ReadingReport:
        """Read a span of days (inclusive) as one reading, paid for `purpose`; see `run_once`."""
        began = time.monotonic()
        access, publisher = self._access, self._publisher
        asker = access.asker()
        try:
            totals = ask_totals(asker, first_day, last_day, Purpose(USAGE_API, access.account, purpose or "totals"))
        except BudgetExceededError as error:
            raise SourceError(f"{self.name} is not read: {error}") from None
        reading = publisher.open(Coverage(self.source, "AWS", access.account, first_day, last_day))
        changes = self._changes(reading, totals)
        days = (first_day, last_day)
        detail = DetailReader(asker, access.options, access.account, days, publisher.clock.now()).read(changes, totals)
        lines = sum(self._publish(reading, change, totals[key], detail) for key, change in changes.items())
        estimated = [day for (day, _, _), total in totals.items() if total.estimated]
        reading.close(*closed_and_final(estimated, first_day, last_day, publisher.clock.now(), access.options))
        seconds = round(time.monotonic() - began, 3)
        return ReadingReport(self.name, 1, reading.published, lines, 0, seconds, len(detail.left_out))

    def _changes(self, reading: Reading, totals: dict[Key, Total]) -> dict[Key, Change]:
        """Return the scopes that are not as published last; mention the others."""
        changes = {}
        waiting = waiting_since(head for head in self._publisher.heads.values() if reading.coverage.is_of(head))
        for key, total in totals.items():
            head = self._publisher.heads.get(self._scope(key, total).key)
            if head is not None and not head.lines:
                head = None
            if head is not None and head.fingerprint == total.fingerprint():
                reading.mention_unchanged(head)
                continue
            known = 0 if head is None else int(head.effective.scaleb(18))
            day, account, service = key
            changes[key] = Change(account, service, day, abs(total.effective - known), waiting.get((account, service)))
        return changes

    def _scope(self, key: Key, total: Total) -> Scope:
        day, account, service = key
        payer = self._access.account
        return Scope(self.source, "AWS", payer, day.replace(day=1), account, service, total.currency, day)

    def _publish(self, reading: Reading, change: Change, total: Total, detail: Detail) -> int:
        key = (change.day, change.account, change.service)
        whole = key not in detail.left_out
        since = to_millis(reading.opened_at) if change.waiting_since is None else change.waiting_since
        usage, usage_agrees = reconciled(detail.usage.get(key, []), total.usage, ChargeKind.USAGE, "Usage")
        other, other_agrees = reconciled(detail.other.get(key, []), total.other, ChargeKind.ADJUSTMENT, "Adjustment")
        reading.publish(
            self._scope(key, total),
            [*usage, *other],
            # Without its detail the scope is asked for again, however its totals stay.
            fingerprint=total.fingerprint() if whole else f"{_WAITS}{since}",
            estimated=total.estimated,
            reconciled=whole and usage_agrees and other_agrees,
        )
        return len(usage) + len(other)


def waiting_since(heads: Iterable[CostHead]) -> dict[tuple[str, str], int]:
    """Return since when (ms since 1970) the service of an account waits for detail, of those that do.

    That is the first time that a scope of it was published without detail after the last that had its detail: what left
    the window unserved still counts, until its service has had a turn.
    """
    served: dict[tuple[str, str], int] = {}
    marks: dict[tuple[str, str], list[int]] = {}
    for head in heads:
        whose = (head.account, head.service)
        if head.fingerprint.startswith(_WAITS):
            marks.setdefault(whose, []).append(int(head.fingerprint.removeprefix(_WAITS)))
        elif head.lines:
            served[whose] = max(head.version, served.get(whose, head.version))
    later = {whose: [at for at in found if at > served.get(whose, -1)] for whose, found in marks.items()}
    return {whose: min(found) for whose, found in later.items() if found}
