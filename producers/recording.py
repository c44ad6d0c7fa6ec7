"""Keeping the answers of AWS as they came, and reading from such a recording instead of asking.

The seam is boto3's client: a tape is attached to each client, and hears or answers its calls. A recording is a folder,
or a prefix in S3, with one gzip'd JSON file for each answer, `SOURCE/RUN/NUMBER-SERVICE.OPERATION-KEY.json.gz`, where
RUN is the time at which the run began and KEY a hash of what was asked. Only operations that are named here are kept,
and of those the parameters and the body of the answer: no header, so no signature and no token; an answer of STS that
holds credentials is none of them.
"""

import base64
import gzip
import hashlib
import itertools
import json
import re
import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import create_parser

from producers.budget import BudgetExceededError
from producers.source import SourceError
from spendstream.clock import Clock
from spendstream.settings import ConfigurationError, Recording

_KEPT = {"ce": None, "cloudwatch": None, "sts": frozenset({"GetCallerIdentity"})}
_RUN = "%Y%m%dT%H%M%S.%fZ"
_RUN_NAME = re.compile(r"\d{8}T\d{6}\.\d{6}Z")
_DEPTH = 2
_PARAMETERS = "spendstream_parameters"
_HEADER = "run.json.gz"

Json = dict[str, Any]


class NotRecordedError(BudgetExceededError):
    """A recording holds no answer to a request; sources leave out what they cannot ask."""


class Store(Protocol):
    """Where the files of a recording are; a name is a path with slashes."""

    def put(self, name: str, data: bytes) -> None:
        """Keep a file."""
        ...

    def names(self) -> list[str]:
        """Return the names of all files, sorted."""
        ...

    def get(self, name: str) -> bytes:
        """Return a file."""
        ...


class Folder:
    """A local folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, name: str, data: bytes) -> None:
        """Keep a file; it appears whole or not at all."""
        target = self._path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(target.name + ".part")
        partial.write_bytes(data)
        partial.replace(target)

    def names(self) -> list[str]:
        """Return the names of all files, sorted."""
        return sorted(str(path.relative_to(self._path)) for path in self._path.rglob("*.json.gz"))

    def get(self, name: str) -> bytes:
        """Return a file."""
        return (self._path / name).read_bytes()


class Bucket:
    """A prefix of an S3 bucket, reached with boto3's own credentials."""

    def __init__(self, place: str) -> None:
        self._bucket, _, prefix = place.removeprefix("s3://").partition("/")
        self._prefix = prefix.rstrip("/") + "/" if prefix else ""
        self._client = boto3.client("s3")

    def put(self, name: str, data: bytes) -> None:
        """Keep a file."""
        self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=data)

    def names(self) -> list[str]:
        """Return the names of all files, sorted."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        found = [entry["Key"].removeprefix(self._prefix) for page in pages for entry in page.get("Contents", ())]
        return sorted(name for name in found if name.endswith(".json.gz"))

    def get(self, name: str) -> bytes:
        """Return a file."""
        return self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)["Body"].read()


def store(place: str) -> Store:
    """Return the store at a folder or `s3://bucket/prefix`."""
    return Bucket(place) if place.startswith("s3://") else Folder(Path(place))


class Tape(Protocol):
    """What listens to, or answers, the calls of one source's clients."""

    @property
    def plays(self) -> bool:
        """Whether it answers: then no credentials are needed, and nothing is paid."""
        ...

    def attach(self, client: Any, account: str) -> None:  # noqa: ANN401 - boto3 is untyped
        """Listen to a client that asks on behalf of `account` (empty: the account of the credentials)."""
        ...


class NoTape:
    """Keeps nothing."""

    plays = False

    def attach(self, client: Any, account: str) -> None:  # noqa: ANN401 - boto3 is untyped
        """Leave the client as it is."""


def _key(model: Any, region: str, account: str, parameters: Mapping[str, Any]) -> str:  # noqa: ANN401 - botocore is untyped
    asked = [model.service_model.service_name, model.name, region, account, parameters]
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _keep_parameters(params: Mapping[str, Any], context: Json, **_: object) -> None:
    context[_PARAMETERS] = json.loads(json.dumps(params, default=str))


class Recorder:
    """Keeps the answers that the clients of one source get.

    Parameters
    ----------
    target
        Where files go.
    source
        Name of the source.
    clock
        Tells when answers came.
    """

    plays = False

    def __init__(self, target: Store, source: str, clock: Clock) -> None:
        self._target = target
        self._source = source
        self._clock = clock
        self._run = ""
        self._numbers = itertools.count()

    def begin(self, at: datetime, good_at: datetime | None) -> None:
        """Begin a run at `at`; `good_at` is what the source knows of its last good run."""
        self._run = at.astimezone(UTC).strftime(_RUN)
        self._numbers = itertools.count()
        known = {"source": self._source, "at": at.isoformat(), "good_at": good_at and good_at.isoformat()}
        self._put(_HEADER, known)

    def attach(self, client: Any, account: str) -> None:  # noqa: ANN401 - boto3 is untyped
        """Listen to a client."""
        region = client.meta.region_name

        def answered(http_response: Any, model: Any, context: Json, **_: object) -> None:  # noqa: ANN401
            service = model.service_model.service_name
            operations = _KEPT.get(service, frozenset())
            good = http_response.status_code < 300  # noqa: PLR2004 - HTTP's own
            if not good or (operations is not None and model.name not in operations):
                return
            parameters = context.get(_PARAMETERS, {})
            name = (
                f"{next(self._numbers):06d}-{service}.{model.name}-{_key(model, region, account, parameters)}.json.gz"
            )
            self._put(
                name,
                {
                    "at": self._clock.now().isoformat(),
                    "account": account,
                    "region": region,
                    "service": service,
                    "operation": model.name,
                    "parameters": parameters,
                    "protocol": model.service_model.resolved_protocol,
                    "content_type": http_response.headers.get("content-type", ""),
                    **_body(http_response.content),
                },
            )

        client.meta.events.register("before-parameter-build", _keep_parameters)
        client.meta.events.register("after-call", answered)

    def _put(self, name: str, content: Json) -> None:
        data = gzip.compress(json.dumps(content).encode(), mtime=0)
        try:
            self._target.put(f"{self._source}/{self._run}/{name}", data)
        except (OSError, BotoCoreError, ClientError) as error:
            raise SourceError(f"an answer cannot be kept: {error}; mend recording.target, or unset it") from None


def _body(raw: bytes) -> Json:
    try:
        return {"body": raw.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(raw).decode()}


class Player:
    """Answers from a recording: each question gets, within its run, its answers in the order in which they came.

    Parameters
    ----------
    origin
        The recording.

    Raises
    ------
    ConfigurationError
        When there is none.
    """

    plays = True

    def __init__(self, origin: Store) -> None:
        self._origin = origin
        self._lock = threading.Lock()
        self._answers: dict[str, deque[str]] = {}
        self._files: dict[tuple[str, str], list[str]] = defaultdict(list)
        try:
            names = origin.names()
        except (OSError, BotoCoreError, ClientError) as error:
            raise ConfigurationError(f"recording.play_from cannot be read: {error}") from None
        for name in names:
            source, run, file = name.split("/") if name.count("/") == _DEPTH else ("", "", "")
            if _RUN_NAME.fullmatch(run):
                self._files[run, source].append(file)
        if not self._files:
            raise ConfigurationError(
                "recording.play_from holds no recording: name the folder that was recording.target"
            )

    def runs(self) -> list[tuple[datetime, str]]:
        """Return beginning and source of every run, the oldest first."""
        return [(datetime.strptime(run, _RUN).replace(tzinfo=UTC), source) for run, source in sorted(self._files)]

    def begin(self, at: datetime, source: str) -> datetime | None:
        """Begin to answer from a run; return what its source knew of its last good run."""
        run = at.strftime(_RUN)
        answers: dict[str, deque[str]] = defaultdict(deque)
        good_at = None
        for file in self._files[run, source]:
            if file == _HEADER:
                known = self._read(f"{source}/{run}/{file}")["good_at"]
                good_at = None if known is None else datetime.fromisoformat(known)
            else:
                answers[file.removesuffix(".json.gz").rpartition("-")[2]].append(f"{source}/{run}/{file}")
        self._answers = answers
        return good_at

    def attach(self, client: Any, account: str) -> None:  # noqa: ANN401 - boto3 is untyped
        """Answer a client's calls, before they are signed or sent."""
        region = client.meta.region_name

        def answer(model: Any, context: Json, **_: object) -> tuple[Any, Any]:  # noqa: ANN401 - botocore is untyped
            parameters = context.get(_PARAMETERS, {})
            with self._lock:
                left = self._answers.get(_key(model, region, account, parameters))
                name = left.popleft() if left else None
            if name is None:
                raise NotRecordedError(
                    f"the recording holds no answer to {model.service_model.service_name}:{model.name} in {region}: "
                    "play it with the settings that it was made with, into topics that hold what those held"
                )
            kept = self._read(name)
            raw = base64.b64decode(kept["body_base64"]) if "body_base64" in kept else kept["body"].encode()
            headers = {"content-type": kept["content_type"]}
            response = {"headers": headers, "status_code": 200, "body": raw, "context": {"operation_name": model.name}}
            parsed = create_parser(kept["protocol"]).parse(response, model.output_shape)
            return SimpleNamespace(status_code=200, headers=headers, content=raw), parsed

        client.meta.events.register("before-parameter-build", _keep_parameters)
        client.meta.events.register("before-call", answer)

    def _read(self, name: str) -> Json:
        content: Json = json.loads(gzip.decompress(self._origin.get(name)))
        return content


def recorder(options: Recording, source: str, clock: Clock) -> Recorder | None:
    """Return what keeps the answers that a source gets; None where nothing is kept."""
    return None if options.target is None else Recorder(store(options.target), source, clock)
