"""Pictures of typical incidents: actual cost, what was expected, the band, the score, and where it alerts; one SVG."""

from datetime import UTC
from html import escape

import numpy as np

from bench.detection import bills, bills_model
from bench.detection.bills_model import Floats
from detection.arrays import Bools
from detection.calibration import needed_log_p
from detection.cost_series import CostSeries
from detection.seasons import Calendar

_SERIES, _DAYS, _SHOWN, _START = 40, 260, 100, 205
_NOISE = 0.06
_INCIDENTS = (
    ("spike", 5), ("spike", 10), ("two_periods", 5), ("step", 3), ("step", 8), ("creep", 8), ("runaway_loop", 16),
    ("runaway_loop", 64), ("forgotten_resource", 4), ("price_change", 8), ("vanished_usage", 0), ("spike", 0),
)  # fmt: skip
_WIDTH, _HEIGHT, _SCORE, _GAP, _COLUMNS = 380, 130, 36, 46, 3
_MOST_SCORE = 12.0
_INK = {"band": "#dbe7f3", "expected": "#3b6ea5", "actual": "#222222", "score": "#9a9a9a", "alert": "#c62828"}


def svg(seed: int = 1) -> str:
    """Return the picture: a dozen incidents, the last an ordinary series without one."""
    rng = np.random.default_rng(seed)
    made = bills_model.ordinary(rng, _SERIES, _DAYS)
    made.sigma = _NOISE * made.mean
    kinds = {kind["kind"]: kind for kind in bills_model.parameters()["kinds"]}
    for column, (kind, size) in enumerate(_INCIDENTS):
        if kind == "vanished_usage" or size:
            bills_model.put(made, kinds[kind], float(size), column, _START, column)
    calendar = Calendar(holidays=bills.HOLIDAYS)
    detector = CostSeries(calendar, _SERIES / 1000)
    detector.add(_SERIES)
    rows, alerts = [], []
    for t, moment in enumerate(made.times):
        detector.advance(calendar.index(moment.replace(tzinfo=UTC)))
        scores = detector.score_many(made.values[t])
        rows.append(np.array([made.values[t], scores.expected, scores.lower, scores.upper, scores.score]))
        alerts.append(detector.learn_many(made.values[t], scores))
    told, alerted = np.array(rows)[-_SHOWN:], np.array(alerts)[-_SHOWN:]
    panels = []
    for place, (kind, size) in enumerate(_INCIDENTS):
        title = f"{kind}, {size} σ" if size else kind.replace("spike", "an ordinary series")
        panels.append(_panel(place, title, told[:, :, place], alerted[:, place]))
    width = _COLUMNS * (_WIDTH + _GAP) + _GAP
    height = -(-len(panels) // _COLUMNS) * (_HEIGHT + _SCORE + _GAP) + _GAP
    legend = (
        "black: actual · blue: expected, with its band · grey: score (−log10 p; the line is where it alerts) · "
        "red: an alert, once for each incident"
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
            f'<rect width="{width}" height="{height}" fill="white"/>',
            *panels,
            f'<text x="{_GAP}" y="{height - 12}" font-size="13">{escape(legend)}</text>',
            "</svg>\n",
        ]
    )


def _panel(place: int, title: str, told: Floats, alerts: Bools) -> str:
    """Return one series: the rows of `told` are actual, expected, lower, upper and score."""
    left = _GAP + place % _COLUMNS * (_WIDTH + _GAP)
    top = _GAP + place // _COLUMNS * (_HEIGHT + _SCORE + _GAP)
    actual, expected, lower, upper, score = told.T
    highest = 1.05 * max(float(actual.max()), float(np.quantile(upper, 0.95)))
    x = left + np.arange(len(actual)) * _WIDTH / len(actual)

    def points(across: Floats, values: Floats) -> str:
        high = top + _HEIGHT * (1 - np.clip(values / highest, 0, 1))
        return " ".join(f"{one:.1f},{other:.1f}" for one, other in zip(across, high, strict=True))

    bottom = top + _HEIGHT + _SCORE
    bars = " ".join(
        f"M{one:.1f},{bottom}v{-_SCORE * min(max(value, 0.0), _MOST_SCORE) / _MOST_SCORE:.1f}"
        for one, value in zip(x, score, strict=True)
    )
    needed = bottom - _SCORE * needed_log_p(1.0, 1000, 1) / np.log(10) / _MOST_SCORE
    marks = [
        f'<circle cx="{one:.1f}" cy="{top + _HEIGHT * (1 - value / highest):.1f}" r="5" fill="none" '
        f'stroke="{_INK["alert"]}" stroke-width="2"/>'
        for one, value, alert in zip(x, actual, alerts, strict=True)
        if alert
    ]
    return "\n".join(
        [
            f'<text x="{left}" y="{top - 8}" font-size="14">{escape(title)}</text>',
            f'<polygon points="{points(x, upper)} {points(x[::-1], lower[::-1])}" fill="{_INK["band"]}"/>',
            f'<polyline points="{points(x, expected)}" fill="none" stroke="{_INK["expected"]}"/>',
            f'<polyline points="{points(x, actual)}" fill="none" stroke="{_INK["actual"]}"/>',
            f'<path d="{bars}" stroke="{_INK["score"]}" stroke-width="2"/>',
            f'<path d="M{left},{needed:.1f}h{_WIDTH}" stroke="{_INK["alert"]}" stroke-dasharray="3 3"/>',
            *marks,
        ]
    )
