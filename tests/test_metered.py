"""How a table of metered servers is read: which were held up, how many questions they got, how long answers were."""

import numpy as np
import pytest

from messsim.errors import DataError
from messsim.study.calibrate import measured
from messsim.study.calibrate.metered import Lengths, is_held_up, requests_of


@pytest.mark.parametrize(
    ("batch", "output", "median", "decile", "held_up"),
    [
        (8.0, 1000.0, 40.0, 60.0, True),
        (8.0, 1000.0, 40.0, 52.0, False),  # 1.3 medians exactly
        (8.0, 1000.0, 20.0, 30.0, False),  # 10 ms exactly
        (8.0, 1000.0, 20.0, 30.1, True),
        (8.0, 1000.0, 40.0, 50.5, False),  # 10 ms and more, but less than 1.3 medians
        (256.0, 1e6, 40.0, 60.0, False),  # memory may be what runs short
        (255.0, 1e6, 40.0, 60.0, True),
        (100.0, 1200.0, 40.0, 60.0, False),  # a prompt in one of twelve iterations
        (99.0, 1200.0, 40.0, 60.0, True),
        (256.0, 100.0, 40.0, 60.0, False),
    ],
)
def test_a_host_that_holds_up_shows_in_gaps_that_differ(batch, output, median, decile, held_up):
    row = {"avg_batch_size": batch, "avg_output_len": output, "median_itl_ms": median, "p90_itl_ms": decile}
    assert is_held_up(row) == held_up


@pytest.mark.parametrize(
    ("task", "model", "gpu", "clients", "requests"),
    [
        ("lm-arena-chat", "nobody/knows", "H100", 8, 1024),
        ("lm-arena-chat", "nobody/knows", "H100", 1022, 1024),
        ("lm-arena-chat", "nobody/knows", "H100", 1023, 2048),  # else nothing were left to meter
        ("gpqa", "nobody/knows", "H100", 196, 198),
        ("gpqa", "nobody/knows", "H100", 197, 2 * 198),
        ("gpqa", "nobody/knows", "H100", 512, 3 * 198),
        ("gpqa", "Qwen/Qwen3-14B", "H100", 128, 198),
        ("gpqa", "Qwen/Qwen3-14B", "H100", 192, 2 * 198),
        ("gpqa", "Qwen/Qwen3-14B", "B200", 512, 3 * 198),
        ("gpqa", "openai/gpt-oss-20b", "B200", 4096, 21 * 198),
        ("sourcegraph-fim", "Qwen/Qwen3-Coder-30B-A3B-Instruct", "B200", 1536, 6 * 1024),
    ],
)
def test_questions_are_sent_as_often_as_it_takes(task, model, gpu, clients, requests):
    assert requests_of({"task": task, "model_id": model, "gpu_model": gpu, "max_num_seqs": clients}) == requests


@pytest.fixture
def lengths(tmp_path):
    file = tmp_path / "hist.csv"
    rows = ["t,m,1,10,30", "t,m,3,30,50", "t,other,5,1,1.5", "u,m,7,100,300"]
    file.write_text("\n".join(["task,model_id,count,out_tokens_lo,out_tokens_hi", *rows]) + "\n")
    return Lengths(file)


@pytest.mark.parametrize(
    ("task", "model", "mean", "answers", "weights"),
    [
        ("t", "m", 35.0, [20, 40], [1.0, 3.0]),  # middles of 20 and 40, whose mean is 35
        ("t", "m", 70.0, [40, 80], [1.0, 3.0]),
        ("u", "m", 50.0, [50], [7.0]),
        ("t", "other", 0.25, [1], [5.0]),  # an answer has a token
    ],
)
def test_a_histogram_is_stretched_to_the_mean_of_its_row(lengths, task, model, mean, answers, weights):
    tokens, counts = lengths.of({"task": task, "model_id": model, "avg_output_len": mean})
    assert (tokens.tolist(), counts.tolist()) == (answers, weights)
    assert np.issubdtype(tokens.dtype, np.integer)


def test_a_model_without_a_histogram_is_told(lengths):
    with pytest.raises(DataError, match="has no histogram of n, t"):
        lengths.of({"task": "t", "model_id": "n", "avg_output_len": 5.0})


@pytest.mark.parametrize(
    ("engine", "gpus", "prompt", "clients", "settings"),
    [
        ("vllm", 1, 100, 4, {"max_batched_tokens": measured.MAX_NUM_SEQS}),
        ("vllm", 1, 1000, 4, {"max_batched_tokens": 4000}),
        ("sglang", 1, 1000, 4, {"schedule": "sglang", "kv_capacity_tokens": 7000}),
        ("sglang", 2, 1000, 4, {"schedule": "sglang"}),
        ("trtllm", 1, 100, 8, {"max_num_seqs": 7, "max_batched_tokens": 200}),
        ("trtllm", 1, 2, 9, {"max_num_seqs": 8, "max_batched_tokens": 8}),
        ("trtllm", 1, 100, 1, {"max_num_seqs": 1, "max_batched_tokens": 200}),
    ],
)
def test_what_a_table_does_not_say_of_its_servers(engine, gpus, prompt, clients, settings):
    assert measured._settings(engine, gpus, prompt, clients) == settings


@pytest.mark.parametrize(
    ("checkpoint", "gpu", "known_as"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "H100", "Llama-3.1-8B"),
        ("meta-llama/Llama-3.1-8B-Instruct", "H100-SXM", "Llama-3.1-8B"),
        ("nobody/knows", "H100", None),
        ("meta-llama/Llama-3.1-8B-Instruct", "Abacus", None),
    ],
)
def test_a_checkpoint_is_known_by_its_shape(checkpoint, gpu, known_as):
    profile = measured.profile_of(checkpoint, gpu, 1, "bf16")
    assert (None if profile is None else profile.model) == known_as


@pytest.mark.parametrize(
    ("engine", "host", "lookahead"),
    [
        ("vllm", "vllm-0.12", 0),
        ("trtllm", "trtllm-1.0", 1),
        ("tensorrt-llm", "trtllm-1.0", 1),
        ("sglang", "sglang-0.5", 1),
    ],
)
def test_an_engine_has_its_own_host_and_plans_ahead_as_its_version_does(engine, host, lookahead):
    profile = measured.profile_of("meta-llama/Llama-3.1-8B-Instruct", "H100", 2, "bf16")
    (model,) = measured.closed_loop(profile, engine, 4, 8, {"prompt": 9, "output": 9}, None, None).models
    assert (model.lookahead, measured.HOSTS[engine]) == (lookahead, host)
