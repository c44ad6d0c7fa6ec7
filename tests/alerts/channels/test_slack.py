"""What Slack shows; and with a bot one message an incident, which is updated and followed in its thread."""

import json
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from alerts.channels.channel import Outcome
from alerts.channels.slack_blocks import payload
from alerts.channels.slack_bot import SlackBot
from alerts.message import Message
from schemas.events import IncidentChild
from tests.alerts.channels.messages import LINK, incident, message
from tests.alerts.facts import S3
from tests.alerts.web_double import Got, WebDouble


def test_a_message_says_what_how_much_where_and_who():
    made = payload(message(incident(children=[IncidentChild(series=f"{S3}/region=eu-west-1", share=0.9)])))
    assert made["blocks"][0]["text"]["text"] == "Warning: AmazonS3 of account 1234 rose by 5.00 USD a day"
    text = made["blocks"][1]["text"]["text"]
    assert "*Owner:* nobody is named" in text
    assert "*Most of it:* 90 % AmazonS3 in eu-west-1 of account 1234" in text


def test_buttons_lead_to_the_incident_s_page():
    made = payload(message(link=LINK))
    addresses = {button["text"]["text"]: button["url"] for button in made["blocks"][-1]["elements"]}
    assert addresses["Open"] == LINK
    assert addresses["Acknowledge"] == f"{LINK}#acknowledge"


def test_of_many_incidents_the_first_are_told_and_the_rest_counted():
    made = payload(message(*(incident(id=f"i{n}") for n in range(60))))
    assert "and 40 more" in made["blocks"][-1]["text"]["text"]


class Workspace:
    """A workspace of Slack's, as its Web API shows it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.errors: list[str] = []

    def __call__(self, got: Got) -> tuple[int, dict[str, str], bytes]:
        method, content = got.path.removeprefix("/api/"), json.loads(got.body)
        self.calls.append((method, content))
        if self.errors:
            return 200, {}, json.dumps({"ok": False, "error": self.errors.pop(0)}).encode()
        return 200, {}, json.dumps({"ok": True, "channel": "C1", "ts": f"{len(self.calls)}.1"}).encode()

    @property
    def threads(self) -> list[tuple[str, str | None]]:
        """What was called, and in which thread or about which message."""
        return [(method, content.get("thread_ts") or content.get("ts")) for method, content in self.calls]


async def told(workspace: Workspace, *messages: Message) -> list[Outcome]:
    with WebDouble(workspace) as double:
        async with aiohttp.ClientSession() as session:
            bot = SlackBot(session, f"{double.url}/api", "xoxb-1", "C1", 5, apart=timedelta(0))
            return [await bot.send(one) for one in messages]


async def test_an_incident_s_message_is_updated_and_what_changed_is_told_in_its_thread():
    workspace = Workspace()
    [first] = await told(workspace, message())
    handle = first.handle_of("i1")
    [second] = await told(workspace, message(incident(state="resolved"), handle=handle, reason="resolved"))
    assert workspace.threads == [("chat.postMessage", None), ("chat.update", "1.1"), ("chat.postMessage", "1.1")]
    assert "Resolved" in workspace.calls[1][1]["text"]
    assert (second.accepted, second.handle_of("i1")) == (True, handle)


async def test_each_of_a_few_incidents_has_a_message_of_its_own():
    workspace = Workspace()
    [outcome] = await told(workspace, message(incident(), incident(id="i2")))
    assert dict(outcome.handles) == {"i1": "C1:1.1", "i2": "C1:2.1"}


async def test_many_at_once_are_one_message_and_each_is_followed_in_its_thread():
    workspace = Workspace()
    [outcome] = await told(workspace, message(*(incident(id=f"i{n}") for n in range(9))))
    await told(workspace, message(incident(id="i3", state="resolved"), handle=outcome.handle_of("i3")))
    assert workspace.threads == [("chat.postMessage", None), ("chat.postMessage", "1.1")]


async def test_what_was_posted_is_not_posted_again_when_the_rest_is_tried_again():
    workspace = Workspace()
    both = message(incident(), incident(id="i2"))

    class Failing(Workspace):
        def __call__(self, got: Got) -> tuple[int, dict[str, str], bytes]:
            self.errors = ["ratelimited"] if len(self.calls) == 1 else []
            return super().__call__(got)

    workspace = Failing()
    first, second = await told(workspace, both, both)
    assert (first.accepted, first.retry, second.accepted) == (False, True, True)
    assert [content["text"] for _, content in workspace.calls].count(workspace.calls[0][1]["text"]) == 3
    assert dict(second.handles) == {"i1": "C1:1.1", "i2": "C1:3.1"}


async def test_a_message_that_is_gone_is_posted_anew():
    workspace = Workspace()
    workspace.errors = ["message_not_found"]
    [outcome] = await told(workspace, message(handle="C1:0.1"))
    assert workspace.threads == [("chat.update", "0.1"), ("chat.postMessage", None)]
    assert outcome.handle_of("i1") == "C1:2.1"


async def test_what_another_channel_called_its_message_is_not_updated():
    workspace = Workspace()
    await told(workspace, message(handle="<m1@example.com>"))
    assert workspace.threads == [("chat.postMessage", None)]


@pytest.mark.parametrize(
    ("error", "retry", "denied"),
    [
        ("ratelimited", True, False),
        ("internal_error", True, False),
        ("invalid_auth", False, True),
        ("token_revoked", False, True),
        ("channel_not_found", False, False),
        ("not_in_channel", False, False),
        ("<script>", False, False),
    ],
)
async def test_what_slack_s_errors_mean(error, retry, denied):
    workspace = Workspace()
    workspace.errors = [error]
    [outcome] = await told(workspace, message())
    assert (outcome.accepted, outcome.retry, outcome.denied) == (False, retry, denied)
    assert "<" not in outcome.error
