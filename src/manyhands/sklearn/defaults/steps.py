"""Steps before a model. What they can be set to depends on data that nobody has seen yet, so ranges are careful."""

from manyhands.parameters import Choice, Float, Int
from manyhands.sklearn.defaults.kinds import Made, Own, Tree


def components(own: Own) -> Tree:
    """The share of variance to keep as auto-sklearn; of a number of components no more than that."""
    n = own["n_components"]
    whiten = {"whiten": Choice([False, True])}
    if isinstance(n, int) and not isinstance(n, bool) and n > 1:
        return {"n_components": Int(1, n, log=True), **whiten}
    if own["svd_solver"] not in ("auto", "full") or n == "mle":
        return whiten
    return {"n_components": Choice([None, Float(0.5, 0.999)]), **whiten}


def best_features(own: Own) -> Tree:
    """No more than the number that is there, as nobody knows how many the data has."""
    return {"k": Int(1, own["k"], log=True)} if isinstance(own["k"], int) and own["k"] > 1 else {}


def words(own: Own) -> Tree:
    """As the example of scikit-learn's guide to text features."""
    if own["analyzer"] != "word":
        return {}
    return {"ngram_range": Choice([(1, 1), (1, 2)]), "max_df": Choice([1.0, Float(0.5, 1.0)])}


def weighted_words(own: Own) -> Tree:
    """The same."""
    return {**words(own), "norm": Choice(["l2", "l1"]), "sublinear_tf": Choice([False, True])}


def imputer(own: Own) -> Tree:
    """As auto-sklearn, of numbers; a constant or the most frequent value may be there for texts."""
    return {"strategy": Choice(["mean", "median"])} if own["strategy"] in ("mean", "median") else {}


SPACES: dict[str, Made] = {
    "PCA": components,
    "SelectKBest": best_features,
    "SelectPercentile": {"percentile": Int(1, 100)},  # auto-sklearn
    "TfidfVectorizer": weighted_words,
    "CountVectorizer": words,
    "SimpleImputer": imputer,
}
