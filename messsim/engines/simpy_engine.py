"""The readable engine: a cluster of LLM servers behind a router, as a SimPy simulation.

Arrivals, clients and failures (breakdowns.py) are SimPy processes; replicas are servers of the calendar
(gpu_server.py); labels are events. What happens to request t, in order:

1. `route`: the router decides by its scores, costs and virtual queue (decisions.py), if that takes time when one of its
   workers is done (workers.py); one copy, or one for every model.
2. `place`: each copy goes to a replica of its model (servers.py), or is turned away. Clients may give up (clients.py).
3. `finished`: a copy is complete; its cost is known; its label sets off, to arrive after a delay.
4. `labels.give`: the virtual queue moves by the label of the answer that the user saw; when all labels of an
   explored request are in, the predictor takes a step.
5. the record is put down when no copy is under way any more.

Physics, scoring, decisions and chance are the kernels of csrc/, so another engine can return the same bits.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any

from messsim.errors import SimulationError
from messsim.routing import PLAN_ALL, PLAN_CHAIN
from messsim.scenario.arrivals import Closed

from .brain import Columns
from .breakdowns import Breakdowns
from .calendar import ARRIVES, RETRIES, Calendar, Moment
from .clients import Clients
from .decisions import Decisions
from .instances import Instances
from .labels import Labels
from .observer import Observer
from .open_request import OpenRequest
from .outcome import Outcome, Progress, assert_none_open
from .records import LOST, REJECTED, TOO_LONG, RecordBook, RecordChunk, Sample, Sink, Timeline
from .rows import Rows
from .scaling import Scaling
from .service import Service
from .setup import Setup
from .turns import Followups
from .workers import Workers

__all__ = ["simulate", "watch"]

PROGRESS_EVERY = 1024
LAST_S = sys.float_info.max  # an empty calendar peeks at infinity

Process = Generator[Any, Any, None]


def simulate(setup: Setup, sink: Sink, progress: Callable[[Progress], None] | None = None) -> Outcome:
    """Runs a scenario.

    Parameters
    ----------
    setup
        The scenario with its workload, pools and policy.
    sink
        Takes the records, in id order, a chunk at a time.
    progress
        Told now and then how far the run is.

    Raises
    ------
    SimulationError
        If the run cannot go on (a policy decides what it must not, too many requests are open).
    """
    simulation = _Simulation(setup, sink, progress)
    with closing(simulation.draws):
        return simulation.run()


def watch(setup: Setup, observer: Observer, until_s: float, progress: Callable[[Progress], None] | None = None) -> None:
    """Runs a scenario up to and including a time, or to its end, for somebody to look at; leaves no records."""
    simulation = _Simulation(setup, _nowhere, progress, observer)
    with closing(simulation.draws):
        simulation.advance(until_s)


def _nowhere(_: RecordChunk) -> None:
    """Records that nobody wants."""


class _Simulation:
    def __init__(
        self,
        setup: Setup,
        sink: Sink,
        progress: Callable[[Progress], None] | None,
        observer: Observer | None = None,
    ) -> None:
        s = self.scenario = setup.scenario
        self.observer = observer
        self.setup = setup
        self.calendar = Calendar()
        self.instances = Instances(s, setup.policy, setup.costs.marginal())
        self.book = RecordBook(sink, s.record.max_open, setup.workload.chunk_size)
        self.timeline = Timeline(setup.workload.length, sum(pool.replicas for pool in setup.pools))
        self.progress = progress
        self.models = len(s.models)
        self.horizon_s = math.inf if s.horizon_s is None else s.horizon_s
        self.labels = Labels(self.instances, self.calendar, self.horizon_s, setup.scenario.feedback.one_sided)
        self.scores = setup.policy.predictor is not None
        self.draws = setup.draws()
        self.rows: Any = None
        self.columns: Any = None
        self.open: set[OpenRequest] = set()
        self.issued = self.labels_of_lost = 0
        self.arrivals_over = False
        self.last_arrival_s = 0.0
        self.service = Service(setup, self.calendar, self.finished, observer)
        self.scaling = Scaling(setup, self.calendar, self.service, self.lose, observer)
        self.decisions = Decisions(setup, self.calendar, self.instances, self.service, observer)
        self.workers = Workers(setup, self.calendar, self.decide_late)
        prompt_costs = setup.costs.of_prompts() if s.sessions is not None else None
        self.turns = Followups(self.calendar, setup.pools, prompt_costs, self.turn_comes, self.book.leave_out)
        self.clients = Clients(
            setup,
            self.calendar,
            self.service,
            self.labels,
            abandon=self.abandon,
            ask_again=self.route_again,
            leave_router=self.leave_router,
            drop=self.drop_copy,
            follow=self.turns.follow,
        )

    # ---- the run ------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        events = self.advance(LAST_S)
        self.service.check()
        if self.horizon_s < math.inf:
            self.cut()
        assert_none_open(len(self.open))
        self.book.close(self.issued)
        self.instances.check()
        return self.outcome(events)

    def advance(self, until_s: float) -> int:
        """Starts, and goes on to a time or to the end; returns how many events happened."""
        law = self.scenario.arrivals
        if law.kind == "closed":
            for number in range(law.clients):
                self.calendar.process(self.client(law, number))
        else:
            self.calendar.process(self.requests_arrive())
        self.scaling.begin()
        if (failures := self.scenario.cluster.failures) is not None:
            chance, service, made = self.setup.workload.chance, self.service, self.progress_made
            pools, retry = service.pools, service.retry
            Breakdowns(failures, self.calendar, chance, pools, self.lose, retry, made, self.observer)
        if (period_s := self.scenario.router.reconciled_s) < math.inf:
            self.calendar.process(self.instances.reconcile_every(self.calendar, period_s))
        calendar, events, last_s = self.calendar, 0, min(self.horizon_s, until_s)
        try:
            while not self.is_over() and calendar.peek() <= last_s:
                calendar.step()
                self.scaling.settle()
                events += 1
        except SimulationError as error:
            raise type(error)(f"{error} (at {calendar.now:.6g} s, after {self.issued} requests)") from None
        return events

    def progress_made(self) -> int:
        """Rises whenever a request arrives or ends."""
        return 2 * self.issued - len(self.open)

    def is_over(self) -> bool:
        return self.arrivals_over and not self.open and not self.labels.to_come and not self.turns.to_come

    def cut(self) -> None:
        """At the horizon: what is under way is charged for what it has used, and recorded as in flight."""
        now = self.horizon_s
        if not self.arrivals_over:
            self.last_arrival_s = now  # clients who never stop: measured to the horizon
            self.end_arrivals(now)
        for job in self.service.withdraw_all(now):
            self.service.charge(job.tag, job)
            if job.model == job.tag.seen:
                job.tag.saw(job)
        for opened in sorted(self.open, key=lambda o: (o.request, o.attempt)):
            if opened in self.open:  # else put down with the attempt before
                self.put_down(opened)

    # ---- arrivals -----------------------------------------------------------------------------------

    def next_rows(self) -> bool:
        """Draws the next chunk of requests; False when there is none."""
        drawn = next(self.draws, None)
        if drawn is None:
            return False
        chunk, known = drawn
        self.book.begin(chunk, known)
        self.columns = self.instances.begin(chunk, known)
        self.rows = Rows(chunk, known, self.scenario.feedback.probability)
        self.turns.expect(self.rows)
        return True

    def requests_arrive(self) -> Process:
        """SimPy process: requests come at their times."""
        at = self.calendar.at
        while self.next_rows():
            first, arrival_s = self.rows.chunk.first, self.rows.arrival_s
            for i in self.rows.coming:
                yield at(arrival_s[i], (ARRIVES, first + i, 0))
                self.route(first + i, i)
        self.end_arrivals(self.calendar.now)  # at the time of the last arrival

    def client(self, law: Closed, number: int) -> Process:
        """SimPy process: one client, who asks again when the last answer is complete (or was refused)."""
        chance, column = self.setup.workload.chance, self.setup.workload.chance.column("think")
        order = (ARRIVES, number, 0)
        yield self.calendar.at(0.0, order)
        while self.issued != self.setup.workload.length:
            request = self.issued
            if self.rows is None or request == self.rows.chunk.first + len(self.rows.chunk):
                self.next_rows()
            opened = self.route(request, request - self.rows.chunk.first)
            if self.issued == self.setup.workload.length:
                self.end_arrivals(self.calendar.now)
            pause_s = law.think_s
            if law.think == "exponential":
                pause_s *= chance.one_exponential(column, request)
            if opened.answered is True:
                yield self.calendar.at(self.calendar.now + pause_s, order)
            else:
                asks_again = Moment(self.calendar)
                opened.answered = (asks_again, pause_s, order)
                yield asks_again

    def end_arrivals(self, now: float) -> None:
        """Utilisation and idle energy are measured to the last arrival."""
        self.arrivals_over = True
        self.measure(now)

    def measure(self, now: float) -> None:
        """Of servers, and of the router."""
        self.service.measure(now)
        self.workers.measure(now)

    # ---- routing ------------------------------------------------------------------------------------

    def route(self, request: int, i: int) -> OpenRequest:
        """Request `request`, the i-th of its chunk, arrives: it is decided, or comes to the router's workers."""
        opened = self.arrive(self.rows, self.columns, i)
        if not self.is_kept_back(opened):
            self.decisions.at_once(opened, i)
            self.begin(opened)
        return opened

    def turn_comes(self, rows: Rows, columns: Columns, i: int) -> None:
        """The time of the i-th request of a chunk has come, a turn of a session."""
        opened = self.arrive(rows, columns, i)
        if not self.is_kept_back(opened):
            self.decisions.alone(opened)
            self.begin(opened)
        if self.arrivals_over:
            self.measure(self.calendar.now)

    def arrive(self, rows: Rows, columns: Columns, i: int) -> OpenRequest:
        """The first attempt of the i-th request of a chunk, undecided."""
        if self.timeline.due(self.issued):
            self.sample(self.issued, self.calendar.now)
        self.issued += 1
        self.last_arrival_s = self.calendar.now
        if self.progress is not None and self.issued % PROGRESS_EVERY == 0:
            self.tell(self.progress)
        return OpenRequest.of(rows, columns, i, self.calendar.now, self.instances.of(columns, i), self.scores)

    def is_kept_back(self, opened: OpenRequest) -> bool:
        """Whether a request that comes is turned away, or has to wait for a decision."""
        if not (opened.columns.known[opened.request - opened.columns.chunk.first] < math.inf).any():
            self.turn_away(opened)
        elif self.workers.take_time:
            self.await_decision(opened)
        else:
            return False
        return True

    def route_again(self, before: OpenRequest) -> None:
        """A request that had no answer arrives again."""
        opened = before.begins_again()
        if self.workers.take_time:
            self.await_decision(opened)
            return
        self.decisions.alone(opened)
        self.begin(opened)

    def begin(self, opened: OpenRequest) -> None:
        """An attempt that was decided as it came is on its way."""
        self.open.add(opened)
        self.clients.wait(opened)
        self.set_off(opened)

    def turn_away(self, opened: OpenRequest) -> None:
        """No model takes so long a request: it is turned away before anybody decides."""
        opened.status = TOO_LONG
        if self.observer is not None:
            self.observer.too_long(self.calendar.now, opened)
        self.clients.release(opened)
        self.book.put(opened.request, opened.row())

    def await_decision(self, opened: OpenRequest) -> None:
        """The router takes its time: an attempt comes to its workers."""
        self.open.add(opened)
        opened.copies += 1  # keeps it open until it is decided
        self.service.count(1)
        self.clients.wait(opened)
        self.workers.enter(opened)

    def decide_late(self, opened: OpenRequest) -> None:
        """A worker of the router is done. Nobody decides for a client who has given up."""
        self.service.count(-1)
        if not opened.gone:
            self.decisions.alone(opened)
            self.set_off(opened)
        self.drop_copy(opened)

    def leave_router(self, opened: OpenRequest) -> None:
        """Who gives up waits for no decision."""
        if self.workers.leave(opened):
            self.service.count(-1)
            self.drop_copy(opened)

    def set_off(self, opened: OpenRequest) -> None:
        """The copies of an attempt that is decided."""
        everyone = opened.decision.plan == PLAN_ALL
        everybody = [m for m in range(self.models) if opened.decision.known[m] < math.inf]
        self.send(opened, everybody if everyone else (opened.seen,))

    def send(self, opened: OpenRequest, models: Any) -> None:
        """Places copies; where labels are immediate, they are in before anyone else is routed."""
        opened.copies += len(models) + 1  # one more keeps the record open until all copies are placed
        opened.unlabelled += len(models)
        sent = [m for m in models if self.place(opened, m)]
        if opened.labelled_at_once:
            for m in sent:
                self.labels.give(opened, m)
        self.drop_copy(opened)

    def place(self, opened: OpenRequest, model: int) -> bool:
        """Sends a copy to its model's servers; False if it is turned away."""
        job = opened.copy(model)
        if not self.service.pools:
            job.served_elsewhere(-1, self.calendar.now, self.calendar.now, self.calendar.now)
            self.finished(job)
            return True
        if self.service.place(job):
            return True
        self.lose(job, rejected=True)
        return False

    # ---- copies -------------------------------------------------------------------------------------

    def finished(self, job: Any) -> None:
        """A copy is complete."""
        opened, model = job.tag, job.model
        if opened.gone:
            self.abandon(job)
            return
        if self.observer is not None and not self.service.detokenizes(job):  # else it has heard already
            self.observer.finished(self.calendar.now, job)
        cost = self.service.charge(opened, job)
        self.instances.brains[opened.instance].learn_cost(model, cost, opened.explored)
        self.service.leave()
        if opened.decision.plan & PLAN_CHAIN and self.goes_on(opened, job):
            opened.jobs.remove(job)
            return
        if model == opened.seen:
            opened.answer(job)
        if not opened.labelled_at_once:
            self.labels.send(opened, model)
        elif opened.heard_of(model):
            opened.feedback_s = opened.decided_s
        if model == opened.seen:
            self.clients.release(opened)
        self.leave(job)

    def goes_on(self, opened: OpenRequest, job: Any) -> bool:
        """Chains: asks the next model, if there is one. Only the last answer is the user's."""
        following = self.instances.following(opened, job.model)
        if following == self.models:
            return False
        opened.saw(job)
        opened.exploration_cost = opened.cost
        opened.unlabelled -= 1
        opened.stage += 1
        opened.seen = following
        order = (RETRIES, opened.request, following)
        self.calendar.call_at(lambda _: self.ask_next(opened, following), self.calendar.now, order)
        return True

    def ask_next(self, opened: OpenRequest, model: int) -> None:
        opened.copies -= 1
        self.send(opened, (model,))

    def lose(self, job: Any, *, rejected: bool = False) -> None:
        """A copy is turned away, or lost with its replica."""
        opened, model = job.tag, job.model
        if opened.gone:
            self.abandon(job)
            return
        if self.observer is not None:
            self.observer.lost(self.calendar.now, job, rejected)
        self.service.charge(opened, job)
        self.service.leave()
        if model == opened.seen:
            opened.saw(job)
            self.clients.get_none(opened, REJECTED if rejected else LOST)
            if not rejected and opened.heard_of(model) and opened.labelled_at_once:
                self.labels_of_lost += 1
        if rejected or not opened.labelled_at_once:
            self.labels.miss(opened)
        self.leave(job)

    def abandon(self, job: Any) -> None:
        """A copy that nobody waits for any more has left its server: it is charged, and has no label."""
        opened = job.tag
        if self.observer is not None:
            self.observer.abandoned(self.calendar.now, job)
        self.service.charge(opened, job)
        self.service.leave()
        if job.model == opened.seen:
            opened.saw(job)
        self.labels.miss(opened)
        self.leave(job)

    def leave(self, job: Any) -> None:
        """A copy has left its server."""
        job.tag.jobs.remove(job)
        self.drop_copy(job.tag)

    def drop_copy(self, opened: OpenRequest) -> None:
        """One copy fewer is under way; with the last the attempt is over."""
        opened.copies -= 1
        if opened.copies == 0:
            self.put_down(opened)

    def put_down(self, opened: OpenRequest) -> None:
        """No copy is under way any more: the record stands, or what it cost goes to the next attempt."""
        self.open.remove(opened)
        if opened.heir is None:
            self.book.put(opened.request, opened.row())
            return
        opened.pass_on(opened.heir)
        self.drop_copy(opened.heir)

    # ---- telling ------------------------------------------------------------------------------------

    def sample(self, request: int, now: float) -> None:
        queues = self.instances.queues()
        explored, service = self.decisions.explored, self.service
        unfinished, energy_j, prompts = service.unfinished(), service.energy_j(), service.prompt_tokens()
        self.timeline.add(Sample(request, now, *queues, explored, unfinished, energy_j, *prompts, service.replicas()))

    def tell(self, progress: Callable[[Progress], None]) -> None:
        length, horizon_s, now = self.setup.workload.length, self.scenario.horizon_s, self.calendar.now
        mean, queue = self.instances.standing()
        progress(Progress(self.issued, length, now, horizon_s, mean, queue, lambda: self.timeline, self.answered))

    def answered(self) -> list[int]:
        """Answers by model whose records are not handed on."""
        return self.book.answered(len(self.scenario.models))

    def outcome(self, events: int) -> Outcome:
        end_s = self.calendar.now if self.horizon_s == math.inf else self.horizon_s
        return Outcome(
            issued=self.issued,
            attempts=self.decisions.attempts,
            explored=self.decisions.explored,
            rated=self.decisions.rated,
            labels_of_lost=self.labels_of_lost,
            last_arrival_s=self.last_arrival_s,
            end_s=end_s,
            events=events,
            updates=self.instances.updates,
            tenants=[self.instances.outcome(k, t.name) for k, t in enumerate(self.scenario.promises)],
            pools=self.service.outcomes(self.last_arrival_s, end_s),
            timeline=self.timeline,
            turns_not_sent=self.turns.not_sent,
            in_system_integral=self.service.in_system_integral,
            router=self.workers.outcome,
            transfers=self.service.transfers.outcome,
        )
