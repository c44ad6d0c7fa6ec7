"""Answers of the last seconds, by question."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_MOST_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Cached:
    """An answer as it is sent."""

    body: bytes
    content_type: str
    etag: str


class Cache:
    """Holds answers for some seconds, and 64 MiB of them at most.

    Parameters
    ----------
    seconds
        How long an answer may be given again; 0: never.
    clock
        Seconds that only go forward.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._answers: OrderedDict[str, tuple[float, Cached]] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> Cached | None:
        """Return the answer to a question, when it is young enough."""
        found = self._answers.get(key)
        if found is None or self._clock() - found[0] > self._seconds:
            return None
        return found[1]

    def put(self, key: str, answer: Cached) -> None:
        """Keep an answer; the oldest ones make room."""
        self._drop(key)
        self._answers[key] = (self._clock(), answer)
        self._bytes += len(key) + len(answer.body)
        while self._bytes > _MOST_BYTES:
            self._drop(next(iter(self._answers)))

    def _drop(self, key: str) -> None:
        found = self._answers.pop(key, None)
        if found is not None:
            self._bytes -= len(key) + len(found[1].body)
