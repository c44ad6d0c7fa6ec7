"""Every setting: one name, one default, one place.

Read from, the first that names it wins: an argument on the command line, the environment
(`SPENDSTREAM_KAFKA__BOOTSTRAP=…`, two underscores between section and name; lists and tables as JSON), the TOML file
that `SPENDSTREAM_CONFIG` names (default `spendstream.toml` in the working folder), the default below.
"""

import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from spendstream.money import MoneyError, to_units
from spendstream.public_holidays import named
from spendstream.topics import TopicNames


class ConfigurationError(ValueError):
    """Settings that cannot be used; the text names each and says what to change."""


class Section(BaseModel):
    """A group of settings; an unknown name is refused, so that a typing error cannot pass for a setting."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_SHORTEST_SECRET = 32


def _long_enough(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < _SHORTEST_SECRET:
        raise ValueError(f"it needs {_SHORTEST_SECRET} characters at least: `openssl rand -base64 32` makes one")
    return secret


LongSecret = Annotated[SecretStr, AfterValidator(_long_enough)]


class Kafka(Section):
    """Where Kafka is, and how this deployment names and divides its topics."""

    bootstrap: str = Field("127.0.0.1:9092", description="bootstrap servers, comma-separated")
    prefix: str = Field("", description="put before every topic name and consumer group")
    shards: int = Field(4, ge=1, le=1024, description="partitions of a sharded topic; changes only with the epoch")
    epoch: int = Field(1, ge=1, description="a higher one begins with new topics, as another number of shards needs")
    replication: int = Field(1, ge=1, description="copies of each partition, for topics that are created")
    client: dict[str, str] = Field(
        default_factory=dict, description="further librdkafka settings, as security.protocol and sasl.*"
    )

    @property
    def topics(self) -> TopicNames:
        """The physical topic names."""
        return TopicNames(self.prefix, self.epoch, self.shards)

    @property
    def sink_group(self) -> str:
        """The sink's consumer group."""
        return self.group(f"sink-e{self.epoch}")

    def group(self, duty: str) -> str:
        """Return the consumer group of a duty."""
        return f"{self.prefix}spendstream-{duty}"


class SchemaRegistry(Section):
    """A Confluent-compatible schema registry; without a URL the repository's own numbers are used."""

    url: str | None = Field(None, description="address of the registry")
    user: str = Field("", description="user for basic authentication")
    password: SecretStr = Field(SecretStr(""), description="its password")


class ClickHouse(Section):
    """Where ClickHouse is. The API uses the reader, which can only read."""

    url: str = Field("http://127.0.0.1:8123", description="HTTP address")
    database: str = Field("spendstream", description="database of all tables")
    user: str = Field("spendstream", description="user that writes")
    password: SecretStr = Field(SecretStr(""), description="its password")
    reader_user: str = Field("spendstream_reader", description="user that can only read")
    reader_password: SecretStr = Field(SecretStr(""), description="its password")
    cluster: str | None = Field(None, description="name of a cluster: tables are then replicated on it")
    history_days: int = Field(400, ge=1, description="how far back `as of` questions can be asked")


class Payer(Section):
    """A payer account whose bill is read."""

    account: str = Field(description="account id of the payer")
    role_arn: str | None = Field(None, description="role to assume for it; None: the credentials as they are")
    external_id: SecretStr | None = Field(None, description="external id for the role")


class Aws(Section):
    """How AWS is reached. Credentials come from boto3's own chain and are never settings."""

    endpoint_url: str | None = Field(None, description="another endpoint for every service, for a simulator")
    payers: tuple[Payer, ...] = Field((), description="payer accounts; empty: the account of the credentials")


class CostExplorer(Section):
    """Reading AWS Cost Explorer."""

    enabled: bool = Field(False, description="read it")
    schedule: str = Field("17 */8 * * *", description="cron expression, UTC")
    window_days: int = Field(14, ge=1, le=90, description="days that are read again, because AWS restates them")
    month_final_day: int = Field(6, ge=1, le=28, description="until this day, the whole last month is read again")
    settled_hours: int = Field(24, ge=0, description="a day counts as closed so long after its end")
    hourly: bool = Field(False, description="the account has hourly data (opt-in at AWS, last 14 days)")
    net: bool = Field(False, description="use net unblended and net amortised cost")
    detail_share: float = Field(
        0.8,
        gt=0,
        le=1,
        description="share of the polling budget that detail may use; half the rest is for totals alone",
    )
    view_tags: tuple[str, ...] = Field((), description="cost allocation tags whose values get totals of their own")
    view_categories: tuple[str, ...] = Field((), description="cost categories whose values get totals of their own")
    view_schedule: str = Field("37 6 * * *", description="when views are read: cron expression, UTC")
    controls: bool = Field(True, description="read its own totals by month and year, and its forecast, to compare")
    control_schedule: str = Field("53 6 * * *", description="when controls are read: cron expression, UTC")
    control_months: int = Field(12, ge=0, le=38, description="months before this one that are compared")
    forecast_months: int = Field(3, ge=0, le=18, description="months of AWS's forecast, this one first; 0: none")

    @property
    def beside_share(self) -> float:
        """Share of the polling budget that views and controls may use: detail cannot starve them, nor they totals."""
        return (1 + self.detail_share) / 2

    @property
    def views(self) -> tuple[str, ...]:
        """The views that are read, as `tag:KEY` and `category:NAME`."""
        return (*(f"tag:{key}" for key in self.view_tags), *(f"category:{name}" for name in self.view_categories))

    @model_validator(mode="after")
    def _views_have_names(self) -> Self:
        for name, keys in (("view_tags", self.view_tags), ("view_categories", self.view_categories)):
            if any(not key.strip() for key in keys) or len(set(keys)) < len(keys):
                raise ValueError(f"{name} has an empty entry, or one twice: name each key once")
        return self


class CloudWatch(Section):
    """Reading CloudWatch metrics."""

    enabled: bool = Field(False, description="read them")
    schedule: str = Field("*/5 * * * *", description="cron expression, UTC")
    regions: tuple[str, ...] = Field(("us-east-1",), min_length=1, description="regions whose metrics are read")
    accounts: tuple[Payer, ...] = Field(
        (), description="accounts that are read, each with its role; empty: the account of the credentials"
    )
    linked_accounts: bool = Field(False, description="read what other accounts share with these monitoring accounts")
    billing_account: str | None = Field(None, description="payer of all of them; None: each pays for itself")
    catalogue: Path | None = Field(None, description="own catalogue of metrics; None: producers/cloudwatch.yaml")
    reread_minutes: int = Field(30, ge=0, le=1440, description="so long points are read again, because late ones come")
    discover_minutes: int = Field(60, ge=1, description="how often metrics of new resources are looked for")
    max_metrics: int = Field(2_000, ge=1, description="metrics read at most, in the order of the catalogue")
    budget_share: float = Field(0.5, gt=0, le=1, description="share of the polling budget that metrics may use")


class Recording(Section):
    """Keeping the answers of AWS, and reading from such a recording instead of asking."""

    target: str | None = Field(None, description="folder or s3://bucket/prefix to keep answers in; None: not kept")
    play_from: str | None = Field(None, description="a recording to read, once, instead of asking; None: AWS is asked")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.target is not None and self.play_from is not None:
            raise ValueError("target and play_from cannot both be set: a recording is made or played")
        return self


class Scheduling(Section):
    """When sources run, besides their own schedules."""

    jitter_seconds: float = Field(
        30, ge=0, le=3600, description="a scheduled run begins up to so much later, by chance"
    )
    retry_seconds: float = Field(60, gt=0, le=3600, description="pause after a failed run; each further one doubles it")


class FocusExport(Section):
    """An export in the FinOps Open Cost and Usage Specification, of any cloud."""

    name: str = Field(description="short name; the source is called focus.NAME")
    path: str = Field(description="a file, a folder, or s3://bucket/prefix; .csv, .csv.gz, .parquet")
    schedule: str = Field("23 * * * *", description="cron expression, UTC")


class SourceOfRecord(Section):
    """Which source gives totals for a billing account, where two tell of it."""

    billing_account: str = Field(description="FOCUS BillingAccountId")
    source: str = Field(description="as cost_explorer or focus.NAME")
    first_day: date | None = Field(None, description="charge days from this one on; None: all")


def _amount(text: str) -> str:
    try:
        if to_units(text) < 0:
            raise ValueError("a cap cannot be negative")
    except MoneyError as error:
        raise ValueError(str(error)) from error
    return text


_Dollars = Annotated[str, AfterValidator(_amount)]


class Budget(Section):
    """What asking AWS may cost, over Cost Explorer and CloudWatch together."""

    usd_per_day: _Dollars = Field("1.00", description="cap a UTC day")
    usd_per_month: _Dollars = Field("20.00", description="cap a UTC month")


class Ledger(Section):
    """What the totals hold."""

    tags: tuple[str, ...] = Field((), description="tag keys that have totals of their own")
    of_record: tuple[SourceOfRecord, ...] = Field((), description="sources of record, where two tell of one account")


class Detection(Section):
    """Anomalies: what is scored, and how many false alerts that may cost."""

    enabled: bool = Field(True, description="score what is announced")
    false_alerts_a_week: float = Field(1.0, gt=0, le=10_000, description="borne by the whole organisation")
    levels: tuple[Literal["organisation", "provider", "account", "service", "account_service", "tag"], ...] = Field(
        ("organisation", "account", "service", "account_service", "tag"),
        min_length=1,
        description="levels of series that are scored",
    )
    settle_hours: int = Field(
        96, ge=24, le=720, description="a day's figures are learnt so long after it began; before, it is looked at"
    )
    hours: bool = Field(True, description="score hours too, where lines have them")
    holidays: Annotated[tuple[date | str, ...], NoDecode, BeforeValidator(named)] = Field(
        (), description="days that differ from their weekday, and countries with such days, as DE or US-CA"
    )


class Estimates(Section):
    """Estimates: what metered usage costs, before the bill says so."""

    enabled: bool | None = Field(None, description="estimate, and score usage at once; None: where CloudWatch is read")
    false_alerts_a_week: float = Field(
        1.0, gt=0, le=10_000, description="borne by the whole organisation for usage, beside those of bills"
    )
    price_list: Mapping[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(
        default_factory=dict, description="price of a unit by usage type, instead of what bills say"
    )


class Processing(Section):
    """The Faust workers."""

    run: str = Field("live", description="the first live run; afterwards the one that was promoted is live")
    steps: tuple[str, ...] = Field((), description="steps that this worker runs; empty: all")
    state_folder: Path = Field(Path(".local/state"), description="where state is kept on disk")
    session_seconds: float = Field(
        10,
        ge=6,
        le=300,
        description="after so long without a sign of life its work moves on; so does the right to publish",
    )


class Sink(Section):
    """Kafka → ClickHouse."""

    batch_rows: int = Field(50_000, ge=1, description="rows (lines of statements count) that make a batch")
    batch_seconds: float = Field(1.0, gt=0, description="age at which a smaller batch is written")


class Alerting(Section):
    """Rules, incidents, and messages about them."""

    enabled: bool = Field(False, description="`spendstream up` runs the alert service too, and with a routing delivery")
    routing: Path | None = Field(None, description="file of receivers, routes, silences and owners")
    max_age_hours: float = Field(
        24, gt=0, description="what was so old when it was worked out is history: nobody is told of it"
    )
    timeout_seconds: float = Field(10, gt=0, le=120, description="so long a channel may take to accept a message")
    mail_events: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#@]+$",
        description="address of the SQS queue that hears of bounces and complaints",
    )
    public_url: str | None = Field(
        None, pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*[^\s?#/])?$", description="where people reach the API; no final /"
    )
    link_key: LongSecret | None = Field(None, description="signs the links in messages; None: there are none")
    old_link_keys: tuple[LongSecret, ...] = Field((), description="keys of before, whose links are still taken")
    link_days: float = Field(14, gt=0, le=400, description="so long a link is of use")


class Api(Section):
    """The API; it writes only for those who are named as writers."""

    host: str = Field("127.0.0.1", description="beyond loopback a token is needed")
    port: int = Field(8080, ge=0, le=65535, description="port; 0: a free one")
    token: SecretStr | None = Field(None, description="bearer token that callers must send")
    writers: dict[Annotated[str, Field(pattern=r"^[\w.@+-]{1,100}$")], LongSecret] = Field(
        default_factory=dict, description="name → bearer token that may write, under this name; empty: nobody may"
    )
    cache_seconds: float = Field(5.0, ge=0, description="how long an answer may be given again")

    @model_validator(mode="after")
    def _tokens_differ(self) -> Self:
        tokens = [token.get_secret_value() for token in (*self.writers.values(), *filter(None, [self.token]))]
        if len(set(tokens)) < len(tokens):
            raise ValueError("two tokens are the same: give each writer, and reading, one of its own")
        return self


class Health(Section):
    """Ports for health and metrics, on loopback; 0: a free one."""

    host: str = Field("127.0.0.1", description="beyond loopback a token is needed")
    token: SecretStr | None = Field(None, description="bearer token that callers beyond loopback must send")
    produce: int = Field(8081, ge=0, le=65535, description="producers")
    process: int = Field(8082, ge=0, le=65535, description="processors")
    sink: int = Field(8083, ge=0, le=65535, description="sink")
    alert: int = Field(8084, ge=0, le=65535, description="rules and incidents")
    deliver: int = Field(8085, ge=0, le=65535, description="delivery")
    report: int = Field(8086, ge=0, le=65535, description="reports")
    stalled_seconds: float = Field(300, gt=0, description="without progress for so long, while there is work, it exits")


class Log(Section):
    """Logs go to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severe level shown")
    format: Literal["auto", "text", "json"] = Field("auto", description="auto: text on a terminal, else JSON")


class Settings(BaseSettings):
    """All settings."""

    model_config = SettingsConfigDict(
        env_prefix="SPENDSTREAM_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    kafka: Kafka = Kafka()
    schema_registry: SchemaRegistry = SchemaRegistry()
    clickhouse: ClickHouse = ClickHouse()
    aws: Aws = Aws()
    cost_explorer: CostExplorer = CostExplorer()
    cloudwatch: CloudWatch = CloudWatch()
    budget: Budget = Budget()
    recording: Recording = Recording()
    scheduling: Scheduling = Scheduling()
    focus: tuple[FocusExport, ...] = ()
    ledger: Ledger = Ledger()
    detection: Detection = Detection()
    estimates: Estimates = Estimates()
    processing: Processing = Processing()
    sink: Sink = Sink()
    alerts: Alerting = Alerting()
    api: Api = Api()
    health: Health = Health()
    log: Log = Log()

    @model_validator(mode="after")
    def _views_stand_apart(self) -> Self:
        both = sorted({*self.ledger.tags} & {*self.cost_explorer.views})
        if both:
            raise ValueError(
                f"ledger.tags and cost_explorer's views both name {', '.join(both)}, and would be added up in one "
                "series: leave it out of ledger.tags"
            )
        return self

    @property
    def has_sources(self) -> bool:
        """Whether there is anything to read."""
        return bool(self.focus) or self.cost_explorer.enabled or self.cloudwatch.enabled

    @property
    def estimating(self) -> bool:
        """Whether metered usage is estimated."""
        return self.cloudwatch.enabled if self.estimates.enabled is None else self.estimates.enabled

    def of_run(self, run: str) -> Self:
        """Return these settings with `run` as the live one."""
        return self.model_copy(update={"processing": self.processing.model_copy(update={"run": run})})

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where settings come from, the first wins."""
        named = os.environ.get("SPENDSTREAM_CONFIG")
        path = Path(named or "spendstream.toml")
        if named and not path.is_file():
            raise ConfigurationError(f"SPENDSTREAM_CONFIG names {path}, and there is no such file")
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, path)


def load(**overrides: object) -> Settings:
    """Return the settings of this process.

    Raises
    ------
    ConfigurationError
        Naming each setting that cannot be used, and why. A secret's value is never part of it.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)]
        raise ConfigurationError("settings cannot be used:\n  " + "\n  ".join(problems)) from None
    except (SettingsError, ValueError) as error:
        raise ConfigurationError(f"settings cannot be read: {error}") from None
