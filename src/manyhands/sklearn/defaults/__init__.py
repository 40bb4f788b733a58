"""Spaces for estimators that nobody has given one for: published ones, around the estimator's own settings.

``spaces`` is where they are put together: ``admitting`` puts an estimator's own settings into them, ``start`` finds
those again, and ``own`` says what they are. The other files have the spaces themselves: ``linear``, ``kernels``,
``trees``, ``boosting``, ``others``, and ``steps`` of pipelines.

Numbers of trees are searched where more are not always better, which is boosting; forests keep theirs. What only
decides how fast an optimum is found (solvers, tolerances) is left alone, as are class weights.

Where the ranges come from:

- Probst, Boulesteix, Bischl: Tunability: importance of hyperparameters of machine learning algorithms. JMLR 20 (2019).
- auto-sklearn: Feurer et al.: Efficient and robust automated machine learning. NeurIPS 2015; the components' code.
- FLAML: Wang et al.: FLAML: a fast and lightweight AutoML library. MLSys 2021; the code.
- TabRepo: Salinas, Erickson: TabRepo: a large scale repository of tabular model evaluations. AutoML 2024.
- Grinsztajn, Oyallon, Varoquaux: Why do tree-based models still outperform deep learning on typical tabular data?
  NeurIPS 2022, appendix.
- Hsu, Chang, Lin: A practical guide to support vector classification. 2003.
"""

from manyhands.sklearn.defaults.spaces import default_space
from manyhands.sklearn.defaults.start import default_start

__all__ = ["default_space", "default_start"]
