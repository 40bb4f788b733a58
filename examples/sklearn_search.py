"""From scikit-learn's GridSearchCV to a directed search on Spark, in three steps of one line each.

Real data: 569 tumours with 30 measurements. Each step prints the best accuracy over five folds, and the fits it took.
"""

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import manyhands as mh

X, y = load_breast_cancer(return_X_y=True)
model = make_pipeline(StandardScaler(), SVC())
grid = {"svc__C": [0.1, 1, 10, 100], "svc__gamma": [1e-4, 1e-3, 1e-2, 1e-1]}


def show(step, search):
    """Fit a search, and say what came of it."""
    search.fit(X, y)
    n_fits = sum(search.cv_results_.get("n_splits_run", [5] * len(search.cv_results_["params"])))
    print(f"{step}: {search.best_score_:.4f} after {n_fits} fits, {search.best_params_}")


if __name__ == "__main__":
    show("As it was", GridSearchCV(model, grid, cv=5, n_jobs=2))

    # 1. Another class, and nothing else: the same candidates, the same numbers.
    show("The same", mh.sklearn.SearchCV(model, param_grid=grid, cv=5, n_jobs=2))

    # 2. No grid: the default space of the pipeline, its own settings first, then what promises most.
    show("Directed", mh.sklearn.SearchCV(model, n_iter=30, cv=5, n_jobs=2, random_state=0))

    # 3. On Spark: here on this machine; "spark" takes the session that is active.
    show("On Spark", mh.sklearn.SearchCV(model, n_iter=30, cv=5, executor=mh.Spark("local[2]"), random_state=0))
