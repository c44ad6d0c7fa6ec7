"""Applying and removing rules; delivered to Kafka before it is answered."""

from functools import partial
from typing import Any

from pydantic import Field

from alerts import applied
from alerts.rule_files import of_plain
from alerts.rules import Rule
from api.incident_answers import AppliedAnswer, RulesBody
from api.parameters import Parameters
from api.problems import Problem, bad_parameters
from api.publishing import in_kafka
from api.writing import Nothing, Wish, Writing
from spendstream.clock import ManualClock
from spendstream.settings import ConfigurationError


class ApplyQuery(Parameters):
    """Parameters of applying rules."""

    check_only: bool = Field(False, description="only check them, and say what would change")
    remove_others: bool = Field(False, description="remove applied rules that are not among these")


async def put(wish: Wish[ApplyQuery, RulesBody]) -> dict[str, Any]:
    """Check rules, and apply what differs."""
    query, settings = wish.question.parameters, wish.question.settings
    rules = _checked(wish.body)
    if query.check_only:
        ask = partial(applied.difference, settings, rules, remove_others=query.remove_others)
    else:
        clock = ManualClock(wish.question.now)
        ask = partial(applied.apply, settings, clock, rules, wish.writer, remove_others=query.remove_others)
    return _told(await in_kafka(settings, ask), done=not query.check_only)


def _checked(body: RulesBody) -> tuple[Rule, ...]:
    try:
        return of_plain(body.rules)
    except ConfigurationError as error:
        raise bad_parameters(str(error)) from None


async def delete(wish: Wish[Parameters, Nothing]) -> dict[str, Any]:
    """Remove a rule; what it fired is resolved."""
    name, settings = wish.question.path["id"], wish.question.settings
    clock = ManualClock(wish.question.now)
    found = await in_kafka(settings, partial(applied.remove, settings, clock, name, wish.writer))
    if found.empty:
        raise Problem(404, "no such rule", f"{name!r} is not applied; /v1/rules lists those that are")
    return _told(found, done=True)


def _told(found: applied.Difference, *, done: bool) -> dict[str, Any]:
    lists = {"added": list(found.added), "changed": list(found.changed), "removed": list(found.removed)}
    return {"applied": done, **lists}


PUT = Writing("PUT", "/v1/rules", "Apply rules; others stay.", ApplyQuery, RulesBody, AppliedAnswer, put)
DELETE = Writing(
    "DELETE",
    "/v1/rules/{id}",
    "Remove a rule.",
    Parameters,
    Nothing,
    AppliedAnswer,
    delete,
    values={"id": "`id` of `/v1/rules`"},
)
