"""The simulated AWS on one port: AWS's own protocols at `/`, the simulator's own addresses under `/_simulator/`."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Self

from spendstream.local.simulator import wire
from spendstream.local.simulator.clock import SimulatedClock, aware
from spendstream.local.simulator.cloudwatch import CloudWatch
from spendstream.local.simulator.cost_explorer import CostExplorer
from spendstream.local.simulator.expression import AwsError, Call, Json, refused
from spendstream.local.simulator.faults import Fault, Faults
from spendstream.local.simulator.http_handler import Dropped, handler_for
from spendstream.local.simulator.identity import Caller, Identities, call_of
from spendstream.local.simulator.organisation import Organisation
from spendstream.local.simulator.pricing import Pricing
from spendstream.local.simulator.truth import document

_PAGE_COST = Decimal("0.01")
_METRIC_COST = Decimal("0.00001")
#: How long it takes at most until a stop is noticed.
_STOP_SECONDS = 0.05


class SimulatedAWS:
    """A simulated AWS in a thread of this process, listening on loopback from construction to `stop`.

    Parameters
    ----------
    model
        The organisation whose bill is told, or several with payers of their own.
    clock
        Simulated time.
    port
        0 takes a free port; see `url`.
    page_size
        Rows (a group in a period) on a page of Cost Explorer.
    hourly
        Whether the accounts have opted in to hours in Cost Explorer.
    keys
        Account of each access key id; None: any key is one of the first payer.
    denied
        IAM actions that nobody may do.
    external_ids
        External id that a role (ARN) is assumed with.
    throttled
        Share of requests that are throttled, 0 to below 1.
    """

    def __init__(
        self,
        model: Organisation | Sequence[Organisation],
        clock: SimulatedClock,
        *,
        port: int = 0,
        page_size: int = 1000,
        hourly: bool = True,
        keys: Mapping[str, str] | None = None,
        denied: Iterable[str] = (),
        external_ids: Mapping[str, str] | None = None,
        throttled: float = 0.0,
    ) -> None:
        if page_size < 1:
            raise ValueError(f"the page size must be at least 1; got {page_size}")
        self.models = (model,) if isinstance(model, Organisation) else tuple(model)
        self.clock = clock
        self._lock = threading.Lock()
        self._answered: Counter[str] = Counter()
        self._charged: Counter[str] = Counter()
        self._dollars = Decimal("0.00")
        self._faults = Faults(throttled)
        accounts = [account for one in self.models for account in (one.payer, *one.accounts)]
        self.identities = Identities(clock, accounts, keys, denied, external_ids)
        services = {
            "ce": CostExplorer(self.models, page_size, hourly=hourly).operations,
            "cloudwatch": CloudWatch(self.models).operations,
            "pricing": Pricing(self.models[0]).operations,
        }
        self._operations: dict[str, Callable[[Call], Json]] = {
            f"{service}:{name}": operation for service, found in services.items() for name, operation in found.items()
        }
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler_for(self.answer, self.control))
        self._server.daemon_threads = True
        serve = partial(self._server.serve_forever, _STOP_SECONDS)
        self._thread = threading.Thread(target=serve, name="simulated-aws", daemon=True)
        self._thread.start()

    @property
    def model(self) -> Organisation:
        """The organisation, or the first of several."""
        return self.models[0]

    @property
    def url(self) -> str:
        """The address for `endpoint_url`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, headers: Mapping[str, str], body: bytes) -> wire.Reply:
        """Return AWS's answer. Failed calls are counted and free, as at AWS.

        Raises
        ------
        Dropped
            When a fault drops the connection.
        """
        service = ""
        try:
            signed = headers.get("Authorization") or ""
            service = wire.signed_service(headers)
            asked = wire.read(headers, body, service)
            service = asked.service
            return self._answer(asked, signed, headers.get("X-Amz-Security-Token") or "")
        except AwsError as error:
            return wire.refused(service, error)

    def _answer(self, asked: wire.Asked, signed: str, token: str) -> wire.Reply:
        with self._lock:
            self._answered[asked.operation] += 1
        fault = self._faults.take(asked.operation)
        if fault:
            _suffer(fault)
        caller = self.identities.caller(signed, token)
        self.identities.allow(asked.action, caller)
        reply = wire.answered(asked, self._done(asked, caller))
        cost = _price(asked)
        if cost:
            with self._lock:
                self._charged[asked.operation] += 1
                self._dollars += cost
        if fault and fault.truncate:
            raise Dropped(reply.body[: len(reply.body) // 2], len(reply.body))
        return reply

    def _done(self, asked: wire.Asked, caller: Caller) -> Json:
        own = self.identities.operations.get(asked.action)
        if own is not None:
            return own(asked.request, caller)
        operation = self._operations.get(asked.action)
        if operation is None:
            raise AwsError("UnknownOperationException", f"the simulator does not answer {asked.action!r}")
        return operation(call_of(asked.request, self.clock.now(), caller))

    def control(self, path: str, body: Json | None) -> Json:
        """Answer the simulator's own addresses; `body` is None for a GET.

        `clock` (read or move), `requests` (how many, and what AWS would have charged), `truth` (see `truth.document`),
        `faults` (see `faults.Fault`), `denied` (read or set the actions that are refused).
        """
        name = path.removeprefix("/_simulator/")
        if name == "clock":
            if body is not None:
                self._move(body)
            return {"now": self.clock.now().isoformat()}
        if name == "truth" and body is None:
            return document(self.models, self.clock.now())
        if name == "requests" and body is None:
            with self._lock:
                counts = {"requests": dict(self._answered), "charged": dict(self._charged)}
                return counts | {"dollars": f"{self._dollars:f}"}
        if name == "faults" and body is not None:
            return self._faults.add(body)
        if name == "denied":
            if body is not None:
                actions = body.get("actions")
                if not isinstance(actions, list):
                    raise refused('give {"actions": ["ce:GetTags"]}; an empty list allows all')
                self.identities.denied = frozenset(str(action) for action in actions)
            return {"actions": sorted(self.identities.denied)}
        raise AwsError("NotFound", f"the simulator has nothing at {path}", 404)

    def _move(self, body: Json) -> None:
        try:
            if "now" in body:
                self.clock.set(aware(str(body["now"])))
            else:
                self.clock.advance(timedelta(seconds=float(body["advance_seconds"])))
        except (KeyError, TypeError, ValueError) as error:
            hint = 'give {"now": "2026-03-01T00:00:00Z"} or {"advance_seconds": 3600}'
            raise refused(f"{hint}: {error}") from None


def _suffer(fault: Fault) -> None:
    if fault.delay_seconds:
        time.sleep(fault.delay_seconds)
    if fault.drop:
        raise Dropped(b"", 0)
    if fault.code:
        raise AwsError(fault.code, fault.message)


def _price(asked: wire.Asked) -> Decimal:
    """Return what AWS charges for an answer, in dollars."""
    if asked.service == "ce":
        return _PAGE_COST
    if asked.action == "cloudwatch:GetMetricData":
        return _METRIC_COST * len(asked.request.get("MetricDataQueries") or ())
    return _METRIC_COST if asked.action == "cloudwatch:ListMetrics" else Decimal(0)
