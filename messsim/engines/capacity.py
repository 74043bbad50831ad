"""How many requests a second a replica can sustain: its saturation throughput in closed form."""

from collections.abc import Iterator

from messsim import _core

from .cluster import PoolPlan, decoder_tokens

__all__ = ["saturation_rps"]

MOST_PROMPTS = 8  # started in one iteration that are told apart; more are taken together


def saturation_rps(
    pool: PoolPlan,
    prompt_tokens: float,
    output_tokens: float,
    *,
    prompt_square: float | None = None,
    output_square: float | None = None,
    limit_tokens: float = 0.0,
) -> float:
    """Requests per second that one replica completes when there is always one waiting.

    At saturation the batch is as full as places, memory and the token budget allow, and a place that comes free is
    taken in the next iteration. A request of o tokens holds its place for its prefill and o - 1 decode iterations,
    in which it reads p, p + 1, ..., p + o - 2 cached tokens; long answers hold it longer, hence the mean square.

    The mean iteration is a mixture of those that compute prompts and those that do not. It is exact where duration is
    linear in what it depends on (no knots, `nstar` = 0, dense, of the terms of prompts `a1` alone, a host that adds),
    memory does not run out and prompts fit into one chunk; prompts and answers are taken as independent.

    Of a pool that prefills for others these are prompts alone, of one that decodes what others prefill all but those:
    the last token of each prompt, and the answer.

    Parameters
    ----------
    prompt_tokens, output_tokens
        Means, tokens.
    prompt_square, output_square
        Means of their squares, tokens^2; none: they are constant.
    limit_tokens
        How long an answer clients allow on average, tokens: memory that is reserved is kept for as much.
    """
    p, o = prompt_tokens, output_tokens
    pp = p * p if prompt_square is None else prompt_square
    oo = o * o if output_square is None else output_square
    if pool.role == "prefill":
        return _prefills(pool, p, pp)
    new, work, prior = (1.0, p + 0.5, p) if pool.role == "decode" else (p, pp / 2.0, 0.0)  # of a prompt to compute
    places = _places(pool, p, o, oo, limit_tokens)
    budget = pool.serving.max_batched_tokens
    decodes, read = _decodes(pool, p, o, oo)
    if pool.serving.schedule == "sglang":
        return _prompts_apart(pool, p, pp, places, decodes, read)
    of_budget = decoder_tokens(pool.serving)
    chunks = max(new / max(budget - of_budget * places, 1.0), 1.0)  # iterations that compute a prompt
    held = decodes + chunks
    started = min(places / held, budget / (new + of_budget * decodes))  # requests that start, and end, in an iteration
    batch = (started * decodes, started * read)
    left = budget - of_budget * batch[0]
    with_prompts = _share_with_prompts(started, new, places, held, left)
    seconds = (1.0 - with_prompts) * _seconds(pool, *batch, 0.0, 0.0) if with_prompts < 1.0 else 0.0
    for share, prompts in _prompts(started, with_prompts, new, places, held, left):
        seconds += share * _seconds(
            pool,
            *batch,
            prompts * new,
            prompts * work,
            prompt_prior=prompts * (new * (chunks - 1.0) / 2.0 + prior),
            prompts=prompts * chunks,
        )
    return started / seconds


def _decodes(pool: PoolPlan, p: float, o: float, oo: float) -> tuple[float, float]:
    """Iterations in which one request decodes, and the cached tokens that it reads in all of them."""
    speculative = pool.serving.drafts
    decodes = o - 1.0 if speculative is None else speculative.iterations(o - 1.0)
    fewer = decodes / (o - 1.0) if speculative is not None and o > 1.0 else 1.0
    return decodes, ((o - 1.0) * p + (oo - 3.0 * o + 2.0) / 2.0) * fewer


def _prefills(pool: PoolPlan, p: float, pp: float) -> float:
    """Prompts a second where the budget is full of them and nobody decodes."""
    budget = float(pool.serving.max_batched_tokens)
    tokens = min(budget, pool.serving.max_num_seqs * p)
    prompts, chunks = tokens / p, max(p / budget, 1.0)
    prior = prompts * p * (chunks - 1.0) / 2.0
    return prompts / _seconds(pool, 0.0, 0.0, tokens, prompts * pp / 2.0, prompt_prior=prior, prompts=max(prompts, 1.0))


def _prompts_apart(pool: PoolPlan, p: float, pp: float, places: float, decodes: float, read: float) -> float:
    """Requests a second where prompts have iterations of their own, which come first (SGLang)."""
    if decodes <= 0.0:
        return _prefills(pool, p, pp)
    ended = places / decodes  # in an iteration that decodes; who waits takes their places before the next
    missed: float = max(1.0 - 1.0 / decodes, 0.0) ** places
    share = min(1.0 - missed, ended)  # of these after which anybody is prefilled
    prompts, budget = ended / share, float(pool.serving.max_batched_tokens)
    iterations = max(prompts * p / budget, 1.0)
    prior = prompts * p * max(p / budget - 1.0, 0.0) / 2.0
    prefill_s = iterations * _seconds(
        pool,
        0.0,
        0.0,
        prompts * p / iterations,
        prompts * pp / 2.0 / iterations,
        prompt_prior=prior / iterations,
        prompts=max(prompts / iterations, 1.0),
    )
    return ended / (_seconds(pool, places, ended * read, 0.0, 0.0) + share * prefill_s)


def _places(pool: PoolPlan, p: float, o: float, oo: float, limit: float) -> float:
    """Requests that run at once: as many as may, or as fit into memory on average over their stay."""
    longer = oo / o  # mean answer of those that are found running
    allowed = max(longer, limit, pool.serving.max_new_tokens or 0)
    kept = allowed if pool.serving.kv_policy == "reserve" else (longer - 1.0) / 2.0
    return min(pool.serving.max_num_seqs, max(pool.kv_capacity_tokens / (p + kept), 1.0))


def _share_with_prompts(started: float, p: float, places: float, held: float, left: float) -> float:
    """Share of iterations that compute prompts: those in which a place came free, or all it takes to compute them."""
    by_ends: float = 1.0 - max(1.0 - 1.0 / held, 0.0) ** places
    by_tokens = started * p / max(left, 1.0)
    return min(max(by_ends, by_tokens), 1.0)


def _prompts(
    started: float, with_prompts: float, p: float, places: float, held: float, left: float
) -> Iterator[tuple[float, float]]:
    """Shares of iterations that compute prompts, and how many: as many as places come free, or the mean of it."""
    ends = 1.0 / held
    share = max(1.0 - ends, 0.0) ** places  # that none does
    likely = with_prompts <= 1.0 - share and MOST_PROMPTS * p <= left and 0.0 < ends < 1.0 and places >= 1.0
    if not likely:
        yield with_prompts, started / with_prompts
        return
    rest, rest_prompts = with_prompts, started
    for k in range(1, min(MOST_PROMPTS, int(places))):
        share *= (places - k + 1.0) / k * ends / (1.0 - ends)
        rest, rest_prompts = rest - share, rest_prompts - k * share
        yield share, float(k)
    if rest > 0.0 and rest_prompts > 0.0:
        yield rest, rest_prompts / rest


def _seconds(
    pool: PoolPlan, decoders: float, context: float, prompt_tokens: float, prompt_work: float, **more: float
) -> float:
    seconds: float = _core.iteration(pool.coefficients, decoders, context, prompt_tokens, prompt_work, **more)[0]
    return seconds
