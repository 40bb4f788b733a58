"""A Hyperopt script for SparkTrials, as in many tutorials, with one import changed.

Without a Spark session it starts one on this machine; in a notebook with a cluster it takes the one that is there.
"""

from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

from manyhands.hyperopt import STATUS_OK, SparkTrials, fmin, hp, space_eval, tpe  # was: from hyperopt import ...

X, y = load_iris(return_X_y=True)

search_space = {
    "C": hp.lognormal("C", 0, 1.0),
    "kernel": hp.choice("kernel", ["linear", "rbf"]),
}


def objective(params):
    """The accuracy that a support vector machine misses to be perfect."""
    accuracy = cross_val_score(SVC(**params), X, y).mean()
    return {"loss": -accuracy, "status": STATUS_OK}


if __name__ == "__main__":
    spark_trials = SparkTrials(parallelism=2)
    argmin = fmin(fn=objective, space=search_space, algo=tpe.suggest, max_evals=20, trials=spark_trials)
    print(f"{spark_trials.count_successful_trials()} trials, accuracy {-min(spark_trials.losses()):.3f}")
    print(argmin)
    print(space_eval(search_space, argmin))
