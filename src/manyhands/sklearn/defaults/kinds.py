"""What default spaces are made of, as types."""

from collections.abc import Callable, Mapping
from typing import Any

Own = Mapping[str, Any]  #: name of a parameter -> the estimator's own setting
Tree = Mapping[str, object]  #: name of a parameter -> what to search
Made = Tree | Callable[[Own], Tree]  #: a space, or what makes it of the estimator's own settings
