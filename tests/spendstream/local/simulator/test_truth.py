"""Incidents, and the record of what they did, checked against the bill itself."""

import json
import subprocess
import sys
import urllib.request
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from spendstream.local.simulator import Incident, Organisation, Scope, SimulatedAWS, SimulatedClock
from spendstream.local.simulator.__main__ import main
from spendstream.local.simulator.incidents import KINDS, IncidentError, load_incidents
from spendstream.local.simulator.making import make_incidents
from spendstream.local.simulator.truth import document, truth
from tests.spendstream.local.simulator.conftest import get

START = datetime(2026, 3, 3, 10, tzinfo=UTC)
END = datetime(2026, 3, 12, tzinfo=UTC)
AFTER = datetime(2026, 3, 20, tzinfo=UTC)
EC2 = "Amazon Elastic Compute Cloud - Compute"
ACCOUNT = "100000000001"
INSTANCES = Scope(ACCOUNT, EC2, "us-east-1", "BoxUsage:m7g.large")


def organisation(*incidents: Incident) -> Organisation:
    return Organisation(seed=5, accounts=2, regions=2, incidents=incidents)


def cost(model: Organisation, day: date, metric: str = "AmortizedCost", **wanted: str) -> Decimal:
    amounts = model.day(day, datetime(2026, 6, 1, tzinfo=UTC)).of(metric).sum(axis=1)
    rows = [n for n, s in enumerate(model.series) if all(getattr(s, k) == v for k, v in wanted.items())]
    return Decimal(int(amounts[rows].sum())).scaleb(-10)


@pytest.mark.parametrize(
    ("kind", "scope", "size", "cause"),
    [
        ("spike", INSTANCES, 4.0, "usage"),
        ("step", INSTANCES, 1.8, "usage"),
        ("creep", INSTANCES, 2.0, "usage"),
        ("runaway_loop", Scope(ACCOUNT, "AWS Lambda"), 24.0, "usage"),
        ("new_service", Scope(ACCOUNT), 300.0, "usage"),
        ("forgotten_resource", Scope(ACCOUNT), 120.0, "usage"),
        ("leaked_keys", Scope(ACCOUNT, region="sa-east-1"), 2500.0, "usage"),
        ("price_change", Scope(service="Amazon CloudFront"), 1.3, "rate"),
        ("commitment_expiry", Scope(), 1.0, "rate"),
        ("credit_end", Scope(), 1.0, "credit"),
        ("many_small_rises", Scope(ACCOUNT), 1.12, "usage"),
    ],
)
def test_an_incident_costs_what_its_truth_says(kind, scope, size, cause):
    incident = Incident("one", kind, START, scope, size, END)
    told = truth(organisation(incident), incident, AFTER)
    assert told.cause == cause
    assert [day.day for day in told.days] == [f"2026-03-{n:02}" for n in range(3, 12)]
    whole = sum(Decimal(day.actual) - Decimal(day.expected) for day in told.days)
    assert Decimal(told.impact_so_far) == whole > 0
    bills = [cost(model, date(2026, 3, 5)) for model in (organisation(incident), organisation())]
    fifth = told.days[2]
    assert Decimal(fifth.actual) - Decimal(fifth.expected) == bills[0] - bills[1]
    assert sum(Decimal(part.share) for part in told.parts) == pytest.approx(1, abs=Decimal("0.0001"))
    assert told.visible_in_cost_explorer_at is not None
    assert START < datetime.fromisoformat(told.visible_in_cost_explorer_at) < START + timedelta(days=3)


def test_what_vanishes_saves():
    incident = Incident("one", "vanished_usage", START, Scope(ACCOUNT, "Amazon CloudFront"), 0.0, END)
    told = truth(organisation(incident), incident, AFTER)
    assert Decimal(told.days[3].actual) == 0
    assert Decimal(told.impact_so_far) < 0


@pytest.mark.parametrize(
    ("service", "record_type"),
    [
        ("Northwind Log Analytics", "Fee"),
        ("Amazon Relational Database Service", "RIFee"),
        ("AWS Support (Business)", "Support fee"),
    ],
)
def test_a_fee_is_charged_twice(service, record_type):
    first = datetime(2026, 3, 1, tzinfo=UTC)
    incident = Incident("one", "double_fee", first, Scope(service=service), 2.0)
    told = truth(organisation(incident), incident, AFTER)
    fee = cost(organisation(), first.date(), "UnblendedCost", record_type=record_type)
    assert told.charge_class == "recurring_fee"
    assert Decimal(told.impact_so_far) == Decimal(told.impact_so_far_billed) == fee > 0
    assert [(part.record_type, part.share) for part in told.parts] == [(record_type, "1.000000")]


@pytest.mark.parametrize(("size", "spent"), [(120.0, "120"), (2500.0, "2500")])
def test_what_is_brought_costs_its_size_a_day(size, spent):
    incident = Incident("one", "forgotten_resource", START, Scope(ACCOUNT), size)
    told = truth(organisation(incident), incident, AFTER)
    assert Decimal(told.days[1].actual) == pytest.approx(Decimal(spent), rel=Decimal("0.001"))
    assert told.days[1].expected == "0.0000000000"
    assert told.ended_at is None


def test_two_incidents_do_not_change_each_others_lines():
    one = Incident("one", "spike", START, INSTANCES, 4.0, END)
    two = Incident("two", "leaked_keys", START, Scope(ACCOUNT, region="sa-east-1"), 2500.0, END)
    assert truth(organisation(one, two), one, AFTER) == truth(organisation(one), one, AFTER)


def test_before_it_begins_nothing_is_known_of_it():
    incident = Incident("one", "spike", START, INSTANCES, 4.0, END)
    told = truth(organisation(incident), incident, START - timedelta(hours=1))
    assert (told.days, told.impact_so_far, told.visible_in_cost_explorer_at) == ((), "0.0000000000", None)


def test_metered_usage_is_seen_in_cloudwatch_within_minutes_and_prices_never():
    spike = Incident("one", "spike", START, INSTANCES, 4.0, END)
    dearer = Incident("two", "price_change", START, INSTANCES, 1.5, END)
    model = organisation(spike, dearer)
    assert truth(model, spike, AFTER).visible_in_cloudwatch_at == "2026-03-03T10:07:00+00:00"
    assert truth(model, dearer, AFTER).visible_in_cloudwatch_at is None


def test_incidents_come_from_a_file(tmp_path):
    (tmp_path / "bad.toml").write_text(
        '[[incidents]]\nid = "nat"\nkind = "step"\nstart = 2026-03-03T10:00:00Z\nsize = 2.5\n'
        f'scope = {{account = "{ACCOUNT}", service = "EC2 - Other", tags = {{team = "data"}}}}\n'
    )
    (incident,) = load_incidents(tmp_path / "bad.toml")
    assert incident == Incident("nat", "step", START, Scope(ACCOUNT, "EC2 - Other", tags=(("team", "data"),)), 2.5)
    (tmp_path / "again.json").write_text(json.dumps({"incidents": [incident.document()]}))
    assert load_incidents(tmp_path / "again.json") == (incident,)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            '[[incidents]]\nid = "a"\nkind = "flood"\nstart = 2026-03-03T10:00:00Z',
            "unknown kind 'flood'; use one of spike",
        ),
        ('[[incidents]]\nid = "a"\nkind = "spike"', "incident a: start is missing"),
        ('[[incidents]]\nid = "a"\nkind = "spike"\nstart = 2026-03-03T10:00:00', "has no time zone"),
        ('[[incidents]]\nid = "a"\nkind = "spike"\nsize = "big"\nstart = 2026-03-03T10:00:00Z', "could not convert"),
        ('[[incidents]]\nid = "a"\nkind = "spike"\nstart = 2026-03-03T10:15:00Z', "write a whole one"),
        ('[[incidents]]\nid = "a"\nwhere = "b"', "it may have id, kind"),
        ("nothing = 1", r"write \[\[incidents\]\]"),
        ("= 1", "cannot be read"),
    ],
)
def test_a_wrong_file_says_what_to_change(tmp_path, text, says):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(IncidentError, match=says):
        load_incidents(tmp_path / "bad.toml")


def test_incidents_made_from_a_seed_are_of_every_kind_and_the_same_again():
    model = organisation()
    days = date(2026, 3, 1), date(2026, 4, 30)
    made = make_incidents(model, 11, 13, *days)
    assert {incident.kind for incident in made} == set(KINDS)
    assert made == make_incidents(model, 11, 13, *days)
    assert made != make_incidents(model, 12, 13, *days)
    told = document([organisation(*made)], datetime(2026, 6, 1, tzinfo=UTC))
    assert told["schema_version"] == 1
    assert all(one["parts"] for one in told["incidents"] if one["kind"] != "credit_end")


def test_the_truth_is_told_over_http():
    model = organisation(Incident("one", "spike", START, INSTANCES, 4.0, END))
    with SimulatedAWS(model, SimulatedClock(AFTER)) as aws:
        told = get(aws, "truth")
    assert told == json.loads(json.dumps(document([model], AFTER)))
    assert told["incidents"][0]["parts"][0]["usage_type"] == "BoxUsage:m7g.large"


SIZE = ["--seed", "5", "--accounts", "2", "--regions", "2"]
FIFTH = ["--from", "2026-03-05", "--to", "2026-03-05"]


def test_the_program_writes_the_bill(capsys):
    assert main(["bill", *SIZE, *FIFTH, "--at", "2026-06-01T00:00:00Z"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    column = head.split(",").index("amortized")
    assert sum(Decimal(line.split(",")[column]) for line in lines) == cost(organisation(), date(2026, 3, 5))


def test_the_program_writes_the_bills_of_several_payers(capsys):
    payers = ["--payer", "100000000000", "--payer", "200000000000"]
    assert main(["bill", *SIZE, *FIFTH, *payers, "--at", "2026-06-01T00:00:00Z"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert {line.split(",")[2] for line in lines} == {"100000000000", "200000000000"}
    assert head not in lines


def test_the_documented_incidents_can_be_read(tmp_path):
    page = (Path(__file__).parents[4] / "docs" / "simulated-aws.md").read_text()
    (tmp_path / "incidents.toml").write_text(page.split("```toml\n")[1].split("```")[0])
    incidents = load_incidents(tmp_path / "incidents.toml")
    assert [incident.kind for incident in incidents] == ["leaked_keys", "step"]
    assert truth(organisation(*incidents), incidents[0], AFTER).parts
    assert all(f"| `{kind}` |" in page for kind in KINDS)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["bill", *FIFTH, "--at", "2026-06-01T00:00:00Z", "--accounts", "0"], "give at least 1 account"),
        (["bill", *FIFTH, "--at", "2026-06-01T00:00:00Z", "--incidents", "none.toml"], "none.toml cannot be read"),
        (["--make-incidents", "3:12"], "wants SEED:COUNT:FROM:TO"),
    ],
)
def test_a_wrong_argument_says_what_to_change(capsys, arguments, says):
    assert main(arguments) == 2
    assert says in capsys.readouterr().err


@pytest.mark.slow
def test_the_program_serves_and_writes_the_truth(tmp_path):
    made = ["--make-incidents", "3:2:2026-03-01:2026-03-10", "--truth", str(tmp_path / "truth.json")]
    command = [sys.executable, "-m", "spendstream.local.simulator", *SIZE, *made, "--start", "2026-03-15T00:00:00Z"]
    with subprocess.Popen([*command, "--speed", "0"], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        said = running.stdout.readline()
        url = said.split()[3].rstrip(",")
        with urllib.request.urlopen(f"{url}/_simulator/clock") as answer:
            assert json.load(answer) == {"now": "2026-03-15T00:00:00+00:00"}
        running.terminate()
        assert running.wait(30) == 0
    told = json.loads((tmp_path / "truth.json").read_text())
    assert [len(one["days"]) > 0 for one in told["incidents"]] == [True, True]


@pytest.mark.parametrize(
    ("incidents", "says"),
    [
        ([Incident("one", "spike", START, Scope("999999999999"), 2.0)], "incident one: nothing that the organisation"),
        ([Incident("one", "credit_end", START, Scope(), 1.0)] * 2, "the same id"),
        (
            [Incident("one", "double_fee", datetime(2026, 3, 1, tzinfo=UTC), Scope(service=EC2), 2.0)],
            "has no fee of the month; use one of AWS Support",
        ),
    ],
)
def test_incidents_that_cannot_happen_are_refused(incidents, says):
    with pytest.raises(ValueError, match=says):
        organisation(*incidents)
