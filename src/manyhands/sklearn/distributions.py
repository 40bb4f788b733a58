"""SciPy's distributions as parameters with a range."""

import math
from statistics import NormalDist
from typing import Any

from manyhands.errors import SettingsError
from manyhands.parameters import Choice, Float, Int, Normal, Parameter
from manyhands.sklearn.scales import is_scale

_TAIL = 0.001  # the share on either side of a distribution that is not searched
_WIDE = 1000.0  # from this ratio of its ends on, a range is searched by its exponent
_ONE_SIGMA = NormalDist().cdf(1.0)


def from_distribution(name: object, given: Any) -> Parameter:
    """The parameter that a distribution stands for.

    Uniform, log-uniform, whole, normal and log-normal ones are kept as they are. Of others the range between their
    0.1 % and 99.9 % quantiles is searched, by the exponent if it spans three decades above 0; whole numbers if the
    distribution is discrete.

    Args:
        name: Of the parameter, for messages.
        given: Anything with ``rvs``.

    Raises:
        SettingsError: There is no ``ppf``, or its range is not finite.
    """
    family = getattr(given, "dist", given)
    kind = getattr(family, "name", "")
    if not hasattr(given, "ppf"):
        raise SettingsError(
            f"{name}={given!r} can only draw values: it has rvs, and no ppf. sampler='random' needs no more, but a "
            "directed search needs a range. Give mh.Float, mh.Int or mh.Normal, or a distribution of scipy.stats."
        )
    if hasattr(family, "xk"):
        return _from_weights(family)
    if kind == "norm":
        return Normal(float(given.mean()), float(given.std()))
    if kind == "lognorm" and given.support()[0] == 0:
        median = float(given.median())
        return Normal(math.log(median), math.log(float(given.ppf(_ONE_SIGMA)) / median), log=True)
    low, high, log = _range(kind, given)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise SettingsError(f"{name}: the distribution {kind or repr(given)} reaches from {low} to {high}, no range.")
    if hasattr(given, "pmf"):
        return Int(round(low), round(high), log=log)
    return Float(low, high, log=log)


def _range(kind: str, given: Any) -> tuple[float, float, bool]:
    """Both ends, and whether its exponent is searched."""
    low, high = map(float, given.support())
    if kind in ("uniform", "randint"):
        return low, high, False
    if kind in ("loguniform", "reciprocal") and _is_log_uniform(low, high, given):
        return low, high, True
    low, high = float(given.ppf(_TAIL)), float(given.ppf(1 - _TAIL))
    return low, high, low > 0 and high / low >= _WIDE


def _is_log_uniform(low: float, high: float, given: Any) -> bool:
    """Whether it is so still: it is not once it was moved by ``loc``."""
    return low > 0 and math.isclose(float(given.median()), math.sqrt(low) * math.sqrt(high), rel_tol=1e-6)


def _from_weights(family: Any) -> Choice:
    """Of ``scipy.stats.rv_discrete(values=...)``."""
    pairs = [(value, weight) for value, weight in zip(family.xk, family.pk, strict=True) if weight > 0]
    values = [value.item() for value, _ in pairs]
    return Choice(values, ordered=is_scale(values), weights=[float(weight) for _, weight in pairs])
