"""When each step passed something on: it travels beside the events, in a header, from step to step.

A step reads no clock, so its events carry the times of what they are about; how long the way took is known to the
drivers alone. The header holds the steps in their order, each with its time in milliseconds of Unix:
`totals=1732198000123;anomalies=1732198000210`. A step that comes twice has the newer time.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

HEADER = "passed"

#: Headers of a message, as confluent-kafka takes them.
Headers = list[tuple[str, str | bytes | None]]

#: When which step passed on, in milliseconds of Unix.
Passage = Mapping[str, int]


def passage_of(headers: Sequence[tuple[str, Any]] | Mapping[str, Any] | None) -> dict[str, int]:
    """Return what a message's headers tell; what is not written so is left out.

    Examples
    --------
    >>> passage_of([("passed", b"totals=17;rules=x"), ("other", b"")])
    {'totals': 17}
    """
    pairs: Iterable[tuple[str, Any]] = headers.items() if isinstance(headers, Mapping) else headers or ()
    for name, value in pairs:
        if name == HEADER and value is not None:
            text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
            entries = (entry.partition("=") for entry in text.split(";"))
            return {step: int(at) for step, _, at in entries if at.isdecimal()}
    return {}


def passed_on(before: Passage, step: str, at: int) -> Headers:
    """Return the headers of what a step passes on at a time.

    Examples
    --------
    >>> passed_on({"totals": 17}, "rules", 18)
    [('passed', b'totals=17;rules=18')]
    """
    return [(HEADER, ";".join(f"{name}={time}" for name, time in {**before, step: at}.items()).encode())]
