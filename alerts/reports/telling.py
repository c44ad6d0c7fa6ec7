"""Telling one receiver of one period: figures, a decision, the channel, the log; in this order.

A crash between the channel and the log repeats that one message, under the same id.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alerts.channels.channel import Channel, Outcome
from alerts.lines import Line
from alerts.note import Attachment, Note
from alerts.reports import page, words
from alerts.reports.addressees import editions
from alerts.reports.due import Verdict, judge, more_final
from alerts.reports.figures import Figures
from alerts.reports.log import note_id
from alerts.reports.questions import Questions
from alerts.reports.records import Records
from alerts.reports.report import Edition, Period, Report, Span
from alerts.reports.table import table
from alerts.routes import Routing
from schemas.events import CostReport, DeliveryOutcome, ReportStage, ReportState
from spendstream.clock import Clock
from spendstream.runs import live_run
from spendstream.settings import Settings

#: Figures are asked for anew after so long; several receivers share them.
_FRESH = timedelta(seconds=60)
#: Channels with room for every row.
_ROOMY = frozenset({"smtp", "ses", "sns", "webhook"})


@dataclass(frozen=True, slots=True)
class Done:
    """What became of it; `event` is what the log has now, `outcome` the channel's where it was asked."""

    verdict: Verdict
    event: CostReport | None = None
    outcome: Outcome | None = None


class Telling:
    """Tells receivers of reports.

    Parameters
    ----------
    settings, routing, clock
        The deployment, its receivers, and the time.
    channel_of
        Gives the channel of a receiver by its name.
    records
        Writes down what became of it.
    """

    def __init__(
        self,
        settings: Settings,
        routing: Routing,
        clock: Clock,
        channel_of: Callable[[str], Channel],
        records: Records,
    ) -> None:
        self._settings = settings
        self._routing = routing
        self._clock = clock
        self._channel_of = channel_of
        self.records = records
        self._figures: dict[tuple[str, Span, str | None], tuple[datetime, Figures]] = {}
        # Of overviews: the values whose report goes to nobody.
        self._nobodys: dict[tuple[str, Span], tuple[str, ...]] = {}
        self._stages: dict[tuple[str, Span], tuple[datetime, ReportStage]] = {}

    async def editions(self, report: Report, period: Period) -> list[Edition]:
        """Return who gets what of a report; of one that is made for each of something, all that cost anything now.

        Raises
        ------
        Problem, ConfigurationError, KafkaException
            When it cannot be known now.
        """
        if report.for_each is None:
            return editions(self._routing, report, period, ())
        now = self._clock.now()
        each = await (await self._questions()).each(report, period, now)
        found = editions(self._routing, report, period, sorted(each))
        for edition in found[1:]:
            self._figures[report.id, period.span, edition.value] = (now, each[edition.value or ""])
        self._nobodys[report.id, period.span] = tuple(sorted(each.keys() - {edition.value for edition in found}))
        return found

    async def tell(
        self,
        edition: Edition,
        receiver: str,
        line: Line,
        logged: CostReport | None,
        *,
        instead_of: str | None = None,
        again: bool = False,
    ) -> Done:
        """Tell a receiver of an edition, if it is to be told.

        Parameters
        ----------
        line
            How it stands with the receiver; it learns of the try.
        logged
            What the receiver was told last of this edition.
        instead_of
            The receiver that it was meant for.
        again
            Whether to send it once more, although it was told.

        Raises
        ------
        Problem, ConfigurationError, KafkaException
            When figures cannot be had; nothing was sent.
        DeliveryError
            When the log did not take what the channel accepted.
        """
        if logged is not None and not again:
            settled = await self._settled(edition, logged)
            if settled is not None:
                return Done(settled, logged)
        figures = await self.figures(edition)
        verdict = judge(logged, figures.standing.stage, figures.totals, edition.report.correct_from, again=again)
        if verdict.action == "nothing":
            return Done(verdict, logged)
        if verdict.action == "note" and logged is not None:
            event = replace(logged, stage=figures.standing.stage)
            await self.records.keep(event)
            return Done(verdict, event)
        if verdict.action == "correct" and logged is not None:
            figures = replace(figures, told={total.currency: total.amount for total in logged.totals})
        number = 0 if logged is None else logged.number + 1
        return await self._send(edition, replace(figures, instead_of=instead_of), receiver, line, verdict, number)

    async def give_up(self, edition: Edition, receiver: str, line: Line, number: int) -> CostReport:
        """Give up a receiver that cannot be reached: its fallback is told, or it is a dead letter. Raises as `tell`."""
        figures = await self.figures(edition)
        event = self.records.event(edition, figures, receiver, "expired", number, line.failures)
        await self.records.lost(edition, event, line.error)
        return event

    async def figures(self, edition: Edition) -> Figures:
        """Return what an edition says now, or said a minute ago.

        Raises
        ------
        Problem, ConfigurationError, KafkaException
            When it cannot be had.
        """
        now = self._clock.now()
        key = edition.report.id, edition.period.span, edition.value
        known = self._figures.get(key)
        if known is not None and now - known[0] < _FRESH:
            return known[1]
        figures = await (await self._questions()).figures(edition.report, edition.period, now)
        if edition.value is None:
            figures = replace(figures, nobodys=self._nobodys.get(key[:2], ()))
        self._figures = {key: one for key, one in self._figures.items() if now - one[0] < _FRESH}
        self._figures[key] = (now, figures)
        return figures

    async def _settled(self, edition: Edition, logged: CostReport) -> Verdict | None:
        """Return why nothing is to be done, where no figures are needed to know it."""
        if logged.state == "sent" and more_final(await self._stage(edition), logged.stage):
            return None
        return judge(logged, logged.stage, {}, edition.report.correct_from)

    async def _stage(self, edition: Edition) -> ReportStage:
        now, key = self._clock.now(), (edition.report.id, edition.period.span)
        known = self._stages.get(key)
        if known is not None and now - known[0] < _FRESH:
            return known[1]
        stage = (await (await self._questions()).standing(edition.report, edition.period.span, now)).stage
        self._stages = {key: one for key, one in self._stages.items() if now - one[0] < _FRESH}
        self._stages[key] = (now, stage)
        return stage

    async def _questions(self) -> Questions:
        return Questions(self._settings.of_run(await asyncio.to_thread(live_run, self._settings)))

    async def _send(
        self, edition: Edition, figures: Figures, receiver: str, line: Line, verdict: Verdict, number: int
    ) -> Done:
        now, channel = self._clock.now(), self._channel_of(receiver)
        roomy = self._routing.receiver(receiver).channel in _ROOMY
        note = note_of(edition, figures, receiver, number, now, roomy=roomy)
        attempt = line.failures + 1
        line.begins(now)
        outcome = await channel.note(note)
        if outcome.accepted:
            line.accepted(self._clock.now(), channel.pause)
        else:
            line.failed(self._clock.now(), outcome, 1.0)
        line.busy = False
        took: ReportState = "sent" if outcome.accepted else "refused"
        event = self.records.event(edition, figures, receiver, took, number, attempt, outcome.handle)
        if not outcome.accepted and not outcome.retry:
            await self.records.lost(edition, event, outcome.error)
            return Done(verdict, event, outcome)
        became: DeliveryOutcome = "accepted" if outcome.accepted else "retrying"
        state = await self.records.state(
            edition, receiver, became, verdict.reason,
            message=note.id, number=number, attempt=attempt, error=outcome.error,
        )  # fmt: skip
        await self.records.keep(event if outcome.accepted else None, state)
        return Done(verdict, event if outcome.accepted else None, outcome)


def note_of(edition: Edition, figures: Figures, receiver: str, number: int, at: datetime, *, roomy: bool) -> Note:
    """Return an edition as it goes to a receiver; `roomy`: with every row in its text."""
    report, span = edition.report, edition.period.span
    days = f"{span.first}" if span.days == 1 else f"{span.first}-{span.last}"
    whose = "" if edition.value is None else f"-{re.sub(r'[^A-Za-z0-9_.-]', '_', edition.value)[:60]}"
    return Note(
        id=note_id(edition, receiver, number),
        receiver=receiver,
        kind="report",
        title=words.title(figures),
        text=words.text(figures) if roomy else words.short(figures),
        at=at,
        html=page.html(figures),
        attachments=(Attachment(f"{report.id}{whose}-{days}.csv", "text/csv", table(figures)),),
        thread="/".join(filter(None, ("report", report.id, edition.value, str(span.first)))),
    )
