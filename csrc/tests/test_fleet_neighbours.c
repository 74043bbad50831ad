#include "loops.h"

#include "scales.h"

/* What stands before a pool, and which number its model has, changes nothing of how it serves. */

enum { REQUESTS = 150, POOLS_MOST = 4, CASES = 32, RULES = 10 };

/* Of one run, by request, and by pool of the model in question, then of the other. */
typedef struct outcome {
    int8_t status[REQUESTS];
    int32_t place[REQUESTS]; /* the replica's number from the first of its model's on */
    int32_t attempts[REQUESTS], preemptions[REQUESTS], cached[REQUESTS];
    double start_s[REQUESTS], first_token_s[REQUESTS], finish_s[REQUESTS], energy_j[REQUESTS], cost[REQUESTS];
    double busy_s[POOLS_MOST], idle_s[POOLS_MOST], rented_s[POOLS_MOST];
} outcome;

/* There are trees over replicas where they are many. */
static int is_large(int c)
{
    return c >> 4 & 1;
}

/* Two pools of a model that differ in size and speed, or split the work; what else there is goes by the bits of `c`. */
static int32_t own_pools(ms_pool_plan *plans, int32_t model, int c)
{
    const int is_split = c & 1, has_fronts = c >> 1 & 1, scales = c >> 2 & 1;
    plans[0] = pool_of(model, is_large(c) ? 18 : 3);
    plans[1] = pool_of(model, is_large(c) ? 4 : 2);
    for (int p = 0; p < 2; p++) {
        ms_pool_plan *plan = &plans[p];
        plan->limits.prefix_cache = 1;
        plan->limits.kv_block_tokens = 4;
        plan->coefficients.a0_s = p ? 0.625 : 0.5;
        plan->usd_per_s = 0.01 * (1 + p);
        plan->kv_bytes_per_token = 0.25;
        plan->limits.role = is_split ? MS_ROLE_PREFILL + p : MS_ROLE_BOTH;
        plan->front_end = has_fronts && !is_split ? seconds(0.125) : (ms_wait){0};
        plan->front_end_workers = 1;
        plan->detokenize_s = has_fronts ? 0.0625 : 0.0;
        if (scales) {
            plan->autoscale = plan_of(p ? MS_SCALES_BY_TARGET : MS_SCALES_BY_SATURATION, 3.0);
            plan->autoscale.initial = plan->autoscale.least = 1;
            plan->autoscale.down_window_s = 4.0;
            plan->autoscale.saturated_usage = 0.75;
            plan->autoscale.saturated_waiting = 2.0;
            plan->autoscale.spare_usage = 0.125;
            plan->autoscale.spare_waiting = 1.0;
            plan->autoscale.cold_start[0] = seconds(1.5);
        }
    }
    return 2;
}

/* A pool and an API of a model. */
static int32_t other_pools(ms_pool_plan *plans, int32_t model)
{
    plans[0] = pool_of(model, 3);
    plans[1] = api(model);
    plans[1].api_limits = (ms_limits_plan){.requests_per_minute = 10.0, .burst_s = 6.0};
    return 2;
}

static int64_t path_start[REQUESTS + 1], session[REQUESTS];
static ms_node_of_path path[REQUESTS];

/* Five prompts begin alike, and eleven sessions come in turn. */
static void fill_page(int32_t own, int32_t other, double gap_s)
{
    fill(&sheets[0], 0, REQUESTS, gap_s);
    plans_are(own, own, other, own);
    sheets[0].page.path_start = path_start;
    sheets[0].page.path = path;
    sheets[0].page.turns.session = session;
    for (int64_t i = 0; i < REQUESTS; i++) {
        const int32_t shared = 4 * (1 + (int32_t)(i % 5));
        path_start[i + 1] = i + 1;
        path[i] = (ms_node_of_path){1 + i % 5, sheets[0].prompt[i] < shared ? sheets[0].prompt[i] : shared};
        session[i] = i % 11;
        sheets[0].outputs[REQUESTS + i] = sheets[0].outputs[i];
        sheets[0].satisfied_in[REQUESTS + i] = sheets[0].satisfied_in[i];
        sheets[0].known[REQUESTS + i] = sheets[0].known[i];
    }
}

static void take_outcome(const ms_run *loop, int32_t own, int32_t own_first, int32_t other_first, outcome *out)
{
    const sheet *s = &sheets[0];
    memset(out, 0, sizeof *out);
    for (int64_t i = 0; i < REQUESTS; i++) {
        const int32_t pool = s->model[i] == own ? own_first : other_first;
        out->status[i] = s->status[i];
        out->place[i] = s->replica[i] < 0 ? -1 : s->replica[i] - loop->fleet.pool[pool].first;
        out->attempts[i] = s->attempts[i];
        out->preemptions[i] = s->preemptions[i];
        out->cached[i] = s->cached_prompt[i];
        out->start_s[i] = s->start[i];
        out->first_token_s[i] = s->first_token[i];
        out->finish_s[i] = s->finish[i];
        out->energy_j[i] = s->energy[i];
        out->cost[i] = s->cost[i];
    }
    for (int32_t k = 0; k < POOLS_MOST; k++) {
        const int32_t p = k < 2 ? own_first + k : other_first + k - 2;
        out->busy_s[k] = loop->busy_s[p];
        out->idle_s[k] = loop->idle_s[p];
        out->rented_s[k] = loop->rented_s[p];
    }
}

/* The model in question is 0 and its pools stand first; they stand last; it is 1. */
static void serve_in_order(int order, int32_t rule, int c, outcome *out)
{
    const int32_t own = order == 2, other = 1 - own;
    const ms_stream by_model[] = {streams[own], streams[other], streams[MODELS + own], streams[MODELS + other]};
    const ms_dispatch_plan dispatch = {.rule = rule, .decode_rule = rule == MS_SHARED_QUEUE ? MS_LEAST_LOADED : rule,
                                       .random_ties = 1,
                                       .decode_first = c >> 3 & 1,
                                       .packed_requests = 4,
                                       .session_ttl_s = 20.0,
                                       .cache_threshold = 0.5,
                                       .balance_abs = 4,
                                       .balance_rel = 1.5,
                                       .tree_tokens = 200,
                                       .eviction_s = 30.0,
                                       .prefill_load_scale = 1.0,
                                       .overlap_credit = 1.0,
                                       .weights = {.queue = 2.0, .kv_cache = 1.0, .prefix = 3.0, .load = 1.0, .session = 0.5},
                                       .state_delay_s = c % 8 >= 6 ? 0.75 : 0.0};
    ms_run loop;
    ms_run_config config = plain;
    ms_pool_plan plans[POOLS_MOST];
    const int32_t own_first = order == 0 ? 0 : 2, other_first = 2 - own_first;
    CHECK(own_pools(plans + own_first, own, c) == 2 && other_pools(plans + other_first, other) == 2);
    config.in_usd = c & 1;
    config.transfer_latency_s = 0.25;
    config.transfer_bytes_per_s = 8.0;
    config.transfer_links = c >> 1 & 3;
    config.max_waiting = c % 16 == 5 ? 2 : -1;
    config.patience = (ms_patience){.wait = c >> 3 & 1 ? seconds(9.875) : (ms_wait){0},
                                    .aborts = 1,
                                    .retries = 1,
                                    .backoff = seconds(1.0),
                                    .backoff_growth = 1.0};
    fill_page(own, other, is_large(c) ? 0.125 : 0.5);
    CHECK(ms_run_init(&loop, &config, alphas, 1.0, 0, POOLS_MOST, plans, &dispatch, by_model) == 0);
    loop.instances.brain[0].policy = lists;
    CHECK(ms_run_plan_breakdowns(&loop, 2) == 0);
    for (int32_t k = 0; k < 2; k++) { /* one replica of each of its pools */
        const int32_t replica = loop.fleet.pool[own_first + k].first + 1 - k;
        loop.breakdowns[k] = (ms_breakdown){.replica = replica, .time_s = 7.1875 + 8.0 * k, .for_s = 6.5};
    }
    if (c >> 2 & 1) { /* who scales does not fail */
        loop.n_breakdowns = 0;
    }
    go(&loop, 1);
    take_outcome(&loop, own, own_first, other_first, out);
    ms_run_free(&loop);
}

static void check_same(const outcome *a, const outcome *b)
{
    CHECK(memcmp(a->status, b->status, sizeof a->status) == 0);
    CHECK(memcmp(a->place, b->place, sizeof a->place) == 0);
    CHECK(memcmp(a->attempts, b->attempts, sizeof a->attempts) == 0);
    CHECK(memcmp(a->preemptions, b->preemptions, sizeof a->preemptions) == 0);
    CHECK(memcmp(a->cached, b->cached, sizeof a->cached) == 0);
    for (int i = 0; i < REQUESTS; i++) {
        CHECK(same_bits(a->start_s[i], b->start_s[i]) && same_bits(a->first_token_s[i], b->first_token_s[i]));
        CHECK(same_bits(a->finish_s[i], b->finish_s[i]) && same_bits(a->energy_j[i], b->energy_j[i]));
        CHECK(same_bits(a->cost[i], b->cost[i]));
    }
    for (int p = 0; p < POOLS_MOST; p++) {
        CHECK(same_bits(a->busy_s[p], b->busy_s[p]) && same_bits(a->idle_s[p], b->idle_s[p]));
        CHECK(same_bits(a->rented_s[p], b->rented_s[p]));
    }
}

static void pools_serve_alike_wherever_they_stand(void)
{
    const int32_t rules[RULES] = {MS_LEAST_LOADED, MS_ROUND_ROBIN, MS_POWER_OF_TWO, MS_SHARED_QUEUE, MS_RANDOM, MS_SESSION,
                             MS_PREFIX_AFFINITY, MS_KV_ROUTER, MS_SCORED, MS_PACKED};
    int64_t completed = 0, preempted = 0, again = 0, cached = 0;
    for (int r = 0; r < RULES; r++) {
        for (int c = 0; c < CASES; c++) {
            if ((c & 1) && rules[r] == MS_SHARED_QUEUE) {
                continue; /* the halves of split work have queues of their own */
            }
            outcome first, other;
            serve_in_order(0, rules[r], c, &first);
            for (int order = 1; order <= 2; order++) {
                serve_in_order(order, rules[r], c, &other);
                check_same(&first, &other);
            }
            for (int i = 0; i < REQUESTS; i++) {
                completed += first.status[i] == MS_COMPLETED;
                preempted += first.preemptions[i] > 0;
                again += first.attempts[i] > 1;
                cached += first.cached[i] > 0;
            }
        }
    }
    CHECK(completed > 20000 && preempted > 1000 && again > 10000 && cached > 10000); /* the figures reach what they are for */
}

int main(void)
{
    RUN(pools_serve_alike_wherever_they_stand);
    return report();
}
