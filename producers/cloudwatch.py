"""CloudWatch: what is used right now, hours before it stands on a bill.

A run asks every account and region in parallel: for the metrics that there are (ListMetrics, now and then), then for
their points (GetMetricData, 500 metrics a call), but only of metrics whose next point can have come. Points come late,
so the last half hour is asked for again; only what is new or changed is published, under the version of this run, and a
later version of a point replaces an earlier one. A region that fails is asked again in the next run, from where it was
read last, and holds up no other.
"""

import logging
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from processors.series import shard_of
from producers.aws_session import AwsSessions, explained
from producers.budget import Budget, BudgetExceededError
from producers.cloudwatch_calls import Calls, Group, Point, Series, Target
from producers.cloudwatch_catalogue import load
from producers.cloudwatch_points import Span, batches, increases, span
from producers.runs import Runs
from producers.sender import Sender
from producers.source import ReadingReport, SourceError
from schemas.events import UsageClosed, UsageMetrics
from spendstream.clock import to_millis
from spendstream.settings import CloudWatch as Options
from spendstream.settings import Payer
from spendstream.topics import USAGE

_RECENT_SECONDS = 3600
_IN_PARALLEL = 8

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Answer:
    """What one target said in one run."""

    points: list[tuple[Series, Span, list[Point]]] = field(default_factory=list)
    asked: list[Group] = field(default_factory=list)
    left_out: int = 0
    problem: str = ""


class CloudWatch:
    """Reads the metrics of the catalogue, and publishes their points.

    Parameters
    ----------
    options
        What is read.
    sessions, budget
        How AWS is asked, and what that may cost.
    sender
        Where events go.
    runs
        When it was read last: after downtime the points since then are read.
    """

    name = source = "cloudwatch"

    def __init__(self, options: Options, sessions: AwsSessions, budget: Budget, sender: Sender, runs: Runs) -> None:
        self.schedule = options.schedule
        self._options = options
        self._sessions = sessions
        self._calls = Calls(options, budget)
        self._sender = sender
        self._runs = runs
        self._catalogue = load(options.catalogue)
        self._targets: dict[tuple[str, str], Target] = {}

    def run_once(self) -> ReadingReport:
        """Read what can be new.

        Raises
        ------
        SourceError
            When a region cannot be read; the others are published.
        """
        began, now = time.monotonic(), self._sender.clock.now()
        reading = f"{to_millis(now):x}-{uuid.uuid4().hex[:8]}"
        problems = self._reach()
        targets = list(self._targets.values())
        with ThreadPoolExecutor(_IN_PARALLEL, "cloudwatch") as pool:
            found = list(pool.map(lambda target: self._discover(target, now, reading), targets))
            chosen = self._choose(targets)
            answers = list(pool.map(lambda target: self._ask(target, chosen[id(target)], now, reading), targets))
        events = points = 0
        for target, answer in zip(targets, answers, strict=True):
            for series, asked, values in answer.points:
                events += self._publish(target, series, asked, values, now, reading)
                points += len(values)
        self._sender.flush()
        for target, answer in zip(targets, answers, strict=True):
            target.asked.update(dict.fromkeys(answer.asked, now))
        self._close(reading, now, whole=not problems and not any(answer.problem for answer in answers))
        problems += [text for text in (*found, *(answer.problem for answer in answers)) if text]
        if problems:
            raise SourceError("; ".join(problems))
        left_out = sum(answer.left_out for answer in answers) + self._too_many(targets)
        if left_out:
            log.warning("%d metrics were left out: raise cloudwatch.max_metrics or the polling budget", left_out)
        return ReadingReport(self.name, 1, events, points, 0, round(time.monotonic() - began, 3), left_out)

    def _close(self, reading: str, now: datetime, *, whole: bool) -> None:
        """Say in every partition that all points of this run are there."""
        event = UsageClosed(source=self.source, reading=reading, read_at=now, version=to_millis(now), whole=whole)
        for partition in range(self._sender.settings.kafka.topics.partitions(USAGE)):
            self._sender.send(USAGE, partition, f"{self.source}/{partition}", event)
        self._sender.flush()

    def _reach(self) -> list[str]:
        """Make the clients that are missing; return which accounts cannot be reached, and why."""
        problems = []
        for account in self._options.accounts or (self._own_account(),):
            try:
                for region in self._catalogue.regions(self._options.regions):
                    if (account.account, region) not in self._targets:
                        client = self._sessions.client("cloudwatch", region, account)
                        kinds = self._catalogue.in_region(region, self._options.regions)
                        self._targets[account.account, region] = Target(account, region, client, kinds)
            except SourceError as error:
                problems.append(str(error))
        return problems

    def _own_account(self) -> Payer:
        known = next(iter(self._targets.values()), None)
        return self._sessions.own_account() if known is None else known.account

    def _discover(self, target: Target, now: datetime, reading: str) -> str:
        """Look for the metrics of a target, when it is time; return what went wrong."""
        known = target.discovered_at
        if known is not None and now - known < timedelta(minutes=self._options.discover_minutes):
            return ""
        found: dict[tuple[str, str, bool], list[tuple[dict[str, str], str | None]]] = {}
        try:
            for kind in target.kinds:
                # A metric of a day has no point of the last three hours; asking for recent ones spares the dead ones.
                listing = (kind.namespace, kind.metric, kind.period <= _RECENT_SECONDS)
                if listing not in found:
                    found[listing] = self._calls.metrics(target, *listing, reading)
        except (BotoCoreError, ClientError) as error:
            return str(explained(error, str(target)))
        except (SourceError, BudgetExceededError) as error:
            return "" if known is not None else f"{target}: {error}"
        target.series = [
            Series(kind, tuple(sorted(dimensions.items())), owner)
            for kind in target.kinds
            for dimensions, owner in found[kind.namespace, kind.metric, kind.period <= _RECENT_SECONDS]
            if kind.takes(dimensions)
        ]
        alive = {series.key for series in target.series}
        target.sent = {key: sent for key, sent in target.sent.items() if key in alive}
        target.discovered_at = now
        return ""

    def _choose(self, targets: Sequence[Target]) -> dict[int, list[Series]]:
        """Return the series that are read of each target: at most as many as allowed, in the catalogue's order."""
        chosen: dict[int, list[Series]] = {id(target): [] for target in targets}
        room = self._options.max_metrics
        for kind in self._catalogue.metrics:
            for target in targets:
                fit = [series for series in target.series if series.kind is kind][:room]
                chosen[id(target)] += fit
                room -= len(fit)
        return chosen

    def _too_many(self, targets: Sequence[Target]) -> int:
        return max(0, sum(len(target.series) for target in targets) - self._options.max_metrics)

    def _ask(self, target: Target, chosen: Sequence[Series], now: datetime, reading: str) -> _Answer:
        """Ask for the points of a target that can have come since they were asked for."""
        answer = _Answer()
        groups: dict[tuple[Group, bool], list[Series]] = {}
        for series in chosen:
            group: Group = (series.kind.asked_every, series.kind.period, series.kind.differenced)
            groups.setdefault((group, series.key in target.sent), []).append(series)
        for (asked_for, known), members in groups.items():
            every, period, differenced = asked_for
            last = target.asked.get(asked_for)
            if known and last is not None and int(last.timestamp()) // every == int(now.timestamp()) // every:
                continue
            since = last or self._runs.good_at(self.name)
            if since is not None and not known:
                since -= timedelta(minutes=self._options.discover_minutes)  # so long it may have been overlooked
            asked = span(now, since, period, self._young, differenced=differenced)
            try:
                for some in batches(members, asked.points(period)):
                    answer.points += self._calls.points(target, some, asked, reading)
            except BudgetExceededError as error:
                answer.left_out += len(members)
                log.warning("%s: %s", target, error)
            except (BotoCoreError, ClientError) as error:
                answer.problem = str(explained(error, str(target)))
            except SourceError as error:
                answer.problem = f"{target}: {error}"
            else:
                answer.asked.append(asked_for)
        return answer

    @property
    def _young(self) -> timedelta:
        return timedelta(minutes=self._options.reread_minutes)

    def _publish(
        self, target: Target, series: Series, asked: Span, values: list[Point], now: datetime, reading: str
    ) -> bool:
        """Send the points that are new or changed; return whether there were any."""
        kind = series.kind
        points = increases(values) if kind.differenced else values
        length = timedelta(seconds=kind.period)
        told = {at: (value, at + length <= asked.settled) for at, value in points if at >= asked.told}
        sent = target.sent.get(series.key, {})
        fresh = {at: point for at, point in told.items() if sent.get(at) != point}
        target.sent[series.key] = told
        if not fresh:
            return False
        usage, dimensions = kind.usage, dict(series.dimensions)
        prefix = self._catalogue.region_prefixes.get(target.region)
        priced = usage is not None and (prefix is not None or "{region}" not in usage.type)
        account = series.owner or target.account.account
        event = UsageMetrics(
            source=self.source,
            provider="AWS",
            billing_account=self._options.billing_account or target.account.account,
            account=account,
            region=target.region,
            namespace=kind.namespace,
            metric=kind.metric,
            dimensions=dimensions,
            statistic="Increase" if kind.differenced else kind.statistic,
            period_seconds=kind.period,
            unit=kind.unit,
            service=kind.service,
            usage_type=usage.type_in(prefix or "", dimensions) if usage and priced else None,
            usage_unit=usage.unit if usage and priced else None,
            factor=usage.decimal() if usage and priced else None,
            reading=reading,
            read_at=now,
            version=to_millis(now),
            starts=[to_millis(at) for at in fresh],
            values=[value for value, _ in fresh.values()],
            complete=[complete for _, complete in fresh.values()],
        )
        shard = shard_of(account, kind.service or kind.namespace, self._sender.settings.kafka.shards)
        key = "/".join(
            (account, target.region, kind.namespace, kind.metric, *(f"{n}={v}" for n, v in series.dimensions))
        )
        self._sender.send(USAGE, shard, key, event)
        return True
