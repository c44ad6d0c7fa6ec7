import json
import math

import numpy as np
import pytest

from bench.detection import bills_rivals, nab_forest
from bench.detection.__main__ import main
from bench.detection.nab_scoring import SILENT, Profile, at_threshold, fitted, labels, probation

STANDARD = Profile(tp=1.0, fn=1.0, fp=0.11)
TIMES = [f"2026-01-{day:02}" for day in range(1, 21)]  # 20 rows: the first 3 are for learning


def one_window(first=10, last=14):
    return {"a": labels(TIMES, [(TIMES[first], TIMES[last])])}


def alerts(*rows):
    return {"a": np.isin(np.arange(20), rows).astype(float)}


def test_silence_scores_zero():
    verdict = at_threshold(one_window(), alerts(), STANDARD, 0.5)
    assert (verdict.score, verdict.missed, verdict.fp) == (0.0, 1, 0)


def test_an_alert_at_the_first_row_of_each_window_and_no_other_scores_a_hundred():
    verdict = at_threshold(one_window(), alerts(10), STANDARD, 0.5)
    assert verdict.score == pytest.approx(100.0)


def test_a_later_alert_in_the_window_earns_less():
    scores = [at_threshold(one_window(), alerts(row), STANDARD, 0.5).score for row in range(10, 15)]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 5


def test_of_several_alerts_in_a_window_the_earliest_counts():
    assert at_threshold(one_window(), alerts(12, 13, 14), STANDARD, 0.5).score == pytest.approx(
        at_threshold(one_window(), alerts(12), STANDARD, 0.5).score
    )


def test_a_false_alert_before_any_window_costs_its_full_weight():
    verdict = at_threshold(one_window(), alerts(5, 10), STANDARD, 0.5)
    assert verdict.score == pytest.approx(100.0 * (2.0 - 0.11) / 2.0)
    assert verdict.fp == 1


def test_a_false_alert_right_behind_a_window_costs_less():
    share = 1.0 - 2.0 / (1.0 + math.exp(5.0 / 4.0))  # one row behind a window of five
    verdict = at_threshold(one_window(), alerts(10, 15), STANDARD, 0.5)
    assert verdict.score == pytest.approx(100.0 * (2.0 - 0.11 * share) / 2.0)


def test_alerts_while_learning_count_for_nothing():
    assert probation(20) == 3
    assert at_threshold(one_window(), alerts(0, 1, 2), STANDARD, 0.5).score == 0.0


def test_long_series_learn_on_750_rows():
    assert probation(22_000) == 750


def test_the_fitted_threshold_is_the_best_of_all():
    scores = {"a": np.zeros(20)}
    scores["a"][[5, 10, 17]] = 0.3, 0.8, 0.6
    verdict = fitted(one_window(), scores, STANDARD)
    assert verdict.threshold == 0.8
    assert verdict.score == pytest.approx(100.0)


def test_a_detector_that_only_harms_is_better_silent():
    verdict = fitted(one_window(), alerts(*range(4, 10)), Profile(tp=1.0, fn=1.0, fp=2.0))
    assert (verdict.threshold, verdict.score, verdict.missed) == (SILENT, 0.0, 1)


def test_scores_need_not_end_at_one():
    scores = {"a": np.zeros(20)}
    scores["a"][10] = 37.5  # −log10 p
    assert fitted(one_window(), scores, STANDARD).threshold == 37.5


def test_one_threshold_serves_all_series():
    corpus = one_window() | {"quiet": labels(TIMES, [])}
    scores = alerts(10) | {"quiet": np.isin(np.arange(20), [8]).astype(float)}
    assert fitted(corpus, scores, STANDARD).score == pytest.approx(100.0 * (2.0 - 0.11) / 2.0)


def test_a_window_at_a_time_without_row_is_refused():
    with pytest.raises(ValueError, match="no row has this time"):
        labels(TIMES, [("2026-02-01", "2026-02-02")])


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="finite"):
        fitted(one_window(), {"a": np.full(20, np.nan)}, STANDARD)


def nab_folder(folder, threshold):
    (folder / "data/x").mkdir(parents=True)
    lines = "".join(f"{time} 00:00:00,1.0\n" for time in TIMES)
    (folder / "data/x/a.csv").write_text(f"timestamp,value\n{lines}")
    span = [f"{TIMES[row]} 00:00:00.000000" for row in (10, 14)]
    (folder / "windows.json").write_text(json.dumps({"x/a.csv": [span]}))
    costs = {"tpWeight": 1.0, "fnWeight": 1.0, "fpWeight": 0.11}
    (folder / "profiles.json").write_text(json.dumps({"standard": {"CostMatrix": costs}}))
    (folder / "published").mkdir()
    np.savez(folder / "published/theirs.npz", **{"x/a.csv": alerts(10)["a"]})
    expected = {"standard": {"score": 100.0, "threshold": threshold, "tp": 1, "fp": 0}}
    (folder / "expected_scores.json").write_text(json.dumps({"theirs": expected}))
    return folder


def bench(monkeypatch, folder, *, forest=False):
    monkeypatch.setattr(bills_rivals, "PYTHON", folder if forest else folder / "missing")
    monkeypatch.setattr("sys.argv", ["bench.detection", "nab", "--data", str(folder), "--json"])
    return main()


def test_published_scores_are_scored_and_agree_with_the_benchmarks_own_code(tmp_path, monkeypatch, capsys):
    assert bench(monkeypatch, nab_folder(tmp_path, threshold=1.0)) == 0
    assert json.loads(capsys.readouterr().out)["theirs"]["standard"]["score"] == pytest.approx(100.0)


def test_a_random_cut_forest_is_scored_where_its_environment_is(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(nab_forest, "random_cut_forest", lambda *_: alerts(10)["a"][:, np.newaxis])
    assert bench(monkeypatch, nab_folder(tmp_path, threshold=1.0), forest=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["Random Cut Forest"]["standard"]["score"] == pytest.approx(100.0)
    assert found["Random Cut Forest, one alert an incident"]["standard"]["score"] == pytest.approx(100.0)


def test_a_disagreement_with_the_benchmarks_own_code_is_said_and_fails(tmp_path, monkeypatch, capsys):
    assert bench(monkeypatch, nab_folder(tmp_path, threshold=0.7)) == 1
    assert "theirs, standard: threshold is 1.0, NAB's own code gives 0.7" in capsys.readouterr().err


def test_a_folder_that_is_not_nabs_is_said(tmp_path, monkeypatch, capsys):
    assert bench(monkeypatch, tmp_path) == 2
    assert "windows.json is missing" in capsys.readouterr().err
