"""How costs and series read in a sentence for people. Nothing here decides anything."""

import re
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from unicodedata import category

from processors.series import parse

_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)


def money(amount: Decimal, currency: str | None) -> str:
    """Return an amount to the cent with its currency; what is less than a cent is not shown as nothing.

    Examples
    --------
    >>> money(Decimal("1234.5678"), "USD"), money(Decimal("0.0004"), "EUR")
    ('1,234.57 USD', '0.0004 EUR')
    """
    cents = amount.quantize(Decimal("0.01"), context=_WIDE)
    if cents == 0 and amount != 0:
        digits = f"{amount.normalize(_WIDE):f}"
        return f"{digits} {currency or ''}".rstrip()
    return f"{cents:,} {currency or ''}".rstrip()


def between(lower: Decimal | None, upper: Decimal | None, currency: str | None) -> str | None:
    """Return the band that holds an amount as people read it; None: none is known.

    Examples
    --------
    >>> between(Decimal("90.1"), Decimal(150), "USD")
    'likely 90.10 to 150.00 USD'
    """
    if lower is None or upper is None:
        return None
    return f"likely {money(lower, None)} to {money(upper, currency)}"


def share(value: float | Decimal) -> str:
    """Return a share as percents.

    Examples
    --------
    >>> share(0.756), share(12)
    ('76 %', '1,200 %')
    """
    return f"{round(value * 100):,} %"


def name_of(key: str) -> str:
    """Return what a series key is about, in words.

    Examples
    --------
    >>> name_of("USD/provider=AWS/account=1234/service=AmazonS3/region=eu-west-1")
    'AmazonS3 in eu-west-1 of account 1234'
    >>> name_of("USD")
    'the organisation'
    """
    series = parse(key)
    if series.tag is not None:
        return f"{series.tag}={series.value}"
    words = series.service or ""
    if series.usage_type is not None:
        words += f" {series.usage_type}"
    if series.region is not None:
        words += f" in {series.region}"
    if series.account is not None:
        words += f" of account {series.account}" if words else f"account {series.account}"
    return words or (series.provider if series.provider is not None else "the organisation")


def over(window: str, end: date) -> str:
    """Return the time that a window is, in words.

    Examples
    --------
    >>> over("d7", date(2026, 3, 9)), over("mtd", date(2026, 3, 9))
    ('in the 7 days to 2026-03-09', 'in the month to 2026-03-09')
    """
    names = {"d7": "the 7 days", "d30": "the 30 days", "mtd": "the month", "qtd": "the quarter", "ytd": "the year"}
    return f"on {end}" if window == "day" else f"in {names[window]} to {end}"


def plain(text: str, longest: int) -> str:
    r"""Return text for people: on one line, without control and direction marks, cut to `longest` characters.

    Examples
    --------
    >>> plain("a\r\nBcc: b\u202e", 40), plain("x" * 50, 10)
    ('a Bcc: b', 'xxxxxxxxx…')
    """
    clean = printable(" ".join(text.split()))
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def printable(text: str) -> str:
    """Return text without control and direction marks, line breaks among them."""
    # What Python calls printable has none of them, and is nearly every text.
    if text.isprintable():
        return text
    return "".join(sign for sign in text if category(sign) not in {"Cc", "Cf", "Co", "Cs"})


def squeezed(title: str, longest: int) -> str:
    """Return a title that fits: it is cut in what it is about, so that how much stays.

    Examples
    --------
    >>> squeezed("Warning: AmazonElasticComputeCloud of account 1234 rose by 5.00 USD a day", 60)
    'Warning: AmazonElasticComputeCloud.. rose by 5.00 USD a day'
    """
    if len(title) <= longest:
        return title
    how_much = re.search(r" (rose|fell) by [^:]{1,60}$", title)
    tail = how_much.group() if how_much is not None and len(how_much.group()) <= longest // 2 else ""
    return f"{title[: longest - len(tail) - 2].rstrip()}..{tail}"
