"""The places of an incident: the groups it stands in, and who is told of each. A pure function."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta

from alerts.own_incidents import is_own
from alerts.routes import Routing, labels_of
from alerts.routing import Way, ways_of
from schemas.events import Incident

#: A group of a way, and one who is told of it.
Place = tuple[Way, str, str]

_AT_ONCE = timedelta(0)


def places_of(routing: Routing, incident: Incident, knows: Collection[str], instead: Mapping[str, str]) -> list[Place]:
    """Return the places of an incident.

    Parameters
    ----------
    knows
        Receivers that were told of it: they hear of its end, wherever the tree leads by now.
    instead
        Receivers that are told instead of one that could not be, as fallback → that one.
    """
    labels = labels_of(incident)
    ways = _own_ways(routing, incident, labels) if is_own(incident) else ways_of(routing, incident)
    places: list[Place] = [
        (way, way.group_of(labels), receiver)
        for way in ways
        for receiver in dict.fromkeys((way.receiver, way.escalate_to))
        if receiver is not None
    ]
    names = {receiver.name for receiver in routing.receivers}
    for name in sorted((set(instead) | set(knows)) & names - {place[2] for place in places}):
        for way in ways[:1]:
            alone = replace(way, group_wait=_AT_ONCE, group_interval=_AT_ONCE, escalate_after=None, escalate_to=None)
            # Whoever stands in is told as the way's own receiver; whoever only knows is told of the end.
            told_as = replace(alone, receiver=name) if name in instead else alone
            places.append((told_as, way.group_of(labels), name))
    return places


def _own_ways(routing: Routing, incident: Incident, labels: Mapping[str, str]) -> list[Way]:
    """Return the way of an incident of delivery's own: never to the receiver that it is about."""
    top = ways_of(routing, incident)[0]
    silent = labels.get("receiver")
    if silent is None:
        told = None if routing.pipeline is None else routing.pipeline.tell
    else:
        limits = next((one for one in routing.receivers if one.name == silent), None)
        named = None if limits is None else limits.watch or limits.fallback
        told = named or routing.route.receiver
    if told is None or told == silent:
        return []
    return [
        replace(top, receiver=told, group_wait=_AT_ONCE, group_by=("scope",), escalate_after=None, escalate_to=None)
    ]
