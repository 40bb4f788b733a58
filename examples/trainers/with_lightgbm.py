"""LightGBM: each boosting round is reported, and poor trials are stopped after a few of them."""

import lightgbm
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split

import manyhands as mh

DATA = make_classification(8000, 30, n_informative=15, flip_y=0.1, random_state=0)
X, X_VALID, Y, Y_VALID = train_test_split(*DATA, test_size=0.3, random_state=0)
N_ROUNDS = 200
SPACE = {
    "learning_rate": mh.Float(1e-3, 1, log=True),
    "num_leaves": mh.Int(2, 64, log=True),
    "feature_fraction": mh.Float(0.3, 1),
    "lambda_l2": mh.Float(1e-2, 100, log=True),
}


def objective(params, trial):
    """The log loss on held-out data after all rounds."""
    train = lightgbm.Dataset(X, Y)
    valid = lightgbm.Dataset(X_VALID, Y_VALID, reference=train)
    settings = {**params, "objective": "binary", "metric": ["binary_logloss", "auc"], "num_threads": 1, "verbosity": -1}
    report = mh.callbacks.LightGBMCallback(trial, "valid-binary_logloss")
    model = lightgbm.train(
        settings, train, num_boost_round=N_ROUNDS, valid_sets=[valid], valid_names=["valid"], callbacks=[report]
    )
    return model.best_score["valid"]["binary_logloss"]


if __name__ == "__main__":
    print(mh.tune(objective, SPACE, scheduler=mh.ASHAScheduler(max_steps=N_ROUNDS), max_trials=20, seed=0).summary())
