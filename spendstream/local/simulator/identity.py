"""Who asks, and what they may do: access keys, STS sessions that run out in simulated time, and refused actions.

Signatures are not checked: a key is known by its id, a session by its token.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from spendstream.local.simulator.clock import SimulatedClock
from spendstream.local.simulator.expression import AwsError, Call, Json
from spendstream.local.simulator.series import hashed

_SCOPE = re.compile(r"Credential=([^/,\s]+)/\d{8}/([^/,\s]+)/[^/,\s]+/aws4_request")
_ROLE = re.compile(r"arn:aws:iam::(\d{12}):role/(?:[\w+=,.@-]+/)*([\w+=,.@-]+)")
_DURATIONS = range(900, 43_201)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the account, its principal's ARN and unique id, and the region that was signed for."""

    account: str
    arn: str
    user_id: str
    region: str


@dataclass(frozen=True, slots=True)
class _Session:
    key: str
    account: str
    role: str
    name: str
    ends: datetime


class Identities:
    """Access keys and sessions.

    Parameters
    ----------
    clock
        Simulated time, in which sessions run out.
    accounts
        Accounts that there are; the first is that of an unknown key, where `keys` is None.
    keys
        Account of each access key id; None: any key, with any token, is one of the first account.
    denied
        Actions that nobody may do, as `ce:GetCostForecast`.
    external_ids
        Roles (ARN) that are assumed with an external id only, and which.
    """

    def __init__(
        self,
        clock: SimulatedClock,
        accounts: Iterable[str],
        keys: Mapping[str, str] | None = None,
        denied: Iterable[str] = (),
        external_ids: Mapping[str, str] | None = None,
    ) -> None:
        self._clock = clock
        self._accounts = tuple(accounts)
        strange = sorted(set((keys or {}).values()) - set(self._accounts))
        if strange:
            raise ValueError(f"a key is of account {strange[0]}, and there are only {', '.join(self._accounts)}")
        self._keys = keys
        self.denied = frozenset(denied)
        self._external_ids = dict(external_ids or {})
        self._sessions: dict[str, _Session] = {}

    @property
    def operations(self) -> Mapping[str, Callable[[Json, Caller], Json]]:
        """What is answered, by IAM action."""
        return {
            "sts:GetCallerIdentity": self.get_caller_identity,
            "sts:AssumeRole": self.assume_role,
            "iam:SimulatePrincipalPolicy": self.simulate_principal_policy,
        }

    def caller(self, authorization: str, token: str) -> Caller:
        """Return who signed a request.

        Raises
        ------
        AwsError
            When it is not signed, its key is unknown or its session has run out.
        """
        signed = _SCOPE.search(authorization)
        if signed is None:
            raise AwsError("MissingAuthenticationTokenException", "Request is missing Authentication Token", 403)
        key, region = signed.groups()
        if token in self._sessions or key.startswith("ASIA") or (token and self._keys is not None):
            session = self._sessions.get(token)
            if session is None or session.key != key:
                raise _unknown()
            if session.ends <= self._clock.now():
                raise AwsError("ExpiredTokenException", "The security token included in the request is expired")
            arn = f"arn:aws:sts::{session.account}:assumed-role/{session.role}/{session.name}"
            return Caller(session.account, arn, f"AROASIMULATED:{session.name}", region)
        if self._keys is not None and key not in self._keys:
            raise _unknown()
        account = self._accounts[0] if self._keys is None else self._keys[key]
        return Caller(account, f"arn:aws:iam::{account}:user/simulated", "AIDASIMULATED", region)

    def allow(self, action: str, caller: Caller) -> None:
        """Raise `AwsError` where the action is denied; everybody may ask who they are."""
        if action in self.denied and action != "sts:GetCallerIdentity":
            text = f"User: {caller.arn} is not authorized to perform: {action}"
            raise AwsError(
                "AccessDeniedException", f"{text} because no identity-based policy allows the {action} action"
            )

    def get_caller_identity(self, _: Json, caller: Caller) -> Json:
        """Answer GetCallerIdentity."""
        return {"UserId": caller.user_id, "Account": caller.account, "Arn": caller.arn}

    def assume_role(self, request: Json, caller: Caller) -> Json:
        """Answer AssumeRole.

        The session runs out in simulated time. `Expiration` is when that is by the machine's clock, because boto3
        compares it with that; where simulated time stands still, as if it ran with the machine's.
        """
        arn, name = str(request.get("RoleArn")), str(request.get("RoleSessionName") or "")
        role = _ROLE.fullmatch(arn)
        if role is None or not name:
            raise AwsError("ValidationError", f"{arn} is not the ARN of a role, or RoleSessionName is missing")
        account = role[1]
        wanted = self._external_ids.get(arn)
        if account not in self._accounts or wanted not in {None, request.get("ExternalId")}:
            text = f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
            raise AwsError("AccessDenied", text, 403)
        seconds = int(request.get("DurationSeconds") or 3600)
        if seconds not in _DURATIONS:
            raise AwsError("ValidationError", "DurationSeconds must be from 900 to 43200")
        lasts = timedelta(seconds=seconds)
        number = hashed(arn, name, len(self._sessions))
        key, token = f"ASIA{number % 10**16:016d}", f"session-{number:016x}"
        self._sessions[token] = _Session(key, account, role[2], name, self._clock.now() + lasts)
        return {
            "Credentials": {
                "AccessKeyId": key,
                "SecretAccessKey": f"simulated-{number:016x}",
                "SessionToken": token,
                "Expiration": datetime.now(UTC) + self._clock.real(lasts),
            },
            "AssumedRoleUser": {
                "AssumedRoleId": f"AROASIMULATED:{name}",
                "Arn": f"arn:aws:sts::{account}:assumed-role/{role[2]}/{name}",
            },
        }

    def simulate_principal_policy(self, request: Json, caller: Caller) -> Json:
        """Answer SimulatePrincipalPolicy from the same set of denied actions."""
        source = str(request.get("PolicySourceArn"))
        if f"::{caller.account}:" not in source:
            raise AwsError("NoSuchEntity", f"{source} is not a principal of account {caller.account}", 404)
        resources = request.get("ResourceArns") or ["*"]
        results = [
            {
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": "implicitDeny" if action in self.denied else "allowed",
                "MatchedStatements": [],
                "MissingContextValues": [],
            }
            for action in request.get("ActionNames") or []
            for resource in resources
        ]
        return {"EvaluationResults": results, "IsTruncated": False}


def call_of(request: Json, now: datetime, caller: Caller) -> Call:
    """Return a request as the services take it."""
    return Call(request, now, caller.account, caller.region)


def _unknown() -> AwsError:
    return AwsError("UnrecognizedClientException", "The security token included in the request is invalid.")
