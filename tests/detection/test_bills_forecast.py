import sys

import pytest

from bench.detection import bills_forecast

NAIVE = """#!{python}
import json, sys
asked = json.load(open(sys.argv[2]))
print(json.dumps({{"sums": [one["values"][-1] * one["days"] for one in asked], "seconds": 6.0}}))
"""


def test_ours_and_the_other_program_forecast_the_same_rest_of_each_month(tmp_path):
    other = tmp_path / "python"
    other.write_text(NAIVE.format(python=sys.executable), encoding="utf-8")
    other.chmod(0o755)

    found = bills_forecast.beside(1, other, series=3, days=170)

    assert found.forecasts == 3
    assert max(found.ours, found.auto_ets) < 0.05
    assert found.auto_ets_ms == pytest.approx(2000)


def test_without_its_environment_the_benchmark_says_how_to_install_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bills_forecast, "PYTHON", tmp_path / "python")

    assert bills_forecast.main(1) == 2

    assert "make .venv-rivals/.installed" in capsys.readouterr().err
