"""Trade objectives off against each other, and keep constraints: what comes out is a Pareto front.

A tin should hold much and weigh little, and has to fit into a shelf. No tin is the best in both; those on the front are
the ones to choose from, as every other tin that fits is beaten by one of them.
"""

import math

import manyhands as mh

SHELF_CM = 12
GRAMS_PER_CM2 = 0.16


def tin(params):
    """Volume and weight of a tin; a constraint is kept if its number is not above 0."""
    radius, height = params["radius"], params["height"]
    surface = 2 * math.pi * radius * (radius + height)
    return {
        "litres": math.pi * radius**2 * height / 1000,
        "grams": GRAMS_PER_CM2 * surface,
        "constraints": [height - SHELF_CM, 2 * radius - SHELF_CM],
    }


if __name__ == "__main__":
    study = mh.tune(
        tin,
        {"radius": mh.Float(1, 10), "height": mh.Float(1, 20)},
        direction=["maximize", "minimize"],
        metric=["litres", "grams"],
        max_trials=200,
        seed=1,
    )
    print("litres  grams  radius  height")
    for trial in study.pareto_front:
        print("{:6.2f}  {:5.0f}  {radius:6.1f}  {height:6.1f}".format(*trial.values, **trial.params))
    print(f"{sum(not trial.is_feasible for trial in study.trials)} tins of {len(study.trials)} do not fit.")
