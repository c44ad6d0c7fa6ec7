"""Holidays by country: what may stand in the setting, and which days it means."""

from datetime import date

import pytest

from processors.pipeline import steps
from spendstream.public_holidays import days_of, named
from spendstream.settings import ConfigurationError, load


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("DE-BY", ("DE-BY",)),
        ("US, 2026-12-24", ("US", date(2026, 12, 24))),
        (["DE", date(2026, 12, 24)], ("DE", date(2026, 12, 24))),
        ("", ()),
    ],
)
def test_days_and_countries_may_be_mixed(given, meant):
    assert named(given) == meant


def test_a_country_means_its_public_holidays_and_a_part_of_it_those_of_its_own_too():
    everywhere, in_bavaria = days_of(["DE"]), days_of(["DE-BY", date(2026, 12, 24)])

    assert date(2026, 10, 3) in everywhere
    assert date(2026, 1, 6) not in everywhere
    assert {date(2026, 1, 6), date(2026, 12, 24)} <= {*in_bavaria}
    assert list(in_bavaria) == sorted({*in_bavaria})


@pytest.mark.parametrize(("given", "why"), [("DE-XX", "BY"), ("QQ", "as DE or US"), ("christmas", "no country")])
def test_what_is_not_known_is_refused_with_what_would_be(given, why):
    with pytest.raises(ConfigurationError, match=why):
        load(detection={"holidays": given})


@pytest.mark.parametrize("text", ["DE-BY", '["DE-BY"]'])
def test_the_environment_may_name_a_country(monkeypatch, text):
    monkeypatch.setenv("SPENDSTREAM_DETECTION__HOLIDAYS", text)

    settings = load()

    assert settings.detection.holidays == ("DE-BY",)
    assert [step.name for step in steps(settings)][-1] == "anomalies"
