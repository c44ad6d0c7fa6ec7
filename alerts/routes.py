"""Routing as data: receivers, the tree of routes, silences, inhibition; semantics as Alertmanager's.

An incident has labels to match on: `severity`, `kind`, `level`, `currency`, `scope`, `owner`, the dimensions of its
scope (`account`, `service`, …; of a tag `tag` and `value`), and the labels of its rules, which come first.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic import model_validator as model_check

from alerts.rules import Selector
from processors.series import parse
from schemas.events import AlertSeverity, Incident
from spendstream.settings import ConfigurationError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_MATCHER = re.compile(r"\s*([a-zA-Z_][\w.-]*)\s*(=~|!~|!=|=)\s*\"?(.*?)\"?\s*")


def _duration(value: object) -> object:
    if not isinstance(value, str):
        return value
    parts = re.findall(r"(\d+)([smhdw])", value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError(f"{value!r} is no length of time: write as 30s, 5m, 4h or 1d")
    return timedelta(seconds=sum(int(number) * _UNITS[unit] for number, unit in parts))


Length = Annotated[timedelta, BeforeValidator(_duration), Field(ge=timedelta(0))]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Matcher(_Part):
    """One condition on a label: `team=search`, `severity!=info`, `service=~Amazon.*`, `account!~1.*`."""

    label: str
    sign: Literal["=", "!=", "=~", "!~"]
    value: str

    @model_check(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        found = _MATCHER.fullmatch(value)
        if found is None:
            raise ValueError(f"{value!r} is no matcher: write as team=search, severity!=info or service=~Amazon.*")
        return dict(zip(("label", "sign", "value"), found.groups(), strict=True))

    @model_check(mode="after")
    def _pattern_is_one(self) -> Self:
        if self.sign in {"=~", "!~"}:
            try:
                re.compile(self.value)
            except re.error as error:
                raise ValueError(f"{self.value!r} is no regular expression: {error}") from None
        return self

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Tell whether it holds; a label that is missing is as one that is empty."""
        value = labels.get(self.label, "")
        if self.sign in {"=", "!="}:
            return (value == self.value) == (self.sign == "=")
        return (re.fullmatch(self.value, value) is not None) == (self.sign == "=~")


def all_hold(matchers: Sequence[Matcher], labels: Mapping[str, str]) -> bool:
    """Tell whether every matcher holds."""
    return all(matcher.holds(labels) for matcher in matchers)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone: write as Europe/Berlin") from None
    return name


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Quiet(_Part):
    """Hours in which a receiver is left alone, but for what is worse than it puts up with."""

    zone: Annotated[str, AfterValidator(_zone)] = Field(description="time zone, as Europe/Berlin")
    start: time = Field(description="local time at which the quiet begins, as 20:00")
    end: time = Field(description="local time at which it ends; before the start: on the next day")
    days: tuple[Day, ...] = Field(_DAYS, min_length=1, description="days on which it begins")
    passes: tuple[AlertSeverity, ...] = Field(("critical",), description="severities that are told all the same")

    def holds(self, now: datetime) -> bool:
        """Tell whether `now` is quiet.

        Examples
        --------
        >>> from datetime import UTC
        >>> night = Quiet(zone="Europe/Berlin", start=time(20), end=time(7))
        >>> night.holds(datetime(2026, 1, 5, 19, 0, tzinfo=UTC)), night.holds(datetime(2026, 1, 5, 18, 59, tzinfo=UTC))
        (True, False)
        """
        local = now.astimezone(ZoneInfo(self.zone))
        today, yesterday = _DAYS[local.weekday()], _DAYS[local.weekday() - 1]
        if self.start <= self.end:
            return today in self.days and self.start <= local.time() < self.end
        return (today in self.days and local.time() >= self.start) or (
            yesterday in self.days and local.time() < self.end
        )


class Receiver(_Part):
    """Somebody, or something, that messages go to."""

    name: str = Field(pattern=r"^[a-zA-Z0-9][\w.-]{0,62}$", description="letters, digits, and - _ .")
    channel: Literal["webhook", "slack", "sns"] = Field(description="how it is reached")
    url: SecretStr | None = Field(
        None, description="webhook, slack: address, or env:NAME for the environment variable that holds it"
    )
    topic: str | None = Field(
        None, pattern=r"^arn:[\w-]+:sns:[\w-]+:\d{12}:[\w-]+$", description="sns: ARN of the topic"
    )
    secret: SecretStr | None = Field(None, description="webhook: key of its signatures, or env:NAME")
    send_resolved: bool = Field(True, description="also tell that an incident is over")
    quiet: Quiet | None = Field(None, description="hours in which it is left alone")

    @model_check(mode="after")
    def _can_be_reached(self) -> Self:
        if self.channel == "sns":
            if self.topic is None or self.url is not None or self.secret is not None:
                raise ValueError("a receiver of channel sns needs topic, and neither url nor secret")
        elif self.url is None or self.topic is not None:
            raise ValueError(f"a receiver of channel {self.channel} needs url, and no topic")
        return self


class Route(_Part):
    """A node of the tree. Of its children the first that matches takes an incident, unless it says `continue`."""

    match: tuple[Matcher, ...] = Field((), description="all must hold")
    receiver: str | None = Field(None, description="by default that of the node above")
    group_by: tuple[str, ...] | None = Field(None, description="labels; one group each; by default that of above")
    group_wait: Length | None = Field(None, description="so long a new group waits for more, by default 30s")
    group_interval: Length | None = Field(None, description="so long between two messages of a group, by default 5m")
    repeat_interval: Length | None = Field(None, description="after so long the same is told again, by default 4h")
    escalate_after: Length | None = Field(None, description="when nobody acknowledges for so long …")
    escalate_to: str | None = Field(None, description="… this receiver is told too")
    go_on: bool = Field(False, alias="continue", description="routes behind this one are tried as well")
    routes: tuple["Route", ...] = ()

    @model_check(mode="after")
    def _escalates_whole(self) -> Self:
        if (self.escalate_after is None) != (self.escalate_to is None):
            raise ValueError("escalate_after and escalate_to belong together: set both or none")
        return self


class Silence(_Part):
    """What is not told for a time."""

    match: tuple[Matcher, ...] = Field(min_length=1, description="all must hold")
    ends: datetime = Field(description="with its time zone, as 2026-03-10T08:00Z")
    comment: str = Field(min_length=1, description="why")
    by: str = Field("", description="who")

    @model_check(mode="after")
    def _end_is_exact(self) -> Self:
        if self.ends.tzinfo is None:
            raise ValueError("ends needs its time zone, as 2026-03-10T08:00Z")
        return self


class Inhibition(_Part):
    """While an incident of `source` fires, those of `target` with equal labels are not told."""

    source: tuple[Matcher, ...] = Field(min_length=1)
    target: tuple[Matcher, ...] = Field(min_length=1)
    equal: tuple[str, ...] = Field((), description="labels that must be the same in both")


class Owner(_Part):
    """Who cares for what; the first that matches."""

    where: Selector = Field(description="without a level: at any level")
    owner: str = Field(min_length=1, max_length=200)


class Routing(_Part):
    """A whole routing file."""

    receivers: tuple[Receiver, ...] = Field(min_length=1)
    route: Route
    silences: tuple[Silence, ...] = ()
    inhibit: tuple[Inhibition, ...] = ()
    owners: tuple[Owner, ...] = ()

    @model_check(mode="after")
    def _names_are_known(self) -> Self:
        names = [receiver.name for receiver in self.receivers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two receivers are called {', '.join(twice)}: give each a name of its own")
        if self.route.receiver is None:
            raise ValueError("route.receiver is missing: it takes what no other route does")
        if self.route.match:
            raise ValueError("the first route takes everything: move its match to a route below it")
        unknown = sorted(set(_named(self.route)) - set(names))
        if unknown:
            raise ValueError(f"routes name {', '.join(unknown)}, and there is no such receiver; there are {names}")
        return self

    def receiver(self, name: str) -> Receiver:
        """Return a receiver by its name; KeyError when there is none."""
        return {receiver.name: receiver for receiver in self.receivers}[name]

    def owner_of(self, scope: str, labels: Mapping[str, str]) -> str | None:
        """Return who owns a scope: the rule's label `owner`, else the mapping, else None. A source has no mapping."""
        if "owner" in labels:
            return labels["owner"]
        try:
            series = parse(scope)
        except ValueError:
            return None
        return next((one.owner for one in self.owners if one.where.takes(series, any_level=True)), None)


@lru_cache(maxsize=10_000)
def _dimensions(scope: str) -> tuple[tuple[str, str], ...]:
    try:
        series = parse(scope)
    except ValueError:
        return ()
    names = ("provider", "account", "service", "region", "usage_type", "tag", "value")
    return tuple((name, value) for name in names if (value := getattr(series, name)) is not None)


def labels_of(incident: Incident) -> dict[str, str]:
    """Return the labels of an incident that matchers see."""
    return {
        **(dict(_dimensions(incident.scope)) if incident.currency is not None else {}),
        "severity": incident.severity,
        "kind": incident.kind,
        "level": incident.level,
        "scope": incident.scope,
        "currency": incident.currency or "",
        "owner": incident.owner or "",
        **incident.labels,
    }


def read(path: Path) -> Routing:
    """Return the routing of a YAML file.

    Raises
    ------
    ConfigurationError
        When it cannot be read or used; the text names each fault, and no secret.
    """
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigurationError(f"the routing {path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the routing {path} is no YAML: {error}") from None
    try:
        return Routing.model_validate(document)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, one['loc'])) or 'file'}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors(include_input=False, include_url=False)
        ]
        raise ConfigurationError(f"the routing {path} cannot be used:\n  " + "\n  ".join(faults)) from None


def _named(route: Route) -> list[str]:
    own = [name for name in (route.receiver, route.escalate_to) if name is not None]
    return own + [name for child in route.routes for name in _named(child)]
