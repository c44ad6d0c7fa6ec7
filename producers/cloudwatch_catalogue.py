"""The catalogue of CloudWatch metrics: a readable file, checked when it is read (see `cloudwatch.yaml`)."""

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from spendstream.money import SCALE
from spendstream.settings import ConfigurationError

_WIDE = Context(prec=60)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _fraction(value: object) -> Fraction:
    try:
        found = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{value!r} is no number and no fraction as 1/60") from None
    if found <= 0:
        raise ValueError("a factor is more than 0")
    return found


class Usage(_Entry):
    """What the bill counts: priced usage = value × factor."""

    type: str = Field(min_length=1)
    unit: str = Field(min_length=1)
    factor: Annotated[Fraction, BeforeValidator(_fraction)]

    def decimal(self) -> Decimal:
        """Return the factor to 18 digits behind the point, as finely as an event holds it."""
        exact = _WIDE.divide(Decimal(self.factor.numerator), Decimal(self.factor.denominator))
        return exact.quantize(Decimal(1).scaleb(-SCALE), ROUND_HALF_EVEN, _WIDE)

    def type_in(self, prefix: str, dimensions: Mapping[str, str]) -> str:
        """Return the usage type of a metric in a region."""
        return self.type.format(region=prefix, **dimensions)


class Metric(_Entry):
    """A kind of metric; names as in `cloudwatch.yaml`. Hashable by its identity."""

    namespace: str = Field(min_length=1)
    metric: str = Field(min_length=1)
    dimensions: tuple[str, ...]
    where: Mapping[str, str] = Field(default_factory=dict)
    regions: tuple[str, ...] = ()
    statistic: Literal["Average", "Sum", "Maximum", "Minimum", "SampleCount"]
    period: Literal[60, 300, 3600, 86400]
    every: int = Field(0, ge=0)
    unit: str
    service: str | None = None
    usage: Usage | None = None
    differenced: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> "Metric":
        strange = set(self.where) - set(self.dimensions)
        if strange:
            raise ValueError(f"where names {', '.join(sorted(strange))}, which is no dimension of it")
        if self.usage is not None:
            try:
                self.usage.type_in("", dict.fromkeys(self.dimensions, ""))
            except (KeyError, ValueError, IndexError):
                raise ValueError(f"{self.usage.type!r}: a name in braces is region or a dimension of it") from None
        return self

    @property
    def asked_every(self) -> int:
        """Seconds between two questions."""
        return self.every or self.period

    def takes(self, dimensions: Mapping[str, str]) -> bool:
        """Tell whether it is a metric of this kind, by its dimensions."""
        return set(dimensions) == set(self.dimensions) and all(
            dimensions[name] == value for name, value in self.where.items()
        )


class Catalogue(_Entry):
    """All kinds of metrics that are read, the most useful first."""

    region_prefixes: Mapping[str, str] = Field(default_factory=dict)
    metrics: tuple[Metric, ...] = Field(min_length=1)

    def in_region(self, region: str, configured: tuple[str, ...]) -> list[Metric]:
        """Return the kinds that are read in a region."""
        return [kind for kind in self.metrics if region in (kind.regions or configured)]

    def regions(self, configured: tuple[str, ...]) -> list[str]:
        """Return all regions in which something is read."""
        pinned = {region for kind in self.metrics for region in kind.regions}
        return list(dict.fromkeys((*configured, *sorted(pinned))))


def load(path: Path | None) -> Catalogue:
    """Return the catalogue at `path`, or the project's own.

    Raises
    ------
    ConfigurationError
        When it cannot be read, or an entry cannot be used; the text names it.
    """
    try:
        text = path.read_text() if path else (files("producers") / "cloudwatch.yaml").read_text()
        return Catalogue.model_validate(yaml.safe_load(text))
    except OSError as error:
        raise ConfigurationError(f"the catalogue {path} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"the catalogue {path} is no YAML: {error}") from None
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)]
        raise ConfigurationError(f"the catalogue {path} cannot be used:\n  " + "\n  ".join(problems)) from None
