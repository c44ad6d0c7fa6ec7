"""A mail: what it shows, its thread, its files, and how it gets smaller.

`python -m tests.alerts.channels.test_mail` writes them anew; look at them in a browser then, in light and dark.
"""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from alerts.channels.mail import Envelope, mail_of, mail_of_note
from alerts.message import Message
from alerts.routing import Told
from schemas.events import IncidentChild
from tests.alerts.channels.messages import HOSTILE, LINK, crowd, incident, message, note

GOLDEN = Path(__file__).with_name("golden")
ENVELOPE = Envelope("Costs <costs@example.com>", ["ann@example.com", "bob@example.com"])
EC2 = "USD/provider=AWS/account=210987654321/service=AmazonEC2/region=eu-west-1"

COSTS = (402, 431, 455, 398, 340, 352, 411, 420, 447, 466, 402, 338, 349, 2318.4)


def shown() -> Message:
    """Return the message of the golden files."""
    since = datetime(2026, 3, 9, tzinfo=UTC)
    one = incident(
        id="4f1c2a9be07d3e56",
        severity="critical",
        scope=EC2,
        says="AmazonEC2 in eu-west-1 of account 210987654321 cost 2,318.40 USD on 2026-03-09, 412.10 USD were expected",
        actual=Decimal("2318.4"),
        expected=Decimal("412.1"),
        impact_per_day=Decimal("1906.3"),
        impact_so_far=Decimal("1906.3"),
        impact_lower=Decimal("1850.2"),
        impact_upper=Decimal("1962.4"),
        impact_to_month_end=Decimal("43844.9"),
        since=since,
        course_from=date(2026, 2, 24),
        course=[round(cost * 10**18) for cost in COSTS],
        course_lower=[370 * 10**18] * len(COSTS),
        course_upper=[460 * 10**18] * len(COSTS),
        children=[
            IncidentChild(series=f"{EC2}/usage_type=EU-BoxUsage:p4d.24xlarge", share=0.81),
            IncidentChild(series=f"{EC2}/usage_type=EU-EBS:VolumeUsage.gp3", share=0.14),
            IncidentChild(series="USD/tag=team/value=search", share=0.62),
        ],
        owner="search@example.com",
        runbook="https://wiki.example.com/costs/ec2",
    )
    return Message.of("on-call", "account=210987654321", [Told(one, "new", LINK)], datetime(2026, 3, 10, 8, tzinfo=UTC))


def body(mail: EmailMessage, kind: str) -> str:
    part: Any = mail.get_body((kind,))
    return str(part.get_content()).replace("\r\n", "\n")


@pytest.mark.parametrize(("kind", "file"), [("html", "incident.html"), ("plain", "incident.txt")])
def test_a_mail_about_an_incident_looks_as_it_did(kind, file):
    assert body(mail_of(shown(), ENVELOPE), kind) == (GOLDEN / file).read_text()


def test_mails_about_an_incident_are_one_thread_and_each_has_an_id_of_its_own():
    first = mail_of(message(), ENVELOPE)
    again = mail_of(message(), ENVELOPE)
    over = mail_of(message(incident(state="resolved", version=4), handle=first["Message-ID"]), ENVELOPE)
    other = mail_of(message(incident(id="i2")), ENVELOPE)
    assert first.as_bytes() == again.as_bytes()
    assert first["Message-ID"] != over["Message-ID"]
    assert over["In-Reply-To"] == first["Message-ID"]
    assert over["References"].split() == [first["References"], first["Message-ID"]]
    assert other["References"] != first["References"]


def test_what_another_channel_called_its_message_is_not_answered_to():
    assert mail_of(message(handle="C1:1.1"), ENVELOPE)["In-Reply-To"] is None


def test_no_machine_is_asked_to_answer():
    assert mail_of(message(), ENVELOPE)["Auto-Submitted"] == "auto-generated"


def test_a_subject_is_one_line_whatever_it_is_about():
    hostile = incident(scope=f"USD/provider=AWS/account={HOSTILE.replace('/', '')}")
    mail = mail_of(message(hostile), ENVELOPE)
    lines = mail.as_bytes().split(b"\r\n\r\n")[0].split(b"\r\n")
    assert all(len(line) <= 78 for line in lines)
    assert not [line for line in lines if line.lower().startswith(b"bcc")]
    assert mail["Bcc"] is None
    assert mail["Subject"].endswith("rose by 5.00 USD a day")


def test_a_subject_in_any_script_is_encoded():
    mail = mail_of(message(incident(scope="USD/tag=équipe/value=検索")), ENVELOPE)
    assert mail.as_bytes().isascii()
    assert "équipe=検索" in mail["Subject"]


def test_where_costs_fell_or_are_not_known_there_is_no_bar_that_lies():
    credit = body(mail_of(message(incident(actual=Decimal(-5))), ENVELOPE), "html")
    nothing = body(mail_of(message(incident(actual=Decimal(0), expected=Decimal(0))), ENVELOPE), "html")
    assert "Expected</td>" not in credit
    assert 'width="0%"' not in nothing


def test_a_runbook_is_a_link_only_when_it_is_an_address_of_the_web():
    html = body(mail_of(message(incident(runbook="javascript:alert(1)")), ENVELOPE), "html")
    assert "javascript:alert(1)" in html
    assert 'href="javascript' not in html


@pytest.mark.parametrize("longest", [600_000, 60_000, 40_000])
def test_a_mail_that_is_too_large_gets_smaller_and_says_so(longest):
    mail = mail_of(crowd(), ENVELOPE, longest)
    assert len(mail.as_bytes()) <= longest
    assert ("This mail was cut" in body(mail, "plain")) is (longest < 600_000)
    assert "more" in body(mail, "plain")


def test_a_report_has_its_files_and_its_thread():
    mail = mail_of_note(note(), ENVELOPE)
    [file] = mail.iter_attachments()
    assert (file.get_filename(), file.get_content_type()) == ("costs.csv", "text/csv")
    assert mail["References"] == mail_of_note(note(id="another"), ENVELOPE)["References"]
    assert mail_of_note(note(thread=None), ENVELOPE)["References"] is None


def test_a_file_that_is_too_large_is_left_out_and_named():
    large = replace(note().attachments[0], content=b"x" * 1_000_000)
    mail = mail_of_note(note(attachments=[large]), ENVELOPE, 100_000)
    assert list(mail.iter_attachments()) == []
    assert "costs.csv" in body(mail, "plain")
    assert "costs.csv" in body(mail, "html")


def test_a_note_that_is_far_too_large_is_cut():
    mail = mail_of_note(note(text="ü" * 50_000, html="<p>ü</p>" * 10_000), ENVELOPE, 60_000)
    assert len(mail.as_bytes()) <= 60_000
    assert "This mail was cut" in body(mail, "plain")


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    (GOLDEN / "incident.html").write_text(body(mail_of(shown(), ENVELOPE), "html"))
    (GOLDEN / "incident.txt").write_text(body(mail_of(shown(), ENVELOPE), "plain"))
