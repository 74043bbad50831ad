"""Every way to get a scenario wrong, and the exact line that it earns."""

import sys

import pytest
from builders import COEFFICIENTS, api, model, pool, scenario
from hypothesis import given, settings
from hypothesis import strategies as st

from messsim.errors import ScenarioError
from messsim.scenario import Scenario, dump, load, parse
from messsim.scenario.checks import API_KEYS, GPU_KEYS
from messsim.scenario.fleet import Pool, Serving

ARRIVALS = "poisson, gamma, mmpp, diurnal, trace, closed"
LAWS = "constant, geometric, lognormal, empirical, trace, table, builtin"
A_LAW = "a number of tokens, or a law such as {kind = 'geometric', mean = 150}"
A_DELAY = "'immediate', a number of seconds, or a law such as {kind = 'exponential', mean_s = 60}"
TWO = [{"name": "small", "satisfaction": 0.4}, {"name": "large", "satisfaction": 0.8}]


def problems(data, sets=None, **flags) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        parse(data, sets, **flags)
    return caught.value.problems


def wrong(name: str, value, line: str, *more: str):
    return pytest.param({name: value}, [line, *more], id=line[:60])


# ---- values of a wrong kind -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        wrong("name", 5, "name = 5: expected a string"),
        wrong("requests", 0, "requests = 0: expected at least 1"),
        wrong("requests", 1.0, "requests = 1.0: expected a whole number, written 1"),
        wrong("requests", "5", "requests = '5': expected a whole number without quotes, 5"),
        wrong("requests", True, "requests = true: expected a whole number"),
        wrong("requests", 2**53 + 1, "requests = 9007199254740993: expected at most 9007199254740992"),
        wrong("requests", 1 << 40_000, "requests = a huge number: expected at most 9007199254740992"),
        wrong("seed", -1, "seed = -1: expected at least 0"),
        wrong("seed", 2**32, "seed = 4294967296: expected below 4294967296"),
        wrong("engine", "simpi", "engine = 'simpi': expected one of compiled, simpy; did you mean 'simpy'?"),
        wrong("engine", ["simpy"], "engine = ['simpy']: expected one of compiled, simpy"),
        wrong("sla", {"alpha": 1.5}, "sla.alpha = 1.5: expected at most 1"),
        wrong("sla", {"alpha": -0.1}, "sla.alpha = -0.1: expected at least 0"),
        wrong("sla", {"alpha": float("nan")}, "sla.alpha = nan: expected a finite number"),
        wrong("sla", {"alpha": "x" * 80}, f"sla.alpha = '{'x' * 56}...: expected a number"),
        wrong("tenants", [{"name": "a", "alpha": 2}], "tenants.0.alpha = 2: expected at most 1"),
        wrong("tenants", [{"name": ""}], "tenants.0.name = '': expected at least one character"),
        wrong("tenants", [{"name": "a", "share": 0}], "tenants.0.share = 0: expected above 0"),
        wrong("tenants", {"name": "a"}, "tenants = {'name': 'a'}: expected a list of tables, [[tenants]]"),
        wrong("models", [], "models = []: expected at least 1 entry"),
        wrong("models", 5, "models = 5: expected a list of tables, [[models]]"),
        wrong("models", [3], "models.0 = 3: expected a table"),
        wrong("models", [model(f"m{i}") for i in range(257)], "models = [...]: expected at most 256 entries"),
        wrong("models", [model("a", replicas=0)], "models.0.replicas = 0: expected at least 1"),
        wrong("models", [model("a", tp=-1)], "models.0.tp = -1: expected at least 1"),
        wrong("record", {"potential_outcomes": 1}, "record.potential_outcomes = 1: expected true or false"),
        wrong("record", {"chunk": 10}, "record.chunk = 10: expected at least 64"),
        wrong("router", {"V": 0}, "router.V = 0: expected above 0"),
        wrong("router", {"V": 1e-16}, "router.V = 1e-16: expected at least 1e-15"),
        wrong("models", [model("a", latency_s=1e-300)], "models.0.latency_s = 1e-300: expected at least 1e-15"),
        wrong("router", {"V": 1e16}, "router.V = 1e+16: expected at most 1e+15"),
        wrong("router", {"initial_queue": -1}, "router.initial_queue = -1: expected at least 0"),
        wrong("router", {"initial_queue": float("inf")}, "router.initial_queue = inf: expected a finite number"),
        wrong("router", {"discount": 1.5}, "router.discount = 1.5: expected at most 1"),
        wrong("router", {"predictor": {"momentum": 1.0}}, "router.predictor.momentum = 1.0: expected below 1"),
        wrong("cost", {"unit": "EUR"}, "cost.unit = 'EUR': expected one of J, USD"),
        wrong("cost", {"usd_per_gpu_hour": 3}, "cost.usd_per_gpu_hour = 3: expected a table"),
        wrong("cost", {"usd_per_gpu_hour": {"A": -3}}, "cost.usd_per_gpu_hour.A = -3: expected at least 0"),
        wrong("features", {"signal": 1.01}, "features.signal = 1.01: expected at most 1"),
        wrong("satisfaction", {"slope": 0}, "satisfaction.slope = 0: expected at least 0.001"),
        wrong("cluster", {"admission": 3}, "cluster.admission = 3: expected a table"),
    ],
)
def test_values(changes, lines):
    assert problems(scenario(**changes)) == lines


@pytest.mark.parametrize(
    ("law", "lines"),
    [
        ("fast", ["arrivals = 'fast': expected a table"]),
        ({}, [f"arrivals.kind: missing; expected one of {ARRIVALS}"]),
        (
            {"kind": "poison"},
            [f"arrivals.kind = 'poison': expected one of {ARRIVALS}; did you mean 'poisson'?"],
        ),
        ({"kind": 5}, [f"arrivals.kind = 5: expected one of {ARRIVALS}"]),
        ({"kind": ["poisson"]}, [f"arrivals.kind = ['poisson']: expected one of {ARRIVALS}"]),
        ({"kind": "poisson"}, ["arrivals.rate_rps: missing; expected requests per second"]),
        ({"kind": "poisson", "rate_rps": -1}, ["arrivals.rate_rps = -1: expected above 0"]),
        ({"kind": "poisson", "rate_rps": float("inf")}, ["arrivals.rate_rps = inf: expected a finite number"]),
        ({"kind": "poisson", "rate_rps": True}, ["arrivals.rate_rps = true: expected a number"]),
        ({"kind": "poisson", "rate_rps": 10**400}, ["arrivals.rate_rps = a huge number: expected a number"]),
        ({"kind": "gamma", "rate_rps": 1, "cv": 0.01}, ["arrivals.cv = 0.01: expected at least 0.05"]),
        ({"kind": "gamma", "rate_rps": 1, "cv": 21}, ["arrivals.cv = 21: expected at most 20"]),
        (
            {"kind": "mmpp", "rate_rps": 1, "burst_rate_rps": 0, "mean_calm_s": 0, "mean_burst_s": -1},
            [
                "arrivals.burst_rate_rps = 0: expected above 0",
                "arrivals.mean_calm_s = 0: expected above 0",
                "arrivals.mean_burst_s = -1: expected above 0",
            ],
        ),
        ({"kind": "diurnal", "rates_rps": [1]}, ["arrivals.rates_rps = [1]: expected at least 2 entries"]),
        ({"kind": "diurnal", "rates_rps": 1}, ["arrivals.rates_rps = 1: expected a list"]),
        ({"kind": "diurnal", "rates_rps": [1, -1]}, ["arrivals.rates_rps.1 = -1: expected at least 0"]),
        ({"kind": "diurnal", "rates_rps": [0, 0]}, ["arrivals: all rates are 0; expected at least one above it"]),
        (
            {"kind": "diurnal", "rates_rps": [1, 1], "day_s": 1e-9},
            ["arrivals: 5e-10 requests in a slot, on average; expected at least 0.001: a higher rate, or longer ones"],
        ),
        (
            {"kind": "mmpp", "rate_rps": 0, "burst_rate_rps": 1e-9, "mean_calm_s": 1, "mean_burst_s": 1},
            [
                "arrivals: 5e-10 requests in a calm period or burst, on average; expected at least 0.001: a higher "
                "rate, or longer ones"
            ],
        ),
        ({"kind": "trace"}, ["arrivals.file: missing; expected path, relative to the scenario's folder"]),
        (
            {"kind": "trace", "file": "t.csv", "window_s": [3, 3]},
            ["arrivals: window_s = [3.0, 3.0] is empty; expected [from, to) with from < to"],
        ),
        ({"kind": "trace", "file": "t.csv", "window_s": [3]}, ["arrivals.window_s = [3]: expected at least 2 entries"]),
        (
            {"kind": "trace", "file": "t.csv", "columns": {"tim": "x"}},
            ["arrivals.columns.tim: unknown key; did you mean 'time'?"],
        ),
        ({"kind": "closed", "clients": 0}, ["arrivals.clients = 0: expected at least 1"]),
        (
            {"kind": "poisson", "rate_rps": 1, "cv": 2},
            ["arrivals.cv: unknown key; expected one of kind, rate_rps"],
        ),
    ],
    ids=lambda x: str(x)[:50],
)
def test_arrivals(law, lines):
    assert problems(scenario(arrivals=law)) == lines


def test_a_client_who_is_turned_away_must_pause():
    data = scenario(arrivals={"kind": "closed", "clients": 2}, cluster={"admission": {"max_waiting": 0}})
    assert problems(data) == [
        "arrivals.think_s = 0: expected at least 1e-06 with cluster.admission: a client who is turned away would ask "
        "again at the same instant"
    ]


@pytest.mark.parametrize(
    ("law", "line"),
    [
        (0, "tokens.prompt = 0: expected at least 1"),
        (-7, "tokens.prompt = -7: expected at least 1"),
        (2.5, "tokens.prompt = 2.5: expected a whole number"),
        (10_000_001, "tokens.prompt = 10000001: expected at most 10000000"),
        (True, f"tokens.prompt = true: expected {A_LAW}"),
        ("long", f"tokens.prompt = 'long': expected {A_LAW}"),
        ([500], f"tokens.prompt = [500]: expected {A_LAW}"),
        ({"mean": 3}, f"tokens.prompt.kind: missing; expected one of {LAWS}"),
        ({"kind": "normal"}, f"tokens.prompt.kind = 'normal': expected one of {LAWS}; did you mean 'lognormal'?"),
        ({"kind": "geometric", "mean": 0.5}, "tokens.prompt.mean = 0.5: expected at least 1"),
        ({"kind": "geometric", "mean": 1e300}, "tokens.prompt.mean = 1e+300: expected at most 10000000"),
        ({"kind": "lognormal", "mean": 5, "cv": 0}, "tokens.prompt.cv = 0: expected at least 0.001"),
        ({"kind": "lognormal", "mean": 5, "cv": 1e200}, "tokens.prompt.cv = 1e+200: expected at most 100"),
        ({"kind": "lognormal", "mean": 5, "cv": 1, "max": 0}, "tokens.prompt.max = 0: expected at least 1"),
        ({"kind": "empirical", "tokens": []}, "tokens.prompt.tokens = []: expected at least 1 entry"),
        ({"kind": "empirical", "tokens": [3, 0]}, "tokens.prompt.tokens.1 = 0: expected at least 1"),
        (
            {"kind": "empirical", "tokens": [3, 4], "weights": [1]},
            "tokens.prompt: 2 tokens but 1 weights; expected one each",
        ),
        (
            {"kind": "empirical", "tokens": [3, 4], "weights": [1, 1, 1]},
            "tokens.prompt: 2 tokens but 3 weights; expected one each",
        ),
        (
            {"kind": "empirical", "tokens": [3, 4], "weights": [0, 0]},
            "tokens.prompt: the weights sum to 0; expected at least one above it",
        ),
        (
            {"kind": "trace"},
            "tokens.prompt.kind = 'trace': expected arrivals.kind = 'trace', not 'poisson', or tokens.file, a file "
            "of lengths",
        ),
        ({"kind": "table"}, "tokens.prompt.kind = 'table': expected satisfaction.kind = 'table', not 'irt'"),
    ],
    ids=lambda x: str(x)[:50],
)
def test_laws_of_tokens(law, line):
    assert problems(scenario(tokens={"prompt": law})) == [line]
    for at, data in {
        "tokens.output": scenario(tokens={"output": law}),
        "models.1.output": scenario(models=[model("a"), model("b", output=law)]),
        "phases.0.prompt": scenario(phases=[{"from_request": 3, "prompt": law}]),
        "phases.0.output": scenario(phases=[{"from_request": 3, "output": law}]),
    }.items():
        assert problems(data) == [line.replace("tokens.prompt", at)]


@pytest.mark.parametrize(
    ("delay", "line"),
    [
        ("soon", f"feedback.delay = 'soon': expected {A_DELAY}"),
        (True, f"feedback.delay = true: expected {A_DELAY}"),
        ([1], f"feedback.delay = [1]: expected {A_DELAY}"),
        (-1, "feedback.delay = -1: expected at least 0"),
        (float("nan"), "feedback.delay = nan: expected a finite number"),
        ({"kind": "exponential"}, "feedback.delay.mean_s: missing; expected mean, seconds"),
        ({"kind": "exponential", "mean_s": 0}, "feedback.delay.mean_s = 0: expected above 0"),
        (
            {"kind": "constant", "mean": 3, "mean_s": 3},
            "feedback.delay.mean: unknown key; did you mean 'mean_s', in seconds?",
        ),
        ({"mean_s": 3}, "feedback.delay.kind: missing; expected one of immediate, constant, exponential, lognormal"),
    ],
    ids=lambda x: str(x)[:50],
)
def test_delays(delay, line):
    assert problems(scenario(feedback={"delay": delay})) == [line]


# ---- keys that nobody knows -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"request": 5}, "request: unknown key; did you mean 'requests'?"),
        ({"slas": {}}, "slas: unknown key; did you mean 'sla'?"),
        ({"sla": {"alfa": 1}}, "sla.alfa: unknown key; did you mean 'alpha'?"),
        ({"models": [model("a", rpm=2)]}, "models.0.rpm: unknown key; did you mean 'requests_per_minute'?"),
        ({"models": [model("a", replica=2)]}, "models.0.replica: unknown key; did you mean 'replicas'?"),
        ({"models": TWO, "pools": [pool("small"), pool("large") | {"serves": "x"}]}, "pools.1.serves: unknown key; "),
        (
            {"models": TWO, "pools": [{"modle": "small"} | pool("small")]},
            "pools.0.modle: unknown key; did you mean 'model'?",
        ),
        (
            {"models": [model("a", coefficients=COEFFICIENTS | {"p0_w": 1})]},
            "models.0.coefficients.p0_w: unknown key; did you mean 'p0_w_per_gpu'?",
        ),
        (
            {"router": {"predictor": {"lr": 1}}},
            "router.predictor.lr: unknown key; expected one of clip, learning_rate, means, momentum, optimizer, "
            "standardize, start, warm_start, weight_decay",
        ),
        ({"router": {"polcy": "random"}}, "router.polcy: unknown key; did you mean 'policy'?"),
        ({"phases": [{"from_request": 1, "difficulti": 1}]}, "phases.0.difficulti: unknown key; did you mean 'diff"),
        (
            {"cluster": {"failures": {"schedule": [{"pool": "small", "at_s": 1, "for_s": 1, "replicas": 1}]}}},
            "cluster.failures.schedule.0.replicas: unknown key; did you mean 'replica'?",
        ),
        (
            {"satisfaction": {"tasks": [{"name": "x", "wait": 1}]}},
            "satisfaction.tasks.0.wait: unknown key; did you mean 'weight'?",
        ),
        ({"satisfaction": {"file": "x"}}, "satisfaction.file: unknown key; expected one of grades, kind, slope, tasks"),
    ],
    ids=lambda x: str(x)[:50],
)
def test_unknown_keys(changes, line):
    (result,) = problems(scenario(**changes))
    assert result.startswith(line)
    assert result == line or not line.endswith("?")


@pytest.mark.parametrize(
    ("without", "line"),
    [
        ("sla", "sla: missing; expected the promise"),
        ("arrivals", "arrivals: missing; expected when requests come"),
        ("models", "models: missing; expected the zoo, in rising order of cost"),
    ],
)
def test_missing_tables(without, line):
    assert problems(scenario(**{without: None})) == [line]


# ---- keys that do not fit each other --------------------------------------------------------------------

FROM_FILE = {"prompt": {"kind": "trace"}, "output": {"kind": "trace"}}
KNOWN = "expected one of small, large"
TABLE = {"satisfaction": {"kind": "table", "file": "t.csv"}, "features": None}


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        # length
        ({"horizon_s": 10.0}, ["requests = 40 and horizon_s = 10.0: expected only one of them"]),
        ({"requests": None}, ["requests: missing; expected requests = N or horizon_s = SECONDS"]),
        ({"warmup": 40}, ["warmup = 40: expected fewer than requests = 40"]),
        # rates
        (
            {
                "arrivals": {"kind": "diurnal", "rates_rps": [1, 0], "day_s": 10.0},
                "phases": [{"from_s": 1.0, "rate_factor": 1e-6}],
            },
            [
                "arrivals: 2.5e-06 requests in a slot, on average; expected at least 0.001: a higher rate, or longer "
                "ones"
            ],
        ),
        # names
        (
            {"models": [model("a"), model("a")]},
            ["models: the name 'a' is given twice; expected different names"],
        ),
        *[
            (
                {"tenants": [{"name": name}, {"name": other}]},
                [
                    f"tenants: the names {name!r} and {other!r} are one in columns of results, which have underscores "
                    "for points and no quotes; expected names that differ otherwise"
                ],
            )
            for name, other in (("m.1", "m_1"), ('the "8b"', "the 8b"))
        ],
        (
            {"tenants": [{"name": "a"}, {"name": "b"}, {"name": "a"}]},
            ["tenants: the name 'a' is given twice; expected different names"],
        ),
        (
            {"models": TWO, "pools": [pool("small", name="x"), pool("large", name="x")]},
            ["pools: the name 'x' is given twice; expected different names"],
        ),
        (
            {"models": TWO, "pools": [pool("small"), pool("small"), pool("large", name="small-1")]},
            ["pools: the name 'small-1' is given twice; expected different names"],
        ),
        (
            {"satisfaction": {"tasks": [{"name": "a"}, {"name": "a"}]}},
            ["satisfaction.tasks: the name 'a' is given twice; expected different names"],
        ),
        ({"router": {"reference": "lareg"}}, [f"router.reference = 'lareg': unknown model; {KNOWN}"]),
        (
            {"router": {"mess+": {"reference": "tiny"}}},
            [f"router.mess+.reference = 'tiny': unknown model; {KNOWN}"],
        ),
        (
            {"pools": [pool("tiny")]},
            [f"pools.0.model = 'tiny': unknown model; {KNOWN}"],
        ),
        (
            {
                "pools": [{"model": "tiny", "coefficients": COEFFICIENTS}],
                "cluster": {"failures": {"mtbf_s": 9.0, "mttr_s": 1.0}},
            },
            [f"pools.0.model = 'tiny': unknown model; {KNOWN}"],
        ),
        # outcomes
        (
            {"models": [{"name": "a", "coefficients": COEFFICIENTS}]},
            ["models.0.satisfaction: missing for a; expected its mean satisfaction"],
        ),
        (
            {"models": [model("a", 0.0), model("b", 1.0)]},
            [
                "models.0.satisfaction = 0.0: expected above 0 and below 1, where an ability exists",
                "models.1.satisfaction = 1.0: expected above 0 and below 1, where an ability exists",
            ],
        ),
        (
            {"satisfaction": {"tasks": [{"name": "a", "weight": 0}]}},
            ["satisfaction.tasks: all weights are 0; expected at least one above it"],
        ),
        (
            {"features": {"kind": "text"}},
            ["features.kind = 'text': expected satisfaction.kind = 'table', not 'irt'"],
        ),
        (
            TABLE | {"features": {"kind": "difficulty"}},
            ["features.kind = 'difficulty': expected satisfaction.kind = 'irt', not 'table'"],
        ),
        # serving
        (
            {"models": [{"name": "a", "satisfaction": 0.5}]},
            ["models.0.profile: missing for a; expected a profile, coefficients or a pool"],
        ),
        (
            {"pools": [pool("small")]},
            ["models.0: small has pools of its own; expected no profile or coefficients here"],
        ),
        (
            {"models": TWO, "pools": [pool("small"), {"model": "large"}]},
            ["pools.1.profile: missing; expected a profile or coefficients"],
        ),
        (
            {"models": TWO, "cluster": {"mode": "none"}},
            [
                "models.0.cost_per_request: missing for small; expected it, or a profile in models",
                "models.1.cost_per_request: missing for large; expected it, or a profile in models",
            ],
        ),
        (  # pools are not looked at without servers: a cost of 0 would be a silent lie
            {"models": [TWO[0], model("large")], "pools": [pool("small")], "cluster": {"mode": "none"}},
            ["models.0.cost_per_request: missing for small; expected it, or a profile in models"],
        ),
        (
            {"models": [model("a", max_num_seqs=9, max_batched_tokens=8)]},
            [
                "models.0: max_batched_tokens = 8 is below max_num_seqs = 9; expected at least one token for each "
                "sequence"
            ],
        ),
        (
            {"models": [model("a", profile="Llama-3.1-8B")]},
            ["models.0: both profile and coefficients are given; expected one of them"],
        ),
        (
            {"models": [model("a", coefficients=COEFFICIENTS | {"p_cap_w_per_gpu": 5.0})]},
            ["models.0.coefficients: p_cap_w_per_gpu = 5.0 is below p0_w_per_gpu = 100.0"],
        ),
        (
            {"models": [model("a", coefficients=COEFFICIENTS | {"ae_s": 0.1, "experts": 4, "top_k": 4})]},
            ["models.0.coefficients: top_k = 4 and experts = 4; expected 0 < top_k < experts"],
        ),
        (
            {
                "models": [model("a", cost_per_request=1)],
                "cluster": {"mode": "none", "admission": {"max_waiting": 1}, "failures": {}},
                "arrivals": {"kind": "closed", "clients": 3},
            },
            [
                "cluster.admission: expected cluster.mode = 'servers', since mode 'none' has no servers",
                "cluster.failures: expected cluster.mode = 'servers', since mode 'none' has no servers",
                "arrivals.kind = 'closed': expected cluster.mode = 'servers': clients wait for answers",
            ],
        ),
        (
            {"cluster": {"failures": {"schedule": [{"pool": "smal", "at_s": 1, "for_s": 1}]}}},
            [f"cluster.failures.schedule.0.pool = 'smal': unknown pool; {KNOWN}"],
        ),
        (
            {"cluster": {"failures": {"schedule": [{"pool": "small", "replica": 1, "at_s": 1, "for_s": 1}]}}},
            ["cluster.failures.schedule.0.replica = 1: expected below 1"],
        ),
        (
            {"router": {"window": 5, "discount": 0.5}},
            ["router: both window and discount are given; expected one of them"],
        ),
        (
            {"router": {"window": 5, "initial_queue": 3.0}},
            [
                "router: window = 5 and initial_queue = 3: expected one of them; a windowed queue is what its ratings "
                "fell short, and starts at 0"
            ],
        ),
        # columns of a trace
        (
            {
                "arrivals": {"kind": "trace", "file": "t.csv", "columns": {"prompt_tokens": "n", "output_tokens": "n"}},
                "tokens": FROM_FILE,
            },
            ["arrivals.columns: prompt_tokens and output_tokens are both 'n'; expected a column for each"],
        ),
        (
            {
                "arrivals": {"kind": "trace", "file": "t.csv", "columns": {"time": "prompt_tokens"}},
                "tokens": FROM_FILE | {"output": 5},
            },
            ["arrivals.columns: time and prompt_tokens are both 'prompt_tokens'; expected a column for each"],
        ),
        (
            {"tokens": FROM_FILE | {"file": "l.csv", "columns": {"output_tokens": "prompt_tokens"}}},
            ["tokens.columns: prompt_tokens and output_tokens are both 'prompt_tokens'; expected a column for each"],
        ),
        *[
            (
                {"arrivals": {"kind": "trace", "file": "t.csv", "columns": columns}, "tokens": None},
                [f"arrivals: columns.{line}"],
            )
            for columns, line in [
                ({"session": "s"}, "session and columns.delay: expected both of them, or none"),
                ({"delay": "d"}, "session and columns.delay: expected both of them, or none"),
                ({"chat": "c"}, "chat and columns.parent: expected both of them, or none"),
                (
                    {"session": "s", "delay": "d", "chat": "c", "parent": "p"},
                    "session and columns.parent: expected only one of them to tell sessions",
                ),
                ({"turn": "n"}, "turn: expected columns.parent, which it is checked against"),
            ]
        ],
        # phases
        (
            {"phases": [{"from_s": 1.0, "over_requests": 3}]},
            ["phases.0: over_requests with from_s; expected over_s"],
        ),
        (
            {"phases": [{"from_request": 1, "over_s": 3.0}]},
            ["phases.0: over_s with from_request; expected over_requests"],
        ),
        ({"phases": [{}]}, ["phases.0: expected exactly one of from_request and from_s"]),
        (
            {"phases": [{"from_request": 1, "from_s": 1.0}]},
            ["phases.0: expected exactly one of from_request and from_s"],
        ),
        (
            {"phases": [{"from_request": 1}, {"from_s": 1.0}]},
            ["phases: some start at a request and some at a time; expected one kind"],
        ),
        (
            {"phases": [{"from_request": 5}, {"from_request": 5}]},
            ["phases: from_request = [5, 5]; expected rising starts"],
        ),
        ({"phases": [{"from_s": 5}, {"from_s": 4}]}, ["phases: from_s = [5.0, 4.0]; expected rising starts"]),
        (
            {"arrivals": {"kind": "closed", "clients": 2}, "phases": [{"from_s": 5, "rate_factor": 2}]},
            [
                "phases: from_s with closed arrivals, whose times follow from the run; expected from_request",
                "phases.0.rate_factor: the arrivals of a closed have no rate to multiply",
            ],
        ),
        (
            {"phases": [{"from_s": 5, "satisfaction": {"tiny": 0.5, "small": 1.0}}]},
            [
                f"phases.0.satisfaction.tiny: unknown model; {KNOWN}",
                "phases.0.satisfaction.small = 1.0: expected above 0 and below 1",
            ],
        ),
        (
            {"phases": [{"from_s": 5, "columns": {"tiny": "x"}}]},
            [
                f"phases.0.columns.tiny: unknown model; {KNOWN}",
                "phases.0.columns: expected satisfaction.kind = 'table'",
            ],
        ),
        ({"phases": [{"from_s": 5, "groups": ["x"]}]}, ["phases.0.groups: expected satisfaction.kind = 'table'"]),
        ({"phases": [{"from_s": 5, "groups": []}]}, ["phases.0.groups = []: expected at least 1 entry"]),
        (
            {"phases": [{"from_s": 5, "tasks": {"x": 1}}]},
            ["phases.0.tasks.x: unknown task; expected one of (none)"],
        ),
        (
            {"satisfaction": {"tasks": [{"name": "a"}]}, "phases": [{"from_s": 5, "tasks": {"a": 0}}]},
            ["phases.0.tasks: all weights are 0; expected at least one above it"],
        ),
        (
            TABLE | {"phases": [{"from_s": 5, "satisfaction": {"small": 0.5}, "difficulty": 1, "groups": ["x"]}]},
            [
                "phases.0.satisfaction: expected satisfaction.kind = 'irt'",
                "phases.0.difficulty: expected satisfaction.kind = 'irt'",
                "phases.0.groups: expected satisfaction.group, the column to select by",
            ],
        ),
        # prices
        (
            {"models": [{"name": "a", "satisfaction": 0.5} | api()]},
            ["cost.unit = 'J': nobody knows the energy of an API; expected 'USD'"],
        ),
        (
            {"cost": {"unit": "USD"}, "models": [model("a"), model("b", gpu="H100")]},
            [
                "cost.usd_per_gpu_hour.GPU: missing; expected the price of the GPU of pool a",
                "cost.usd_per_gpu_hour.H100: missing; expected the price of the GPU of pool b",
            ],
        ),
        (
            {
                "cost": {"unit": "USD"},
                "cluster": {"mode": "none"},
                "models": [model("a", cost_per_request=1), model("b", gpu="H100")],
            },
            ["cost.usd_per_gpu_hour.H100: missing; expected the price of the GPU of model b"],
        ),
    ],
    ids=lambda x: x[0][:70] if isinstance(x, list) else "",
)
def test_keys_that_do_not_fit(changes, lines):
    assert problems(scenario(**changes)) == lines


WHERE_EACH_TURN_WAITS = "cluster.mode = 'servers': each turn waits for the answer before"
SESSIONS = {"turns": {"kind": "constant", "turns": 2}, "think_s": {"kind": "constant", "mean_s": 1.0}}
READ = {"kind": "trace", "file": "t.jsonl"}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"arrivals": READ | {"columns": {"tenant": "who"}}},
            "arrivals.columns.tenant = 'who': expected [[tenants]] with the names in it",
        ),
        (
            {"models": [model("a", replicas=60_000), model("b", replicas=40_001)]},
            "pools: 100001 replicas in all; expected at most 100000",
        ),
        (
            {"arrivals": READ | {"columns": {"hash_ids": "h"}}, "prefixes": {"groups": 2, "tokens": 1}},
            "prefixes: the hashes of the trace say already what prompts share; expected only one of them",
        ),
        (
            {"arrivals": READ | {"columns": {"session": "s", "delay": "d"}}, "cluster": {"mode": "none"}},
            f"arrivals: the sessions of a trace want {WHERE_EACH_TURN_WAITS}",
        ),
        ({"sessions": SESSIONS, "cluster": {"mode": "none"}}, f"sessions: expected {WHERE_EACH_TURN_WAITS}"),
        (
            {"sessions": SESSIONS, "tokens": {"file": "l.csv", "prompt": {"kind": "trace"}}},
            "tokens.prompt.kind = 'trace': with sessions, expected a law of its own",
        ),
        (
            {"sessions": SESSIONS | {"turns": {"kind": "empirical", "turns": [1, 2], "weights": [0, 0]}}},
            "sessions.turns: the weights sum to 0; expected at least one above it",
        ),
    ],
    ids=lambda x: x[:60] if isinstance(x, str) else "",
)
def test_what_traces_sessions_and_fleets_want(changes, line):
    assert line in problems(scenario(**changes))


@pytest.mark.parametrize(
    ("knots", "line"),
    [
        ([[1, 0.5]], "knots: expected at least two, in rising order of tokens"),
        ([[1, 0.5], [1, 0.6]], "knots: expected at least two, in rising order of tokens"),
        ([[2, 0.5], [1, 0.6]], "knots: expected at least two, in rising order of tokens"),
        (
            [[1, 0.5], [2, 0.4]],
            "knots: the last is quicker than the one before; expected no less, for longer batches",
        ),
    ],
)
def test_knots_that_are_no_curve(knots, line):
    coefficients = {k: v for k, v in COEFFICIENTS.items() if k != "a0_s"} | {"knots": knots}
    assert any(p.endswith(line) for p in problems(scenario(models=[model("a", coefficients=coefficients)])))


@pytest.mark.parametrize("knots", [[[1, 0.5], [2, 0.5]], [[1, 0.5], [2, 0.4], [3, 0.4]]])
def test_knots_may_fall_but_not_at_the_end(knots):
    coefficients = {k: v for k, v in COEFFICIENTS.items() if k != "a0_s"} | {"knots": knots}
    parse(scenario(models=[model("a", coefficients=coefficients)]))


def test_pools_of_a_role_are_servers_and_no_apis():
    wanted = "expected cluster.mode = 'servers', since mode 'none' has no servers"
    pools = [pool("a", name="p", role="prefill", kv_bytes_per_token=1.0), pool("a", name="d", role="decode")]
    data = scenario(models=[{"name": "a", "satisfaction": 0.5}], pools=pools, cluster={"mode": "none"})
    lines = problems(data)
    assert f"pools.0.role = 'prefill': {wanted}" in lines
    assert f"pools.1.role = 'decode': {wanted}" in lines


def test_a_pool_that_changes_its_size_is_of_servers():
    scaled = model("a", autoscale={"rule": "target", "target": 1.0})
    wanted = "expected cluster.mode = 'servers', since mode 'none' has no servers"
    assert f"models.0.autoscale: {wanted}" in problems(scenario(models=[scaled], cluster={"mode": "none"}))


def test_a_file_of_lengths_is_read_by_some_law():
    lengths, other = {"kind": "trace"}, {"kind": "constant", "tokens": 3}
    expected = "no law reads it; expected tokens.prompt = {kind = 'trace'}, or output"
    assert problems(scenario(tokens={"file": "l.csv"})) == [f"tokens.file = 'l.csv': {expected}"]
    for prompt, output in ((lengths, other), (other, lengths), (lengths, lengths)):
        parse(scenario(tokens={"file": "l.csv", "prompt": prompt, "output": output}))
    parse(scenario(tokens={"file": "l.csv"}, models=[model("a"), model("b", output=lengths)]))
    parse(scenario(tokens={"file": "l.csv"}, phases=[{"from_request": 3, "output": lengths}]))


@pytest.mark.parametrize("table", ["models", "pools"])
@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("profile", "Llama-3.1-8B", " = 'Llama-3.1-8B'"),
        ("gpu", "H100", " = 'H100'"),
        ("tp", 1, " = 1"),  # the default, given: it has no effect either
        ("coefficients", {"a0_s": 0.25}, ""),
        ("replicas", 3, " = 3"),
        ("max_num_seqs", 1, " = 1"),
        ("max_batched_tokens", 4096, " = 4096"),
        ("kv_capacity_tokens", 1000, " = 1000"),
        ("kv_policy", "reserve", " = 'reserve'"),
        ("engine", "vllm", " = 'vllm'"),
        ("schedule", "tensorrt-llm", " = 'tensorrt-llm'"),
    ],
)
def test_an_api_has_no_replicas_to_speak_of(table, key, value, shown):
    plain = {"name": "a", "satisfaction": 0.5}
    serving = api() | {key: value}
    data = (
        {"models": [plain | serving]} if table == "models" else {"models": [plain], "pools": [{"model": "a"} | serving]}
    )
    assert problems(scenario(cost={"unit": "USD"}, **data)) == [
        f"{table}.0.{key}{shown}: has no effect with kind = 'api'; expected kind = 'gpu', or no such key"
    ]


@pytest.mark.parametrize("key", API_KEYS)
def test_gpus_are_not_paid_by_the_token(key):
    value = 200 if key.endswith(("_least_tokens", "_step_tokens", "_concurrent_requests")) else 200.5
    assert problems(scenario(models=[model("a", **{key: value})])) == [
        f"models.0.{key} = {value}: has no effect with kind = 'gpu'; expected kind = 'api', or no such key"
    ]


def test_every_key_of_how_a_model_is_served_belongs_to_a_kind():
    """A key that is added later is asked for here: without effect on the other kind, or with one?

    Both have a context; that an API has no role is told of its own.
    """
    both = {"kind", "max_model_len", "name", "serves", "role"}
    assert {*GPU_KEYS, *API_KEYS, *both} == {*Serving.model_fields, *Pool.model_fields}


def test_an_api_transfers_no_cache():
    pools = [{"model": "a", "kv_bytes_per_token": 100.0} | api()]
    assert problems(scenario(cost={"unit": "USD"}, models=[{"name": "a", "satisfaction": 0.5}], pools=pools)) == [
        "pools.0.kv_bytes_per_token = 100.0: has no effect with kind = 'api'; expected kind = 'gpu', or no such key"
    ]


def test_a_client_who_thinks_no_time_would_ask_an_api_that_is_down_for_ever():
    closed = {"kind": "closed", "clients": 1, "think_s": 0.0}
    failing = {"failures": {"schedule": [{"pool": "a", "at_s": 1.0, "for_s": 1.0}]}}
    data = scenario(arrivals=closed, cost={"unit": "USD"}, cluster=failing)
    assert problems(data | {"models": [{"name": "a", "satisfaction": 0.5} | api()]}) == [
        "arrivals.think_s = 0: expected at least 1e-06 with outages of an API: a client who is turned away would ask "
        "again at the same instant"
    ]
    own = {"models": [{"name": "a", "satisfaction": 0.5}], "pools": [pool("a", name="a"), {"model": "a"} | api()]}
    data["cost"] = {"unit": "USD", "usd_per_gpu_hour": {"GPU": 3.0}}
    assert parse(data | own).arrivals.kind == "closed"  # its own replica's queue is always there


def test_a_profile_without_a_gpu_is_not_asked_for_its_price():
    """That the GPU is missing is said by who looks the profile up."""
    models = [{"name": "a", "satisfaction": 0.5, "profile": "Llama-3.1-8B"}]
    assert parse(scenario(cost={"unit": "USD"}, models=models)).models[0].gpu is None


def test_several_errors_are_all_told_in_one():
    data = scenario(sla={"alpha": 2}, seed=-1, router={"V": "x"}, models=[model("a", tp=0, nam="b")])
    with pytest.raises(ScenarioError) as caught:
        parse(data, file="some.toml")
    assert caught.value.problems == [
        "seed = -1: expected at least 0",
        "sla.alpha = 2: expected at most 1",
        "models.0.tp = 0: expected at least 1",
        "models.0.nam: unknown key; did you mean 'name'?",
        "router.V = 'x': expected a number, or 'auto'",
    ]
    assert str(caught.value).splitlines() == [f"some.toml: {p}" for p in caught.value.problems]


# ---- overrides ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("", "--set : expected key.path=value"),
        ("router.V", "--set router.V: expected key.path=value"),
        ("=5", "--set =5: expected key.path=value"),
        ("router..V=5", "--set router..V=5: expected key.path=value"),
        (".V=5", "--set .V=5: expected key.path=value"),
        ('router."V=5', '--set router."V=5: expected key.path=value'),
        ("router.V=five", "router.V = 'five': expected a number, or 'auto'"),
        ("router.V=", "router.V = '': expected a number, or 'auto'"),
        ("router.V=1\nseed=2", "router.V = '1\\nseed=2': expected a number, or 'auto'"),
        ("seed.x=3", "seed = {'x': 3}: expected a whole number"),
        ("models.0=3", "models.0 = 3: expected a table"),
        (
            "models.tiny.tp=1",
            "--set models.tiny.tp: models has no entry 'tiny'; expected a position below 2, or one of small, large",
        ),
        (
            "models.2.tp=1",
            "--set models.2.tp: models has no entry '2'; expected a position below 2, or one of small, large",
        ),
        ("pools.0.tp=1", "--set pools.0.tp: pools has no entry '0', it is empty"),
        ("arrivals.rate_rps.0=1", "arrivals.rate_rps = {'0': 1}: expected a number"),
        ("router.explore=some", "router.explore = 'some': expected one of all, chosen"),
        ("requests=2020-01-02", "requests = 2020-01-02: expected a whole number"),
    ],
    ids=lambda x: str(x)[:50],
)
def test_overrides(override, line):
    assert problems(scenario(pools=[]), [override]) == [line]


def test_entries_of_a_list_without_names_have_only_positions():
    data = scenario(phases=[{"from_request": 3}])
    assert problems(data, ["phases.x.difficulty=1"]) == [
        "--set phases.x.difficulty: phases has no entry 'x'; expected a position below 1"
    ]


def test_a_value_is_checked_even_if_it_is_overridden():
    assert problems(scenario(router={"V": -1}), ["router.V=1"]) == ["router.V = -1: expected above 0"]
    assert problems(scenario(seed="x"), seed=3) == ["seed = 'x': expected a whole number"]


# ---- files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a = ", "not valid TOML: Invalid value (at end of document)"),
        (b"[sla\nalpha = 1", "not valid TOML: Expected ']' at the end of a table declaration (at line 1, column 5)"),
        (b"a = 1\na = 2", "not valid TOML: Cannot overwrite a value (at end of document); a stands twice"),
        (b"name = '\xff'", "not UTF-8 text: byte 8 is 0xff"),
        (b"\xff\xfen\x00", "is text in UTF-16; expected UTF-8, as most editors can save it"),
        (b"a = " + b"[" * 100_000, "not valid TOML: nested too deeply"),
        (b"a." * 100_000 + b"a = 1", "not valid TOML: nested too deeply"),
        (b"[" + b"a . " * 1000 + b"a]", "not valid TOML: nested too deeply"),
        (b"x = {" + b"'a'." * 1000 + b"a = 1}", "not valid TOML: nested too deeply"),
    ],
    ids=lambda x: str(x)[:40],
)
def test_files_that_are_no_scenario(tmp_path, content, line):
    file = tmp_path / "s.toml"
    file.write_bytes(content)
    with pytest.raises(ScenarioError) as caught:
        load(file)
    assert str(caught.value) == f"{file}: {line}"


@pytest.mark.parametrize(("keys", "more"), [(100, None), (101, "and 1 more errors"), (1500, "and 1,400 more errors")])
def test_a_hundred_errors_are_told_and_the_rest_counted(keys, more):
    with pytest.raises(ScenarioError) as caught:
        parse(scenario() | {f"x{k}": 1 for k in range(keys)})
    assert len(caught.value.problems) == min(keys, 100) + (more is not None)
    assert caught.value.problems[99].startswith("x99: unknown key")
    assert (caught.value.problems[-1] == more) == (more is not None)


@pytest.mark.skipif(not hasattr(sys, "get_int_max_str_digits"), reason="Python reads integers of any length")
def test_an_integer_of_thousands_of_digits(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text("requests = " + "1" * 5000)
    with pytest.raises(ScenarioError, match=r"not valid TOML: a number has over 4,300 digits$"):
        load(file)
    assert problems(scenario(), ["requests=" + "1" * 5000]) == [
        f"requests = '{'1' * 56}...: expected a whole number",
    ]
    assert problems(scenario(requests=10**5000)) == ["requests = a huge number: expected at most 9007199254740992"]


def test_no_such_file(tmp_path):
    with pytest.raises(ScenarioError) as caught:
        load(tmp_path / "none.toml")
    assert str(caught.value) == f"{tmp_path}/none.toml: no such file; expected a scenario in TOML"


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ScenarioError) as caught:
        load(tmp_path)
    assert str(caught.value) == f"{tmp_path}: is a directory; expected a scenario in TOML"


# ---- anything at all ------------------------------------------------------------------------------------

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("irt") | st.just("trace"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["kind", "name", "mean"]), inner),
    max_leaves=4,
)


def taken_or_refused(data, sets=None) -> tuple[Scenario | None, list[str]]:
    try:
        return parse(data, sets), []
    except ScenarioError as error:
        return None, error.problems


def keys_of(data, path=()):
    """Every key path of nested tables and lists."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        yield (*path, key)
        if isinstance(value, (dict, list)):
            yield from keys_of(value, (*path, key))


EVERYTHING = scenario(
    tenants=[{"name": "x"}],
    feedback={"delay": {"kind": "exponential", "mean_s": 1.0}},
    phases=[{"from_request": 3, "tasks": {"t": 1.0}, "prompt": {"kind": "lognormal", "mean": 5.0, "cv": 1.0}}],
    satisfaction={"tasks": [{"name": "t"}]},
    cluster={"failures": {"schedule": [{"pool": "small", "at_s": 1.0, "for_s": 1.0}]}, "admission": {"max_waiting": 3}},
    cost={"unit": "USD", "usd_per_gpu_hour": {"GPU": 1.0}},
)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(st.sampled_from(list(keys_of(EVERYTHING))), anything)
def test_anything_anywhere_is_accepted_or_told(path, value):
    def put(data, keys):
        if not keys:
            return value
        copy = dict(data) if isinstance(data, dict) else list(data)
        copy[keys[0]] = put(data[keys[0]], keys[1:])
        return copy

    spec, reported = taken_or_refused(put(EVERYTHING, path))
    assert all(": " in p for p in reported)
    assert spec is None or dump(spec)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text(max_size=30))
def test_any_override_is_taken_or_told(text):
    spec, reported = taken_or_refused(scenario(), [text])
    assert spec or reported


def test_a_pickle_is_told_before_costs_that_its_table_might_have():
    satisfaction = {"kind": "table", "file": "d/x.pkl"}
    with pytest.raises(ScenarioError) as error:
        parse(scenario(satisfaction=satisfaction, cluster={"mode": "none"}, models=[{"name": "a"}, {"name": "b"}]))
    (problem,) = error.value.problems
    assert problem.startswith("satisfaction.file: d/x.pkl is a pickle, which is a program and is not read; expected a ")
