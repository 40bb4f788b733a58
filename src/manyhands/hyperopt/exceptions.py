"""What goes wrong in a search with this interface, under the names that scripts catch."""

from typing import Any


class BadSearchSpace(Exception):  # noqa: N818 - scripts catch it by this name
    """The search space makes no sense."""


class DuplicateLabel(BadSearchSpace):
    """Two hyperparameters of a space have the same label."""


class MissingValue(AssertionError):  # noqa: N818 - its siblings have no suffix either
    """A hyperparameter is needed whose value was not given."""


class InvalidTrial(ValueError):  # noqa: N818
    """An object that was to be a trial document is none.

    Attributes:
        obj: The object.
    """

    def __init__(self, msg: str, obj: Any) -> None:
        super().__init__(f"{msg} {obj}")
        self.obj = obj

    def __reduce__(self) -> Any:  # by default it would be called with the joined message alone
        return _invalid_trial, (str(self), self.obj)


def _invalid_trial(text: str, obj: Any) -> InvalidTrial:
    error = InvalidTrial("", obj)
    error.args = (text,)
    return error


class _InvalidResult(ValueError):  # noqa: N818
    """An objective returned what cannot be used.

    Attributes:
        result: What it returned.
    """

    def __init__(self, result: Any) -> None:
        super().__init__(f"{self._wrong}: {result!r}")
        self.result = result

    _wrong = "The objective's result cannot be used"

    def __reduce__(self) -> Any:
        return type(self), (self.result,)


class InvalidResultStatus(_InvalidResult):
    """The status in an objective's result is none of ``STATUS_STRINGS``."""

    _wrong = "The result's 'status' must be one of hyperopt.STATUS_STRINGS, such as hyperopt.STATUS_OK"


class InvalidLoss(_InvalidResult):
    """An objective's result has status ok, and no number as its loss."""

    _wrong = "A result with status 'ok' needs a number as its 'loss'"


class AllTrialsFailed(Exception):  # noqa: N818
    """Not one trial has the status ok and a loss."""


class InvalidAnnotatedParameter(ValueError):  # noqa: N818
    """With ``space="annotated"``, an annotation of the objective is no hyperparameter.

    Attributes:
        result: What was said about it.
    """

    def __init__(self, result: Any) -> None:
        super().__init__(result)
        self.result = result
