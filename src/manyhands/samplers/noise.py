"""How much of a value is noise, as far as splits can tell."""

import numpy as np

from manyhands.samplers.cube import Array

_POOLED_DEGREES = 4.0  # as how many degrees of freedom of its own the average trial counts
_LARGEST = 1e150  # its square is still a number


def variance_of_means(values: Array) -> Array:
    """Of the mean over splits, for each trial.

    What is common to a split in all trials (a hard fold) is no noise: it moves all means alike. So the noise is what
    is left after a trial's and a split's own effects (two-way layout without interaction). A few splits tell little of
    one trial's noise, so it is drawn towards the average trial's.

    Args:
        values: Of each trial and split, shape (n, k), k > 1.

    Returns:
        Shape (n,); 0 for a single trial, whose noise cannot be told from its splits' own effects.
    """
    n, k = values.shape
    rest = values - values.mean(1, keepdims=True)
    rest = np.clip(rest - rest.mean(0), -_LARGEST, _LARGEST)
    degrees = (k - 1) * max(n - 1, 1) / n
    own = (rest**2).sum(1) / degrees / k
    return np.asarray((own * degrees + own.mean() * _POOLED_DEGREES) / (degrees + _POOLED_DEGREES))
