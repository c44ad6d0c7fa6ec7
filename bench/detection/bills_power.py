"""The power curve: the share of one-day rises that is found, against their size in σ, and where the rest is lost.

Ours is asked at each third day of ordinary bills what it would say if that day cost so many σ more: a question that
changes nothing. Rules whose answer depends on what they hold are given bills with a rise every 60 days instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from functools import partial
from html import escape

import numpy as np

from bench.detection import bills, bills_causal, bills_model, bills_rivals
from bench.detection.bills_model import Bills, Floats
from detection.arrays import Bools
from detection.cost_series import UP, CostSeries
from detection.seasons import Calendar

SIZES = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_EVERY, _EVERY_HOURS = 3, 25
_APART, _APART_HOURS = 60, 25 * 24 + 1
_NOISES = ("Gaussian", "of real series", "of real series in every second series")
_WIDTH, _HEIGHT, _LEFT, _TOP = 460, 300, 50, 20
_FONT = 'font-family="sans-serif" font-size="13"'
_INKS = ("#222222", "#888888", "#c62828", "#3b6ea5", "#7b9e3b", "#b8860b", "#8a5fa8")


@dataclass(frozen=True, slots=True)
class Curve:
    """What share of rises is found, by size in σ."""

    detector: str
    sizes: Sequence[float]
    found: Sequence[float]


@dataclass(frozen=True, slots=True)
class Quiet:
    """False alerts on ordinary bills without incidents, and how many the setting allows."""

    noise: str
    series_years: float
    false_alerts: int
    allowed: float


@dataclass(slots=True)
class Asked:
    """What our detector said of ordinary bills, and would have said of rises.

    Attributes
    ----------
    found
        For each size whether it passes: days asked × series.
    residual
        (Actual − expected) ÷ true σ.
    sd
        The standard deviation that was expected ÷ true σ.
    alerts
        Where an alert was raised; periods × series.
    """

    found: dict[float, Floats]
    residual: Floats
    sd: Floats
    alerts: Floats


def ask(made: Bills, sizes: Sequence[float] = SIZES, *, hourly: bool = False) -> Asked:
    """Run our detector over bills, and ask it on each third day, or 25th hour, about rises of so many σ."""
    calendar = Calendar(hourly=hourly, holidays=bills.HOLIDAYS)
    detector = CostSeries(calendar, made.mean.shape[1] / 1000)
    detector.add(made.mean.shape[1])
    warm_up = bills_model.parameters()["placing"]["warm_up_days"] * calendar.a_day
    values, every = made.values, _EVERY_HOURS if hourly else _EVERY
    found: dict[float, list[Floats]] = {size: [] for size in sizes}
    residual, sd, alerts = np.zeros_like(values), np.ones_like(values), np.zeros_like(values)
    for t, moment in enumerate(made.times):
        detector.advance(calendar.index(moment.replace(tzinfo=UTC)))
        scores = detector.score_many(values[t])
        residual[t] = (values[t] - scores.expected) / made.sigma[t]
        sd[t] = detector.levels.expect().sd * scores.expected / made.sigma[t]
        if t >= warm_up and t % every == 0:
            for size in sizes:
                found[size].append(detector.score_many(values[t] + size * made.sigma[t]).passes.astype(np.float64))
        alerts[t] = detector.learn_many(values[t], scores)
    return Asked({size: np.array(each) for size, each in found.items()}, residual[warm_up:], sd[warm_up:], alerts)


def curves(
    seed: int, series: int = 600, days: int = 700, sizes: Sequence[float] = SIZES, *, hourly: bool = False
) -> list[Curve]:
    """Return the oracle's curve, what is left of it when one cannot see ahead, ours, and the rules'.

    The best causal test knows the generator's parameters. It has two rows: it spends all of the false alerts on such
    rises, or the share that ours has for them, as what lasts and what falls is to be found too.
    """
    a_day = 24 if hourly else 1
    made = bills_model.ordinary(np.random.default_rng(seed), series, days * a_day, hourly=hourly)
    asked = ask(made, sizes, hourly=hourly)
    allowed = bills.clean(made, hourly=hourly)
    bearable = bills.bearable(allowed, hourly=hourly)
    warm_up = len(made.mean) - len(asked.residual)

    def told(name: str, scores: Floats, gain: Floats | float, spent: float = 1.0) -> Curve:
        threshold = bills.fitted(scores, allowed[warm_up:], bearable * spent)
        return Curve(name, sizes, [float((scores + size * gain >= threshold).mean()) for size in sizes])

    best = bills_causal.foreseen(made)
    sd, z = best.sd[warm_up:], ((made.values - best.mean) / best.sd)[warm_up:]
    gain = made.sigma[warm_up:] / sd
    found = [
        told("oracle", made.noise[warm_up:], 1.0),
        told("best causal, for such rises only", z, gain),
        told("best causal, with our share for them", z, gain, UP[0]),
        told("oracle, mean as estimated", asked.residual, 1.0),
        told("oracle, mean and σ as estimated", asked.residual / asked.sd, 1 / asked.sd),
        Curve("spendstream", sizes, [float(asked.found[size].mean()) for size in sizes]),
    ]
    return found + [_of_rule(rule, made, sizes, allowed, bearable, a_day) for rule in bills_rivals.RULES]


def bounds(seed: int, kind: str, series: int = 600, days: int = 700) -> list[Curve]:
    """Return what can be found of a kind of daily incidents by its end: by the oracle, and by the best causal test.

    The latter spends all of the false alerts on such incidents, or half of them.
    """
    [read] = [one for one in bills_model.parameters()["kinds"] if one["kind"] == kind]
    course, sizes = bills_model.shaped(read["shape"], read["periods"]), [float(size) for size in read["sizes"]]
    made = bills_model.ordinary(np.random.default_rng(seed), series, days)
    allowed = bills.clean(made)
    warm_up, bearable = bills_model.parameters()["placing"]["warm_up_days"], bills.bearable(allowed)

    def told(name: str, scores: Floats, gain: Floats, spent: float = 1.0) -> Curve:
        threshold = bills.fitted(scores, allowed, bearable * spent)
        late, much = scores[warm_up:], gain[warm_up:]
        return Curve(name, sizes, [float((late + size * much >= threshold).mean()) for size in sizes])

    _, noise = bills_rivals.oracle(made, course)
    best = bills_causal.likelihood_ratio(made, course)
    return [
        told(f"{kind}: oracle", noise, np.full_like(noise, np.sqrt((course**2).sum()))),
        told(f"{kind}: best causal, for such incidents only", *best),
        told(f"{kind}: best causal, with half of the false alerts", *best, spent=0.5),
    ]


def _of_rule(name: str, made: Bills, sizes: Sequence[float], allowed: Bools, bearable: float, a_day: int) -> Curve:
    rule = partial(bills_rivals.RULES[name], a_day=a_day)
    threshold = bills.fitted(rule(made.values), allowed, bearable)
    first = bills_model.parameters()["placing"]["warm_up_days"] * a_day
    periods, series = allowed.shape
    apart = _APART if a_day == 1 else _APART_HOURS
    period = np.arange(periods)[:, None] - first - np.arange(series) % apart
    tried = (period >= 0) & (period % apart == 0)
    shares = [float((rule(made.values + size * made.sigma * tried)[tried] >= threshold).mean()) for size in sizes]
    return Curve(name, sizes, shares)


def quiet(seed: int, residuals: Floats | None, series: int = 1000, days: int = 850) -> list[Quiet]:
    """Count false alerts on ordinary bills: Gaussian noise, and that of real series in all or in half of the series."""
    found = []
    for name in _NOISES if residuals is not None else _NOISES[:1]:
        rng = np.random.default_rng(seed)
        made = bills_model.ordinary(rng, series, days, residuals=residuals if name == _NOISES[1] else None)
        if name == _NOISES[2] and residuals is not None:
            made.noise[:, ::2] = rng.choice(residuals, size=(days, len(made.noise[0, ::2])))
        found.append(_quiet(name, made))
    return found


def quiet_hours(seed: int, series: int = 200, days: int = 365) -> Quiet:
    """Count false alerts on ordinary hourly bills."""
    made = bills_model.ordinary(np.random.default_rng(seed), series, 24 * days, hourly=True)
    return _quiet("Gaussian, hourly", made, hourly=True)


def _quiet(name: str, made: Bills, *, hourly: bool = False) -> Quiet:
    alerts, allowed = ask(made, (), hourly=hourly).alerts, bills.clean(made, hourly=hourly)
    years = float(allowed.sum()) / 365.25 / (24 if hourly else 1)
    return Quiet(name, years, bills.false_alerts(alerts, allowed, 0.5), bills.bearable(allowed, hourly=hourly))


def svg(found: Sequence[Curve]) -> str:
    """Return a picture of the curves."""
    largest = max(found[0].sizes)

    def place(size: float, share: float) -> str:
        return f"{_LEFT + _WIDTH * size / largest:.1f},{_TOP + _HEIGHT * (1 - share):.1f}"

    shown = [one for one in found if not one.detector.startswith(("oracle,", "best causal, with"))]
    lines, names = [], []
    for n, one in enumerate(shown):
        points = " ".join(place(size, share) for size, share in zip(one.sizes, one.found, strict=True))
        lines.append(f'<polyline points="{points}" fill="none" stroke="{_INKS[n]}" stroke-width="2"/>')
        top = _TOP + 24 + 20 * n
        names.append(f'<text x="{_LEFT + _WIDTH + 20}" y="{top}" fill="{_INKS[n]}">{escape(one.detector)}</text>')
    for tick in (0, 0.25, 0.5, 0.75, 1):
        across = _TOP + _HEIGHT * (1 - tick)
        lines.append(f'<path d="M{_LEFT},{across}h{_WIDTH}" stroke="#dddddd"/>')
        names.append(f'<text x="{_LEFT - 34}" y="{across + 4}" fill="#555555">{tick:.2f}</text>')
    for size in found[0].sizes:
        x = _LEFT + _WIDTH * size / largest
        names.append(f'<text x="{x - 4:.0f}" y="{_TOP + _HEIGHT + 18}" fill="#555555">{size:g}</text>')
    title = "share of one-day rises found, by size in σ, at one false alert a week per 1,000 series"
    names.append(f'<text x="{_LEFT}" y="{_TOP + _HEIGHT + 40}" fill="#222222">{title}</text>')
    width, height = _LEFT + _WIDTH + 260, _TOP + _HEIGHT + 56
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {_FONT}>',
            f'<rect width="{width}" height="{height}" fill="white"/>',
            *lines,
            *names,
            "</svg>\n",
        ]
    )
