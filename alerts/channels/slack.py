"""Slack by an incoming webhook. What was posted cannot be changed; `slack_bot` can."""

import json
from collections.abc import Mapping

from alerts.channels.addresses import address
from alerts.channels.channel import Tools
from alerts.channels.incoming import IncomingWebhook
from alerts.channels.slack_blocks import note_payload, payload
from alerts.receivers import SlackReceiver


def make(receiver: SlackReceiver, secrets: Mapping[str, str], tools: Tools) -> IncomingWebhook:
    """Return the channel of a receiver."""
    return IncomingWebhook(
        tools.session,
        address(receiver, secrets),
        lambda message: json.dumps(payload(message)).encode(),
        lambda note: json.dumps(note_payload(note)).encode(),
    )
