"""How messages look in Slack: blocks, a section an incident, buttons that lead to the incident's page.

Limits by Slack's reference: 50 blocks a message, 3,000 characters a section, 150 a header, 3,000 a button's address.
"""

from typing import Any

from alerts.message import Message, View, headline, view
from alerts.note import Note

_INCIDENTS = 20
_SECTION = 3_000
_HEADER = 150
_ADDRESS = 3_000
_CHILDREN = 5

Block = dict[str, Any]


def payload(message: Message) -> Block:
    """Return a message as Slack wants it: blocks, and a text for notifications."""
    views = [view(told) for told in message.told]
    head = headline(message)
    blocks = [_header(head)]
    if len(views) == 1:
        blocks += [_section(views[0], titled=False), *_buttons(views[0])]
    else:
        blocks += [_opened(_section(one, titled=True), one) for one in views[:_INCIDENTS]]
    if len(views) > _INCIDENTS:
        blocks.append(_text(f"and {len(views) - _INCIDENTS} more: `spendstream incidents list`"))
    return {"text": escaped(head), "blocks": blocks}


def note_payload(note: Note) -> Block:
    """Return a note as Slack wants it: its text as it stands, in signs of one width."""
    text = note.shortened(_SECTION) or note.title
    lines = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": text}]}
    return {"text": escaped(note.title), "blocks": [_header(note.title), {"type": "rich_text", "elements": [lines]}]}


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


def _header(text: str) -> Block:
    return {"type": "header", "text": {"type": "plain_text", "text": _cut(text, _HEADER), "emoji": False}}


def _section(one: View, *, titled: bool) -> Block:
    lines = [f"*{escaped(one.title)}*"] if titled else []
    lines.append(escaped(one.says))
    lines += [f"*{name}:* {escaped(value)}" for name, value in one.facts]
    if one.children:
        lines.append("*Most of it:* " + ", ".join(escaped(child) for child in one.children[:_CHILDREN]))
    if one.runbook is not None:
        lines.append(f"*Runbook:* {escaped(one.runbook)}")
    return _text("\n".join(lines))


def _buttons(one: View) -> list[Block]:
    buttons = [_button(name, address) for name, address in one.actions if len(address) <= _ADDRESS]
    return [{"type": "actions", "elements": buttons}] if buttons else []


def _opened(section: Block, one: View) -> Block:
    if one.link is None or len(one.link) > _ADDRESS:
        return section
    return {**section, "accessory": _button("Open", one.link)}


def _button(name: str, address: str) -> Block:
    return {
        "type": "button",
        "text": {"type": "plain_text", "text": name},
        "url": address,
        "action_id": f"open-{name.lower()}",
    }


def _text(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": _cut(text, _SECTION)}}


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
