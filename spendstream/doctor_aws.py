"""Is AWS there, and may we do what the settings need? Nothing here costs: what would is asked in a way that fails."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from producers.aws_session import AwsSessions, explained
from producers.source import SourceError
from spendstream.findings import Finding, failed, good
from spendstream.iam_policy import CREDENTIALS, policies
from spendstream.settings import Payer, Settings

_HASTY = Config(retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=5, read_timeout=10)
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AccessDeniedError")
_REFUSED = ("ValidationException", "ValidationError", "InvalidParameterValue", "InvalidParameterCombination")


class Sessions(Protocol):
    """What makes clients; see `AwsSessions`."""

    @property
    def client(self) -> Callable[..., Any]:
        """`client(service, region, payer)`."""
        ...


def check_aws(settings: Settings, sessions: Sessions | None = None) -> Iterator[Finding]:
    """Yield what is found about credentials, roles, endpoints and allowed actions; nothing where AWS is not asked."""
    needed = policies(settings)
    if not needed:
        return
    reach = sessions or AwsSessions(settings.aws, config=_HASTY)
    payers = {
        payer.role_arn: payer
        for payer in (*settings.aws.payers, *settings.cloudwatch.accounts)
        if payer.role_arn is not None and payer.role_arn in needed
    }
    order = sorted(needed, key=lambda principal: principal != CREDENTIALS)
    if CREDENTIALS not in needed:
        order.insert(0, CREDENTIALS)
    for principal in order:
        found = _identity(reach, principal, payers.get(principal))
        yield found[0]
        if not found[0].ok:
            if principal == CREDENTIALS:
                return
            continue
        if principal in needed:
            actions = [
                (action, resource)
                for statement in needed[principal]["Statement"]
                for action in statement["Action"]
                for resource in (
                    [statement["Resource"]] if isinstance(statement["Resource"], str) else statement["Resource"]
                )
            ]
            yield from _actions(settings, reach, principal, payers.get(principal), found[1], actions)


def _identity(reach: Sessions, principal: str, payer: Payer | None) -> tuple[Finding, str]:
    what = principal if payer is None else f"role {principal}"
    try:
        answer = reach.client("sts", "us-east-1", payer).get_caller_identity()
    except SourceError as error:
        return failed(what, *_cut(str(error))), ""
    except (BotoCoreError, ClientError) as error:
        return failed(what, *_cut(str(explained(error, "AWS does not know who we are")))), ""
    account, arn = answer["Account"], answer["Arn"]
    if payer is not None and payer.account != account:
        detail = f"it belongs to account {account}, and the settings say {payer.account}"
        return failed(what, detail, "set the account of the role, or the role of the account"), arn
    return good(what, f"{arn} of account {account}"), arn


def _actions(
    settings: Settings, reach: Sessions, principal: str, payer: Payer | None, arn: str, actions: list[tuple[str, str]]
) -> Iterator[Finding]:
    simulated = _simulate(reach, payer, arn, actions)
    for action, resource in actions:
        what = action if resource == "*" else f"{action} on {resource}"
        what = what if principal == CREDENTIALS else f"{what} as {principal}"
        decision = simulated.get((action, resource))
        if decision is not None and decision != "allowed":
            yield failed(what, f"IAM says {decision}", f"attach the policy below to {principal}")
            continue
        probe = _PROBES.get(action)
        if probe is not None:
            yield _probed(what, principal, partial(probe, settings, reach, payer), allowed=decision == "allowed")
        elif decision is None:
            yield good(
                what, "it shows when it is used: these credentials may not ask IAM (iam:SimulatePrincipalPolicy)"
            )
        else:
            yield good(what, "allowed")


def _simulate(
    reach: Sessions, payer: Payer | None, arn: str, actions: list[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """Return IAM's decision for each action on its resource; nothing where IAM may not be asked."""
    decisions: dict[tuple[str, str], str] = {}
    if arn.endswith(":root"):
        return dict.fromkeys(actions, "allowed")
    try:
        client = reach.client("iam", "us-east-1", payer)
        for action, resource in actions:
            answer = client.simulate_principal_policy(
                PolicySourceArn=principal_of(arn), ActionNames=[action], ResourceArns=[resource]
            )
            decisions[action, resource] = answer["EvaluationResults"][0]["EvalDecision"]
    except (BotoCoreError, ClientError, SourceError):
        return decisions
    return decisions


def principal_of(arn: str) -> str:
    """Return the ARN that IAM knows: of a session of an assumed role, the role."""
    if ":assumed-role/" not in arn:
        return arn
    partition, account = arn.split(":")[1], arn.split(":")[4]
    return f"arn:{partition}:iam::{account}:role/{arn.split('/')[1]}"


def _probed(what: str, principal: str, probe: Callable[[], object], *, allowed: bool) -> Finding:
    """Make a call that costs nothing: whether AWS answers, and whether it refuses the action or only the question."""
    try:
        probe()
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _DENIED:
            return failed(what, f"AWS refuses it: {code}", f"attach the policy below to {principal}")
        if code not in _REFUSED:
            return failed(what, *_cut(str(explained(error, "AWS answers"))))
    except (BotoCoreError, SourceError) as error:
        text = str(error) if isinstance(error, SourceError) else str(explained(error, "AWS"))
        return failed(what, *_cut(text))
    return good(what, "allowed" if allowed else "allowed, as a call that costs nothing shows")


def _probe_cost_explorer(_: Settings, reach: Sessions, payer: Payer | None) -> object:
    # A period of no length is refused after the right to ask was checked, and a refused request is free.
    period = {"Start": "2026-01-01", "End": "2026-01-01"}
    client = reach.client("ce", "us-east-1", payer)
    return client.get_cost_and_usage(TimePeriod=period, Granularity="DAILY", Metrics=["UnblendedCost"])


def _probe_forecast(_: Settings, reach: Sessions, payer: Payer | None) -> object:
    period = {"Start": "2026-01-01", "End": "2026-01-01"}
    client = reach.client("ce", "us-east-1", payer)
    return client.get_cost_forecast(TimePeriod=period, Granularity="MONTHLY", Metric="UNBLENDED_COST")


def _probe_list_metrics(settings: Settings, reach: Sessions, payer: Payer | None) -> object:
    # A token of nobody is refused as well.
    for region in settings.cloudwatch.regions:
        reach.client("cloudwatch", region, payer).list_metrics(Namespace="AWS/Billing", NextToken="none")
    return None


def _probe_metric_data(settings: Settings, reach: Sessions, payer: Payer | None) -> object:
    for region in settings.cloudwatch.regions:
        reach.client("cloudwatch", region, payer).get_metric_data(MetricDataQueries=[], StartTime=1, EndTime=0)
    return None


_PROBES: dict[str, Callable[[Settings, Sessions, Payer | None], object]] = {
    "ce:GetCostAndUsage": _probe_cost_explorer,
    "ce:GetCostForecast": _probe_forecast,
    "cloudwatch:ListMetrics": _probe_list_metrics,
    "cloudwatch:GetMetricData": _probe_metric_data,
}


def _cut(text: str) -> tuple[str, str]:
    """Return what is wrong, and what to do."""
    for mark in (" — ", ": check ", ": set ", "; "):
        reason, found, fix = text.partition(mark)
        if found:
            return reason, (mark.strip(": ;—") + " " + fix).strip()
    return text, "see the AWS documentation of this error, and try again"
