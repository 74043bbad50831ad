#include "destination.h"

#include "fleets.h"

static const ms_node_of_path path[] = {{1, 9}};

static ms_job with_path(int64_t request, int32_t model)
{
    ms_job job = ms_job_new(request, model, 12, 3);
    job.path = path;
    job.path_length = 1;
    return job;
}

static void make_cached(ms_fleet *fleet, int32_t dispatch)
{
    ms_pool_plan plans[] = {pool_of(1, 1, 1), pool_of(0, 3, 4), api_of(1)};
    plans[1].limits.kv_block_tokens = 4;
    plans[1].limits.prefix_cache = 1;
    make(fleet, 3, plans, dispatch);
}

static ms_destination destination(ms_fleet *fleet, ms_job *job, int64_t max_waiting)
{
    ms_destination to;
    CHECK(ms_destination_find(fleet, job, max_waiting, 50.0, &to) == 0);
    return to;
}

static int is(ms_destination to, int32_t pool, double running, double cached)
{
    return to.pool == pool && to.running == running && to.cached == cached;
}

/* The replica whose turn it is, whoever asks how often; what it has cached, and how many are there. */
static void asking_does_not_take_a_turn(void)
{
    ms_fleet fleet;
    make_cached(&fleet, MS_ROUND_ROBIN);
    ms_job job = with_path(9, 0);
    jobs[0] = with_path(0, 0);
    CHECK(ms_dispatch_place(&fleet, &jobs[0], -1, 0.0) == MS_PLACED && jobs[0].server == 1);
    CHECK(run_out(&fleet) == 1);
    fleet.dispatch.decode_first = 1;
    fleet.promised[1] = 5; /* unfinished ones as far as a rule sees */
    for (int k = 0; k < 3; k++) {
        CHECK(is(destination(&fleet, &job, -1), 1, 0.0, 0.0));
    }
    jobs[1] = with_path(1, 0);
    jobs[2] = with_path(2, 0);
    CHECK(ms_dispatch_place(&fleet, &jobs[1], -1, 50.0) == MS_PLACED && jobs[1].server == 2);
    CHECK(ms_dispatch_place(&fleet, &jobs[2], -1, 50.0) == MS_PLACED && jobs[2].server == 3);
    fleet.is_at_rest[1] = fleet.is_at_rest[2] = 1;
    CHECK(is(destination(&fleet, &job, -1), 1, 5.0, 8.0));
    CHECK(!fleet.is_at_rest[1] && fleet.is_at_rest[2]); /* what was read of it before is not what it tells now */
    ms_queue evicted = {0};
    for (int32_t i = 1; i < 4; i++) {
        ms_fleet_fail(&fleet, i, 50.0, &evicted);
    }
    CHECK(is(destination(&fleet, &job, -1), 1, 4.0, 0.0)); /* it would wait for whoever comes up */
    fleet.pool[1].unfinished = 0;
    CHECK(is(destination(&fleet, &job, 0), -1, 0.0, 0.0)); /* without a place nobody waits */
    ms_fleet_free(&fleet);
}

/* Of replicas that share a queue an idle one; else as many as each has of those that are there. */
static void a_shared_queue_knows_idle_replicas(void)
{
    ms_fleet fleet;
    make_cached(&fleet, MS_SHARED_QUEUE);
    ms_job job = with_path(9, 0);
    for (int32_t k = 0; k < 4; k++) {
        CHECK(is(destination(&fleet, &job, -1), 1, k < 3 ? 0.0 : 1.0, 0.0));
        jobs[k] = with_path(k, 0);
        CHECK(ms_dispatch_place(&fleet, &jobs[k], -1, 50.0) == MS_PLACED);
        while (fleet.moments.values[ms_tournament_best(&fleet.moments)] <= 50.0) {
            step(&fleet, &(ms_queue){0});
        }
    }
    run_out(&fleet);
    ms_fleet_free(&fleet);
}

/* A rule of one's own that counts whom it sent where goes on as if nobody had asked. */
static int64_t in_turn(int64_t request, int64_t attempt, int64_t session, int64_t prompt_tokens, double now_s,
                       int64_t replicas, const double *numbers, const double *loads, const double *waiting,
                       const double *usage, const double *cached, const double *uniforms, const double *params_of,
                       double *state)
{
    (void)request, (void)attempt, (void)session, (void)prompt_tokens, (void)now_s, (void)numbers, (void)loads;
    (void)waiting, (void)usage, (void)cached, (void)uniforms, (void)params_of;
    return (int64_t)(state[0]++) % replicas;
}

static void the_memory_of_ones_own_rule_is_put_back(void)
{
    ms_fleet fleet;
    make_cached(&fleet, MS_OWN_RULE);
    double memory[] = {1.0, 0.0};
    fleet.servers[0].own = (ms_own_rule){.pick = in_turn, .sees_loads = 1, .state = memory + 1};
    ms_job job = with_path(9, 0);
    for (int32_t k = 0; k < 5; k++) {
        CHECK(is(destination(&fleet, &job, -1), 1, (double)(k / 3), 0.0) && memory[1] == (double)k);
        jobs[k] = with_path(k, 0);
        CHECK(ms_dispatch_place(&fleet, &jobs[k], -1, 50.0) == MS_PLACED && jobs[k].server == 1 + k % 3);
    }
    run_out(&fleet);
    ms_fleet_free(&fleet);
}

/* An API has no cache that a router knows, nor a batch: what is there is what is unfinished. */
static void an_api_has_nothing_cached(void)
{
    ms_fleet fleet;
    const ms_pool_plan plans[] = {pool_of(1, 1, 1), api_of(0)};
    make(&fleet, 2, plans, MS_ROUND_ROBIN);
    ms_job job = with_path(9, 0);
    CHECK(is(destination(&fleet, &job, -1), 1, 0.0, 0.0));
    for (int32_t k = 0; k < 2; k++) {
        jobs[k] = with_path(k, 0);
        CHECK(ms_dispatch_place(&fleet, &jobs[k], -1, 50.0) == MS_CALLS_API);
    }
    CHECK(is(destination(&fleet, &job, -1), 1, 2.0, 0.0));
    ms_fleet_free(&fleet);
}

/* Where routers see loads as they were, the least loaded has what was seen of it, and not the mean of its pool. */
static void what_was_seen_counts_where_looks_are_late(void)
{
    const double delays_s[] = {0.0, 0.5, 100.0};
    for (int late = 0; late < 3; late++) {
        ms_fleet fleet;
        const ms_pool_plan plan = pool_of(0, 3, 4);
        const ms_dispatch_plan dispatch = {.rule = MS_LEAST_LOADED, .state_delay_s = delays_s[late]};
        CHECK(ms_fleet_init(&fleet, 1, &plan, MODELS_MOST, &dispatch, streams) == 0);
        for (int32_t k = 0; k < 7; k++) {
            jobs[k] = with_path(k, 0);
            CHECK(ms_dispatch_place(&fleet, &jobs[k], -1, 50.0) == MS_PLACED);
        }
        ms_job job = with_path(9, 0);
        CHECK(is(destination(&fleet, &job, -1), 0, late ? 0.0 : 2.0, 0.0)); /* 7 / 3, rounded down */
        run_out(&fleet);
        ms_fleet_free(&fleet);
    }
}

/* A prompt of 12 tokens in chunks of 4, a second each, until 53; looks every 2.5 s. What is seen is what had begun by the last of
 * them, and a look changes nothing. */
static void what_is_cached_is_that_of_the_last_look(void)
{
    const double times_s[] = {50.0, 51.9, 52.5, 54.9, 55.0}, begun[] = {0.0, 0.0, 8.0, 8.0, 8.0};
    for (int late = 0; late < 2; late++) {
        ms_fleet fleet;
        ms_pool_plan plan = pool_of(0, 2, 4);
        plan.limits.kv_block_tokens = 4;
        plan.limits.prefix_cache = 1;
        plan.limits.max_batched_tokens = 4;
        const ms_dispatch_plan dispatch = {.rule = MS_LEAST_LOADED, .state_delay_s = late ? 2.5 : 0.0};
        CHECK(ms_fleet_init(&fleet, 1, &plan, MODELS_MOST, &dispatch, streams) == 0);
        CHECK(ms_view_poll_caches(&fleet, 1) == 0);
        fleet.failures[1] = 1;
        ms_fleet_refresh(&fleet, 1);
        jobs[0] = with_path(0, 0);
        CHECK(ms_view_look(&fleet, 50.0) == late);
        CHECK(ms_dispatch_place(&fleet, &jobs[0], -1, 50.0) == MS_PLACED);
        ms_queue done = {0};
        step(&fleet, &done);
        for (int k = 0; k < 5; k++) {
            ms_job job = with_path(9, 0);
            ms_destination to;
            ms_view_look(&fleet, times_s[k]);
            CHECK(ms_destination_find(&fleet, &job, -1, times_s[k], &to) == 0);
            CHECK(to.cached == (late ? begun[k] : k == 0 ? 4.0 : 8.0));
        }
        CHECK(fleet.replica[0].limit_iterations == 3 && run_out(&fleet) == 1 && jobs[0].finish_s == 55.0);
        ms_fleet_free(&fleet);
    }
}

/* Of two pools of a model the less loaded lets nobody wait. */
static void a_pool_that_is_full_is_no_destination(void)
{
    const ms_pool_plan plans[] = {pool_of(0, 1, 1), pool_of(0, 1, 4)};
    const int32_t pools[] = {1, 0};
    ms_fleet fleet;
    make(&fleet, 2, plans, MS_LEAST_LOADED);
    for (int32_t i = 0; i < 3; i++) {
        CHECK(place(&fleet, i, 0, 0, 50.0) == MS_PLACED && jobs[i].server == (i > 0));
    }
    for (int waits = 0; waits < 2; waits++) {
        ms_job job = ms_job_new(9, 0, 4, 3);
        CHECK(destination(&fleet, &job, waits).pool == pools[waits]);
    }
    ms_fleet_free(&fleet);
}

int main(void)
{
    RUN(asking_does_not_take_a_turn);
    RUN(a_shared_queue_knows_idle_replicas);
    RUN(the_memory_of_ones_own_rule_is_put_back);
    RUN(an_api_has_nothing_cached);
    RUN(what_was_seen_counts_where_looks_are_late);
    RUN(a_pool_that_is_full_is_no_destination);
    RUN(what_is_cached_is_that_of_the_last_look);
    return report();
}
