"""Studies for the tests of advice: healthy ones of many kinds, and what they are made of."""

import math

import numpy as np
from msgspec.structs import replace

import manyhands as mh

SAMPLERS = ("random", "tpe", "gp", "sobol", "auto")


def healthy_space(rng):
    """Two to six parameters of all kinds, perhaps one of them conditional."""
    kinds = (
        lambda: mh.Float(-5, 5),
        lambda: mh.Float(0, 1),
        lambda: mh.Float(1e-5, 1e-1, log=True),
        lambda: mh.Int(1, 20),
        lambda: mh.Int(8, 512, log=True),
        lambda: mh.Normal(0, 1),
    )
    space = {f"x{i}": kinds[rng.integers(len(kinds))]() for i in range(rng.integers(2, 6))}
    if rng.random() < 0.3:
        space["kind"] = mh.Choice(["a", "b", "c"])
    if rng.random() < 0.2:
        space["branch"] = mh.Choice([{"name": "flat"}, {"name": "deep", "y": mh.Float(0, 10)}])
    return space


def healthy_loss(space, rng):
    """A loss with its best value inside all ranges, to which every parameter matters; of points.

    Ridges and ripples make it as hard as losses of models are, and a little noise is on most of them.
    """
    parameters = mh.Space(space).parameters
    d = len(parameters)
    centre, weight = rng.uniform(0.2, 0.8, d), rng.uniform(0.6, 1.6, d)
    mix = rng.normal(size=(d, d)) * 0.4 / math.sqrt(d) + np.eye(d)
    ripple = rng.choice([0.0, 0.02, 0.05])
    effect = {name: rng.permutation([0.0, 0.15, 0.4]) for name in parameters}
    noise = rng.choice([0.0, 0.01, 0.03])

    def loss(point):
        u = np.full(d, np.nan)
        total = 0.0
        for i, (name, parameter) in enumerate(parameters.items()):
            if isinstance(parameter, mh.Choice):
                total += effect[name][point[name]]
            elif name in point:
                u[i] = parameter.encode(point[name])
        away = np.nan_to_num(u - centre)
        bent = mix @ (weight * away)
        total += float(bent @ bent) + ripple * float((1 - np.cos(15 * away)).sum())
        return total + noise * rng.standard_normal()

    return loss


def healthy_study(seed):
    """A search that is as it should be; its trials take seconds, and one in fifty fails."""
    rng = np.random.default_rng([7, seed])
    space = healthy_space(rng)
    loss = healthy_loss(space, rng)
    d = len(mh.Space(space).parameters)
    n = int(np.clip(rng.integers(12 * d, 25 * d) + 15 * ("kind" in space) + 15 * ("branch" in space), 30, 200))
    study = mh.Study(space, sampler=SAMPLERS[seed % len(SAMPLERS)], seed=seed, max_trials=n)
    at = 0.0
    for _ in range(n):
        trial = study.ask()
        if rng.random() < 0.02:
            study.tell(trial, failed="out of memory")
        else:
            study.tell(trial, loss(trial.point))
        seconds = float(rng.lognormal(1, 0.4))
        ended = study._search.trials[trial.id]
        study._search.trials[trial.id] = replace(ended, started_at=at, ended_at=at + seconds)
        at += seconds
    return study
