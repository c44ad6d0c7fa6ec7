"""A slow, obvious model of who is told what, and when: nothing is remembered but what happened and what was told.

It reads a routing as the plain document that a file holds, shares no code with `alerts`, and works everything out anew
at every minute that it is asked about. Times are minutes. All channels accept everything.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WORSE = ["info", "warning", "critical"]


@dataclass(frozen=True)
class Happens:
    """From a minute on, an incident is in a state and of a severity."""

    minute: int
    name: str
    state: str
    severity: str


@dataclass(frozen=True)
class Told:
    """A receiver is told of an incident."""

    minute: int
    receiver: str
    name: str
    state: str
    severity: str


class Obvious:
    """The world up to a minute, and what is to be told of it.

    Parameters
    ----------
    document
        The routing, as a file holds it; each of its receivers stands at one place of the tree.
    labels
        Labels of each incident, but for its severity.
    """

    def __init__(self, document: Mapping[str, Any], labels: Mapping[str, Mapping[str, str]]) -> None:
        self.document = document
        self.labels = labels
        self.happened: list[Happens] = []
        self.told: list[Told] = []

    def ask(self, minute: int) -> set[Told]:
        """Return what is told at a minute, and take it as told."""
        told: set[Told] = set()
        while due := self._due(minute):
            self.told += sorted(due, key=str)
            told |= due
        return told

    def _due(self, minute: int) -> set[Told]:
        found = set()
        for receiver in self.document["receivers"]:
            by_group: dict[tuple[str, ...], list[str]] = {}
            for name in self._alive():
                place = self._place(name, receiver["name"])
                if place is not None:
                    group = tuple(self._labels(name).get(label, "") for label in place[0]["group_by"])
                    by_group.setdefault(group, []).append(name)
            for names in by_group.values():
                found |= self._due_of(receiver, names, minute)
        return found

    def _due_of(self, receiver: Mapping[str, Any], names: Sequence[str], minute: int) -> set[Told]:
        """Return what a receiver is told of a group."""
        due = {
            name
            for name in names
            if self._news(receiver["name"], name, minute) and not self._hush(receiver, name, minute)
        }
        waiting = {name for name in names if (self._place(name, receiver["name"]) or ({}, ""))[1] == "receiver"}
        last = [one for one in (self._last(receiver["name"], name) for name in waiting) if one is not None]
        if due & waiting:
            route = next(self._place(name, receiver["name"]) for name in due & waiting)[0]  # type: ignore[index]
            if any(one.state != "resolved" for one in last) or (
                last and minute < max(one.minute for one in last) + route["group_interval"]
            ):
                free = max(one.minute for one in last) + route["group_interval"]
            else:
                free = min(self._opened(name) for name in due & waiting) + route["group_wait"]
            if minute < free:
                due -= waiting
        return {Told(minute, receiver["name"], name, self._now(name).state, self._now(name).severity) for name in due}

    def _news(self, receiver: str, name: str, minute: int) -> bool:
        """Tell whether there is anything to say about an incident."""
        place = self._place(name, receiver)
        now, last = self._now(name), self._last(receiver, name)
        if now.state == "resolved":
            return last is not None and last.state != "resolved"
        if now.state != "firing" or place is None or place[1] == "knows":
            return False
        if last is None:
            after = place[0]["escalate_after"]
            return place[1] == "receiver" or minute >= self._opened(name) + after
        grown = WORSE.index(now.severity) > WORSE.index(last.severity)
        return last.state == "resolved" or grown or minute >= last.minute + place[0]["repeat_interval"]

    def _hush(self, receiver: Mapping[str, Any], name: str, minute: int) -> bool:
        quiet = receiver.get("quiet")
        asleep = quiet is not None and quiet["from"] <= minute % 1440 < quiet["until"]
        if asleep and self._now(name).severity != "critical":
            return True
        if self._now(name).state == "resolved":
            return False
        silenced = any(minute < one["ends"] and self._match(one["match"], name) for one in self.document["silences"])
        return silenced or any(
            self._inhibits(one, other, name) for one in self.document["inhibit"] for other in self._alive()
        )

    def _inhibits(self, one: Mapping[str, Any], other: str, name: str) -> bool:
        if other == name or self._now(other).state not in {"firing", "acknowledged"}:
            return False
        both = self._match(one["source"], name) and self._match(one["target"], other)
        same = all(self._labels(other).get(label, "") == self._labels(name).get(label, "") for label in one["equal"])
        return self._match(one["source"], other) and self._match(one["target"], name) and same and not both

    # Where an incident goes

    def _place(self, name: str, receiver: str) -> tuple[dict[str, Any], str] | None:
        """Return the route that leads to a receiver, and as what it is told: receiver, escalation, or knows of it."""
        routes = self._routes(self.document["route"], {}, name)
        for route in routes:
            for role in ("receiver", "escalate_to"):
                if route.get(role) == receiver:
                    return route, role
        return (routes[0], "knows") if self._last(receiver, name) is not None else None

    def _routes(self, route: Mapping[str, Any], above: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
        mine = {**above, **{key: value for key, value in route.items() if key not in {"routes", "match", "continue"}}}
        found = []
        for child in route.get("routes", []):
            if self._match(child["match"], name):
                found += self._routes(child, mine, name)
                if not child["continue"]:
                    break
        return found or [mine]

    def _match(self, matchers: Sequence[str], name: str) -> bool:
        """Tell whether all hold; they are written as `label=value` or `label=~one|other`."""
        for matcher in matchers:
            label, values = re.split("=~?", matcher)
            if self._labels(name).get(label, "") not in values.split("|"):
                return False
        return True

    # What is known

    def _labels(self, name: str) -> dict[str, str]:
        return {**self.labels[name], "severity": self._now(name).severity}

    def _now(self, name: str) -> Happens:
        return [one for one in self.happened if one.name == name][-1]

    def _opened(self, name: str) -> int:
        """Return since when an incident has not been resolved."""
        opened, over = 0, True
        for one in self.happened:
            if one.name == name:
                opened = one.minute if over else opened
                over = one.state == "resolved"
        return opened

    def _last(self, receiver: str, name: str) -> Told | None:
        told = [one for one in self.told if (one.receiver, one.name) == (receiver, name)]
        return told[-1] if told else None

    def _alive(self) -> list[str]:
        """Return the incidents that are not over, or whose end somebody who knows of it was not told."""
        found = []
        for name in dict.fromkeys(one.name for one in self.happened):
            last = {one.receiver: one.state for one in self.told if one.name == name}
            if self._now(name).state != "resolved" or any(state != "resolved" for state in last.values()):
                found.append(name)
        return found
