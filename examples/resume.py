"""A study with a name goes on where it stood: after its end, after Ctrl-C, after kill -9.

Run this script again and again: each run adds 20 trials to what is in resume.db.
"""

import manyhands as mh

STORE = "resume.db"


def objective(params):
    """A bowl with its lowest point at 0.3."""
    return (params["x"] - 0.3) ** 2


def n_stored():
    """How many trials earlier runs have left."""
    try:
        return len(mh.load_study("bowl", STORE).trials)
    except mh.StoreError:  # this is the first run
        return 0


if __name__ == "__main__":
    before = n_stored()
    study = mh.tune(objective, {"x": mh.Float(-1, 1)}, max_trials=before + 20, name="bowl", store=STORE, seed=0)
    print(f"{before} trials were there, {len(study.trials)} are there now; the best value is {study.best_value:.2g}.")
