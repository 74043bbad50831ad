#include "dispatch_rules.h"
#include "worlds.h"

static void round_robin_takes_turns_among_those_that_are_up(void)
{
    const ms_pool_plan plans[] = {pool_of(0, 2, 4), pool_of(1, 1, 4), pool_of(0, 2, 4)};
    ms_fleet fleet;
    ms_queue evicted = {0};
    make(&fleet, 3, plans, MS_ROUND_ROBIN);
    const int32_t all[] = {0, 1, 3, 4}; /* over both pools of the model */
    for (int32_t i = 0; i < 8; i++) {
        CHECK(place(&fleet, i, 0, -1, 0.0) == MS_PLACED);
        CHECK(where(&fleet, i) == all[i % 4]);
    }
    CHECK(place(&fleet, 8, 1, -1, 0.0) == MS_PLACED && where(&fleet, 8) == 2); /* a turn of its own */
    ms_fleet_fail(&fleet, 1, 0.0, &evicted);
    const int32_t rest[] = {0, 3, 4};
    for (int32_t i = 9; i < 15; i++) {
        int32_t pool, replica;
        CHECK(ms_dispatch_look(&fleet, &jobs[0], -1, 0.0, &pool, &replica) == 0 && replica == rest[(8 + i - 9) % 3]);
        CHECK(place(&fleet, i, 0, -1, 0.0) == MS_PLACED);
        CHECK(where(&fleet, i) == rest[(8 + i - 9) % 3]);
    }
    ms_fleet_free(&fleet);
}

/* The least unfinished of those that are up, the first of equals. */
static int32_t naive_least(const ms_fleet *fleet)
{
    int32_t best = -1;
    for (int32_t i = 0; i < fleet->replicas; i++) {
        if (fleet->failures[i] == 0 && (best < 0 || ms_replica_unfinished(&fleet->replica[i]) <
                                                        ms_replica_unfinished(&fleet->replica[best]))) {
            best = i;
        }
    }
    return best;
}

/* Few replicas are scanned and many keep a tournament: both must find the same. */
static void the_least_loaded_is_found(void)
{
    const int32_t sizes[] = {1, 3, 16, 17, 60};
    for (int k = 0; k < 5; k++) {
        const ms_pool_plan plans[] = {pool_of(0, sizes[k], 3)};
        ms_fleet fleet;
        ms_queue done = {0}, evicted = {0};
        lcg chance = {(uint64_t)k};
        make(&fleet, 1, plans, MS_LEAST_LOADED);
        double t_s = 0.0;
        for (int32_t i = 0; i < 2000; i++) {
            const int32_t other = (int32_t)lcg_between(&chance, 0, sizes[k] - 1);
            if (fleet.failures[other] > 0) {
                repair(&fleet, other, t_s);
            } else if (fleet.servers[0].up > 1 && lcg_between(&chance, 0, 9) == 0) {
                const int64_t before = evicted.length;
                ms_fleet_fail(&fleet, other, t_s, &evicted);
                fleet.pool[0].unfinished -= evicted.length - before;
            }
            const int32_t best = naive_least(&fleet);
            CHECK(place(&fleet, i, 0, -1, t_s) == MS_PLACED);
            CHECK(where(&fleet, i) == best);
            for (int64_t n = lcg_between(&chance, 0, 3); n > 0; n--) {
                const double now_s = step(&fleet, &done);
                t_s = now_s < INFINITY ? now_s : t_s;
            }
        }
        CHECK(evicted.length + done.length + run_out(&fleet) == 2000);
        CHECK(fleet.pool[0].unfinished == 0);
        ms_fleet_free(&fleet);
    }
}

/* Who is given up makes room where it waited. */
static void the_least_loaded_knows_of_those_that_left(void)
{
    const int32_t sizes[] = {2, 20};
    for (int k = 0; k < 2; k++) {
        const ms_pool_plan plans[] = {pool_of(0, sizes[k], 3)};
        ms_fleet fleet;
        int left = 0;
        make(&fleet, 1, plans, MS_LEAST_LOADED);
        for (int32_t i = 0; i < 2 * sizes[k]; i++) {
            CHECK(place(&fleet, i, 0, -1, 0.0) == MS_PLACED);
        }
        ms_fleet_abort(&fleet, &jobs[2 * sizes[k] - 1], 0.0, &left);
        CHECK(left == 1 && fleet.pool[0].unfinished == 2 * sizes[k] - 1);
        CHECK(place(&fleet, 2 * sizes[k], 0, -1, 0.0) == MS_PLACED && where(&fleet, 2 * sizes[k]) == sizes[k] - 1);
        CHECK(run_out(&fleet) == 2 * sizes[k]);
        ms_fleet_free(&fleet);
    }
}

static void power_of_two_compares_the_two_that_were_drawn(void)
{
    const ms_pool_plan plans[] = {pool_of(1, 5, 4)};
    ms_fleet fleet;
    make(&fleet, 1, plans, MS_POWER_OF_TWO);
    int64_t met[5] = {0};
    for (int32_t i = 0; i < 1000; i++) {
        ms_stream stream = streams[1];
        const int32_t attempt = i % 3;
        stream.sub = (uint32_t)attempt;
        const int32_t a = (int32_t)(5.0 * ms_draw_one(&stream, 0, (uint64_t)i));
        int32_t b = (int32_t)(4.0 * ms_draw_one(&stream, 1, (uint64_t)i));
        b += b >= a; /* without replacement */
        const int64_t of_a = ms_replica_unfinished(&fleet.replica[a]);
        const int64_t of_b = ms_replica_unfinished(&fleet.replica[b]);
        const int32_t expected = of_a != of_b ? (of_a < of_b ? a : b) : (a < b ? a : b);
        jobs[i] = ms_job_new(i, 1, 4, 2);
        jobs[i].attempt = attempt;
        CHECK(ms_dispatch_place(&fleet, &jobs[i], -1, 0.0) == MS_PLACED);
        CHECK(where(&fleet, i) == expected);
        met[expected]++;
    }
    for (int k = 0; k < 5; k++) {
        CHECK(met[k] > 150 && met[k] < 250); /* two choices keep loads close */
    }
    ms_fleet_free(&fleet);
}

/* ---- in random use, loads being seen as they are or were a while ago ------------------------------------------ */

static int32_t emptiest(ms_fleet *fleet, const ms_job *job, const int32_t *up, int32_t n, double t_s)
{
    (void)t_s;
    double loads[REPLICAS_MOST];
    for (int32_t i = 0; i < n; i++) {
        loads[i] = (double)seen_unfinished[up[i]];
    }
    return fleet->dispatch.random_ties ? any_of_least(job, up, loads, n) : first_of_least(up, seen_unfinished, n);
}

static int32_t emptier_of_two(ms_fleet *fleet, const ms_job *job, const int32_t *up, int32_t n, double t_s)
{
    (void)fleet, (void)t_s;
    if (n == 1) {
        return up[0];
    }
    const int32_t a = (int32_t)(draw_of(job, 0) * n), c = (int32_t)(draw_of(job, 1) * (n - 1)), b = c + (c >= a);
    const int32_t two[] = {up[a < b ? a : b], up[a < b ? b : a]};
    return first_of_least(two, seen_unfinished, 2);
}

static int32_t anyone(ms_fleet *fleet, const ms_job *job, const int32_t *up, int32_t n, double t_s)
{
    (void)fleet, (void)t_s;
    return up[(int32_t)(draw_of(job, 0) * n)];
}

static int64_t all_were_full;

static int32_t fullest_with_room(ms_fleet *fleet, const ms_job *job, const int32_t *up, int32_t n, double t_s)
{
    (void)job, (void)t_s;
    for (int64_t load = fleet->dispatch.packed_requests - 1; load >= 0; load--) {
        for (int32_t i = 0; i < n; i++) {
            if (seen_unfinished[up[i]] == load) {
                return up[i];
            }
        }
    }
    all_were_full++;
    return first_of_least(up, seen_unfinished, n);
}

/* Few and many: two at each, then all are full, and the least loaded has the next; who has room again comes first. */
static void one_replica_after_the_other_is_filled(void)
{
    const int32_t sizes[] = {3, 20};
    const ms_dispatch_plan rule = {.rule = MS_PACKED, .packed_requests = 2};
    for (int k = 0; k < 2; k++) {
        const int32_t n = sizes[k];
        const ms_pool_plan plans[] = {pool_of(0, n, 8)};
        ms_fleet fleet;
        int left = 0;
        CHECK(ms_fleet_init(&fleet, 1, plans, 1, &rule, streams) == 0);
        for (int32_t i = 0; i < 3 * n - 1; i++) {
            CHECK(place(&fleet, i, 0, -1, 0.0) == MS_PLACED && where(&fleet, i) == (i < 2 * n ? i / 2 : i - 2 * n));
        }
        ms_fleet_abort(&fleet, &jobs[3], 0.0, &left); /* one of three */
        CHECK(place(&fleet, 3 * n, 0, -1, 0.0) == MS_PLACED && where(&fleet, 3 * n) == 1);
        ms_fleet_abort(&fleet, &jobs[2], 0.0, &left);
        ms_fleet_abort(&fleet, &jobs[3 * n], 0.0, &left); /* one is left */
        CHECK(place(&fleet, 3 * n + 1, 0, -1, 0.0) == MS_PLACED && where(&fleet, 3 * n + 1) == 1);
        CHECK(place(&fleet, 3 * n + 2, 0, -1, 0.0) == MS_PLACED && where(&fleet, 3 * n + 2) == 1);
        ms_fleet_free(&fleet);
    }
}

static void packed_does_what_it_says(void)
{
    const int32_t sizes[] = {3, 24};
    const int64_t requests[] = {1, 3, 64};
    for (int k = 0; k < 12; k++) {
        ms_fleet fleet;
        const int64_t most = requests[k / 4];
        const ms_dispatch_plan rule = {
            .rule = MS_PACKED, .packed_requests = most, .state_delay_s = k / 2 % 2 ? 2.5 : 0.0};
        make_world(&fleet, sizes[k % 2], &rule);
        all_were_full = 0;
        CHECK(wander(&fleet, (uint64_t)k + 120, fullest_with_room) > 900);
        CHECK(most == 3 || (all_were_full > 0) == (most == 1));
        ms_fleet_free(&fleet);
    }
}

static void simple_rules_do_what_they_say(void)
{
    const int32_t sizes[] = {3, 20};
    const double delays_s[] = {0.0, 2.5};
    const expected_fn expected[] = {emptiest, emptiest, emptier_of_two, anyone};
    const int32_t rules[] = {MS_LEAST_LOADED, MS_LEAST_LOADED, MS_POWER_OF_TWO, MS_RANDOM};
    for (int k = 0; k < 16; k++) {
        ms_fleet fleet;
        const ms_dispatch_plan rule = {
            .rule = rules[k / 4], .random_ties = k / 4 == 1, .packed_requests = 3,
            .state_delay_s = delays_s[k / 2 % 2]};
        make_world(&fleet, sizes[k % 2], &rule);
        CHECK(wander(&fleet, (uint64_t)k + 80, expected[k / 4]) > 900);
        ms_fleet_free(&fleet);
    }
}

/* Nothing waits at an API, and nothing is kept there; a replica shows what it has. */
static void an_api_has_no_queue_no_memory_and_no_cache(void)
{
    ms_pool_plan plans[] = {pool_of(0, 1, 1), api_of(0)};
    ms_fleet fleet;
    plans[0].limits.kv_capacity_tokens = 100;
    plans[0].limits.kv_block_tokens = 1;
    plans[0].limits.prefix_cache = 1;
    make(&fleet, 2, plans, MS_ROUND_ROBIN);
    ms_job job = ms_job_new(99, 0, 4, 3);
    const ms_choice choice = {.fleet = &fleet, .servers = &fleet.servers[0], .job = &job, .t_s = 0.5};
    for (int32_t i = 0; i < 4; i++) { /* by turns */
        CHECK(place(&fleet, i, 0, -1, 0.0) == (i % 2 == 0 ? MS_PLACED : MS_CALLS_API));
    }
    CHECK(ms_fleet_start(&fleet, 0, 0.0) == 0);
    CHECK(ms_choice_waiting(&choice, 0) == 1 && ms_choice_waiting(&choice, 1) == 0);
    CHECK(ms_choice_usage(&choice, 0) == 0.04 && ms_choice_usage(&choice, 1) == 0.0);
    CHECK(ms_choice_cached(&choice, 1) == 0);
    ms_fleet_free(&fleet);
}

/* What stands behind the choice, of an earlier one, does not count. */
static void who_stands_behind_the_choice_is_not_in_it(void)
{
    const ms_pool_plan plan = pool_of(0, 3, 4);
    ms_fleet fleet;
    make(&fleet, 1, &plan, MS_LEAST_LOADED);
    for (int32_t i = 0; i < 3; i++) {
        fleet.scratch[i] = i;
    }
    const ms_choice choice = {.fleet = &fleet, .servers = &fleet.servers[0], .up = fleet.scratch, .n = 2};
    CHECK(ms_choice_has(&choice, 0) && ms_choice_has(&choice, 1) && !ms_choice_has(&choice, 2));
    ms_fleet_free(&fleet);
}

/* Of a list in any order one of the cheapest is drawn as they stand; another model's replicas come before these. */
static void equals_are_drawn_in_order_whatever_the_order_of_the_list(void)
{
    const ms_pool_plan plans[] = {pool_of(1, 2, 4), pool_of(0, 4, 4)};
    const int32_t lists[][4] = {{4, 2, 5, 3}, {2, 3, 5, 4}, {5, 4, 3, 2}}, sorted[] = {2, 3, 4};
    ms_fleet fleet;
    make(&fleet, 2, plans, MS_LEAST_LOADED);
    int drawn[3] = {0};
    for (int32_t i = 0; i < 60; i++) {
        const int32_t *list = lists[i % 3];
        double costs[4];
        for (int k = 0; k < 4; k++) {
            costs[k] = list[k] == 5 ? 2.0 : 1.0;
        }
        ms_job job = ms_job_new(i, 0, 4, 3);
        const ms_choice choice = {.fleet = &fleet, .servers = &fleet.servers[0], .job = &job};
        const int32_t draw = ms_choice_draw(&choice, 0, 3);
        CHECK(ms_choice_cheapest(&choice, list, costs, 4) == sorted[draw]);
        drawn[draw]++;
    }
    CHECK(drawn[0] > 0 && drawn[1] > 0 && drawn[2] > 0);
    ms_fleet_free(&fleet);
}

int main(void)
{
    RUN(round_robin_takes_turns_among_those_that_are_up);
    RUN(the_least_loaded_is_found);
    RUN(the_least_loaded_knows_of_those_that_left);
    RUN(power_of_two_compares_the_two_that_were_drawn);
    RUN(one_replica_after_the_other_is_filled);
    RUN(packed_does_what_it_says);
    RUN(simple_rules_do_what_they_say);
    RUN(an_api_has_no_queue_no_memory_and_no_cache);
    RUN(who_stands_behind_the_choice_is_not_in_it);
    RUN(equals_are_drawn_in_order_whatever_the_order_of_the_list);
    return report();
}
