"""Which charge class a line belongs to, from what FOCUS says of it."""

from processors.series import ChargeKind

_BY_CATEGORY = {
    "usage": ChargeKind.USAGE,
    "tax": ChargeKind.TAX,
    "credit": ChargeKind.CREDIT,
    "adjustment": ChargeKind.ADJUSTMENT,
}


def charge_kind(category: str, frequency: str, commitment: str, *, third_party: bool = False) -> ChargeKind:
    """Return the class of a line (FOCUS ChargeCategory, ChargeFrequency, CommitmentDiscountId).

    A purchase is a commitment when it names one, a marketplace charge when a third party publishes it, and a recurring
    fee otherwise. Usage that a commitment covers is usage, whichever sign its lines have. A category that FOCUS does
    not know is an adjustment: it is kept, and apart from usage. FOCUS has no refunds; Cost Explorer's producer names
    them by its record type.
    """
    name = category.strip().lower()
    if name == "purchase":
        if commitment:
            return ChargeKind.COMMITMENT
        return ChargeKind.MARKETPLACE if third_party else ChargeKind.RECURRING_FEE
    if name == "usage" and third_party and frequency.strip().lower() != "usage-based":
        return ChargeKind.MARKETPLACE
    return _BY_CATEGORY.get(name, ChargeKind.ADJUSTMENT)
