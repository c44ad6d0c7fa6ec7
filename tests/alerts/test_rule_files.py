"""Files of rules: what can be said, and how a mistake is told."""

from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from alerts.rule_files import packed, parse, read, schema, unpacked
from spendstream.settings import ConfigurationError

GOOD = """
rules:
  - id: rises
    kind: anomaly
    labels: {team: platform}
    runbook: https://example.com/costs
    severities:
      warning: {score: 4, amount: 50, share: 0.3, need: both}
      critical: {amount: 500}
  - {id: fees, kind: fee, severity: critical}
  - {id: big-month, kind: threshold, where: {account: "1234"}, window: mtd, of: forecast, limits: {warning: 1000.50}}
  - {id: jump, kind: change, where: {service: Amazon*}, window: d7, severities: {warning: {share: 0.5}}}
  - {id: team-budget, kind: budget, where: {tag: team, value: search}, amount: 10000, burn: {fast: 4, slow: 2}}
  - {id: silent, kind: freshness, silent_hours: 30, late_days: 3}
  - {id: letters, kind: health, check: dead_letters, subject: ledger, limit: 10, hours: 6}
  - {id: plans, kind: commitment, ends: {plan a: "2027-01-31"}, before_days: {"30": info}}
  - {id: credit, kind: credit, where: {}, amount: 1000, start: "2026-01-01"}
"""
ENDS = ["health", "commitment", "credit"]


def faults(text: str) -> str:
    with pytest.raises(ConfigurationError) as raised:
        parse(text, "rules.yaml")
    return str(raised.value)


def test_every_kind_of_rule_can_be_written():
    rules = parse(GOOD, "rules.yaml")
    assert [rule.kind for rule in rules] == ["anomaly", "fee", "threshold", "change", "budget", "freshness", *ENDS]


def test_a_rule_comes_back_from_an_event_as_it_went():
    rules = parse(GOOD, "rules.yaml")
    assert tuple(unpacked(packed(rule)) for rule in rules) == rules


def test_the_published_schema_is_that_of_the_models_and_takes_a_good_file():
    published = (Path(__file__).parents[2] / "alerts" / "rule_schema.json").read_text()
    assert published == schema()
    Draft202012Validator(yaml.safe_load(published)).validate(yaml.safe_load(GOOD))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("amount: 50,", "amount: fifty,", "rules.yaml:8: rule rises: severities.warning.amount: 'fifty' is not a dec"),
        ("amount: 50,", "amont: 50,", "rules.yaml:8: rule rises: severities.warning.amont: there is no such entry"),
        ("kind: fee", "kind: fees", "rules.yaml:10: rule fees: "),
        ("window: mtd", "window: d7", "rules.yaml:11: rule big-month: a forecast needs window mtd, qtd or ytd"),
        ("id: jump", "id: fees", "rules.yaml:12: rule fees: line 10 has this id already"),
        ("silent_hours: 30, late_days: 3", "", "rules.yaml:14: rule silent: set silent_hours, late_days or both"),
        ("amount: 10000", "amount: 0.0000000000000000001", "rules.yaml:13: rule team-budget: amount: "),
        ("severities: {warning: {share: 0.5}}", "severities: {}", "rules.yaml:12: rule jump: severities: "),
        ("id: silent", "id: Is Silent", "rules.yaml:14: rule Is Silent: id: "),
    ],
)
def test_a_mistake_is_told_with_file_line_and_rule(old, new, message):
    assert message in faults(GOOD.replace(old, new))


def test_all_mistakes_are_told_at_once():
    text = faults(GOOD.replace("amount: 50,", "amont: 50,").replace("kind: fee", "kind: fees"))
    assert text.count("\n") == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "begins with `rules:`"),
        ("rules: 3", "begins with `rules:`"),
        ("rules: [\n  {id: a", "rules.yaml:2: this is no YAML"),
        ("rules: [3]", "rules.yaml:1: rule number 1: "),
        ("rules:\n- {id: f, kind: fee}\nrule: x", "rules.yaml:3: rule: only `rules` can stand here"),
        ("rules: !!python/object:os.system x", "this is no YAML"),
    ],
)
def test_what_is_no_file_of_rules_says_so(text, message):
    assert message in faults(text)


def test_a_file_that_is_not_there_is_told_plainly(tmp_path):
    with pytest.raises(ConfigurationError, match=r"none\.yaml cannot be read: No such file"):
        read(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ("kind: thresold", "there is no kind thresold: write one of anomaly, fee, threshold, change, budget"),
        ("description: x", "it has no kind: write one of anomaly, fee, threshold"),
        ("kind: threshold, where: {}, window: day", "limits: this entry is needed, and missing"),
        ("kind: fee, where: {account: 0123}", "where.account: 83 is a number: write it in quotes"),
        ("kind: fee, where: [account]", "where: entries are wanted below, as {name: value}"),
        ("kind: fee, where: {region: eu*, usage_type: x}", "no total has region and usage_type together"),
        ("kind: fee, where: {account: '1', tag: team}", "no total has account and tag together"),
        ("kind: fee, where: {level: service, account: '1'}", "a series of the level service has no account"),
        ("kind: fee, runbook: wiki", "runbook: write an address, as https://example.com/costs"),
        ("kind: budget, where: {}, amount: 9, period: week", "period: write month, quarter or year, or a start"),
        ("kind: budget, where: {}, amount: 9, actual: {50: info}", "50 would be 5000 %: write shares, 0.8 is 80 %"),
        ("kind: budget, where: {}, amount: 9, burn: {fast: 1.2, slow: 3}", "fast (1.2) must not be below slow (3)"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_write(entries, message):
    text = faults(f"rules:\n- {{id: t, {entries}}}")
    assert message in text
    assert text.count("\n") == 1


def test_an_id_is_told_what_it_is_made_of():
    assert "write small letters, digits, and - _ ." in faults("rules: [{id: Big Day, kind: fee}]")


def test_limits_that_fall_with_severity_are_refused():
    text = "rules:\n- {id: t, kind: threshold, where: {}, window: day, limits: {warning: 9, critical: 5}}"
    assert "must not fall from info over warning to critical" in faults(text)


def test_regions_have_totals_of_days_only():
    text = "rules:\n- {id: t, kind: threshold, where: {region: eu*}, window: d7, limits: {warning: 9}}"
    assert "use window day" in faults(text)
