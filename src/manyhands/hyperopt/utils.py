"""What libraries that lead a search themselves need beside ``Domain`` and ``Trials``."""

from typing import Any

from manyhands.hyperopt.documents import now as coarse_utcnow
from manyhands.hyperopt.pyll.base import Apply, Literal, dfs

__all__ = ["coarse_utcnow", "use_obj_for_literal_in_memo"]


def use_obj_for_literal_in_memo(expr: Apply, obj: Any, lit: Any, memo: dict[Any, Any]) -> dict[Any, Any]:
    """Let an object stand where a constant stands in an expression, such as an evaluation's ``Ctrl`` for the class.

    Args:
        expr: The expression.
        obj: The object.
        lit: The constant.
        memo: Values of nodes; is added to.

    Returns:
        ``memo``.
    """
    for node in dfs(expr):
        if isinstance(node, Literal) and _is(node.obj, lit):
            memo[node] = obj
    return memo


def _is(constant: Any, lit: Any) -> bool:
    try:
        return bool(constant == lit)
    except ValueError:  # arrays are not simply equal or different
        return False
