"""Faults that are asked for at run time: errors, throttling, delays, dropped connections, answers cut short."""

import threading
from dataclasses import dataclass, replace

from spendstream.local.simulator.expression import Json, refused
from spendstream.local.simulator.series import hashed

_HINT = (
    'give {"code": "ThrottlingException"}, {"delay_seconds": 2}, {"drop": true} or {"truncate": true}, and where '
    'wanted "count", "operation" and "message"; or {"clear": true}'
)
_FIELDS = frozenset({"code", "message", "delay_seconds", "drop", "truncate", "count", "operation"})


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with the next `count` requests, of one operation or (empty) of any.

    `code` and `message` are an error's; `delay_seconds` passes before the answer; with `drop` the connection is closed
    instead, with `truncate` in the middle of the answer.
    """

    code: str = ""
    message: str = "Injected by the simulator"
    delay_seconds: float = 0.0
    drop: bool = False
    truncate: bool = False
    count: int = 1
    operation: str = ""


class Faults:
    """Faults that wait for their requests; `throttled` is the share of all others that is throttled, from 0 to 1."""

    def __init__(self, throttled: float = 0.0) -> None:
        if not 0 <= throttled < 1:
            raise ValueError(f"the share of throttled requests must be from 0 to below 1; got {throttled}")
        self._throttled = throttled
        self._number = 0
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, body: Json) -> Json:
        """Take a fault as JSON; return how many wait."""
        with self._lock:
            if body.get("clear"):
                self._waiting.clear()
            else:
                self._waiting.append(_fault(body))
            return {"waiting": len(self._waiting)}

    def take(self, operation: str) -> Fault | None:
        """Return what goes wrong with a request that comes now."""
        with self._lock:
            self._number += 1
            for place, fault in enumerate(self._waiting):
                if fault.operation in {"", operation}:
                    left = replace(fault, count=fault.count - 1)
                    self._waiting[place : place + 1] = [left] if left.count else []
                    return fault
            if hashed("throttled", self._number) < self._throttled * 2**64:
                return Fault("ThrottlingException", "Rate exceeded")
            return None


def _fault(body: Json) -> Fault:
    try:
        fault = Fault(**body)
        valid = isinstance(fault.code, str) and isinstance(fault.operation, str) and int(fault.count) >= 1
        does = bool(fault.code) or fault.drop is True or fault.truncate is True or float(fault.delay_seconds) > 0
    except (TypeError, ValueError):
        valid = does = False
    if not valid or not does or set(body) - _FIELDS:
        raise refused(_HINT)
    return fault
