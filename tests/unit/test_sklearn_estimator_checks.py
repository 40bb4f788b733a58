"""Our searches as scikit-learn's own checks of estimators see them."""

import pytest
from sklearn.base import is_regressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.utils.estimator_checks import parametrize_with_checks

import manyhands as mh
from manyhands.sklearn import GridSearchCV, RandomizedSearchCV, SearchCV

# As scikit-learn expects of its own searches.
EXPECTED = {"check_supervised_y_2d": "DataConversionWarning not caught"}

SEARCHES = [
    SearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, sampler="grid", cv=2, error_score="raise"),
    SearchCV(Ridge(), {"alpha": mh.Float(0.1, 1.0)}, max_trials=2, cv=2, error_score="raise", random_state=0),
    GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2, error_score="raise"),
    RandomizedSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, n_iter=2, cv=2, error_score="raise", random_state=0),
]


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(SEARCHES, expected_failed_checks=lambda search: EXPECTED if is_regressor(search) else {})
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)


@pytest.mark.parametrize("kind", [SearchCV, GridSearchCV, RandomizedSearchCV])
def test_every_argument_has_a_rule_for_what_it_may_be(kind):
    names = kind._get_param_names()

    assert sorted(kind._parameter_constraints) == names


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_iter", 0), ("max_trials", -1), ("timeout_s", 0.0), ("early_stopping", "yes"), ("cv", 1.5), ("name", 3)],
)
def test_arguments_are_checked_when_fitted(name, value):
    search = SearchCV(Ridge(), {"alpha": [0.1]}).set_params(**{name: value})

    with pytest.raises(ValueError, match=name):
        search.fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 2, 3])


def test_checks_would_find_a_search_that_forgets_its_features():
    from sklearn.utils.estimator_checks import check_n_features_in

    class Forgetful(GridSearchCV):
        n_features_in_ = 0

    with pytest.raises(AssertionError):
        check_n_features_in("Forgetful", Forgetful(Ridge(), {"alpha": [0.1]}, cv=KFold(2)))
