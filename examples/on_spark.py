"""A search on Spark: one word changed from the laptop run. Here Spark is on this machine, too.

The data are part of the closure; every node has them once, however many workers it runs.
"""

import os

import numpy as np

import manyhands as mh

rng = np.random.default_rng(0)
x = rng.normal(size=(20_000, 10))
y = x @ rng.normal(size=10) + rng.normal(size=20_000)


def objective(params):
    """The validation error of ridge regression."""
    fitted, held_out = slice(0, 15_000), slice(15_000, None)
    gram = x[fitted].T @ x[fitted] + params["ridge"] * np.eye(10)
    weights = np.linalg.solve(gram, x[fitted].T @ y[fitted])
    error = float(np.mean((x[held_out] @ weights - y[held_out]) ** 2))
    return {"value": error, "where": os.getpid()}


if __name__ == "__main__":
    study = mh.tune(
        objective,
        {"ridge": mh.Float(1e-3, 1e6, log=True)},
        executor=mh.Spark("local[2]"),  # or a SparkSession; or executor="spark", which takes the active one
        max_trials=30,
        seed=0,
    )
    workers = {trial.metrics["where"] for trial in study.trials}
    print(f"{study.best_value:.3f} with ridge={study.best_params['ridge']:.3g}, by {len(workers)} workers")
