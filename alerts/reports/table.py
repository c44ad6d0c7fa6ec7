"""A report as a CSV file: every row, every digit."""

import csv
import io
from decimal import Context

from alerts.reports.figures import Figures, Line
from alerts.wording import printable

_EXACT = Context(prec=80)
#: A spreadsheet takes a text that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def table(figures: Figures) -> bytes:
    """Return the file, in UTF-8; amounts are exact, names cannot be formulas."""
    before = [f"{span.first}..{span.last}" for _, span in figures.period.before]
    target = io.StringIO(newline="")
    rows = csv.writer(target)
    rows.writerow(
        ["report", "first_day", "last_day", "stage", "measure", "currency", "dimension", "name", "cost"]
        + [f"cost {name}" for name in before]
    )
    span = figures.period.span
    head = [figures.report.id, span.first, span.last, figures.standing.stage, figures.report.measure]
    for one in figures.money:
        rows.writerow([*head, one.currency, "total", "total", *_amounts(one.total)])
        for dimension, lines in ((figures.report.by, one.lines), ("kind", one.charges)):
            rows.writerows([*head, one.currency, *_texts(dimension, line.name), *_amounts(line)] for line in lines)
    return target.getvalue().encode(errors="replace")


def _texts(*texts: str) -> list[str]:
    cleaned = [printable(text) for text in texts]
    return [f"'{text}" if text.lstrip().startswith(_FORMULA) else text for text in cleaned]


def _amounts(line: Line) -> list[str]:
    return [f"{amount.normalize(_EXACT):f}" for amount in line.amounts]
