#include "scored.h"

static void a_copy_goes_where_the_sum_of_scores_is_best(void)
{
    const ms_score_weights weights[] = {
        {.queue = 2.0, .kv_cache = 2.0, .prefix = 3.0},
        {.session = 1.0, .load = 4.0, .prefix = 1.0},
        {.queue = 1.0, .token_load = 2.0, .active = 1.0},
        {.no_hit_lru = 2.0, .prefix = 1.0, .load = 1.0},
        {.queue = 1.0, .prefix = 2.0, .session = 0.5, .active = 0.25, .no_hit_lru = 0.5},
        {.queue = 1.0, .prefix = 1.0, .session = 1.0}, /* much is equal */
        {.load = 256.0, .prefix = 2.0},
        {.token_load = 2.0, .prefix = 1.0, .session = 0.5}, /* no engine is asked */
        {.active = 2.0, .load = 1.0, .prefix = 1.0},
        {.no_hit_lru = 0.5, .active = 1.0, .kv_cache = 1.0},
    };
    const int32_t sizes[] = {3, 20};
    for (int k = 0; k < 80; k++) {
        ms_fleet fleet;
        const ms_dispatch_plan rule = {.rule = MS_SCORED,
                                       .weights = weights[k / 8],
                                       .state_delay_s = k / 2 % 2 ? 2.5 : 0.0,
                                       .session_ttl_s = 20.0,
                                       .index_block_tokens = k % 3 == 0 ? 6 : 0,
                                       .index_blocks = 1000000,
                                       .index_tokens = k % 5 == 0 ? 18 : 0,
                                       .most_load_tokens = k % 6 == 3 ? 16.0 : 64.0, /* of which most have more */
                                       .idle_requests = 1,
                                       .most_busy_score = 0.5,
                                       .cold_replicas = 2 + k % 2,
                                       .is_sticky = k / 4 % 2,
                                       .affinity = 0.5,
                                       .most_penalty_s = k % 7 == 0 ? 0.0 : 0.02,
                                       .peak_prefill = 1000.0};
        make_world(&fleet, sizes[k % 2], &rule);
        n_cold = 0;
        CHECK(wander(&fleet, (uint64_t)k + 100, best) > 900);
        ms_fleet_free(&fleet);
    }
}

/* Prompts of nodes 1 (16 tokens), 2 and 3 (16 more each). */
static ms_job prompt_of(int32_t request, const ms_node_of_path *path, int32_t n)
{
    ms_job job = ms_job_new(request, 0, 16 * n, 2);
    job.path = path;
    job.path_length = n;
    return job;
}

/* Where the list is too long what was sent first goes, of one prompt its start. Without a start the rest is not
 * found. A replica of whose memory nothing is known has 31,250 blocks. */
static void a_list_that_is_full_forgets_the_oldest_blocks(void)
{
    const int64_t unknown = (int64_t)1 << 31, configured[] = {8, 6, 0, 0}, memory[] = {1000, 1000, 24, unknown};
    const int64_t left[] = {8, 6, 6, 31250};
    const int32_t sent[] = {32, 32, 32, 4 * 31251};
    for (int k = 0; k < 4; k++) {
        const ms_node_of_path path[] = {{1, 16}, {2, sent[k]}};
        ms_pool_plan plan = pool_of(0, 2, 4);
        plan.limits.kv_block_tokens = 4;
        plan.limits.kv_capacity_tokens = memory[k];
        const ms_dispatch_plan rule = {.rule = MS_SCORED, .weights = {.prefix = 1.0}, .index_blocks = configured[k]};
        ms_fleet fleet;
        CHECK(ms_fleet_init(&fleet, 1, &plan, MODELS_MOST, &rule, streams) == 0);
        jobs[0] = prompt_of(0, path, 2);
        jobs[0].prompt_tokens = 23; /* that fits */
        jobs[0].output_tokens = 1;
        CHECK(fleet.servers[0].texts.unit_tokens == 4);
        CHECK(ms_texts_add(&fleet.servers[0].texts, &jobs[0], 1) == 0);
        ms_job next = jobs[0];
        next.request = 1;
        CHECK(ms_dispatch_place(&fleet, &next, -1, 0.0) == MS_PLACED && next.server == 1);
        CHECK(fleet.servers[0].texts.list[1].units == left[k]);
        CHECK(fleet.prefill_tokens[1] == 23 - sent[k]); /* by what the router believes */
        ms_fleet_free(&fleet);
    }
}

/* The third replica is the first of its model: its list is as long as its own pool has blocks. */
static void a_list_is_as_long_as_its_own_pool_has_memory(void)
{
    static const ms_node_of_path path[] = {{1, 16}, {2, 32}};
    ms_pool_plan plans[] = {pool_of(0, 2, 4), pool_of(1, 1, 4)};
    for (int k = 0; k < 2; k++) {
        plans[k].limits.kv_block_tokens = 4;
        plans[k].limits.kv_capacity_tokens = k == 0 ? 1000 : 24;
    }
    const ms_dispatch_plan rule = {.rule = MS_SCORED, .weights = {.prefix = 1.0}};
    ms_fleet fleet;
    CHECK(ms_fleet_init(&fleet, 2, plans, MODELS_MOST, &rule, streams) == 0);
    jobs[0] = prompt_of(0, path, 2);
    CHECK(ms_texts_add(&fleet.servers[1].texts, &jobs[0], 0) == 0);
    jobs[1] = ms_job_new(1, 1, 4, 2);
    CHECK(ms_dispatch_place(&fleet, &jobs[1], -1, 0.0) == MS_PLACED && jobs[1].server == 2);
    CHECK(fleet.servers[1].texts.list[0].units == 6);
    ms_fleet_free(&fleet);
}

/* Blocks in the middle that only another has do not break the line: 1 has all of node 1 and 2, 0 the end of 1 alone. */
static void a_block_that_anybody_has_continues_the_prompt(void)
{
    const ms_node_of_path path[] = {{1, 16}, {2, 32}};
    ms_pool_plan plan = pool_of(0, 2, 4);
    plan.limits.kv_block_tokens = 4;
    const ms_dispatch_plan rule = {.rule = MS_SCORED, .weights = {.prefix = 1.0}, .index_blocks = 100};
    for (int first_left = 0; first_left <= 4; first_left++) {
        ms_fleet fleet;
        CHECK(ms_fleet_init(&fleet, 1, &plan, MODELS_MOST, &rule, streams) == 0);
        ms_texts *texts = &fleet.servers[0].texts;
        const ms_job half = prompt_of(0, path, 1);
        CHECK(ms_texts_add(texts, &half, 0) == 0);
        jobs[0] = prompt_of(1, path, 2);
        CHECK(ms_texts_add(texts, &jobs[0], 1) == 0);
        ms_texts_trim(texts, 1, 4 + first_left); /* of its node 1 the last so many blocks are left */
        CHECK(ms_dispatch_place(&fleet, &jobs[0], -1, 0.0) == MS_PLACED);
        CHECK(jobs[0].server == (first_left == 0 ? jobs[0].server : 1)); /* 4 of 8 blocks against 4 and more */
        ms_fleet_free(&fleet);
    }
}

/* 0 has all of node 2, but nobody the start of it: the first block of node 1, which 1 has, is all that counts. */
static void what_follows_a_gap_does_not_count(void)
{
    const ms_node_of_path whole[] = {{1, 16}, {2, 32}}, start[] = {{1, 4}};
    ms_pool_plan plan = pool_of(0, 2, 4);
    plan.limits.kv_block_tokens = 4;
    const ms_dispatch_plan rule = {.rule = MS_SCORED, .weights = {.prefix = 1.0}, .index_blocks = 100};
    for (int32_t request = 0; request < 9; request++) { /* whatever is drawn */
        ms_fleet fleet;
        CHECK(ms_fleet_init(&fleet, 1, &plan, MODELS_MOST, &rule, streams) == 0);
        ms_texts *texts = &fleet.servers[0].texts;
        const ms_job first = prompt_of(100, whole, 2);
        ms_job little = prompt_of(101, start, 1);
        little.prompt_tokens = 4;
        CHECK(ms_texts_add(texts, &first, 0) == 0);
        ms_texts_trim(texts, 0, 4);
        CHECK(ms_texts_add(texts, &little, 1) == 0);
        jobs[request] = prompt_of(request, whole, 2);
        CHECK(ms_dispatch_place(&fleet, &jobs[request], -1, 0.0) == MS_PLACED && jobs[request].server == 1);
        CHECK(fleet.prefill_tokens[1] == 32 - 4 && fleet.matched[0] == 0 && fleet.matched[1] == 0);
        ms_fleet_free(&fleet);
    }
}

int main(void)
{
    RUN(a_copy_goes_where_the_sum_of_scores_is_best);
    RUN(a_list_that_is_full_forgets_the_oldest_blocks);
    RUN(a_list_is_as_long_as_its_own_pool_has_memory);
    RUN(a_block_that_anybody_has_continues_the_prompt);
    RUN(what_follows_a_gap_does_not_count);
    return report();
}
