"""The smallest search: a function, a space, a hundred trials on all cores."""

import manyhands as mh


def objective(params):
    """Rosenbrock's valley: its lowest point, 0, lies at x = 1, y = 1."""
    return (1 - params["x"]) ** 2 + 100 * (params["y"] - params["x"] ** 2) ** 2


if __name__ == "__main__":
    study = mh.tune(objective, {"x": mh.Float(-2, 2), "y": mh.Float(-1, 3)}, max_trials=100, seed=1)
    print(f"Best value {study.best_value:.3g} at {study.best_params}")
