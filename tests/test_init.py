"""``messsim init``: what it writes runs, and it overwrites nothing unasked."""

import json
import tomllib

import polars as pl
import pytest
from test_cli import here, refused

import messsim
from messsim.errors import OutputError
from messsim.logs import starting


@pytest.fixture(autouse=True)
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def test_a_scenario_to_begin_from_runs(desk):
    done = here("init")
    assert (done.returncode, done.stderr) == (0, "")
    assert "next: messsim check scenario.toml" in done.stdout
    text = (desk / "scenario.toml").read_text()
    assert text.count("#") > 8
    models = messsim.load("scenario.toml").models
    assert [m.name for m in models] == ["llama-3.1-8b", "llama-3.1-70b"]
    assert {(m.engine, m.max_batched_tokens, m.lookahead) for m in models} == {("vllm", 8192, 1)}, "its H100s"
    assert here("run", "scenario.toml", "--requests", "100").returncode == 0
    assert here("check", "scenario.toml", "--requests", "100").returncode == 0


BEGUN = """\
[[models]]
name = "llama-3.1-8b"
satisfaction = 0.55 # a guess: put in the share of your prompts that it answers well
profile = "Llama-3.1-8B"
gpu = "A100"
engine = "vllm" # its schedule, limits, memory, host and front end; or "sglang", "tensorrt-llm"
replicas = 1

[[models]]
name = "qwen3-32b"
satisfaction = 0.65 # a guess: put in the share of your prompts that it answers well
profile = "Qwen3-32B"
gpu = "H100"
engine = "vllm" # its schedule, limits, memory, host and front end; or "sglang", "tensorrt-llm"
replicas = 1

[[models]]
name = "llama-3.1-70b"
satisfaction = 0.75 # a guess: put in the share of your prompts that it answers well
profile = "Llama-3.1-70B"
gpu = "H100"
tp = 4
engine = "vllm" # its schedule, limits, memory, host and front end; or "sglang", "tensorrt-llm"
replicas = 1
"""


def test_the_scenario_is_said_word_by_word():
    profiles = starting.profiles_of(["Llama-3.1-8B/A100", "Llama-3.1-70B", "Qwen3-32B"])
    head, models = starting.beginning("s", profiles, alpha=None, rate_rps=2.5).split(
        "# Models in rising order of cost.\n"
    )
    assert models == BEGUN
    assert head == starting.HEAD + (
        '\nname = "s"\nrequests = 20_000\nseed = 1\n\n'
        "[sla]\nalpha = 0.7 # the promise: at least this share of the answers satisfies\n\n"
        "[arrivals] # of your own traffic: messsim init --from TRACE\n"
        'kind = "poisson"\nrate_rps = 2.5 # requests per second\n\n'
        '[tokens]\nprompt = { kind = "lognormal", mean = 600, cv = 1.0, max = 8192 }\n'
        'output = { kind = "lognormal", mean = 200, cv = 0.8, max = 2048 }\n\n'
        "# Whether an answer satisfies is drawn from an ability for each model and a difficulty for each request.\n"
        "# With real outcomes of your models on your prompts: messsim import --outcomes\n"
        '[satisfaction]\nkind = "irt"\n\n'
        '[router]\npolicy = "mess+" # messsim compare FILE puts others beside it\n\n'
        '[cost]\n# unit = "USD" # what the router minimises; energy without it\n'
        "usd_per_gpu_hour = { A100 = 2.5, H100 = 2.5 }\n\n"
    )


@pytest.mark.parametrize(
    ("names", "satisfied", "promise"),
    [(["Llama-3.1-8B"], [0.55], 0.55), (["Llama-3.1-8B", "Llama-3.1-70B"], [0.55, 0.75], 0.65)],
)
def test_models_are_spread_from_the_worst_to_the_best(names, satisfied, promise):
    text = starting.beginning("s", starting.profiles_of(names), alpha=None, rate_rps=2.5, traffic="[arrivals]\n")
    begun = tomllib.loads(text)
    assert ([m["satisfaction"] for m in begun["models"]], begun["sla"]["alpha"]) == (satisfied, promise)
    assert (begun["arrivals"], "tokens" in begun) == ({}, False)


def test_commands_that_it_proposes_can_be_pasted(desk):
    done = here("init", "my [1] scenario.toml")
    assert "next: messsim check 'my [1] scenario.toml'\n      messsim run 'my [1] scenario.toml'" in done.stdout
    assert "--from 'my log.csv' reads your traffic" in refused(here("init", "my log.csv"))
    (desk / "my log.csv").write_text("a,prompt_tokens,output_tokens\n1,2,3\n")
    refusal = refused(here("init", "odd.toml", "--from", "my log.csv")).replace("\n", " ")
    assert "then messsim import 'my log.csv' with that" in refusal
    assert "messsim init --from 'my log.csv' makes a scenario" in refused(here("run", "my log.csv")).replace("\n", " ")


def test_models_promise_and_rate_are_options(desk):
    models = "llama-3.1-70b/H100/tp4,qwen2.5-7b,Llama-3.1-8B/A100"
    assert here("init", "s.toml", "--models", models, "--alpha", "62%", "--rate", "7").returncode == 0
    scenario = messsim.load("s.toml")
    assert [(m.profile, m.gpu, m.tp) for m in scenario.models] == [
        *(("Qwen2.5-7B", "H100", 1), ("Llama-3.1-8B", "A100", 1), ("Llama-3.1-70B", "H100", 4))
    ]
    assert (scenario.sla.alpha, scenario.arrivals.rate_rps) == (0.62, 7.0)
    assert set(scenario.cost.usd_per_gpu_hour) == {"H100", "A100"}


@pytest.mark.parametrize("name", ["Llama-3.1-8B", "gpt-oss-20b", "DeepSeek-R1"])
def test_any_model_of_the_zoo_will_do(name):
    assert here("init", "--models", name).returncode == 0
    assert here("run", "scenario.toml", "--requests", "20").returncode == 0


def test_traffic_of_ones_own(desk):
    log = pl.DataFrame({"arrival_s": [0.0, 1.0, 2.5], "prompt_tokens": [5, 6, 7], "output_tokens": [1, 2, 3]})
    log.write_csv("log.csv")
    assert here("init", "--from", "log.csv").returncode == 0
    assert tomllib.loads((desk / "scenario.toml").read_text())["arrivals"]["file"] == "scenario-trace.csv"
    assert messsim.run(messsim.load("scenario.toml", requests=3)).requests.collect()["prompt_tokens"].to_list() == [
        5,
        6,
        7,
    ]
    pl.DataFrame({"a": [1]}).write_csv("odd.csv")
    refused(here("init", "odd.toml", "--from", "odd.csv"))
    assert not (desk / "odd.toml").exists()


@pytest.mark.parametrize(
    ("times", "start"),
    [
        (["2025-08-18 10:00:00", "2025-08-18 10:00:01", "2025-08-18 10:00:03"], "2025-08-18T10:00:00"),
        (["2025-08-18T10:00:01.250+02:00", "2025-08-18T10:00:00+02:00"], "2025-08-18T08:00:00Z"),
        (["1763303823.5", "1763303825"], "2025-11-16T14:37:03.500Z"),
        (["0.0", "2.5"], None),
    ],
)
def test_a_scenario_from_dates_says_which_is_0_and_runs(desk, times, start):
    rows = "".join(f"{time},100,20\n" for time in times)
    (desk / "log.csv").write_text(f"arrival_s,prompt_tokens,output_tokens\n{rows}")
    assert here("init", "--from", "log.csv").returncode == 0
    text = (desk / "scenario.toml").read_text()
    dated = [line for line in text.splitlines() if line.startswith("file = ") and "#" in line]
    assert dated == ([] if start is None else [f'file = "scenario-trace.csv" # 0 s in it is {start}'])
    assert here("run", "scenario.toml", "--requests", "2").returncode == 0


def test_a_trace_that_needs_options_of_import_names_it(desk):
    (desk / "log.csv").write_text("timestamp,prompt_tokens,output_tokens\n2025-08-18 10:00:00,100,20\n")
    refusal = refused(here("init", "--from", "log.csv"))
    assert "say --time timestamp" in refusal
    assert "then messsim import log.csv with that, and messsim init --from what it writes" in refusal


def test_nothing_is_overwritten_unasked(desk):
    (desk / "scenario.toml").write_text("mine")
    assert "scenario.toml: exists already; expected another name, or --overwrite" in refused(here("init"))
    assert (desk / "scenario.toml").read_text() == "mine"
    assert here("init", "--overwrite").returncode == 0
    (desk / "burst.toml").write_text("mine")
    assert "burst.toml: exists already" in refused(here("init", "--example", "burst"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("file/new.toml", "is no directory"),
        ("link.toml", "is a link to gone.toml, which is not there"),
        (f"{'n' * 300}.toml", "expected at most"),
    ],
)
def test_where_nothing_can_be_written_is_told_before_anything_is(desk, name, message):
    (desk / "file").touch()
    (desk / "link.toml").symlink_to("gone.toml")
    with pytest.raises(OutputError, match=message):
        starting.check_place(desk / name, overwrite=False)


@pytest.mark.parametrize("name", starting.examples())
def test_every_example_runs_where_it_is_copied(name, desk):
    assert here("init", "new/mine.toml", "--example", name).returncode == 0
    small = {} if name == "own-policy" else {"sets": ["warmup=0"], "requests": 200}
    scenario = messsim.load("new/mine.toml", **small)
    assert scenario.folder == desk / "new"
    assert name == "own-policy" or messsim.run(scenario.changed(phases=[], warmup=0)).summary["requests"]["arrived"]
    assert here("init", "new/other.toml", "--example", name).returncode == 0  # the same data may lie there


def test_examples_are_listed_with_their_questions():
    printed = here("init", "--examples").stdout
    assert all(name in printed for name in starting.examples())
    assert "how fast is the simulator?" in printed
    error = refused(here("init", "--example", "burts"))
    assert "did you mean 'burst'?" in error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--models", "llama"], "--models llama: could be CodeLlama-34B"),
        (["--models", "Llama-3.1-8B,llama-3.1-8b/A100"], "--models: Llama-3.1-8B is named twice"),
        (["--models", "nonsense"], "no built-in profile of model 'nonsense'"),
        (["--alpha", "200%"], "sla.alpha = 2: expected at most 1"),
        (["--example", "burst", "--rate", "3"], "--rate: an example is copied as it is"),
        (["--from", "x.csv", "--rate", "3"], "--rate: --from says how fast requests come"),
        (["--from", "x.csv"], "x.csv: no such file"),
    ],
)
def test_what_is_refused_leaves_nothing(options, message, desk):
    assert message in refused(here("init", *options))
    assert list(desk.iterdir()) == []


def test_the_default_is_a_story_in_which_a_router_pays(desk):
    """Among replicas that serve few requests at once none does: each request pays mostly for them being on."""
    assert here("init").returncode == 0
    summary = json.loads(here("run", "scenario.toml", "--json").stdout)
    alone = summary["cost"]["without_router"]["best_single"]
    assert summary["sla"]["satisfaction"] >= summary["sla"]["alpha"]
    assert summary["cost"]["per_request"] < 0.95 * alone["per_request"]


def test_it_asks_only_where_no_option_is_given(desk, monkeypatch):
    from messsim.cli import init

    asked = []
    monkeypatch.setattr(init.sys, "stdin", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr(type(init.console), "is_terminal", True)
    answers = {"Models": "Qwen2.5-7B,Llama-3.1-70B", "The promise": "70%", "Requests": "8"}

    def prompt(what, default, err):
        asked.append(what)
        return next((value for start, value in answers.items() if what.startswith(start)), default)

    monkeypatch.setattr(init.typer, "prompt", prompt)
    options = {"example": None, "examples": False, "trace": None, "models": None, "alpha": None, "rate": None}
    init.init(None, **options)
    scenario = messsim.load("scenario.toml")
    assert [what.split(",")[0] for what in asked] == [
        "Models", "Your traffic", "Requests per second", "The promise"
    ]  # fmt: skip
    assert ([m.profile for m in scenario.models], scenario.sla.alpha) == (["Qwen2.5-7B", "Llama-3.1-70B"], 0.7)
    assert scenario.arrivals.rate_rps == 8.0
    asked.clear()
    init.init(desk / "other.toml", **options | {"alpha": 0.7})
    assert asked == []
