"""Choose a model together with the parameters that only it has; each trial is cross-validated in parallel folds.

The folds of a trial are units of work of their own (``splits=5``), so several workers share one trial, and the study
knows how much its value varies from fold to fold.
"""

from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import manyhands as mh

X, y = load_breast_cancer(return_X_y=True)
FOLDS = list(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y))
SVM = {"model": "svm", "C": mh.Float(1e-2, 1e3, log=True), "gamma": mh.Float(1e-4, 1, log=True)}
FOREST = {"model": "forest", "trees": mh.Int(10, 100, log=True), "depth": mh.Int(2, 16)}


def objective(params, trial):
    """The accuracy on one fold; the trial's value is the mean over all."""
    if params["model"] == "svm":
        model = make_pipeline(StandardScaler(), SVC(C=params["C"], gamma=params["gamma"]))
    else:
        model = RandomForestClassifier(params["trees"], max_depth=params["depth"], random_state=0)
    fit, score = FOLDS[trial.split]
    return model.fit(X[fit], y[fit]).score(X[score], y[score])


if __name__ == "__main__":
    study = mh.tune(objective, mh.Choice([SVM, FOREST]), max_trials=24, splits=5, direction="maximize", seed=0)
    print(study.summary())
    print("Its folds:", ", ".join(f"{value:.3f}" for value in study.best_trial.split_values))
