"""Parts of the engine in SimPy that react to events, each by itself: clients, labels, turns, failures."""

from types import SimpleNamespace

import numpy as np
import pytest

from messsim.engines.breakdowns import Breakdowns
from messsim.engines.calendar import Calendar
from messsim.engines.clients import Clients
from messsim.engines.labels import Labels
from messsim.engines.records import TIMED_OUT
from messsim.engines.turns import Followups
from messsim.routing import PLAN_CHAIN
from messsim.scenario.clients import Clients as ClientSettings
from messsim.scenario.fleet import Failures, Outage
from messsim.scenario.laws import ConstantDelay
from messsim.workload.chance import Chance
from messsim.workload.prompts import NODE

INF = float("inf")

# ---- clients --------------------------------------------------------------------------------------------


class Asked:
    """An attempt of a request, as far as clients look at it."""

    def __init__(self, attempt=0, plan=0, jobs=()):
        self.request, self.attempt, self.over, self.gone = 4, attempt, False, False
        self.copies, self.status, self.answered, self.seen = 1, None, None, 0
        self.decision, self.jobs = SimpleNamespace(plan=plan), list(jobs)


def clients(aborts=True, **settings):
    heard = []
    setup = SimpleNamespace(
        scenario=SimpleNamespace(clients=ClientSettings(**settings)), workload=SimpleNamespace(chance=Chance(1))
    )
    calendar = Calendar()

    def hear(what):
        return lambda o: heard.append((what, calendar.now))

    service = SimpleNamespace(abort=lambda job: aborts)
    labels = SimpleNamespace(complain=hear("complain"))
    names = {"abandon": "abandon", "ask_again": "again", "leave_router": "leave", "drop": "drop", "follow": "follow"}
    made = Clients(setup, calendar, service, labels, **{k: hear(v) for k, v in names.items()})
    return made, calendar, heard


def wait(mean_s):
    return ConstantDelay(mean_s=mean_s)


def test_a_client_gives_up_after_its_patience():
    made, calendar, heard = clients(patience_s=wait(2.0))
    asked = Asked(jobs=["a", "b"])
    made.wait(asked)
    calendar.run()
    assert heard == [("follow", 2.0), ("leave", 2.0), ("abandon", 2.0), ("abandon", 2.0), ("drop", 2.0)]
    assert (asked.gone, asked.over, asked.status, asked.copies) == (True, True, TIMED_OUT, 2)


def test_who_is_over_does_not_give_up_and_without_patience_nobody_does():
    made, calendar, heard = clients(patience_s=wait(2.0))
    asked = Asked()
    asked.over = True
    made.give_up(asked)
    assert heard == []
    patient, calendar, heard = clients()
    patient.wait(Asked())
    calendar.run()
    assert heard == []


def test_who_gives_up_may_complain_and_servers_may_go_on():
    made, _, heard = clients(patience_s=wait(2.0), rate_giving_up=True, abort=False)
    made.give_up(Asked(jobs=["a"]))
    assert [what for what, _ in heard] == ["follow", "complain", "leave", "drop"]
    made, _, heard = clients(aborts=False, patience_s=wait(2.0))
    made.give_up(Asked(jobs=["a"]))
    assert [what for what, _ in heard] == ["follow", "leave", "drop"]  # it comes finished later
    made, _, heard = clients(patience_s=wait(2.0), rate_giving_up=True, retries=1, backoff_s=wait(1.0))
    made.give_up(Asked())
    assert [what for what, _ in heard] == ["leave", "drop"]  # another attempt is to come


@pytest.mark.parametrize(("attempt", "pause_s"), [(0, 2.0), (1, 6.0), (2, 18.0)])
def test_pauses_grow_from_attempt_to_attempt(attempt, pause_s):
    made, calendar, heard = clients(retries=3, backoff_s=wait(2.0), backoff_growth=3.0)
    asked = Asked(attempt)
    made.get_none(asked, 5)
    assert (asked.over, asked.copies, asked.status) == (True, 2, None)
    calendar.run()
    assert heard == [("again", pause_s), ("drop", pause_s)]


def test_after_the_last_attempt_a_client_is_left_with_a_status():
    made, _, heard = clients(retries=3, backoff_s=wait(2.0))
    asked = Asked(3)
    made.get_none(asked, 5)
    assert (asked.status, asked.over, heard) == (5, True, [("follow", 0.0)])


@pytest.mark.parametrize(
    ("until", "plan", "first_token_s", "model", "reads"),
    [
        ("first_token", 0, 0.0, 0, True),
        ("first_token", 0, 0.1, 0, False),  # it is 0 s now
        ("first_token", 0, 0.0, 1, False),  # another copy than the user's
        ("first_token", PLAN_CHAIN, 0.0, 0, False),
        ("answer", 0, 0.0, 0, False),
    ],
)
def test_who_reads_already_stays(until, plan, first_token_s, model, reads):
    made, _, heard = clients(patience_s=wait(2.0), until=until)
    job = SimpleNamespace(model=model, first_token_s=first_token_s)
    made.give_up(Asked(plan=plan, jobs=[job]))
    assert (heard == []) is reads


def test_a_client_of_a_closed_loop_asks_again_after_a_pause():
    made, calendar, heard = clients()
    woken = []
    event = calendar.event()
    event.callbacks.append(lambda _: woken.append(calendar.now))
    event._ok, event._value = True, None
    asked = Asked()
    asked.answered = (event, 3.0, (5, 0, 0))
    made.release(asked)
    assert asked.answered is True
    calendar.run()
    assert woken == [3.0]
    assert heard == [("follow", 0.0)]


# ---- labels ---------------------------------------------------------------------------------------------


class Rated:
    """A request whose labels are to come."""

    def __init__(self, delays=None, rated=True, unlabelled=1, features=True):
        self.request, self.tenant, self.instance, self.seen = 4, 1, 0, 1
        self.ratings, self.satisfied, self.delays, self.rated = (0.25, 0.75), (0.0, 1.0), delays, rated
        self.unlabelled, self.feedback_s = unlabelled, None
        self.labels = np.full(2, np.nan) if features else None
        self.features = np.zeros(3) if features else None

    def heard_of(self, model):
        return self.rated and model == self.seen


def labels(horizon_s=INF, one_sided=False):
    heard, calendar = [], Calendar()
    brain = SimpleNamespace(
        rate=lambda *given: heard.append(("rate", *given)),
        learn=lambda request, tenant, features, given: heard.append(("learn", request, tenant, given.tolist())),
    )
    ledger = SimpleNamespace(rate=lambda satisfied: heard.append(("delivered", satisfied)))
    made = Labels(SimpleNamespace(brains=[brain], delivered=[None, ledger]), calendar, horizon_s, one_sided)
    return made, calendar, heard


def test_a_label_comes_after_its_delay_and_teaches_when_all_are_in():
    made, calendar, heard = labels()
    opened = Rated((1.0, 2.0), unlabelled=2)
    made.send(opened, 0)
    made.send(opened, 1)
    assert (made.to_come, opened.feedback_s) == (2, 2.0)
    calendar.run(until=1.5)
    assert (heard, made.to_come) == ([], 1)
    calendar.run()
    assert heard == [("delivered", 1.0), ("rate", 4, 1, 1, 0.75), ("learn", 4, 1, [0.25, 0.75])]
    assert (made.to_come, opened.labels, opened.features) == (0, None, None)


def test_nobody_hears_of_a_copy_that_its_user_did_not_see_or_rate():
    made, _, heard = labels()
    made.give(Rated(), 0)
    assert [h[0] for h in heard] == ["learn"]
    made, _, heard = labels()
    made.give(Rated(rated=False, features=False), 1)
    assert heard == [("delivered", 1.0)]
    one, _, heard = labels(one_sided=True)
    one.give(Rated(), 0)  # of copies that nobody saw nothing is learnt
    assert heard == []


@pytest.mark.parametrize(("horizon_s", "expected"), [(2.0, 2.0), (1.9, None)])
def test_a_label_after_the_horizon_is_no_feedback(horizon_s, expected):
    made, _, _ = labels(horizon_s)
    opened = Rated((0.0, 2.0))
    made.send(opened, 1)
    assert opened.feedback_s == expected
    at_once = Rated()
    made.send(at_once, 1)
    assert at_once.feedback_s == 0.0


def test_copies_without_a_label_are_left_out_and_complaints_are_zeros():
    made, _, heard = labels()
    opened = Rated(unlabelled=2)
    made.give(opened, 1)
    made.miss(opened)
    assert heard[-1][0] == "learn"
    assert heard[-1][3][1] == 0.75
    assert np.isnan(heard[-1][3][0])
    made, _, heard = labels()
    made.complain(Rated(rated=False))
    assert heard == []
    made.complain(Rated())
    assert heard == [("rate", 4, 1, 1, 0.0)]


# ---- turns ----------------------------------------------------------------------------------------------


def followups(children, wait_s, arrival_s, coming):
    sent, left, calendar = [], [], Calendar()
    chunk = SimpleNamespace(first=100, turns=SimpleNamespace(new_tokens=None), __len__=None)
    rows = SimpleNamespace(
        chunk=chunk, children=children, wait_s=wait_s, arrival_s=arrival_s, model_before={}, coming=coming
    )
    made = Followups(calendar, [], None, lambda r, c, i: sent.append((i, calendar.now)), left.append)
    made.to_come = len(wait_s) - len(coming)
    return made, calendar, rows, sent, left


CHILDREN = [[1, 2], [3], [], []]  # turns 1 and 2 wait for 0, and 3 for 1


def answered(rows, request, completed=True):
    return SimpleNamespace(rows=rows, request=request, completed=completed, seen=1, columns=None)


def test_turns_are_sent_a_think_time_after_the_answer_but_not_before_their_own():
    made, calendar, rows, sent, left = followups(CHILDREN, [0.0, 2.0, 3.0, 1.0], [0.0, 5.0, 1.0, 0.0], [0])
    made.follow(answered(rows, 100))
    calendar.run()
    assert sent == [(2, 3.0), (1, 5.0)]
    assert (made.to_come, made.not_sent, left) == (1, 0, [])
    assert rows.model_before == {1: 1, 2: 1}


def test_without_an_answer_all_turns_below_are_left_out():
    made, calendar, rows, sent, left = followups(CHILDREN, [0.0] * 4, [0.0] * 4, [0])
    made.follow(answered(rows, 100, completed=False))
    calendar.run()
    assert sorted(left) == [101, 102, 103]
    assert (made.to_come, made.not_sent, sent) == (0, 3, [])
    rows.children = None
    made.follow(answered(rows, 100))
    assert made.not_sent == 3


class Costs:
    """Known costs of ten for each token of a prompt."""

    @staticmethod
    def write(tokens, known, i, factor):
        known[:, i] = 10.0 * tokens


@pytest.mark.parametrize(("most", "known"), [(28, [230.0, 230.0]), (27, [INF, 230.0]), (25, [INF, INF])])
def test_a_turn_grows_by_the_answer_that_was_seen_and_new_text(most, known):
    """A prompt of 10, an answer of 8 by the second model and 5 of new text: 23, with answers of 5 and 3 to come."""
    made, _, rows, _, _ = followups([[1], []], [0.0, 1.0], [0.0, 0.0], [0])
    made._prompt_costs = Costs
    made._pools = [
        SimpleNamespace(model=m, role="both", takes=lambda prompt, answer: prompt >= 23 and prompt + answer <= most)
        for m in (0, 1)
    ]
    nodes = np.zeros(4, NODE)
    rows.chunk = SimpleNamespace(
        first=100, turns=SimpleNamespace(new_tokens=np.array([10, 5])), prompt_tokens=np.array([10, 0]),
        price_factor=None, paths=SimpleNamespace(start=np.array([0, 2, 4]), nodes=nodes),
    )  # fmt: skip
    rows.prompt, rows.max_new, rows.known_costs = [10, 0], [(5, 3), (5, 3)], np.zeros((2, 2))
    opened = answered(rows, 100)
    opened.prompt, opened.outputs, opened.columns = 10, (4, 8), SimpleNamespace(known=np.zeros((2, 2)))
    made.follow(opened)
    assert rows.chunk.prompt_tokens.tolist() == rows.prompt == [10, 23]
    assert nodes["end_tokens"].tolist() == [0, 0, 0, 23]
    assert opened.columns.known.tolist() == [[0.0, 0.0], known]


# ---- failures -------------------------------------------------------------------------------------------


class Server:
    """A replica that fails and is repaired."""

    def __init__(self, pool, index, jobs=()):
        self.pool, self.index, self.jobs, self.is_up = pool, index, list(jobs), True
        self.log = []

    def fail(self):
        self.is_up = False
        jobs, self.jobs = self.jobs, []
        return jobs

    def repair(self):
        self.is_up = True
        return True


def breakdowns(schedule=(), *, on_failure="retry", jobs=(), retry=True, **settings):
    heard = []
    held = []
    group = SimpleNamespace(
        forget=lambda s: heard.append(("forget", s.index)), resume=lambda p: [held.pop()] if held else []
    )
    pool = SimpleNamespace(
        plan=SimpleNamespace(name="p", replicas=2, usd_per_s=0.5), group=group, transfers=None, unfinished=len(jobs),
        left=lambda job: heard.append(("left", job.request)),
    )  # fmt: skip
    pool.servers = [Server(pool, 5), Server(pool, 6, jobs)]
    for job in jobs:
        job.pool = pool
    calendar = Calendar()
    given = Failures(schedule=list(schedule), on_failure=on_failure, **settings)

    def place(job):
        heard.append(("retry", job.request, calendar.now))
        return retry

    made = Breakdowns(
        given, calendar, Chance(1), [pool], lambda j: heard.append(("lose", j.request, calendar.now)), place, lambda: 0
    )
    return made, calendar, pool, heard, held


class Copy:
    """A copy of a request on a replica."""

    def __init__(self, request, gone=False, replica=1):
        self.request, self.model, self.attempt, self.replica, self.source = request, 0, 0, replica, -1
        self.tag = SimpleNamespace(gone=gone)
        self.settled = []

    def settle_price(self, usd_per_s):
        self.settled.append(usd_per_s)

    def restart(self):
        self.settled.append("restart")


def planned():
    return [Outage(pool="p", replica=1, at_s=3.0, for_s=2.0)]


def test_a_planned_failure_places_what_it_hit_again():
    jobs = [Copy(9), Copy(2)]
    _, calendar, pool, heard, held = breakdowns(planned(), jobs=jobs)
    held.append(Copy(7))
    calendar.run()
    assert heard == [
        ("forget", 6), ("left", 2), ("left", 9), ("retry", 2, 3.0), ("retry", 9, 3.0), ("retry", 7, 5.0)
    ]  # fmt: skip
    assert pool.unfinished == 0
    assert jobs[0].settled == [0.5, "restart"]
    assert pool.servers[1].is_up


def test_what_a_failure_hit_may_be_lost():
    _, calendar, _, heard, _ = breakdowns(planned(), on_failure="lose", jobs=[Copy(9)])
    calendar.run()
    assert ("lose", 9, 3.0) in heard
    _, calendar, _, heard, _ = breakdowns(planned(), jobs=[Copy(9, gone=True)])
    calendar.run()
    assert ("lose", 9, 3.0) in heard
    _, calendar, _, heard, _ = breakdowns(planned(), jobs=[Copy(9)], retry=False)
    calendar.run()
    assert heard[-2:] == [("retry", 9, 3.0), ("lose", 9, 3.0)]


def test_failures_at_random_follow_their_columns():
    made, calendar, pool, heard, _ = breakdowns(mtbf_s=10.0, mttr_s=4.0)
    chance = Chance(1)
    fails, mends = chance.column("failure", "p"), chance.column("repair", "p")
    first = [10.0 * chance.one_exponential(fails, 0, k) for k in (0, 1)]
    back = [t + 4.0 * chance.one_exponential(mends, 0, k) for k, t in enumerate(first)]
    calendar.run(until=first[1] + 1e-9)
    assert not pool.servers[1].is_up
    calendar.run(until=back[1] - 1e-9 if back[1] - first[1] > 1e-6 else back[1])
    assert not pool.servers[1].is_up
    assert [h for h in heard if h == ("forget", 6)] == [("forget", 6)]
    assert made.in_vain >= 1
