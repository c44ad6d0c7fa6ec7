"""The event classes, one per Avro record: made by `python -m schemas.generate`, not to be edited.

A scalar `decimal` is a `Decimal`, a `date` a `date`, a `timestamp-millis` an aware UTC `datetime`. In arrays they stay
integers: amounts in 10^-18 of a currency unit, days since 1970-01-01, milliseconds since 1970-01-01T00:00Z.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import ClassVar, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPart:
    """One entry of an array of AlertPart."""

    series: str
    """Sub-series key."""
    share: float
    """Share of the change, 0 to 1."""


AlertState = Literal["firing", "resolved"]


AlertChange = Literal["crossed", "worse", "eased", "updated", "back", "restated", "ended", "rule"]


AlertSeverity = Literal["info", "warning", "critical"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What one rule says of one subject: it fires, or it does so no more. A newer version replaces the older one."""

    SUBJECT: ClassVar[str] = "alert"

    run: str
    """The run that made it."""
    id: str
    """Stable id: rule, subject, and what tells occasions apart."""
    version: int
    """Counts what was said under this id."""
    state: AlertState
    """Whether it fires."""
    change: AlertChange
    """Why this was said: a bar was crossed, a worse one, a milder one holds, only figures changed, back below, taken
    away by a restatement, the period or the anomaly ended, the rule was changed or removed."""
    rule: str
    """Id of the rule."""
    kind: str
    """Kind of the rule."""
    severity: AlertSeverity
    """How bad it is."""
    subject: str
    """Series key, or name of a source."""
    currency: str | None = None
    """ISO 4217, where it is about costs."""
    charges: Sequence[str] = ()
    """Charge classes that it is about."""
    anomaly: str | None = None
    """Id of the anomaly, where it tells of one."""
    shape: str | None = None
    """What kind of change the anomaly is."""
    day: date | None = None
    """Newest charge day that was looked at."""
    actual: Decimal | None = None
    """What it is, in the currency."""
    expected: Decimal | None = None
    """What was expected, or the limit."""
    impact_per_day: Decimal | None = None
    """Actual minus expected a day."""
    impact_so_far: Decimal | None = None
    """Actual minus expected since the start."""
    impact_lower: Decimal | None = None
    """Lower end of the 90 % band of `impact_so_far`; null: none is known."""
    impact_upper: Decimal | None = None
    """Upper end of it."""
    impact_to_month_end: Decimal | None = None
    """Projected to the end of the month."""
    score: float | None = None
    """-log10 of p, of an anomaly."""
    since: datetime
    """Start of the cause."""
    observed_at: datetime
    """Time of the reading's close that showed it."""
    says: str
    """One sentence for people."""
    parts: Sequence[AlertPart] = ()
    """Sub-series that carry it."""
    labels: Mapping[str, str]
    """Labels of the rule."""
    runbook: str | None = None
    """Address of what to do about it."""
    course_from: date | None = None
    """First day of `course`; null: no days are known."""
    course: Sequence[int] = ()
    """What each of the last days cost, the oldest first, 14 at most."""
    course_lower: Sequence[int] = ()
    """Lower end of what was expected of each; empty: nothing was."""
    course_upper: Sequence[int] = ()
    """Upper end of what was expected of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What a receiver is to be told of an incident and has not accepted yet; beside the notifications, compacted. A
    later notification of both ends it."""

    SUBJECT: ClassVar[str] = "alert.attempt"

    receiver: str
    """Name of the receiver."""
    incident: str
    """Id of the incident."""
    run: str
    """Run of the incident."""
    version: int
    """Version of the incident that is to be told."""
    since: datetime
    """Since when it is tried, or waits for others that are; the deadline counts from here."""
    sent_at: datetime | None = None
    """When the newest try began; null: it waits."""
    heard: str | None = None
    """State of which the receiver may have heard, though no channel said so; null: of none."""
    given_up: int | None = None
    """Newest version that was given up: the fallback is told until the receiver accepts something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertBase:
    """Totals that shares are of, as one partition had them when it announced a reading; every partition hears each."""

    SUBJECT: ClassVar[str] = "alert.base"

    run: str
    """The run that announced it."""
    partition: int
    """Which partition announced it, from 0."""
    version: int
    """That partition's count of announcements."""
    book: str
    """Source, provider and billing account of the reading."""
    reading: str
    """The reading that was announced."""
    closed_at: datetime
    """When the reading closed."""
    rules: Sequence[str] = ()
    """Dictionary of the rules' ids."""
    applied: Sequence[int] = ()
    """When each rule was applied as it was used here."""
    series: Sequence[str] = ()
    """Dictionary of series keys."""
    row_rule: Sequence[int] = ()
    """Index into rules."""
    row_series: Sequence[int] = ()
    """Index into series."""
    row_end: Sequence[int] = ()
    """Last day of the window."""
    row_total: Sequence[int] = ()
    """Total of the rule's window, measure and charge classes."""


DeliveryOutcome = Literal["accepted", "retrying", "refused", "expired", "fell_back", "held", "bounced", "complained"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryState:
    """What became of telling a receiver of an incident: one event for each try and each decision."""

    SUBJECT: ClassVar[str] = "alert.delivery"

    message: str
    """Id of the message, the same at each try; empty where none was made."""
    receiver: str
    """Name of the receiver."""
    channel: str
    """Kind of the channel."""
    group: str
    """Group that the message was about."""
    incident: str
    """Id of the incident."""
    run: str
    """Run of the incident."""
    version: int
    """Version of the incident."""
    state: str
    """State of the incident."""
    severity: str
    """Severity of the incident."""
    outcome: DeliveryOutcome
    """The channel took it; it will be tried again; the channel refused it; the deadline passed; another receiver is
    told instead; it waits: silenced, inhibited, quiet hours, a limit; the mail came back; who got it complained."""
    reason: str
    """Why it goes out, or why it is held."""
    error: str | None = None
    """What the channel said, without any secret."""
    fallback: str | None = None
    """Who is told instead."""
    attempt: int
    """Tries so far."""
    at: datetime
    """When this was so; of what was accepted, when it was delivered."""
    observed_at: datetime
    """Close of the reading that changed the incident."""
    scored_at: datetime | None = None
    """When the detector, or the totals, had passed on what it is about."""
    fired_at: datetime | None = None
    """When its rule had fired."""


HealthCheck = Literal["run_missed", "run_failing", "run_slow", "dead_letters", "backlog", "undelivered", "bounces"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthFact:
    """How something in the deployment fares: a source's runs, dead letters, what waits for a step, what was not
    delivered."""

    SUBJECT: ClassVar[str] = "alert.health"

    id: str
    """The same for the same fact, however often it is told."""
    check: HealthCheck
    """Begin of the newest good run; failed runs in a row; minutes of the newest run; a dead letter; events that wait;
    a message that was given up; a mail that came back, or a complaint about one."""
    subject: str
    """Whose: a source, a step or stage, a receiver."""
    at: datetime
    """When it was so."""
    value: float
    """The number that the check is about."""
    note: str
    """In words, why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentChild:
    """One entry of an array of IncidentChild."""

    series: str
    """Series below the scope."""
    share: float
    """Share of the change, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentAlert:
    """One entry of an array of IncidentAlert."""

    id: str
    """Id of the alert."""
    rule: str
    """Its rule."""
    series: str
    """Its subject."""
    firing: bool
    """Whether it fires."""
    severity: str
    """How bad it is."""
    impact_per_day: Decimal | None = None
    """Actual minus expected a day."""


IncidentState = Literal["firing", "acknowledged", "snoozed", "resolved", "suppressed", "expected"]


IncidentSeverity = Literal["info", "warning", "critical"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Alerts of one cause, as they are now; compacted, key = run and id."""

    SUBJECT: ClassVar[str] = "alert.incident"

    run: str
    """The run that made it."""
    id: str
    """Stable id."""
    version: int
    """A newer version replaces the older one."""
    state: IncidentState
    """What becomes of it."""
    severity: IncidentSeverity
    """The worst of its alerts that fire; of the last one, when none does."""
    scope: str
    """Smallest series that explains most of the change, or the subject of its rule."""
    level: str
    """Its level in the lattice, or the kind of the rule."""
    kind: str
    """Kind of the rule that began it."""
    rules: Sequence[str] = ()
    """Ids of the rules whose alerts it holds."""
    currency: str | None = None
    """ISO 4217."""
    says: str
    """One sentence for people."""
    actual: Decimal | None = None
    """Of the scope."""
    expected: Decimal | None = None
    """Of the scope."""
    impact_per_day: Decimal | None = None
    """Actual minus expected a day."""
    impact_so_far: Decimal | None = None
    """Actual minus expected since the start."""
    impact_lower: Decimal | None = None
    """Lower end of the 90 % band of `impact_so_far`; null: none is known."""
    impact_upper: Decimal | None = None
    """Upper end of it."""
    impact_to_month_end: Decimal | None = None
    """Projected to the end of the month."""
    since: datetime
    """Start of the cause."""
    opened_at: datetime
    """When its first alert fired."""
    changed_at: datetime
    """When anything about it changed last."""
    snoozed_until: datetime | None = None
    """End of a snooze."""
    children: Sequence[IncidentChild] = ()
    """What carries the change, the largest first."""
    alerts: Sequence[IncidentAlert] = ()
    """Its alerts, at most 50: those that fire first, then the largest."""
    alert_count: int
    """How many alerts it holds."""
    firing_count: int
    """How many of them fire."""
    owner: str | None = None
    """Who is to care for it."""
    labels: Mapping[str, str]
    """Labels of its rules."""
    runbook: str | None = None
    """Address of what to do about it."""
    course_from: date | None = None
    """First day of `course`; null: no alert tells days of its scope."""
    course: Sequence[int] = ()
    """What each of the last days cost, the oldest first, 14 at most."""
    course_lower: Sequence[int] = ()
    """Lower end of what was expected of each; empty: nothing was."""
    course_upper: Sequence[int] = ()
    """Upper end of what was expected of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A channel accepted a message; compacted, key = receiver and incident."""

    SUBJECT: ClassVar[str] = "alert.notification"

    receiver: str
    """Name of the receiver."""
    group: str
    """Group that the message was about."""
    message: str
    """Id of the message, the same at each try."""
    incident: str
    """Id of the incident."""
    run: str
    """Run of the incident."""
    version: int
    """Version of the incident that was told."""
    state: str
    """State that was told."""
    severity: str
    """Severity that was told."""
    reason: str
    """Why it went out."""
    channel: str
    """Kind of the channel."""
    sent_at: datetime
    """When the channel accepted it."""
    observed_at: datetime
    """When the incident changed to what was told."""
    attempts: int
    """Tries that it took."""
    repeats: int
    """How often the same was told again."""
    handle: str | None = None
    """What the channel calls the message, so that the next one about the incident can follow it."""
    scored_at: datetime | None = None
    """When the detector, or the totals, had passed on what it is about."""
    fired_at: datetime | None = None
    """When its rule had fired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTotal:
    """One entry of an array of ReportTotal."""

    currency: str
    """ISO 4217."""
    amount: Decimal
    """Total of all charge classes."""


ReportState = Literal["sent", "refused", "expired"]


ReportStage = Literal["provisional", "complete", "final"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CostReport:
    """A report that a receiver was told; compacted, key = report, period and receiver."""

    SUBJECT: ClassVar[str] = "alert.report"

    report: str
    """Id of the report."""
    value: str | None = None
    """Whose it is, where the report is made for each of something; null: the whole."""
    receiver: str
    """Name of the receiver."""
    first_day: date
    """First charge day of its period."""
    last_day: date
    """Last charge day of its period."""
    measure: str
    """billed or effective."""
    state: ReportState
    """Whether the channel took it, did not for what it is, or could not be reached in time."""
    stage: ReportStage
    """How final the figures are that stand, be they told or too near to what was told."""
    number: int
    """0: first told; then counts corrections and repetitions."""
    digest: str
    """The same for the same figures."""
    totals: Sequence[ReportTotal] = ()
    """What was told, by currency."""
    channel: str
    """Kind of the channel."""
    sent_at: datetime
    """When the channel took it, or it was given up."""
    attempts: int
    """Tries that it took."""
    handle: str | None = None
    """What the channel calls the message."""


IncidentAction = Literal["acknowledge", "snooze", "resolve", "expect", "suppress", "reopen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRequest:
    """What a person wants done with an incident."""

    SUBJECT: ClassVar[str] = "alert.request"

    id: str
    """Id of the request: the same one twice does nothing more."""
    incident: str
    """Id of the incident."""
    action: IncidentAction
    """What to do."""
    by: str
    """Who asks."""
    at: datetime
    """When."""
    why: str
    """The reason given."""
    until: datetime | None = None
    """End of a snooze."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """A rule, as it was applied last; sent to every partition, key = id."""

    SUBJECT: ClassVar[str] = "alert.rule"

    id: str
    """Id of the rule."""
    applied_at: datetime
    """When it was applied."""
    by: str
    """Who applied it."""
    definition: str | None = None
    """The rule as JSON; null: it was removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """Whether a receiver's mail goes to one of its addresses; compacted, key = receiver and address."""

    SUBJECT: ClassVar[str] = "alert.suspension"

    receiver: str
    """Name of the receiver."""
    address: str
    """The address, in small letters."""
    suspended: bool
    """True: nothing is sent there; false: somebody lifted it."""
    at: datetime
    """When the mail came back, or when it was lifted."""
    by: str
    """Who lifted it; of a suspension, what told of it."""
    why: str
    """In words, why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentTransition:
    """An incident went from one state to another."""

    SUBJECT: ClassVar[str] = "alert.transition"

    run: str
    """The run that made it."""
    incident: str
    """Id of the incident."""
    version: int
    """Version of the incident that it led to."""
    before: str | None = None
    """The state it was in; null: it began."""
    after: str
    """The state it is in."""
    at: datetime
    """When."""
    by: str
    """Who: a person, or `spendstream`."""
    why: str
    """The reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedSeries:
    """One entry of an array of JudgedSeries."""

    anomaly: str
    """Id of the anomaly; empty: what is to come is meant."""
    series: str
    """Series key."""
    kind: int
    """Index into the fixed list of charge classes."""


Verdict = Literal["true", "false", "expected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyFeedback:
    """What a person says of anomalies; sent to every partition, key = id. Later scores heed it."""

    SUBJECT: ClassVar[str] = "anomaly.feedback"

    id: str
    """Id of this word; one with the same id and a later time replaces it."""
    verdict: Verdict
    """`true`: a real anomaly; `false`: an ordinary cost; `expected`: meant to be."""
    judged: Sequence[JudgedSeries] = ()
    """What it is said of."""
    first_day: date | None = None
    """Of `expected`: its first day; null: the day on which the anomaly began."""
    last_day: date | None = None
    """Of `expected`: its last day; null: from now on, a level that is meant to be."""
    incident: str | None = None
    """Id of the incident of alerts that was judged."""
    by: str
    """Who says so."""
    why: str
    """The reason; may be empty."""
    at: datetime
    """When it was said: it counts from the first close after this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostAggregate:
    """Exact totals of every series and day that a reading changed, over all shards and books; one event a partition
    and reading (or some, when large). The values are absolute."""

    SUBJECT: ClassVar[str] = "cost.aggregate"

    run: str
    """The run that made it."""
    source: str
    """The source that says this, as `cost_explorer` or `focus.main`."""
    provider: str
    """FOCUS ProviderName."""
    billing_account: str
    """FOCUS BillingAccountId."""
    reading: str
    """Id of the reading."""
    epoch: int
    """Epoch of the partitioning."""
    partition: int
    """The partition that announces, from 0."""
    partitions: int
    """How many partitions announce the reading; it is announced when all have."""
    version: int
    """The partition's own count of announcements: a newer one replaces the values of the same series and day."""
    part: int
    """This part, from 0."""
    parts: int
    """Parts of this announcement."""
    closed_at: datetime
    """When the reading closed."""
    closed_through: date | None = None
    """As in the reading."""
    final_through: date | None = None
    """As in the reading."""
    view: str | None = None
    """As in the reading."""
    series: Sequence[str] = ()
    """Dictionary of series keys."""
    row_series: Sequence[int] = ()
    """Index into series."""
    row_day: Sequence[int] = ()
    """Charge day."""
    row_kind: Sequence[int] = ()
    """Index into the fixed list of charge classes."""
    row_billed: Sequence[int] = ()
    """Billed cost of the day."""
    row_effective: Sequence[int] = ()
    """Effective cost of the day."""
    price_series: Sequence[int] = ()
    """Index into series: an account's service."""
    price_day: Sequence[int] = ()
    """Charge day."""
    price_cost: Sequence[int] = ()
    """Effective cost of the day's usage that has quantities."""
    price_before: Sequence[int] = ()
    """What the same usage would have cost at earlier prices: how price_cost ÷ this moves from day to day is how prices
    moved."""
    hour_series: Sequence[int] = ()
    """Index into series."""
    hour_day: Sequence[int] = ()
    """Charge day."""
    hour_kind: Sequence[int] = ()
    """Index into the fixed list of charge classes."""
    hour_hour: Sequence[int] = ()
    """UTC hour."""
    hour_billed: Sequence[int] = ()
    """Billed cost of the hour."""
    hour_effective: Sequence[int] = ()
    """Effective cost of the hour."""
    window_series: Sequence[int] = ()
    """Index into series."""
    window_name: Sequence[int] = ()
    """Index into the fixed list of windows (d7, d30, mtd, qtd, ytd)."""
    window_end: Sequence[int] = ()
    """Last day of the window: the newest closed day of the series."""
    window_kind: Sequence[int] = ()
    """Index into the fixed list of charge classes."""
    window_billed: Sequence[int] = ()
    """Billed cost of the window."""
    window_effective: Sequence[int] = ()
    """Effective cost of the window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contributor:
    """One entry of an array of Contributor."""

    series: str
    """Sub-series key."""
    share: float
    """Share of the change, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlikeAnomaly:
    """One entry of an array of AlikeAnomaly."""

    id: str
    """Id of the earlier anomaly."""
    series: str
    """Its series."""
    since: date
    """Day on which it began."""
    likeness: float
    """How like it is, 0 to 1."""
    verdict: str | None = None
    """What a person said of it: `true`, `false` or `expected`."""


AnomalyState = Literal["open", "updated", "closed", "withdrawn"]


AnomalyShape = Literal[
    "spike",
    "step",
    "creep",
    "new",
    "vanished",
    "fee_missing",
    "fee_doubled",
    "fee_new",
    "fee_changed",
    "credit",
    "restatement",
]


AnomalyCause = Literal["unknown", "usage", "rate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CostAnomaly:
    """What detection says and alerts read; one stable id from its opening to its close."""

    SUBJECT: ClassVar[str] = "cost.anomaly"

    run: str
    """The run that made it."""
    id: str
    """Stable id."""
    version: int
    """A newer version replaces the older one."""
    state: AnomalyState
    """`withdrawn`: a restatement took the cause away."""
    series: str
    """Series key."""
    currency: str
    """ISO 4217."""
    measure: str
    """`billed`, `effective` or `estimate`."""
    kind: int
    """Index into the fixed list of charge classes."""
    day: date
    """Charge day."""
    hour: int | None = None
    """UTC hour, where it was scored by hour."""
    source: str
    """Source of the value."""
    reading: str
    """Reading whose close was scored."""
    source_version: int
    """Version of the aggregate that was scored."""
    actual: Decimal
    """Actual value."""
    expected: Decimal
    """Expected value."""
    lower: Decimal
    """Lower end of the expected band."""
    upper: Decimal
    """Upper end of the expected band."""
    score: float
    """-log10 of p."""
    p: float
    """Calibrated p-value."""
    passes: bool
    """The false-alert control lets it pass."""
    shape: AnomalyShape
    """What kind of change it is."""
    cause: AnomalyCause
    """Whether usage or the unit price changed."""
    since: datetime
    """Start of the change."""
    impact_so_far: Decimal
    """Actual minus expected since the start."""
    impact_lower: Decimal | None = None
    """Lower end of the 90 % band of `impact_so_far`; null: none is known."""
    impact_upper: Decimal | None = None
    """Upper end of it."""
    impact_per_day: Decimal
    """Actual minus expected a day."""
    impact_to_month_end: Decimal
    """Projected to the end of the month."""
    contributors: Sequence[Contributor] = ()
    """Sub-series that carry it."""
    completeness: float
    """Share of the period's final cost that is thought visible, 0 to 1."""
    scored_at: datetime
    """Time of the reading's close."""
    detector: str
    """Name of the detector."""
    detector_version: str
    """Its version."""
    course_from: date | None = None
    """First day of `course`; null: no days before are known."""
    course: Sequence[int] = ()
    """What each of the last days cost, the oldest first, 14 at most."""
    course_lower: Sequence[int] = ()
    """Lower end of what was expected of each; empty: nothing was."""
    course_upper: Sequence[int] = ()
    """Upper end of what was expected of each."""
    alike: Sequence[AlikeAnomaly] = ()
    """Earlier anomalies that it is most like, the likest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEstimate:
    """What the metered usage of an account's service costs on a day, before the bill says so; a newer version replaces
    the older one. A measure of its own, never added to actual cost."""

    SUBJECT: ClassVar[str] = "cost.estimate"

    run: str
    """The run that made it."""
    provider: str
    """FOCUS ProviderName."""
    billing_account: str
    """Payer account."""
    account: str
    """FOCUS SubAccountId."""
    service: str
    """FOCUS ServiceName."""
    currency: str
    """ISO 4217."""
    day: date
    """Charge day."""
    version: int
    """ms since 1970 of the tick that made it; a newer one replaces the older one."""
    as_of: datetime
    """End of the newest point of usage that is in it."""
    so_far: Decimal
    """Metered usage of the day until then × its unit prices, corrected by how such estimates differed from bills."""
    at_day_end: Decimal
    """What that comes to by the end of the day, at what is usual for the hours left."""
    lower: Decimal
    """Lower end of the band of at_day_end (90 %)."""
    upper: Decimal
    """Upper end of the band of at_day_end (90 %)."""
    coverage: float
    """Share of the service's usage cost, on the days billed last, that is of metered usage types, 0 to 1."""
    unpriced: Sequence[str] = ()
    """Metered usage types without a price, which are not in it."""
    billed: Decimal | None = None
    """Effective cost that the bill came to say of the same usage types and day, once it has settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostForecast:
    """What series come to by the end of the day, month and quarter; one event a lane, which a newer one of the same
    day replaces. One without series says that no more follows of an announcement."""

    SUBJECT: ClassVar[str] = "cost.forecast"

    run: str
    """The run that made it."""
    version: int
    """A newer version replaces the older one."""
    source: str
    """Source whose reading was closed."""
    reading: str
    """Reading whose close it follows."""
    closed_at: datetime
    """When the reading closed."""
    day: date
    """The day of that, UTC."""
    settled: date
    """Last day whose cost was learnt; later ones are judged by what is visible of them."""
    coverage: float
    """Probability that a band holds what it comes to."""
    series: Sequence[str] = ()
    """Dictionary of series keys."""
    row_series: Sequence[int] = ()
    """Index into series."""
    row_kind: Sequence[int] = ()
    """Index into the fixed list of charge classes."""
    row_horizon: Sequence[int] = ()
    """0: the day, 1: its month, 2: its quarter."""
    row_end: Sequence[int] = ()
    """Last day of that."""
    row_so_far: Sequence[int] = ()
    """Cost of its days that are settled."""
    row_mean: Sequence[int] = ()
    """What it comes to by its end."""
    row_lower: Sequence[int] = ()
    """Lower end of the band."""
    row_upper: Sequence[int] = ()
    """Upper end of the band."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostHead:
    """What was last published about a scope; compacted, key = the statement's scope."""

    SUBJECT: ClassVar[str] = "cost.head"

    source: str
    """The source that says this, as `cost_explorer` or `focus.main`."""
    provider: str
    """FOCUS ProviderName."""
    billing_account: str
    """FOCUS BillingAccountId."""
    billing_period: date
    """As in the statement."""
    account: str
    """As in the statement."""
    service: str
    """As in the statement."""
    currency: str
    """As in the statement."""
    day: date
    """As in the statement."""
    view: str | None = None
    """As in the statement."""
    version: int
    """Version of the statement published last."""
    parts: int
    """Its parts."""
    lines: int
    """Its lines; 0: the source mentions the scope no more."""
    content: str
    """Hash of its lines."""
    fingerprint: str
    """What a cheap request said of the scope (a source's own text); empty where there is none."""
    estimated: bool
    """As in the statement."""
    reading: str
    """Id of the reading that published it."""
    source_time: datetime | None = None
    """The source's own time of what was published last, where it has one."""
    billed: Decimal
    """Sum of its billed cost."""
    effective: Decimal
    """Sum of its effective cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostPartial:
    """A shard's absolute totals of every series and day that a reading changed in it, one event for each partition of
    totals (or some, when large)."""

    SUBJECT: ClassVar[str] = "cost.partial"

    run: str
    """The run that made it."""
    source: str
    """The source that says this, as `cost_explorer` or `focus.main`."""
    provider: str
    """FOCUS ProviderName."""
    billing_account: str
    """FOCUS BillingAccountId."""
    reading: str
    """Id of the reading."""
    epoch: int
    """Epoch of the partitioning."""
    shard: int
    """The shard that says this."""
    count: int
    """The shard's own count of closes; with the epoch its version."""
    part: int
    """This part, from 0."""
    parts: int
    """Parts of this count for this partition."""
    closed_at: datetime
    """When the reading closed."""
    closed_through: date | None = None
    """As in the reading."""
    final_through: date | None = None
    """As in the reading."""
    view: str | None = None
    """As in the reading."""
    series: Sequence[str] = ()
    """Dictionary of series keys."""
    row_series: Sequence[int] = ()
    """Index into series."""
    row_day: Sequence[int] = ()
    """Charge day."""
    row_kind: Sequence[int] = ()
    """Index into the fixed list of charge classes."""
    row_billed: Sequence[int] = ()
    """Billed cost of the day."""
    row_effective: Sequence[int] = ()
    """Effective cost of the day."""
    price_series: Sequence[int] = ()
    """Index into series: an account's service."""
    price_day: Sequence[int] = ()
    """Charge day."""
    price_cost: Sequence[int] = ()
    """Effective cost of the day's usage that has quantities."""
    price_before: Sequence[int] = ()
    """What the same usage would have cost at earlier prices: how price_cost ÷ this moves from day to day is how prices
    moved."""
    hour_series: Sequence[int] = ()
    """Index into series."""
    hour_day: Sequence[int] = ()
    """Charge day."""
    hour_kind: Sequence[int] = ()
    """Index into the fixed list of charge classes."""
    hour_hour: Sequence[int] = ()
    """UTC hour."""
    hour_billed: Sequence[int] = ()
    """Billed cost of the hour."""
    hour_effective: Sequence[int] = ()
    """Effective cost of the hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostStatement:
    """All that one source says about one scope at one time; a newer version replaces the older one whole. Lines are
    parallel arrays; strings and tag sets stand once in a dictionary. An optional column is empty, or as long as the
    others."""

    SUBJECT: ClassVar[str] = "cost.statement"

    source: str
    """The source that says this, as `cost_explorer` or `focus.main`."""
    provider: str
    """FOCUS ProviderName."""
    billing_account: str
    """FOCUS BillingAccountId."""
    billing_period: date
    """First day of the billing period."""
    account: str
    """FOCUS SubAccountId; empty where the charge belongs to the billing account itself."""
    service: str
    """FOCUS ServiceName."""
    currency: str
    """FOCUS BillingCurrency (ISO 4217)."""
    day: date
    """UTC charge day: the day of ChargePeriodStart."""
    version: int
    """max(the source's own time of the data, else the time of reading, in ms since 1970; last version + 1)."""
    part: int
    """This part of the version, from 0."""
    parts: int
    """How many parts the version has; it counts only when all are there."""
    reading: str
    """Id of the reading that published it."""
    read_at: datetime
    """When the source was read."""
    source_time: datetime | None = None
    """The source's own time of the data, where it has one."""
    view: str | None = None
    """For a view by tag or cost category: the key, as `tag:team`; it feeds only that key's series."""
    estimated: bool
    """The source says that this may still change."""
    reconciled: bool
    """The lines agree with the source's own total of the scope; else a line carries the remainder."""
    account_name: str | None = None
    """FOCUS SubAccountName."""
    strings: Sequence[str] = ()
    """Dictionary of regions and usage types; entry 0 is empty."""
    tag_sets: Sequence[Mapping[str, str]] = ()
    """Dictionary of tag sets; entry 0 is empty."""
    kind: Sequence[int] = ()
    """Charge class of each line: index into spendstream's fixed list (usage, recurring_fee, commitment, credit,
    refund, tax, adjustment, marketplace)."""
    region: Sequence[int] = ()
    """FOCUS RegionId, index into strings."""
    usage_type: Sequence[int] = ()
    """Usage type, or SkuId where the source has none; index into strings."""
    tags: Sequence[int] = ()
    """Index into tag_sets; optional column."""
    hour: Sequence[int] = ()
    """UTC hour of the charge day, -1 for none; optional column."""
    used_type: Sequence[int] = ()
    """Usage types of which a quantity was used, index into strings; each once."""
    used_quantity: Sequence[int] = ()
    """How much of each was used, over the lines of usage."""
    used_cost: Sequence[int] = ()
    """Effective cost of that."""
    billed: Sequence[int] = ()
    """FOCUS BilledCost."""
    effective: Sequence[int] = ()
    """FOCUS EffectiveCost; what totals need ends here."""
    details: Sequence[str] = ()
    """Dictionary of the strings of the columns below; entry 0 is empty."""
    charge_category: Sequence[int] = ()
    """FOCUS ChargeCategory, index into details."""
    charge_class: Sequence[int] = ()
    """FOCUS ChargeClass, index into details; optional column."""
    charge_frequency: Sequence[int] = ()
    """FOCUS ChargeFrequency, index into details; optional column."""
    quantity: Sequence[int] = ()
    """FOCUS ConsumedQuantity, or the source's usage quantity; optional column."""
    quantity_absent: Sequence[int] = ()
    """Lines, from 0, that have no quantity; theirs is 0 above."""
    unit: Sequence[int] = ()
    """FOCUS ConsumedUnit, index into details; optional column."""
    list_cost: Sequence[int] = ()
    """FOCUS ListCost; optional column."""
    list_cost_absent: Sequence[int] = ()
    """Lines, from 0, that have no list cost."""
    contracted: Sequence[int] = ()
    """FOCUS ContractedCost; optional column."""
    contracted_absent: Sequence[int] = ()
    """Lines, from 0, that have no contracted cost."""
    blended: Sequence[int] = ()
    """AWS blended cost; optional column."""
    resource: Sequence[int] = ()
    """FOCUS ResourceId, index into details; optional column."""
    operation: Sequence[int] = ()
    """AWS operation, index into details; optional column."""
    pricing_category: Sequence[int] = ()
    """FOCUS PricingCategory, index into details; optional column."""
    commitment: Sequence[int] = ()
    """FOCUS CommitmentDiscountId, index into details; optional column."""
    description: Sequence[int] = ()
    """FOCUS ChargeDescription, index into details; optional column."""
    charge_end: Sequence[int] = ()
    """Exclusive end day of the charge period; optional column, where a charge is longer than a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """What could not be processed, with all that is needed to send it again."""

    SUBJECT: ClassVar[str] = "dead.letter"

    id: str
    """Stable id: the same poison gives the same id."""
    at: datetime
    """When it was found."""
    stage: str
    """Who found it, as `ledger`, `sink`, `focus`."""
    origin: str
    """Where it stood: topic/partition/offset, or file:line."""
    topic: str | None = None
    """Topic to send it back to."""
    partition: int | None = None
    """Partition that it came from."""
    offset: int | None = None
    """Offset that it came from."""
    key: bytes | None = None
    """Key."""
    value: bytes
    """The bytes as they came."""
    headers: Mapping[str, bytes]
    """Headers."""
    error: str
    """Name of the error."""
    reason: str
    """What is wrong, and what to do."""
    retries: int
    """How often it was sent back before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlTotal:
    """One entry of an array of ControlTotal."""

    currency: str
    """ISO 4217."""
    lines: int
    """Lines."""
    billed: Decimal
    """Sum of billed cost."""
    effective: Decimal
    """Sum of effective cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingClosed:
    """A reading is complete: all its statements stand before this event in every partition. Sent to each partition."""

    SUBJECT: ClassVar[str] = "reading.closed"

    source: str
    """The source that says this, as `cost_explorer` or `focus.main`."""
    provider: str
    """FOCUS ProviderName."""
    billing_account: str
    """FOCUS BillingAccountId."""
    reading: str
    """Id of the reading."""
    opened_at: datetime
    """When the reading began."""
    first_day: date
    """First charge day that the reading covers."""
    last_day: date
    """Last charge day that the reading covers, inclusive."""
    billing_periods: Sequence[int] = ()
    """Billing periods that the reading covers; empty: all."""
    view: str | None = None
    """For a view by tag or cost category: the key."""
    closed_at: datetime
    """When the last statement was acknowledged."""
    partition: int
    """The partition that this copy was sent to."""
    scopes: int
    """Scopes with at least one line that the source mentions in the coverage."""
    published: int
    """Statements published by the reading, empty ones included, over all partitions."""
    closed_through: date | None = None
    """Newest charge day that had ended when the source told of it."""
    final_through: date | None = None
    """Newest charge day that the source calls final."""
    totals: Sequence[ControlTotal] = ()
    """Control totals of all that the source says in the coverage, by currency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingOpened:
    """One poll of one source over one coverage has begun."""

    SUBJECT: ClassVar[str] = "reading.opened"

    source: str
    """The source that says this, as `cost_explorer` or `focus.main`."""
    provider: str
    """FOCUS ProviderName."""
    billing_account: str
    """FOCUS BillingAccountId."""
    reading: str
    """Id of the reading."""
    opened_at: datetime
    """When the reading began."""
    first_day: date
    """First charge day that the reading covers."""
    last_day: date
    """Last charge day that the reading covers, inclusive."""
    billing_periods: Sequence[int] = ()
    """Billing periods that the reading covers; empty: all."""
    view: str | None = None
    """For a view by tag or cost category: the key."""


RequestOutcome = Literal["ok", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidRequest:
    """One request to a source that costs money."""

    SUBJECT: ClassVar[str] = "request.paid"

    id: str
    """Unique id."""
    at: datetime
    """When it was sent."""
    api: str
    """As `ce:GetCostAndUsage`."""
    billing_account: str
    """Payer account."""
    purpose: str
    """Why: totals, detail, hours, view, control, metrics, backfill."""
    detail: str
    """What was asked for."""
    cost: Decimal
    """US dollars."""
    outcome: RequestOutcome
    """A failed call is free."""
    reading: str | None = None
    """Reading that it was made for."""


RunState = Literal["running", "finished", "failed", "live", "retired", "dropped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A replay and what became of it; compacted, key = id."""

    SUBJECT: ClassVar[str] = "run"

    id: str
    """Run id."""
    state: RunState
    """One run is live."""
    steps: Sequence[str] = ()
    """Steps that it runs."""
    started_at: datetime
    """When it began."""
    finished_at: datetime | None = None
    """When it ended."""
    from_offsets: Mapping[str, int]
    """First offset by `topic/partition`."""
    to_offsets: Mapping[str, int]
    """Offset after the last, by `topic/partition`: from here it is live after its promotion."""
    events: int
    """Events read."""
    note: str
    """What the person who began it wrote."""
    input_run: str | None = None
    """Run whose events it read, where its first step reads what another one makes."""


ControlKind = Literal["month", "year", "forecast"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceControl:
    """A source's own answer over a longer time, to compare ours with; never added to anything."""

    SUBJECT: ClassVar[str] = "source.control"

    source: str
    """The source that says this, as `cost_explorer` or `focus.main`."""
    provider: str
    """FOCUS ProviderName."""
    billing_account: str
    """FOCUS BillingAccountId."""
    control: ControlKind
    """What it is."""
    first_day: date
    """First day of the month or year; of a forecast the day on which it begins."""
    last_day: date
    """Last day, inclusive; of a month or year that is under way its end."""
    currency: str
    """ISO 4217."""
    billed: Decimal | None = None
    """Billed cost."""
    effective: Decimal | None = None
    """Effective cost."""
    lower: Decimal | None = None
    """Lower end of a forecast of the effective cost."""
    upper: Decimal | None = None
    """Upper end of a forecast of the effective cost."""
    estimated: bool
    """The source says that this may still change."""
    read_at: datetime
    """When the source was read."""
    version: int
    """ms since 1970 of the reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRun:
    """The newest run of a source, so that a restart knows what is due; compacted, key = source."""

    SUBJECT: ClassVar[str] = "source.run"

    source: str
    """Name of the source."""
    started_at: datetime
    """When it began."""
    ended_at: datetime
    """When it ended."""
    failures: int
    """Runs that failed one after the other up to this one; 0: it went well."""
    good_at: datetime | None = None
    """Beginning of the newest run that went well."""
    note: str
    """What it did, or why it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Time as an event: sent by the driver to each partition, recorded with the input."""

    SUBJECT: ClassVar[str] = "tick"

    at: datetime
    """The time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageClosed:
    """All points that one reading of metrics had to tell are in the partition: usage may be looked at. One copy a
    partition."""

    SUBJECT: ClassVar[str] = "usage.closed"

    source: str
    """The source, as `cloudwatch`."""
    reading: str
    """Id of the reading."""
    read_at: datetime
    """When the source was read."""
    version: int
    """ms since 1970 of the reading."""
    whole: bool
    """Every account and region answered; else usage may look less than it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageMetrics:
    """Points of one metric of one resource or group, as CloudWatch tells them; a newer version of a point replaces the
    older one."""

    SUBJECT: ClassVar[str] = "usage.metric"

    source: str
    """The source, as `cloudwatch`."""
    provider: str
    """FOCUS ProviderName."""
    billing_account: str
    """Payer account."""
    account: str
    """Account."""
    region: str
    """Region."""
    namespace: str
    """Metric namespace."""
    metric: str
    """Metric name."""
    dimensions: Mapping[str, str]
    """Dimensions."""
    statistic: str
    """Statistic, as Sum."""
    period_seconds: int
    """Length of a point."""
    unit: str
    """Unit of the metric; empty where it has none."""
    service: str | None = None
    """Service on the bill that this usage is charged under."""
    usage_type: str | None = None
    """Usage type on the bill."""
    usage_unit: str | None = None
    """Unit of the bill's usage quantity."""
    factor: Decimal | None = None
    """Priced usage = value × factor."""
    reading: str
    """Id of the reading."""
    read_at: datetime
    """When the source was read."""
    version: int
    """ms since 1970 of the reading."""
    starts: Sequence[int] = ()
    """Start of each point."""
    values: Sequence[float] = ()
    """Value of each point."""
    complete: Sequence[bool] = ()
    """The point's period had ended and settled when it was read."""


Event = (
    Alert
    | Attempt
    | AlertBase
    | DeliveryState
    | HealthFact
    | Incident
    | Notification
    | CostReport
    | AlertRequest
    | AlertRule
    | Suspension
    | IncidentTransition
    | AnomalyFeedback
    | CostAggregate
    | CostAnomaly
    | CostEstimate
    | CostForecast
    | CostHead
    | CostPartial
    | CostStatement
    | DeadLetter
    | ReadingClosed
    | ReadingOpened
    | PaidRequest
    | Run
    | SourceControl
    | SourceRun
    | Tick
    | UsageClosed
    | UsageMetrics
)
"""Any event that stands in a topic."""

EVENT_CLASSES: tuple[type[Event], ...] = (
    Alert,
    Attempt,
    AlertBase,
    DeliveryState,
    HealthFact,
    Incident,
    Notification,
    CostReport,
    AlertRequest,
    AlertRule,
    Suspension,
    IncidentTransition,
    AnomalyFeedback,
    CostAggregate,
    CostAnomaly,
    CostEstimate,
    CostForecast,
    CostHead,
    CostPartial,
    CostStatement,
    DeadLetter,
    ReadingClosed,
    ReadingOpened,
    PaidRequest,
    Run,
    SourceControl,
    SourceRun,
    Tick,
    UsageClosed,
    UsageMetrics,
)
