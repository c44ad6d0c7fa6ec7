"""What all channels write from."""

from hypothesis import given
from hypothesis import strategies as st

from alerts.message import headline, view
from alerts.routing import Told
from tests.alerts.channels.messages import LINK, incident, message


@given(st.text(max_size=200), st.text(max_size=200))
def test_a_view_is_one_line_of_printable_text_each(says, owner):
    words = view(Told(incident(says=says, owner=owner, runbook=says), "new"))
    for text in (words.title, words.says, words.runbook or "", *(value for _, value in words.facts)):
        assert "\n" not in text
        assert "\r" not in text
        assert len(text) <= 600


def test_an_end_is_titled_as_one():
    assert view(Told(incident(state="resolved"), "resolved")).title.startswith("Resolved: AmazonS3")


def test_what_one_may_do_leads_to_the_page_that_was_sent():
    assert view(Told(incident(), "new")).actions == ()
    assert {address.split("#")[0] for _, address in view(Told(incident(), "new", LINK)).actions} == {LINK}


def test_a_headline_counts_the_others():
    assert headline(message(incident(), incident(id="i2"))).endswith("a day, and 1 more")
