"""Whether a new epoch holds what the old one does, and taking the old one away."""

import re
from collections import Counter
from dataclasses import dataclass, field, fields

from confluent_kafka.admin import AdminClient

from schemas.codec import Codec, CodecError
from schemas.events import CostHead, CostStatement, ReadingClosed, ReadingOpened, UsageMetrics
from schemas.registry import schema_source
from schemas.repository import UnknownSchemaError
from spendstream.admin import kafka_client
from spendstream.read_back import read_back
from spendstream.recorded import Held, Recorded, recorded
from spendstream.settings import ConfigurationError, Settings
from spendstream.topics import HEADS, STATEMENTS, TOPICS, USAGE

_SECONDS = 30
_SHOWN = 20


@dataclass(slots=True)
class Contents:
    """What the input topics of an epoch hold.

    Attributes
    ----------
    newest
        Newest complete version of each scope.
    counts
        Statements (in parts: each part), readings opened, readings closed in every partition, heads, usage events.
    """

    newest: dict[str, Held] = field(default_factory=dict)
    heads: dict[bytes, bytes] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)


def contents(settings: Settings) -> Contents:
    """Return what the input topics of the epoch that the settings name hold."""
    found, statements = Contents(), Recorded()
    codec = Codec(schema_source(settings), {CostStatement.SUBJECT: "effective"})
    closes: Counter[str] = Counter()
    opened: set[str] = set()
    for topic in (STATEMENTS, HEADS, USAGE):
        for raw in read_back(settings, topic):
            try:
                event = codec.decode(raw)
            except (CodecError, UnknownSchemaError):
                continue
            statements.take(event)
            if isinstance(event, CostHead):
                found.heads["/".join(str(getattr(event, f.name)) for f in fields(event)[:9]).encode()] = raw
            elif isinstance(event, ReadingClosed):
                closes[event.reading] += 1
            elif isinstance(event, ReadingOpened):
                opened.add(event.reading)
            elif isinstance(event, CostStatement):
                found.counts["statements"] += 1
            elif isinstance(event, UsageMetrics):
                found.counts["usage events"] += 1
    found.newest = statements.newest()
    found.counts["readings opened"] = len(opened)
    found.counts["readings closed"] = sum(count >= settings.kafka.shards for count in closes.values())
    found.counts["heads"] = len(found.heads)
    return found


def differences(old: Contents, new: Contents) -> list[str]:
    """Return where two epochs differ, for a person; empty when the new one holds what the old one does."""
    told = [
        f"{what}: {old.counts[what]} in the old topics, {new.counts[what]} in the new ones"
        for what in sorted({*old.counts, *new.counts})
        if old.counts[what] != new.counts[what]
    ]
    for what, left, right in (("scope", old.newest, new.newest), ("head", old.heads, new.heads)):
        names = [key for key in {*left, *right} if left.get(key) != right.get(key)]
        told += [f"{what} {key!r} differs" for key in sorted(names, key=str)[:_SHOWN]]
    return told


def drop_old(settings: Settings) -> list[str]:
    """Remove the topics and consumer groups of the epochs before the one that the settings name; return the topics.

    Raises
    ------
    ConfigurationError
        When there is no earlier epoch, when one of them holds a scope that this one lacks, or someone is at work on it.
    """
    admin = AdminClient(kafka_client(settings) | {"log_level": 0})
    there = admin.list_topics(timeout=_SECONDS).topics
    groups = [group.group_id for group in admin.list_consumer_groups(request_timeout=_SECONDS).result().valid]
    newest = recorded(settings).newest()
    old_topics, old_groups = [], []
    for epoch in range(1, settings.kafka.epoch):
        names = settings.kafka.model_copy(update={"epoch": epoch}).topics
        sharded = [names.name(topic) for topic in TOPICS if topic.sharded and names.name(topic) in there]
        if names.name(STATEMENTS) in sharded:
            kafka = settings.kafka.model_copy(
                update={"epoch": epoch, "shards": len(there[names.name(STATEMENTS)].partitions)}
            )
            _check_held(recorded(settings.model_copy(update={"kafka": kafka})).newest(), newest, epoch)
        mine = re.compile(rf"{re.escape(settings.kafka.prefix)}spendstream-[a-z]+-e{epoch}(-.*)?")
        own = [name for name in {*there, *groups} if mine.fullmatch(name)]
        old_topics += sharded + [name for name in own if name in there]
        old_groups += [name for name in own if name in groups]
    if not old_topics:
        raise ConfigurationError(f"there is no epoch before {settings.kafka.epoch}: nothing is dropped")
    _remove_groups(admin, old_groups)
    for future in admin.delete_topics(sorted(old_topics), request_timeout=_SECONDS).values():
        future.result()
    return sorted(old_topics)


def _check_held(old: dict[str, Held], new: dict[str, Held], epoch: int) -> None:
    lacking = [scope for scope, held in old.items() if scope not in new or new[scope][0] < held[0]]
    if lacking:
        raise ConfigurationError(
            f"epoch {epoch} holds {len(lacking)} scopes that this one lacks, as {lacking[0]}: run `spendstream topics "
            "rebuild` with the old settings again, nothing is dropped"
        )


def _remove_groups(admin: AdminClient, groups: list[str]) -> None:
    """Remove consumer groups; none of them when one has members."""
    if not groups:
        return
    for group, found in admin.describe_consumer_groups(groups, request_timeout=_SECONDS).items():
        if found.result().members:
            raise ConfigurationError(
                f"someone is at work on the old epoch ({group}): stop it first; nothing is dropped"
            )
    for future in admin.delete_consumer_groups(groups, request_timeout=_SECONDS).values():
        future.result()
