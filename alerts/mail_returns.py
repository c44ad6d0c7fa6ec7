"""Hears of mails that came back, and of complaints: they become states of messages, and suspend addresses."""

import asyncio
import logging
from collections.abc import Callable

from alerts.delivery_records import DeliveryRecords
from alerts.desk import Desk
from alerts.mail_queue import Letter, MailQueue
from alerts.receivers import Receiver
from alerts.records import Written
from alerts.returned_mail import NotANoticeError, Returned, returned
from alerts.suspensions import Suspensions, suspended_by
from schemas.dead_letters import dead_letter
from spendstream.clock import Clock

log = logging.getLogger(__name__)


class MailReturns:
    """Takes what the queue tells, one batch after the other.

    A message is removed from the queue when Kafka has what it led to, so a crash repeats some: their events are the
    same, with the times that SES gave them.

    Parameters
    ----------
    queue
        Where SES's events are.
    desk, records, suspensions, clock
        Those of delivery.
    receiver_of
        Gives a receiver of the routing by its name; None: there is none.
    reopen
        Is called when addresses were suspended.
    """

    def __init__(
        self,
        queue: MailQueue,
        desk: Desk,
        records: DeliveryRecords,
        suspensions: Suspensions,
        clock: Clock,
        *,
        receiver_of: Callable[[str], Receiver | None],
        reopen: Callable[[], None],
    ) -> None:
        self._queue = queue
        self._desk = desk
        self._records = records
        self._suspensions = suspensions
        self._clock = clock
        self._receiver_of = receiver_of
        self._reopen = reopen

    async def work(self) -> None:
        """Take what comes until it is cancelled.

        Raises
        ------
        DeliveryError
            When Kafka does not take what it led to.
        """
        while True:
            letters = await asyncio.to_thread(self._queue.receive)
            for letter in letters:
                await self._take(letter)
            if letters:
                await asyncio.to_thread(self._queue.remove, letters)

    async def _take(self, letter: Letter) -> None:
        try:
            found = returned(letter.body)
        except NotANoticeError as error:
            origin, value, now = f"sqs/{letter.id}", letter.body.encode(), self._clock.now()
            poison = dead_letter(stage="deliver", origin=origin, value=value, error=error, at=now)
            await self._records.keep(Written(letters=[poison]))
            return
        receiver = None if found is None else self._receiver_of(found.receiver)
        if found is not None and receiver is not None:
            self._hear(found, receiver)
            await self._records.keep(self._desk.written())

    def _hear(self, found: Returned, receiver: Receiver) -> None:
        suspended = [one for one in suspended_by(found, receiver) if self._suspensions.take(one)]
        if suspended:
            self._reopen()
        log.warning("a mail to %s %s; %d addresses suspended", receiver.name, found.outcome, len(suspended))
        self._desk.returned(found, suspended, self._clock.now())
