"""Pictures of searches, drawn for real, and read back from Matplotlib's figures."""

import math
import pickle
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt

from manyhands.hyperopt import STATUS_FAIL, STATUS_OK, Trials, fmin, hp, plotting, rand
from manyhands.hyperopt.base import Domain

SPACE = {
    "zeta": hp.uniform("zeta", 0, 1),
    "log_c": hp.loguniform("log_c", -3, 3),
    "kind": hp.choice("kind", ["a", {"alpha": hp.normal("alpha", 0, 1)}]),
}


def objective(params):
    if params["zeta"] > 0.9:
        return {"status": STATUS_FAIL}
    curve = pickle.dumps([1.0, params["zeta"]])
    return {
        "status": STATUS_OK,
        "loss": params["zeta"],
        "attachments": {"curve": curve, "grid": pickle.dumps([[1, 2], [3, 4]])},
    }


@pytest.fixture(scope="module")
def trials():
    found = Trials()
    fmin(objective, SPACE, rand.suggest, 40, trials=found, rstate=np.random.default_rng(1), verbose=False)
    assert STATUS_FAIL in found.statuses()
    return found


@pytest.fixture(autouse=True)
def shown(monkeypatch):
    """How often a figure was shown; none is left open."""
    mpl.use("agg")
    calls = []
    monkeypatch.setattr(plt, "show", lambda: calls.append(True))
    yield calls
    plt.close("all")


def points(axes):
    return np.asarray(axes.collections[0].get_offsets())


def colours(axes):
    return [tuple(colour[:3]) for colour in axes.collections[0].get_facecolors()]


def test_a_history_has_each_loss_and_the_best_error(trials, shown):
    losses = [loss for loss in trials.losses() if loss is not None]

    plotting.main_plot_history(trials, title="Wins")

    axes = plt.gca()
    assert points(axes).tolist() == [[i, loss] for i, loss in enumerate(losses)]
    assert set(colours(axes)) == {(0.0, 0.0, 1.0)}
    assert list(axes.lines[0].get_ydata()) == [min(losses)] * 2
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("Wins", "time", "loss")
    assert len(shown) == 1


def test_a_histogram_leaves_out_what_has_no_loss(trials, shown):
    plotting.main_plot_histogram(trials=trials, do_show=False)

    assert sum(bar.get_height() for bar in plt.gca().patches) == trials.statuses().count(STATUS_OK)
    assert shown == []


def test_each_label_has_a_plot_of_its_values(trials):
    plotting.main_plot_vars(trials, do_show=False, columns=3)

    axes = plt.gcf().axes
    assert [one.get_title() for one in axes] == ["alpha", "kind", "log_c", "zeta"]
    assert [one.get_yscale() for one in axes] == ["linear", "linear", "log", "linear"]
    assert points(axes[3]).tolist() == [list(pair) for pair in zip(trials.tids, trials.vals["zeta"], strict=True)]
    best = int(np.argmin([math.inf if loss is None else loss for loss in trials.losses()]))
    assert colours(axes[3])[best] == (0.0, 0.0, 0.0)
    assert colours(axes[3])[trials.statuses().index(STATUS_FAIL)] == (1.0, 1.0, 1.0)


def test_values_can_be_drawn_by_loss_with_the_best_ones_in_green(trials):
    plotting.main_plot_vars(trials, do_show=False, arrange_by_loss=True, colorize_best=3)

    axes = plt.gcf().axes[3]
    losses, values = points(axes).T
    assert losses.tolist() == values.tolist()
    assert len(losses) == trials.statuses().count(STATUS_OK)
    green = [loss for loss, colour in zip(losses, colours(axes), strict=True) if colour[1] != colour[0]]
    assert sorted(green) == sorted(losses)[:3]


def test_attached_rows_are_lines(trials, shown):
    plotting.main_plot_1D_attachment(trials, "curve", do_show=False)

    lines = plt.gca().lines
    assert len(lines) == trials.statuses().count(STATUS_OK)
    assert [lines[i].get_color() for i in (0, -1)] == [(0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.5)]
    assert shown == []


def test_so_many_rows_are_drawn_as_are_wanted_with_a_legend(trials, shown):
    plotting.main_plot_1D_attachment(trials, "curve", num_trails=3, preprocessing_fn=lambda row: -row)

    assert [line.get_ydata()[0] for line in plt.gca().lines] == [-1.0] * 3
    assert plt.gca().get_legend() is not None
    assert len(shown) == 1


@pytest.mark.parametrize("attachment", ["grid", "nothing"])
def test_what_is_no_row_is_not_drawn(trials, attachment):
    plotting.main_plot_1D_attachment(trials, attachment, do_show=False)

    assert len(plt.gca().lines) == 0


def test_where_nothing_has_a_loss_nothing_is_drawn():
    trials = Trials()
    trials.insert_trial_docs(rand.suggest([0], Domain(objective, SPACE), trials, 1))
    trials.refresh()

    with pytest.raises(ValueError, match="No trial has a loss"):
        plotting.main_plot_vars(trials)
    plotting.main_plot_1D_attachment(trials, "curve", num_trails=2)
    assert len(plt.gca().lines) == len(plt.gca().collections) == 0


def test_without_matplotlib_it_is_asked_for(trials, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)

    with pytest.raises(ImportError, match="pip install matplotlib"):
        plotting.main_plot_history(trials)
