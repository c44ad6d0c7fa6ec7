"""A report in words: its title, and plain text for every channel."""

from dataclasses import dataclass
from decimal import Decimal

from alerts.reports.figures import Budget, Figures, Line, Money, rest_of
from alerts.wording import money, plain, share
from alerts.wording import name_of as name_of_series
from spendstream.clock import day_of

_NAME = 120
_CHARGES = {
    "recurring_fee": "Recurring fees",
    "commitment": "Commitments",
    "credit": "Credits",
    "refund": "Refunds",
    "tax": "Tax",
    "adjustment": "Adjustments",
}
_SHORT_ROWS = 8
_NOBODYS = 20
_NAMELESS = "(none)"


def title(figures: Figures) -> str:
    """Return one line that says the most: what, when, how much, how final."""
    head = f"{figures.report.name}, {figures.period.name}"
    totals = ", ".join(f"{money(one.total.cost, one.currency)}{_in_brackets(one.total)}" for one in figures.money[:3])
    return plain(f"{mark(figures)}{head}: {totals or 'no costs'}", 200)


def mark(figures: Figures) -> str:
    """Return what stands before a title: whether it is a correction, or provisional."""
    words = ["Correction"] if figures.told is not None else []
    words += ["provisional"] if figures.standing.stage == "provisional" else []
    return f"{', '.join(words).capitalize()}: " if words else ""


def notices(figures: Figures) -> list[str]:
    """Return what a reader must know before the figures."""
    said = []
    if figures.instead_of is not None:
        said.append(f"This was meant for {figures.instead_of}, which could not be told.")
    if figures.told is not None:
        before = ", ".join(money(amount, currency) for currency, amount in sorted(figures.told.items()))
        now = ", ".join(money(one.total.cost, one.currency) for one in figures.money)
        said.append(f"This corrects what was told before: {before or 'nothing'}, now {now or 'nothing'}.")
    if figures.standing.stage == "provisional":
        said.append(
            "Provisional: the bill is not complete yet, so costs may still rise. "
            + "; ".join(plain(one, _NAME) for one in figures.standing.late)
            + "."
        )
    elif figures.standing.stage == "complete":
        said.append("Every source tells these days; they may still restate them.")
    said += filter(None, [coverage(figures)])
    if not figures.money:
        said.append("No costs are known for this time.")
    if figures.nobodys:
        names = ", ".join(plain(value, _NAME) or _NAMELESS for value in figures.nobodys[:_NOBODYS])
        more = f" and {len(figures.nobodys) - _NOBODYS} more" if len(figures.nobodys) > _NOBODYS else ""
        said.append(f"Nobody is told of these alone, because no route names a receiver for them: {names}{more}.")
    return said


def coverage(figures: Figures) -> str:
    """Return which days are final, and to which every source tells; empty where all days are alike."""
    span, standing = figures.period.span, figures.standing
    said = []
    if standing.final_through is not None:
        said.append(f"final to {standing.final_through}" if standing.final_through < span.last else "final")
    if standing.complete_through is not None and standing.complete_through < span.last:
        said.append(f"complete to {standing.complete_through}")
    return f"Days are {', '.join(said)}." if said else ""


def narrowed(figures: Figures) -> str:
    """Return what the report is about, where that is not everything."""
    parts = [f"{name} {', '.join(values)}" for name, values in figures.report.where.items()]
    return plain("; ".join(parts), 300)


def footer(figures: Figures) -> str:
    """Return how to read the figures."""
    kind = "Effective (amortised)" if figures.report.measure == "effective" else "Billed"
    return f"{kind} cost of UTC days, exact in the attached file. Change is against {figures.period.before[0][0]}."


def name_of(line: Line) -> str:
    """Return the name of a line for people."""
    return plain(line.name, _NAME) or _NAMELESS


def charge_of(line: Line) -> str:
    """Return the name of a charge class for people."""
    return _CHARGES.get(line.name, line.name)


def amount(value: Decimal) -> str:
    """Return an amount to the cent without its currency."""
    return f"{'−' if value < 0 else ''}{money(abs(value), None)}"


def signed(value: Decimal) -> str:
    """Return a difference to the cent, with its sign.

    Examples
    --------
    >>> signed(Decimal("12.5")), signed(Decimal("-3")), signed(Decimal(0))
    ('+12.50', '−3.00', '0.00')
    """
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{money(abs(value), None)}"


def percents(line: Line, against: int = 1) -> str:
    """Return a change as percents, or why there are none."""
    share = line.share(against)
    if share is None:
        return "" if line.change(against) == 0 else "new" if line.amounts[against] == 0 else ""
    if line.cost == 0:
        return "gone"
    return f"{'+' if share > 0 else '−' if share < 0 else ''}{abs(share) * 100:,.1f} %"


def text(figures: Figures, *, rows: int | None = None) -> str:
    """Return a whole report as plain text; `rows` of each table, by default as many as the report says."""
    shown = figures.report.rows if rows is None else rows
    blocks = ["\n".join(filter(None, [title(figures), narrowed(figures), *notices(figures)]))]
    blocks += [_money(figures, one, shown) for one in figures.money]
    if figures.budgets:
        lines = [f"  {one.name}: {one.spent} ({one.used}); {one.rest}" for one in budgets(figures, shown)]
        blocks.append("\n".join([budgets_head(figures), *lines]))
    if figures.incidents:
        lines = [
            f"  {plain(one.severity, 20)}: {plain(one.says, 200)} (since {one.since})" for one in figures.incidents
        ]
        blocks.append("\n".join(["Open incidents", *lines]))
    blocks.append(footer(figures))
    return "\n\n".join(blocks) + "\n"


@dataclass(frozen=True, slots=True)
class BudgetWords:
    """A budget in words: whose, which share is used, how much of what, what follows; of 100 for a bar."""

    name: str
    used: str
    spent: str
    rest: str
    percent: int


def budgets_head(figures: Figures) -> str:
    """Return what stands above the budgets: as of which day, and how many there are of them."""
    newest = max(day_of(one.standing.end) for one in figures.budgets)
    return f"Budgets, spent to {newest}"


def budgets(figures: Figures, shown: int) -> list[BudgetWords]:
    """Return the budgets in words, `shown` at most, those that are used up most first."""
    return [_budget(one) for one in figures.budgets[:shown]]


def _budget(one: Budget) -> BudgetWords:
    standing, ahead = one.standing, one.ahead
    spent = standing.spent if standing.spent is not None else Decimal(0)
    period = standing.rule.period if isinstance(standing.rule.period, str) else f"{standing.first} to {standing.last}"
    rest = [f"{standing.left} days left" if standing.left != 1 else "1 day left"]
    if ahead is not None:
        how = "at this pace" if one.band is None else "by its forecast"
        rest.insert(0, f"{share(standing.share(ahead))} by {standing.last} {how}")
    if standing.known_since is not None:
        rest.append(f"known since {standing.known_since}")
    return BudgetWords(
        plain(f"{name_of_series(standing.key)}, {period}", _NAME),
        share(one.used),
        f"{money(spent, None)} of {money(standing.budget, standing.currency)}",
        ", ".join(rest),
        round(min(max(one.used, Decimal(0)), Decimal(1)) * 100),
    )


def short(figures: Figures) -> str:
    """Return a report for a chat: the totals, the movers, and the dearest."""
    return text(figures, rows=min(_SHORT_ROWS, figures.report.rows))


def _money(figures: Figures, one: Money, shown: int) -> str:
    names = ["", *(f"against {name}" for name, _ in figures.period.before)]
    total = [f"Total {money(one.total.cost, one.currency)}"]
    total += [
        f"  {signed(one.total.change(number))}{_in_brackets(one.total, number)} {names[number]}"
        for number in range(1, len(one.total.amounts))
    ]
    blocks = ["\n".join(total)]
    for head, moved in (("Rose most", one.risen), ("Fell most", one.fallen)):
        if moved:
            lines = [f"  {name_of(line)}: {signed(line.change())}{_in_brackets(line)}" for line in moved]
            blocks.append("\n".join([head, *lines]))
    if one.lines:
        rest = rest_of(one.lines, shown)
        listed = [*one.lines[:shown], *([rest] if rest else [])]
        lines = [f"  {name_of(line)}: {amount(line.cost)}{_in_brackets(line)}" for line in listed]
        blocks.append("\n".join([f"Usage by {figures.report.by}, {money(one.usage.cost, one.currency)}", *lines]))
    if one.charges:
        lines = [f"  {charge_of(line)}: {amount(line.cost)} ({signed(line.change())})" for line in one.charges]
        blocks.append("\n".join(["Other charges", *lines]))
    return "\n\n".join(blocks)


def _in_brackets(line: Line, against: int = 1) -> str:
    said = percents(line, against)
    return f" ({said})" if said else ""
