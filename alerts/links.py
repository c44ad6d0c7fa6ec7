"""Signed links to an incident's page: who was sent it, for which incident, until when.

A link is a key to one incident: whoever has it may see the incident and say what becomes of it, in the name of the
receiver that it was sent to. It can be read by anybody and changed by nobody. Links that the first key signed are made;
links that any key signed are taken, so that a key can be replaced without breaking what was sent.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from urllib.parse import quote, urlencode

from itsdangerous import BadData, URLSafeSerializer

from alerts.message import Message
from spendstream.settings import Alerting

#: What is signed for this purpose is of no use for another one.
_PURPOSE = "spendstream incident"


class LinkError(ValueError):
    """A link that is of no use; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What a link says: the incident, whom it was sent to, and when it ends."""

    incident: str
    receiver: str
    until: datetime


def link(alerts: Alerting, incident: str, receiver: str, now: datetime) -> str | None:
    """Return the address of an incident's page for a receiver; None where no address or no key is set."""
    signed = token(alerts, incident, receiver, now)
    if alerts.public_url is None or signed is None:
        return None
    return f"{alerts.public_url}/incidents/{quote(incident, safe='')}?{urlencode({'t': signed})}"


def linked(alerts: Alerting, message: Message, now: datetime) -> Message:
    """Return a message in which each incident has the link of its receiver."""
    told = tuple(replace(one, link=link(alerts, one.incident.id, message.receiver, now)) for one in message.told)
    return replace(message, told=told)


def token(alerts: Alerting, incident: str, receiver: str, now: datetime) -> str | None:
    """Return what a link carries; None where no key is set."""
    if alerts.link_key is None:
        return None
    until = int((now + timedelta(days=alerts.link_days)).timestamp())
    # The newest key signs, and it is the last one of those that itsdangerous is given.
    signed = _serializer([alerts.link_key.get_secret_value()]).dumps([incident, receiver, until])
    return signed if isinstance(signed, str) else signed.decode()


def read(alerts: Alerting, signed: str, incident: str, now: datetime) -> Sent:
    """Return what a link says that was opened for an incident.

    Raises
    ------
    LinkError
        When no key of ours signed it, it is of another incident, or it has ended.
    """
    keys = [key.get_secret_value() for key in (*alerts.old_link_keys, *filter(None, [alerts.link_key]))]
    if not keys:
        raise LinkError("This deployment signs no links. Ask whoever runs it to set a key.")
    try:
        name, receiver, until = _serializer(keys).loads(signed)
        sent = Sent(str(name), str(receiver), datetime.fromtimestamp(until, UTC))
    except (BadData, ValueError, TypeError, OverflowError, OSError):
        raise LinkError(
            "This link is not one of ours, or was cut on its way. Open it from the message again."
        ) from None
    if sent.incident != incident:
        raise LinkError("This link is for another incident. Open the one from the message about this incident.")
    if sent.until <= now:
        raise LinkError(
            f"This link ended on {sent.until:%Y-%m-%d at %H:%M} UTC. Open the one of a newer message about the "
            "incident, or sign in."
        )
    return sent


def _serializer(keys: Iterable[str]) -> URLSafeSerializer:
    return URLSafeSerializer(
        list(keys), salt=_PURPOSE, signer_kwargs={"digest_method": sha256, "key_derivation": "hmac"}
    )
