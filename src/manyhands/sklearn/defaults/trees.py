"""Trees, forests and bags."""

from manyhands.parameters import Choice, Float, Int
from manyhands.sklearn.defaults.kinds import Made, Own, Tree

_SHARE = Float(0.1, 1.0)
_ROWS = Float(0.2, 1.0)
_CRITERION = Choice(["gini", "entropy"])


def decision_tree(own: Own) -> Tree:
    """Depths and sizes as Probst et al. (2019) for rpart."""
    return {
        "max_depth": Choice([None, Int(1, 30)]),
        "min_samples_split": Int(2, 60, log=True),
        "min_samples_leaf": Int(1, 60, log=True),
        **_criterion(own),
    }


def forest(own: Own) -> Tree:
    """Sizes and bootstrap as auto-sklearn, shares of columns and rows as Probst et al. (2019) for ranger.

    A tenth of the rows, their least, is too few for small data. The number of trees is left alone: more are not worse,
    and cost time.
    """
    drawn = {"bootstrap": True, "max_samples": Choice([None, _ROWS])}
    whole = {"bootstrap": False, "max_samples": None}
    return {
        "max_features": Choice(["sqrt", _SHARE]),
        "min_samples_leaf": Int(1, 20, log=True),
        "min_samples_split": Int(2, 20, log=True),
        "max_depth": Choice([None, Int(2, 32, log=True)]),
        **_criterion(own),
        **(drawn if own["oob_score"] else {"bootstrap": Choice([drawn, whole])}),
    }


def _criterion(own: Own) -> Tree:
    """Only of classifiers: those of regressors belong to the task, and some cost much more than others."""
    return {"criterion": _CRITERION} if own["criterion"] in ("gini", "entropy", "log_loss") else {}


#: No published space that we know of: rows and columns as for forests.
_BAG = {"max_samples": _ROWS, "max_features": _SHARE}

SPACES: dict[str, Made] = {
    "DecisionTreeClassifier": decision_tree,
    "DecisionTreeRegressor": decision_tree,
    "RandomForestClassifier": forest,
    "RandomForestRegressor": forest,
    "ExtraTreesClassifier": forest,
    "ExtraTreesRegressor": forest,
    "BaggingClassifier": _BAG,
    "BaggingRegressor": _BAG,
}
