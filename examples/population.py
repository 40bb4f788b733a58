"""Train a population: poor members make room for copies of good ones with other params, so params change on the way."""

import manyhands as mh

N_STEPS = 60


def train(params, trial):
    """Noisy gradient descent: a large rate is fast at first, and only a small one is exact at the end."""
    step, errors = trial.restore((0, [1.0, 1.0]))  # of the trial that it is a copy of, if it has saved nothing itself
    while step < N_STEPS:
        rates = [params["rate"] * curvature for curvature in (1.0, 0.1)]
        errors = [(1 - rate) ** 2 * error + 0.3 * rate**2 for rate, error in zip(rates, errors, strict=True)]
        step += 1
        if step % 5 == 0:
            trial.save((step, errors))  # before the report, as that is where a stop or a pause leaves
        trial.report(sum(errors), step)
    return sum(errors)


if __name__ == "__main__":
    rates = {"rate": mh.Float(1e-3, 1.0, log=True)}
    settings = {"executor": "inline", "sampler": "random", "progress": False}  # inline, as steps take no time
    pbt = mh.PBTScheduler(interval=5, population=8, max_steps=N_STEPS)
    study = mh.tune(train, rates, scheduler=pbt, timeout_s=60, store="population.db", **settings)
    fixed = mh.tune(train, rates, max_trials=20, **settings)

    trial, schedule = study.best_trial, []
    while trial is not None:  # from the last stretch of training back to the first
        schedule.insert(0, f"{trial.params['rate']:.3g}")
        trial = None if trial.parent is None else study.trials[trial.parent]
    print(f"{study.best_value:.3g} by a population of 8, {fixed.best_value:.3g} by the best of 20 fixed rates")
    print("rates on the way:", *schedule)
    print("the best one was saved at step", study.checkpoint()[0])
