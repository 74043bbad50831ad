/* Options of all rules of dispatch as scenarios have them unless they say otherwise, for programs that run the core alone. */
#ifndef MS_USUAL_DISPATCH_H
#define MS_USUAL_DISPATCH_H

#include "dispatch_plan.h"

static inline ms_dispatch_plan usual_dispatch(int32_t rule)
{
    return (ms_dispatch_plan){.rule = rule,
                              .session_ttl_s = 300.0,
                              .packed_requests = 64,
                              .cache_threshold = 0.3,
                              .balance_abs = 64,
                              .balance_rel = 1.5,
                              .tree_tokens = 1 << 23,
                              .eviction_s = 120.0,
                              .prefill_load_scale = 1.0,
                              .overlap_credit = 1.0,
                              .weights = {.queue = 2.0, .kv_cache = 2.0, .prefix = 3.0},
                              .index_block_tokens = 64,
                              .index_tokens = 131072,
                              .most_load_tokens = 4194304.0,
                              .most_busy_score = 1.0,
                              .cold_replicas = 1024,
                              .affinity = 0.8,
                              .most_penalty_s = 18.0,
                              .peak_prefill = 15928.0};
}

#endif
