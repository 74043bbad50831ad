"""Rules of dispatch of one's own, for tests: each file of a test names them as FILE.py:function."""

import math


def everything(
    request, attempt, session, prompt_tokens, now_s, replicas, numbers, loads, waiting, usage, cached, uniforms, state
):
    """A hash of all that a rule is given: where engines differ in any bit of it, copies go elsewhere."""
    mixed = 3 * request + 5 * attempt + 7 * session + 11 * prompt_tokens
    for i in range(replicas):
        mixed += int((i + 1) * (numbers[i] + 2.0 * loads[i] + 3.0 * waiting[i] + 1e6 * usage[i] + 13.0 * cached[i]))
    state[0] += 1.0
    return (mixed + int(1e6 * (now_s + uniforms[0] + 2.0 * uniforms[1])) + int(state[0])) % replicas


def emptiest(replicas, loads):
    """The first with the fewest unfinished requests: what least_loaded does."""
    best = 0
    for i in range(replicas):
        if loads[i] < loads[best]:
            best = i
    return best


def where_cached(replicas, cached):
    """The last of those whose cache holds most of the prompt."""
    best = 0
    for i in range(replicas):
        if cached[i] >= cached[best]:
            best = i
    return best


def listed_or_cached(request, replicas, cached, params):
    """Where its constants say; where they say -1, the first of those whose cache holds most of the prompt."""
    if params[request] >= 0:
        return int(params[request])
    best = 0
    for i in range(replicas):
        if cached[i] > cached[best]:
            best = i
    return best


def listed(request, params):
    """Where its constants say."""
    return int(params[request])


def in_turn(replicas, state):
    """One after another, by its memory."""
    state[0] += 1.0
    return (int(state[0]) - 1) % replicas


def divides(replicas, request):
    """Fails at the fifth request."""
    return 0 // (4 - request)


def beyond(replicas, request):
    """Names a replica that is not there at the fourth request."""
    return replicas if request == 3 else 0


def gives_up(request):
    """Reports an error of its own at the third request."""
    return -7 if request == 2 else 0


def nothing_but_nan(uniforms):
    """A conversion that has no value."""
    return int(math.log(-uniforms[0]))


def by_logarithm(replicas, loads):
    """Compiled, the logarithm of -1 is NaN."""
    return 1 if math.log(loads[0] - 1.0) > 1.0 else 0


def half(loads):
    """Returns no whole number."""
    return 0.5


def too_curious(satisfied):
    """Asks for what no router knows."""
    return 0
