"""The benchmark of the API runs, and compares what it says."""

import pytest

from bench import api


@pytest.mark.slow
def test_every_comparison_is_made_in_small():
    results = list(api.run(None, small=True))
    assert {result.name for result in results if result.bar == api.FRESH_BAR} == {
        f"API, fresh: {name}" for name in api._QUESTIONS
    }
    assert [result.unit for result in results if result.bar == api.CACHED_BAR] == ["requests/s"]
    assert all(result.ratio > 0 for result in results)
