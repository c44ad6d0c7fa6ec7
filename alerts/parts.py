"""What the parts of the routing file are made of: strict models, and lengths of time."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class Part(BaseModel):
    """A part of the routing file: it holds what is known, and nothing else."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def length(value: object) -> object:
    """Return the length of time that a text says, and what is no text as it is; ValueError when it says none.

    Examples
    --------
    >>> length("1h30m")
    datetime.timedelta(seconds=5400)
    """
    if not isinstance(value, str):
        return value
    parts = re.findall(r"(\d+)([smhdw])", value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError(f"{value!r} is no length of time: write as 30s, 5m, 4h or 1d")
    return timedelta(seconds=sum(int(number) * _UNITS[unit] for number, unit in parts))


#: A length of time, written as 30s, 5m, 4h or 1d.
Length = Annotated[timedelta, BeforeValidator(length), Field(ge=timedelta(0))]
