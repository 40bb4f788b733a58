"""Support vector machines, and other models with kernels."""

from collections.abc import Sequence

from manyhands.parameters import Choice, Float, Int
from manyhands.sklearn.defaults.kinds import Made, Own, Tree

_COST = Float(2**-10, 2**10, log=True)  # Probst et al.: cost of svm
_WIDTH = Float(2**-15, 2**3, log=True)  # Hsu et al.: gamma
_TUBE = Float(1e-3, 1.0, log=True)  # auto-sklearn: epsilon
_KERNELS = ("linear", "rbf", "poly")


def _kernel(own: Own, default_width: object, kernels: Sequence[str] = _KERNELS) -> Tree:
    """Kernels and degree as Probst et al. (2019), coef0 as auto-sklearn; nothing for kernels that come as a matrix.

    Args:
        own: The estimator's settings.
        default_width: What stands for a gamma that the estimator chooses by itself.
        kernels: What it calls the linear and the Gaussian one, and the polynomial one if that is wanted.
    """
    if own["kernel"] not in (*kernels, "sigmoid"):
        return {}  # a matrix or a function is about this data, and other kernels would not do
    gamma = Choice([default_width, _WIDTH])
    shift = Float(-1.0, 1.0)
    linear, gaussian, *polynomial = kernels
    options: list[Tree] = [{"kernel": linear}, {"kernel": gaussian, "gamma": gamma}]
    options += [{"kernel": name, "gamma": gamma, "degree": Int(2, 5), "coef0": shift} for name in polynomial]
    if own["kernel"] == "sigmoid":
        options.append({"kernel": "sigmoid", "gamma": gamma, "coef0": shift})
    return {"kernel": Choice(options)}


def svc(own: Own) -> Tree:
    """Cost as Probst et al. (2019), gamma as Hsu et al. (2003)."""
    return {"C": _COST, **_kernel(own, "scale")}


def svr(own: Own) -> Tree:
    """The same; epsilon as auto-sklearn."""
    return {"C": _COST, "epsilon": _TUBE, **_kernel(own, "scale")}


def nu_svr(own: Own) -> Tree:
    """The same; nu is a share of the samples, and has no published range that we know of."""
    return {"C": _COST, "nu": Float(0.05, 1.0), **_kernel(own, "scale")}


def linear_svc(own: Own) -> Tree:
    """C as Probst et al. (2019), losses and penalties as auto-sklearn, as far as they go together."""
    if own.get("multi_class") == "crammer_singer":
        return {"C": _COST}  # which has no losses and no penalties
    hinge = {"loss": "hinge", "penalty": "l2"}  # for the dual problem only
    squared = {"loss": "squared_hinge", "penalty": Choice(["l2", "l1"])}  # l1 for the primal problem only
    if own["dual"] == "auto":
        return {"C": _COST, "loss": Choice([hinge, squared])}
    return {"C": _COST, "loss": Choice(["hinge", "squared_hinge"])} if own["dual"] else {"C": _COST, **squared}


def linear_svr(own: Own) -> Tree:
    """As auto-sklearn; the loss that is not squared is for the dual problem only."""
    losses = {"loss": Choice(["epsilon_insensitive", "squared_epsilon_insensitive"])} if own["dual"] else {}
    return {"C": _COST, "epsilon": _TUBE, **losses}


def kernel_ridge(own: Own) -> Tree:
    """Alpha as lambda of glmnet in Probst et al. (2019), kernels as for support vector machines.

    But polynomials only if the estimator's own kernel is one: their matrices are singular too often.
    """
    kernels = ("linear", "rbf", own["kernel"]) if own["kernel"] in ("poly", "polynomial") else ("linear", "rbf")
    return {"alpha": Float(2**-10, 2**10, log=True), **_kernel(own, None, kernels)}


SPACES: dict[str, Made] = {
    "SVC": svc,
    "SVR": svr,
    "NuSVR": nu_svr,
    "LinearSVC": linear_svc,
    "LinearSVR": linear_svr,
    "KernelRidge": kernel_ridge,
    # auto-sklearn: alpha; it starts its range at 1e-14, which is too little for a matrix to be inverted
    "GaussianProcessRegressor": {"alpha": Float(1e-10, 1.0, log=True), "normalize_y": Choice([False, True])},
}
