"""Writing down what became of reports: the log of who was told what, each state of a message, and what was lost."""

import asyncio

from alerts.delivery_metrics import DeliveryMetrics
from alerts.reports.addressees import fallback_of
from alerts.reports.figures import Figures
from alerts.reports.log import topic_key
from alerts.reports.report import Edition
from alerts.routes import Routing
from producers.sender import Sender
from schemas.dead_letters import dead_letter
from schemas.events import CostReport, DeliveryOutcome, DeliveryState, ReportState, ReportTotal
from spendstream.clock import Clock
from spendstream.runs import live_run
from spendstream.settings import Settings
from spendstream.topics import DEAD_LETTERS, DELIVERIES, REPORTS


class Records:
    """Writes to Kafka, and waits until it has what is written.

    Parameters
    ----------
    settings, routing, clock
        The deployment, its receivers, and the time.
    sender
        Sends events.
    metrics
        Count what becomes of messages.
    """

    def __init__(
        self, settings: Settings, routing: Routing, clock: Clock, sender: Sender, metrics: DeliveryMetrics
    ) -> None:
        self._settings = settings
        self._routing = routing
        self._clock = clock
        self._sender = sender
        self._metrics = metrics

    def event(
        self,
        edition: Edition,
        figures: Figures,
        receiver: str,
        state: ReportState,
        number: int,
        attempts: int,
        handle: str | None = None,
    ) -> CostReport:
        """Return what the log is to have of an edition that a receiver took, or did not."""
        span = edition.period.span
        return CostReport(
            report=edition.report.id,
            value=edition.value,
            receiver=receiver,
            first_day=span.first,
            last_day=span.last,
            measure=edition.report.measure,
            state=state,
            stage=figures.standing.stage,
            number=number,
            digest=figures.digest,
            totals=[ReportTotal(currency=name, amount=amount) for name, amount in figures.totals.items()],
            channel=self._routing.receiver(receiver).channel,
            sent_at=self._clock.now(),
            attempts=attempts,
            handle=handle,
        )

    async def state(
        self,
        edition: Edition,
        receiver: str,
        outcome: DeliveryOutcome,
        reason: str,
        *,
        message: str = "",
        number: int = 0,
        attempt: int = 0,
        error: str = "",
        fallback: str | None = None,
    ) -> DeliveryState:
        """Return the event that says what became of telling a receiver, as of an incident.

        It stands among those of incidents under `report/…`; `observed_at` is when the report was due.
        """
        span = edition.period.span
        return DeliveryState(
            message=message,
            receiver=receiver,
            channel=self._routing.receiver(receiver).channel,
            group="report",
            incident="/".join(filter(None, ("report", edition.report.id, edition.value, str(span.first)))),
            run=await asyncio.to_thread(live_run, self._settings),
            version=number,
            state="report",
            severity="info",
            outcome=outcome,
            reason=reason,
            error=error or None,
            fallback=fallback,
            attempt=attempt,
            at=self._clock.now(),
            observed_at=edition.report.due_at(edition.period),
        )

    async def hold(self, edition: Edition, receiver: str, why: str) -> None:
        """Write down why a receiver is not told yet."""
        await self.keep(None, await self.state(edition, receiver, "held", why))

    async def lost(self, edition: Edition, event: CostReport, error: str) -> None:
        """Write down that a receiver was not told; where nobody stands in for it, it is a dead letter as well."""
        name, number = event.receiver, event.number
        instead = fallback_of(self._routing, name)
        refused = event.state == "refused"
        states = [
            await self.state(
                edition, name, "refused" if refused else "expired", "it could not be told",
                number=number, attempt=event.attempts, error=error,
            )
        ]  # fmt: skip
        if instead is None:
            letter = dead_letter(
                stage="report",
                origin=f"{topic_key(event)}/{number}",
                value=self._sender.codec.encode(event),
                error=_LostError(f"receiver {name} {'refused it' if refused else 'was not told'}: {error}"),
                at=event.sent_at,
            )
            self._sender.send(DEAD_LETTERS, 0, letter.id, letter)
        else:
            why = f"{instead} is told instead"
            states.append(await self.state(edition, name, "fell_back", why, number=number, fallback=instead))
        await self.keep(event, *states)

    async def keep(self, event: CostReport | None, *states: DeliveryState) -> None:
        """Log an event, and what became of a message; wait until Kafka has both."""
        self._metrics.count(states)
        for state in states:
            self._sender.send(DELIVERIES, 0, f"{state.receiver}/{state.incident}", state)
        if event is not None:
            self._sender.send(REPORTS, 0, topic_key(event), event)
        await asyncio.to_thread(self._sender.flush)


class _LostError(RuntimeError):
    """Nobody was told of a report."""
