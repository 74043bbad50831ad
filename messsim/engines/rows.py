"""A chunk of requests as plain Python numbers, for an engine that handles them one by one."""

from messsim.workload import Chunk

__all__ = ["Rows"]


class Rows:
    """A chunk's columns as Python numbers: element by element, lists are several times faster than arrays."""

    def __init__(self, chunk: Chunk, feedback_probability: float) -> None:
        assert chunk.output_tokens is not None
        assert chunk.feedback_uniform is not None
        self.chunk = chunk
        self.arrival_s = chunk.arrival_s.tolist() if chunk.arrival_s is not None else None
        self.tenant = chunk.tenant.tolist()
        self.prompt = chunk.prompt_tokens.tolist()
        self.outputs = list(zip(*chunk.output_tokens.tolist(), strict=True))
        self.satisfied = list(zip(*chunk.satisfied.tolist(), strict=True))
        self.labels = self.satisfied if chunk.labels is None else list(zip(*chunk.labels.tolist(), strict=True))
        self.rated = (chunk.feedback_uniform < feedback_probability).tolist()
        self.delays = None if chunk.delay_s is None else list(zip(*chunk.delay_s.tolist(), strict=True))
