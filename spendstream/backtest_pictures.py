"""Pictures of a backtest, one SVG for each configuration: the costs of every series in which alerts differ or agree."""

from collections.abc import Sequence
from datetime import date, timedelta
from html import escape
from pathlib import Path

from spendstream.backtest import Actuals, Backtest, Compared
from spendstream.backtest_alerts import Told
from spendstream.clock import day_number

_BEFORE, _AFTER = 45, 21
_WIDTH, _HEIGHT, _GAP, _COLUMNS = 420, 130, 48, 2
_MOST = 60
_LIVE, _OTHER = "#c62828", "#3b6ea5"


def write(found: Backtest, folder: Path) -> list[Path]:
    """Write the pictures into a folder, which is made, and return them."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for one in found.compared:
        path = folder / ("".join(sign if sign.isalnum() or sign in ".-" else "-" for sign in one.name) + ".svg")
        path.write_text(svg(one, found.live, found.actuals))
        written.append(path)
    return written


def svg(one: Compared, live: Sequence[Told], actuals: Actuals) -> str:
    """Return a picture of every alert, gained ones first, then lost ones, then those that both have."""
    order = [("gained", alert) for alert in one.gained] + [("lost", alert) for alert in one.lost]
    gained = {alert.id for alert in one.gained}
    order += [("both", alert) for alert in one.alerts if alert.id not in gained]
    panels = [_panel(place, what, alert, one, live, actuals) for place, (what, alert) in enumerate(order[:_MOST])]
    width = _COLUMNS * (_WIDTH + _GAP) + _GAP
    height = max(-(-len(panels) // _COLUMNS), 1) * (_HEIGHT + _GAP) + 2 * _GAP
    left_out = f" · {len(order) - _MOST} more are not shown" if len(order) > _MOST else ""
    legend = (
        f"{one.name} — black: actual · blue: expected with its band, where it was told · red ring: first told live · "
        f"blue ring: first told by this configuration{left_out}"
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
            f'<rect width="{width}" height="{height}" fill="white"/>',
            *panels,
            f'<text x="{_GAP}" y="{height - 14}" font-size="12">{escape(legend)}</text>',
            "</svg>\n",
        ]
    )


class _Panel:
    """Where days and amounts lie in one panel."""

    def __init__(self, place: int, first: date, days: int, highest: float) -> None:
        self.left = _GAP + place % _COLUMNS * (_WIDTH + _GAP)
        self.top = _GAP + place // _COLUMNS * (_HEIGHT + _GAP)
        self._first = first
        self._days = days
        self._highest = highest or 1.0

    def at(self, day: date, amount: float) -> tuple[float, float]:
        across = self.left + (day - self._first).days * _WIDTH / self._days
        return across, self.top + _HEIGHT * (1 - min(max(amount / self._highest, 0.0), 1.0))

    def points(self, course: Sequence[tuple[date, float]]) -> str:
        return " ".join("{:.1f},{:.1f}".format(*self.at(day, amount)) for day, amount in course)


def _panel(place: int, what: str, alert: Told, one: Compared, live: Sequence[Told], actuals: Actuals) -> str:
    costs = actuals.get((alert.series, alert.kind), {})
    first, last = alert.first - timedelta(days=_BEFORE), alert.last + timedelta(days=_AFTER)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    actual = [(day, costs.get(day_number(day), 0.0)) for day in days]
    told = sorted(alert.days.items())
    highest = 1.08 * max([amount for _, amount in actual] + [upper for _, (_, _, upper) in told])
    panel = _Panel(place, first, len(days), highest)
    band = [(day, upper) for day, (_, _, upper) in told] + [(day, lower) for day, (_, lower, _) in reversed(told)]
    expected = [(day, mean) for day, (mean, _, _) in told]
    title = f"{what}: {alert.shape} of {alert.series}"
    size = f"{alert.first} to {alert.last}, {alert.impact:+,.2f}; the top is {highest:,.2f}"
    return "\n".join(
        [
            f'<text x="{panel.left}" y="{panel.top - 20}" font-size="12">{escape(title)}</text>',
            f'<text x="{panel.left}" y="{panel.top - 6}" font-size="11" fill="#777777">{escape(size)}</text>',
            f'<polygon points="{panel.points(band)}" fill="#dbe7f3" stroke="#dbe7f3" stroke-width="3"/>',
            f'<polyline points="{panel.points(expected)}" fill="none" stroke="{_OTHER}"/>',
            f'<polyline points="{panel.points(actual)}" fill="none" stroke="#222222"/>',
            *(_ring(panel, other, costs, _LIVE, 6) for other in live if other.same(alert)),
            *(_ring(panel, other, costs, _OTHER, 4) for other in one.alerts if other.same(alert)),
        ]
    )


def _ring(panel: _Panel, alert: Told, costs: dict[int, float], ink: str, radius: int) -> str:
    """Return a ring around the newest day that the first alert could show."""
    day = min(alert.last, alert.at.date())
    x, y = panel.at(day, costs.get(day_number(day), 0.0))
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="none" stroke="{ink}" stroke-width="2"/>'
