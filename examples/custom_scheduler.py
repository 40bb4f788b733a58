"""Stop trials that fall too far behind the best one, by a scheduler of your own; "asha" and others come ready-made."""

import math

import manyhands as mh


class TooFarBehind:
    """Stops a trial whose loss is far above the lowest that any trial had at the same step."""

    def __init__(self, slack):
        self.slack = slack
        self.lowest = {}  # by step
        self.reasons = {}  # by trial

    def judge(self, trial_id, report, loss):
        """Return why the trial should stop, or None. Losses are to be small, also in a study that maximises."""
        if trial_id not in self.reasons:  # what a stopped trial still says is told again when a study is resumed
            lowest = self.lowest[report.step] = min(self.lowest.get(report.step, math.inf), loss)
            if not loss <= lowest + self.slack:
                self.reasons[trial_id] = f"{loss:.3g} at step {report.step} is far above {lowest:.3g}"
        return self.reasons.get(trial_id)

    def observe(self, trial, loss):
        """Nothing to learn: reports say it all."""


def train(params):
    """Gradient descent on x squared, from x = 1. Each step takes a minute, but only a simulated one."""
    x = 1.0
    for _ in range(20):
        x -= params["rate"] * 2 * x
        yield 60.0, x * x


if __name__ == "__main__":
    rates = {"rate": mh.Float(1e-3, 0.1, log=True)}
    study = mh.tune(train, rates, scheduler=TooFarBehind(slack=0.3), executor=mh.Simulated(8), max_trials=60, seed=0)
    print(study.summary(), next(trial.reason for trial in study.trials if trial.state == "stopped"), sep="\n")
