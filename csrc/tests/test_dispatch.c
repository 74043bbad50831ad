#include "draw.h"
#include "fleets.h"

#include "error.h"
#include "meters.h"

static void a_full_pool_turns_away(void)
{
    const int32_t rules[] = {MS_LEAST_LOADED, MS_ROUND_ROBIN, MS_POWER_OF_TWO, MS_SHARED_QUEUE};
    for (int k = 0; k < 4; k++) {
        const ms_pool_plan plans[] = {pool_of(0, 2, 2), pool_of(0, 1, 3)};
        ms_fleet fleet;
        ms_queue done = {0};
        make(&fleet, 2, plans, rules[k]);
        for (int32_t i = 0; i < 11; i++) { /* 2 x 2 + 2 and 3 + 2 */
            CHECK(place(&fleet, i, 0, 2, 0.0) == MS_PLACED);
        }
        CHECK(fleet.pool[0].unfinished == 6 && fleet.pool[1].unfinished == 5);
        CHECK(place(&fleet, 11, 0, 2, 0.0) == MS_TURNED_AWAY);
        CHECK(jobs[11].replica == -1 && isnan(jobs[11].start_s));
        CHECK(place(&fleet, 12, 0, -1, 0.0) == MS_PLACED); /* without a limit it gets in */
        CHECK(place(&fleet, 13, 0, 3, 0.0) == MS_PLACED);
        double t_s = 0.0;
        while (done.length < 3) {
            t_s = step(&fleet, &done);
        }
        CHECK(place(&fleet, 14, 0, 2, t_s) == MS_PLACED);
        CHECK(done.length + run_out(&fleet) == 14);
        CHECK(fleet.pool[0].unfinished == 0 && fleet.pool[1].unfinished == 0);
        ms_fleet_free(&fleet);
    }
}

static void nobody_waits_where_none_may(void)
{
    const ms_pool_plan plans[] = {pool_of(0, 1, 2)};
    ms_fleet fleet;
    ms_queue evicted = {0};
    make(&fleet, 1, plans, MS_LEAST_LOADED);
    CHECK(place(&fleet, 0, 0, 0, 0.0) == MS_PLACED);
    CHECK(place(&fleet, 1, 0, 0, 0.0) == MS_PLACED);
    CHECK(place(&fleet, 2, 0, 0, 0.0) == MS_TURNED_AWAY);
    ms_fleet_fail(&fleet, 0, 0.0, &evicted);
    fleet.pool[0].unfinished -= 2;
    CHECK(place(&fleet, 3, 0, 0, 0.0) == MS_TURNED_AWAY); /* replicas that are down have no places */
    CHECK(place(&fleet, 4, 0, 1, 0.0) == MS_PLACED && fleet.servers[0].held.length == 1);
    ms_fleet_free(&fleet);
}

static void what_never_fits_is_an_error(void)
{
    const int32_t rules[] = {MS_LEAST_LOADED, MS_SHARED_QUEUE};
    for (int k = 0; k < 2; k++) {
        const ms_pool_plan plans[] = {pool_of(0, 2, 2)};
        ms_fleet fleet;
        make(&fleet, 1, plans, rules[k]);
        jobs[0] = ms_job_new(0, 0, 900, 200);
        CHECK(ms_dispatch_place(&fleet, &jobs[0], -1, 0.0) == MS_ERR_TOO_LARGE);
        jobs[0] = ms_job_new(0, 0, 0, 200);
        CHECK(ms_dispatch_place(&fleet, &jobs[0], -1, 0.0) == MS_ERR_NO_TOKENS);
        ms_fleet_free(&fleet);
    }
    ms_pool_plan wrong = pool_of(0, 2, 100); /* more sequences than tokens of a batch */
    ms_fleet fleet;
    CHECK(ms_fleet_init(&fleet, 1, &wrong, MODELS_MOST, &(ms_dispatch_plan){.rule = MS_LEAST_LOADED},
          streams) == MS_ERR_LIMITS);
    ms_fleet_free(&fleet);
}

static void the_emptier_of_two_shared_pools_is_chosen(void)
{
    const ms_pool_plan plans[] = {pool_of(0, 1, 4), pool_of(0, 2, 4)};
    ms_fleet fleet;
    make(&fleet, 2, plans, MS_SHARED_QUEUE);
    const int64_t expected[][2] = {{1, 0}, {1, 1}, {1, 2}, {2, 2}, {2, 3}, {2, 4}};
    for (int32_t i = 0; i < 6; i++) { /* unfinished per replica, the first of equals */
        CHECK(place(&fleet, i, 0, -1, 0.0) == MS_PLACED);
        CHECK(fleet.pool[0].unfinished == expected[i][0] && fleet.pool[1].unfinished == expected[i][1]);
    }
    CHECK(run_out(&fleet) == 6);
    ms_fleet_free(&fleet);
}

/* Eight are compared at once: of fewer, of just so many and of more each gets one request after another. */
static void each_of_many_shared_pools_gets_its_turn(void)
{
    enum { MOST = 17, ROUNDS = 3 };
    for (int32_t pools = 1; pools <= MOST; pools++) {
        ms_pool_plan plans[MOST];
        ms_fleet fleet;
        for (int32_t p = 0; p < pools; p++) {
            plans[p] = pool_of(0, 1, 4);
        }
        make(&fleet, pools, plans, MS_SHARED_QUEUE);
        for (int32_t i = 0; i < ROUNDS * pools; i++) {
            CHECK(place(&fleet, i, 0, -1, 0.0) == MS_PLACED);
            CHECK(jobs[i].pool == i % pools && fleet.pool[i % pools].unfinished == 1 + i / pools);
        }
        CHECK(run_out(&fleet) == ROUNDS * pools);
        ms_fleet_free(&fleet);
    }
}

static void an_api_answers_at_once_whatever_its_load(void)
{
    const int32_t rules[] = {MS_LEAST_LOADED, MS_ROUND_ROBIN, MS_POWER_OF_TWO, MS_SHARED_QUEUE};
    for (int k = 0; k < 4; k++) {
        const ms_pool_plan plans[] = {pool_of(0, 1, 1), api_of(1)};
        ms_fleet fleet;
        make(&fleet, 2, plans, rules[k]);
        for (int32_t i = 0; i < 30; i++) { /* never full */
            CHECK(place(&fleet, i, 1, 0, 2.0) == MS_CALLS_API);
            CHECK(jobs[i].replica == 1 && jobs[i].start_s == 2.0 && jobs[i].first_token_s == 2.5);
            CHECK(jobs[i].finish_s == 2.5 + 0.25 * (jobs[i].output_tokens - 1));
        }
        CHECK(fleet.pool[1].unfinished == 30 && ms_meters_load(&fleet, 1) == 3.0);
        CHECK(fleet.moments.values[1] == INFINITY); /* its end is the caller's business */
        for (int32_t i = 0; i < 30; i++) {
            ms_fleet_finish_api(&fleet, &jobs[i]);
        }
        CHECK(fleet.pool[1].unfinished == 0);
        CHECK(ms_meters_energy_j(&fleet, 1, 10.0) == 0.0 && ms_meters_busy_s(&fleet, 1, 10.0) == 0.0);
        ms_fleet_free(&fleet);
    }
}

/* An API stands as one server among the replicas of its model. */
static void an_api_shares_the_load_of_its_model(void)
{
    const int32_t replicas[] = {2, 20};
    for (int k = 0; k < 2; k++) {
        const ms_pool_plan plans[] = {pool_of(0, replicas[k], 1), api_of(0)};
        ms_fleet fleet;
        make(&fleet, 2, plans, MS_LEAST_LOADED);
        for (int32_t i = 0; i < 3 * (replicas[k] + 1); i++) {
            const int32_t server = i % (replicas[k] + 1);
            CHECK(place(&fleet, i, 0, -1, 0.0) == (server == replicas[k] ? MS_CALLS_API : MS_PLACED));
            CHECK(server == replicas[k] ? jobs[i].replica == server : where(&fleet, i) == server);
        }
        ms_fleet_finish_api(&fleet, &jobs[replicas[k]]);
        CHECK(place(&fleet, 200, 0, -1, 0.0) == MS_CALLS_API); /* it has the fewest now */
        for (int32_t i = 201; i < 400; i++) { /* full pools leave the API */
            CHECK(place(&fleet, i, 0, 0, 0.0) == MS_CALLS_API);
        }
        ms_fleet_free(&fleet);
    }
}

static void a_shared_queue_comes_before_an_api(void)
{
    const ms_pool_plan plans[] = {api_of(0), pool_of(0, 1, 1)};
    ms_fleet fleet;
    make(&fleet, 2, plans, MS_SHARED_QUEUE);
    CHECK(place(&fleet, 0, 0, 1, 0.0) == MS_PLACED);
    CHECK(place(&fleet, 1, 0, 1, 0.0) == MS_PLACED);
    CHECK(place(&fleet, 2, 0, 1, 0.0) == MS_CALLS_API); /* its pool is full */
    CHECK(run_out(&fleet) == 2);
    ms_fleet_free(&fleet);
}

/* While it is down it takes nobody, not even what may wait for ever elsewhere. */
static void an_api_that_is_down_turns_away(void)
{
    const ms_pool_plan plans[] = {api_of(0), api_of(1), pool_of(1, 1, 1), pool_of(2, 20, 1), api_of(2)};
    ms_fleet fleet;
    ms_queue evicted = {0};
    make(&fleet, 5, plans, MS_LEAST_LOADED);
    CHECK(ms_fleet_is_api(&fleet, 0) && !ms_fleet_is_api(&fleet, 2) && ms_fleet_is_api(&fleet, 23));
    CHECK(place(&fleet, 0, 0, -1, 0.0) == MS_CALLS_API && ms_meters_load(&fleet, 0) == 0.1);
    ms_fleet_fail(&fleet, 0, 1.0, &evicted);
    ms_fleet_fail(&fleet, 1, 1.0, &evicted);
    ms_fleet_fail(&fleet, 23, 1.0, &evicted);
    CHECK(evicted.length == 0 && fleet.pool[0].up == 0 && fleet.servers[0].up == 0);
    CHECK(fleet.moments.values[0] == INFINITY && ms_meters_load(&fleet, 0) == 0.0);
    CHECK(place(&fleet, 1, 0, -1, 2.0) == MS_TURNED_AWAY && place(&fleet, 2, 0, 9, 2.0) == MS_TURNED_AWAY);
    CHECK(fleet.pool[0].unfinished == 1 && fleet.servers[0].held.length == 0);
    CHECK(place(&fleet, 3, 1, 0, 2.0) == MS_PLACED && where(&fleet, 3) == 2);
    CHECK(place(&fleet, 4, 1, 0, 2.0) == MS_TURNED_AWAY); /* its replica is full */
    ms_fleet_fail(&fleet, 2, 2.5, &evicted);
    fleet.pool[2].unfinished -= evicted.length;
    CHECK(place(&fleet, 5, 1, -1, 2.5) == MS_PLACED && fleet.servers[1].held.length == 1); /* that of the replica */
    CHECK(jobs[5].pool == 2);
    for (int32_t i = 10; i < 50; i++) { /* many replicas: by a tournament */
        CHECK(place(&fleet, i, 2, -1, 3.0) == MS_PLACED);
    }
    ms_queue held = {0};
    ms_fleet_repair(&fleet, 1, 4.0, &held);
    CHECK(held.length == 1 && held.head == &jobs[5] && fleet.pool[2].unfinished == 0);
    CHECK(ms_dispatch_place(&fleet, &jobs[5], -1, 4.0) == MS_CALLS_API && jobs[5].start_s == 4.0);
    ms_fleet_repair(&fleet, 0, 4.0, &held);
    ms_fleet_repair(&fleet, 23, 4.0, &held);
    CHECK(place(&fleet, 6, 0, -1, 5.0) == MS_CALLS_API && place(&fleet, 7, 2, -1, 5.0) == MS_CALLS_API);
    CHECK(fleet.down_s[0] == 3.0);
    ms_fleet_free(&fleet);
}

/* ---- pieces ---------------------------------------------------------------------------------------------------- */

/* Two calls a minute, one at once, 100 tokens a minute: of prompt and answer together. */
static void an_api_takes_as_much_as_its_limits_allow(void)
{
    const ms_limits_plan limits[] = {{.requests_per_minute = 2.0, .burst_s = 60.0},
                                     {.tokens_per_minute = 100.0, .burst_s = 60.0},
                                     {.most_calls = 1}};
    for (int k = 0; k < 3; k++) {
        ms_pool_plan plan = api_of(0);
        plan.api_limits = limits[k];
        ms_fleet fleet;
        make(&fleet, 1, &plan, MS_LEAST_LOADED);
        const int taken[] = {1, k == 0, 0};
        for (int32_t i = 0; i < 3; i++) {
            CHECK(ms_dispatch_takes(&fleet, 0, 40, 20, -1, 1.0) == taken[i]);
            jobs[i] = ms_job_new(i, 0, 40, 20);
            CHECK(ms_dispatch_place(&fleet, &jobs[i], -1, 1.0) == (taken[i] ? MS_CALLS_API : MS_TURNED_AWAY));
        }
        CHECK(ms_dispatch_takes(&fleet, 0, 30, 9, -1, 1.0) == (k == 1));
        ms_fleet_finish_api(&fleet, &jobs[0]);
        CHECK(ms_dispatch_takes(&fleet, 0, 40, 20, -1, 1.0) == (k == 2));
        CHECK(ms_dispatch_takes(&fleet, 0, 40, 20, -1, 31.5)); /* half a minute later */
        ms_fleet_free(&fleet);
    }
}

/* One call in 4 s, one in 2 s, and one a second of an API that is down: who is refused hears of the sooner that is up. */
static void the_first_of_the_apis_says_when_to_come_again(void)
{
    ms_pool_plan plans[5] = {pool_of(1, 1, 1), pool_of(1, 1, 1), api_of(0), api_of(0), api_of(0)};
    ms_queue evicted = {0};
    ms_fleet fleet;
    for (int k = 0; k < 3; k++) {
        plans[2 + k].api_limits = (ms_limits_plan){.requests_per_minute = 15.0 * (1 << k), .burst_s = 4.0 / (1 << k)};
    }
    make(&fleet, 5, plans, MS_LEAST_LOADED);
    ms_fleet_fail(&fleet, 4, 0.0, &evicted);
    CHECK(ms_dispatch_retry_after_s(&fleet, 0, 4, 1, 1.0) == 0.0);
    CHECK(place(&fleet, 0, 0, -1, 1.0) == MS_CALLS_API && place(&fleet, 1, 0, -1, 1.0) == MS_CALLS_API);
    CHECK(place(&fleet, 2, 0, -1, 1.0) == MS_TURNED_AWAY);
    CHECK(ms_dispatch_retry_after_s(&fleet, 0, 4, 1, 1.0) == 2.0);
    CHECK(ms_dispatch_retry_after_s(&fleet, 0, 4, 1, 2.0) == 1.0);
    ms_fleet_fail(&fleet, 3, 2.0, &evicted);
    CHECK(ms_dispatch_retry_after_s(&fleet, 0, 4, 1, 2.0) == 3.0);
    ms_fleet_fail(&fleet, 2, 2.0, &evicted);
    CHECK(isinf(ms_dispatch_retry_after_s(&fleet, 0, 4, 1, 2.0)));
    CHECK(isinf(ms_dispatch_retry_after_s(&fleet, 1, 4, 1, 2.0))); /* it has no API */
    ms_fleet_free(&fleet);
}

/* A pool is full when its places, of those that are up, and its waiting room are taken. */
static void room_is_that_of_replicas_that_are_up(void)
{
    const ms_pool_plan plans[] = {pool_of(1, 1, 1), pool_of(0, 2, 3), pool_of(0, 1, 2)};
    ms_fleet fleet;
    ms_queue evicted = {0};
    make(&fleet, 3, plans, MS_LEAST_LOADED);
    for (int64_t max_waiting = 0; max_waiting < 3; max_waiting++) {
        fleet.pool[1].unfinished = 6 + max_waiting;
        fleet.pool[2].unfinished = 2 + max_waiting;
        CHECK(!ms_dispatch_takes(&fleet, 0, 4, 4, max_waiting, 0.0) && ms_dispatch_takes(&fleet, 0, 4, 4, -1, 0.0));
        fleet.pool[2].unfinished--;
        CHECK(ms_dispatch_takes(&fleet, 0, 4, 4, max_waiting, 0.0));
        fleet.pool[2].unfinished++;
        fleet.pool[1].unfinished--;
        CHECK(ms_dispatch_takes(&fleet, 0, 4, 4, max_waiting, 0.0));
    }
    ms_fleet_fail(&fleet, 2, 0.0, &evicted);
    fleet.pool[1].unfinished = 3;
    CHECK(!ms_dispatch_takes(&fleet, 0, 4, 4, 0, 0.0));
    fleet.pool[1].unfinished = 2;
    CHECK(ms_dispatch_takes(&fleet, 0, 4, 4, 0, 0.0));
    fleet.pool[1].unfinished = fleet.pool[2].unfinished = 0;
    ms_fleet_free(&fleet);
}

/* While none is up a job is held for the first pool that takes it. */
static void a_job_is_held_for_the_first_that_takes_it(void)
{
    for (int k = 0; k < 3; k++) {
        ms_pool_plan plans[] = {pool_of(0, 1, 1), pool_of(0, 1, 1), pool_of(0, 1, 1)};
        for (int p = 0; p < k; p++) {
            plans[p].most_tokens = 5;
        }
        ms_fleet fleet;
        ms_queue evicted = {0};
        make(&fleet, 3, plans, MS_LEAST_LOADED);
        for (int32_t i = 0; i < 3; i++) {
            ms_fleet_fail(&fleet, i, 0.0, &evicted);
        }
        jobs[0] = ms_job_new(0, 0, 4, 4);
        CHECK(ms_dispatch_place(&fleet, &jobs[0], -1, 0.0) == MS_PLACED && jobs[0].pool == k && jobs[0].server == -1);
        CHECK(fleet.pool[k].unfinished == 1 && fleet.servers[0].held.head == &jobs[0]);
        repair(&fleet, 2, 1.0);
        CHECK(jobs[0].pool == 2 && jobs[0].server == 2 && fleet.pool[2].unfinished == 1);
        CHECK(k == 2 || fleet.pool[k].unfinished == 0);
        ms_fleet_free(&fleet);
    }
}

/* Who comes back from an API, or from a replica that failed, waits in a shared queue or for a repair: nobody serves it. */
static void who_waits_anew_is_not_where_it_was(void)
{
    const ms_pool_plan plans[] = {pool_of(0, 1, 1), api_of(0)};
    const int32_t rules[] = {MS_SHARED_QUEUE, MS_LEAST_LOADED};
    for (int k = 0; k < 2; k++) {
        ms_fleet fleet;
        ms_queue evicted = {0};
        make(&fleet, k ? 1 : 2, plans, rules[k]);
        if (k) {
            ms_fleet_fail(&fleet, 0, 0.0, &evicted);
        }
        jobs[0] = ms_job_new(0, 0, 4, 5);
        jobs[0].pool = jobs[0].server = 1 - k;
        CHECK(ms_dispatch_place(&fleet, &jobs[0], -1, 0.0) == MS_PLACED);
        CHECK(jobs[0].server == -1 && jobs[0].pool == 0 && fleet.pool[0].unfinished == 1);
        ms_fleet_free(&fleet);
    }
}

/* A call keeps the first times of a replica that failed; else it begins now and answers after the latency. */
static void a_call_keeps_first_times(void)
{
    const ms_pool_plan plan = api_of(0);
    for (int k = 0; k < 3; k++) {
        ms_fleet fleet;
        make(&fleet, 1, &plan, MS_LEAST_LOADED);
        jobs[0] = ms_job_new(0, 0, 4, 5);
        jobs[0].start_s = k > 0 ? 1.0 : NAN;
        jobs[0].first_token_s = k > 1 ? 2.0 : NAN;
        CHECK(ms_dispatch_place(&fleet, &jobs[0], -1, 10.0) == MS_CALLS_API);
        CHECK(jobs[0].start_s == (k > 0 ? 1.0 : 10.0) && jobs[0].first_token_s == (k > 1 ? 2.0 : 10.5));
        CHECK(jobs[0].finish_s == 10.5 + 4 * 0.25 && jobs[0].replica == 0 && jobs[0].server == 0 && jobs[0].pool == 0);
        ms_fleet_free(&fleet);
    }
}

/* With a front end a job goes there first; it counts as one of its pool from then on. */
static void a_job_goes_to_the_front_end_first(void)
{
    const int32_t rules[] = {MS_LEAST_LOADED, MS_SHARED_QUEUE};
    for (int k = 0; k < 2; k++) {
        ms_pool_plan plan = pool_of(0, 2, 1);
        plan.front_end = (ms_wait){.law = MS_WAITS_CONSTANT, .mean_s = 1.0};
        ms_fleet fleet;
        make(&fleet, 1, &plan, rules[k]);
        CHECK(place(&fleet, 0, 0, -1, 0.0) == MS_TO_FRONT_END && jobs[0].place == MS_NOWHERE);
        CHECK(fleet.pool[0].unfinished == 1 && jobs[0].pool == 0 && jobs[0].server == (k ? -1 : 0));
        CHECK(fleet.replica[0].own_queue.length == 0 && fleet.pool[0].shared.length == 0);
        ms_dispatch_queue(&fleet, &jobs[0], 1.0);
        CHECK(run_out(&fleet) == 1 && jobs[0].start_s == 1.0);
        ms_fleet_free(&fleet);
    }
}

/* A shared queue that takes so long a request, or has room, is chosen; the other may be emptier. */
static void a_shared_queue_that_takes_it_is_chosen(void)
{
    ms_pool_plan plans[] = {pool_of(0, 1, 1), pool_of(0, 1, 1)};
    plans[0].most_tokens = 6;
    ms_fleet fleet;
    ms_queue evicted = {0};
    make(&fleet, 2, plans, MS_SHARED_QUEUE);
    jobs[0] = ms_job_new(0, 0, 4, 4);
    CHECK(ms_dispatch_place(&fleet, &jobs[0], -1, 0.0) == MS_PLACED && jobs[0].pool == 1);
    jobs[1] = ms_job_new(1, 0, 2, 2);
    CHECK(ms_dispatch_place(&fleet, &jobs[1], 0, 0.0) == MS_PLACED && jobs[1].pool == 0);
    jobs[2] = ms_job_new(2, 0, 2, 2);
    CHECK(ms_dispatch_place(&fleet, &jobs[2], 0, 0.0) == MS_TURNED_AWAY);
    ms_fleet_fail(&fleet, 0, 0.0, &evicted);
    CHECK(ms_dispatch_place(&fleet, &jobs[2], 1, 0.0) == MS_PLACED && jobs[2].pool == 1); /* the other is down */
    ms_fleet_fail(&fleet, 1, 0.0, &evicted);
    jobs[3] = ms_job_new(3, 0, 2, 2);
    /* of those that are down the first */
    CHECK(ms_dispatch_place(&fleet, &jobs[3], -1, 0.0) == MS_PLACED && jobs[3].pool == 0);
    ms_fleet_free(&fleet);
}

/* While none is up the first pool that takes a request holds it, or the cheapest of those that scale by saturation with that
 * one; the first of these three takes all, the second short ones only, the third goes by another rule. */
static void who_holds_a_request_while_none_is_up(void)
{
    for (int k = 0; k < 8; k++) {
        const int saturates = k & 1, is_long = k & 2;
        ms_pool_plan plans[] = {pool_of(0, 1, 4), pool_of(0, 1, 4), pool_of(0, 1, 4)};
        for (int p = 0; p < 3; p++) {
            const int32_t rule = p == 2 || (p == 0 && !saturates) ? MS_SCALES_BY_TARGET : MS_SCALES_BY_SATURATION;
            plans[p].autoscale = (ms_autoscale_plan){.rule = rule, .period_s = 1.0, .by_price = 2 - p};
        }
        plans[1].most_tokens = 20;
        ms_fleet fleet;
        ms_queue evicted = {0};
        make(&fleet, 3, plans, k & 4 ? MS_SHARED_QUEUE : MS_LEAST_LOADED);
        for (int32_t i = 0; i < 3; i++) {
            ms_fleet_fail(&fleet, i, 0.0, &evicted);
        }
        jobs[0] = ms_job_new(0, 0, is_long ? 20 : 10, 3);
        const int32_t holder = saturates && !is_long ? 1 : 0;
        CHECK(ms_dispatch_place(&fleet, &jobs[0], -1, 0.0) == MS_PLACED && jobs[0].pool == holder);
        CHECK(fleet.pool[holder].unfinished == 1 && fleet.servers[0].holder == saturates);
        ms_fleet_free(&fleet);
    }
}

/* Of three that scale by saturation the second, the cheapest, does not take it: the cheaper of the others holds it. */
static void the_cheapest_that_takes_it_holds_it(void)
{
    for (int32_t cheaper = 0; cheaper < 3; cheaper += 2) {
        ms_pool_plan plans[] = {pool_of(0, 1, 4), pool_of(0, 1, 4), pool_of(0, 1, 4)};
        for (int32_t p = 0; p < 3; p++) {
            const int32_t place = p == 1 ? 0 : p == cheaper ? 1 : 2;
            plans[p].autoscale =
                (ms_autoscale_plan){.rule = MS_SCALES_BY_SATURATION, .period_s = 1.0, .by_price = place};
        }
        plans[1].most_tokens = 20;
        ms_fleet fleet;
        ms_queue evicted = {0};
        make(&fleet, 3, plans, MS_LEAST_LOADED);
        for (int32_t i = 0; i < 3; i++) {
            ms_fleet_fail(&fleet, i, 0.0, &evicted);
        }
        jobs[0] = ms_job_new(0, 0, 20, 3);
        CHECK(ms_dispatch_place(&fleet, &jobs[0], -1, 0.0) == MS_PLACED && jobs[0].pool == cheaper);
        ms_fleet_free(&fleet);
    }
}

/* Two models, each split: where a prompt is decoded is a matter of its own model, and nobody where none is up. */
static void decoders_are_those_of_the_model(void)
{
    ms_pool_plan plans[] = {pool_of(0, 1, 4), pool_of(0, 2, 4), pool_of(1, 1, 4), pool_of(1, 1, 4)};
    ms_fleet fleet;
    ms_queue evicted = {0};
    plans[0].limits.role = plans[2].limits.role = MS_ROLE_PREFILL;
    plans[1].limits.role = plans[3].limits.role = MS_ROLE_DECODE;
    make(&fleet, 4, plans, MS_LEAST_LOADED);
    for (int32_t m = 0; m < 2; m++) {
        int32_t replica;
        ms_job job = ms_job_new(9, m, 4, 3);
        CHECK(ms_dispatch_pick_decoder(&fleet, &job, 0.0, &replica) == 0 && replica == (m == 0 ? 1 : 4));
        ms_fleet_fail(&fleet, replica, 0.0, &evicted);
        CHECK(ms_dispatch_pick_decoder(&fleet, &job, 0.0, &replica) == 0 && replica == (m == 0 ? 2 : -1));
    }
    CHECK(evicted.length == 0);
    ms_fleet_free(&fleet);
}

/* The second pool's is idle: a look names its replica with its own pool; nothing is placed. */
static void a_look_names_the_pool_of_the_replica(void)
{
    const ms_pool_plan plans[] = {pool_of(0, 1, 4), pool_of(0, 2, 4)};
    ms_fleet fleet;
    int32_t pool, replica;
    make(&fleet, 2, plans, MS_LEAST_LOADED);
    ms_job job = ms_job_new(9, 0, 4, 3);
    CHECK(ms_dispatch_look(&fleet, &job, -1, 0.0, &pool, &replica) == 0 && pool == 0 && replica == 0);
    CHECK(place(&fleet, 0, 0, -1, 0.0) == MS_PLACED);
    CHECK(ms_dispatch_look(&fleet, &job, -1, 0.0, &pool, &replica) == 0 && pool == 1 && replica == 1);
    CHECK(place(&fleet, 1, 0, -1, 0.0) == MS_PLACED);
    CHECK(ms_dispatch_look(&fleet, &job, -1, 0.0, &pool, &replica) == 0 && pool == 1 && replica == 2);
    CHECK(fleet.pool[0].unfinished == 1 && fleet.pool[1].unfinished == 1);
    CHECK(run_out(&fleet) == 2);
    ms_fleet_free(&fleet);
}

/* A model without pools takes nothing; of pools that decode, the replicas of those that take so long a request. */
static void decoders_are_those_that_take_it(void)
{
    const ms_pool_plan prefills = pool_of(0, 1, 4);
    ms_pool_plan plans[] = {prefills, pool_of(0, 2, 4), pool_of(0, 1, 4)};
    plans[0].limits.role = MS_ROLE_PREFILL;
    plans[1].limits.role = plans[2].limits.role = MS_ROLE_DECODE;
    plans[1].most_tokens = 20;
    ms_fleet fleet;
    make(&fleet, 3, plans, MS_LEAST_LOADED);
    ms_job little = ms_job_new(0, 0, 10, 5), large = ms_job_new(1, 0, 30, 5), nobodys = ms_job_new(2, 1, 10, 5);
    int32_t replica;
    CHECK(ms_dispatch_pick_decoder(&fleet, &little, 0.0, &replica) == 0 && replica == 1);
    CHECK(ms_dispatch_pick_decoder(&fleet, &large, 0.0, &replica) == 0 && replica == 3);
    fleet.dispatch.decode_first = 1;
    fleet.promised[1] = fleet.promised[3] = 1;
    ms_view_note_load(&fleet, 1);
    ms_view_note_load(&fleet, 3);
    CHECK(ms_dispatch_pick_decoder(&fleet, &little, 0.0, &replica) == 0 && replica == 2);
    CHECK(ms_dispatch_pick_decoder(&fleet, &large, 0.0, &replica) == 0 && replica == 3);
    CHECK(ms_dispatch_pick_decoder(&fleet, &nobodys, 0.0, &replica) == 0 && replica == -1);
    CHECK(ms_dispatch_place(&fleet, &nobodys, -1, 0.0) == MS_TURNED_AWAY);
    int32_t pool = 9;
    CHECK(ms_dispatch_look(&fleet, &nobodys, -1, 0.0, &pool, &replica) == 0 && pool == -1 && replica == -1);
    CHECK(!ms_dispatch_takes(&fleet, 1, 10, 5, -1, 0.0) && ms_dispatch_takes(&fleet, 0, 30, 5, -1, 0.0));
    plans[2].most_tokens = 20;
    ms_fleet_free(&fleet);
    make(&fleet, 3, plans, MS_LEAST_LOADED); /* whoever prefills asks whether somebody can decode it */
    CHECK(!ms_dispatch_takes(&fleet, 0, 30, 5, -1, 0.0) && ms_dispatch_takes(&fleet, 0, 15, 5, -1, 0.0));
    CHECK(ms_dispatch_place(&fleet, &large, -1, 0.0) == MS_TURNED_AWAY);
    ms_fleet_free(&fleet);
}

/* A look under a shared queue: where there is an API alone, that; beside a pool of one's own, the pool. */
static void a_look_at_a_shared_queue_passes_over_apis(void)
{
    for (int has_own = 0; has_own < 2; has_own++) {
        ms_fleet fleet;
        const ms_pool_plan plans[] = {api_of(0), pool_of(has_own ? 0 : 1, 2, 4)};
        make(&fleet, 2, plans, MS_SHARED_QUEUE);
        ms_job job = ms_job_new(0, 0, 10, 5);
        int32_t pool, replica;
        CHECK(ms_dispatch_look(&fleet, &job, -1, 0.0, &pool, &replica) == 0);
        CHECK(pool == has_own && replica == has_own);
        ms_fleet_free(&fleet);
    }
}

/* Three requests for two replicas are more than two for two, if only by a half; two for one are more than either. */
static void crowds_are_compared_to_the_fraction(void)
{
    const ms_pool_plan plans[] = {pool_of(0, 2, 1), pool_of(0, 2, 1), pool_of(0, 1, 1)};
    ms_fleet fleet;
    make(&fleet, 3, plans, MS_SHARED_QUEUE);
    ms_pool_count(&fleet, &fleet.pool[0], 3);
    ms_pool_count(&fleet, &fleet.pool[1], 2);
    ms_pool_count(&fleet, &fleet.pool[2], 2);
    CHECK(place(&fleet, 0, 0, -1, 0.0) == MS_PLACED && jobs[0].pool == 1);
    CHECK(place(&fleet, 1, 0, -1, 0.0) == MS_PLACED && jobs[1].pool == 0); /* of equals the first */
    ms_fleet_free(&fleet);
}

/* By a rule of its own, with its own draws: each request and attempt has another. */
static void a_decoder_may_be_drawn(void)
{
    ms_pool_plan plans[] = {pool_of(0, 1, 4), pool_of(0, 4, 4)};
    plans[0].limits.role = MS_ROLE_PREFILL;
    plans[1].limits.role = MS_ROLE_DECODE;
    const ms_dispatch_plan rule = {.rule = MS_LEAST_LOADED, .decode_rule = MS_RANDOM};
    ms_fleet fleet;
    CHECK(ms_fleet_init(&fleet, 2, plans, MODELS_MOST, &rule, streams) == 0);
    for (int32_t i = 0; i < 40; i++) {
        int32_t replica;
        ms_stream stream = streams[MODELS_MOST];
        jobs[i] = ms_job_new(i, 0, 4, 3);
        jobs[i].attempt = i % 3;
        stream.sub = (uint32_t)(i % 3);
        CHECK(ms_dispatch_pick_decoder(&fleet, &jobs[i], 0.0, &replica) == 0);
        CHECK(replica == 1 + (int32_t)(4.0 * ms_draw_one(&stream, 0, (uint64_t)i)));
    }
    ms_fleet_free(&fleet);
}

int main(void)
{
    RUN(who_holds_a_request_while_none_is_up);
    RUN(the_cheapest_that_takes_it_holds_it);
    RUN(a_full_pool_turns_away);
    RUN(nobody_waits_where_none_may);
    RUN(what_never_fits_is_an_error);
    RUN(the_emptier_of_two_shared_pools_is_chosen);
    RUN(each_of_many_shared_pools_gets_its_turn);
    RUN(an_api_answers_at_once_whatever_its_load);
    RUN(an_api_shares_the_load_of_its_model);
    RUN(a_shared_queue_comes_before_an_api);
    RUN(an_api_that_is_down_turns_away);
    RUN(an_api_takes_as_much_as_its_limits_allow);
    RUN(the_first_of_the_apis_says_when_to_come_again);
    RUN(room_is_that_of_replicas_that_are_up);
    RUN(a_job_is_held_for_the_first_that_takes_it);
    RUN(who_waits_anew_is_not_where_it_was);
    RUN(a_call_keeps_first_times);
    RUN(a_job_goes_to_the_front_end_first);
    RUN(a_shared_queue_that_takes_it_is_chosen);
    RUN(decoders_are_those_of_the_model);
    RUN(a_look_names_the_pool_of_the_replica);
    RUN(decoders_are_those_that_take_it);
    RUN(a_look_at_a_shared_queue_passes_over_apis);
    RUN(crowds_are_compared_to_the_fraction);
    RUN(a_decoder_may_be_drawn);
    return report();
}
