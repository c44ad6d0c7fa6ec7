"""Microsoft Teams by the webhook of a workflow ("When a Teams webhook request is received"): an Adaptive Card.

Limits by Microsoft's reference: 28 KB a message, four requests a second. Texts are runs of rich text, in which nothing
is markup.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from alerts.channels.addresses import address
from alerts.channels.channel import Tools
from alerts.channels.incoming import IncomingWebhook
from alerts.message import Message, View, headline, view
from alerts.note import Note
from alerts.receivers import TeamsReceiver

_BYTES = 27_000
_NOTE = 20_000
_INCIDENTS = 20
_CHILDREN = 5
_BUTTONS = 6

Element = dict[str, Any]


def make(receiver: TeamsReceiver, secrets: Mapping[str, str], tools: Tools) -> IncomingWebhook:
    """Return the channel of a receiver."""
    return IncomingWebhook(tools.session, address(receiver, secrets), payload, note_payload)


def note_payload(note: Note) -> bytes:
    """Return a note as Teams wants it, with as much of its text as there is room for."""
    longest = _NOTE
    while len(body := _body([_title(note.title), _lines(note.shortened(longest))], [])) > _BYTES:
        longest //= 2
    return body


def payload(message: Message) -> bytes:
    """Return a message as Teams wants it: with as many incidents as there is room for, and how many more there are."""
    views = [view(told) for told in message.told]
    children = _CHILDREN
    shown = min(len(views), _INCIDENTS)
    while True:
        elements = [_title(headline(message))]
        for one in views[:shown]:
            elements += _incident(one, children, titled=len(views) > 1)
        if shown < len(views):
            elements.append(_run(f"and {len(views) - shown} more: spendstream incidents list"))
        body = _body(elements, _buttons(views))
        if len(body) <= _BYTES or (shown <= 1 and children == 0):
            return body
        if children:
            children = 0
        else:
            shown //= 2


def _incident(one: View, children: int, *, titled: bool) -> list[Element]:
    elements = [_run(one.title, bold=True, separated=True)] if titled else []
    elements.append(_run(one.says))
    facts = list(one.facts)
    if one.children and children:
        facts.append(("Most of it", ", ".join(one.children[:children])))
    if one.runbook is not None:
        facts.append(("Runbook", one.runbook))
    return elements + [_fact(name, value) for name, value in facts]


def _buttons(views: Sequence[View]) -> list[Element]:
    """Return buttons that lead to the pages of incidents: all that one may do about one, or the first of several."""
    actions = views[0].actions
    if len(views) > 1:
        actions = tuple((f"Open {n}", one.link) for n, one in enumerate(views[:_BUTTONS], 1) if one.link is not None)
    return [{"type": "Action.OpenUrl", "title": name, "url": address} for name, address in actions]


def _title(text: str) -> Element:
    run = {"type": "TextRun", "text": text, "weight": "Bolder", "size": "Medium"}
    return {"type": "RichTextBlock", "inlines": [run]}


def _run(text: str, *, bold: bool = False, separated: bool = False) -> Element:
    run = {"type": "TextRun", "text": text, "weight": "Bolder" if bold else "Default"}
    return {"type": "RichTextBlock", "inlines": [run], "separator": separated}


def _fact(name: str, value: str) -> Element:
    runs = [{"type": "TextRun", "text": f"{name}: ", "weight": "Bolder"}, {"type": "TextRun", "text": value}]
    return {"type": "RichTextBlock", "inlines": runs, "spacing": "Small"}


def _lines(text: str) -> Element:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, "fontType": "Monospace"}]}


def _body(elements: list[Element], actions: list[Element]) -> bytes:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": elements,
        "actions": actions,
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return json.dumps({"type": "message", "attachments": [attachment]}, ensure_ascii=False).encode()
