"""What one iteration costs: the formulas in plain Python, one prompt at most.

The engines evaluate the same formulas in C, for many iterations at once. With p prompt tokens, c tokens of
that prompt cached already, B decoding sequences, K their cached tokens before the new one, and G GPUs:

    tau = g(p + B) + ab B + (ak + [p > 0] akm) K + aq p (c + p/2)               seconds
    g(n) = a0 + c1 max(0, n - nstar) + ae (1 - (1 - top_k / experts)^(se n))    a dense model has no ae term
    eps = min(P_cap G tau, P0 G tau + e (p + B) + ek K)                         joules
"""

from messsim.zoo.records import Profile

__all__ = ["iteration_joules", "iteration_seconds"]


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
    d = profile.duration
    tokens = prompt_tokens + batch
    if tokens == 0:
        return 0.0
    seconds = d.a0_s + d.c1_s_per_token * max(0.0, tokens - d.nstar_tokens)
    if d.experts:
        seconds += d.ae_s * (1.0 - (1.0 - d.top_k / d.experts) ** (d.se * tokens))
    if batch:
        per_cached = d.ak_s_per_token + (d.akm_s_per_token if prompt_tokens else 0.0)
        seconds += d.ab_s_per_sequence * batch + per_cached * cached_tokens
    return seconds + d.aq_s_per_token2 * prompt_tokens * (prior_tokens + prompt_tokens / 2)


def iteration_joules(
    profile: Profile, prompt_tokens: float, prior_tokens: float, batch: float, cached_tokens: float
) -> float:
    """Return the energy of one iteration over all GPUs, J; the arguments are those of `iteration_seconds`."""
    e = profile.energy
    gpu_seconds = profile.tp * iteration_seconds(profile, prompt_tokens, prior_tokens, batch, cached_tokens)
    joules = e.p0_w_per_gpu * gpu_seconds + e.e_j_per_token * (prompt_tokens + batch)
    if batch:
        joules += e.ek_j_per_cached_token * cached_tokens
    return min(e.p_cap_w_per_gpu * gpu_seconds, joules)
