"""The defaults of serving engines, and keys of theirs that do not fit."""

import builders
import numpy as np
import pytest
from builders import model

from messsim.engines import prepare
from messsim.engines.memory import memory_share
from messsim.errors import ScenarioError
from messsim.scenario import dump, parse
from messsim.scenario.engines import GPU_MEMORY_GB, defaults_of
from messsim.scenario.toml import read_toml
from messsim.study import run
from messsim.workload import Workload
from messsim.zoo import load_gpus, load_hosts


def test_memories_are_those_of_the_zoo():
    zoo = {name: round(gpu.memory_bytes / 1e9, 1) for name, gpu in load_gpus().items()}
    assert zoo == GPU_MEMORY_GB


@pytest.mark.parametrize(
    ("engine", "gpu", "sequences", "tokens", "block"),
    [
        # vllm/engine/arg_utils.py of 0.32, API server: at least 160 GiB; at least 70 GiB and no A100; all others
        ("vllm", "B200", 1024, 16384, 16),
        ("vllm", "H100", 1024, 8192, 16),
        ("vllm", "H200", 1024, 8192, 16),
        ("vllm", "A100", 256, 2048, 16),
        ("vllm", "L40S", 256, 2048, 16),
        # as people name them; a card of the same kind with less memory
        ("vllm", "NVIDIA H100 80GB HBM3", 1024, 8192, 16),
        ("sglang", "A100-40GB", 2048, 4096, 1),
        # sglang 0.5.23, chunked_prefill_size: below 60 GB, below 160 GB, more
        ("sglang", "L40S", 2048, 4096, 1),
        ("sglang", "A100", 2048, 8192, 1),
        ("sglang", "B200", 2048, 16384, 1),
        # tensorrt_llm/llmapi/llm_args.py
        ("tensorrt-llm", "H100", 2048, 8192, 32),
    ],
)
def test_defaults_by_engine_and_gpu(engine, gpu, sequences, tokens, block):
    limits = defaults_of(engine, gpu)
    assert (limits["max_num_seqs"], limits["max_batched_tokens"], limits["kv_block_tokens"]) == (
        sequences,
        tokens,
        block,
    )
    assert limits["prefix_cache"]
    assert limits["schedule"] == engine
    assert (limits["kv_policy"] == "reserve") == (engine == "tensorrt-llm") == (not limits["chunked_prefill"])


@pytest.mark.parametrize(
    ("engine", "gpu", "tp", "share"),
    [
        (None, "H100", 1, 0.9),
        # vllm/config/cache.py, gpu_memory_utilization; tensorrt_llm/llmapi/llm_args.py, free_gpu_memory_fraction
        ("vllm", "H100", 1, 0.92),
        ("tensorrt-llm", "H100", 1, 0.9),
        # srt/arg_groups/memory_hook.py: (81,920 - 512 - 1.5 * 8,192 - 128 - 2 * 256 - 8 * 58) / 81,920 MiB and so on
        ("sglang", "H100", 1, 0.83),
        ("sglang", "H100", 4, 0.819),
        ("sglang", "H200", 1, 0.904),
        ("sglang", "B200", 1, 0.854),
        ("sglang", "L40S", 1, 0.842),
    ],
)
def test_the_share_of_memory_by_engine(engine, gpu, tp, share):
    served = {"engine": engine} if engine else {}
    plan = prepare(scenario(profile="Llama-3.1-8B", gpu=gpu, tp=tp, coefficients=None, **served)).pools[0]
    memory = plan.profile.memory
    assert memory_share(plan.serving, memory) == share
    total, rest = memory.gpu_memory_bytes * tp, 4_500_000_000 * tp
    left = {
        "sglang": share * total - memory.weights_bytes,
        "tensorrt-llm": share * (total - memory.weights_bytes - rest),
    }.get(engine, share * total - memory.weights_bytes - rest)
    assert plan.kv_capacity_tokens == int(left) // memory.kv_bytes_per_token


def test_a_share_of_ones_own_is_what_profiles_assume():
    """The same tokens as those of the profile, which has them with 90 % of the memory."""
    served = {"profile": "Qwen3-32B", "gpu": "H100", "tp": 2, "coefficients": None}
    assumed, stated = (prepare(scenario(**served, **more)).pools[0] for more in ({}, {"gpu_memory_share": 0.9}))
    assert assumed.kv_capacity_tokens == stated.kv_capacity_tokens == assumed.profile.memory.kv_capacity_tokens
    assert prepare(scenario(**served, gpu_memory_share=0.95)).pools[0].kv_capacity_tokens > stated.kv_capacity_tokens


@pytest.mark.parametrize("engine", [None, "vllm", "sglang", "tensorrt-llm"])
def test_a_cache_in_fp8_holds_twice_the_tokens(engine):
    served = {"profile": "Qwen3-32B", "gpu": "H200", "tp": 2, "coefficients": None} | (
        {"engine": engine} if engine else {}
    )
    auto, fp8 = (prepare(scenario(**served, kv_cache_dtype=d)).pools[0] for d in ("auto", "fp8"))
    assert 0 <= fp8.kv_capacity_tokens - 2 * auto.kv_capacity_tokens <= 1
    shares = auto.profile.fp8_cache
    assert fp8.coefficients["ak_s_per_token"] == shares.decode * auto.coefficients["ak_s_per_token"]
    stated = prepare(scenario(**served, kv_cache_dtype="fp8", kv_capacity_tokens=30_000)).pools[0]
    assert stated.kv_capacity_tokens == 30_000
    with pytest.raises(
        ScenarioError, match=r'kv_cache_dtype = "fp8": Qwen3-32B/A100/tp2 has no times of a cache in fp8'
    ):
        prepare(scenario(**served | {"gpu": "A100"}, kv_cache_dtype="fp8"))


def scenario_with(served):
    return {
        "name": "engines",
        "requests": 10,
        "models": [served],
        "sla": {"alpha": 0.5},
        "satisfaction": {"kind": "irt"},
        "arrivals": {"kind": "poisson", "rate_rps": 1.0},
        "tokens": {"prompt": 10, "output": 10},
        "router": {"policy": "cheapest"},
    }


def scenario(**serving):
    return parse(scenario_with({k: v for k, v in model("m").items() if k != "max_num_seqs"} | serving))


def test_nothing_changes_where_no_engine_is_named():
    pool = scenario(gpu="H100").fleet[0]
    assert (pool.schedule, pool.max_num_seqs, pool.max_batched_tokens) == ("vllm", 256, 2048)
    assert (pool.kv_block_tokens, pool.prefix_cache, pool.kv_policy) == (1, False, "recompute")


def test_a_scenario_names_the_engine_and_may_change_each_default(tmp_path):
    s = scenario(engine="tensorrt-llm", gpu="H100", max_num_seqs=32)
    pool = s.fleet[0]
    assert (pool.schedule, pool.max_num_seqs, pool.max_batched_tokens) == ("tensorrt-llm", 32, 8192)
    assert (pool.kv_policy, pool.chunked_prefill) == ("reserve", False)
    (tmp_path / "again.toml").write_text(dump(s), encoding="utf-8")
    assert parse(read_toml(tmp_path / "again.toml", "a scenario")).fleet == s.fleet


@pytest.mark.parametrize(
    ("engine", "gpus", "host"),
    [
        ("vllm", 1, "overlap"),
        ("sglang", 1, "sglang-0.5-alone"),
        ("sglang", 2, "sglang-0.5"),
        ("tensorrt-llm", 1, "trtllm-1.0"),
        ("tensorrt-llm", 2, "trtllm-1.0"),
    ],
)
def test_an_engine_brings_its_host_and_front_end(engine, gpus, host):
    served = {"name": "m", "satisfaction": 0.5, "profile": "meta-llama/Llama-3.1-8B-Instruct", "gpu": "H100-SXM"}
    served |= {"tp": gpus}
    pool = prepare(parse(scenario_with(served | {"engine": engine}))).pools[0]
    expected = load_hosts()[host]
    figures = pool.coefficients
    assert (figures["host_kind"], figures["host_s"]) == (expected.kind, expected.h0_s)
    assert (figures["host_s_per_sequence"], figures["after_s"]) == (expected.h1_s_per_sequence, expected.after_s)
    assert pool.serving.front_end_s.mean_s == 0.01
    own = {"host": {"kind": "sum", "h0_s": 0.002}, "front_end_s": 0.5}
    pool = prepare(parse(scenario_with(served | {"engine": engine} | own))).pools[0]
    assert (pool.coefficients["host_kind"], pool.coefficients["host_s"]) == ("sum", 0.002)
    assert pool.serving.front_end_s.mean_s == 0.5


def test_a_gpu_that_waits_for_its_host_draws_what_the_scenario_says():
    """One request of 3 tokens: a prompt of 0.25 s and two more iterations, of which the host takes 0.75 s each."""

    def joules(**host: object) -> float:
        figures = {"a0_s": 0.25, "p0_w_per_gpu": 100.0, "host": {"kind": "overlap", "h0_s": 0.75, **host}}
        served = {"name": "m", "satisfaction": 0.5, "coefficients": figures, "tp": 2}
        spec = scenario_with(served) | {"requests": 1, "tokens": {"prompt": 4, "output": 3}}
        return float(run(parse(spec)).summary["energy"]["total_j"])

    assert joules() == pytest.approx(3 * 2 * 100.0 * 0.75)
    assert joules(wait_w_per_gpu=20.0) == pytest.approx(3 * 2 * (100.0 * 0.25 + 20.0 * 0.5))
    assert joules(wait_w_per_gpu=0.0) == pytest.approx(3 * 2 * 100.0 * 0.25)
    assert joules(wait_w_per_gpu=300.0) == joules()  # never more than while it works


@pytest.mark.parametrize("engine", ["vllm", "sglang", "tensorrt-llm"])
def test_engines_plan_ahead(engine):
    """vllm/v1/engine/core.py from 0.14, step_with_batch_queue; event_loop_overlap; _executor_loop_overlap."""
    named = {"engine": engine, "gpu": "H100"}
    assert prepare(scenario(**named)).pools[0].limits["lookahead"] == 1
    assert prepare(scenario(**named, lookahead=0)).pools[0].limits["lookahead"] == 0
    assert prepare(scenario(**named, host={"h0_s": 0.01})).pools[0].limits["lookahead"] == 1
    assert prepare(scenario(gpu="H100")).pools[0].limits["lookahead"] == 0


def test_sglang_looks_for_who_comes_as_often_as_it_is_told():
    """Some 5 answers of 100 s are under way: who comes waits for half of 30 iterations, or until the next prompt."""
    named = {"engine": "sglang", "gpu": "H100"}
    assert prepare(scenario(**named)).pools[0].limits["recv_interval"] == 1
    assert prepare(scenario(**named, scheduler_recv_interval=30)).pools[0].limits["recv_interval"] == 30

    def ttft_s(interval):
        served = model("m", coefficients={"a0_s": 1.0}, max_num_seqs=64, schedule="sglang", lookahead=1)
        spec = scenario_with(served | {"scheduler_recv_interval": interval}) | {
            "requests": 400,
            "tokens": {"prompt": 4, "output": 100},
        }
        summary = run(parse(spec | {"arrivals": {"kind": "poisson", "rate_rps": 0.05}})).summary
        return float(summary["latency_s"]["ttft"]["mean"])

    assert 8.0 < ttft_s(30) - ttft_s(1) < 14.5
    assert 0.4 < ttft_s(2) - ttft_s(1) < 0.6


def test_a_synchronous_engine_does_not_plan_ahead():
    """Up to 0.13 vLLM prepares an iteration while the GPU waits."""
    served = {"engine": "vllm", "gpu": "H100", "host": {"kind": "sum", "h0_s": 0.001}}
    assert prepare(scenario(**served)).pools[0].limits["lookahead"] == 0
    assert prepare(scenario(**served, lookahead=1)).pools[0].limits["lookahead"] == 1


def test_nobody_plans_ahead_with_a_shared_queue():
    served = model("m") | {"engine": "vllm", "gpu": "H100"}
    shared = scenario_with(served) | {"cluster": {"dispatch": "shared_queue"}}
    assert prepare(parse(shared)).pools[0].limits["lookahead"] == 0
    with pytest.raises(ScenarioError, match=r"models\.0\.lookahead = 1: with cluster\.dispatch = 'shared_queue'"):
        parse(shared | {"models": [served | {"lookahead": 1}]})


def test_a_price_is_of_the_gpu_as_the_scenario_names_it():
    served = {"name": "m", "satisfaction": 0.5, "profile": "Llama-3.1-8B", "gpu": "NVIDIA H100 80GB HBM3"}
    priced = scenario_with(served) | {"cost": {"unit": "USD", "usd_per_gpu_hour": {"NVIDIA H100 80GB HBM3": 3.6}}}
    pool = prepare(parse(priced)).pools[0]
    assert pool.usd_per_s == pytest.approx(0.001)
    assert pool.gpu == "H100"


def test_a_schedule_alone_changes_only_what_belongs_to_it():
    pool = scenario(schedule="tensorrt-llm").fleet[0]
    assert (pool.kv_policy, pool.chunked_prefill, pool.max_num_seqs) == ("reserve", False, 256)
    assert scenario(schedule="sglang", max_num_seqs=64, max_batched_tokens=32).fleet[0].max_batched_tokens == 32


@pytest.mark.parametrize(
    ("serving", "text"),
    [
        ({"engine": "vllm"}, "go by the GPU's memory; expected one of A100"),
        ({"engine": "vllm", "gpu": "TPU"}, "gpu = 'TPU'"),
        ({"engine": "trt"}, "engine"),
        ({"schedule": "sglang", "kv_policy": "reserve"}, "retracts; expected recompute"),
        ({"max_new_tokens": 9}, 'schedule = "vllm" does not look at it'),
        ({"chunked_prefill": False}, 'schedule = "vllm" cuts prompts'),
        ({"schedule": "sglang", "order": "priority"}, 'order = "priority": schedule = "sglang" serves first who comes'),
        ({"order": "priority"}, "models.0.order = 'priority': nobody has one; expected priority in tenants"),
        ({"order": "edf"}, "models.0.order = 'edf': nobody has one; expected ttft_s in slo or in objectives"),
        ({"order": "sjf"}, "order"),
        ({"drafts": {"tokens": 0, "acceptance": 0.5}}, "drafts.tokens"),
        ({"drafts": {"tokens": 2, "acceptance": [0.5]}}, "acceptance has 1 probabilities for tokens = 2"),
        ({"lookahead": 2}, "lookahead"),
        ({"schedule": "sglang", "lookahead": 1, "scheduler_recv_interval": 1001}, "scheduler_recv_interval"),
        ({"scheduler_recv_interval": 2, "lookahead": 1}, "scheduler_recv_interval = 2: is modelled of SGLang as it"),
        ({"scheduler_recv_interval": 2, "schedule": "sglang"}, 'schedule = "sglang" and lookahead = 1'),
        ({"replicas": 200_000}, "replicas"),
        ({"front_end_workers": 200_000}, "front_end_workers"),
        ({"drafts": {"tokens": 8, "acceptance": 0.5}}, "take up to 2304 tokens; expected at least so many"),
        ({"kv_block_tokens": 0}, "kv_block_tokens"),
        ({"kv_block_tokens": 16, "kv_capacity_tokens": 15}, "expected at least one block"),
        ({"gpu_memory_share": 0.5}, "expected a built-in profile and no kv_capacity_tokens"),
        ({"kv_cache_dtype": "fp8"}, 'expected a built-in profile, or "auto" and coefficients'),
        ({"kv_cache_dtype": "int4"}, "kv_cache_dtype"),
        ({"gpu_memory_share": 1.5}, "gpu_memory_share = 1.5: expected at most 1"),
        ({"kind": "api", "coefficients": None, "prefix_cache": True}, "prefix_cache"),
    ],
)
def test_what_does_not_fit_is_refused(serving, text):
    with pytest.raises(ScenarioError) as error:
        scenario(**serving)
    assert text in str(error.value)


@pytest.mark.parametrize(
    ("acceptance", "problem"),
    [
        (1.5, " = 1.5: expected at most 1"),
        (-0.5, " = -0.5: expected at least 0"),
        ("x", " = 'x': expected a number"),
        ([0.5, 3], ".1 = 3: expected at most 1"),
    ],
)
def test_one_problem_is_told_of_each_acceptance(acceptance, problem):
    with pytest.raises(ScenarioError) as error:
        scenario(drafts={"tokens": 2, "acceptance": acceptance})
    assert error.value.problems == [f"models.0.drafts.acceptance{problem}"]


@pytest.mark.parametrize(
    ("serving", "text"),
    [
        (
            {"kv_capacity_tokens": 31, "kv_block_tokens": 16},
            "20 tokens with its answer and the most that any takes are 17: raise kv_capacity_tokens",
        ),
        (
            {"kv_capacity_tokens": 40, "schedule": "tensorrt-llm", "max_new_tokens": 40, "max_num_seqs": 4},
            "the shortest prompt has 10 tokens and the longest that any takes 1: raise max_batched_tokens",
        ),
        (
            {"schedule": "tensorrt-llm", "max_num_seqs": 4, "max_batched_tokens": 9},
            "the longest that any takes 9: raise max_batched_tokens or set chunked_prefill = true",
        ),
    ],
)
def test_what_never_fits_is_refused_before_the_run(serving, text):
    """Prompts and answers of ten tokens, of which 19 are cached at most."""
    with pytest.raises(ScenarioError) as error:
        prepare(scenario(**serving))
    assert text in str(error.value)


def test_weights_that_leave_no_memory_are_refused():
    with pytest.raises(
        ScenarioError, match=r"gpu_memory_share = 0\.1: the weights of Llama-3\.1-8B/H100/tp1 leave no room"
    ):
        prepare(scenario(profile="Llama-3.1-8B", gpu="H100", coefficients=None, gpu_memory_share=0.1))


# ---- limits that clients send -----------------------------------------------------------------------------------


def limited(limit, **changes):
    data = {
        "tokens": {"prompt": 4, "output": {"kind": "geometric", "mean": 8.0}, "max_new_tokens": limit},
        "requests": 200,
    }
    return builders.scenario(**(data | changes))


def test_answers_are_cut_to_what_their_clients_allow():
    """The same draws otherwise, and the same limit for every model."""
    free, cut = (
        Workload(parse(limited(limit))).columns(0, 200) for limit in (None, {"kind": "empirical", "tokens": [3, 9]})
    )
    assert free.max_new_tokens is None
    assert set(cut.max_new_tokens.tolist()) == {3, 9}
    assert (cut.output_tokens == np.minimum(free.output_tokens, cut.max_new_tokens)).all()
    assert (cut.prompt_tokens == free.prompt_tokens).all()


def test_expected_lengths_are_of_answers_that_are_cut():
    """1 - (7/8)^5 of a mean of 8 in the long run, 3.9."""
    workload = Workload(parse(limited(5)))
    assert (
        workload.mean_output_tokens(0) == workload.usual_output_tokens(0) == pytest.approx(8 * (1 - 0.875**5), rel=0.02)
    )
    assert workload.longest_output_tokens(0) == 5
    assert workload.mean_square_output_tokens(0) < 25
    assert not workload.answers_can_wait


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_lengths_are_judged_by_what_clients_allow(engine):
    """Of limits 3 and 40, with a context of 20 tokens, those who send the second are turned away, however short."""
    models = [builders.model("only", max_model_len=20)]
    made = builders.run(limited({"kind": "empirical", "tokens": [3, 40]}, models=models), engine)
    limits = made.chunks[0].drawn.max_new_tokens
    assert ((np.array(made.statuses) == "too_long") == (limits == 40)).all()


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_an_api_counts_what_clients_allow(engine):
    """A minute's 240 tokens are two prompts of four with 96 each that may come; ten more come each minute."""
    api = builders.api(tokens_per_minute=240.0, name="only", satisfaction=0.6)
    money = {"unit": "USD"}
    data = limited(96, models=[api], requests=20, arrivals={"kind": "poisson", "rate_rps": 1000.0}, cost=money)
    made = builders.run(data, engine)
    assert made.statuses.count("completed") == 2


def test_one_limit_for_all_and_one_of_each_are_two():
    with pytest.raises(ScenarioError, match=r"max_new_tokens = 9: clients send tokens\.max_new_tokens"):
        parse(limited(5, models=[builders.model("only", schedule="sglang", max_new_tokens=9)]))


def test_who_has_no_objective_has_all_the_time_there_is():
    tenants = [{"name": "tin"}, {"name": "gold", "objectives": {"ttft_s": 0.5}, "priority": 2}]
    setup = prepare(parse(builders.scenario(models=[model("only", order="edf")], tenants=tenants)))
    priorities, ttft_s = setup.urgency
    assert priorities.tolist() == [0, 2]
    assert ttft_s.tolist() == [np.inf, 0.5]
    assert prepare(parse(builders.scenario(models=[model("only")], tenants=tenants[:1]))).urgency is None
