"""What an engine leaves behind: one row a request, in id order, and a few thousand samples on the way."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from messsim import _core
from messsim.errors import SimulationError
from messsim.workload import Chunk
from messsim.workload.chunk import Floats, selected

__all__ = [
    "COLUMNS",
    "OF_TURNS",
    "STATUS",
    "RecordBook",
    "RecordChunk",
    "Sample",
    "Samples",
    "Timeline",
    "in_columns",
    "of_turns",
    "rows_of",
    "too_many_open",
]

COMPLETED, REJECTED, LOST, IN_FLIGHT, TIMED_OUT, TOO_LONG = range(6)
STATUS = ("completed", "rejected", "lost", "in_flight", "timed_out", "too_long")

# Times are NaN where they did not happen, model and replica -1 where there was none.
COLUMNS: dict[str, DTypeLike] = {
    "id": np.int64,
    "tenant": np.int32,
    "instance": np.int32,  # of the router, that decided
    "arrival_s": np.float64,
    "explored": np.bool_,
    "model": np.int32,
    "replica": np.int32,
    "prompt_tokens": np.int32,
    "output_tokens": np.int32,
    "queue": np.float64,  # the virtual queue that the decision saw
    "score": np.float64,  # predicted satisfaction of the model whose answer the user got
    "satisfied": np.float64,
    "feedback_s": np.float64,
    "start_s": np.float64,
    "first_token_s": np.float64,
    "finish_s": np.float64,
    "preemptions": np.int32,
    "cached_prompt_tokens": np.int32,  # that its admission found in the replica's prefix cache
    "cached_recompute_tokens": np.int64,  # that it found there when it was computed again
    "attempts": np.int32,  # how often its client asked
    "energy_j": np.float64,  # of all copies
    "cost": np.float64,  # of all copies, in the scenario's unit
    "exploration_cost": np.float64,  # of the copies that the user did not see
    "status": np.int8,
}
MODEL_AT, STATUS_AT = (list(COLUMNS).index(name) for name in ("model", "status"))
OF_TURNS: dict[str, DTypeLike] = {"session": np.int64, "turn": np.int32}  # where requests are turns of sessions


LINE_BYTES = 64  # of the processor's cache
ROWS_AT_ONCE = 4096


def rows_of(n: int) -> NDArray[Any]:
    """An array [n] of ms_record (csrc/open.h) for `_core.Page`, which begins with a line of the processor's cache."""
    kind = np.dtype(list(_core.RECORD_COLUMNS.items()), align=True)
    memory = np.empty(n * kind.itemsize + LINE_BYTES, np.uint8)
    return memory[-memory.ctypes.data % LINE_BYTES :][: n * kind.itemsize].view(kind)


def in_columns(records: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Columns of such rows, each by itself; a few rows at a time, which stay in the processor's cache meanwhile."""
    columns = {name: np.empty(len(column), column.dtype) for name, column in records.items()}
    for first in range(0, len(records["status"]), ROWS_AT_ONCE):
        some = slice(first, first + ROWS_AT_ONCE)
        for name, column in columns.items():
            column[some] = records[name][some]
    return columns


@dataclass(frozen=True)
class RecordChunk:
    """Records of neighbouring requests, with the draws and known costs [models, n] behind them.

    Turns of sessions that were not sent have none.
    """

    columns: dict[str, NDArray[Any]]
    drawn: Chunk
    known_costs: Floats

    def __len__(self) -> int:
        return len(self.columns["id"])


def of_turns(
    columns: dict[str, NDArray[Any]], drawn: Chunk, known_costs: Floats, sent: NDArray[np.intp] | slice
) -> RecordChunk:
    """Records of turns of sessions; `columns` are those of the requests that were sent, at these places of it.

    A slice, where all were, copies nothing.
    """
    assert drawn.turns is not None
    columns = columns | {"session": drawn.turns.session[sent], "turn": drawn.turns.turn[sent]}
    return RecordChunk(columns, selected(drawn, sent), np.ascontiguousarray(known_costs[:, sent]))


Sink = Callable[[RecordChunk], None]
Row = tuple[Any, ...]


class _Page:
    """The rows of one chunk of requests, while some of them are open."""

    __slots__ = ("drawn", "known_costs", "open", "rows")

    def __init__(self, drawn: Chunk, known_costs: Floats) -> None:
        self.drawn = drawn
        self.known_costs = known_costs
        self.rows: list[Row | None] = [None] * len(drawn)
        self.open = len(drawn)


def too_many_open(most: int, oldest: int) -> SimulationError:
    """The error of a run in which one request is left behind while millions pass it."""
    return SimulationError(
        f"more than record.max_open = {most} requests lie between request {oldest}, still unfinished, and the newest: "
        "a pool, or a router whose decisions take time, is far beyond its capacity; expected more replicas, more "
        "router.workers, cluster.admission, or a lower rate"
    )


class RecordBook:
    """Collects rows in any order and hands them on in id order, a chunk at a time.

    Memory is that of the requests between the oldest open one and the newest; past `max_open` the run stops.
    """

    def __init__(self, sink: Sink, max_open: int, size: int) -> None:
        self._sink = sink
        self._max_open = max_open
        self._size = size
        self._pages: dict[int, _Page] = {}  # by their first request, which rises
        self._firsts: list[int] = []
        self._next = 0  # page to be handed on

    def begin(self, drawn: Chunk, known_costs: Floats) -> None:
        """A new chunk of requests is about to arrive."""
        self._pages[drawn.first] = _Page(drawn, known_costs)
        self._firsts.append(drawn.first)
        if len(self._pages) * self._size > self._max_open + 2 * self._size:
            raise too_many_open(self._max_open, self._firsts[self._next])

    def put(self, request: int, row: Row) -> None:
        """The row of a request whose copies are all done, in the order of COLUMNS."""
        first = self._first_of(request)
        self._pages[first].rows[request - first] = row
        self._count(first)

    def answered(self, models: int) -> list[int]:
        """Answers by model, of pages that are not handed on."""
        counts = [0] * models
        for page in self._pages.values():
            for row in page.rows:
                if row is not None and row[STATUS_AT] == COMPLETED:
                    counts[row[MODEL_AT]] += 1
        return counts

    def leave_out(self, request: int) -> None:
        """A turn of a session is not sent."""
        self._count(self._first_of(request))

    def _first_of(self, request: int) -> int:
        return self._firsts[bisect_right(self._firsts, request, self._next) - 1]

    def _count(self, first: int) -> None:
        page = self._pages[first]
        page.open -= 1
        if page.open == 0:
            self._hand_on()

    def close(self, issued: int) -> None:
        """Hands on what is left, cut to the requests that were issued."""
        for first in sorted(self._pages):
            page = self._pages.pop(first)
            count = min(max(issued - first, 0), len(page.rows)) if page.drawn.turns is None else len(page.rows)
            self._give(page, count)

    def _hand_on(self) -> None:
        while self._next < len(self._firsts) and self._pages[self._firsts[self._next]].open == 0:
            page = self._pages.pop(self._firsts[self._next])
            self._next += 1
            self._give(page, len(page.rows))

    def _give(self, page: _Page, count: int) -> None:
        rows = [row for row in page.rows[:count] if row is not None]
        if not rows:
            return
        sent = np.array([row[0] for row in rows]) - page.drawn.first
        columns = {
            name: np.array(column, dtype=dtype)
            for (name, dtype), column in zip(COLUMNS.items(), zip(*rows, strict=True), strict=True)
        }
        if page.drawn.turns is None:
            self._sink(RecordChunk(columns, page.drawn, page.known_costs))
        else:
            self._sink(of_turns(columns, page.drawn, page.known_costs, sent))


@dataclass(frozen=True, slots=True)
class Sample:
    """The state of a run as one request arrives.

    `queue` and `queue_tracked` are sums over tenants; `in_system`, `energy_j` (idle energy included), the tokens of
    prompts that replicas with a prefix cache have started, of which some were cached, and `replicas` (up, loading,
    draining) are by pool.
    """

    request: int
    time_s: float
    queue: float
    queue_tracked: float
    certificate: float
    explored: int
    in_system: tuple[int, ...]
    energy_j: tuple[float, ...]
    prompt_tokens: tuple[int, ...]
    cached_prompt_tokens: tuple[int, ...]
    replicas: tuple[tuple[int, int, int], ...] = ()


OF_REALS = frozenset({"time_s", "queue", "queue_tracked", "certificate", "energy_j"})  # all else are whole numbers


class Samples(Sequence[Sample]):
    """Samples that stand in columns: each is made when somebody reads it; most runs of a study read the last alone.

    Parameters
    ----------
    columns
        One array for each attribute of `Sample`, in their order: [samples], [samples, pools], and [samples, pools, 3].
    """

    def __init__(self, columns: Sequence[NDArray[Any]]) -> None:
        self._columns = tuple(columns)

    def __len__(self) -> int:
        return len(self._columns[0])

    @property
    def columns(self) -> tuple[NDArray[Any], ...]:
        """The arrays."""
        return self._columns

    @overload
    def __getitem__(self, at: int) -> Sample: ...
    @overload
    def __getitem__(self, at: slice) -> "Samples": ...
    def __getitem__(self, at: int | slice) -> "Sample | Samples":
        if isinstance(at, slice):
            return Samples([column[at] for column in self._columns])
        return Sample(*(_tuples(column[at].tolist()) for column in self._columns))

    def __iter__(self) -> Iterator[Sample]:
        for row in zip(*(column.tolist() for column in self._columns), strict=True):
            yield Sample(*map(_tuples, row))


def _tuples(value: Any) -> Any:
    """Lists, and those in them, as tuples."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


class Timeline:
    """Samples at every `stride`-th request; when there are too many, every other one goes.

    A sample asks every replica: of more than `FEW` there are fewer, in proportion, but not fewer than `LEAST`.
    """

    MOST, LEAST, FEW = 4096, 512, 1024

    def __init__(self, requests: int | None = None, replicas: int = 1, columns: Samples | None = None) -> None:
        self._taken: list[Sample] = []
        self._columns = columns
        self._most = max(self.LEAST, self.MOST >> max(0, (replicas - 1) // self.FEW).bit_length())
        self.stride = 1
        while requests is not None and (requests - 1) // self.stride >= self._most:  # take none that would go again
            self.stride *= 2

    @property
    def samples(self) -> Sequence[Sample]:
        """Those that stand."""
        return self._taken if self._columns is None else self._columns

    def columns(self) -> dict[str, NDArray[Any]]:
        """The same as one array for each attribute of `Sample`, by its name."""
        names = [field.name for field in fields(Sample)]
        if self._columns is not None:
            columns: Sequence[Any] = self._columns.columns
        else:
            columns = [[getattr(sample, name) for sample in self._taken] for name in names]
        return {
            name: np.asarray(column, np.float64 if name in OF_REALS else np.int64)
            for name, column in zip(names, columns, strict=True)
        }

    def due(self, request: int) -> bool:
        """Whether a request is to be sampled."""
        return request % self.stride == 0

    def add(self, sample: Sample) -> None:
        """Adds a sample that was due."""
        self._taken.append(sample)
        if len(self._taken) > self._most:
            self._taken = self._taken[::2]
            self.stride *= 2
