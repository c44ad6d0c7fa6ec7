import json
from math import exp, sqrt

import numpy as np
import pytest

from detection.windows import Windows

ROWS, BLOCKS = 3, 12


def learnt(values):
    windows = Windows(ROWS, BLOCKS)
    for value in values:
        windows.learn(value)
    return windows


def nearest(levels, last):
    """The distance of the last three blocks to the nearest earlier three, by looking at each."""
    blocks = [*levels[-BLOCKS:], last]
    now = blocks[-3:]
    earlier = [blocks[start : start + 3] for start in range(len(blocks) - 5)]
    return min(sqrt(sum((a - b) ** 2 for a, b in zip(one, now, strict=True)) / 3) for one in earlier)


@pytest.mark.parametrize("blocks", [6, 9, 12, 13, 24, 25, 31])
def test_a_window_is_as_new_as_the_most_alike_of_all_earlier_ones_is_far(blocks):
    # levels whose blocks' extremes are plain to see: all values of a block are equal
    levels = np.random.default_rng(blocks).normal(0.0, 5.0, blocks).tolist()
    windows = learnt(np.repeat(levels, ROWS).tolist() + [2.0] * (ROWS - 1))

    found = windows.novelty(2.0)

    spread = 3.0 * windows.state()["deviation"]
    assert found is not None
    assert (exp(found) - 0.01) * spread == pytest.approx(nearest(levels, 2.0))


@pytest.mark.parametrize("rows", range(19, 90, 7))
def test_what_is_kept_of_distances_is_found_again_from_the_saved_state(rows):
    values = np.random.default_rng(rows).normal(0.0, 5.0, rows + 60).tolist()
    before, after = learnt(values[:rows]), Windows(ROWS, BLOCKS)
    after.restore(json.loads(json.dumps(before.state())))

    for value in values[rows:]:
        assert after.novelty(value) == before.novelty(value)
        before.learn(value)
        after.learn(value)
