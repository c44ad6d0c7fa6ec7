"""Exact money: integers of 10⁻¹⁸ of a currency unit inside, `Decimal` at the edges, never a float.

An amount has at most 38 digits, 18 of them behind the point, as `decimal(38, 18)` in Avro and `Decimal(38, 18)`
in ClickHouse. A finer amount is refused, never rounded: rounding would make two sums of the same bill differ.
"""

from decimal import Context, Decimal, InvalidOperation

SCALE = 18
PRECISION = 38

_UNIT = 10**SCALE
_LIMIT = 10**PRECISION
# Exact for every amount that we accept: no operation on 38 digits rounds in 80.
_EXACT = Context(prec=80)

#: ISO 4217 codes of currencies in use (list one, July 2026 edition), without the codes of metals and funds.
CURRENCIES = frozenset(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP
    CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF
    IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD
    MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB
    RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD
    UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
    """.split()
)


class MoneyError(ValueError):
    """An amount or a currency that cannot be accepted; the text says why."""


def to_units(amount: Decimal | str | int) -> int:
    """Return `amount` as an integer of 10⁻¹⁸ currency units.

    Raises
    ------
    MoneyError
        When `amount` is no finite number, is finer than 10⁻¹⁸, or has more than 20 digits before the point.

    Examples
    --------
    >>> to_units("0.005")
    5000000000000000
    """
    try:
        value = amount if isinstance(amount, Decimal) else Decimal(amount)
        scaled = value.scaleb(SCALE, _EXACT)
    except (InvalidOperation, TypeError):
        raise MoneyError(f"{amount!r} is not a decimal number") from None
    if not scaled.is_finite():
        raise MoneyError(f"{amount!r} is not a finite number")
    units = int(scaled)
    if scaled != units:
        raise MoneyError(f"{amount} is finer than 10^-{SCALE} of a currency unit; it is not rounded")
    if not -_LIMIT < units < _LIMIT:
        raise MoneyError(f"{amount} has more than {PRECISION - SCALE} digits before the point")
    return units


def from_units(units: int) -> Decimal:
    """Return the amount of `units` (10⁻¹⁸ currency units) as an exact `Decimal` without trailing zeros.

    Examples
    --------
    >>> from_units(5000000000000000)
    Decimal('0.005')
    """
    whole, fraction = divmod(abs(units), _UNIT)
    sign = "-" if units < 0 else ""
    digits = f"{fraction:018d}".rstrip("0")
    return Decimal(f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}")


def units_to_bytes(units: int) -> bytes:
    """Return `units` as Avro `decimal` bytes: two's complement, big-endian, as short as it goes."""
    return units.to_bytes((units.bit_length() + 8) // 8, "big", signed=True)


def units_from_bytes(raw: bytes) -> int:
    """Return the integer that Avro `decimal` bytes hold."""
    return int.from_bytes(raw, "big", signed=True)


def check_currency(code: str) -> str:
    """Return `code` when it is an ISO 4217 currency in use, else raise `MoneyError`."""
    if code not in CURRENCIES:
        raise MoneyError(f"{code!r} is not an ISO 4217 currency code (three capital letters, as USD)")
    return code
