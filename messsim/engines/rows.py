"""A chunk of requests as plain Python numbers, for an engine that handles them one by one."""

from messsim.workload import Chunk
from messsim.workload.chunk import Floats

__all__ = ["Rows"]


class Rows:
    """A chunk's columns as Python numbers: element by element, lists are several times faster than arrays.

    Attributes
    ----------
    coming
        Places of the requests that come at times of their own.
    children
        Of each request, the places of those that wait for its answer; None: nobody waits for one.
    model_before
        Of each turn whose time is known, the model whose answer it follows.
    max_new
        Of each request, and of each model, the longest answer that its servers are told of, tokens.
    grows
        Whether the prompt of a later turn goes on where the answer before ends.
    """

    def __init__(self, chunk: Chunk, known_costs: Floats, feedback_probability: float) -> None:
        assert chunk.output_tokens is not None
        assert chunk.feedback_uniform is not None
        self.chunk = chunk
        self.known_costs = known_costs
        self.coming = range(len(chunk)) if chunk.turns is None else chunk.turns.roots.tolist()
        self.children: list[list[int]] | None = None
        self.grows = chunk.turns is not None and chunk.turns.new_tokens is not None
        self.model_before: dict[int, int] = {}
        if chunk.turns is not None:
            self.wait_s = chunk.turns.wait_s.tolist()
            self.children = [[] for _ in range(len(chunk))]
            for i, parent in enumerate(chunk.turns.parent.tolist()):
                if parent >= 0:
                    self.children[parent].append(i)
        self._session = None if chunk.turns is None else chunk.turns.session.tolist()
        self.arrival_s = chunk.arrival_s.tolist() if chunk.arrival_s is not None else None
        self.tenant = chunk.tenant.tolist()
        self.prompt = chunk.prompt_tokens.tolist()
        self.outputs = list(zip(*chunk.output_tokens.tolist(), strict=True))
        limits = chunk.max_new_tokens
        self.max_new = self.outputs if limits is None else [(n,) * len(chunk.output_tokens) for n in limits.tolist()]
        self.satisfied = list(zip(*chunk.satisfied.tolist(), strict=True))
        self.labels = self.satisfied if chunk.labels is None else list(zip(*chunk.labels.tolist(), strict=True))
        self.rated = (chunk.feedback_uniform < feedback_probability).tolist()
        self.delays = None if chunk.delay_s is None else list(zip(*chunk.delay_s.tolist(), strict=True))

    def session(self, request: int) -> int:
        """The session that a request is a turn of; -1: none."""
        return -1 if self._session is None else self._session[request - self.chunk.first]

    def path(self, request: int) -> list[tuple[int, int]]:
        """The nodes (id, end_tokens) of a request's prompt."""
        paths, i = self.chunk.paths, request - self.chunk.first
        return [] if paths is None else paths.nodes[paths.start[i] : paths.start[i + 1]].tolist()
