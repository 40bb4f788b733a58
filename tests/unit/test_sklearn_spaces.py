import json
import math
import time
from collections import OrderedDict

import numpy as np
import pytest

pytest.importorskip("sklearn")

from scipy import stats
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import ParameterGrid, ParameterSampler
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import manyhands as mh
from manyhands.errors import SettingsError
from manyhands.samplers.cube import Cube
from manyhands.sklearn.spaces import candidates_space, flatten, to_space


def pipeline():
    return Pipeline([("scale", StandardScaler()), ("clf", SVC())])


def some(space, estimator, n=40, seed=0):
    rng = np.random.default_rng(seed)
    return [flatten(space.build(space.sample(rng)), estimator) for _ in range(n)]


class OnlyDraws:
    def rvs(self, random_state=None):
        return 1.0


# -- to_space: scikit-learn's forms ----------------------------------------------------------------------------


def test_lists_are_choices_of_the_very_values():
    space = to_space({"kernel": ["linear", "rbf"], "class_weight": [None, {0: 1, 1: 5}], "shrinking": [True]}, SVC())

    assert list(space.parameters) == ["kernel", "class_weight"]
    drawn = some(space, SVC())
    assert {d["kernel"] for d in drawn} == {"linear", "rbf"}
    assert all(d["shrinking"] is True for d in drawn)
    assert {0: 1, 1: 5} in [d["class_weight"] for d in drawn]


@pytest.mark.parametrize(
    ("values", "is_ordered"),
    [
        ([1, 10, 100], True),
        ([100, 10.0, 1], True),
        (np.logspace(-3, 3, 7), True),
        (range(1, 9), True),
        ((1, 2, 4), True),
        ([1, 100, 10], False),
        ([1, 2], False),
        ([1, 1, 2], False),
        ([None, 1, 2], False),
        ([False, True, 2], False),
        (["a", "b", "c"], False),
        ([1.0, math.nan, 3.0], False),
    ],
)
def test_three_or_more_numbers_in_order_are_a_scale(values, is_ordered):
    (choice,) = to_space({"C": values}, SVC()).parameters.values()

    assert choice.ordered is is_ordered
    assert len(choice.options) == len(values)


def test_models_see_a_scale_as_one_dimension_by_rank():
    space = to_space({"C": [0.001, 1, 1000], "gamma": [3, 1, 2]}, SVC())

    assert Cube(space).is_unordered.tolist() == [False, True]
    assert [space.encode({"C": i, "gamma": 0})[0] for i in range(3)] == pytest.approx([1 / 6, 3 / 6, 5 / 6])


def test_a_scale_is_still_one_when_it_was_stored():
    space = to_space({"C": [0.001, 1, 1000]}, SVC())

    again = mh.Space.from_spec(json.loads(json.dumps(space.spec())))

    assert again.parameters["C"].ordered
    assert again.parameters["C"].options == (0.001, 1, 1000)


@pytest.mark.parametrize(
    ("distribution", "parameter"),
    [
        (stats.uniform(1, 2), mh.Float(1, 3)),
        (stats.uniform, mh.Float(0, 1)),
        (stats.loguniform(1e-3, 10), mh.Float(1e-3, 10, log=True)),
        (stats.reciprocal(1e-3, 10), mh.Float(1e-3, 10, log=True)),
        (stats.randint(2, 10), mh.Int(2, 9)),
        (stats.randint(1, 100_000), mh.Int(1, 99_999)),
        (stats.randint(2, 10, loc=3), mh.Int(5, 12)),
        (stats.norm(3, 2), mh.Normal(3, 2)),
    ],
)
def test_distributions_that_we_have_too_are_kept(distribution, parameter):
    assert to_space({"C": distribution}, SVC()).parameters["C"] == parameter


def test_a_log_normal_distribution_is_kept():
    parameter = to_space({"C": stats.lognorm(0.5, scale=3)}, SVC()).parameters["C"]

    assert parameter.log
    assert parameter.mu == pytest.approx(math.log(3))
    assert parameter.sigma == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("distribution", "log"),
    [(stats.expon(scale=100), True), (stats.gamma(50), False), (stats.beta(2, 2), False), (stats.cauchy(), False)],
)
def test_other_distributions_are_ranges_between_their_quantiles(distribution, log):
    parameter = to_space({"C": distribution}, SVC()).parameters["C"]

    assert isinstance(parameter, mh.Float)
    assert parameter.low == pytest.approx(distribution.ppf(0.001))
    assert parameter.high == pytest.approx(distribution.ppf(0.999))
    assert parameter.log is log


def test_a_log_uniform_distribution_that_was_moved_is_a_range_like_others():
    parameter = to_space({"C": stats.loguniform(1, 10, loc=5)}, SVC()).parameters["C"]

    assert not parameter.log
    assert 6 < parameter.low < parameter.high < 15


def test_discrete_distributions_are_whole_numbers():
    parameter = to_space({"C": stats.poisson(20)}, SVC()).parameters["C"]

    assert parameter == mh.Int(int(stats.poisson(20).ppf(0.001)), int(stats.poisson(20).ppf(0.999)))


def test_a_distribution_with_weights_is_a_choice_with_weights():
    weighted = stats.rv_discrete(values=([10, 20, 50, 60], [0.2, 0.3, 0.5, 0.0]))

    parameter = to_space({"C": weighted}, SVC()).parameters["C"]

    assert (parameter.options, parameter.weights, parameter.ordered) == ((10, 20, 50), (0.2, 0.3, 0.5), True)


def test_what_can_only_draw_is_refused_with_what_to_give():
    with pytest.raises(SettingsError, match=r"C=.*no ppf.*sampler='random'.*mh\.Float"):
        to_space({"C": OnlyDraws()}, SVC())


def test_a_distribution_without_a_finite_range_is_refused():
    with pytest.raises(SettingsError, match="C: the distribution uniform reaches"):
        to_space({"C": stats.uniform(0, -1)}, SVC())


def test_several_grids_are_a_choice_between_them():
    grids = [{"kernel": ["linear"], "C": [1, 10, 100]}, {"kernel": ["rbf"], "C": [1, 10], "gamma": stats.uniform(0, 1)}]

    space = to_space(grids, SVC())

    assert list(space.parameters) == ["kernel", "linear.C", "rbf.C", "rbf.gamma"]
    drawn = some(space, SVC())
    assert {frozenset(d) for d in drawn} == {frozenset({"kernel", "C"}), frozenset({"kernel", "C", "gamma"})}


def test_a_list_of_one_grid_is_that_grid():
    assert list(to_space([{"C": [1, 2]}], SVC()).parameters) == ["C"]


@pytest.mark.parametrize("given", [{}, [{}], {"C": [3]}])
def test_a_grid_of_one_candidate_is_a_space_of_one_point(given):
    space = to_space(given, SVC())

    assert space.size == 1
    assert some(space, SVC(), n=1) == [{"C": 3} if given == {"C": [3]} else {}]


@pytest.mark.parametrize(
    "given",
    [
        0,
        None,
        "C",
        [0],
        {"C": 1},
        {"C": "abc"},
        {"C": {1, 2}},
        {"C": []},
        {"C": ()},
        {"C": np.ones((2, 2))},
        [{"C": [1]}, 3],
        [{"C": [1]}, {"C": "abc"}],
    ],
)
def test_what_makes_no_sense_is_reported_in_scikit_learns_words(given):
    def theirs():
        ParameterSampler(given, 1)
        ParameterGrid(given)

    with pytest.raises((TypeError, ValueError)) as expected:
        theirs()
    with pytest.raises(expected.type) as found:
        to_space(given, SVC())

    assert str(found.value) == str(expected.value)


def test_lists_are_judged_as_scikit_learn_does_beside_our_parameters_too():
    with pytest.raises(ValueError, match="Parameter grid for parameter 'gamma' need to be a non-empty sequence"):
        to_space({"C": mh.Float(0, 1), "gamma": []}, SVC())
    with pytest.raises(ValueError, match="should be one-dimensional"):
        to_space({"C": mh.Float(0, 1), "gamma": np.ones((2, 2))}, SVC())


# -- to_space: our forms ---------------------------------------------------------------------------------------


def test_a_space_is_taken_as_it_is():
    space = mh.Space({"C": mh.Float(0, 1), "degree": [1, 2, 3]})

    assert to_space(space, SVC()) is space


def test_our_parameters_and_constants_and_lists_and_distributions_can_be_mixed():
    space = to_space(
        {"C": mh.Float(0.1, 10, log=True), "kernel": "poly", "degree": [2, 3], "coef0": stats.uniform(0, 1)}, SVC()
    )

    assert list(space.parameters) == ["C", "degree", "coef0"]
    assert all(d["kernel"] == "poly" and d["degree"] in (2, 3) for d in some(space, SVC()))


def test_a_list_may_hold_parameters():
    space = to_space({"max_depth": [None, mh.Int(2, 20)]}, RandomForestClassifier())

    depths = [d["max_depth"] for d in some(space, RandomForestClassifier())]
    assert None in depths
    assert all(2 <= depth <= 20 for depth in depths if depth is not None)


def test_a_tuple_with_parameters_is_a_value():
    space = to_space({"hidden_layer_sizes": (mh.Int(5, 9), mh.Int(10, 20))}, MLPClassifier())

    assert all(5 <= a <= 9 < b <= 20 for d in some(space, MLPClassifier()) for a, b in [d["hidden_layer_sizes"]])


def test_whole_steps_are_searched_with_what_belongs_to_them():
    svc, forest = SVC(), RandomForestClassifier()
    given = {
        "model": mh.Choice(
            [{"clf": svc, "clf__C": mh.Float(0.1, 1)}, {"clf": forest, "clf__max_depth": stats.randint(2, 5)}]
        ),
        "scale__with_mean": [True, False],
    }

    drawn = some(to_space(given, pipeline()), pipeline())

    assert all(d["clf__C"] <= 1 for d in drawn if d["clf"] is svc)
    assert all(2 <= d["clf__max_depth"] <= 4 for d in drawn if d["clf"] is forest)
    assert {frozenset(d) for d in drawn} == {
        frozenset({"clf", "clf__C", "scale__with_mean"}),
        frozenset({"clf", "clf__max_depth", "scale__with_mean"}),
    }


def test_a_group_may_stand_under_the_parameter_that_decides():
    options = [
        {"clf": SVC(), "clf__C": mh.Float(0.1, 1)},
        {"clf": RandomForestClassifier(), "clf__criterion": ["gini"]},
    ]

    for given in ({"clf": mh.Choice(options)}, {"clf": options}):
        drawn = some(to_space(given, pipeline()), pipeline())
        assert {frozenset(d) for d in drawn} == {frozenset({"clf", "clf__C"}), frozenset({"clf", "clf__criterion"})}
        assert all(d["clf__criterion"] == "gini" for d in drawn if "clf__criterion" in d)


def test_groups_nest():
    given = {"a": {"b": mh.Choice([{"C": [1, 2, 3], "c": {"gamma": mh.Float(0, 1)}}, {}])}, "degree": [2]}

    drawn = some(to_space(given, SVC()), SVC())

    assert {frozenset(d) for d in drawn} == {frozenset({"C", "gamma", "degree"}), frozenset({"degree"})}


def test_a_choice_between_dicts_may_be_all_there_is():
    space = to_space(mh.Choice([{"kernel": "linear", "C": [1, 2]}, {"kernel": "rbf"}]), SVC())

    assert list(space.parameters) == ["kernel", "linear.C"]


@pytest.mark.parametrize("given", [mh.Float(0, 1), [mh.Float(0, 1)], mh.Choice([1, 2])])
def test_parameters_without_a_name_are_refused(given):
    with pytest.raises(SettingsError, match="by their names"):
        to_space(given, SVC())


# -- flatten ---------------------------------------------------------------------------------------------------


def test_a_dict_under_a_parameters_name_is_its_value():
    weights = {"class_weight": {0: 1, 1: 2}}
    steps = {"clf__class_weight": {0: 1}, "clf__unheard_of": {"a": 1}}

    assert flatten(weights, SVC()) == weights
    assert flatten(steps, pipeline()) == steps


def test_a_parameter_in_two_groups_is_refused():
    with pytest.raises(SettingsError, match=r"sets 'C' twice, to 1 and to 2"):
        flatten({"C": 1, "more": {"C": 2}}, SVC())


def test_params_without_names_are_refused():
    with pytest.raises(SettingsError, match="have names"):
        flatten([1, 2], SVC())


def test_a_dict_under_its_own_name_in_a_group_is_a_value():
    assert flatten({"class_weight": {"class_weight": {0: 1}, "C": 3}}, SVC()) == {"class_weight": {0: 1}, "C": 3}


# -- candidates_space ------------------------------------------------------------------------------------------


def is_same(a, b):
    if isinstance(a, np.ndarray):
        return a is b
    return type(a) is type(b) and (a == b or a is b or (a != a and b != b))


def space_row(space, point):
    return [0.5 if math.isnan(x) else x for x in space.encode(point)]


def check_candidates(candidates, given):
    space, points = candidates_space(candidates, given)
    assert len(points) == len(candidates)
    for candidate, point in zip(candidates, points, strict=True):
        built = space.build(point)
        assert built.keys() == candidate.keys()
        assert all(is_same(built[key], value) for key, value in candidate.items())
        assert point.keys() <= space.parameters.keys()
        assert space.decode(space_row(space, point)) == point
    return space, points


GRIDS = {
    "one": {"C": [1, 10.0, 0.1], "kernel": ["linear", "rbf"]},
    "arrays": {"C": np.logspace(-2, 2, 5), "degree": np.arange(2, 5), "shrinking": np.array([True, False])},
    "floats of half size": {"C": np.array([0.1, 0.2], dtype=np.float32)},
    "objects": {"clf": [SVC(), SVC(), RandomForestClassifier(), "passthrough"]},
    "arrays as values": {"priors": [None, np.array([0.5, 0.5]), np.array([0.5, 0.5])]},
    "NaN": {"missing_values": [math.nan, -1, None, np.nan]},
    "duplicates": {"C": [1, 1, 1.0, True], "kernel": ["rbf"]},
    "containers": {"sizes": [(50,), (50, 50), [1, 2], {0: 1}, {0: 2}], "odd": [OrderedDict(a=1)]},
    "a range": {"C": range(5, 1, -1)},
    "several": [{"kernel": ["linear"], "C": [1, 10]}, {"kernel": ["rbf"], "C": [1, 10], "gamma": [0.1, 0.2]}],
    "overlapping": [{"C": [1, 2]}, {"C": [2, 3]}, {"gamma": [1]}],
    "with an empty one": [{"C": [1, 2]}, {}],
    "empty": {},
    "of constants": [{"C": [1]}, {"C": [2]}, {"gamma": [OrderedDict(a=1)]}],
    "single": {"C": [1]},
}


@pytest.mark.parametrize("given", GRIDS.values(), ids=GRIDS)
def test_every_candidate_of_a_grid_is_a_point(given):
    check_candidates(list(ParameterGrid(given)), given)


DISTRIBUTIONS = {
    "drawn": {"C": stats.uniform(0, 1), "kernel": ["a", "b"], "degree": stats.randint(1, 4)},
    "several": [{"C": stats.loguniform(1, 10)}, {"C": [1, 2, 3], "kernel": ["rbf"]}],
    "lists": {"C": np.linspace(0, 1, 50), "kernel": ["a", "b"]},
    "long": {"C": range(1, 10**9), "gamma": stats.norm()},
}


@pytest.mark.parametrize("given", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
def test_every_candidate_that_was_drawn_is_a_point(given):
    check_candidates(list(ParameterSampler(given, 30, random_state=0)), given)


def test_values_are_in_the_order_of_the_grid_and_only_those_that_occur():
    given = {"C": [5, 1, 9, 7], "kernel": ["b", "a"]}

    space, _ = candidates_space([{"C": 9, "kernel": "a"}, {"C": 5, "kernel": "b"}], given)

    assert space.parameters["C"].options == (5, 9)
    assert space.parameters["kernel"].options == ("b", "a")


def test_values_that_were_drawn_are_in_their_own_order():
    given = {"C": stats.uniform(0, 1)}

    space, points = candidates_space(list(ParameterSampler(given, 10, random_state=1)), given)

    assert space.parameters["C"].ordered
    assert list(space.parameters["C"].options) == sorted(space.parameters["C"].options)
    assert sorted(point["C"] for point in points) == list(range(10))


def test_several_grids_are_told_apart_by_name():
    given = GRIDS["several"]

    space, points = candidates_space(list(ParameterGrid(given)), given)

    assert list(space.parameters) == ["kernel", "linear.C", "rbf.C", "rbf.gamma"]
    assert points[0] == {"kernel": 0, "linear.C": 0}


def test_the_points_outlive_the_process():
    given = {"C": np.logspace(-2, 2, 5), "clf": [SVC()]}

    space, _ = candidates_space(list(ParameterGrid(given)), given)

    assert mh.Space.from_spec(json.loads(json.dumps(space.spec()))).spec() == space.spec()


class Anew:
    """A sequence that makes its objects when they are asked for."""

    def __len__(self):
        return 3

    def __getitem__(self, i):
        if i >= 3:
            raise IndexError(i)
        return np.array([i, i])


def test_values_of_a_sequence_that_makes_them_anew_are_found_by_what_they_are():
    space, points = candidates_space([{"C": np.array([2, 2])}, {"C": np.array([0, 0])}], {"C": Anew()})

    assert points == [{"C": 1}, {"C": 0}]
    assert space.build(points[0])["C"].tolist() == [2, 2]


def test_a_candidate_from_elsewhere_is_refused():
    with pytest.raises(SettingsError, match="comes from none"):
        candidates_space([{"C": 3}], {"C": [1, 2]})
    with pytest.raises(SettingsError, match="comes from none"):
        candidates_space([{"C": 1, "gamma": 1}], {"C": [1, 2]})


def test_no_candidates_are_reported_in_scikit_learns_words():
    with pytest.raises(ValueError, match=r"No fits were performed\. Was the CV iterator empty\?"):
        candidates_space([], {"C": [1]})


def test_ten_thousand_candidates_take_no_time():
    given = {"C": stats.uniform(0, 1), "gamma": np.logspace(-3, 3, 1000), "kernel": ["a", "b"], "clf": [SVC(), SVC()]}
    candidates = list(ParameterSampler(given, 10_000, random_state=0))

    began = time.perf_counter()
    space, points = candidates_space(candidates, given)
    took = time.perf_counter() - began

    assert took < 2.0
    assert space.build(points[-1]) == candidates[-1]
