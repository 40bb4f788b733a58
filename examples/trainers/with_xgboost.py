"""XGBoost: each boosting round is reported, and poor trials are stopped after a few of them."""

import xgboost
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split

import manyhands as mh

DATA = make_classification(8000, 30, n_informative=15, flip_y=0.1, random_state=0)
X, X_VALID, Y, Y_VALID = train_test_split(*DATA, test_size=0.3, random_state=0)
N_ROUNDS = 200
SPACE = {
    "eta": mh.Float(1e-3, 1, log=True),
    "max_depth": mh.Int(1, 8),
    "subsample": mh.Float(0.3, 1),
    "lambda": mh.Float(1e-2, 100, log=True),
}


def objective(params, trial):
    """The log loss on held-out data after all rounds."""
    valid = xgboost.DMatrix(X_VALID, Y_VALID)
    settings = {**params, "objective": "binary:logistic", "eval_metric": ["logloss", "auc"], "nthread": 1}
    report = mh.callbacks.XGBoostCallback(trial, "valid-logloss")
    log = {}
    xgboost.train(
        settings,
        xgboost.DMatrix(X, Y),
        num_boost_round=N_ROUNDS,
        evals=[(valid, "valid")],
        callbacks=[report],
        evals_result=log,
        verbose_eval=False,
    )
    return log["valid"]["logloss"][-1]


if __name__ == "__main__":
    print(mh.tune(objective, SPACE, scheduler=mh.ASHAScheduler(max_steps=N_ROUNDS), max_trials=20, seed=0).summary())
