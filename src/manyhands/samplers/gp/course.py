"""How values at different steps of training belong together, for a Gaussian process over params and steps.

A trial's value at step t is modelled as its end and what is still missing at t:

    y(x, t) = f(x) + decay(t) (g(x) + m) + h(x, t) + own effects of the trial + noise

where f is what training comes to, g how much of it is missing after the first step, and m the same for all trials.
``decay`` is a power of t, 1 at the first step and 0 at the last (learning curves mostly are power laws: Domhan et al.
2015). h is how a curve differs from that: a Brownian motion in log t that comes to 0 at the last step; without it
forecasts are far too sure. f, g and h are Gaussian processes with the same kernel over the params, as in intrinsic
coregionalisation (Bonilla et al. 2008); and so is what is a trial's own, with a kernel that knows only whether two
values are of the same trial. (Swersky et al. 2014, "Freeze-thaw Bayesian optimization", model each curve on its own;
here slow starters are known by their params, too.)
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from manyhands.samplers.cube import Array

N_PARAMETERS = 5  #: of the course, in a vector of hyperparameters
#: Logarithms: the variance of g in units of f's, that of m, that of what is a trial's own, the power of the decay, and
#: the variance of h at the first step in units of f's.
START = np.array([0.0, np.log(10.0), -3.0, 0.0, 0.0])
SPREAD = np.array([1.0, 1.0, 1.5, 0.5, 1.0])  #: standard deviations of their normal priors
BOUNDS = [(-5.0, 5.0), (-2.0, 7.0), (-9.0, 2.0), (np.log(0.15), np.log(4.0)), (-6.0, 4.0)]

_GAP = 1e-5  # for the one derivative that is taken numerically


class Course(NamedTuple):
    """Where in whose training values were seen.

    Attributes:
        steps: From 1 to ``end``, shape (n,).
        owners: The trial of each, shape (n,).
        end: The last step of a whole training.
    """

    steps: Array
    owners: NDArray[np.intp]
    end: float

    def decay(self, power: float) -> Array:
        """What is still missing at each step, from 1 to 0; shape (n,)."""
        if self.end <= 1.0:
            return np.zeros(len(self.steps))
        last = self.end**-power
        return np.asarray((np.minimum(self.steps, self.end) ** -power - last) / (1.0 - last))

    def ahead(self) -> Array:
        """How much of the training lies ahead, by the logarithm of steps: from 1 to 0; shape (n,)."""
        if self.end <= 1.0:
            return np.zeros(len(self.steps))
        return np.asarray(1.0 - np.log(np.minimum(self.steps, self.end)) / np.log(self.end))


class Structure:
    """What a course makes of the covariance of its rows.

    With K the covariance of the ends of the rows, that of the values is (K + own) * factor + shared.

    Args:
        course: Of the rows.
        parameters: As described by ``START``.
    """

    def __init__(self, course: Course, parameters: Array):
        self._course = course
        self._rise, self._drift, own, power, self._walk = (float(v) for v in np.exp(parameters))
        ahead = course.ahead()
        self._common = np.minimum(ahead[:, None], ahead[None, :])
        self._decay = course.decay(power)
        self._power = power
        both = np.outer(self._decay, self._decay)
        self.own = own * (course.owners[:, None] == course.owners[None, :])
        self.factor = 1.0 + self._rise * both + self._walk * self._common
        self.shared = self._drift * both

    def covariance(self, of_ends: Array) -> Array:
        """Of the values, from that of the ends; shape (n, n)."""
        return np.asarray((of_ends + self.own) * self.factor + self.shared)

    def gradient(self, by_covariance: Array, of_ends: Array) -> Array:
        """Of anything by the parameters, given its derivatives by the covariance of the values."""
        weighted = by_covariance * (of_ends + self.own)
        by_decay = by_covariance @ self._decay
        weighted_decay = weighted @ self._decay
        slope = (self._course.decay(self._power * (1.0 + _GAP)) - self._decay) / _GAP
        return np.array(
            [
                self._rise * float(self._decay @ weighted_decay),
                self._drift * float(self._decay @ by_decay),
                float((by_covariance * self.own * self.factor).sum()),
                2.0 * float(slope @ (self._rise * weighted_decay + self._drift * by_decay)),
                self._walk * float((weighted * self._common).sum()),
            ]
        )
