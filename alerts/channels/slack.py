"""Slack by an incoming webhook: blocks, one section an incident.

Limits by Slack's reference: 50 blocks a message, 3,000 characters a section, 150 a header; one message a second.
"""

import json
from datetime import timedelta
from typing import Any

import aiohttp

from alerts.channels.channel import Outcome, post
from alerts.message import Message, View, view

_INCIDENTS = 20
_SECTION = 3_000
_HEADER = 150
_CHILDREN = 5


class Slack:
    """Posts to one incoming webhook, whose address is a secret.

    Parameters
    ----------
    session
        What connections are made from, with the time-out.
    url
        Address of the webhook.
    """

    pause = timedelta(seconds=1)

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def send(self, message: Message) -> Outcome:
        """Post a message."""
        return await post(self._session, self._url, json.dumps(payload(message)).encode(), {})


def payload(message: Message) -> dict[str, Any]:
    """Return a message as Slack wants it."""
    views = [view(told) for told in message.told]
    head = views[0].title if len(views) == 1 else f"{len(views)} incidents: {views[0].title} …"
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _cut(head, _HEADER), "emoji": False}}
    ]
    blocks += [_section(one, titled=len(views) > 1) for one in views[:_INCIDENTS]]
    if len(views) > _INCIDENTS:
        blocks.append(_text(f"and {len(views) - _INCIDENTS} more: `spendstream incidents list`"))
    return {"text": escaped(head), "blocks": blocks}


def escaped(text: str) -> str:
    """Return text in which nothing is markup of Slack's: no mention, no link, no bold.

    Examples
    --------
    >>> escaped("<!channel> *a* & b")
    '&lt;!channel&gt; \u2217a\u2217 &amp; b'
    """
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # Slack has no escape for these; signs that look alike stand in for them.
    return safe.translate({ord("*"): "\u2217", ord("_"): "\uff3f", ord("~"): "\u223c", ord("`"): "\u02cb"})


def _section(one: View, *, titled: bool) -> dict[str, Any]:
    lines = [f"*{escaped(one.title)}*"] if titled else []
    lines.append(escaped(one.says))
    lines += [f"*{name}:* {escaped(value)}" for name, value in one.facts]
    if one.children:
        lines.append("*Most of it:* " + ", ".join(escaped(child) for child in one.children[:_CHILDREN]))
    if one.runbook is not None:
        lines.append(f"*Runbook:* {escaped(one.runbook)}")
    return _text("\n".join(lines))


def _text(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": _cut(text, _SECTION)}}


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
