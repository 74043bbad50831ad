"""What one iteration costs: the formulas in plain Python, one prompt at most.

The engines evaluate the same formulas in C, for many iterations at once. With p prompt tokens, c tokens of
that prompt cached already, B decoding sequences, K their cached tokens before the new one, and G GPUs:

    gpu = g(p + B) + ab B + ak K + aq p (c + p/2) + [p > 0] (a1 + ac c + akm K + akx K/B + abk B K)     seconds
    tau = gpu + host  or  after + max(gpu, host),   host = h0 + h1 (B + [p > 0])
    eps = min(P_cap G tau, P0 G tau + e (p + B) + ek K)                                                  joules

g is linear between a profile's knots, and beyond the last as before it.
"""

from bisect import bisect_left

from messsim.zoo.records import Profile

__all__ = ["gpu_seconds", "iteration_joules", "iteration_seconds"]


def gpu_seconds(
    profile: Profile, prompt_tokens: float, prior_tokens: float, batch: float, cached_tokens: float
) -> float:
    """Return what one iteration takes on the GPU, s; the arguments are those of `iteration_seconds`."""
    d = profile.duration
    seconds = _between(d.knots, prompt_tokens + batch)
    if batch:
        per_cached = d.ak_s_per_token
        if prompt_tokens:
            per_cached += d.akm_s_per_token + d.akx_s_per_token / batch + d.abk_s_per_token * batch
        seconds += d.ab_s_per_sequence * batch + per_cached * cached_tokens
    if prompt_tokens:
        seconds += d.a1_s + d.ac_s_per_token * prior_tokens
        seconds += d.aq_s_per_token2 * prompt_tokens * (prior_tokens + prompt_tokens / 2)
    return seconds


def iteration_seconds(
    profile: Profile, prompt_tokens: float, prior_tokens: float, batch: float, cached_tokens: float
) -> float:
    """Return the duration of one iteration, s.

    Parameters
    ----------
    profile : Profile
        The model and its GPUs.
    prompt_tokens, prior_tokens : float
        Prompt tokens that the iteration prefills, and tokens of that prompt that are cached already.
    batch, cached_tokens : float
        Decoding sequences, and the tokens that they have cached in all.

    Returns
    -------
    float
        0 for an iteration with neither prompt nor sequence: it does not run.
    """
    if prompt_tokens + batch == 0:
        return 0.0
    gpu = gpu_seconds(profile, prompt_tokens, prior_tokens, batch, cached_tokens)
    h = profile.host
    host = h.h0_s + h.h1_s_per_sequence * (batch + (prompt_tokens > 0))
    return gpu + host if h.kind == "sum" else h.after_s + max(gpu, host)


def iteration_joules(
    profile: Profile, prompt_tokens: float, prior_tokens: float, batch: float, cached_tokens: float
) -> float:
    """Return the energy of one iteration over all GPUs, J; the arguments are those of `iteration_seconds`."""
    e = profile.energy
    gpus_s = profile.tp * iteration_seconds(profile, prompt_tokens, prior_tokens, batch, cached_tokens)
    joules = e.p0_w_per_gpu * gpus_s + e.e_j_per_token * (prompt_tokens + batch)
    if batch:
        joules += e.ek_j_per_cached_token * cached_tokens
    return min(e.p_cap_w_per_gpu * gpus_s, joules)


def _between(knots: tuple[tuple[float, float], ...], tokens: float) -> float:
    """Linear between knots, and beyond the last as before it; below the first its own value."""
    k = min(max(bisect_left(knots, tokens, key=lambda knot: knot[0]), 1), len(knots) - 1)
    (from_tokens, from_s), (to_tokens, to_s) = knots[k - 1], knots[k]
    return from_s + (to_s - from_s) / (to_tokens - from_tokens) * max(0.0, tokens - from_tokens)
