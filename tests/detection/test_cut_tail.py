import numpy as np
import pytest

from detection.cut_tail import CutTail


@pytest.mark.parametrize("width", [4.5, 7.7])
def test_the_mean_of_the_whole_tail_is_found_from_the_part_that_is_seen(width):
    drawn = 1.3 * np.random.default_rng(1).exponential(size=200_000)
    seen = drawn[drawn < width]
    tail = CutTail(width)

    assert tail.whole(float(seen.mean())) == pytest.approx(1.3, rel=0.02)
    assert tail.seen(1.3) == pytest.approx(float(seen.mean()), rel=0.02)


def test_the_variance_of_what_is_seen_is_less_than_that_of_the_whole():
    drawn = np.random.default_rng(1).exponential(size=200_000)

    assert CutTail(4.5).variance == pytest.approx(float(drawn[drawn < 4.5].var()), rel=0.02)


def test_many_are_told_as_one_by_one():
    tail, seen = CutTail(4.5), np.array([-1.0, 0.3, 0.9494, 2.0, 9.0])

    np.testing.assert_allclose(tail.wholes(seen), [tail.whole(one) for one in seen.tolist()])
