"""Reports that a person asks for: the same way as those of the schedule, and in the same log."""

import asyncio

import aiohttp
from confluent_kafka import KafkaException
from prometheus_client import CollectorRegistry

from alerts.channels.channel import Channel
from alerts.delivery_metrics import DeliveryMetrics
from alerts.lines import Line
from alerts.open_channels import open_channel
from alerts.reports.addressees import named_for
from alerts.reports.figures import Figures
from alerts.reports.log import key_of, told
from alerts.reports.questions import Questions
from alerts.reports.records import Records
from alerts.reports.report import Edition, Period, Report
from alerts.reports.telling import Done, Telling
from alerts.routes import Routing
from alerts.suspensions import known_suspensions
from api.problems import Problem
from producers.sender import DeliveryError, Sender
from spendstream.admin import ensure_topics
from spendstream.clock import Clock
from spendstream.runs import following
from spendstream.settings import ConfigurationError, Settings


async def figures_now(
    settings: Settings, clock: Clock, report: Report, period: Period, value: str | None = None
) -> Figures:
    """Return what a report says now; with `value` to that one, where it is made for each of something.

    Raises
    ------
    ConfigurationError
        When it is not, or ClickHouse or Kafka does not answer.
    """
    try:
        return await Questions(following(settings)).figures(_of(report, value), period, clock.now())
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
    value: str | None = None,
    again: bool = False,
) -> list[tuple[str, str, bool]]:
    """Send a report; return for each receiver what became of it, in words, and whether that is well.

    Quiet hours and rates hold nobody back: a person asked for it.

    Parameters
    ----------
    to
        Only this receiver, which need not be one of the report's; the whole, unless there is a `value`.
    value
        Only what is made for this one.
    again
        Also to who was told of the period already.

    Raises
    ------
    ConfigurationError
        When there is no such receiver or value, or Kafka or ClickHouse does not answer.
    """
    names = [receiver.name for receiver in routing.receivers]
    if to is not None and to not in names:
        raise ConfigurationError(f"there is no receiver {to!r}; there are: {', '.join(names)}")
    ensure_topics(settings)
    log, suspensions = told(settings), known_suspensions(settings)
    found = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=settings.alerts.timeout_seconds)) as session:
        channels: dict[str, Channel] = {}
        metrics = DeliveryMetrics(CollectorRegistry())
        records = Records(settings, routing, clock, Sender(settings, clock), metrics)
        telling = Telling(settings, routing, clock, channels.__getitem__, records)
        try:
            for edition in await _wanted(telling, routing, report, period, to, value):
                for name in edition.receivers:
                    if name not in channels:
                        receiver = routing.receiver(name)
                        channels[name] = await asyncio.to_thread(open_channel, receiver, suspensions, session, settings)
                    logged = log.get(key_of(edition, name))
                    done = await telling.tell(edition, name, Line(routing.receiver(name)), logged, again=again)
                    whose = name if edition.value is None else f"{name}, {edition.value}"
                    found.append((whose, *_in_words(done)))
        except Problem as problem:
            raise ConfigurationError(f"{problem.title}: {problem.detail}") from None
        except (DeliveryError, KafkaException) as error:
            raise ConfigurationError(str(error)) from None
    return found


async def _wanted(
    telling: Telling, routing: Routing, report: Report, period: Period, to: str | None, value: str | None
) -> list[Edition]:
    if value is not None:
        receivers = (to,) if to is not None else named_for(routing, report, value)
        if not receivers:
            raise ConfigurationError(f"no route names a receiver for {value!r}: name one with --to")
        return [Edition(_of(report, value), period, value, receivers)]
    if to is not None:
        return [Edition(report.whole, period, None, (to,))]
    return await telling.editions(report, period)


def _of(report: Report, value: str | None) -> Report:
    if value is None:
        return report
    if report.for_each is None:
        raise ConfigurationError(f"report {report.id} has no for_each: it is made for nobody in particular")
    return report.of(value)


def _in_words(done: Done) -> tuple[str, bool]:
    if done.outcome is None:
        sent_before = done.verdict.action == "nothing"
        return f"{'nothing sent' if sent_before else 'no correction'}: {done.verdict.reason}", True
    if done.outcome.accepted:
        return ("a correction was sent" if done.verdict.action == "correct" else "sent"), True
    return f"not sent: {done.outcome.error}", False
