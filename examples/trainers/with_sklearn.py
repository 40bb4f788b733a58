"""scikit-learn: a loop of partial_fit reports each epoch, and goes on from its last one if its worker is lost."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

import manyhands as mh

X, X_VALID, Y, Y_VALID = train_test_split(*load_digits(return_X_y=True), test_size=0.3, random_state=0)
CLASSES = np.unique(Y)
N_EPOCHS = 27


def objective(params, trial):
    """The accuracy on held-out data."""
    new = SGDClassifier(alpha=params["alpha"], eta0=params["rate"], learning_rate="constant", random_state=0)
    model, n_done = trial.restore((new, 0))
    for epoch in range(n_done, N_EPOCHS):
        model.partial_fit(X, Y, CLASSES)
        trial.save((model, epoch + 1))  # before the report, which is where a stopped or paused trial leaves
        trial.report(model.score(X_VALID, Y_VALID), step=epoch + 1)
    return model.score(X_VALID, Y_VALID)


if __name__ == "__main__":
    space = {"alpha": mh.Float(1e-6, 1, log=True), "rate": mh.Float(1e-5, 1, log=True)}
    study = mh.tune(objective, space, direction="maximize", scheduler="asha", max_trials=40, seed=0)
    print(study.summary())
