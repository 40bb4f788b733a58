"""Stop poor trials early by what they report on their way, and the whole search when it gets no better.

ASHA compares trials after 1, 3 and 9 steps; of those that came there, the best third goes on. So most of the time is
spent on trials that are worth it. For trials that pause instead of being stopped for good see "asha-promotion", and
examples/trainers for checkpoints.
"""

import time

import manyhands as mh

N_STEPS = 20


def train(params, trial):
    """Gradient descent on x squared, from x = 1."""
    x = 1.0
    for step in range(1, N_STEPS + 1):
        time.sleep(0.02)  # training takes a while
        x -= params["rate"] * 2 * x
        trial.report(x * x, step)
    return x * x


if __name__ == "__main__":
    rates = {"rate": mh.Float(1e-3, 0.1, log=True)}
    study = mh.tune(train, rates, scheduler=mh.ASHAScheduler(max_steps=N_STEPS), stop=mh.NoProgress(40), seed=0)
    print(study.summary())
    n_steps = sum(len(study.reports(trial)) for trial in study.trials)
    print(f"{n_steps} steps were taken, and not {N_STEPS * len(study.trials)}.")
