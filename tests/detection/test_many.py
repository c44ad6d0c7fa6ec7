from bench.detection import many


def test_what_many_series_take_is_measured():
    found = many.taken(series=50, days=60)

    assert (found.series, found.days) == (50, 60)
    assert found.most_mb >= found.before_mb > 1
    assert found.microseconds > 0
    assert found.alerts <= 2
