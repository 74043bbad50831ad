"""A rule of dispatch of one's own: replicas are filled one after the other, so that batches are large and few at work.

The fullest replica with fewer than `params[0]` unfinished requests; where all have more, the least loaded. A replica
that decodes costs its base power for one sequence as for sixty: docs/quickstart.md has what this saves.

    messsim run scenarios/quickstart.toml --set cluster.dispatch=policies/fullest.py:pick
"""

DEFAULT = 64.0


def pick(replicas, loads, params):
    """Which of the replicas gets the request, by what is seen of their unfinished requests; of equals the first."""
    limit = params[0] if len(params) > 0 else DEFAULT
    fullest, least = -1, 0
    for i in range(replicas):
        if loads[i] < loads[least]:
            least = i
        if loads[i] < limit and (fullest < 0 or loads[i] > loads[fullest]):
            fullest = i
    return least if fullest < 0 else fullest
