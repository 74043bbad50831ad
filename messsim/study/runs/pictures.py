"""Pictures beside results that are already written: one that fails is a note, and nothing is lost."""

from collections.abc import Callable, Mapping
from pathlib import Path

from messsim.results import write_file

__all__ = ["add_pictures"]


def add_pictures(directory: Path, what: str, draw: Callable[[], Mapping[str, bytes]]) -> list[str]:
    """Draws pictures and writes them into a directory of results.

    Parameters
    ----------
    directory
        Where the results are.
    what
        The pictures, in a word.
    draw
        Returns their content by file name.

    Returns
    -------
    list of str
        Why there are none, or only some; empty where there are all.
    """
    try:
        for name, content in draw().items():
            write_file(directory / name, content)
    except KeyboardInterrupt as interrupt:
        interrupt.args = (f"interrupted; {directory} is written, without {what}",)  # of a signal it keeps which
        raise
    except Exception as error:  # whatever a library for drawing raises: the results do not depend on it
        return [f"no {what}: {str(error) or type(error).__name__}"]
    return []
