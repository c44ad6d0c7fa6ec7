"""Seasons that many series hardly have: each is believed as far as the series shows it, and others of its organisation.

A season that a series does not have costs it certainty, for what is learnt of it is noise. Three things may be true of
how its working days differ, and of each day that is special in some series only: it is next to nothing, it is small, or
it is free, which is how the filter learns it. What the filter knows tells how likely each is (Savage's and Dickey's
ratio, here of normal priors), and what it would foretell if that were true; so nothing has to be learnt three times.
How common each is, is learnt from all series of a bank.

References
----------
Dickey, J., 1971. The weighted likelihood ratio, linear hypotheses on normal location parameters. Annals of Mathematical
Statistics 42(1).
Johnstone, I. and Silverman, B., 2004. Needles and straw in haystacks: empirical Bayes estimates of possibly sparse
sequences. Annals of Statistics 32(4).
"""

from dataclasses import dataclass

import numpy as np

from detection.arrays import Floats, Singles

_BEFORE = np.array([0.2, 0.4, 0.4])
"""How common it is, before any series is seen, that a season is free, or as slight as each of the two priors says."""
_IMAGINED = 6.0
"""How many series that counts."""
_WEIGHINGS = 6
_INFORMED = 0.25
"""A series has a say in how common each is once so much is left, at most, of a season's variance."""
_SUREST = 50.0


@dataclass(frozen=True, slots=True)
class Sharpened:
    """What a season's being sparse takes off a forecast; each models × series.

    Attributes
    ----------
    log, variance
        To be taken off the forecast's logarithm and its variance.
    free
        How likely it is that the season is there as the filter takes it.
    """

    log: Floats
    variance: Floats
    free: Floats


def sharpened(
    slight: tuple[float, float],
    weights: Singles,
    spreads: Floats,
    coefficients: Floats,
    covariance: Singles,
    shared: Singles,
    models: Floats,
) -> Sharpened:
    """Return what to take off a forecast for one season.

    Parameters
    ----------
    slight
        Standard deviations of the coefficients, in logarithms of the cost, where they are next to nothing and where
        they are small.
    weights, spreads
        Of the season's regressors: their values in the period, and their coefficients' variances before anything was
        seen, where they are free.
    coefficients, covariance
        What is known of these coefficients: regressors × models × series, and twice the first.
    shared
        Their covariance with the forecast's logarithm: regressors × models × series.
    models
        How far each model is believed: models × series.
    """
    height = np.einsum("i,imn->mn", weights, coefficients)
    variance = np.einsum("j,jmn->mn", weights, np.einsum("i,ijmn->jmn", weights, covariance)).astype(np.float64)
    along = np.einsum("i,imn->mn", weights, shared).astype(np.float64)
    before = float(weights.astype(np.float64) ** 2 @ spreads)
    widths = float(weights @ weights) * np.array(slight)[:, None, None] ** 2
    # that a height is slight is as if 0 had been seen, with a variance that makes the free prior the slight one
    gaps = variance + 1 / (1 / widths - 1 / before)
    log_odds = (np.log(before) - np.log1p(-widths / before) - np.log(gaps) - height**2 / gaps) / 2
    likely = np.concatenate([np.ones((1, *height.shape)), np.exp(np.minimum(log_odds, _SUREST))])
    informed = np.einsum("mn,mn->n", models, variance) < _INFORMED * before
    evidence = np.einsum("mn,kmn->kn", models, likely)[:, informed]
    chance = common(evidence, _BEFORE)[:, None, None] * likely
    chance /= np.einsum("kmn->mn", chance)
    pulls = height / gaps * along
    log = np.einsum("kmn,kmn->mn", chance[1:], pulls)
    surer = np.einsum("kmn,kmn->mn", chance[1:], along**2 / gaps - pulls**2) + log**2
    return Sharpened(log, surer, chance[0])


def common(evidence: Floats, before: Floats) -> Floats:
    """Return how common each of some hypotheses is among many series, by expectation and maximisation.

    Parameters
    ----------
    evidence
        How likely each series' past is under each: hypotheses × series, up to a factor for each series.
    before
        How common each is taken to be before any series is seen.

    Examples
    --------
    >>> one, other = common(np.array([[9.0] * 50, [1.0] * 50]), np.array([0.5, 0.5])).round(2).tolist()
    >>> one > 0.9 > 0.1 > other
    True
    """
    found = before
    for _ in range(_WEIGHINGS):
        shares = found[:, None] * evidence
        # sums by einsum, which adds in one order wherever the numbers lie
        shares /= np.einsum("kn->n", shares)
        found = (np.einsum("kn->k", shares) + _IMAGINED * before) / (evidence.shape[1] + _IMAGINED)
    return found
