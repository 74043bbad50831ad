#include "open_pools.h"

#include <math.h>

#include "fleets.h"

enum { APIS = 30 };

static int takes_now(const ms_pool *pool, int64_t tokens, double t_s)
{
    return !pool->plan.is_api ||
           (pool->up > 0 && ms_api_limits_allow(&pool->api_limits, tokens, pool->unfinished, t_s));
}

/* Calls that come, end and fail at random, while buckets run dry and fill up. A pool of another model stands first. */
static void what_is_kept_says_what_asking_all_says(void)
{
    enum { STEPS = 3000 };
    for (int own = 0; own < 2; own++) {
        ms_pool_plan plans[APIS + 2];
        plans[0] = pool_of(1, 1, 4);
        for (int32_t p = 1; p <= APIS; p++) {
            plans[p] = api_of(0);
            plans[p].api_limits = (ms_limits_plan){.requests_per_minute = p % 3 ? 12.0 + p : 0.0,
                                                   .tokens_per_minute = p % 2 ? 90.0 + 3 * p : 0.0,
                                                   .burst_s = 20.0,
                                                   .most_calls = p % 5 ? 0 : 2};
        }
        plans[APIS + 1] = pool_of(0, 1, 4);
        ms_fleet fleet;
        make(&fleet, 1 + APIS + own, plans, MS_RANDOM);
        ms_servers *servers = &fleet.servers[0];
        CHECK(ms_open_pools_know(servers, -1) && ms_open_pools_know(servers, 0) == !own);
        for (int32_t p = 1; p < fleet.pools; p++) {
            CHECK(!ms_open_pools_takes(servers, &fleet.pool[p], 0)); /* none has been asked */
        }
        lcg chance = {5};
        int32_t called[STEPS], calls = 0, ended = 0, all_open = 0;
        int32_t down = 1;
        double t_s = 0.0;
        ms_queue evicted = {0}, held = {0};
        for (int step = 0; step < STEPS; step++) {
            t_s += step < STEPS / 2 ? 0.02 : 0.4;
            if (fleet.failures[down] > 0 && step % 60 == 20) {
                ms_fleet_repair(&fleet, down, t_s, &held);
            } else if (step % 60 == 0) {
                down = (int32_t)lcg_between(&chance, 1, APIS);
                ms_fleet_fail(&fleet, down, t_s, &evicted);
            }
            if (place(&fleet, step, 0, -1, t_s) == MS_CALLS_API) {
                called[calls++] = step;
            }
            for (; ended + 5 < calls; ended++) {
                ms_fleet_finish_api(&fleet, &jobs[called[ended]]);
            }
            const int64_t tokens = lcg_between(&chance, 1, 30);
            const int all = ms_open_pools_ask(&fleet, servers, tokens, t_s);
            int are_all = 1;
            for (int32_t p = 1; p < fleet.pools; p++) {
                const int takes = takes_now(&fleet.pool[p], tokens, t_s);
                are_all &= takes;
                CHECK(ms_open_pools_takes(servers, &fleet.pool[p], tokens) == takes);
            }
            CHECK(all == are_all);
            all_open += all;
        }
        CHECK(calls > STEPS / 2 && all_open > STEPS / 10 && all_open < STEPS / 2); /* the figures reach what they are for */
        ms_fleet_free(&fleet);
    }
}

/* Nobody but placing asks. Odd ones are too short for long requests; all run dry at times. */
static void many_are_called_only_where_each_would_take_the_call(void)
{
    enum { CALLS = 2000 };
    ms_pool_plan plans[APIS];
    for (int32_t p = 0; p < APIS; p++) {
        plans[p] = api_of(0);
        plans[p].most_tokens = p % 2 ? 12 : 0;
        plans[p].api_limits = (ms_limits_plan){.requests_per_minute = 10.0 + p, .burst_s = 20.0};
    }
    ms_fleet fleet;
    make(&fleet, APIS, plans, MS_RANDOM);
    lcg chance = {7};
    int32_t turned_away = 0, called[2] = {0};
    for (int32_t i = 0; i < CALLS; i++) {
        const double t_s = 0.05 * i;
        const int is_long = lcg_between(&chance, 0, 1) == 1;
        jobs[i] = ms_job_new(i, 0, is_long ? 20 : 4, 5);
        int32_t takers = 0, pool, replica, takes[APIS];
        for (int32_t p = 0; p < APIS; p++) {
            takes[p] = (!is_long || p % 2 == 0) && takes_now(&fleet.pool[p], 1, t_s);
            takers += takes[p];
        }
        CHECK(ms_dispatch_look(&fleet, &jobs[i], -1, t_s, &pool, &replica) == 0);
        CHECK(takers > 0 ? replica >= 0 && takes[replica] : replica == -1);
        CHECK(ms_dispatch_place(&fleet, &jobs[i], -1, t_s) == (takers > 0 ? MS_CALLS_API : MS_TURNED_AWAY));
        turned_away += takers == 0;
        if (takers > 0 && CHECK(takes[jobs[i].replica])) {
            called[is_long]++;
            ms_fleet_finish_api(&fleet, &jobs[i]);
        }
    }
    CHECK(turned_away > CALLS / 10 && called[0] > CALLS / 10 && called[1] > CALLS / 10);
    ms_fleet_free(&fleet);
}

static void few_are_asked_one_by_one(void)
{
    ms_pool_plan plans[MS_SCAN_MOST + 1];
    for (int32_t p = 0; p <= MS_SCAN_MOST; p++) {
        plans[p] = api_of(0);
    }
    ms_fleet fleet;
    make(&fleet, MS_SCAN_MOST, plans, MS_RANDOM);
    CHECK(!ms_open_pools_know(&fleet.servers[0], -1));
    ms_fleet_free(&fleet);
    make(&fleet, MS_SCAN_MOST + 1, plans, MS_RANDOM);
    CHECK(ms_open_pools_know(&fleet.servers[0], -1));
    ms_fleet_free(&fleet);
}

int main(void)
{
    RUN(what_is_kept_says_what_asking_all_says);
    RUN(many_are_called_only_where_each_would_take_the_call);
    RUN(few_are_asked_one_by_one);
    return report();
}
