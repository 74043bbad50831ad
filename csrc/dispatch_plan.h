/* Which rule sends copies to replicas, and its options. */
#ifndef MS_DISPATCH_PLAN_H
#define MS_DISPATCH_PLAN_H

#include <stdint.h>

enum ms_dispatch {
    MS_LEAST_LOADED,
    MS_ROUND_ROBIN,
    MS_POWER_OF_TWO,
    MS_SHARED_QUEUE,
    MS_RANDOM,
    MS_SESSION,
    MS_PREFIX_AFFINITY,
    MS_KV_ROUTER,
    MS_SCORED,
    MS_OWN_RULE
};

/* Of the scores that dispatch_scored.c adds up. */
typedef struct ms_score_weights {
    double queue;
    double kv_cache;
    double prefix;
    double load;
    double token_load;
} ms_score_weights;

typedef struct ms_dispatch_plan {
    int32_t rule;         /* enum ms_dispatch */
    int32_t random_ties;  /* least loaded: any one of equals; else the first */
    int32_t decode_first; /* with split prefill and decode: where a job decodes is chosen before its prefill */
    double state_delay_s; /* loads are seen as they were at the last multiple of it; 0: as they are */
    double session_ttl_s; /* session: a binding that is not used for longer is forgotten */
    /* prefix_affinity */
    double cache_threshold;
    int64_t balance_abs;
    double balance_rel;
    int64_t tree_tokens;
    double eviction_s;
    /* kv_router */
    double prefill_load_scale;
    double overlap_credit;
    /* scored */
    ms_score_weights weights;
    int64_t index_block_tokens; /* of the router's own list, at least; 0 counts as 1 */
    int64_t index_blocks;       /* of a replica in it; 0: as many as its memory has */
    int64_t index_tokens;       /* of a prompt that are looked at; 0: all */
    double most_load_tokens;
    int32_t is_sticky;          /* until saturated, by what follows */
    double affinity;
    double most_penalty_s;      /* 0: however long */
    double peak_prefill;        /* tokens a second */
} ms_dispatch_plan;

#endif
