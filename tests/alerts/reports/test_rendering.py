"""How reports read: golden files of text and HTML, the CSV file, and names that mean harm.

After a change that is meant: `UPDATE_GOLDEN=1 python -m pytest tests/alerts/reports/test_rendering.py`, then look.
"""

import csv
import io
import os
from decimal import Decimal
from pathlib import Path

import pytest

from alerts.channels.mail import Envelope, mail_of_note
from alerts.reports import page, words
from alerts.reports.figures import Figures, money_of
from alerts.reports.table import table
from alerts.reports.telling import note_of
from tests.alerts.facts import T
from tests.alerts.reports.facts import NOW, WEEK_BEFORE, edition, figures, rows

GOLDEN = Path(__file__).parent / "golden"
EVIL = '=HYPERLINK("http://evil")<script>alert(1)</script>\u202eReversed\r\nBcc: all@example.com'
CASES = {
    "daily": figures(),
    "provisional": figures(stage="provisional"),
    "correction": figures(stage="final", told={"USD": Decimal("3100.5"), "EUR": Decimal("230.37")}),
    "nothing": figures([[], [], []]),
}


@pytest.mark.parametrize(("name", "made"), CASES.items())
@pytest.mark.parametrize("form", ["txt", "html"])
def test_a_report_reads_as_it_should(name: str, made: Figures, form: str):
    shown = words.text(made) if form == "txt" else page.html(made)
    golden = GOLDEN / f"{name}.{form}"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(shown)
    assert shown == golden.read_text()


def evil() -> Figures:
    hostile = [
        ("USD", EVIL, "usage", Decimal(9)),
        ("USD", "@SUM(A1)", "usage", Decimal(5)),
        ("USD", "", "usage", Decimal(1)),
    ]
    return figures([hostile, [], []], where={"tag:team": "<b>&\u202e"}, title="<i>mine</i>")


def test_names_are_text_in_html():
    shown = page.html(evil())
    assert "<script>" not in shown
    assert "<i>mine" not in shown
    assert "&lt;script&gt;" in shown
    assert "\u202e" not in shown
    assert "(none)" in shown


def test_a_page_loads_nothing():
    shown = page.html(CASES["daily"])
    assert [word for word in ("src=", "@import", "<link", "url(") if word in shown] == []


def test_names_break_no_line_of_text_or_title():
    made = evil()
    assert "\n" not in words.title(made)
    assert "\nBcc:" not in words.text(made)
    assert "\u202e" not in words.text(made)


def test_the_file_has_every_digit_and_no_formula():
    hostile = [("USD", EVIL, "usage", Decimal("0.000000000000000001")), ("USD", " -1+1", "usage", Decimal("-2E+3"))]
    read = list(csv.DictReader(io.StringIO(table(figures([hostile, [], []])).decode())))
    assert [row["name"][0] for row in read] == ["t", "'", "'"]
    assert [row["cost"] for row in read] == ["-1999.999999999999999999", "0.000000000000000001", "-2000"]


def test_totals_are_what_their_rows_add_up_to_in_every_currency():
    read = list(csv.DictReader(io.StringIO(table(CASES["daily"]).decode())))
    sums = {currency: Decimal(0) for currency in ("USD", "EUR")}
    for row in read:
        if row["dimension"] != "total":
            sums[row["currency"]] += Decimal(row["cost"])
    assert sums == {row["currency"]: Decimal(row["cost"]) for row in read if row["dimension"] == "total"}
    assert sums == {"USD": Decimal("3347.4171"), "EUR": Decimal("230.37")}


def test_what_is_beyond_the_rows_is_added_up():
    shown = words.text(figures(rows=2))
    assert "5 more: 766.47" in shown


def test_a_mail_has_text_html_and_the_file_and_a_correction_is_in_its_thread():
    first, correction = (
        mail_of_note(
            note_of(edition(made), made, "finance", number, T, roomy=True),
            Envelope("costs@example.com", ["ann@example.com"]),
        )
        for number, made in enumerate((CASES["provisional"], CASES["correction"]))
    )
    parts = {part.get_content_type(): part for part in first.walk() if not part.is_multipart()}
    assert set(parts) == {"text/plain", "text/html", "text/csv"}
    assert parts["text/csv"].get_filename() == "daily-2026-03-09.csv"
    assert first["Subject"].startswith("Provisional: Daily costs, Monday 2026-03-09: 3,347.42 USD")
    assert first["Message-ID"] != correction["Message-ID"]
    assert first["References"] == correction["References"]


def test_movers_are_the_largest_changes_by_amount():
    [usd, _] = money_of([NOW, WEEK_BEFORE], {})
    assert [line.name for line in usd.risen] == ["AmazonBedrock", "AmazonEC2", "AWSLambda"]
    assert [line.name for line in usd.fallen] == ["AmazonRDS", "AmazonRedshift", "AmazonS3"]
    assert usd.risen[0].share() is None


def test_figures_that_are_the_same_have_the_same_digest():
    again = figures([rows("USD a usage 1.50"), [], []]).digest
    assert again == figures([rows("USD a usage 1.5"), [], []]).digest
    assert again != figures([rows("USD a usage 1.51"), [], []]).digest
