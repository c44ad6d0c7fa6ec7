"""What a detector is given: a value and its time, as floats; and a saved state."""

from collections.abc import Mapping
from datetime import datetime
from math import fsum, inf, isfinite, nan
from numbers import Real
from typing import Any

WIDEST = 1e100
_LOWEST, _NEVER = -WIDEST, -inf


def given(x: float | Mapping[Any, Any], t: float | datetime | None) -> tuple[float, float | None]:
    """Return value and time (seconds of Unix) as floats.

    A mapping of features, river's form, is worth the sum of its numbers. What is no finite number comes as NaN, a value
    beyond ±1e100 as that, a time that is not finite as None.
    """
    if type(x) is not float:
        if isinstance(x, Mapping):
            numbers = [float(one) for one in x.values() if isinstance(one, Real)]
            x = fsum(numbers) if all(map(isfinite, numbers)) else nan
        else:
            x = float(x)
    if not _LOWEST < x < WIDEST:
        x = min(max(x, _LOWEST), WIDEST) if isfinite(x) else nan
    if t is None or (type(t) is float and _NEVER < t < inf):
        return x, t
    time = t.timestamp() if isinstance(t, datetime) else float(t)
    return x, time if isfinite(time) else None


def check_version(state: Mapping[str, Any], version: int) -> None:
    """Raise `ValueError` when a detector's saved state is of another version than `version`."""
    if state.get("version") != version:
        raise ValueError(f"a saved state of version {state.get('version')} cannot be read: this detector has {version}")
