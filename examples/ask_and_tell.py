"""Run trials in a loop of your own: ask for one, run it wherever you like, tell what came out.

Any number of trials may be on their way, and they may be told in any order. Here batches of four are "measured".
"""

import manyhands as mh


def measure(batch):
    """Stands for a laboratory: yields for each recipe the deviation from the best taste, 'burnt' above 230 degrees."""
    for recipe in batch:
        burnt = recipe["oven"] > 230
        yield None if burnt else abs(recipe["oven"] - 195) / 10 + abs(recipe["minutes"] - 25)


if __name__ == "__main__":
    study = mh.Study({"oven": mh.Int(150, 250, step=5), "minutes": mh.Int(10, 60)}, seed=3, name="bread")
    for _ in range(10):
        trials = [study.ask() for _ in range(4)]
        results = measure([trial.params for trial in trials])
        for trial, value in zip(trials, results, strict=True):
            study.tell(trial, value, failed="it was burnt" if value is None else None)
    print(study.summary())
