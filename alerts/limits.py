"""What a receiver may be burdened with, and what happens when it cannot be reached: part of the routing file."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic import model_validator as model_check

from alerts.parts import Length, Part, length

_RATE = re.compile(r"(\d+)/(\d*[smhd])")
_OFTEN = {"hourly": "1h", "daily": "1d", "weekly": "7d"}


class Rate(Part):
    """At most so many messages in any stretch of so long, as `30/h`."""

    messages: int = Field(ge=1, le=10_000)
    within: Length = Field(gt=timedelta(0))

    @model_check(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        found = _RATE.fullmatch(value.replace(" ", ""))
        if found is None:
            raise ValueError(f"{value!r} is no rate: write as 30/h, 1/s or 5/10m")
        number, unit = found.groups()
        return {"messages": int(number), "within": unit if unit[0].isdigit() else f"1{unit}"}


def _often(value: object) -> object:
    return length(_OFTEN.get(value, value)) if isinstance(value, str) else value


class Limits(Part):
    """How much a receiver is told, for how long it is tried, and who stands in for it."""

    rate: Rate | None = Field(None, description="at most so many tries in any such time, as 30/h; more go together")
    deadline: Length = Field(timedelta(hours=1), description="so long it is tried before it is given up, by default 1h")
    breaker: int = Field(
        5, ge=1, le=100, description="so many failures in a row, and only a probe is sent now and then"
    )
    fallback: str | None = Field(None, description="receiver that is told instead of what this one was not told")
    watch: str | None = Field(
        None, description="receiver that hears when this one cannot be reached; by default its fallback"
    )
    canary: Annotated[timedelta | None, BeforeValidator(_often)] = Field(
        None, ge=timedelta(minutes=1), description="how often a message that is marked as a test goes out, as daily"
    )


class Pipeline(Part):
    """Who hears when what comes before delivery is silent."""

    tell: str = Field(description="receiver that is told")
    silent: Length = Field(timedelta(minutes=15), description="the alert service gave no sign of life for so long")
    no_totals: Length | None = Field(None, description="no total was announced for so long")
