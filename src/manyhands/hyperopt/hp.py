"""The kinds of hyperparameter: ``hp.uniform("x", 0, 1)``."""

from manyhands.hyperopt.pyll_utils import hp_choice as choice
from manyhands.hyperopt.pyll_utils import hp_lognormal as lognormal
from manyhands.hyperopt.pyll_utils import hp_loguniform as loguniform
from manyhands.hyperopt.pyll_utils import hp_normal as normal
from manyhands.hyperopt.pyll_utils import hp_pchoice as pchoice
from manyhands.hyperopt.pyll_utils import hp_qlognormal as qlognormal
from manyhands.hyperopt.pyll_utils import hp_qloguniform as qloguniform
from manyhands.hyperopt.pyll_utils import hp_qnormal as qnormal
from manyhands.hyperopt.pyll_utils import hp_quniform as quniform
from manyhands.hyperopt.pyll_utils import hp_randint as randint
from manyhands.hyperopt.pyll_utils import hp_uniform as uniform
from manyhands.hyperopt.pyll_utils import hp_uniformint as uniformint

__all__ = [
    "choice",
    "lognormal",
    "loguniform",
    "normal",
    "pchoice",
    "qlognormal",
    "qloguniform",
    "qnormal",
    "quniform",
    "randint",
    "uniform",
    "uniformint",
]
