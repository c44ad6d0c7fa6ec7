"""Which charge class a line belongs to, from what FOCUS or Cost Explorer says of it."""

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


_BY_RECORD_TYPE = {
    "usage": (ChargeKind.USAGE, "Usage"),
    "discountedusage": (ChargeKind.USAGE, "Usage"),
    "savingsplancoveredusage": (ChargeKind.USAGE, "Usage"),
    "savingsplannegation": (ChargeKind.USAGE, "Usage"),
    "tax": (ChargeKind.TAX, "Tax"),
    "credit": (ChargeKind.CREDIT, "Credit"),
    "refund": (ChargeKind.REFUND, "Credit"),
    "recurring": (ChargeKind.RECURRING_FEE, "Purchase"),
    "recurringreservationfee": (ChargeKind.RECURRING_FEE, "Purchase"),
    "rifee": (ChargeKind.RECURRING_FEE, "Purchase"),
    "savingsplanrecurringfee": (ChargeKind.RECURRING_FEE, "Purchase"),
    "supportfee": (ChargeKind.RECURRING_FEE, "Purchase"),
    "fee": (ChargeKind.RECURRING_FEE, "Purchase"),
    "otherout-of-cyclecharges": (ChargeKind.RECURRING_FEE, "Purchase"),
    "upfront": (ChargeKind.COMMITMENT, "Purchase"),
    "upfrontreservationfee": (ChargeKind.COMMITMENT, "Purchase"),
    "savingsplanupfrontfee": (ChargeKind.COMMITMENT, "Purchase"),
}


def of_record_type(record_type: str) -> tuple[ChargeKind, str]:
    """Return the class of a Cost Explorer RECORD_TYPE, and its FOCUS ChargeCategory.

    Names are compared without case and blanks: AWS shows some as `SavingsPlanRecurringFee` and some as `Support fee`. A
    record type that is not known, as a discount programme's, is an adjustment: it is kept, and apart from usage.
    """
    name = record_type.replace(" ", "").lower()
    return _BY_RECORD_TYPE.get(name, (ChargeKind.ADJUSTMENT, "Adjustment"))
