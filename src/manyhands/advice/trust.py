"""Advice on how far the best value is to be believed."""

from collections.abc import Iterator

import numpy as np

from manyhands.advice.base import Advice, Facts
from manyhands.samplers.cube import Array
from manyhands.samplers.noise import variance_of_means

_FEWEST_TRIALS = 20
_DRAWS = 300
_DEVIATIONS = 1.0  # of the noise, by which the best value is too good
_SHARE_OF_GAIN = 0.25  # that is then owed to luck


def about_trust(facts: Facts) -> Iterator[Advice]:
    """A best value that owes much to having been chosen among so many noisy ones."""
    noise = _noise(facts)
    if noise is None or len(facts.losses) < _FEWEST_TRIALS:
        return
    optimism = _optimism(facts.losses, noise)
    if optimism < max(_DEVIATIONS * noise, _SHARE_OF_GAIN * facts.gain) or facts.gain <= 0:
        return
    best = float(facts.losses.min())
    yield Advice(
        "optimistic-best",
        f"The best value is the luckiest of {len(facts.losses)} noisy ones (standard deviation {noise:.3g}): expect "
        f"about {facts.value(best + optimism):.4g} on new data instead of {facts.value(best):.4g}.",
        {
            "trials": len(facts.losses),
            "noise": noise,
            "optimism": optimism,
            "best": facts.value(best),
            "expected": facts.value(best + optimism),
        },
        "Measure the best few trials again on data that the search has not seen, or search with more splits.",
    )


def _noise(facts: Facts) -> float | None:
    """The standard deviation of the noise in a typical value; None if it is not known.

    Splits tell it best: what is common to a split is no noise.
    """
    trials = facts.valued
    lengths = {len(trial.split_values) for trial in trials}
    if lengths and min(lengths) > 1 and len(lengths) == 1:
        splits = np.array([trial.split_values for trial in trials], float)
        return float(np.sqrt(np.median(variance_of_means(splits))))
    known = [trial.variance for trial in trials if trial.variance is not None and trial.variance >= 0]
    return float(np.sqrt(np.median(known))) if len(known) > len(trials) / 2 else None


def _optimism(losses: Array, noise: float) -> float:
    """By how much the smallest of these losses, measured with that noise, is too small, on average.

    The losses are noisy themselves; drawn towards their mean until their variance is what is left without the noise,
    they spread as the true ones do.
    """
    variance = float(losses.var())
    if not np.isfinite(variance) or variance <= 0:
        return 0.0
    shrunk = losses.mean() + (losses - losses.mean()) * np.sqrt(max(0.0, 1 - noise**2 / variance))
    draws = np.random.default_rng(0).standard_normal((_DRAWS, len(losses))) * noise
    chosen = (shrunk + draws).argmin(axis=1)
    return float(-draws[np.arange(_DRAWS), chosen].mean())
