"""A rule of dispatch of one's own: where the least is to be computed before the first token.

Every request there counts for `params[0]` tokens that it has still to be given, and of the prompt only what no cache
holds; of equals the first from where the draw says.

    messsim run scenarios/dispatch.toml --set cluster.dispatch=policies/least_work.py:pick
"""

DEFAULT = 500.0


def pick(replicas, loads, cached, uniforms, params):
    """Which of the replicas gets the request, by what it names of what is seen."""
    tokens = params[0] if len(params) > 0 else DEFAULT
    first = int(uniforms[0] * replicas)
    best = first
    for k in range(1, replicas):
        i = (first + k) % replicas
        if tokens * loads[i] - cached[i] < tokens * loads[best] - cached[best]:
            best = i
    return best
