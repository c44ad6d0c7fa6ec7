"""What a benchmark says."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Result:
    """One comparison.

    Attributes
    ----------
    name
        What was compared.
    ours, other
        Medians over the repeats, in `unit`.
    ratio
        Median of the repeats' own ratios, ours to other.
    spread
        Smallest and largest of them.
    bar
        What the ratio must reach; `at_most` turns it round. None: it is only told.
    """

    name: str
    ours: float
    other: float
    unit: str
    ratio: float
    spread: tuple[float, float]
    bar: float | None = None
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Whether the bar is reached."""
        if self.bar is None:
            return True
        return self.ratio <= self.bar if self.at_most else self.ratio >= self.bar

    def plain(self) -> dict[str, object]:
        """Return it as plain data."""
        return {**asdict(self), "met": self.met}

    def row(self) -> tuple[str, ...]:
        """Return it as a row of a table."""
        sign = "≤" if self.at_most else "≥"
        bar = "" if self.bar is None else f"{sign} {self.bar:g}"
        verdict = "" if self.bar is None else "met" if self.met else "MISSED"
        low, high = self.spread
        return (
            self.name,
            f"{self.ours:,.0f}",
            f"{self.other:,.0f}",
            self.unit,
            f"{self.ratio:.2f} ({low:.2f}–{high:.2f})",
            bar,
            verdict,
        )


def compared(
    name: str,
    pairs: Sequence[tuple[float, float]],
    unit: str,
    bar: float | None = None,
    *,
    at_most: bool = False,
) -> Result:
    """Return the result of repeats, each (ours, other), taken one after the other."""
    ratios = [ours / other for ours, other in pairs]
    return Result(
        name,
        median(ours for ours, _ in pairs),
        median(other for _, other in pairs),
        unit,
        median(ratios),
        (min(ratios), max(ratios)),
        bar,
        at_most,
    )
