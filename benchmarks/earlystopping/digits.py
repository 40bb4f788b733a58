"""A network that learns to read digits: real data that come with scikit-learn, and seven parameters."""

import time
from collections.abc import Callable
from typing import Any

import manyhands as mh

#: What is searched: some of it never learns, and some learns at once and stays poor.
SPACE = {
    "rate": mh.Float(1e-4, 1, log=True),
    "momentum": mh.Float(0, 0.99),
    "batch": mh.Int(16, 256, log=True),
    "units": mh.Int(8, 128, log=True),
    "layers": mh.Int(1, 3),
    "alpha": mh.Float(1e-6, 0.1, log=True),
    "activation": mh.Choice(["relu", "tanh", "logistic"]),
}

#: So many images are kept from training to choose models by, and as many again to judge what was chosen.
N_HELD_OUT = 539


def make_objective(seed: int, n_epochs: int) -> Callable[[dict[str, Any], Any], dict[str, float]]:
    """The training of one model, which reports the validation accuracy after each epoch.

    Each report has the seconds of CPU that its epoch cost, its test and its checkpoint included, as ``cost``, and the
    trial's ``attempt``. Trial n begins with the same weights in every search.

    Args:
        seed: Decides how the images are divided, and how weights begin.
        n_epochs: How often a model sees all images.
    """
    fit, valid, test = _divided(seed)

    # A function within a function travels by value: Spark's executors cannot import this module.
    def objective(params: dict[str, Any], trial: Any) -> dict[str, float]:
        import numpy as np
        from sklearn.neural_network import MLPClassifier

        began = time.process_time()  # past the imports, which are the worker's and not the trial's
        new = MLPClassifier(
            [params["units"]] * params["layers"],
            solver="sgd",
            activation=params["activation"],
            learning_rate_init=params["rate"],
            momentum=params["momentum"],
            batch_size=params["batch"],
            alpha=params["alpha"],
            random_state=np.random.RandomState([seed, trial.id]),  # an int would shuffle every epoch alike
        )
        model, n_done = trial.restore((new, 0))
        for epoch in range(n_done + 1, n_epochs + 1):
            model.partial_fit(*fit, classes=np.arange(10))
            accuracy = float(model.score(*valid))
            trial.save((model, epoch))
            ended = time.process_time()
            trial.report(accuracy, epoch, cost=ended - began, attempt=trial.attempt)
            began = ended
        return {"value": float(model.score(*valid)), "test": float(model.score(*test))}

    return objective


def _divided(seed: int) -> list[tuple[Any, Any]]:
    """The images to learn from, those to choose models by, and those to judge what was chosen."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, digits = load_digits(return_X_y=True)
    images = images / 16
    parts = []
    for _ in range(2):
        images, held, digits, held_digits = train_test_split(
            images, digits, test_size=N_HELD_OUT, random_state=seed, stratify=digits
        )
        parts.append((held, held_digits))
    return [(images, digits), *parts]
