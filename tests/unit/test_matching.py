from typing import Any

import pytest
from msgspec.structs import replace

from manyhands.errors import StudyMismatchError
from manyhands.parameters import Choice, Float, Int
from manyhands.ports import StudySpec
from manyhands.space import Space
from manyhands.stores.matching import check_match, continued

TREE: dict[str, Any] = {"opt": {"rate": Float(0, 1)}, "layers": [Int(1, 9)], "kind": Choice(["a", "b"])}
SPEC = StudySpec("digits", Space(TREE).spec(), metric="f1", n_splits=3, seed=5)


def refusal(asked: StudySpec, *, resume: bool = True) -> str:
    with pytest.raises(StudyMismatchError) as caught:
        check_match(SPEC, asked, resume=resume, where="x.db")
    return str(caught.value)


def test_the_same_study_matches() -> None:
    check_match(SPEC, SPEC, resume=True, where="x.db")


def test_seed_sampler_and_time_need_not_be_given_again() -> None:
    check_match(SPEC, replace(SPEC, seed=-1, sampler="other", created_at=9.0), resume=True, where="x.db")


def test_a_refusal_names_the_study_the_store_and_the_remedy() -> None:
    text = refusal(replace(SPEC, direction="maximize"))

    assert "'digits'" in text
    assert "x.db" in text
    assert "another name=" in text
    assert "it was 'minimize' and is now 'maximize'" in text


def test_going_on_must_be_wanted() -> None:
    assert "resume=True" in refusal(SPEC, resume=False)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"opt": {"rate": Float(0, 2)}}, ["space.opt.rate.high", "1", "2"]),
        ({"opt": {"rate": Float(0, 1, log=False, step=0.5)}}, ["space.opt.rate.step", "null", "0.5"]),
        ({"opt": {"rate": Int(0, 1)}}, ["space.opt.rate", "float", "int"]),
        ({"layers": [Int(1, 9), Int(1, 9)]}, ["space.layers"]),
        ({"layers": [Int(1, 8)]}, ["space.layers[0].high", "9", "8"]),
        ({"kind": Choice(["a", "c"])}, ["space.kind", "b", "c"]),
        ({"more": Int(0, 1)}, ["space", "more"]),
    ],
)
def test_the_first_difference_of_the_spaces_is_shown(changes: dict[str, Any], words: list[str]) -> None:
    text = refusal(replace(SPEC, space=Space({**TREE, **changes}).spec()))

    assert [word for word in words if word not in text] == []


def test_a_long_difference_is_cut() -> None:
    space = Space({**TREE, "kind": Choice(["a", "b", "x" * 5000])}).spec()

    assert len(refusal(replace(SPEC, space=space))) < 700


MADE = replace(SPEC, fingerprint={"X": "3f", "y": "9a"})


def test_other_data_are_refused_by_their_names() -> None:
    with pytest.raises(StudyMismatchError, match=r"'digits' in x\.db .* not what it is now: y\."):
        check_match(MADE, replace(SPEC, fingerprint={"X": "3f", "y": "00"}), resume=True, where="x.db")


@pytest.mark.parametrize("fingerprint", [{}, {"X": "3f"}, {"scoring": "77"}, {"X": "3f", "y": "9a", "scoring": "77"}])
def test_data_that_one_of_two_runs_does_not_know_are_no_reason_to_refuse(fingerprint: dict[str, str]) -> None:
    asked = replace(SPEC, fingerprint=fingerprint, seed=-1, created_at=7.0, sampler="other")

    check_match(MADE, asked, resume=True, where="x.db")

    assert continued(MADE, asked) == replace(MADE, fingerprint={**MADE.fingerprint, **fingerprint}, sampler="other")
