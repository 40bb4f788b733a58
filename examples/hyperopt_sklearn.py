"""A Hyperopt script that chooses a scikit-learn model, as in many tutorials, with its imports changed."""

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from manyhands.hyperopt import STATUS_OK, Trials, fmin, hp, space_eval, tpe  # was: from hyperopt import ...
from manyhands.hyperopt.pyll import scope

X, y = load_breast_cancer(return_X_y=True)
models = {"rf": RandomForestClassifier, "logreg": LogisticRegression}

space = hp.choice(
    "classifier_type",
    [
        {
            "type": "rf",
            "n_estimators": scope.int(hp.quniform("n_estimators", 5, 30, 5)),
            "max_depth": hp.uniformint("max_depth", 2, 8),
        },
        {"type": "logreg", "C": hp.loguniform("C", np.log(1e-3), np.log(1e3)), "max_iter": 500},
    ],
)


def objective(params):  # noqa: D103 - what it does is the whole script's subject
    settings = {name: value for name, value in params.items() if name != "type"}
    model = make_pipeline(StandardScaler(), models[params["type"]](**settings))
    return {"loss": -cross_val_score(model, X, y, cv=3).mean(), "status": STATUS_OK, "type": params["type"]}


trials = Trials()
best = fmin(objective, space, algo=tpe.suggest, max_evals=20, trials=trials, rstate=np.random.default_rng(42))
print(f"{len(trials.trials)} trials, accuracy {-trials.best_trial['result']['loss']:.3f}")
print(space_eval(space, best))
