"""A Random Cut Forest over the columns of a table: a program of its own, for it runs in an environment of its own.

Its arguments are two files of numpy and how many periods a shingle has: a table of periods × series is read from the
first, and its scores, each taken before its point is learnt, are written to the second. All else is as the package has
it.
"""

import sys

import numpy as np
from krcf import RandomCutForest, RandomCutForestOptions


def main() -> None:
    """Score what the first file holds, into the second."""
    values = np.load(sys.argv[1])
    scores = np.zeros_like(values)
    for column in range(values.shape[1]):
        forest = RandomCutForest(
            RandomCutForestOptions(dimensions=1, shingle_size=int(sys.argv[3]), random_seed=column + 1)
        )
        for t, value in enumerate(values[:, column].tolist()):
            scores[t, column] = forest.score([value])
            forest.update([value])
    np.save(sys.argv[2], scores)


if __name__ == "__main__":
    main()
