"""The benchmark of reports runs, in small; what it measures there means nothing."""

import pytest

from bench import reports


@pytest.mark.slow
def test_reports_are_measured_by_totals_and_by_lines():
    results = list(reports.run(None, small=True))
    assert [result.name for result in results] == [
        "report of a month by service, 20,000 lines, against 5 s",
        "report of a month by tag:team, 20,000 lines, against 5 s",
        "a report of a month for each tag:team, 20,000 lines, against 5 s",
    ]
