"""A request between its decision and its record."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from messsim.routing import PLAN_CHAIN
from messsim.workload.chunk import Floats

from .brain import Columns, Decision
from .job import Job
from .records import COMPLETED, IN_FLIGHT, Row
from .rows import Rows

__all__ = ["OpenRequest"]

NAN = math.nan


class OpenRequest:
    """What is known of a request that still has a copy under way or a label to come.

    Attributes
    ----------
    attempt
        How many attempts came before this one.
    heir
        The next attempt, if there is one.
    instance
        Of the router, that decides.
    decision, seen
        What was decided, and the index of the model whose answer the user gets; None and -1 before.
    decided_s
        When the router decided; before, since when the attempt waits for that.
    ratings
        What a user would say of each model's answer: `satisfied`, unless raters err.
    rows
        The chunk that it is of.
    copies
        Copies under way, and one for whatever else keeps the record open.
    jobs
        These copies, the last placed last.
    gone, over
        Whether its client has given up; whether the client does not wait for this attempt any more.
    unlabelled
        Copies whose label is still to come; lost and rejected ones never have one.
    """

    __slots__ = (
        "answered",
        "arrival_s",
        "attempt",
        "cached_prompt_tokens",
        "cached_recompute_tokens",
        "columns",
        "copies",
        "cost",
        "decided_s",
        "decision",
        "delays",
        "energy_j",
        "exploration_cost",
        "explored",
        "explored_before",
        "features",
        "feedback_s",
        "finish_s",
        "first_token_s",
        "gone",
        "heir",
        "instance",
        "jobs",
        "labels",
        "outputs",
        "over",
        "preemptions",
        "prompt",
        "rated",
        "ratings",
        "replica",
        "request",
        "rows",
        "satisfied",
        "scored",
        "seen",
        "stage",
        "start_s",
        "status",
        "tenant",
        "unlabelled",
    )

    def __init__(
        self,
        request: int,
        tenant: int,
        arrival_s: float,
        prompt: int,
        outputs: tuple[int, ...],
        satisfied: tuple[float, ...],
        ratings: tuple[float, ...],
        delays: tuple[float, ...] | None,
        rated: bool,
        instance: int,
        scored: bool,
        columns: Columns,
        rows: Rows,
    ) -> None:
        self.request = request
        self.rows = rows
        self.tenant = tenant
        self.arrival_s = arrival_s
        self.prompt = prompt
        self.outputs = outputs
        self.satisfied = satisfied
        self.ratings = ratings
        self.delays = delays
        self.rated = rated
        self.instance = instance
        self.scored = scored
        self.columns = columns
        self.decision: Any = None  # a Decision
        self.seen = -1
        self.explored = False
        self.decided_s = NAN
        self.copies = 0
        self.unlabelled = 0
        self.stage = 0
        self.features: Floats | None = None  # kept only where the predictor will learn from them
        self.labels: Floats | None = None
        self.jobs: list[Any] = []
        self.gone = self.over = False
        self.answered: Any = None  # True, or what wakes the closed-loop client who waits
        self.attempt = 0
        self.explored_before = False
        self.heir: OpenRequest | None = None
        self.status = IN_FLIGHT
        self.replica = -1
        self.preemptions = self.cached_prompt_tokens = self.cached_recompute_tokens = 0
        self.start_s = self.first_token_s = self.finish_s = self.feedback_s = NAN
        self.energy_j = self.cost = self.exploration_cost = 0.0

    @classmethod
    def of(cls, rows: Rows, columns: Columns, i: int, now: float, instance: int, scored: bool) -> OpenRequest:
        """The first attempt of the i-th request of a chunk, undecided."""
        return cls(
            rows.chunk.first + i,
            rows.tenant[i],
            now,
            rows.prompt[i],
            rows.outputs[i],
            rows.satisfied[i],
            rows.labels[i],
            None if rows.delays is None else rows.delays[i],
            rows.rated[i],
            instance,
            scored,
            columns,
            rows,
        )

    def copy(self, model: int) -> Job:
        """One more copy, for the servers of a model."""
        job = self.draft(model)
        self.jobs.append(job)
        return job

    def draft(self, model: int) -> Job:
        """A job as a copy for a model comes to dispatch."""
        attempt, path = self.attempt << 16, self.rows.path(self.request)  # leaves room for failures
        # the answer that the user sees goes on where the prompt ends; of a chain nobody knows yet whether they do
        goes_on = self.rows.grows and model == self.seen and not self.decision.plan & PLAN_CHAIN
        node = path[-1][0] if goes_on else None
        session = self.rows.session(self.request)
        answer, most = self.outputs[model], self.max_new(model)
        return Job(self.request, model, self.prompt, answer, self, attempt, path, node, session, most)

    def max_new(self, model: int) -> int:
        """The longest answer that the servers of a model are told of, tokens."""
        return int(self.rows.max_new[self.request - self.columns.chunk.first][model])

    def decides(self, decision: Decision, seen: int, explored: bool, now: float) -> None:
        """The router has chosen."""
        self.decision, self.seen, self.explored, self.decided_s = decision, seen, explored, now

    @property
    def completed(self) -> bool:
        """Whether its user has the answer."""
        return self.status == COMPLETED

    @property
    def labelled_at_once(self) -> bool:
        """Its labels are in before the next request is routed. A chain's answer is not known by then."""
        return self.delays is None and not self.decision.plan & PLAN_CHAIN

    def heard_of(self, model: int) -> bool:
        """Whether the router hears what the user says of this copy: the one they saw, if they say anything."""
        return self.rated and model == self.seen and not math.isnan(self.ratings[model])

    def price_factor(self, model: int) -> float:
        """What multiplies the prices of a model's APIs for this request."""
        chunk = self.columns.chunk
        return 1.0 if chunk.price_factor is None else float(chunk.price_factor[model, self.request - chunk.first])

    def begins_again(self) -> OpenRequest:
        """The next attempt, undecided; this one counts as a copy of it."""
        heir = OpenRequest(
            self.request,
            self.tenant,
            self.arrival_s,
            self.prompt,
            self.outputs,
            self.satisfied,
            self.ratings,
            self.delays,
            self.rated,
            self.instance,
            self.scored,
            self.columns,
            self.rows,
        )
        heir.attempt = self.attempt + 1
        heir.explored_before = self.explored or self.explored_before
        heir.answered, self.answered = self.answered, None
        heir.copies = 1
        self.heir = heir
        return heir

    def pass_on(self, heir: OpenRequest) -> None:
        """What an attempt without an answer has cost goes to the next."""
        heir.energy_j += self.energy_j
        heir.cost += self.cost
        heir.exploration_cost += self.exploration_cost
        heir.preemptions += self.preemptions
        heir.cached_recompute_tokens += self.cached_recompute_tokens

    def will_learn(self, features: Floats) -> None:
        """The predictor will take a step on this request when its labels are in."""
        self.features = features.copy()
        self.labels = np.full(len(self.outputs), NAN)

    def pay(self, model: int, energy_j: float, cost: float) -> None:
        """Charges a copy that is complete or lost."""
        self.energy_j += energy_j
        self.cost += cost
        if model != self.seen:
            self.exploration_cost += cost

    def answer(self, job: Any) -> None:
        """The copy that the user sees is complete."""
        self.status = COMPLETED
        self.saw(job)
        self.finish_s = job.finish_s

    def saw(self, job: Any) -> None:
        """Takes over what has happened so far to the copy that the user sees."""
        self.replica = job.replica
        self.preemptions += job.preemptions
        self.cached_prompt_tokens = job.cached_prompt_tokens
        self.cached_recompute_tokens += job.cached_recompute_tokens
        if self.stage == 0:
            self.start_s = job.start_s
        self.first_token_s = job.first_token_s

    def row(self) -> Row:
        """Its record, in the order of COLUMNS."""
        completed = self.completed
        return (
            self.request,
            self.tenant,
            self.instance,
            self.arrival_s,
            self.explored or self.explored_before,
            self.seen,
            self.replica,
            self.prompt,
            self.outputs[self.seen] if self.seen >= 0 else 0,
            self.decision.queue if self.decision is not None else NAN,
            self.decision.scores[self.seen] if self.decision is not None and self.scored else NAN,
            self.satisfied[self.seen] if completed else NAN,
            self.feedback_s if completed else NAN,
            self.start_s,
            self.first_token_s,
            self.finish_s,
            self.preemptions,
            self.cached_prompt_tokens,
            self.cached_recompute_tokens,
            self.attempt + 1,
            self.energy_j,
            self.cost,
            self.exploration_cost,
            self.status,
        )
