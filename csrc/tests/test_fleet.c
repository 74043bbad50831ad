#include "fleets.h"

#include <stdlib.h>

/* ---- a shared queue ---------------------------------------------------------------------------------- */

static void a_shared_queue_feeds_whoever_has_room(void)
{
    const ms_pool_plan plans[] = {pool_of(0, 2, 1)};
    ms_fleet fleet;
    ms_queue done = {0};
    make(&fleet, 1, plans, MS_SHARED_QUEUE);
    for (int32_t i = 0; i < 4; i++) {
        jobs[i] = ms_job_new(i, 0, 4, i == 0 ? 10 : 2);
        CHECK(ms_dispatch_place(&fleet, &jobs[i], -1, 0.0) == MS_PLACED);
    }
    CHECK(fleet.pool[0].shared.length == 4 && fleet.pool[0].unfinished == 4);
    while (step(&fleet, &done) < INFINITY) {
    }
    CHECK(done.length == 4 && fleet.pool[0].unfinished == 0 && fleet.pool[0].shared.length == 0);
    CHECK(jobs[0].replica == 0 && jobs[0].finish_s == 10.0);
    for (int32_t i = 1; i < 4; i++) { /* the other replica does the short ones one after another */
        CHECK(jobs[i].replica == 1 && jobs[i].start_s == 2.0 * (i - 1) && jobs[i].finish_s == 2.0 * i);
    }
    ms_fleet_free(&fleet);
}

/* The queue is one shorter; if it was its head, the next has its turn. */
static void whoever_waits_in_a_shared_queue_may_leave_it(void)
{
    const ms_pool_plan plans[] = {pool_of(0, 1, 1)};
    for (int32_t who = 1; who <= 3; who++) {
        ms_fleet fleet;
        ms_queue done = {0};
        int left = 0;
        make(&fleet, 1, plans, MS_SHARED_QUEUE);
        for (int32_t i = 0; i < 4; i++) {
            CHECK(place(&fleet, i, 0, -1, 0.0) == MS_PLACED);
        }
        step(&fleet, &done); /* the first starts */
        ms_fleet_abort(&fleet, &jobs[who], 0.5, &left);
        CHECK(left == 1 && fleet.pool[0].unfinished == 3 && fleet.pool[0].shared.length == 2);
        CHECK(run_out(&fleet) + done.length == 3 && fleet.pool[0].unfinished == 0);
        ms_fleet_free(&fleet);
    }
}

static void a_shared_queue_is_served_in_order(void)
{
    const ms_pool_plan plans[] = {pool_of(0, 3, 2)};
    ms_fleet fleet;
    ms_queue done = {0};
    lcg chance = {4};
    make(&fleet, 1, plans, MS_SHARED_QUEUE);
    double t_s = 0.0;
    for (int32_t i = 0; i < 500; i++) {
        CHECK(place(&fleet, i, 0, -1, t_s) == MS_PLACED);
        for (int64_t n = lcg_between(&chance, 0, 4); n > 0; n--) {
            const double now_s = step(&fleet, &done);
            t_s = now_s < INFINITY ? now_s : t_s;
        }
    }
    CHECK(done.length + run_out(&fleet) == 500);
    for (int32_t i = 1; i < 500; i++) {
        CHECK(jobs[i].start_s >= jobs[i - 1].start_s);
    }
    ms_fleet_free(&fleet);
}

static void a_failed_replica_leaves_the_shared_queue_to_the_others(void)
{
    const ms_pool_plan plans[] = {pool_of(0, 2, 1)};
    ms_fleet fleet;
    ms_queue done = {0}, evicted = {0};
    make(&fleet, 1, plans, MS_SHARED_QUEUE);
    for (int32_t i = 0; i < 4; i++) {
        jobs[i] = ms_job_new(i, 0, 4, 5);
        ms_dispatch_place(&fleet, &jobs[i], -1, 0.0);
    }
    step(&fleet, &done);
    step(&fleet, &done); /* both have started */
    ms_fleet_fail(&fleet, 0, 0.5, &evicted);
    CHECK(evicted.length == 1 && ms_queue_pop(&evicted) == &jobs[0]);
    fleet.pool[0].unfinished--;
    CHECK(fleet.pool[0].shared.length == 2);
    CHECK(run_out(&fleet) == 3);
    CHECK(jobs[2].replica == 1 && jobs[2].start_s == 5.0 && jobs[3].start_s == 10.0);
    CHECK(place(&fleet, 4, 0, -1, 20.0) == MS_PLACED);
    repair(&fleet, 0, 20.0);
    CHECK(run_out(&fleet) == 1);
    CHECK(jobs[4].replica == 0 && jobs[4].start_s == 20.0); /* both woke, and the first starts first */
    ms_fleet_free(&fleet);
}

static void a_repaired_replica_takes_what_waits_in_the_shared_queue(void)
{
    const ms_pool_plan plans[] = {pool_of(0, 1, 1)};
    ms_fleet fleet;
    ms_queue evicted = {0};
    make(&fleet, 1, plans, MS_SHARED_QUEUE);
    ms_fleet_fail(&fleet, 0, 0.0, &evicted);
    CHECK(place(&fleet, 0, 0, -1, 1.0) == MS_PLACED);
    CHECK(fleet.pool[0].shared.length == 1 && fleet.moments.values[0] == INFINITY);
    repair(&fleet, 0, 7.0);
    CHECK(run_out(&fleet) == 1 && jobs[0].start_s == 7.0);
    ms_fleet_free(&fleet);
}

/* The head does not fit into one replica; once another has taken it, the next in the queue does. */
static void who_could_not_take_the_head_is_asked_again(void)
{
    ms_pool_plan plan = pool_of(0, 2, 2);
    plan.limits.max_batched_tokens = 1000;
    ms_fleet fleet;
    ms_queue done = {0};
    make(&fleet, 1, &plan, MS_SHARED_QUEUE);
    const int32_t prompts[] = {4, 700, 600, 4}, answers[] = {100, 100, 100, 2};
    const double times_s[] = {0.0, 0.5, 10.25, 10.625}; /* replica 1 refuses the third at 10.5 */
    for (int32_t i = 0; i < 4; i++) {
        while (fleet.moments.values[ms_tournament_best(&fleet.moments)] <= times_s[i]) {
            step(&fleet, &done);
        }
        jobs[i] = ms_job_new(i, 0, prompts[i], answers[i]);
        CHECK(ms_dispatch_place(&fleet, &jobs[i], -1, times_s[i]) == MS_PLACED);
    }
    CHECK(run_out(&fleet) == 4);
    CHECK(jobs[0].replica == 0 && jobs[1].replica == 1);
    CHECK(jobs[2].replica == 0 && jobs[2].start_s == 11.0);
    CHECK(jobs[3].replica == 1 && jobs[3].start_s == 11.5);
    ms_fleet_free(&fleet);
}

/* Memory runs out at 8 s: the second job goes back to the head of the queue, and the idle replica takes it at once. */
static void who_is_preempted_goes_to_a_replica_that_is_idle(void)
{
    ms_pool_plan plan = pool_of(0, 3, 4);
    plan.limits.kv_capacity_tokens = 30;
    ms_fleet fleet;
    ms_queue done = {0};
    make(&fleet, 1, &plan, MS_SHARED_QUEUE);
    const int32_t answers[] = {20, 12};
    for (int32_t i = 0; i < 2; i++) {
        jobs[i] = ms_job_new(i, 0, 8, answers[i]);
        CHECK(ms_dispatch_place(&fleet, &jobs[i], -1, 0.0) == MS_PLACED);
    }
    while (step(&fleet, &done) < INFINITY) {
    }
    CHECK(jobs[0].replica == 0 && jobs[0].finish_s == 20.0);
    CHECK(jobs[1].preemptions == 1 && jobs[1].replica == 1 && jobs[1].start_s == 0.0);
    CHECK(jobs[1].finish_s == 12.0); /* tokens 9 to 12, one an iteration: it lost its memory, not its time */
    ms_fleet_free(&fleet);
}

/* ---- failures --------------------------------------------------------------------------------------------- */

static void what_arrives_while_all_are_down_is_held(void)
{
    const int32_t rules[] = {MS_LEAST_LOADED, MS_ROUND_ROBIN, MS_POWER_OF_TWO};
    for (int k = 0; k < 3; k++) {
        const ms_pool_plan plans[] = {pool_of(0, 2, 4), pool_of(1, 1, 4)};
        ms_fleet fleet;
        ms_queue evicted = {0};
        make(&fleet, 2, plans, rules[k]);
        ms_fleet_fail(&fleet, 0, 1.0, &evicted);
        ms_fleet_fail(&fleet, 1, 1.0, &evicted);
        CHECK(fleet.pool[0].up == 0 && fleet.servers[0].up == 0 && evicted.length == 0);
        for (int32_t i = 0; i < 3; i++) {
            CHECK(place(&fleet, i, 0, -1, 2.0) == MS_PLACED && where(&fleet, i) == -1);
        }
        CHECK(place(&fleet, 3, 1, -1, 2.0) == MS_PLACED && where(&fleet, 3) == 2); /* another model goes on */
        CHECK(fleet.servers[0].held.length == 3 && fleet.pool[0].unfinished == 3);
        CHECK(ms_fleet_load(&fleet, 0) == 0.0); /* no place at all */
        repair(&fleet, 1, 9.0);
        CHECK(fleet.servers[0].held.length == 0 && fleet.pool[0].unfinished == 3);
        CHECK(fleet.replica[1].own_queue.head == &jobs[0] && where(&fleet, 2) == 1); /* in order */
        CHECK(run_out(&fleet) == 4);
        CHECK(jobs[0].start_s == 9.0 && jobs[2].start_s == 9.0 && fleet.pool[0].unfinished == 0);
        ms_fleet_free(&fleet);
    }
}

static void a_failure_evicts_and_a_second_one_adds_a_cause(void)
{
    const ms_pool_plan plans[] = {pool_of(0, 1, 2)};
    ms_fleet fleet;
    ms_queue evicted = {0}, done = {0};
    make(&fleet, 1, plans, MS_LEAST_LOADED);
    for (int32_t i = 0; i < 3; i++) {
        place(&fleet, i, 0, -1, 0.0);
    }
    step(&fleet, &done);
    ms_fleet_fail(&fleet, 0, 0.5, &evicted);
    CHECK(evicted.length == 3);
    for (int32_t i = 0; i < 3; i++) {
        CHECK(ms_queue_pop(&evicted) == &jobs[i]); /* two that ran, one that waited */
    }
    CHECK(jobs[0].energy_j > 0.0 && jobs[2].energy_j == 0.0);
    CHECK(fleet.replica[0].state == MS_DOWN && fleet.moments.values[0] == INFINITY);
    ms_fleet_fail(&fleet, 0, 1.0, &evicted);
    CHECK(evicted.length == 0 && fleet.pool[0].up == 0 && fleet.failures[0] == 2);
    repair(&fleet, 0, 2.0);
    CHECK(fleet.replica[0].state == MS_DOWN && fleet.pool[0].up == 0);
    repair(&fleet, 0, 4.5);
    CHECK(fleet.replica[0].state == MS_IDLE && fleet.pool[0].up == 1 && fleet.servers[0].up_replica[0] == 0);
    CHECK(fleet.down_s[0] == 4.0);
    ms_fleet_free(&fleet);
}

static void load_is_unfinished_per_place(void)
{
    const ms_pool_plan plans[] = {pool_of(0, 2, 4), pool_of(0, 1, 2), api_of(1)};
    ms_fleet fleet;
    ms_queue evicted = {0};
    make(&fleet, 3, plans, MS_LEAST_LOADED);
    CHECK(ms_fleet_load(&fleet, 0) == 0.0 && ms_fleet_load(&fleet, 2) == 0.0);
    for (int32_t i = 0; i < 6; i++) {
        place(&fleet, i, i < 5 ? 0 : 1, -1, 0.0);
    }
    CHECK(ms_fleet_load(&fleet, 0) == 0.5 && ms_fleet_load(&fleet, 1) == 0.1);
    ms_fleet_fail(&fleet, 2, 0.0, &evicted);
    fleet.pool[1].unfinished -= evicted.length;
    CHECK(evicted.length == 1 && ms_fleet_load(&fleet, 0) == 0.5);
    ms_fleet_free(&fleet);
}

/* ---- everything at once -------------------------------------------------------------------------------------- */

/* Jobs of a pool, counted where they are. */
static int64_t count_of(const ms_fleet *fleet, int32_t p)
{
    const ms_pool *pool = &fleet->pool[p];
    int64_t n = pool->shared.length;
    for (int32_t i = pool->first; i < pool->first + pool->plan.replicas; i++) {
        n += ms_replica_unfinished(&fleet->replica[i]);
    }
    for (const ms_job *job = fleet->servers[pool->plan.model].held.head; job != NULL; job = job->next) {
        n += job->pool == p;
    }
    return n;
}

static int by_request(const void *left, const void *right)
{
    const int64_t a = (*(ms_job *const *)left)->request, b = (*(ms_job *const *)right)->request;
    return a < b ? -1 : a > b;
}

static void no_job_is_lost_in_any_use(void)
{
    const int32_t rules[] = {MS_LEAST_LOADED, MS_ROUND_ROBIN, MS_POWER_OF_TWO, MS_SHARED_QUEUE};
    static ms_job *left[JOBS];
    for (int k = 0; k < 4; k++) {
        const ms_pool_plan plans[] = {pool_of(0, 2, 3), pool_of(1, 3, 2), pool_of(0, 1, 4), pool_of(2, 18, 1)};
        ms_fleet fleet;
        ms_queue done = {0};
        lcg chance = {(uint64_t)k + 50};
        make(&fleet, 4, plans, rules[k]);
        int64_t turned_away = 0, evictions = 0;
        int32_t placed = 0, failed_twice = 0;
        double t_s = 0.0;
        for (int s = 0; s < 30000 && placed < JOBS; s++) {
            const int64_t what = lcg_between(&chance, 0, 99);
            const int32_t r = (int32_t)lcg_between(&chance, 0, fleet.replicas - 1);
            if (what < 20) {
                const int32_t model = (int32_t)lcg_between(&chance, 0, 2);
                turned_away += place(&fleet, placed++, model, lcg_between(&chance, -1, 6), t_s) == MS_TURNED_AWAY;
            } else if (what < 22 && fleet.failures[r] < 2) {
                ms_queue evicted = {0};
                ms_fleet_fail(&fleet, r, t_s, &evicted);
                failed_twice += fleet.failures[r] == 2;
                evictions += evicted.length;
                fleet.pool[fleet.pool_of[r]].unfinished -= evicted.length;
                for (ms_job *job = ms_queue_pop(&evicted); job != NULL; job = ms_queue_pop(&evicted)) {
                    job->generated_tokens = 0;
                    job->attempt++;
                    CHECK(ms_dispatch_place(&fleet, job, -1, t_s) == MS_PLACED);
                }
            } else if (what < 30 && fleet.failures[r] > 0) {
                repair(&fleet, r, t_s);
            } else {
                const double now_s = step(&fleet, &done);
                CHECK(now_s >= t_s);
                t_s = now_s < INFINITY ? now_s : t_s;
            }
            for (int32_t p = 0; p < 4; p++) {
                CHECK(fleet.pool[p].unfinished == count_of(&fleet, p));
            }
        }
        CHECK(turned_away > 0 && evictions > 0 && failed_twice > 0 && done.length > 1000);
        int64_t n = done.length;
        ms_queue rest = {0};
        for (int32_t m = 0; m < 3; m++) {
            ms_fleet_withdraw(&fleet, m, t_s, &rest);
            CHECK(fleet.servers[m].held.length == 0);
        }
        CHECK(n + rest.length + turned_away == placed);
        n = 0;
        for (ms_job *job = ms_queue_pop(&done); job != NULL; job = ms_queue_pop(&done)) {
            CHECK(job->finish_s >= job->first_token_s && job->first_token_s > job->start_s);
            left[n++] = job;
        }
        for (ms_job *job = ms_queue_pop(&rest); job != NULL; job = ms_queue_pop(&rest)) {
            left[n++] = job;
        }
        qsort(left, (size_t)n, sizeof left[0], by_request);
        for (int64_t i = 1; i < n; i++) {
            CHECK(left[i - 1] != left[i]); /* nobody twice */
        }
        ms_fleet_free(&fleet);
    }
}

static void a_cluster_without_pools_is_one(void)
{
    ms_fleet fleet;
    make(&fleet, 0, NULL, MS_LEAST_LOADED);
    CHECK(fleet.moments.values[ms_tournament_best(&fleet.moments)] == INFINITY);
    CHECK(ms_fleet_load(&fleet, 0) == 0.0);
    ms_fleet_free(&fleet);
    CHECK(fleet.pool == NULL);
}

int main(void)
{
    RUN(a_shared_queue_feeds_whoever_has_room);
    RUN(a_shared_queue_is_served_in_order);
    RUN(whoever_waits_in_a_shared_queue_may_leave_it);
    RUN(a_failed_replica_leaves_the_shared_queue_to_the_others);
    RUN(a_repaired_replica_takes_what_waits_in_the_shared_queue);
    RUN(who_could_not_take_the_head_is_asked_again);
    RUN(who_is_preempted_goes_to_a_replica_that_is_idle);
    RUN(what_arrives_while_all_are_down_is_held);
    RUN(a_failure_evicts_and_a_second_one_adds_a_cause);
    RUN(load_is_unfinished_per_place);
    RUN(no_job_is_lost_in_any_use);
    RUN(a_cluster_without_pools_is_one);
    return report();
}
