"""What docs/alerts.md shows can be used as it stands."""

import re
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from alerts import routes, rule_files
from alerts.channels.making import CHANNELS
from alerts.incident_states import STATES
from alerts.routes import Routing
from alerts.rule_files import parse, schema

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "alerts.md").read_text()
EXAMPLES = [dedent(block) for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]


@pytest.mark.parametrize("text", [text for text in EXAMPLES if text.startswith("rules:")])
def test_the_rules_can_be_applied(text):
    assert parse(text, "docs/alerts.md")


@pytest.mark.parametrize("text", [text for text in EXAMPLES if text.startswith("receivers:")])
def test_the_routing_can_be_used(text):
    assert Routing.model_validate(yaml.safe_load(text)).receivers


def test_the_files_of_the_compose_services_can_be_used():
    assert {rule.kind for rule in rule_files.read(ROOT / "deploy" / "alerting" / "rules.yaml")} >= {"anomaly", "fee"}
    assert routes.read(ROOT / "deploy" / "alerting" / "routing.yaml").receivers[0].channel == "slack"


def test_every_kind_of_rule_and_every_state_is_explained():
    kinds = re.findall(r'"const": "(\w+)"', schema())
    assert [name for name in (*kinds, *STATES) if f"| `{name}` |" not in TEXT and f"| {name} |" not in TEXT] == []


def test_there_is_a_receiver_of_every_channel_and_a_row_about_it():
    shown = {one["channel"] for text in EXAMPLES for one in (yaml.safe_load(text) or {}).get("receivers", [])}
    assert shown == set(CHANNELS)
    assert [name for name in CHANNELS if f"| `{name}` |" not in TEXT] == []
