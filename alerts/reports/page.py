"""A report as HTML for mail programs, in the frame of all mails. Names are text, whatever they hold."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from alerts.channels.mail_page import page
from alerts.reports import words
from alerts.reports.figures import Figures, Line, Money, rest_of

_TEMPLATE = Path(__file__).with_name("report.mjml")
_BAR = 56
_NEARLY, _ALL = 80, 100
_CALM, _NEARLY_SPENT, _SPENT = "#2f6fed", "#d97706", "#d92d20"
_MONTH, _WEEK = "%b", "%d %b"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table in words; `sign` is rise, fall or same."""

    name: str
    cost: str
    change: str
    percents: str
    sign: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of the chart: height in pixels, what it stands for, and whether it is the period itself."""

    height: int
    label: str
    title: str
    own: bool


@dataclass(frozen=True, slots=True)
class Section:
    """What the page shows of one currency."""

    currency: str
    total: str
    against: tuple[tuple[str, Row], ...]
    bars: tuple[Bar, ...]
    risen: tuple[Row, ...]
    fallen: tuple[Row, ...]
    usage: str
    lines: tuple[Row, ...]
    charges: tuple[Row, ...]


def html(figures: Figures) -> str:
    """Return the page."""
    return page(
        _TEMPLATE,
        title=words.title(figures),
        preview=words.title(figures),
        report=figures.report,
        name=figures.report.name,
        period=figures.period.name[0].upper() + figures.period.name[1:],
        warns=figures.standing.stage == "provisional" or figures.told is not None or figures.instead_of is not None,
        narrowed=words.narrowed(figures),
        notices=words.notices(figures),
        sections=[_section(figures, one) for one in figures.money],
        budgets_head=words.budgets_head(figures) if figures.budgets else "",
        budgets=[(one, _colour(one.percent)) for one in words.budgets(figures, figures.report.rows)],
        incidents=figures.incidents,
        footing=words.footer(figures),
    )


def _colour(percent: int) -> str:
    return _SPENT if percent >= _ALL else _NEARLY_SPENT if percent >= _NEARLY else _CALM


def _section(figures: Figures, one: Money) -> Section:
    rest = rest_of(one.lines, figures.report.rows)
    listed = [*one.lines[: figures.report.rows], *([rest] if rest else [])]
    return Section(
        currency=one.currency,
        total=words.amount(one.total.cost),
        against=tuple(
            (name, _row(one.total, "", number)) for number, (name, _) in enumerate(figures.period.before, start=1)
        ),
        bars=_bars(figures, one),
        risen=tuple(_row(line, words.name_of(line)) for line in one.risen),
        fallen=tuple(_row(line, words.name_of(line)) for line in one.fallen),
        usage=words.amount(one.usage.cost),
        lines=tuple(_row(line, words.name_of(line)) for line in listed),
        charges=tuple(_row(line, words.charge_of(line)) for line in one.charges),
    )


def _row(line: Line, name: str, against: int = 1) -> Row:
    change = line.change(against)
    sign = "rise" if change > 0 else "fall" if change < 0 else "same"
    return Row(name, words.amount(line.cost), words.signed(change), words.percents(line, against), sign)


def _bars(figures: Figures, one: Money) -> tuple[Bar, ...]:
    """Return the chart; what is below nothing has no height. None where all is nothing."""
    top = max(one.trend, default=Decimal(0))
    if top <= 0:
        return ()
    form = _MONTH if figures.period.every == "month" else _WEEK
    return tuple(
        Bar(
            height=max(1, round(_BAR * max(cost, Decimal(0)) / top)),
            label=f"{span.first:%a}"[:2] if figures.period.every == "day" else f"{span.first:{form}}",
            title=f"{span.first}: {words.amount(cost)} {one.currency}",
            own=span == figures.period.span,
        )
        for span, cost in zip(figures.period.trend, one.trend, strict=True)
    )
