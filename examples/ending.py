"""End a search when it has learned what there is to learn, or when its budget is spent, whichever comes first."""

import numpy as np

import manyhands as mh


def train(params, trial):
    """A made-up error with noise that differs from fold to fold; what is wide costs more."""
    noise = np.random.default_rng([trial.id, trial.split]).normal(0, 0.02)
    error = (params["depth"] - 0.6) ** 2 + (params["width"] - 0.3) ** 2 + noise
    return {"loss": error, "cost": 0.01 + 0.01 * params["width"]}


if __name__ == "__main__":
    space = {"depth": mh.Float(0, 1), "width": mh.Float(0, 1)}
    rules = [
        mh.RegretBound(),  # no more can be gained than the noise between folds
        mh.Budget(10.0),  # all trials together have cost 10
        mh.NoProgress(100),  # what no model can tell, patience can
    ]
    study = mh.tune(train, space, splits=5, stop=rules, max_trials=400, seed=0, executor="inline", progress=False)
    spent = sum(5 * trial.metrics["cost"] for trial in study.trials)
    print(f"{len(study.trials)} of 400 trials cost {spent:.2f} of 10; then the search ended, as")
    print(f"{study.end_reason}.")
    print(f"Best depth {study.best_params['depth']:.3f}, best width {study.best_params['width']:.3f}")
