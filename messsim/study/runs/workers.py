"""Who makes the runs of a study."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from typing import Protocol, TypeVar

from messsim.errors import MesssimError

__all__ = ["AHEAD", "WAIT_S", "OnProgress", "Workers", "every", "guarded"]

Item = TypeVar("Item")
Value = TypeVar("Value")
OnProgress = Callable[[int, int], None]  # called with how many runs are done, and of how many (at most)

AHEAD = 2  # tasks handed out per worker: the rest stays here, so that an interruption is quick
WAIT_S = 0.1  # then Ctrl-C is heard: Polars' handler restarts a wait that has no end


class Workers(Protocol):
    """Who calls a function for many items at once."""

    def each(
        self,
        function: Callable[[Item], Value],
        items: Iterable[Item],
        *,
        count: int | None = None,
        frees_gil: bool = False,
    ) -> Generator[tuple[int, Value | MesssimError], None, None]:
        """Calls a function for every item and yields what comes back as it comes.

        Parameters
        ----------
        function
            Of one item; importable by name, as pickle wants it. What it returns must not depend on who runs it.
        items
            Read as they are needed: there may be millions.
        count
            How many items there are; none: nobody knows.
        frees_gil
            Whether most of a call runs without Python's global lock, so that threads gain by it.

        Yields
        ------
        tuple of int and value
            The item's position and what came of it. A MesssimError of one item is its value and stops no other.

        Raises
        ------
        SimulationError
            If a worker dies (the machine is out of memory, somebody killed it).
        """
        ...


def guarded(function: Callable[[Item], Value], item: Item) -> Value | MesssimError:
    """What a function returns, or the MesssimError that it raises."""
    try:
        return function(item)
    except MesssimError as error:
        return error


def every(
    workers: Workers, function: Callable[[Item], Value], items: Sequence[Item], *, frees_gil: bool = False
) -> list[Value]:
    """What a function returns for each of some items, in their order.

    Raises
    ------
    MesssimError
        Of the first call that fails.
    """
    made: dict[int, Value] = {}
    with closing(workers.each(function, items, count=len(items), frees_gil=frees_gil)) as result:
        for i, value in result:
            if isinstance(value, MesssimError):
                raise value
            made[i] = value
    return [made[i] for i in range(len(items))]
