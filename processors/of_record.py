"""Which source is of record for what, as a deployment has it."""

from processors.ledger import Record
from spendstream.settings import Settings


def record_of(settings: Settings) -> Record:
    """Return the rules that say which source is of record."""
    return Record(tuple((r.billing_account, r.source, r.first_day) for r in settings.ledger.of_record))
