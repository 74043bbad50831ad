"""The slow truth: one replica of an LLM server, stepped iteration by iteration.

This module shares no code with the C kernel, and no cleverness: where the kernel jumps over many iterations
in closed form, this server plays each of them, recomputes every sum from its list of sequences and adds
``t += tau``. The rules of memory and of the engines' schedules stand beside it.

The arithmetic is generic. If every coefficient and every arrival time is an ``int`` or a ``Fraction``, all
results are exact ``Fraction``; if one of them is a ``float``, all are turned into floats, results included.

Symbols, as in docs/model.md, The server
----------------------------------------
p
    Prompt tokens of an iteration, over all prompts i: p_i now, c_i cached before it.
B
    Decoding sequences of an iteration; each takes one token.
K
    Cached tokens of those B sequences, before the new token.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Literal, NamedTuple, TypeAlias

from .memory import Memory
from .schedules import FIRST_RATIO, Server, plan

Number: TypeAlias = int | Fraction | float
Prompts: TypeAlias = Sequence[tuple[int, int]]  # (p_i, c_i)


@dataclass(frozen=True)
class Coefficients:
    """Physics of one replica.

    Attributes
    ----------
    a0, c1, nstar
        Seconds an iteration; seconds a token beyond `nstar` tokens.
    ae, se, experts, top_k
        Mixture of experts: seconds when all `experts` are loaded, and the exponent a token. A dense model has
        ``ae = 0``; the other three are then never read. Exact runs need an integer `se`.
    ab, ak, akm, aq
        Seconds a decoding sequence; a cached token of those; that again when prompts run too; a pair of
        prompt token and token attended to.
    p0, p_cap
        Watts of the whole replica (already times its number of GPUs): floor while busy, and power cap.
    e, ek
        Joules a token computed; joules a cached token read by a decoding sequence.
    c0
        Seconds a token.
    a1, ac, akx, abk
        Only where prompts run: seconds; seconds a token of them that is cached already; a cached token of the mean
        decoding sequence; a pair of cached token and decoding sequence.
    h0, h1, after, overlaps
        Host: seconds an iteration and a sequence in it, which the GPU waits for, or, where it `overlaps`, which
        hide behind the GPU's work, `after` seconds but.
    knots
        (tokens, seconds) in rising order: in place of a0, c0, c1, nstar and the experts.
    d0, d1
        With drafts: seconds an iteration that decodes, and a decoding sequence of it.
    """

    a0: Number
    c1: Number
    nstar: Number
    ae: Number
    se: Number
    experts: Number
    top_k: Number
    ab: Number
    ak: Number
    akm: Number
    aq: Number
    p0: Number
    e: Number
    ek: Number
    p_cap: Number
    c0: Number = 0
    a1: Number = 0
    ac: Number = 0
    akx: Number = 0
    abk: Number = 0
    h0: Number = 0
    h1: Number = 0
    after: Number = 0
    overlaps: bool = False
    knots: tuple[tuple[Number, Number], ...] = ()
    d0: Number = 0
    d1: Number = 0


@dataclass(frozen=True)
class Limits:
    """Limits of one replica; `max_num_seqs` counts the partial prefill too.

    With a `lookahead` of 1 an iteration is planned when the one before it starts. Who comes is looked for after an
    iteration with prompts, and after every `recv_interval` others.
    """

    max_num_seqs: int
    max_batched_tokens: int
    kv_capacity_tokens: int
    kv_policy: Literal["recompute", "reserve"]
    kv_block_tokens: int = 1
    prefix_cache: bool = False
    schedule: Literal["vllm", "sglang", "tensorrt-llm"] = "vllm"
    max_new_tokens: int = 0
    whole_prompts: bool = False
    order: Literal["fcfs", "priority", "edf"] = "fcfs"
    draft_tokens: int = 0
    lookahead: int = 0
    recv_interval: int = 1


@dataclass(frozen=True)
class Arrival:
    """A request; its id is its position in the list of arrivals, which is sorted by time.

    Its client may give up: the server stops working on it, at the next end of an iteration where it runs.
    `path` are the nodes (id, end_tokens) that its prompt begins with, `answer_node` the last one if the answer is to
    continue it. With drafts `iterations` give its answer after the first token. Of `priority` lower comes first;
    `deadline` is when its first token is wanted, None: at no time. Its client allows `max_new_tokens` of answer; None:
    as many as it has.
    """

    time: Number
    prompt_tokens: int
    output_tokens: int
    gives_up: Number | None = None
    path: tuple[tuple[int, int], ...] = ()
    answer_node: int | None = None
    priority: int = 0
    deadline: Number | None = None
    iterations: int | None = None
    max_new_tokens: int | None = None

    @property
    def allowed(self) -> int:
        """The longest answer that it may become, as its server is told."""
        return self.output_tokens if self.max_new_tokens is None else self.max_new_tokens


@dataclass
class Outcome:
    """What became of a request: times in seconds, None where they never came; its share of the energy in joules."""

    start_s: Number | None
    first_token_s: Number | None
    finish_s: Number | None
    preemptions: int
    energy_j: Number
    cached_prompt_tokens: int = 0
    cached_recompute_tokens: int = 0


class Step(NamedTuple):
    """One iteration, for debugging: (p, B, K) are `prompt_tokens`, `decoders`, `context_tokens`."""

    start_s: Number
    tau_s: Number
    energy_j: Number
    prompt_tokens: int
    decoders: int
    context_tokens: int
    takes: tuple[tuple[int, int], ...]  # (request, tokens) in running order
    preempted: tuple[int, ...]
    admitted: tuple[int, ...]


@dataclass
class Run:
    """Outcomes by request id; energy and duration of all iterations together, and their number."""

    outcomes: list[Outcome]
    meter_j: Number
    busy_s: Number
    iterations: int
    trace: list[Step] | None = None
    evicted_blocks: int = 0


@dataclass
class Request:
    """A request inside the server.

    `decoding` is a flag of its own: a recompute one token short of its end has the same counts as a decoder.
    """

    number: int
    prompt_tokens: int
    output_tokens: int
    allowed: int
    path: tuple[tuple[int, int], ...] = ()
    answer_node: int | None = None
    urgency: tuple[Number, ...] = ()  # lower comes first
    iterations: int | None = None
    generated: int = 0
    cached: int | Fraction = 0
    rate: int | Fraction = 1  # tokens of a decode iteration
    left: int = 0  # decode iterations
    decoding: bool = False
    takes: int = 0  # tokens in the iteration at hand
    start_s: Number | None = None
    first_token_s: Number | None = None
    preemptions: int = 0
    cached_prompt_tokens: int = 0
    cached_recompute_tokens: int = 0
    energy_j: Number = 0

    @property
    def to_prefill(self) -> int:
        """Tokens of a (re)prefill: the prompt and all that was generated before a preemption."""
        return self.prompt_tokens + self.generated


# Physics ----------------------------------------------------------------------------------------------------


def token_time(c: Coefficients, n: int) -> Number:
    """Seconds that n new tokens take, whatever they are."""
    if not c.knots:
        tau: Number = c.a0 + c.c0 * n + c.c1 * max(0, n - c.nstar)
        return tau + (c.ae * (1 - (1 - c.top_k / c.experts) ** (c.se * n)) if c.ae != 0 else 0)
    below = [k for k in range(len(c.knots) - 1) if c.knots[k][0] < n] or [0]
    (n0, t0), (n1, t1) = c.knots[below[-1]], c.knots[below[-1] + 1]
    return t0 + (t1 - t0) / (n1 - n0) * max(0, n - n0)


def gpu_time(c: Coefficients, prompts: Prompts, decoders: int, context: Number, drafts: int) -> Number:
    """Seconds of one iteration on the GPU with prompts (p_i, c_i), B = `decoders` and K = `context`."""
    p = sum(tokens for tokens, _ in prompts)
    tau = token_time(c, p + (drafts + 1) * decoders)
    if drafts > 0 and decoders > 0:
        tau += c.d0 + c.d1 * decoders
    if decoders > 0:
        tau += c.ab * decoders + c.ak * context
        if p > 0:
            tau += c.akm * context + c.akx / decoders * context + c.abk * decoders * context
    if p > 0:
        tau += c.a1
    for tokens, cached in prompts:
        tau += c.ac * cached + c.aq * tokens * (cached + Fraction(tokens, 2))
    return tau


def iteration_time(c: Coefficients, prompts: Prompts, decoders: int, context: Number, drafts: int = 0) -> Number:
    """The same with the host."""
    gpu, host = gpu_time(c, prompts, decoders, context, drafts), c.h0 + c.h1 * (decoders + len(prompts))
    return c.after + max(gpu, host) if c.overlaps else gpu + host


def iteration_energy(c: Coefficients, prompts: Prompts, decoders: int, context: Number, drafts: int = 0) -> Number:
    """Joules of one iteration, or what the power cap allows in its time; an empty one costs nothing."""
    p = sum(tokens for tokens, _ in prompts)
    if p + decoders == 0:
        return 0
    tau = iteration_time(c, prompts, decoders, context, drafts)
    context_j = c.ek * context if decoders > 0 else 0
    return min(c.p_cap * tau, c.p0 * tau + c.e * (p + (drafts + 1) * decoders) + context_j)


# One iteration and the whole run ----------------------------------------------------------------------------


def _step(running: list[Request], c: Coefficients, now: Number, drafts: int) -> Step:
    """Measure the iteration that `running` is about to do, and charge its energy to the requests in it."""
    decoders = [r for r in running if r.decoding and r.takes]
    prefills = [r for r in running if not r.decoding]
    prompts = [(r.takes, r.cached) for r in prefills]
    p, b, k = sum(r.takes for r in prefills), len(decoders), sum(r.cached for r in decoders)
    energy = iteration_energy(c, prompts, b, k, drafts)
    decode_energy = min(iteration_energy(c, [], b, k, drafts), energy) if prompts and b else energy * (b > 0)
    for r in decoders:
        r.energy_j += decode_energy / b
    for r in prefills:
        r.energy_j += (energy - decode_energy) * r.takes / p
    takes = tuple((r.number, r.takes) for r in running if r.takes)
    return Step(now, iteration_time(c, prompts, b, k, drafts), energy, p, b, k, takes, (), ())


def _emit(server: Server, end: Number) -> list[Request]:
    """End the iteration at `end`: cache its tokens, emit new ones; remove and return who finished."""
    for r in server.running:
        if r.decoding:
            if r.takes:
                _decode(r)
            continue
        r.cached += r.takes
        server.memory.share(r, r.cached)
        if r.takes and r.cached == r.to_prefill:
            r.generated += 1
            _begin_to_decode(r)
            if r.first_token_s is None:
                r.first_token_s = end
    finished = [r for r in server.running if r.generated == r.output_tokens]
    for r in finished:
        server.leave(r, answered=True)
    return finished


def _begin_to_decode(r: Request) -> None:
    """With drafts its `left` iterations give equal parts of the rest of the answer, to 2^-20 token."""
    r.decoding = True
    rest = r.output_tokens - r.generated
    r.left, r.rate = rest, 1
    if r.iterations is not None and rest > 0:
        r.left = -(-rest * r.iterations // (r.output_tokens - 1))
        r.rate = Fraction((rest << 20) // r.left, 1 << 20)


def _decode(r: Request) -> None:
    r.left -= 1
    r.cached = r.cached + r.rate if r.left else r.prompt_tokens + r.output_tokens - 1
    r.generated = r.output_tokens if r.left == 0 else int(r.cached) - r.prompt_tokens + 1


def _give_up(server: Server, gives_up: list[Number | None], now: Number) -> list[Request]:
    """Remove and return those whose client has given up by now: during the iteration, and at this very instant."""
    coming = [r for _, r in server.coming]
    requests = [*server.running, *server.waiting, *coming]
    gone = [r for r in requests if (end := gives_up[r.number]) is not None and end < now]
    gone += sorted((r for r in requests if gives_up[r.number] == now), key=lambda r: r.number)
    for r in gone:
        if r in server.running:
            server.leave(r)
        elif r in coming:
            server.coming = [(t, other) for t, other in server.coming if other is not r]
        else:
            server.waiting.remove(r)
    return gone


def _urgency(order: str, a: Arrival, number: int) -> tuple[Number, ...]:
    """What the queue is sorted by, and whom preemption takes last; of fcfs nothing."""
    if order == "priority":
        return a.priority, a.time, number
    return () if order == "fcfs" else (math.inf if a.deadline is None else a.deadline, number)


def _outcome(r: Request, finish: Number | None) -> Outcome:
    hits = r.cached_prompt_tokens, r.cached_recompute_tokens
    return Outcome(r.start_s, r.first_token_s, finish, r.preemptions, r.energy_j, *hits)


def most_iterations(limits: Limits, arrivals: Sequence[Arrival]) -> int:
    """Bound on the iterations of a run: the proof that there is no livelock.

    The head of the running list is never preempted, for alone it fits. In each iteration it either emits a
    token, or prefills without coming to the end; it then runs alone and takes `max_batched_tokens`.
    """
    if limits.schedule == "sglang" or limits.order != "fcfs":  # no such proof: others may go before who was preempted
        return 100 * sum(a.prompt_tokens + a.output_tokens for a in arrivals) ** 2
    longest_prefills = [a.prompt_tokens + a.output_tokens - 1 for a in arrivals]
    unfinished_chunks = sum((tokens - 1) // limits.max_batched_tokens for tokens in longest_prefills)
    return sum(a.output_tokens for a in arrivals) + unfinished_chunks


def simulate(coefficients: Coefficients, limits: Limits, arrivals: Sequence[Arrival], *, trace: bool = False) -> Run:
    """Serve all arrivals, one iteration at a time.

    Parameters
    ----------
    coefficients : Coefficients
        The physics, in seconds, watts and joules.
    limits : Limits
        Sequences, tokens an iteration, memory.
    arrivals : sequence of Arrival
        Sorted by time; each request alone fits the memory.
    trace : bool
        Keep a `Step` for every iteration.

    Returns
    -------
    Run
        Exact (`Fraction`) if no coefficient and no time is a float.

    Raises
    ------
    ValueError
        If an input breaks the contract.
    RuntimeError
        If the server runs longer than `most_iterations` allows (a bug in this module).
    """
    _validate(coefficients, limits, arrivals)
    c, times, gives_up = _one_number_type(coefficients, arrivals)
    zero = c.a0 * 0
    now = planned = zero  # the iteration to come is planned when the one before it started
    steps: list[Step] = []
    server = Server(limits, Memory(limits.kv_block_tokens, limits.kv_capacity_tokens, limits.prefix_cache))
    running, waiting = server.running, server.waiting
    outcomes: dict[int, Outcome] = {}
    arrived = 0
    bound = most_iterations(limits, arrivals)
    while len(outcomes) < len(arrivals):
        if not waiting and not running and not server.coming and times[arrived] > now:
            now = times[arrived]  # idle until the next arrival
            server.ratio = FIRST_RATIO
        while arrived < len(arrivals) and times[arrived] <= now:
            server.coming.append((times[arrived], _request(limits, arrivals[arrived], arrived, zero)))
            arrived += 1
        for r in _give_up(server, gives_up, now):
            outcomes[r.number] = _outcome(r, None)
        server.look(planned if limits.lookahead else now)
        planned = now
        if not waiting and not running:
            server.ratio = FIRST_RATIO
            continue

        steps.append(_planned_step(server, c, now))
        now += steps[-1].tau_s
        for r in _emit(server, now):
            outcomes[r.number] = _outcome(r, now)
        if len(steps) > bound:
            raise RuntimeError(f"livelock: more than {bound} iterations")
    in_order = [outcomes[number] for number in range(len(arrivals))]
    meter, busy = sum((s.energy_j for s in steps), zero), sum((s.tau_s for s in steps), zero)
    return Run(in_order, meter, busy, len(steps), steps if trace else None, server.memory.evicted)


def _request(limits: Limits, a: Arrival, number: int, zero: Number) -> Request:
    text = a.prompt_tokens, a.output_tokens, a.allowed, a.path, a.answer_node
    return Request(number, *text, _urgency(limits.order, a, number), a.iterations, energy_j=zero)


def _planned_step(server: Server, c: Coefficients, now: Number) -> Step:
    """Plans the next iteration, and what it takes."""
    preempted, admitted = plan(server, now)
    assert any(r.takes for r in server.running), "an iteration has work"
    server.memory.check()
    step = _step(server.running, c, now, server.limits.draft_tokens)
    server.since = server.limits.recv_interval if step.prompt_tokens else server.since + 1
    return step._replace(preempted=tuple(preempted), admitted=tuple(admitted))


# Inputs -----------------------------------------------------------------------------------------------------


def _one_number_type(
    c: Coefficients, arrivals: Sequence[Arrival]
) -> tuple[Coefficients, list[Number], list[Number | None]]:
    """Coefficients, arrivals and times of giving up, all as Fraction, or all as float if one of them is a float."""
    if c.ae == 0:
        c = replace(c, se=0, experts=1, top_k=1)  # dense: never read, may be NaN
    values = {f.name: getattr(c, f.name) for f in fields(c) if f.name not in ("knots", "overlaps")}
    times, gives_up = [a.time for a in arrivals], [a.gives_up for a in arrivals]
    number: type[float] | type[Fraction] = Fraction
    if any(isinstance(value, float) for value in [*values.values(), *times, *gives_up, *sum(c.knots, ())]):
        number = float
    elif Fraction(c.se).denominator != 1:
        raise ValueError(f"se = {c.se}: an exact run needs an integer exponent; pass floats otherwise")
    knots = tuple((number(n), number(s)) for n, s in c.knots)
    exact = Coefficients(**{name: number(x) for name, x in values.items()}, knots=knots, overlaps=c.overlaps)
    return exact, [number(t) for t in times], [None if t is None else number(t) for t in gives_up]


def _validate(c: Coefficients, limits: Limits, arrivals: Sequence[Arrival]) -> None:
    """Refuse what the rules do not cover."""
    numbers = [field for field in fields(c) if field.name not in ("knots", "overlaps")]
    names = [field.name for field in numbers if c.ae != 0 or field.name not in ("se", "experts", "top_k")]
    for name in names:
        if not getattr(c, name) >= 0:
            raise ValueError(f"{name} = {getattr(c, name)}: expected a number >= 0")
    if c.p_cap < c.p0:
        raise ValueError(f"p_cap = {c.p_cap}: expected at least p0 = {c.p0}")
    if c.ae != 0 and not 0 < c.top_k <= c.experts:
        raise ValueError(f"top_k = {c.top_k}: expected between 1 and experts = {c.experts}")
    most = limits.max_num_seqs * (limits.draft_tokens + 1)
    if not 1 <= most <= limits.max_batched_tokens and limits.schedule != "sglang":
        raise ValueError(f"{limits}: expected 1 <= max_num_seqs <= max_batched_tokens")
    if limits.kv_policy not in ("recompute", "reserve"):
        raise ValueError(f"kv_policy = {limits.kv_policy!r}: expected 'recompute' or 'reserve'")
    previous: Number = 0
    for number, a in enumerate(arrivals):
        if a.gives_up is not None and not a.gives_up > a.time:
            raise ValueError(f"request {number}: gives_up = {a.gives_up}: expected after it comes, at {a.time}")
        if not a.time >= previous:
            raise ValueError(f"request {number}: time = {a.time}: expected sorted times >= 0")
        if a.prompt_tokens < 1 or a.output_tokens < 1:
            raise ValueError(f"request {number}: expected at least one prompt and one output token")
        longest = max(a.allowed, limits.max_new_tokens) if limits.kv_policy == "reserve" else a.output_tokens
        blocks = -(-(a.prompt_tokens + longest - 1 + limits.draft_tokens) // limits.kv_block_tokens)
        if blocks > limits.kv_capacity_tokens // limits.kv_block_tokens:
            raise ValueError(f"request {number} alone exceeds {limits.kv_capacity_tokens} tokens of memory")
        previous = a.time
