"""Stop poor trials early with a scheduler of your own, and the whole search when it gets no better."""

import time
from collections import defaultdict
from statistics import median

import manyhands as mh


class MedianStopper:
    """Stops a trial that is worse than the median of what other trials had reported at the same step."""

    def __init__(self):
        self.losses = defaultdict(list)

    def judge(self, trial_id, report, loss):
        """Return why the trial should stop, or None."""
        seen = self.losses[report.step]
        seen.append(loss)
        is_poor = report.step >= 3 and len(seen) >= 6 and loss > median(seen)
        return f"{loss:.3g} at step {report.step} is above the median {median(seen):.3g}" if is_poor else None

    def observe(self, trial, loss):
        """Nothing to learn: reports say it all."""


def train(params, trial):
    """Gradient descent on x squared, from x = 1."""
    x = 1.0
    for step in range(20):
        time.sleep(0.005)  # training takes a while
        x -= params["rate"] * 2 * x
        trial.report(x * x, step)
    return x * x


if __name__ == "__main__":
    rates = {"rate": mh.Float(1e-3, 0.1, log=True)}
    print(mh.tune(train, rates, scheduler=MedianStopper(), stop=mh.NoProgress(40), seed=0).summary())
