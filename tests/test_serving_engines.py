"""The defaults of serving engines, and keys of theirs that do not fit."""

import pytest
from builders import model

from messsim.engines import prepare
from messsim.errors import ScenarioError
from messsim.scenario import dump, parse
from messsim.scenario.engines import GPU_MEMORY_GB, defaults_of
from messsim.scenario.toml import read_toml
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
    ("engine", "host"), [("vllm", "overlap"), ("sglang", "sglang-0.5"), ("tensorrt-llm", "trtllm-1.0")]
)
def test_an_engine_brings_its_host_and_front_end(engine, host):
    served = {"name": "m", "satisfaction": 0.5, "profile": "meta-llama/Llama-3.1-8B-Instruct", "gpu": "H100-SXM"}
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


@pytest.mark.parametrize("engine", ["vllm", "sglang", "tensorrt-llm"])
def test_engines_plan_ahead(engine):
    """vllm/v1/engine/core.py from 0.14, step_with_batch_queue; event_loop_overlap; _executor_loop_overlap."""
    named = {"engine": engine, "gpu": "H100"}
    assert prepare(scenario(**named)).pools[0].limits["lookahead"] == 1
    assert prepare(scenario(**named, lookahead=0)).pools[0].limits["lookahead"] == 0
    assert prepare(scenario(**named, host={"h0_s": 0.01})).pools[0].limits["lookahead"] == 1
    assert prepare(scenario(gpu="H100")).pools[0].limits["lookahead"] == 0


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
        ({"drafts": {"tokens": 2, "acceptance": 1.5}}, "acceptance"),
        ({"lookahead": 2}, "lookahead"),
        ({"replicas": 200_000}, "replicas"),
        ({"front_end_workers": 200_000}, "front_end_workers"),
        ({"drafts": {"tokens": 8, "acceptance": 0.5}}, "take up to 2304 tokens; expected at least so many"),
        ({"kv_block_tokens": 0}, "kv_block_tokens"),
        ({"kv_block_tokens": 16, "kv_capacity_tokens": 15}, "expected at least one block"),
        ({"kind": "api", "coefficients": None, "prefix_cache": True}, "prefix_cache"),
    ],
)
def test_what_does_not_fit_is_refused(serving, text):
    with pytest.raises(ScenarioError) as error:
        scenario(**serving)
    assert text in str(error.value)


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
