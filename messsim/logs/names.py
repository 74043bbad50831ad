"""Names of models that may be one model's, written in several ways."""

from collections import defaultdict
from collections.abc import Sequence

__all__ = ["alike"]


def alike(names: Sequence[str]) -> list[str]:
    """A note on each set of names that are the same but for capitals."""
    written: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        written[name.casefold()].append(name)
    return [
        f"models {', '.join(map(repr, several))} differ in capitals alone: if they are one, write it in one way"
        for several in written.values()
        if len(several) > 1
    ]
