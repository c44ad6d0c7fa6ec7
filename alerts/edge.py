"""Edges: what a rule said before and finds now → what it says. Crossing a bar says something, staying does not.

A rule's memory of one subject is plain data: by track, how bad it was last and how often something was said. The same
finding twice gives nothing the second time.
"""

from datetime import date, datetime
from typing import Any, Literal

from alerts.findings import Finding
from alerts.rules import Rule
from alerts.wording import name_of
from processors.step import Json
from schemas.events import Alert, AlertChange
from spendstream.clock import day_of, from_millis, to_millis


def judge(
    rule: Rule, subject: str, currency: str | None, found: list[Finding], state: Json, run: str
) -> tuple[Json, list[Alert]]:
    """Return the rule's new memory of `subject`, and what it says.

    Parameters
    ----------
    found
        What the rule finds now, one for each track. What fires of an earlier period is ended by it.
    state
        The memory, None at first; it is not changed.
    """
    memory: dict[str, Any] = dict(state or {})  # type: ignore[arg-type]
    said: list[Alert] = []
    for finding in found:
        held = memory.get(finding.track)
        if held is None or held["period"] != _text(finding.period):
            if held is not None and held["rank"]:
                said.append(_resolved(rule, subject, currency, held, "ended", finding.observed_at, run))
            held = memory[finding.track] = _new(rule, subject, finding)
        change = _change(held, finding)
        if change is None:
            if held["rank"]:
                memory[finding.track] = {**held, "day": finding.day}
            continue
        memory[finding.track], alert = _say(rule, subject, currency, held, finding, change, run)
        said.append(alert)
    return memory, said


def withdraw(rule: Rule, subject: str, currency: str | None, state: Json, at: datetime, run: str) -> list[Alert]:
    """Return what is said when a rule goes while it fires: nothing of it stays open."""
    memory: dict[str, Any] = state or {}  # type: ignore[assignment]
    return [_resolved(rule, subject, currency, held, "rule", at, run) for held in memory.values() if held["rank"] > 0]


def fires(state: Json) -> bool:
    """Tell whether a rule's memory of a subject holds anything that fires."""
    memory: dict[str, Any] = state or {}  # type: ignore[assignment]
    return any(held["rank"] > 0 for held in memory.values())


def _new(rule: Rule, subject: str, finding: Finding) -> dict[str, Any]:
    """Return the memory of an occasion that begins."""
    told_apart = [rule.id, subject, finding.track, "" if finding.period is None else str(finding.period)]
    return {"said": 0, "rank": 0, "id": "|".join(filter(None, told_apart)), "period": _text(finding.period)}


def _text(period: date | None) -> str | None:
    return None if period is None else str(period)


def _change(held: dict[str, Any], finding: Finding) -> AlertChange | None:
    was = held["rank"]
    if finding.ended is not None or finding.rank == 0:
        if was == 0:
            return None
        return finding.ended or ("restated" if finding.day is not None and held["day"] == finding.day else "back")
    if was == 0:
        return "crossed"
    if finding.rank != was:
        return "worse" if finding.rank > was else "eased"
    # Of an anomaly the figures grow as it lasts; a total that stays above its bar says nothing.
    return "updated" if finding.anomaly is not None and held["figures"] != _figures(finding) else None


def _figures(finding: Finding) -> list[str]:
    return [str(finding.actual), str(finding.expected), str(finding.impact_so_far), str(finding.day)]


def _say(
    rule: Rule,
    subject: str,
    currency: str | None,
    held: dict[str, Any],
    finding: Finding,
    change: AlertChange,
    run: str,
) -> tuple[dict[str, Any], Alert]:
    firing = change in {"crossed", "worse", "eased", "updated"}
    since = finding.since
    if since is None:
        since = from_millis(held["since"]) if held.get("since") and change != "crossed" else finding.observed_at
    memory = {
        "said": held["said"] + 1,
        "rank": finding.rank if firing else 0,
        "id": held["id"],
        "period": held["period"],
        "day": finding.day,
        "since": to_millis(since),
        "severity": finding.severity if firing else held["severity"],
        "figures": _figures(finding),
    }
    alert = Alert(
        run=run,
        id=memory["id"],
        version=memory["said"],
        state="firing" if firing else "resolved",
        change=change,
        rule=rule.id,
        kind=rule.kind,
        severity=memory["severity"],
        subject=subject,
        currency=currency,
        charges=list(finding.charges),
        anomaly=finding.anomaly,
        shape=finding.shape,
        day=None if finding.day is None else day_of(finding.day),
        actual=finding.actual,
        expected=finding.expected,
        impact_per_day=finding.impact_per_day,
        impact_so_far=finding.impact_so_far,
        impact_lower=finding.impact_lower,
        impact_upper=finding.impact_upper,
        impact_to_month_end=finding.impact_to_month_end,
        score=finding.score,
        since=since,
        observed_at=finding.observed_at,
        says=finding.says,
        parts=list(finding.parts),
        labels=dict(rule.labels),
        runbook=rule.runbook,
        course_from=finding.course.first,
        course=list(finding.course.costs),
        course_lower=list(finding.course.lower),
        course_upper=list(finding.course.upper),
    )
    return memory, alert


def _resolved(
    rule: Rule,
    subject: str,
    currency: str | None,
    held: dict[str, Any],
    change: Literal["ended", "rule"],
    at: datetime,
    run: str,
) -> Alert:
    why = "its period ended" if change == "ended" else f"the rule {rule.id} was changed, switched off or removed"
    says = f"{subject if currency is None else name_of(subject)}: {why}"
    finding = Finding(track="", rank=0, severity=held["severity"], says=says, observed_at=at, day=held["day"])
    return _say(rule, subject, currency, held, finding, change, run)[1]
