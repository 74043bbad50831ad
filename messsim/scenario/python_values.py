"""Values that are given in Python, as a file would hold them."""

from typing import Any

__all__ = ["without_numpy"]


def without_numpy(value: Any) -> Any:
    """Numbers and lists of Python's where they are NumPy's, which no file can hold; within tables and lists too."""
    try:
        return _plain(value)
    except RecursionError:  # a table within itself: left to the checks of a scenario, which tell what is wrong
        return value


def _plain(value: Any) -> Any:
    if type(value) is dict:
        return {key: _plain(v) for key, v in value.items()}
    if type(value) is list or type(value) is tuple:
        return type(value)(map(_plain, value))
    if not hasattr(value, "tolist") or isinstance(value, type):
        return value
    plain = value.tolist()
    if type(plain) is not type(value):
        return _plain(plain)
    return float(value) if hasattr(value, "as_integer_ratio") else value  # of more digits than Python's
