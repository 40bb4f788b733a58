"""Where scripts find ``MongoTrials``: many import it, and use it only if they are told to."""

from typing import Any, NoReturn

from manyhands.hyperopt.base import Trials


class MongoTrials(Trials):
    """Trials in a MongoDB, which there are none of here.

    Raises:
        NotImplementedError: Always.
    """

    def __init__(self, arg: Any, exp_key: Any = None, refresh: bool = True) -> NoReturn:
        raise NotImplementedError(
            f"MongoTrials({arg!r}): trials are not kept in a MongoDB here. To evaluate several at a time, use "
            "ProcessTrials(8) on one machine or SparkTrials(8) on a cluster; trials_save_file= keeps them in a file."
        )
