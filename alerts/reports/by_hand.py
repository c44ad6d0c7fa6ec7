"""Reports that a person asks for: the same way as those of the schedule, and in the same log."""

import asyncio

import aiohttp
from confluent_kafka import KafkaException

from alerts.channels.making import make
from alerts.reports.figures import Figures
from alerts.reports.log import key_of, told
from alerts.reports.questions import Questions
from alerts.reports.report import Period, Report
from alerts.reports.telling import Done, Telling
from alerts.routes import Routing
from api.problems import Problem
from producers.sender import DeliveryError, Sender
from spendstream.admin import ensure_topics
from spendstream.clock import Clock
from spendstream.runs import following
from spendstream.settings import ConfigurationError, Settings


async def figures_now(settings: Settings, clock: Clock, report: Report, period: Period) -> Figures:
    """Return what a report says now.

    Raises
    ------
    ConfigurationError
        When ClickHouse or Kafka does not answer.
    """
    try:
        return await Questions(following(settings)).figures(report, period, clock.now())
    except Problem as problem:
        raise ConfigurationError(f"{problem.title}: {problem.detail}") from None


async def send_now(
    settings: Settings,
    routing: Routing,
    clock: Clock,
    report: Report,
    period: Period,
    *,
    to: str | None = None,
    again: bool = False,
) -> list[tuple[str, str, bool]]:
    """Send a report; return for each receiver what became of it, in words, and whether that is well.

    Parameters
    ----------
    to
        Only this receiver, which need not be one of the report's.
    again
        Also to who was told of the period already.

    Raises
    ------
    ConfigurationError
        When there is no such receiver, or Kafka or ClickHouse does not answer.
    """
    names = [receiver.name for receiver in routing.receivers]
    if to is not None and to not in names:
        raise ConfigurationError(f"there is no receiver {to!r}; there are: {', '.join(names)}")
    ensure_topics(settings)
    log = told(settings)
    found = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=settings.alerts.timeout_seconds)) as session:
        wanted = report.receivers if to is None else (to,)
        channels = {name: await asyncio.to_thread(make, routing.receiver(name), session, settings) for name in wanted}
        telling = Telling(settings, routing, clock, channels.__getitem__, Sender(settings, clock))
        for name in wanted:
            logged = log.get(key_of(report, period.span, name))
            try:
                done = await telling.tell(report, period, name, logged, again=again)
            except Problem as problem:
                raise ConfigurationError(f"{problem.title}: {problem.detail}") from None
            except (DeliveryError, KafkaException) as error:
                raise ConfigurationError(str(error)) from None
            found.append((name, *_in_words(done)))
    return found


def _in_words(done: Done) -> tuple[str, bool]:
    if done.outcome is None:
        sent_before = done.verdict.action == "nothing"
        return f"{'nothing sent' if sent_before else 'no correction'}: {done.verdict.reason}", True
    if done.outcome.accepted:
        return ("a correction was sent" if done.verdict.action == "correct" else "sent"), True
    return f"not sent: {done.outcome.error}", False
