"""One row of a FOCUS export (1.0 to 1.2) → a scope and a line, or the reason why not."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime

from producers.charge_kind import charge_kind
from producers.statement import Line, Scope
from spendstream.money import MoneyError, check_currency, to_units

#: Columns that FOCUS makes mandatory and a statement cannot do without.
MANDATORY = (
    "BilledCost",
    "BillingAccountId",
    "BillingCurrency",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargePeriodStart",
    "EffectiveCost",
    "ProviderName",
    "ServiceName",
)


#: All columns that are read; an export has about as many others.
_READ = (
    *MANDATORY,
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "CommitmentDiscountId",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ListCost",
    "PricingCategory",
    "PublisherName",
    "RegionId",
    "ResourceId",
    "SkuId",
    "SubAccountId",
    "SubAccountName",
    "Tags",
)


class RowError(ValueError):
    """A row that cannot be taken; the text names the column and says why."""


def missing_columns(names: list[str]) -> list[str]:
    """Return the mandatory columns that a file does not have."""
    return [name for name in MANDATORY if name not in names]


def parse_row(row: Mapping[str, object], source: str) -> tuple[Scope, Line, str | None]:
    """Return scope, line and account name of a row.

    Raises
    ------
    RowError
        When a value is missing, no number, finer than 10⁻¹⁸, no date, or no known currency.
    """
    text = {name: _text(row[name]) for name in _READ if name in row}
    start = _moment(text, "ChargePeriodStart")
    if start is None:
        raise RowError("ChargePeriodStart is empty")
    end = _moment(text, "ChargePeriodEnd")
    period = _moment(text, "BillingPeriodStart")
    provider = _required(text, "ProviderName")
    scope = Scope(
        source=source,
        provider=provider,
        billing_account=_required(text, "BillingAccountId"),
        billing_period=(period or start).date(),
        account=text.get("SubAccountId", ""),
        service=_required(text, "ServiceName"),
        currency=_currency(text),
        day=start.date(),
    )
    hours = (end - start).total_seconds() / 3600 if end is not None else 24
    commitment = text.get("CommitmentDiscountId", "")
    category, frequency = _required(text, "ChargeCategory"), text.get("ChargeFrequency", "")
    line = Line(
        kind=charge_kind(category, frequency, commitment, third_party=_third_party(text, provider)),
        billed=_cost(text, "BilledCost"),
        effective=_cost(text, "EffectiveCost"),
        region=text.get("RegionId", ""),
        usage_type=text.get("SkuId", ""),
        tags=_tags(text.get("Tags", "")),
        hour=start.hour if hours <= 1 else -1,
        charge_category=category,
        charge_class=text.get("ChargeClass", ""),
        charge_frequency=frequency,
        quantity=_amount(text, "ConsumedQuantity"),
        unit=text.get("ConsumedUnit", ""),
        list_cost=_amount(text, "ListCost"),
        contracted=_amount(text, "ContractedCost"),
        resource=text.get("ResourceId", ""),
        pricing_category=text.get("PricingCategory", ""),
        commitment=commitment,
        description=text.get("ChargeDescription", ""),
        charge_end=_end_day(start.date(), end),
    )
    return scope, line, text.get("SubAccountName") or None


def _third_party(text: Mapping[str, str], provider: str) -> bool:
    """A marketplace charge names a publisher that is not the provider under any of its names."""
    publisher = text.get("PublisherName", "")
    if not publisher:
        return False
    short, long = provider.lower(), publisher.lower()
    known = {"aws": "amazon", "microsoft": "microsoft", "google cloud": "google", "oracle": "oracle"}
    return short not in long and known.get(short, short) not in long


def _end_day(day: date, end: datetime | None) -> date | None:
    """Return the exclusive end day of a charge longer than a day."""
    return end.date() if end is not None and (end.date() - day).days > 1 else None


def _text(value: object) -> str:
    if value is None:
        return ""
    text = value.isoformat() if isinstance(value, datetime) else str(value).strip()
    return "" if text == "NULL" else text


def _required(text: Mapping[str, str], name: str) -> str:
    value = text.get(name, "")
    if not value:
        raise RowError(f"{name} is empty")
    return value


def _currency(text: Mapping[str, str]) -> str:
    try:
        return check_currency(_required(text, "BillingCurrency"))
    except MoneyError as error:
        raise RowError(f"BillingCurrency: {error}") from None


def _cost(text: Mapping[str, str], name: str) -> int:
    amount = _amount(text, name)
    if amount is None:
        raise RowError(f"{name} is empty")
    return amount


def _amount(text: Mapping[str, str], name: str) -> int | None:
    value = text.get(name, "")
    if not value:
        return None
    try:
        return to_units(value)
    except MoneyError as error:
        raise RowError(f"{name}: {error}") from None


def _moment(text: Mapping[str, str], name: str) -> datetime | None:
    value = text.get(name, "")
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise RowError(f"{name} is {value!r}, and has to be a date and time as 2026-01-31T00:00:00Z") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _tags(value: str) -> dict[str, str]:
    """Return tags from JSON; of a key that is there twice, the last one counts, as JSON has it."""
    if not value:
        return {}
    try:
        tags = json.loads(value)
    except ValueError:
        raise RowError(f"Tags is no JSON: {value[:80]!r}") from None
    if not isinstance(tags, dict):
        raise RowError(f"Tags is no JSON object: {value[:80]!r}")
    return {str(key): "" if tag is None else str(tag) for key, tag in tags.items()}
