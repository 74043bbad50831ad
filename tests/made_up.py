"""Replicas, copies and chance that are made up, for rules of dispatch one by one."""

from types import SimpleNamespace

import numpy as np

from messsim.engines.dispatch import RULES
from messsim.engines.dispatch.rule import Draws
from messsim.engines.looks import Looks
from messsim.scenario.fleet import Cluster


class Clock:
    now = 0.0


class At:
    """Arrivals at given times."""

    def __init__(self, *times_s):
        self.times_s = np.array(times_s, float)

    def next_times(self, n):
        times, self.times_s = self.times_s[:n], self.times_s[n:]
        return times


class Server:
    """A replica as far as rules look at one."""

    def __init__(self, index, *, unfinished=0, waiting=0, usage=0.0, cached=0, is_api=False, block=4, capacity=400):
        self.index, self.unfinished, self.calendar = index, unfinished, Clock()
        serving = SimpleNamespace(kv_block_tokens=block)
        plan = SimpleNamespace(is_api=is_api, serving=serving, kv_capacity_tokens=capacity)
        self.pool = SimpleNamespace(plan=plan)
        self.decoding, self.prefilling = [], []
        self.replica = SimpleNamespace(
            waiting=waiting,
            kv_usage=lambda now: usage,
            look=lambda now, settles: None,
            seen_cached_tokens=lambda job: cached,
            batch=lambda: (self.decoding, self.prefilling),
        )

    def __repr__(self):
        return f"server {self.index}"


class Job:
    """A copy of a request."""

    def __init__(self, request=0, *, prompt=8, session=-1, path=(), first_token_s=float("inf"), preemptions=0):
        self.request, self.attempt, self.session = request, 0, session
        self.prompt_tokens, self.path = prompt, list(path)
        self.first_token_s, self.preemptions = first_token_s, preemptions


class Chance:
    """Uniforms that a test sets."""

    def __init__(self, first=0.0, second=0.0):
        self.values = {False: first, True: second}

    def one(self, column, request, attempt, odd):
        return self.values[odd]


def rule(name, servers=(), chance=None, delay_s=0.0, **cluster):
    plans = [servers[0].pool.plan] if servers else []
    draws = Draws(chance or Chance(), 7)
    return RULES[name](Cluster(dispatch=name, **cluster), draws, Looks(delay_s), plans)


def servers(*loads, **more):
    return [Server(i, unfinished=n, **more) for i, n in enumerate(loads)]


def picks(chosen, up, job=None):
    """The place that a rule picks, and that it would pick the same when it is only asked."""
    job = job or Job()
    place = up.index(chosen.look(up, job))
    assert up.index(chosen.pick(up, job)) == place
    return place
