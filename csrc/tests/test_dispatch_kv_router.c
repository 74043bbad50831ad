#include "worlds.h"

/* Tokens of a prompt, in whole blocks, that the cache of a replica holds. */
static int64_t cached_of(const ms_fleet *fleet, const ms_job *job, int32_t replica)
{
    return ms_cache_find(&fleet->replica[replica].sequences.cache, job, job->prompt_tokens).present * BLOCK;
}

/* Where scale * max(0, p + n - credit * c) + held is least. */
static int32_t cheapest(ms_fleet *fleet, const ms_job *job, const int32_t *up, int32_t n, double t_s)
{
    (void)t_s;
    double costs[REPLICAS_MOST];
    const double scale = fleet->dispatch.prefill_load_scale, credit = fleet->dispatch.overlap_credit;
    for (int32_t i = 0; i < n; i++) {
        const double prefill = (double)(fleet->prefill_tokens[up[i]] + job->prompt_tokens);
        const double left = prefill - credit * (double)seen_cached(job, up[i]);
        costs[i] = scale * (left > 0.0 ? left : 0.0) + (double)fleet->held_tokens[up[i]];
    }
    return any_of_least(job, up, costs, n);
}

/* Few replicas are scanned, of many an index is kept; caches are seen as they are, or as they were at the last look. */
static void a_copy_goes_where_least_is_to_be_computed_and_held(void)
{
    const int32_t sizes[] = {3, 20};
    const double credits[] = {1.0, 0.5, 4.0}, scales[] = {1.0, 0.5, 0.25};
    for (int k = 0; k < 12; k++) {
        ms_fleet fleet;
        const ms_dispatch_plan rule = {.rule = MS_KV_ROUTER,
                                       .prefill_load_scale = scales[k / 2 % 3],
                                       .overlap_credit = credits[k / 2 % 3],
                                       .state_delay_s = k / 6 * 2.5};
        make_world(&fleet, sizes[k % 2], &rule);
        CHECK(wander(&fleet, (uint64_t)k + 3, cheapest) > 900);
        ms_fleet_free(&fleet);
    }
}

/* The prompt is charged where it goes, less what the cache there holds, which is not computed again. */
static void what_is_cached_is_not_charged(void)
{
    const ms_node_of_path path[] = {{1, 9}};
    ms_fleet fleet;
    make_world(&fleet, 3, &(ms_dispatch_plan){.rule = MS_KV_ROUTER, .prefill_load_scale = 1.0, .overlap_credit = 1.0});
    for (int32_t i = 0; i < 2; i++) {
        jobs[i] = ms_job_new(i, 0, 11, 2);
        jobs[i].path = path;
        jobs[i].path_length = 1;
        CHECK(ms_dispatch_place(&fleet, &jobs[i], -1, 10.0 * i) == MS_PLACED);
        CHECK(jobs[i].charged_prefill_tokens == (i == 0 ? 11 : 3) && jobs[i].charged_held_tokens == 12);
        CHECK(jobs[i].server == jobs[0].server && run_out(&fleet) == 1);
        CHECK(fleet.prefill_tokens[jobs[0].server] == 0 && fleet.held_tokens[jobs[0].server] == 0);
    }
    ms_fleet_free(&fleet);
}

/* Costs that are reckoned would overwrite the mark. */
static void of_many_only_those_with_some_of_the_prompt_are_looked_at(void)
{
    const ms_node_of_path path[] = {{1, 9}};
    const double mark = -12345.0;
    ms_fleet fleet;
    make_world(&fleet, 20, &(ms_dispatch_plan){.rule = MS_KV_ROUTER, .prefill_load_scale = 1.0, .overlap_credit = 1.0});
    for (int32_t i = 0; i < 30; i++) {
        jobs[i] = ms_job_new(i, 0, 11, 2);
        jobs[i].path = path;
        jobs[i].path_length = i % 2;
        fleet.costs[1] = fleet.costs[19] = mark;
        CHECK(ms_dispatch_place(&fleet, &jobs[i], -1, 10.0 * i) == MS_PLACED && run_out(&fleet) == 1);
        CHECK(fleet.costs[1] == mark && fleet.costs[19] == mark && (i % 2 == 0 || jobs[i].server == jobs[1].server));
    }
    ms_fleet_free(&fleet);
}

/* Who holds some of the prompt has too much else: another of the emptiest takes it, without a look at all. */
static void a_holder_that_costs_more_is_passed_by(void)
{
    const ms_node_of_path path[] = {{1, 9}};
    const double mark = -12345.0;
    ms_fleet fleet;
    ms_job other = ms_job_new(2, 0, 11, 2);
    make_world(&fleet, 20, &(ms_dispatch_plan){.rule = MS_KV_ROUTER, .prefill_load_scale = 1.0, .overlap_credit = 1.0});
    for (int32_t i = 0; i < 2; i++) {
        jobs[i] = ms_job_new(i, 0, 11, 2);
        jobs[i].path = path;
        jobs[i].path_length = 1;
        fleet.costs[1] = fleet.costs[19] = mark;
        CHECK(ms_dispatch_place(&fleet, &jobs[i], -1, 10.0 * i) == MS_PLACED && run_out(&fleet) == 1);
        CHECK(fleet.costs[1] == mark && fleet.costs[19] == mark && (i == 0 || jobs[1].server != jobs[0].server));
        if (i == 0) {
            ms_accounts_charge(&fleet, &other, jobs[0].server, 100);
        }
    }
    ms_fleet_free(&fleet);
}

/* What an API was charged with is over when it has answered. */
static void an_answer_of_an_api_clears_its_account(void)
{
    const ms_pool_plan plans[] = {api_of(0), api_of(0)};
    ms_fleet fleet;
    const ms_dispatch_plan rule = {.rule = MS_KV_ROUTER, .prefill_load_scale = 1.0, .overlap_credit = 1.0};
    CHECK(ms_fleet_init(&fleet, 2, plans, 1, &rule, streams) == 0);
    jobs[0] = ms_job_new(0, 0, 11, 2);
    CHECK(ms_dispatch_place(&fleet, &jobs[0], -1, 0.0) == MS_CALLS_API);
    const int32_t api = jobs[0].server;
    CHECK(fleet.held_tokens[api] == 11 && jobs[0].charged_held_tokens == 11);
    ms_fleet_finish_api(&fleet, &jobs[0]);
    CHECK(fleet.held_tokens[api] == 0 && fleet.prefill_tokens[api] == 0 && fleet.pool[api].unfinished == 0);
    ms_fleet_free(&fleet);
}

/* A replica that drains computes what waits for it, so that its cache has the prompt again; the next goes elsewhere. */
static void who_drains_gets_nobody_for_what_it_has(void)
{
    const ms_node_of_path path[] = {{1, 9}};
    ms_fleet fleet;
    make_world(&fleet, 20, &(ms_dispatch_plan){.rule = MS_KV_ROUTER, .prefill_load_scale = 1.0, .overlap_credit = 1.0});
    for (int32_t i = 0; i < 2; i++) {
        jobs[i] = ms_job_new(i, 0, 11, 2);
        jobs[i].path = path;
        jobs[i].path_length = 1;
        CHECK(ms_dispatch_place(&fleet, &jobs[i], -1, 10.0 * i) == MS_PLACED);
        if (i == 0) {
            fleet.failures[jobs[0].server] = 1;
            fleet.phase[jobs[0].server] = MS_DRAINING;
            ms_fleet_refresh(&fleet, jobs[0].server);
        }
        CHECK(run_out(&fleet) == 1 && cached_of(&fleet, &jobs[0], jobs[0].server) == 8);
    }
    CHECK(jobs[1].server != jobs[0].server);
    ms_fleet_free(&fleet);
}

int main(void)
{
    RUN(a_copy_goes_where_least_is_to_be_computed_and_held);
    RUN(what_is_cached_is_not_charged);
    RUN(of_many_only_those_with_some_of_the_prompt_are_looked_at);
    RUN(a_holder_that_costs_more_is_passed_by);
    RUN(an_answer_of_an_api_clears_its_account);
    RUN(who_drains_gets_nobody_for_what_it_has);
    return report();
}
