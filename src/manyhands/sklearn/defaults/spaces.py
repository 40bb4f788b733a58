"""The default space of an estimator, with those of the estimators within it."""

from collections import defaultdict
from dataclasses import replace
from typing import Any

from manyhands.errors import SettingsError
from manyhands.parameters import Choice
from manyhands.sklearn.defaults.admitting import admit
from manyhands.sklearn.defaults.boosting import LIGHTGBM_SPACES, XGBOOST_SPACES
from manyhands.sklearn.defaults.boosting import SPACES as BOOSTING
from manyhands.sklearn.defaults.kernels import SPACES as KERNELS
from manyhands.sklearn.defaults.kinds import Made, Own, Tree
from manyhands.sklearn.defaults.linear import SPACES as LINEAR
from manyhands.sklearn.defaults.others import SPACES as OTHERS
from manyhands.sklearn.defaults.own import is_estimator, settings_of
from manyhands.sklearn.defaults.steps import SPACES as STEPS
from manyhands.sklearn.defaults.trees import SPACES as TREES

#: Library -> class -> its space, or what makes it of the estimator's own settings.
SPACES: dict[str, dict[str, Made]] = {
    "sklearn": {
        **LINEAR,
        **KERNELS,
        **TREES,
        **BOOSTING,
        **OTHERS,
        **STEPS,
    },
    "xgboost": XGBOOST_SPACES,
    "lightgbm": LIGHTGBM_SPACES,
}

#: Who has one of these searches by itself.
_SEARCHED_BY_ITSELF = ("param_grid", "param_distributions", "space")


def default_space(estimator: Any) -> dict[str, object]:
    """A sensible space for an estimator: published ranges, around the estimator's own settings.

    It is known for the common classifiers and regressors of scikit-learn, those of XGBoost and LightGBM, some
    transformers, what is derived from them, and whatever is made of them: pipelines, column transformers, ensembles,
    wrappers. Each part's parameters have the prefixes that ``set_params`` wants. Rates and regularisation are on
    logarithmic scales, whole numbers are whole, and the estimator's own settings are always in the space, which is
    widened for them if it has to be.

    Args:
        estimator: As it was constructed; it may be fitted or not.

    Returns:
        Name of a parameter -> what to search. Where others depend on a parameter, as ``gamma`` does on ``kernel``, it
        is a choice between groups of them; see ``manyhands.sklearn.groups``.

    Raises:
        SettingsError: No space is known, for the estimator or anything in it.

    Example:
        >>> from sklearn.linear_model import Ridge
        >>> default_space(Ridge())
        {'alpha': Float(low=0.0009765625, high=1024, log=True, step=None, name=None)}
    """
    space = _space_of(estimator)
    if space:
        return space
    known = "\n".join(f"  {library}: {', '.join(sorted(names))}" for library, names in SPACES.items())
    raise SettingsError(
        f"There is no default space for {estimator!r}. There is one for these, what is derived from them, and "
        f"pipelines and ensembles of them:\n{known}\nFor others say what to search, such as "
        "SearchCV(estimator, space={'alpha': mh.Float(1e-4, 10, log=True)})."
    )


def _space_of(estimator: Any) -> dict[str, object]:
    own = settings_of(estimator)
    if any(name in own for name in _SEARCHED_BY_ITSELF):
        return {}
    space = admit(_published(estimator, own), own)
    for name, part in own.items():
        if "__" not in name and is_estimator(part):
            space.update(_prefixed(_space_of(part), f"{name}__"))
    return space


def _published(estimator: Any, own: Own) -> Tree:
    """The space of the nearest class that has one."""
    if type(estimator).__name__.endswith("CV"):
        return {}  # LogisticRegressionCV finds its C by itself
    for one in type(estimator).__mro__:
        made = SPACES.get(one.__module__.partition(".")[0], {}).get(one.__name__)
        if made is not None:
            # a derived class may lack some of the parameters
            return made(defaultdict(lambda: None, own)) if callable(made) else made
    return {}


def _prefixed(space: Tree, prefix: str) -> dict[str, object]:
    return {prefix + key: _below(node, prefix) for key, node in space.items()}


def _below(node: object, prefix: str) -> object:
    """The same with the prefix before the names within groups."""
    if not (isinstance(node, Choice) and isinstance(node.options[-1], dict)):
        return node
    return replace(node, options=[_prefixed(option, prefix) for option in node.options])  # type: ignore[arg-type]
