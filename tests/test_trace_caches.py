"""Both engines bit for bit on traces with hashes of blocks, replayed on replicas with prefix caches."""

import json

import numpy as np
import pytest
from builders import model, run, scenario
from test_engines_equal import assert_equal

from messsim.scenario import parse

BLOCK = 512  # tokens that a hash stands for in this form
SERVED = [
    {"schedule": "vllm"},
    {"schedule": "sglang", "kv_policy": "recompute"},
    {"schedule": "tensorrt-llm", "kv_policy": "reserve", "chunked_prefill": False, "max_batched_tokens": 8192},
]


def conversations(requests: int, seed: int) -> list[dict]:
    """Rows in Mooncake's form: a few texts that grow by a block or two each time that somebody goes on with them."""
    chance, texts, fresh = np.random.default_rng(seed), [[0], [0, 1]], 2
    rows = []
    for k in range(requests):
        ids = list(texts[chance.integers(len(texts))])
        for _ in range(chance.integers(1, 3)):
            ids.append(fresh)
            fresh += 1
        tokens = len(ids) * BLOCK - int(chance.integers(BLOCK))
        if tokens % BLOCK == 0 and len(ids) < 8:
            texts.append(ids)
        elif len(ids) < 8:
            texts.append(ids[:-1])  # the last one is cut: nobody may go on with it
        rows.append({"timestamp": 40 * k, "input_length": tokens, "output_length": 1 + k % 30, "hash_ids": ids})
    return rows


@pytest.mark.parametrize("served", SERVED, ids=lambda s: s["schedule"])
@pytest.mark.parametrize("block", [1, 16, 48])
def test_the_engines_are_equal_on_hashes_and_caches(tmp_path, served, block):
    """Memory for some thirty thousand tokens on two replicas: blocks are shared, evicted, and found again."""
    file = tmp_path / "trace.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in conversations(60, block)))
    limits = {"kv_block_tokens": block, "kv_capacity_tokens": 9600, "max_num_seqs": 8, "prefix_cache": True}
    coefficients = {"a0_s": 0.004, "ab_s_per_sequence": 1e-4, "ak_s_per_token": 1e-7, "c1_s_per_token": 2e-5}
    data = scenario(
        requests=None,
        arrivals={"kind": "trace", "file": str(file), "format": "mooncake", "repeat": False},
        tokens={"prompt": {"kind": "trace"}, "output": {"kind": "trace"}, "max_new_tokens": 40},
        models=[
            model(name, share, replicas=2, coefficients=coefficients, **{"max_batched_tokens": 1024} | limits | served)
            for name, share in (("small", 0.5), ("large", 0.7))
        ],
        cluster={"dispatch": "prefix_affinity"},
        router={"V": 1e-2, "cost_estimate": "marginal"},
    )
    assert_equal(parse(data))
    cached = run(data, "compiled").records.cached_prompt_tokens
    assert 0 < (cached > 0).sum() < len(cached)


def test_a_requests_own_text_is_no_hashed_one(tmp_path):
    """Only the first block of each prompt has a hash: all else is its own, whatever numbers ids and requests have."""
    rows = [{"timestamp": 9000 * k, "input_length": 1500, "output_length": 2, "hash_ids": [k // 2]} for k in range(6)]
    file = tmp_path / "trace.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = scenario(
        requests=None,
        arrivals={"kind": "trace", "file": str(file), "format": "mooncake", "repeat": False},
        tokens={"prompt": {"kind": "trace"}, "output": {"kind": "trace"}},
        models=[model("only", 0.6, prefix_cache=True)],
    )
    assert_equal(parse(data))
    assert run(data, "compiled").records.cached_prompt_tokens.tolist() == [0, BLOCK] * 3
