import importlib
import inspect
import re
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import BaseEstimator, clone, is_regressor
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, LogisticRegressionCV, Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import all_estimators

import manyhands as mh
from manyhands.errors import SettingsError
from manyhands.sklearn.defaults import default_space, default_start
from manyhands.sklearn.defaults.admitting import admit
from manyhands.sklearn.defaults.linear import logistic_regression
from manyhands.sklearn.defaults.own import settings_of
from manyhands.sklearn.defaults.spaces import SPACES
from manyhands.sklearn.spaces import flatten, to_space

N_POINTS = 6
WORDS = ["apple", "banana", "cherry", "date", "elder", "fig", "grape", "hazel"]


def data(n=90, d=6, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.random((n, d))
    y = (x[:, 0] + x[:, 1] ** 2 + 0.1 * rng.standard_normal(n) > 0.8).astype(int)
    return x, y, x[:, 0] * 3 + x[:, 1] + 1.0


def texts(n=60, seed=0):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, 4)) for _ in range(n)]


def points(estimator, n=N_POINTS, seed=0):
    """The start, and some points at random, as ``set_params`` takes them."""
    space = to_space(default_space(estimator), estimator)
    rng = np.random.default_rng(seed)
    start = space.build(space.find(default_start(estimator, space)))
    drawn = [space.build(space.sample(rng)) for _ in range(n)]
    return [flatten(params, estimator) for params in (start, *drawn)]


def fit(estimator, params, x, y):
    """Fit a clone without any warning but that it is not done yet, and with few rounds where there are many."""
    fewer = {k: min(v, 25) for k, v in params.items() if k.endswith(("n_estimators", "max_iter"))}
    model = clone(estimator).set_params(**params).set_params(**fewer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(x, y)


def target(estimator, y, score):
    return score if is_regressor(estimator) else y


def is_start(estimator):
    """Whether the first point is the estimator as it is."""
    own = settings_of(estimator)
    return {k: own[k] for k in points(estimator, 0)[0]} == points(estimator, 0)[0]


def sklearn_classes():
    text = importlib.import_module("sklearn.feature_extraction.text")
    found = {**dict(all_estimators()), **{name: getattr(text, name) for name in ("TfidfVectorizer", "CountVectorizer")}}
    return [found[name] for name in SPACES["sklearn"]]


# -- every space is valid --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sklearn_classes(), ids=lambda kind: kind.__name__)
def test_every_point_of_a_default_space_can_be_fitted(kind):
    x, y, score = data()
    estimator = kind()
    x = texts(len(y)) if kind.__module__ == "sklearn.feature_extraction.text" else x
    if isinstance(estimator, SelectKBest):
        estimator.set_params(k=4)

    for params in points(estimator):
        fit(estimator, params, x, target(estimator, y, score))


@pytest.mark.parametrize("kind", sklearn_classes(), ids=lambda kind: kind.__name__)
def test_the_start_is_the_estimator_as_it_is(kind):
    estimator = kind()

    start = points(estimator, 0)[0]

    own = estimator.get_params()
    assert {key: own[key] for key in start} == start
    assert default_start(estimator, default_space(estimator)).keys() == default_space(estimator).keys()


@pytest.mark.parametrize("name", ["XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor"])
@pytest.mark.parametrize("settings", [{}, {"booster": "gblinear"}, {"learning_rate": 0.9, "max_depth": 20}])
def test_xgboosts_estimators_have_spaces_that_can_be_fitted(name, settings):
    xgboost = pytest.importorskip("xgboost")
    if "RF" in name and "booster" in settings:
        pytest.skip("a forest has no linear booster")
    x, y, score = data()
    estimator = getattr(xgboost, name)(n_jobs=1, verbosity=1, **settings)

    assert is_start(estimator)
    for params in points(estimator):
        fit(estimator, params, x, target(estimator, y, score))


def test_where_xgboost_says_none_the_start_is_what_it_means_by_it():
    xgboost = pytest.importorskip("xgboost")
    x, y, _ = data()
    estimator = xgboost.XGBClassifier(n_jobs=1)

    start = points(estimator, 0)[0]

    assert (start["learning_rate"], start["max_depth"], start["n_estimators"]) == (0.3, 6, 100)
    assert np.array_equal(
        clone(estimator).fit(x, y).predict_proba(x), clone(estimator).set_params(**start).fit(x, y).predict_proba(x)
    )


@pytest.mark.parametrize("name", ["LGBMClassifier", "LGBMRegressor"])
@pytest.mark.parametrize("settings", [{}, {"subsample_freq": 1, "num_leaves": 500}])
def test_lightgbms_estimators_have_spaces_that_can_be_fitted(name, settings):
    lightgbm = pytest.importorskip("lightgbm")
    x, y, score = data()
    estimator = getattr(lightgbm, name)(n_jobs=1, verbose=-1, **settings)

    assert is_start(estimator)
    assert ("subsample" in default_space(estimator)) is bool(settings)
    for params in points(estimator):
        fit(estimator, params, x, target(estimator, y, score))


SETTINGS = [
    LogisticRegression(solver="liblinear"),
    LogisticRegression(solver="liblinear", dual=True),
    LogisticRegression(solver="saga"),
    LogisticRegression(C=1e9, solver="newton-cholesky"),
    LogisticRegression(C=np.inf),
    Ridge(alpha=0),
    Lasso(alpha=5000),
    LinearSVC(dual=True),
    LinearSVC(dual=False),
    LinearSVC(loss="hinge"),
    LinearSVC(multi_class="crammer_singer"),
    SVC(kernel="sigmoid", gamma="auto"),
    SVC(kernel="poly", degree=1, coef0=2.0),
    SVC(gamma=100, C=1),
    SGDClassifier(loss="log_loss", penalty="elasticnet", l1_ratio=0.3),
    SGDClassifier(loss="perceptron", penalty=None),
    KNeighborsClassifier(metric="manhattan", n_neighbors=40),
    KNeighborsClassifier(weights=lambda distances: 1 / (1 + distances)),
    DecisionTreeClassifier(min_samples_leaf=0.05, max_depth=100),
    RandomForestClassifier(max_depth=7, max_features=2, n_estimators=5),
    RandomForestClassifier(max_features="log2", oob_score=True, n_estimators=50, min_samples_leaf=30),
    RandomForestRegressor(max_features=None, max_samples=20, criterion="absolute_error", n_estimators=5),
    ExtraTreesClassifier(bootstrap=True, max_samples=0.05, n_estimators=5),
    GradientBoostingRegressor(max_depth=None, max_features=0.02, loss="huber"),
    HistGradientBoostingClassifier(l2_regularization=7.0, max_leaf_nodes=None),
    MLPClassifier(hidden_layer_sizes=(7, 300), solver="lbfgs"),
    MLPClassifier(hidden_layer_sizes=[5, 6, 7, 8], activation="logistic"),
    MLPClassifier(hidden_layer_sizes=()),
    BaggingClassifier(max_samples=20, max_features=3),
    BaggingClassifier(DecisionTreeClassifier(max_depth=3)),
    AdaBoostClassifier(DecisionTreeClassifier(max_depth=1)),
    make_pipeline(SelectKBest(k="all"), SVC()),
    KernelRidge(kernel="polynomial", degree=1, alpha=1e-4),
    KernelRidge(kernel="rbf", gamma=20),
    LogisticRegression(l1_ratio=0) if "l1_ratio" in inspect.signature(LogisticRegression).parameters else Ridge(3),
    LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.3),
    PCA(3),
    PCA(0.9),
    PCA(svd_solver="randomized"),
]


@pytest.mark.parametrize("estimator", SETTINGS, ids=lambda e: re.sub(r" at 0x\w+", "", " ".join(repr(e).split()))[:60])
def test_an_estimators_own_settings_are_in_the_space_and_come_first(estimator):
    x, y, score = data()

    assert is_start(estimator)
    for params in points(estimator, 4):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd settings
            clone(estimator).set_params(**params).fit(x[:60], target(estimator, y, score)[:60])


# -- the estimator's own settings ------------------------------------------------------------------------------


def test_a_depth_of_ones_own_is_tried_first_and_none_stays_possible():
    space = default_space(RandomForestClassifier(max_depth=7))

    assert default_start(RandomForestClassifier(max_depth=7), space)["max_depth"] == 7
    assert space["max_depth"].options[0] is None


def test_a_range_is_widened_to_what_the_estimator_is_set_to():
    assert default_space(RandomForestClassifier(max_depth=50))["max_depth"].options[1] == mh.Int(2, 50, log=True)
    assert default_space(Ridge(alpha=1e5))["alpha"] == mh.Float(2**-10, 1e5, log=True)
    assert default_space(MLPClassifier((500,)))["hidden_layer_sizes"].options[0] == (mh.Int(16, 500, log=True),)


def test_what_no_range_can_reach_is_an_option():
    assert default_space(Ridge(alpha=0))["alpha"].options == (0, mh.Float(2**-10, 2**10, log=True))
    assert default_space(RandomForestClassifier(max_features="log2"))["max_features"].options[0] == "log2"


def test_a_number_of_things_is_no_share_of_them():
    space = default_space(RandomForestClassifier(max_features=1))

    assert space["max_features"].options[0] == 1
    assert type(default_start(RandomForestClassifier(max_features=1), space)["max_features"]) is int
    assert type(default_start(RandomForestRegressor(), default_space(RandomForestRegressor()))["max_features"]) is float


def test_a_kernel_that_is_a_matrix_or_a_function_is_kept():
    assert list(default_space(SVC(kernel="precomputed"))) == ["C"]
    assert list(default_space(SVC(kernel=lambda a, b: a @ b.T))) == ["C"]


def test_losses_without_probabilities_are_no_alternative_to_those_with():
    options = default_space(SGDClassifier(loss="log_loss"))["loss"].options

    assert set(options) == {"log_loss", "modified_huber"}


def test_penalties_of_older_versions_are_those_that_the_solver_has():
    own = {"C": 1.0, "penalty": "l2", "solver": "lbfgs", "dual": False, "l1_ratio": None}

    def combinations(**settings):
        space = mh.Space(admit(logistic_regression(own | settings), own | settings))
        rng = np.random.default_rng(0)
        flat = [flatten(space.build(space.sample(rng)), LogisticRegression()) for _ in range(50)]
        return {(p.get("solver", settings.get("solver")), p.get("penalty"), "l1_ratio" in p) for p in flat}

    assert combinations(solver="lbfgs") == {("lbfgs", "l2", False), ("saga", "elasticnet", True)}
    assert combinations(solver="liblinear") == {("liblinear", "l2", False), ("liblinear", "l1", False)}
    assert combinations(solver="saga") == {("saga", "l2", False), ("saga", "l1", False), ("saga", "elasticnet", True)}
    assert combinations(solver="liblinear", dual=True) == {("liblinear", None, False)}
    assert ("lbfgs", None, False) in combinations(solver="lbfgs", penalty=None)


def test_a_start_leaves_out_what_is_outside_of_a_space_that_was_given():
    space = {"C": mh.Float(2, 10), "gamma": mh.Choice(["scale", mh.Float(1, 2)]), "degree": mh.Int(1, 5)}

    assert default_start(SVC(), space) == {"gamma": "scale", "degree": 3}
    assert default_start(SVC(C=3), mh.Space(space)) == {"C": 3, "gamma": "scale", "degree": 3}


def test_a_start_finds_its_way_among_options_of_any_kind():
    space = {"class_weight": mh.Choice([np.array([1, 2]), {"class_weight": "balanced"}, None])}

    assert default_start(SVC(), space) == {"class_weight": None}
    assert default_start(SVC(class_weight="balanced"), space) == {"class_weight": {"class_weight": "balanced"}}


def test_a_start_takes_the_group_that_the_settings_belong_to():
    kernels = mh.Choice([{"kernel": "linear"}, {"kernel": "rbf", "gamma": mh.Float(1e-3, 1)}])

    assert default_start(SVC(gamma=0.1), {"model": kernels}) == {"model": {"kernel": "rbf", "gamma": 0.1}}
    assert default_start(SVC(gamma=5.0), {"kernel": kernels}) == {"kernel": {"kernel": "rbf"}}
    assert default_start(SVC(kernel="poly"), {"kernel": kernels}) == {}
    assert default_start(SVC(kernel="linear"), mh.Space(kernels)) == {"kernel": "linear"}


# -- pipelines and the like ------------------------------------------------------------------------------------


def test_a_pipeline_has_the_spaces_of_its_steps():
    pipeline = Pipeline([("fill", SimpleImputer()), ("scale", StandardScaler()), ("off", None), ("clf", SVC(C=9))])

    space = default_space(pipeline)

    assert list(space) == ["fill__strategy", "clf__C", "clf__kernel"]
    assert default_start(pipeline, space)["clf__C"] == 9
    x, y, _ = data()
    for params in points(pipeline):
        fit(pipeline, params, x, y)


def test_a_pipeline_of_texts_can_be_fitted_anywhere_in_its_space():
    pipeline = make_pipeline(TfidfVectorizer(), MultinomialNB())

    for params in points(pipeline):
        fit(pipeline, params, texts(), np.arange(60) % 2)


def composites():
    columns = ColumnTransformer([("n", make_pipeline(SimpleImputer()), [0, 1]), ("c", OneHotEncoder(), [2])])
    return {
        "columns": (
            Pipeline([("columns", columns), ("clf", LogisticRegression())]),
            {"columns__n__simpleimputer__strategy", "clf__C", "clf__solver"},
        ),
        "voting": (
            VotingClassifier([("a", SVC(kernel="precomputed")), ("b", MultinomialNB()), ("c", "drop")]),
            {"a__C", "b__alpha", "b__fit_prior"},
        ),
        "stacking": (
            StackingClassifier([("a", MultinomialNB())], final_estimator=SVC(kernel="precomputed")),
            {"a__alpha", "a__fit_prior", "final_estimator__C"},
        ),
        "target": (TransformedTargetRegressor(Ridge()), {"regressor__alpha"}),
        "bag": (
            BaggingClassifier(MultinomialNB()),
            {"max_samples", "max_features", "estimator__alpha", "estimator__fit_prior"},
        ),
        "copies": (make_pipeline(SVC(kernel="precomputed"), SVC(kernel="precomputed")), {"svc-1__C", "svc-2__C"}),
    }


@pytest.mark.parametrize("name", ["columns", "voting", "stacking", "target", "bag", "copies"])
def test_what_is_made_of_estimators_has_their_spaces(name):
    estimator, names = composites()[name]

    assert set(default_space(estimator)) == names
    assert is_start(estimator)
    for params in points(estimator):
        clone(estimator).set_params(**params)


def test_groups_in_pipelines_are_flat_for_set_params():
    kernels = {params["svc__kernel"] for params in points(make_pipeline(StandardScaler(), SVC()), 30)}

    assert kernels == {"linear", "rbf", "poly"}


# -- who has a space -------------------------------------------------------------------------------------------


class MyForest(RandomForestClassifier):
    def __init__(self, max_depth=4, min_samples_leaf=2):
        super().__init__(max_depth=max_depth, min_samples_leaf=min_samples_leaf, n_estimators=5)


class Ridge2(BaseEstimator):
    """Of a name that is not known, and none of the known ones."""


def test_a_derived_class_has_the_space_of_its_base_as_far_as_it_has_the_parameters():
    x, y, _ = data()

    assert set(default_space(MyForest())) == {"max_depth", "min_samples_leaf"}
    for params in points(MyForest()):
        fit(MyForest(), params, x, y)


def test_a_class_of_a_known_name_from_elsewhere_is_not_known():
    with pytest.raises(SettingsError):
        default_space(type("Ridge", (BaseEstimator,), {"__module__": "mine"})())


@pytest.mark.parametrize(
    "estimator",
    [
        LinearRegression(),
        make_pipeline(StandardScaler(), LinearRegression()),
        Ridge2(),
        LogisticRegressionCV(),
        GridSearchCV(Ridge(), {"alpha": [1, 2]}),
    ],
    ids=lambda e: type(e).__name__,
)
def test_an_estimator_without_a_space_is_told_who_has_one_and_what_to_do(estimator):
    with pytest.raises(SettingsError, match=r"(?s)no default space for .*RandomForestClassifier.*XGBModel.*space="):
        default_space(estimator)


def test_looking_up_a_space_imports_neither_xgboost_nor_lightgbm():
    import subprocess
    import sys

    script = (
        "import sys; from sklearn.linear_model import Ridge; from manyhands.sklearn.defaults import default_space;"
        "default_space(Ridge()); print({'xgboost', 'lightgbm'} & set(sys.modules))"
    )

    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert shown.strip() == "set()"


def test_spaces_name_parameters_that_there_are():
    """A name that the installed versions do not have would silently be left out."""
    for kind in sklearn_classes():
        own = kind().get_params()
        made = SPACES["sklearn"][kind.__name__]
        tree = made(own) if inspect.isfunction(made) else made
        assert tree.keys() <= own.keys(), kind
