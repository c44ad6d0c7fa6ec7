import json

import numpy as np
import pytest

from bench.detection import bills_rivals, monitoring_detectors
from bench.detection.__main__ import main
from bench.detection.monitoring import alerting, candidates, count, fitted, held_out, searched
from bench.detection.monitoring_corpus import CorpusError, Series, read

HOUR = 3600.0
ROWS = 400


def series(*labelled, step=HOUR):
    marks = np.zeros(ROWS, dtype=np.bool_)
    marks[list(labelled)] = True
    return Series([step * row for row in range(ROWS)], [1.0] * ROWS, marks)


def peaks(**at):
    scores = np.zeros(ROWS)
    for row, score in at.items():
        scores[int(row[1:])] = score
    return scores


def test_incidents_are_runs_of_labels_after_probation():
    assert series(3, 4, 100, 101, 102, 200).incidents == [(100, 102), (200, 200)]


def test_an_incident_that_began_in_probation_counts_from_its_end():
    assert series(*range(55, 65)).incidents == [(60, 64)]


def test_rows_within_an_hour_are_one_alert():
    _, false = alerting(peaks(r100=9, r101=9, r102=9, r200=9), series(), 5.0, 0.0)
    assert false == 2


def test_an_alert_without_end_is_a_new_one_each_day():
    scores = np.zeros(ROWS)
    scores[100:200] = 9.0
    assert alerting(scores, series(), 5.0, 0.0)[1] == 4


def test_an_alert_that_begins_in_an_incident_is_not_false():
    assert alerting(peaks(r100=9, r101=9), series(100), 5.0, 0.0)[1] == 0


def test_alerts_in_probation_do_not_count():
    assert alerting(peaks(r10=9), series(), 5.0, 0.0)[1] == 0


def test_with_habit_a_further_alert_must_show_more():
    scores = peaks(r100=5.1, r120=5.1, r140=9)
    assert alerting(scores, series(), 5.0, 0.0)[0] == [100, 120, 140]
    assert alerting(scores, series(), 5.0, 0.3)[0] == [100, 140]


def counts(corpus, scores, *thresholds, habit=0.0):
    return count(corpus, scores, np.array(thresholds), habit)


def test_recall_is_the_share_of_incidents_with_an_alerting_row():
    found = fitted(counts({"a": series(100, 200, 201, 300)}, {"a": peaks(r100=9, r201=9)}, 5.0))
    assert found.recall == pytest.approx(2 / 3)
    assert found.false_alerts == 0.0


def test_the_best_threshold_keeps_to_the_false_alerts_that_are_allowed():
    corpus, scores = {"a": series(100, 300)}, {"a": peaks(r100=9, r150=8, r200=7, r250=6, r300=5)}
    found = fitted(count(corpus, scores, candidates(corpus, scores), 0.0))  # 2.02 weeks: two false alerts
    assert found.recall == 0.5
    assert found.false_alerts <= 1.0


def test_silence_finds_nothing():
    corpus, scores = {"a": series(100)}, {"a": np.zeros(ROWS)}
    assert fitted(count(corpus, scores, candidates(corpus, scores), 0.0)).recall == 0.0


def test_held_out_each_half_has_the_threshold_of_the_other():
    corpus = {"a": series(100), "b": series(100)}
    # each alone would choose the threshold that finds its own incident; the other's is higher, or costs false alerts
    scores = {"a": peaks(r100=9), "b": peaks(r100=5)}
    shown = held_out(counts(corpus, scores, 5.0, 9.0), seed=1)
    assert shown.recall == 1.0
    scores = {"a": peaks(r100=9, r200=7, r220=7, r240=7, r260=7), "b": peaks(r100=5)}
    shown = held_out(counts(corpus, scores, 5.0, 9.0), seed=1)
    assert shown.recall == 0.5


def folder(path):
    (path / "rates").mkdir()
    rows = [
        f'"2026-01-{1 + row // 24:02}T{row % 24:02}:00:00Z",{"" if row == 9 else 80 if row in (150, 250) else row % 5},'
        f"{int(row in (150, 250))}"
        for row in range(300)
    ]
    (path / "rates/a.csv").write_text("TimeStamp,Value,Label\n" + "\n".join(rows))
    return path


def test_a_folder_is_read(tmp_path):
    one = read(folder(tmp_path))["rates/a.csv"]
    assert one.incidents == [(150, 150), (250, 250)]
    assert np.isnan(one.values[9])
    assert one.times[1] - one.times[0] == HOUR


def test_a_folder_without_series_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="holds no"):
        read(tmp_path)


def bench(folder, monkeypatch, capsys, *, forest):
    monkeypatch.setattr(bills_rivals, "PYTHON", folder if forest else folder / "missing")
    monkeypatch.setattr(bills_rivals, "random_cut_forest", lambda values, _: abs(values - 2.0))
    monkeypatch.setattr("sys.argv", ["x", "monitoring", "--data", str(folder), "--json"])
    assert main() == 0
    return json.loads(capsys.readouterr().out)


def test_the_benchmark_runs_every_detector(tmp_path, monkeypatch, capsys):
    found = bench(folder(tmp_path), monkeypatch, capsys, forest=False)
    assert found["spendstream"]["alone"]["recall"] == 1.0
    assert len(found) == 8


def test_a_random_cut_forest_is_run_where_its_environment_is(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(monitoring_detectors, "DETECTORS", {})
    found = bench(folder(tmp_path), monkeypatch, capsys, forest=True)
    assert found["Random Cut Forest"]["alone"]["recall"] == 1.0


def test_a_better_threshold_between_the_candidates_is_found():
    corpus, scores = {"a": series(100, 200)}, {"a": peaks(r100=9, r200=5.01, r300=5, r320=5, r340=5)}
    assert fitted(searched(corpus, scores, 0.0)).recall == 1.0


def test_the_cost_of_a_point_is_measured(monkeypatch, capsys):
    monkeypatch.setattr("bench.detection.speed._ROWS", 50)
    monkeypatch.setattr("sys.argv", ["x", "speed", "--json"])
    assert main() == 0
    assert set(json.loads(capsys.readouterr().out)) == {"series", "series, for cost", "deviation"}
