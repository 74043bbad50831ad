"""Who may watch a run of the SimPy engine from outside: told what happens as it happens, never asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .open_request import OpenRequest

__all__ = ["Observer"]

Job = Any  # messsim._core.Job: its `tag` is the OpenRequest that it is a copy of


class Observer(Protocol):
    """Hears of a run in order of time; all times are seconds. What it does changes nothing in the run."""

    def decided(self, time_s: float, request: OpenRequest) -> None:
        """The router has decided; the copies are not placed yet."""
        ...

    def too_long(self, time_s: float, request: OpenRequest) -> None:
        """A request that no model can take is turned away."""
        ...

    def batch_starts(
        self,
        time_s: float,
        replica: int,
        decoding: list[Job],
        prefilling: list[Job],
        waiting: int,
        prompt_tokens: tuple[int, int] | None,
    ) -> None:
        """An iteration starts with these jobs, and the same ones run until the next call: both empty if it idles.

        A job that was in the last batch and is in none now is finished, preempted or failed; who is preempted waits
        again, and is prefilled again. `waiting` is the length of the queue that the replica takes from, `prompt_tokens`
        what it has started of prompts so far and how many of these were in its prefix cache; None without one.
        """
        ...

    def call_begins(self, time_s: float, job: Job, first_token_s: float) -> None:
        """An API begins with a job, whose first token comes then unless it fails before."""
        ...

    def prefilled(self, time_s: float, job: Job) -> None:
        """A prompt is computed for another replica, and has left its batch."""
        ...

    def transfer_begins(self, time_s: float, replica: int, job: Job) -> None:
        """Its KV sets off to where it decodes."""
        ...

    def transferred(self, time_s: float, replica: int, job: Job) -> None:
        """And is there."""
        ...

    def finished(self, time_s: float, job: Job) -> None:
        """A copy is complete."""
        ...

    def lost(self, time_s: float, job: Job, rejected: bool) -> None:
        """A copy is turned away, or lost with its replica."""
        ...

    def abandoned(self, time_s: float, job: Job) -> None:
        """A copy has left its server whose client has given up."""
        ...

    def failed(self, time_s: float, replica: int) -> None:
        """A replica goes down; what it ran is lost, or placed again."""
        ...

    def scaled(self, time_s: float, replica: int, phase: str) -> None:
        """A replica of a pool that changes its size is from now on "ready", "loading", "draining" or "off"."""
        ...

    def repaired(self, time_s: float, replica: int) -> None:
        """It is up again."""
        ...
