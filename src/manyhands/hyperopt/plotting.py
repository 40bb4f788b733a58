"""Pictures of a search, drawn by Matplotlib into its current figure."""

import math
import pickle
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from manyhands.hyperopt.documents import (
    STATUS_FAIL,
    STATUS_NEW,
    STATUS_OK,
    STATUS_RUNNING,
    STATUS_SUSPENDED,
    miscs_to_idxs_vals,
)

__all__ = [
    "default_status_colors",
    "main_plot_1D_attachment",
    "main_plot_histogram",
    "main_plot_history",
    "main_plot_vars",
    "miscs_to_idxs_vals",
]

default_status_colors = {STATUS_NEW: "k", STATUS_RUNNING: "g", STATUS_SUSPENDED: "y", STATUS_OK: "b", STATUS_FAIL: "r"}

_Color = tuple[float, float, float]


def main_plot_history(
    trials: Any,
    do_show: bool = True,
    status_colors: Mapping[str, str] | None = None,
    title: str = "Loss History",
) -> None:
    """Losses in the order of trials, coloured by status, and a line at the average best error.

    Args:
        trials: The trials.
        do_show: Whether to show the figure at once.
        status_colors: A Matplotlib colour for each status.
        title: Above it.

    Raises:
        ValueError: No trial has a loss that is a number.
    """
    plt = _pyplot()
    colors = default_status_colors if status_colors is None else status_colors
    seen = [(loss, colors[status]) for loss, status in _losses_and_statuses(trials)]
    plt.scatter(range(len(seen)), [loss for loss, _ in seen], c=[color for _, color in seen])
    plt.axhline(trials.average_best_error(), c="g")
    plt.xlabel("time")
    plt.ylabel("loss")
    _finish(plt, title, do_show)


def main_plot_histogram(trials: Any, do_show: bool = True, title: str = "Loss Histogram") -> None:
    """How often which losses came out.

    Args:
        trials: The trials.
        do_show: Whether to show the figure at once.
        title: Above it.
    """
    plt = _pyplot()
    plt.hist([loss for loss, _ in _losses_and_statuses(trials) if math.isfinite(loss)])
    plt.xlabel("loss")
    plt.ylabel("frequency")
    _finish(plt, title, do_show)


def main_plot_vars(
    trials: Any,
    do_show: bool = True,
    fontsize: float = 10,
    colorize_best: int | None = None,
    columns: int = 5,
    arrange_by_loss: bool = False,
) -> None:
    """A small plot for each label: its raw values by trial, black where the loss is low and white where it is high.

    Labels with "log" in their names are drawn on a logarithmic scale.

    Args:
        trials: The trials.
        do_show: Whether to show the figure at once.
        fontsize: Of the titles, in points.
        colorize_best: Draw so many of the best trials in green.
        columns: How many plots there are in a row at most.
        arrange_by_loss: Draw values by loss instead of by trial.

    Raises:
        ValueError: No trial has a loss that is finite.
    """
    plt = _pyplot()
    losses = dict(zip(trials.tids, trials.losses(), strict=True))
    shade = _shading([loss for loss in losses.values() if _is_finite(loss)], colorize_best)
    idxs, vals = miscs_to_idxs_vals(trials.miscs)
    n_columns = min(columns, len(idxs))
    n_rows = math.ceil(len(idxs) / n_columns)
    for place, label in enumerate(sorted(idxs), start=1):
        axes = plt.subplot(n_rows, n_columns, place)
        axes.set_title(label, fontsize=fontsize)
        axes.tick_params(labelbottom=False)
        if "log" in str(label):
            axes.set_yscale("log")
        across = [losses[tid] for tid in idxs[label]] if arrange_by_loss else idxs[label]
        known = [i for i, x in enumerate(across) if x is not None]
        axes.scatter(
            [across[i] for i in known],
            [vals[label][i] for i in known],
            c=[shade(losses[idxs[label][i]]) for i in known],
        )
    _finish(plt, None, do_show)


def main_plot_1D_attachment(  # noqa: N802 - scripts call it by this name
    trials: Any,
    attachment_name: str,
    do_show: bool = True,
    colorize_by_loss: bool = True,
    max_darkness: float = 0.5,
    num_trails: int | None = None,
    preprocessing_fn: Callable[[Any], Any] = lambda x: x,
    line_width: float = 0.1,
) -> None:
    """A line for each trial: what it attached by a name, such as a learning curve.

    Args:
        trials: The trials.
        attachment_name: The attachment's name. It is the pickle of a row of numbers; what is none is left out.
        do_show: Whether to show the figure at once.
        colorize_by_loss: Draw lines the darker the higher the loss is.
        max_darkness: Of the worst trial's line, from 0 to 1.
        num_trails: Draw so many lines, spread evenly over the trials ranked by loss; all of them by default.
        preprocessing_fn: Is given each row of numbers and returns what is drawn.
        line_width: In points.
    """
    plt = _pyplot()
    ranked = sorted(
        (trial for trial in trials.trials if _is_finite(trial["result"].get("loss"))),
        key=lambda trial: trial["result"]["loss"],
    )
    if num_trails is not None and ranked:
        ranked = [ranked[i] for i in np.linspace(0, len(ranked), num_trails, endpoint=False, dtype=int)]
    losses = [trial["result"]["loss"] for trial in ranked]
    for trial, loss in zip(ranked, losses, strict=True):
        attached = trials.trial_attachments(trial)
        if attachment_name not in attached:
            continue
        row = np.squeeze(np.asanyarray(pickle.loads(attached[attachment_name])))  # noqa: S301 - of the user's own trials
        if row.ndim == 1:
            darkness = max_darkness * (loss - losses[0]) / (losses[-1] - losses[0] or 1.0)
            color = (0.0, 0.0, 0.0, darkness) if colorize_by_loss else None
            plt.plot(preprocessing_fn(row), color=color, linewidth=line_width, label=f"loss: {loss:.5}")
    if do_show and 0 < len(ranked) < 10:
        plt.legend()
    _finish(plt, attachment_name, do_show)


def _pyplot() -> Any:
    # Only when something is drawn: scripts choose the backend before that, and most of them draw nothing.
    try:
        return import_module("matplotlib.pyplot")
    except ImportError as error:
        raise ImportError(f"Pictures are drawn by Matplotlib: pip install matplotlib. ({error})") from error


def _finish(plt: Any, title: str | None, do_show: bool) -> None:
    if title is not None:
        plt.title(title)
    if do_show:
        plt.show()


def _losses_and_statuses(trials: Any) -> list[tuple[Any, str]]:
    """Those of the trials that have a loss."""
    return [(loss, status) for loss, status in zip(trials.losses(), trials.statuses(), strict=True) if loss is not None]


def _is_finite(loss: Any) -> bool:
    return loss is not None and math.isfinite(loss)


def _shading(losses: list[float], n_best: int | None) -> Callable[[Any], _Color]:
    """The colour for a loss: black for the lowest, white for the highest and for none."""
    if not losses:
        raise ValueError("No trial has a loss that is finite, so there is nothing to draw.")
    ranked = sorted(losses)
    lowest, highest = ranked[0], ranked[-1]
    limit = -math.inf if n_best is None else ranked[n_best] if n_best < len(ranked) else math.inf

    def shade(loss: Any) -> _Color:
        if not _is_finite(loss):
            return 1.0, 1.0, 1.0
        height = (loss - lowest) / (highest - lowest or 1.0)
        return (0.0, 1.0 - height, 0.0) if loss < limit else (height, height, height)

    return shade
