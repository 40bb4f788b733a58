"""A sampler of your own: any object with these four members will do, see ``manyhands.ports.Sampler``."""

import numpy as np

import manyhands as mh


class Wanderer:
    """Steps at random from the best point so far, half of the trials; the others are drawn from the whole space."""

    learns = True

    def start(self, problem):  # noqa: D102
        self.space, self.seed, self.best, self.loss = problem.space, problem.seed, None, float("inf")

    def suggest(self, trial_id, running):  # noqa: D102
        rng = np.random.default_rng([self.seed, trial_id])
        if self.best is None or trial_id % 2:
            return self.space.sample(rng)
        return self.space.decode(np.clip(rng.normal(self.best, 0.03), 0, 1).tolist())

    def observe(self, trial, outcome):  # noqa: D102
        if outcome is not None and outcome.loss < self.loss:
            self.best, self.loss = self.space.encode(trial.point), outcome.loss


def objective(params):
    """The sphere: 0 in the middle, and five dimensions are too many to hit it by chance."""
    return sum(x * x for x in params)


if __name__ == "__main__":
    for sampler in (mh.RandomSampler(), Wanderer()):
        study = mh.tune(objective, [mh.Float(-1, 1)] * 5, max_trials=300, sampler=sampler, seed=0, progress=False)
        print(f"{type(sampler).__name__:<13} best of 300 trials: {study.best_value:.4f}")
