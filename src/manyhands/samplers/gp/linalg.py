"""Cholesky factors and inverses of covariance matrices."""

import numpy as np
from scipy.linalg import lapack

from manyhands.samplers.cube import Array

_FIRST_JITTER = 1e-8
_TRIES = 12


def cholesky(covariance: Array) -> Array:
    """The lower factor; where rounding made the matrix indefinite, that of one with a little more on the diagonal.

    Raises:
        ArithmeticError: It is far from being a covariance, or holds what is not finite.
    """
    jitter = 0.0
    for _ in range(_TRIES):
        attempt = covariance if jitter == 0 else covariance + jitter * np.eye(len(covariance))
        factor, info = lapack.dpotrf(attempt, lower=1, clean=1)
        if info == 0 and np.isfinite(np.diag(factor)).all():
            return np.asarray(factor)
        jitter = max(10 * jitter, _FIRST_JITTER * float(np.abs(np.diag(covariance)).max()))
    raise ArithmeticError("a covariance matrix has no Cholesky factor")


def inverse_of(factor: Array) -> Array:
    """The inverse of the matrix whose lower Cholesky factor is given."""
    inverse, _ = lapack.dpotri(factor, lower=1)
    lower = np.tril(inverse, -1)
    return np.asarray(lower + lower.T + np.diag(np.diag(inverse)))
