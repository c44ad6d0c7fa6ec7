"""What spendstream may do at AWS, and no more: the policies to paste, made from the settings."""

import re
from collections.abc import Iterator
from typing import Any

from spendstream.settings import Payer, Settings

#: Whose policy it is when no role is assumed.
CREDENTIALS = "the AWS credentials"

Json = dict[str, Any]


def policies(settings: Settings) -> dict[str, Json]:
    """Return the policy of each principal: `CREDENTIALS`, and the ARN of each role; none where AWS is not asked."""
    statements: dict[str, list[Json]] = {}
    for principal, statement in _statements(settings):
        known = statements.setdefault(principal, [])
        if statement not in known:
            known.append(statement)
    return {principal: {"Version": "2012-10-17", "Statement": found} for principal, found in sorted(statements.items())}


def _statements(settings: Settings) -> Iterator[tuple[str, Json]]:
    roles = []
    if settings.cost_explorer.enabled:
        for payer in settings.aws.payers or (None,):
            roles.append(payer)
            yield _principal(payer), _allow("ReadCostExplorer", _cost_explorer(settings))
    if settings.cloudwatch.enabled:
        for account in settings.cloudwatch.accounts or (None,):
            roles.append(account)
            yield _principal(account), _allow("ReadMetrics", ["cloudwatch:GetMetricData", "cloudwatch:ListMetrics"])
    arns = sorted({role.role_arn for role in roles if role is not None and role.role_arn is not None})
    if arns:
        yield CREDENTIALS, _allow("AssumeRoles", ["sts:AssumeRole"], arns)
    for number, export in enumerate(settings.focus):
        if export.path.startswith("s3://"):
            bucket, prefix = _place(export.path)
            listing = _allow(f"ListExport{number}", ["s3:ListBucket"], [f"arn:aws:s3:::{bucket}"])
            if prefix:
                listing["Condition"] = {"StringLike": {"s3:prefix": f"{prefix}*"}}
            yield CREDENTIALS, listing
            yield CREDENTIALS, _allow(f"ReadExport{number}", ["s3:GetObject"], [f"arn:aws:s3:::{bucket}/{prefix}*"])
    queue = settings.alerts.mail_events
    if queue is not None:
        yield CREDENTIALS, _allow("ReadMailEvents", ["sqs:ReceiveMessage", "sqs:DeleteMessage"], [_queue(queue)])
    target = settings.recording.target
    if target is not None and target.startswith("s3://"):
        bucket, prefix = _place(target)
        yield CREDENTIALS, _allow("KeepRecording", ["s3:PutObject"], [f"arn:aws:s3:::{bucket}/{prefix}*"])


def _queue(address: str) -> str:
    """Return the ARN of a queue; every queue, when its address is not one of AWS's."""
    found = re.fullmatch(r"https://sqs\.([a-z0-9-]+)\.amazonaws\.com/(\d{12})/([\w.-]+)", address)
    return "*" if found is None else f"arn:aws:sqs:{found[1]}:{found[2]}:{found[3]}"


def _cost_explorer(settings: Settings) -> list[str]:
    options = settings.cost_explorer
    forecast = options.controls and options.forecast_months > 0
    return ["ce:GetCostAndUsage", *(["ce:GetCostForecast"] if forecast else [])]


def _principal(payer: Payer | None) -> str:
    return CREDENTIALS if payer is None or payer.role_arn is None else payer.role_arn


def _place(path: str) -> tuple[str, str]:
    bucket, _, prefix = path.removeprefix("s3://").partition("/")
    return bucket, prefix


def _allow(sid: str, actions: list[str], resources: list[str] | None = None) -> Json:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources or "*"}
