"""When a search has to end because of an error, as scikit-learn's searches do."""

from manyhands.sklearn.folds import FOLD
from manyhands.trial import Trial, TrialState


class FirstError:
    """Ends the search at the first exception that is not the score of a failed fit.

    Args:
        raises: Whether the search was told to raise what fits raise, so that the loss of a worker ends it too.

    Attributes:
        trial: The trial that failed so; None if none did.
    """

    is_urgent = False

    def __init__(self, *, raises: bool):
        self._raises = raises
        self.trial: Trial | None = None

    def __copy__(self) -> "FirstError":
        return self  # who made it wants to know

    def observe(self, trial: Trial, is_best: bool, direction: str | tuple[str, ...]) -> str | None:
        """Look at an outcome; see ``manyhands.ports.StopRule``."""
        if trial.state is not TrialState.FAILED or FOLD in trial.metrics or self.trial is not None:
            return None
        if trial.lost and not self._raises:
            return None
        self.trial = trial
        return f"candidate {trial.id} failed because {trial.reason}"
