"""A tracker of your own: it hears of every trial, here to write one line of CSV for each as it ends."""

import csv
from pathlib import Path

import manyhands as mh


class CsvTracker(mh.Tracker):
    """Writes number, state, value and duration of each trial into a file; complete up to the last trial at any time."""

    def __init__(self, path):
        self.path = path

    def started(self, spec, n_workers, trials, max_trials):
        """Write the head."""
        self.file = open(self.path, "w", newline="")  # noqa: SIM115 - closed in ended()
        self.csv = csv.writer(self.file)
        self.csv.writerow(["trial", "state", "value", "seconds"])

    def trial_ended(self, trial):
        """Write a line."""
        self.csv.writerow([trial.id, trial.state.value, trial.value, f"{trial.duration_s:.4f}"])
        self.file.flush()

    def ended(self, reason):
        """Close the file."""
        self.file.close()


def objective(params):
    """One over x, which fails where it should."""
    return 1 / params["x"]


if __name__ == "__main__":
    mh.tune(objective, {"x": mh.Int(-3, 3)}, sampler="grid", trackers=[CsvTracker("trials.csv")], progress=False)
    print(Path("trials.csv").read_text())
