"""Boosted trees: scikit-learn's, XGBoost's and LightGBM's. Neither of the latter two is imported."""

from typing import Any

from manyhands.parameters import Choice, Float, Int
from manyhands.sklearn.defaults.kinds import Made, Own, Tree

_ROUNDS = Int(50, 1000, log=True)
_RATE = Float(5e-3, 0.5, log=True)  # TabRepo: 0.005 to 0.1, with early stopping; few rounds need higher ones
_LAMBDA = Float(2**-10, 2**10, log=True)  # Probst et al. and FLAML alike
_ALPHA = Choice([0.0, _LAMBDA])


def gradient_boosting(own: Own) -> Tree:
    """As auto-sklearn's first version; the shares of rows and columns not below a half and a tenth."""
    return {
        "learning_rate": Float(0.01, 1.0, log=True),
        "n_estimators": Int(50, 500, log=True),
        "max_depth": Int(1, 10),
        "min_samples_leaf": Int(1, 20, log=True),
        "subsample": Float(0.5, 1.0),
        "max_features": Choice([None, "sqrt", Float(0.1, 1.0)]),
    }


def hist_gradient_boosting(own: Own) -> Tree:
    """As auto-sklearn, whose leaves go up to 2047 and not 255; columns as TabRepo for LightGBM."""
    return {
        "learning_rate": Float(0.01, 1.0, log=True),
        "max_iter": Int(50, 500, log=True),
        "max_leaf_nodes": Int(3, 255, log=True),
        "min_samples_leaf": Int(1, 200, log=True),
        "l2_regularization": Choice([0.0, Float(1e-10, 1.0, log=True)]),
        "max_features": Float(0.4, 1.0),
    }


def xgboost(own: Own) -> Tree:
    """Within the ranges of Probst et al. (2019); shares of rows and columns as Grinsztajn et al. (2022)."""
    if own["booster"] == "gblinear":
        return {"reg_alpha": _ALPHA, "reg_lambda": _ALPHA}
    return {
        "learning_rate": _RATE,
        "n_estimators": _ROUNDS,
        "max_depth": Int(1, 12),
        "min_child_weight": Float(1.0, 128.0, log=True),
        "subsample": Float(0.5, 1.0),
        "colsample_bytree": Float(0.5, 1.0),
        "reg_alpha": _ALPHA,
        "reg_lambda": _LAMBDA,
    }


def xgboost_forest(own: Own) -> Tree:
    """One round of many trees: as for XGBoost, with columns drawn for each split."""
    return {
        "max_depth": Int(1, 12),
        "min_child_weight": Float(1.0, 128.0, log=True),
        "subsample": Float(0.5, 1.0),
        "colsample_bynode": Float(0.1, 1.0),
        "reg_lambda": Float(1e-6, 2**10, log=True),
    }


def lightgbm(own: Own) -> Tree:
    """Regularisation and leaves' sizes as FLAML, columns as TabRepo; its leaves are 16 to 255.

    ``num_leaves`` is the main knob, as LightGBM's own guide says, so ``max_depth`` is left alone. Rows are drawn only
    where ``subsample_freq`` asks for it.
    """
    rows = {"subsample": Float(0.5, 1.0)} if own["subsample_freq"] else {}
    return {
        "learning_rate": _RATE,
        "n_estimators": _ROUNDS,
        "num_leaves": Int(4, 255, log=True),
        "min_child_samples": Int(2, 128, log=True),
        "colsample_bytree": Float(0.4, 1.0),
        "reg_alpha": _ALPHA,
        "reg_lambda": _ALPHA,
        **rows,
    }


def xgboost_means(own: Own) -> dict[str, Any]:
    """What XGBoost does where a setting is None, by its own documentation."""
    if own["booster"] == "gblinear":
        return {"reg_alpha": 0.0, "reg_lambda": 0.0}
    return {
        "learning_rate": 0.3,
        "n_estimators": 100,
        "max_depth": 6,
        "min_child_weight": 1.0,
        "subsample": 1.0,
        "colsample_bytree": 1.0,
        "reg_alpha": 0.0,
        "reg_lambda": 1.0,
    }


SPACES: dict[str, Made] = {
    "GradientBoostingClassifier": gradient_boosting,
    "GradientBoostingRegressor": gradient_boosting,
    "HistGradientBoostingClassifier": hist_gradient_boosting,
    "HistGradientBoostingRegressor": hist_gradient_boosting,
    # auto-sklearn
    "AdaBoostClassifier": {"learning_rate": Float(0.01, 2.0, log=True), "n_estimators": Int(50, 500, log=True)},
    "AdaBoostRegressor": {
        "learning_rate": Float(0.01, 2.0, log=True),
        "n_estimators": Int(50, 500, log=True),
        "loss": Choice(["linear", "square", "exponential"]),
    },
}

#: By the classes that the libraries' classifiers, regressors and rankers come from.
XGBOOST_SPACES: dict[str, Made] = {
    "XGBModel": xgboost,
    "XGBRFClassifier": xgboost_forest,
    "XGBRFRegressor": xgboost_forest,
}
LIGHTGBM_SPACES: dict[str, Made] = {"LGBMModel": lightgbm}
