#include "scored_index.h"

#include "scored.h"

static double weight_of(lcg *chance)
{
    static const double weights[] = {0.0, 0.0, 0.0, 0.5, 0.7, 2.0, 0.3, 1e6};
    return weights[lcg_between(chance, 0, 7)];
}

/* Many replicas by whatever weights: looked at for each request, and polled. */
static void an_index_says_what_looking_at_all_says(void)
{
    const double delays_s[] = {0.0, 0.0, 0.4, 2.5};
    for (int k = 0; k < 160; k++) {
        lcg chance = {(uint64_t)k + 1};
        ms_fleet fleet;
        ms_dispatch_plan rule = {.rule = MS_SCORED,
                                 .state_delay_s = delays_s[k % 4],
                                 .session_ttl_s = 20.0,
                                 .index_block_tokens = k % 3 == 0 ? 6 : 0,
                                 .index_blocks = 1000000,
                                 .most_load_tokens = k % 5 == 0 ? 20.0 : 4096.0, /* full, and never */
                                 .idle_requests = k % 2,
                                 .most_busy_score = 0.5,
                                 .cold_replicas = 3 + k % 20,
                                 .is_sticky = k / 8 % 4 == 0,
                                 .affinity = 0.5,
                                 .most_penalty_s = 0.02,
                                 .peak_prefill = 1000.0,
                                 .tree_tokens = 1000, /* of other rules, as the next */
                                 .packed_requests = 1000};
        rule.weights = (ms_score_weights){.queue = weight_of(&chance),
                                          .kv_cache = weight_of(&chance),
                                          .prefix = weight_of(&chance),
                                          .load = weight_of(&chance),
                                          .token_load = weight_of(&chance),
                                          .session = weight_of(&chance),
                                          .no_hit_lru = weight_of(&chance),
                                          .active = weight_of(&chance)};
        make_world(&fleet, k / 2 % 2 ? 20 : 60, &rule);
        n_cold = 0;
        CHECK(wander(&fleet, (uint64_t)k + 500, best) > 900);
        ms_fleet_free(&fleet);
    }
}

static double next_of(const ms_fleet *fleet)
{
    return fleet->moments.values[ms_tournament_best(&fleet->moments)];
}

/* As they are, or by the last look that is due at t_s. */
static void see_all(ms_fleet *fleet, double t_s)
{
    if (fleet->looks.delay_s > 0.0) {
        look_until(fleet, t_s, fleet->looks.delay_s);
        return;
    }
    for (int32_t r = 0; r < fleet->replicas; r++) {
        see(fleet, r, t_s);
    }
}

/* Copies of the rule that come at any time, to batches that decode for long: memory in use grows between two changes of
 * them, and between two looks, `delay_s` apart. Two pools of one model, with
 * another's between them, so that shares of memory differ; blocks of `block` tokens. Returns how often all were busy. */
static int32_t send_to_growing_batches(int k, const ms_score_weights *weights, int32_t block, double delay_s)
{
    lcg chance = {(uint64_t)k + 70};
    ms_fleet fleet;
    ms_queue done = {0};
    const ms_dispatch_plan rule = {.rule = MS_SCORED,
                                   .state_delay_s = delay_s,
                                   .weights = *weights,
                                   .most_load_tokens = 400.0,
                                   .cold_replicas = 9};
    ms_pool_plan plans[] = {pool_of(0, 30, 6), pool_of(1, 1, 1), pool_of(0, 20, 4)};
    for (int p = 0; p < 3; p++) {
        plans[p].limits.kv_capacity_tokens = 1200 + 150 * p;
        plans[p].limits.kv_block_tokens = block;
        plans[p].coefficients.a0_s = 0.7 + 0.05 * p;
    }
    CHECK(ms_fleet_init(&fleet, 3, plans, 2, &rule, streams) == 0);
    memset(session_at, -1, sizeof session_at);
    memset(sent_to, 0, sizeof sent_to);
    memset(seen_waiting, 0, sizeof seen_waiting);
    memset(seen_usage, 0, sizeof seen_usage);
    n_cold = 0;
    int32_t busy = 0;
    double t_s = 0.0;
    for (int32_t i = 0; i < WORLD_JOBS; i++) {
        int32_t up[REPLICAS_MOST], idle = 0;
        t_s += (double)lcg_between(&chance, 0, 100) / 128.0;
        for (double next_s = next_of(&fleet); next_s <= t_s; next_s = next_of(&fleet)) {
            see_all(&fleet, next_s);
            step(&fleet, &done);
        }
        see_all(&fleet, t_s);
        jobs[i] = ms_job_new(i, 0, (int32_t)lcg_between(&chance, 1, 60), (int32_t)lcg_between(&chance, 1, 180));
        jobs[i].session = -1;
        const int32_t n = list_open(&fleet, -1, up);
        for (int32_t u = 0; u < n; u++) {
            idle += ms_replica_unfinished(&fleet.replica[up[u]]) == 0;
        }
        const int32_t due = best(&fleet, &jobs[i], up, n, t_s);
        CHECK(ms_dispatch_place(&fleet, &jobs[i], -1, t_s) == MS_PLACED);
        if (!CHECK(jobs[i].server == due)) {
            break;
        }
        busy += idle == 0;
    }
    ms_fleet_free(&fleet);
    return busy;
}

static void memory_that_grows_by_itself_is_seen_as_it_is(void)
{
    const ms_score_weights weights[] = {
        {.kv_cache = 2.0, .queue = 2.0, .prefix = 3.0},
        {.kv_cache = 1.0},
        {.kv_cache = 1.0, .token_load = 1.0},
        {.kv_cache = 2.0, .active = 0.5, .load = 1.0},
        {.kv_cache = 2.0, .token_load = 0.5, .active = 0.1, .queue = 0.25},
        {.kv_cache = 1.0, .no_hit_lru = 0.25},
    };
    const int32_t blocks[] = {1, 16, 5};
    const double delays_s[] = {0.0, 0.125, 2.0};
    for (int k = 0; k < 54; k++) {
        CHECK(send_to_growing_batches(k, &weights[k / 3 % 6], blocks[k % 3], delays_s[k / 18]) > 300);
    }
}

/* By tokens that are to come, and by a little of one thing more. */
static void whatever_else_matters_counts(void)
{
    const ms_score_weights weights[] = {{.queue = 0.3}, {.kv_cache = 0.3}, {.load = 0.3}, {.active = 0.3}, {.no_hit_lru = 0.3}};
    for (int k = 0; k < 5; k++) {
        ms_fleet fleet;
        ms_dispatch_plan rule = {.rule = MS_SCORED,
                                 .weights = weights[k],
                                 .index_blocks = 1000000,
                                 .most_load_tokens = 400.0,
                                 .most_busy_score = 0.5,
                                 .cold_replicas = 9};
        rule.weights.token_load = 0.2;
        make_world(&fleet, 30, &rule);
        n_cold = 0;
        CHECK(wander(&fleet, (uint64_t)k + 900, best) > 900);
        ms_fleet_free(&fleet);
    }
}

/* Two of many are up, and have more waiting than the load tells of. */
static void long_queues_are_told_apart(void)
{
    ms_fleet fleet;
    ms_queue done = {0}, evicted = {0};
    const ms_pool_plan plan = pool_of(0, 20, 1);
    const ms_dispatch_plan rule = {.rule = MS_SCORED, .weights = {.queue = 0.5, .load = 0.5}, .cold_replicas = 9};
    CHECK(ms_fleet_init(&fleet, 1, &plan, 1, &rule, streams) == 0);
    memset(sent_to, 0, sizeof sent_to);
    for (int32_t r = 2; r < 20; r++) {
        ms_fleet_fail(&fleet, r, 0.0, &evicted);
    }
    for (int32_t i = 0; i < 330; i++) {
        int32_t up[REPLICAS_MOST];
        jobs[i] = ms_job_new(i, 0, 5, i % 2 ? 30 : 2);
        jobs[i].session = -1;
        see_all(&fleet, 0.0);
        const int32_t n = list_open(&fleet, -1, up), due = best(&fleet, &jobs[i], up, n, 0.0);
        CHECK(n == 2 && ms_dispatch_place(&fleet, &jobs[i], -1, 0.0) == MS_PLACED && jobs[i].server == due);
        if (i > 290) {
            step(&fleet, &done);
        }
    }
    CHECK(seen_waiting[0] > 128 && seen_waiting[1] > 128);
    ms_fleet_free(&fleet);
}

/* Costs of all, which are reckoned where the index cannot tell, would overwrite the mark; it can for each of these. With looks
 * `delay_s` apart all are ranked anew by each, and by no request between two. */
static void send_with_a_mark(const ms_score_weights *weights, double delay_s)
{
    const double mark = -12345.0;
    const ms_dispatch_plan rule = {.rule = MS_SCORED,
                                   .state_delay_s = delay_s,
                                   .weights = *weights,
                                   .session_ttl_s = 20.0,
                                   .index_blocks = 1000000,
                                   .most_load_tokens = 4096.0,
                                   .most_busy_score = 0.5,
                                   .cold_replicas = 9};
    ms_fleet fleet;
    ms_queue done = {0};
    make_world(&fleet, 60, &rule);
    for (int32_t i = 0; i < 200; i++) {
        const double t_s = 0.25 * i;
        jobs[i] = ms_job_new(i, 0, 11, 30);
        jobs[i].session = i % 9 - 1;
        see_all(&fleet, t_s);
        fleet.costs[59] = mark;
        CHECK(ms_dispatch_place(&fleet, &jobs[i], -1, t_s) == MS_PLACED);
        CHECK(delay_s == 0.0 || weights->token_load > 0.0 || fleet.servers[0].n_stale == 0); /* who has changed is ranked once */
        CHECK(fleet.costs[59] == mark || (delay_s > 0.0 && fmod(t_s, delay_s) == 0.0));
        while (next_of(&fleet) <= t_s) {
            step(&fleet, &done);
        }
    }
    ms_fleet_free(&fleet);
}

static void an_index_need_not_look_at_all(void)
{
    const ms_score_weights weights[] = {
        {.queue = 2.0, .kv_cache = 2.0, .prefix = 3.0},
        {.load = 1.0, .no_hit_lru = 2.0},
        {.prefix = 3.0}, /* all have 0 */
        {.queue = 1.0, .token_load = 1.0},
        {.token_load = 1.0},
        {.no_hit_lru = 0.5, .active = 1.0, .kv_cache = 1.0, .session = 1.0},
    };
    for (int k = 0; k < 6; k++) {
        send_with_a_mark(&weights[k], 0.0);
        if (k < 4) {
            send_with_a_mark(&weights[k], 0.75);
        }
    }
}

/* Who is to decode a prompt has one more unfinished request from then on, though engines are polled: the next prompt goes elsewhere. */
static void a_promise_counts_at_once(void)
{
    ms_fleet fleet;
    ms_pool_plan plans[] = {pool_of(0, 1, 40), pool_of(0, 20, 40)};
    const ms_dispatch_plan rule = {.rule = MS_LEAST_LOADED,
                                   .decode_rule = MS_SCORED,
                                   .decode_first = 1,
                                   .state_delay_s = 100.0,
                                   .weights = {.active = 1.0},
                                   .most_busy_score = 0.5,
                                   .cold_replicas = 9};
    int64_t promises[21] = {0};
    plans[0].limits.role = MS_ROLE_PREFILL;
    plans[1].limits.role = MS_ROLE_DECODE;
    CHECK(ms_fleet_init(&fleet, 2, plans, 1, &rule, streams) == 0);
    for (int32_t i = 0; i < 40; i++) {
        jobs[i] = ms_job_new(i, 0, 4, 3);
        jobs[i].session = -1;
        CHECK(ms_dispatch_place(&fleet, &jobs[i], -1, 0.0) == MS_PLACED && jobs[i].is_promised);
        promises[jobs[i].destination]++;
        CHECK(promises[jobs[i].destination] == 1 + i / 20);
    }
    ms_fleet_free(&fleet);
}

int main(void)
{
    RUN(an_index_says_what_looking_at_all_says);
    RUN(memory_that_grows_by_itself_is_seen_as_it_is);
    RUN(whatever_else_matters_counts);
    RUN(long_queues_are_told_apart);
    RUN(an_index_need_not_look_at_all);
    RUN(a_promise_counts_at_once);
    return report();
}
