"""The rule of a scenario, as the compiled engine takes it."""

from messsim.scenario.fleet import Cluster

__all__ = ["plan_of"]


def plan_of(cluster: Cluster) -> dict[str, object]:
    """Fields of ms_dispatch_plan (csrc/dispatch_plan.h) by name."""
    affinity, scored = cluster.prefix_affinity, cluster.scored
    return {
        "rule": "own" if cluster.own_rule is not None else cluster.dispatch,
        "decode_rule": cluster.decode_dispatch,
        "random_ties": cluster.ties == "random",
        "decode_first": cluster.transfer.order == "decode_first",
        "state_delay_s": cluster.state_delay_s,
        "session_ttl_s": cluster.session.ttl_s,
        "packed_requests": cluster.packed.requests,
        "cache_threshold": affinity.cache_threshold,
        "balance_abs": affinity.balance_abs_threshold,
        "balance_rel": affinity.balance_rel_threshold,
        "tree_tokens": affinity.max_tree_tokens,
        "eviction_s": affinity.eviction_interval_s,
        "prefill_load_scale": cluster.kv_router.prefill_load_scale,
        "overlap_credit": cluster.kv_router.overlap_credit,
        "weights": scored.weights.model_dump(),
        "index_block_tokens": scored.index_block_tokens,
        "index_blocks": scored.index_blocks or 0,
        "index_tokens": scored.index_tokens,
        "most_load_tokens": scored.max_load_tokens,
        "idle_requests": scored.idle_requests,
        "most_busy_score": scored.max_busy_score,
        "cold_replicas": scored.cold_replicas,
        "is_sticky": scored.sticky_until_saturated,
        "affinity": scored.affinity_threshold,
        "most_penalty_s": scored.max_ttft_penalty_s,
        "peak_prefill": scored.peak_prefill_tokens_per_s,
    }
