"""Routing as data: receivers, the tree of routes, silences, inhibition; semantics as Alertmanager's.

An incident has labels to match on: `severity`, `kind`, `level`, `currency`, `scope`, `owner`, the dimensions of its
scope (`account`, `service`, …; of a tag `tag` and `value`), and the labels of its rules, which come first.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, ValidationError
from pydantic import model_validator as model_check

from alerts.limits import Pipeline
from alerts.parts import Length, Part
from alerts.receivers import AnyReceiver, Receiver
from alerts.reports.report import Report
from alerts.rules import Selector
from processors.series import parse
from schemas.events import Incident
from spendstream.settings import ConfigurationError

_MATCHER = re.compile(r"\s*([a-zA-Z_][\w.-]*)\s*(=~|!~|!=|=)\s*\"?(.*?)\"?\s*")


class Matcher(Part):
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


class Route(Part):
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


class Silence(Part):
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


class Inhibition(Part):
    """While an incident of `source` fires, those of `target` with equal labels are not told."""

    source: tuple[Matcher, ...] = Field(min_length=1)
    target: tuple[Matcher, ...] = Field(min_length=1)
    equal: tuple[str, ...] = Field((), description="labels that must be the same in both")


class Owner(Part):
    """Who cares for what; the first that matches."""

    where: Selector = Field(description="without a level: at any level")
    owner: str = Field(min_length=1, max_length=200)


class Routing(Part):
    """A whole routing file."""

    receivers: tuple[AnyReceiver, ...] = Field(min_length=1)
    route: Route
    silences: tuple[Silence, ...] = ()
    inhibit: tuple[Inhibition, ...] = ()
    owners: tuple[Owner, ...] = ()
    pipeline: Pipeline | None = None
    reports: tuple[Report, ...] = ()

    @model_check(mode="after")
    def _reports_can_be_told(self) -> Self:
        channels = {receiver.name: receiver.channel for receiver in self.receivers}
        names = [report.id for report in self.reports]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two reports are called {', '.join(twice)}: give each an id of its own")
        for report in self.reports:
            for name in report.receivers:
                if name not in channels:
                    raise ValueError(f"report {report.id} names {name}, and there is no such receiver")
                if channels[name] == "sms":
                    raise ValueError(f"report {report.id} goes to {name}, an sms, which has no room for it")
        return self

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

    @model_check(mode="after")
    def _stand_ins_are_known(self) -> Self:
        named = {one.name: one for one in self.receivers}
        for one in self.receivers:
            for field, other in (("fallback", one.fallback), ("watch", one.watch)):
                if other is not None and (other not in named or other == one.name):
                    raise ValueError(f"receiver {one.name}: its {field} {other} must be another receiver of this file")
            chain = [one.name]
            while (following := named[chain[-1]].fallback) is not None and following in named:
                if following in chain:
                    raise ValueError(f"receiver {one.name}: its fallbacks lead in a circle: {' → '.join(chain)}")
                chain.append(following)
        if self.pipeline is not None and self.pipeline.tell not in named:
            raise ValueError(f"pipeline.tell names {self.pipeline.tell}, and there is no such receiver")
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
            f"{_place(one['loc'], document)}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors(include_input=False, include_url=False)
        ]
        raise ConfigurationError(f"the routing {path} cannot be used:\n  " + "\n  ".join(faults)) from None


def _place(location: tuple[int | str, ...], document: Any) -> str:  # noqa: ANN401 - plain data, not checked yet
    """Return where a fault is: of a receiver by its name and the field."""
    if len(location) > 1 and location[0] == "receivers" and isinstance(location[1], int):
        one = document["receivers"][location[1]]
        name = one.get("name", f"number {location[1] + 1}") if isinstance(one, dict) else f"number {location[1] + 1}"
        # What comes behind is the channel, which is no field of it.
        return ".".join(map(str, (f"receiver {name}", *location[3:])))
    return ".".join(map(str, location)) or "file"


def _named(route: Route) -> list[str]:
    own = [name for name in (route.receiver, route.escalate_to) if name is not None]
    return own + [name for child in route.routes for name in _named(child)]
