"""`spendstream doctor`: is everything that the settings name there, and may we use it? Each answer says what to do."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from sinks.clickhouse import connect
from spendstream.admin import kafka_client, plan
from spendstream.at_work import check_at_work
from spendstream.doctor_aws import Sessions, check_aws
from spendstream.findings import Finding, failed, good
from spendstream.iam_policy import policies
from spendstream.settings import ConfigurationError, Settings

_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All findings, and the policies that AWS needs, by principal."""

    findings: tuple[Finding, ...]
    policies: dict[str, dict[str, object]]

    @property
    def healthy(self) -> bool:
        """Whether nothing failed."""
        return all(finding.ok for finding in self.findings)

    def text(self) -> str:
        """Return a line for each finding, what to do below it, and the policies to paste."""
        lines = []
        for finding in self.findings:
            lines.append(f"{'ok' if finding.ok else 'FAILED':<7} {finding.what}: {finding.detail}")
            if not finding.ok:
                lines.append(f"        → {finding.fix}")
        for principal, policy in self.policies.items():
            lines += ["", f"the least that {principal} must be allowed (IAM policy to paste):"]
            lines.append(json.dumps(policy, indent=2))
        return "\n".join(lines)

    def plain(self) -> dict[str, object]:
        """Return it as JSON has it."""
        findings = [asdict(finding) for finding in self.findings]
        return {"healthy": self.healthy, "findings": findings, "policies": self.policies}


def diagnose(settings: Settings, sessions: Sessions | None = None) -> Diagnosis:
    """Check everything that the settings name; nothing raises, nothing is written, nothing costs.

    Parameters
    ----------
    settings
        What is checked.
    sessions
        How AWS is reached; None: as the settings say.
    """
    servers = [*_kafka(settings), *_registry(settings), *_clickhouse(settings)]
    findings = [*servers, *_links(settings), *check_aws(settings, sessions)]
    return Diagnosis(tuple(findings), policies(settings))


def _kafka(settings: Settings) -> Iterator[Finding]:
    what = f"Kafka at {settings.kafka.bootstrap}"
    try:
        there = AdminClient(kafka_client(settings) | {"log_level": 0}).list_topics(timeout=_SECONDS)
    except KafkaException as error:
        reason = error.args[0].str() if error.args else str(error)
        yield failed(what, reason, "start it (`make kafka`), or set SPENDSTREAM_KAFKA__BOOTSTRAP and kafka.client")
        return
    yield good(what, f"{len(there.brokers)} broker(s) answer")
    wanted = {topic.name: topic.partitions for topic in plan(settings)}
    missing = [name for name in wanted if name not in there.topics]
    wrong = [
        name for name, count in wanted.items() if name in there.topics and len(there.topics[name].partitions) < count
    ]
    if wrong:
        fix = "set kafka.shards back, and see `spendstream topics rebuild --help`"
        yield failed("topics", f"fewer partitions than kafka.shards says: {', '.join(wrong)}", fix)
    elif missing:
        yield good("topics", f"{len(missing)} of {len(wanted)} are not there yet; `spendstream topics` makes them")
    else:
        yield good("topics", f"all {len(wanted)} are there")
        yield check_at_work(settings)


def _registry(settings: Settings) -> Iterator[Finding]:
    registry = settings.schema_registry
    if registry.url is None:
        return
    what = f"schema registry at {registry.url}"
    configuration: dict[str, object] = {"url": registry.url, "timeout": _SECONDS, "max.retries": 0}
    if registry.user:
        configuration["basic.auth.user.info"] = f"{registry.user}:{registry.password.get_secret_value()}"
    try:
        subjects = SchemaRegistryClient.new_client(configuration).get_subjects()
    except SchemaRegistryError as error:
        yield failed(what, f"it refuses: {error.http_status_code}", "set schema_registry.user and .password")
    except Exception as error:  # noqa: BLE001 - the client passes on whatever its HTTP library raises
        yield failed(what, _first_line(error), "set schema_registry.url to an address that answers, or unset it")
    else:
        yield good(what, f"{len(subjects)} subjects")


def _clickhouse(settings: Settings) -> Iterator[Finding]:
    options = settings.clickhouse
    what = f"ClickHouse at {options.url}"
    try:
        with urlopen(f"{options.url.rstrip('/')}/ping", timeout=_SECONDS) as answer:  # noqa: S310 - the person's own URL
            answer.read(100)
    except HTTPError:
        pass  # something answers; the users below say more
    except (URLError, ValueError, OSError) as error:
        reason = getattr(error, "reason", error)
        yield failed(what, str(reason), "start it, or set SPENDSTREAM_CLICKHOUSE__URL to its HTTP address")
        return
    yield good(what, "it answers")
    for reader in (False, True):
        user = options.reader_user if reader else options.user
        yield _told(f"ClickHouse user {user}", lambda reader=reader: _ask_clickhouse(settings, reader=reader))  # type: ignore[misc]


def _ask_clickhouse(settings: Settings, *, reader: bool) -> str:
    with connect(settings.clickhouse, reader=reader) as client:
        tables = client.query(
            "SELECT count() FROM system.tables WHERE database = {name:String}", {"name": settings.clickhouse.database}
        ).result_rows[0][0]
    return f"sees {tables} tables of {settings.clickhouse.database}"


def _links(settings: Settings) -> Iterator[Finding]:
    """Say when messages will hold no links though somebody meant them to."""
    alerts = settings.alerts
    if alerts.public_url is not None and alerts.link_key is None:
        yield failed("links in messages", "there is no key to sign them", "set SPENDSTREAM_ALERTS__LINK_KEY too")
    elif alerts.link_key is not None and alerts.public_url is None:
        yield failed("links in messages", "it is not said where they lead", "set SPENDSTREAM_ALERTS__PUBLIC_URL too")
    elif alerts.link_key is not None:
        yield good("links in messages", f"they lead to {alerts.public_url}, for {alerts.link_days:g} days")


def _told(what: str, ask: Callable[[], str]) -> Finding:
    try:
        return good(what, ask())
    except ConfigurationError as error:
        return failed(what, *_cut(str(error)))


def _cut(text: str) -> tuple[str, str]:
    reason, _, fix = text.partition("; ")
    return reason, fix or "see above"


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
