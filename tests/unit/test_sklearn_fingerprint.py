import numpy as np
import pandas
import pytest
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer, recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.support import Scripts

from manyhands.sklearn.fingerprint import fingerprint

X = np.arange(12.0).reshape(4, 3)

SCRIPT = """
    import json
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from manyhands.sklearn.fingerprint import fingerprint

    things = {"estimator": make_pipeline(StandardScaler(), LogisticRegression(C=2.0)),
              "X": np.arange(12.0).reshape(4, 3), "words": {"b", "a", "c"}}
    print(json.dumps(fingerprint(things)))
"""


def test_the_same_things_have_the_same_texts_in_another_process(tmp_path):
    scripts = Scripts(tmp_path)
    try:
        there = scripts.start(SCRIPT).finish()
    finally:
        scripts.kill()

    estimator = make_pipeline(StandardScaler(), LogisticRegression(C=2.0))
    assert there == fingerprint({"estimator": estimator, "X": X, "words": {"a", "b", "c"}})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (X, X + 1e-12),
        (X, X.astype("float32")),
        (X, X.tolist()),
        (pandas.DataFrame(X, columns=list("abc")), pandas.DataFrame(X, columns=list("abd"))),
        (sparse.csr_matrix(X), sparse.csr_matrix(X * 2)),
        ([(np.array([0, 1]), np.array([2]))], [(np.array([0, 2]), np.array([1]))]),
        (make_scorer(recall_score), make_scorer(recall_score, pos_label=0)),
        (None, "f1"),
    ],
)
def test_other_things_have_other_texts(one, other):
    assert fingerprint({"thing": one}) == fingerprint({"thing": one})
    assert fingerprint({"thing": one}) != fingerprint({"thing": other})


def test_of_an_estimator_its_class_and_its_parameters_count():
    def of(estimator):
        return fingerprint({"estimator": estimator})

    forest = RandomForestClassifier(max_depth=3)
    assert of(forest) == of(RandomForestClassifier(max_depth=3, n_jobs=-1, verbose=2))
    assert of(forest) == of(RandomForestClassifier(max_depth=3).fit(X, [0, 1, 0, 1]))
    assert of(forest) != of(RandomForestClassifier(max_depth=4))
    assert of(make_pipeline(forest)) == of(make_pipeline(RandomForestClassifier(max_depth=3, n_jobs=2), memory="there"))
    assert of(make_pipeline(forest)) != of(make_pipeline(RandomForestClassifier(max_depth=4)))
    assert of(make_pipeline(forest)) != of(make_pipeline("passthrough"))


def test_what_cannot_be_pickled_by_name_has_no_text():
    assert fingerprint({"scoring": lambda estimator, X: 1.0, "X": X}).keys() == {"X"}  # noqa: N803
