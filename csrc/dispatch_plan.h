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
    MS_PACKED,
    MS_OWN_RULE
};

/* A rule of the user's own, compiled to this signature. `numbers` are places of the replicas in their model; the other arrays
 * hold what the rule sees of each, those that it does not look at nothing of use. The number before the first of params and
 * state is their length. Returns which of the `replicas` gets the copy; below 0 an error code of the rule's own, or
 * MS_POLICY_RAISED (policy.h). */
typedef int64_t (*ms_pick_fn)(int64_t request, int64_t attempt, int64_t session, int64_t prompt_tokens, double now_s,
                              int64_t replicas, const double *numbers, const double *loads, const double *waiting,
                              const double *usage, const double *cached, const double *uniforms, const double *params,
                              double *state);

enum { MS_OWN_UNIFORMS = 2, MS_OWN_COLUMNS = 5 };

/* Of one model: its memory is its own. */
typedef struct ms_own_rule {
    ms_pick_fn pick;
    int32_t sees_loads;
    int32_t sees_engines; /* what waits there, and memory in use */
    int32_t sees_caches;
    const double *params;
    double *state;
} ms_own_rule;

/* Of the scores that dispatch_scored.c adds up. */
typedef struct ms_score_weights {
    double queue;
    double kv_cache;
    double prefix;
    double load;
    double token_load;
    double session;
    double no_hit_lru;
    double active;
} ms_score_weights;

/* Whether tokens that are to come matter, and nothing else that replicas differ in beyond prompts and sessions. */
static inline int ms_weights_are_of_tokens_alone(const ms_score_weights *w)
{
    const int has_others = w->queue > 0.0 || w->kv_cache > 0.0 || w->load > 0.0 || w->active > 0.0 || w->no_hit_lru > 0.0;
    return w->token_load > 0.0 && !has_others;
}

/* Whether a single number ranks replicas from one change to the next, whatever the request. */
static inline int ms_weights_rank(const ms_score_weights *w, int is_polled)
{
    return ms_weights_are_of_tokens_alone(w) || (is_polled && !(w->token_load > 0.0));
}

typedef struct ms_dispatch_plan {
    int32_t rule;         /* enum ms_dispatch */
    int32_t decode_rule;  /* among replicas that decode what others have prefilled */
    int32_t random_ties;  /* least loaded: any one of equals; else the first */
    int32_t decode_first; /* with split prefill and decode: where a job decodes is chosen before its prefill */
    double state_delay_s; /* loads and caches are seen as they were at the last multiple of it; 0: as they are */
    double session_ttl_s; /* session: a binding that is not used for longer is forgotten */
    int64_t packed_requests; /* packed: a replica with so many unfinished ones is full */
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
    int64_t idle_requests;      /* active: so many unfinished ones are none */
    double most_busy_score;     /* active: of who has more */
    int32_t cold_replicas;      /* no_hit_lru: of a model that are remembered, > 0 */
    int32_t is_sticky;          /* until saturated, by what follows */
    double affinity;
    double most_penalty_s;      /* 0: however long */
    double peak_prefill;        /* tokens a second */
} ms_dispatch_plan;

#endif
