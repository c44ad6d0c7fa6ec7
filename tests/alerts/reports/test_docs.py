"""What docs/reports.md shows can be used as it stands."""

import re
from pathlib import Path

import yaml

from alerts import routes
from alerts.reports.addressees import named_for
from alerts.reports.report import Report
from alerts.routes import Routing

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "reports.md").read_text()


def test_the_routing_can_be_used():
    examples = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    routings = [Routing.model_validate(yaml.safe_load(example)) for example in examples]
    assert [[report.every for report in routing.reports] for routing in routings] == [
        ["day", "week", "month"],
        ["week"],
    ]
    assert named_for(routings[1], routings[1].reports[0], "search-eu") == ("search",)


def test_every_field_is_explained():
    rows = "".join(re.findall(r"^\|[^|]*\|", TEXT, re.MULTILINE))
    assert [name for name in Report.model_fields if f"`{name}`" not in rows and name != "id"] == []


def test_compose_has_a_report_to_send():
    assert [report.id for report in routes.read(ROOT / "deploy" / "alerting" / "routing.yaml").reports] == ["daily"]
