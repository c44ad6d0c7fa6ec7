import sys

import numpy as np

from bench.detection import bills_rivals

TWICE = """
import sys, numpy as np
np.save(sys.argv[3], np.load(sys.argv[2]) * float(sys.argv[4]))
"""


def test_a_forest_is_asked_in_another_python_by_files(tmp_path):
    program = tmp_path / "other.py"
    program.write_text(TWICE, encoding="utf-8")
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{program}" "$@"\n', encoding="utf-8")
    other.chmod(0o755)
    values = np.arange(6.0).reshape(3, 2)

    scores = bills_rivals.random_cut_forest(values, shingle=2, python=other)

    np.testing.assert_array_equal(scores, 2 * values)
