"""`/v1/rules`: what is worth an alert; as the sink has it, a second or two behind Kafka."""

import json
from typing import Any

from alerts.rule_files import schema
from api.formats import dicts
from api.incident_answers import RulesAnswer, RuleSchemaAnswer
from api.parameters import Parameters
from api.route import Answer, Question, Route


async def rules(question: Question[Parameters]) -> Answer:
    """Answer with the rules that are applied, in the order of their ids."""
    columns = ("id", "by", "applied_at", "rule")
    rows = await question.database.rows(
        "SELECT id, by, applied_at, definition FROM rules FINAL WHERE isNotNull(definition) ORDER BY id"
    )
    found: list[dict[str, Any]] = dicts(columns, rows)
    return {"rules": [{**row, "rule": json.loads(row["rule"])} for row in found]}


async def rule_schema(_: Question[Parameters]) -> Answer:
    """Answer with the JSON schema of a file of rules."""
    return {"json_schema": json.loads(schema())}


ROUTE = Route("/v1/rules", "The rules that are applied.", Parameters, RulesAnswer, rules, kept=False)
SCHEMA = Route("/v1/rules/schema", "The JSON schema of rules.", Parameters, RuleSchemaAnswer, rule_schema)
