"""Telling one receiver of one period: figures, a decision, the channel, the log; in this order.

A crash between the channel and the log repeats that one message, under the same id.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alerts.channels.channel import Channel, Outcome
from alerts.note import Attachment, Note
from alerts.reports import page, words
from alerts.reports.due import Verdict, judge, more_final
from alerts.reports.figures import Figures
from alerts.reports.log import note_id, topic_key
from alerts.reports.questions import Questions
from alerts.reports.report import Period, Report
from alerts.reports.table import table
from alerts.routes import Routing
from producers.sender import Sender
from schemas.dead_letters import dead_letter
from schemas.events import CostReport, ReportTotal
from spendstream.clock import Clock
from spendstream.runs import live_run
from spendstream.settings import Settings
from spendstream.topics import DEAD_LETTERS, REPORTS

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
    sender
        Sends what is to be logged.
    """

    def __init__(
        self,
        settings: Settings,
        routing: Routing,
        clock: Clock,
        channel_of: Callable[[str], Channel],
        sender: Sender,
    ) -> None:
        self._settings = settings
        self._routing = routing
        self._clock = clock
        self._channel_of = channel_of
        self._sender = sender
        self._figures: dict[tuple[str, Period], tuple[datetime, Figures]] = {}

    async def tell(
        self,
        report: Report,
        period: Period,
        receiver: str,
        logged: CostReport | None,
        *,
        again: bool = False,
        attempts: int = 1,
    ) -> Done:
        """Tell a receiver of a period, if it is to be told.

        Parameters
        ----------
        logged
            What the receiver was told last of this period.
        again
            Whether to send it once more, although it was told.
        attempts
            Which try this is.

        Raises
        ------
        Problem, ConfigurationError, KafkaException
            When figures cannot be had; nothing was sent.
        DeliveryError
            When the log did not take what the channel accepted.
        """
        if logged is not None and not again:
            settled = await self._settled(report, period, logged)
            if settled is not None:
                return Done(settled, logged)
        figures = await self.figures(report, period)
        verdict = judge(logged, figures.standing.stage, figures.totals, report.correct_from, again=again)
        if verdict.action == "nothing":
            return Done(verdict, logged)
        if verdict.action == "note" and logged is not None:
            event = replace(logged, stage=figures.standing.stage)
            await self._keep(event)
            return Done(verdict, event)
        if verdict.action == "correct" and logged is not None:
            figures = replace(figures, told={total.currency: total.amount for total in logged.totals})
        return await self._send(figures, receiver, verdict, 0 if logged is None else logged.number + 1, attempts)

    async def figures(self, report: Report, period: Period) -> Figures:
        """Return what a report says of a period now, or said a minute ago.

        Raises
        ------
        Problem, ConfigurationError, KafkaException
            When it cannot be had.
        """
        now = self._clock.now()
        known = self._figures.get((report.id, period))
        if known is not None and now - known[0] < _FRESH:
            return known[1]
        figures = await (await self._questions()).figures(report, period, now)
        self._figures = {key: one for key, one in self._figures.items() if now - one[0] < _FRESH}
        self._figures[report.id, period] = (now, figures)
        return figures

    async def _settled(self, report: Report, period: Period, logged: CostReport) -> Verdict | None:
        """Return why nothing is to be done, where no figures are needed to know it."""
        if logged.state != "refused":
            stage = (await (await self._questions()).standing(report, period.span, self._clock.now())).stage
            if more_final(stage, logged.stage):
                return None
        return judge(logged, logged.stage, {}, report.correct_from)

    async def _questions(self) -> Questions:
        run = await asyncio.to_thread(live_run, self._settings)
        return Questions(self._settings.of_run(run))

    async def _send(self, figures: Figures, receiver: str, verdict: Verdict, number: int, attempts: int) -> Done:
        kind = self._routing.receiver(receiver).channel
        note = note_of(figures, receiver, number, self._clock.now(), roomy=kind in _ROOMY)
        outcome = await self._channel_of(receiver).note(note)
        if not outcome.accepted and outcome.retry:
            return Done(verdict, None, outcome)
        event = CostReport(
            report=figures.report.id,
            receiver=receiver,
            first_day=figures.period.span.first,
            last_day=figures.period.span.last,
            measure=figures.report.measure,
            state="sent" if outcome.accepted else "refused",
            stage=figures.standing.stage,
            number=number,
            digest=figures.digest,
            totals=[ReportTotal(currency=name, amount=amount) for name, amount in figures.totals.items()],
            channel=kind,
            sent_at=self._clock.now(),
            attempts=attempts,
            handle=outcome.handle,
        )
        await self._keep(event, refused=None if outcome.accepted else outcome.error)
        return Done(verdict, event, outcome)

    async def _keep(self, event: CostReport, *, refused: str | None = None) -> None:
        """Log an event; what a receiver refused is a dead letter as well."""
        if refused is not None:
            letter = dead_letter(
                stage="report",
                origin=f"{topic_key(event)}/{event.number}",
                value=self._sender.codec.encode(event),
                error=_RefusedError(f"receiver {event.receiver} refused it: {refused}"),
                at=event.sent_at,
            )
            self._sender.send(DEAD_LETTERS, 0, letter.id, letter)
        self._sender.send(REPORTS, 0, topic_key(event), event)
        await asyncio.to_thread(self._sender.flush)


class _RefusedError(RuntimeError):
    """A receiver refused a report for what it is."""


def note_of(figures: Figures, receiver: str, number: int, at: datetime, *, roomy: bool) -> Note:
    """Return a report as it goes to a receiver; `roomy`: with every row in its text."""
    report, span = figures.report, figures.period.span
    name = f"{report.id}-{span.first}.csv" if span.days == 1 else f"{report.id}-{span.first}-{span.last}.csv"
    return Note(
        id=note_id(report, span, receiver, number),
        receiver=receiver,
        kind="report",
        title=words.title(figures),
        text=words.text(figures) if roomy else words.short(figures),
        at=at,
        html=page.html(figures),
        attachments=(Attachment(name, "text/csv", table(figures)),),
        thread=f"report/{report.id}/{span.first}",
    )
