#include "fleets.h"
#include "meters.h"
#include "transit.h"

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

/* The head does not fit into one replica; once another has taken it, the next in the queue does. Replicas 0 to 2 serve another
 * model. */
static void who_could_not_take_the_head_is_asked_again(void)
{
    ms_pool_plan plans[] = {pool_of(1, 3, 2), pool_of(0, 2, 2)};
    plans[1].limits.max_batched_tokens = 1000;
    ms_fleet fleet;
    ms_queue done = {0};
    make(&fleet, 2, plans, MS_SHARED_QUEUE);
    const int32_t prompts[] = {4, 700, 600, 4}, answers[] = {100, 100, 100, 2};
    const double times_s[] = {0.0, 0.5, 10.25, 10.625}; /* replica 4 refuses the third at 10.5 */
    for (int32_t i = 0; i < 4; i++) {
        while (fleet.moments.values[ms_tournament_best(&fleet.moments)] <= times_s[i]) {
            step(&fleet, &done);
        }
        jobs[i] = ms_job_new(i, 0, prompts[i], answers[i]);
        CHECK(ms_dispatch_place(&fleet, &jobs[i], -1, times_s[i]) == MS_PLACED);
    }
    CHECK(run_out(&fleet) == 4);
    CHECK(jobs[0].replica == 3 && jobs[1].replica == 4);
    CHECK(jobs[2].replica == 3 && jobs[2].start_s == 11.0);
    CHECK(jobs[3].replica == 4 && jobs[3].start_s == 11.5);
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
        CHECK(ms_meters_load(&fleet, 0) == 0.0); /* no place at all */
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
    const ms_pool_plan plans[] = {pool_of(0, 2, 4), pool_of(0, 1, 2), api_of(1), pool_of(2, 1, 1)};
    ms_fleet fleet;
    ms_queue evicted = {0};
    make(&fleet, 4, plans, MS_LEAST_LOADED);
    CHECK(ms_meters_load(&fleet, 0) == 0.0 && ms_meters_load(&fleet, 2) == 0.0);
    for (int32_t i = 0; i < 8; i++) {
        place(&fleet, i, i < 5 ? 0 : i < 6 ? 1 : 2, -1, 0.0);
    }
    CHECK(ms_meters_load(&fleet, 0) == 0.5 && ms_meters_load(&fleet, 1) == 0.1 && ms_meters_load(&fleet, 2) == 2.0);
    ms_fleet_fail(&fleet, 2, 0.0, &evicted);
    fleet.pool[1].unfinished -= evicted.length;
    CHECK(evicted.length == 1 && ms_meters_load(&fleet, 0) == 0.5);
    ms_fleet_fail(&fleet, 4, 0.0, &evicted);
    CHECK(evicted.length == 3 && ms_meters_load(&fleet, 2) == 0.0); /* there is no place */
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

/* What happened to a fleet. */
typedef struct happenings {
    int32_t placed;
    int64_t turned_away;
    int64_t evictions;
    int32_t failed_twice;
} happenings;

/* A replica fails, and its jobs begin again elsewhere. */
static void fail_one(ms_fleet *fleet, int32_t replica, double t_s, happenings *so_far)
{
    ms_queue evicted = {0};
    ms_fleet_fail(fleet, replica, t_s, &evicted);
    so_far->failed_twice += fleet->failures[replica] == 2;
    so_far->evictions += evicted.length;
    fleet->pool[fleet->pool_of[replica]].unfinished -= evicted.length;
    for (ms_job *job = ms_queue_pop(&evicted); job != NULL; job = ms_queue_pop(&evicted)) {
        job->generated_tokens = 0;
        job->attempt++;
        CHECK(ms_dispatch_place(fleet, job, -1, t_s) == MS_PLACED);
    }
}

/* Requests, failures, repairs and steps in any order, until all requests are placed; returns when that is. */
static double live(ms_fleet *fleet, lcg chance, ms_queue *done, happenings *so_far)
{
    double t_s = 0.0;
    for (int s = 0; s < 30000 && so_far->placed < JOBS; s++) {
        const int64_t what = lcg_between(&chance, 0, 99);
        const int32_t r = (int32_t)lcg_between(&chance, 0, fleet->replicas - 1);
        if (what < 20) {
            const int32_t model = (int32_t)lcg_between(&chance, 0, 2);
            const int64_t most_waiting = lcg_between(&chance, -1, 6);
            so_far->turned_away += place(fleet, so_far->placed++, model, most_waiting, t_s) == MS_TURNED_AWAY;
        } else if (what < 22 && fleet->failures[r] < 2) {
            fail_one(fleet, r, t_s, so_far);
        } else if (what < 30 && fleet->failures[r] > 0) {
            repair(fleet, r, t_s);
        } else {
            const double now_s = step(fleet, done);
            CHECK(now_s >= t_s);
            t_s = now_s < INFINITY ? now_s : t_s;
        }
        for (int32_t p = 0; p < 4; p++) {
            CHECK(fleet->pool[p].unfinished == count_of(fleet, p));
        }
    }
    return t_s;
}

/* Whether no job is in two queues, or twice in one; empties them. */
static void check_each_once(ms_queue *done, ms_queue *rest)
{
    static ms_job *left[JOBS];
    int64_t n = 0;
    for (ms_job *job = ms_queue_pop(done); job != NULL; job = ms_queue_pop(done)) {
        CHECK(job->finish_s >= job->first_token_s && job->first_token_s > job->start_s);
        left[n++] = job;
    }
    for (ms_job *job = ms_queue_pop(rest); job != NULL; job = ms_queue_pop(rest)) {
        left[n++] = job;
    }
    qsort(left, (size_t)n, sizeof left[0], by_request);
    for (int64_t i = 1; i < n; i++) {
        CHECK(left[i - 1] != left[i]);
    }
}

static void no_job_is_lost_in_any_use(void)
{
    const int32_t rules[] = {MS_LEAST_LOADED, MS_ROUND_ROBIN, MS_POWER_OF_TWO, MS_SHARED_QUEUE};
    for (int k = 0; k < 4; k++) {
        const ms_pool_plan plans[] = {pool_of(0, 2, 3), pool_of(1, 3, 2), pool_of(0, 1, 4), pool_of(2, 18, 1)};
        ms_fleet fleet;
        ms_queue done = {0}, rest = {0};
        happenings all = {0};
        make(&fleet, 4, plans, rules[k]);
        const double t_s = live(&fleet, (lcg){(uint64_t)k + 50}, &done, &all);
        CHECK(all.turned_away > 0 && all.evictions > 0 && all.failed_twice > 0 && done.length > 1000);
        for (int32_t m = 0; m < 3; m++) {
            ms_fleet_withdraw(&fleet, m, t_s, &rest);
            CHECK(fleet.servers[m].held.length == 0);
        }
        CHECK(done.length + rest.length + all.turned_away == all.placed);
        check_each_once(&done, &rest);
        ms_fleet_free(&fleet);
    }
}

static void a_cluster_without_pools_is_one(void)
{
    ms_fleet fleet;
    make(&fleet, 0, NULL, MS_LEAST_LOADED);
    CHECK(fleet.moments.values[ms_tournament_best(&fleet.moments)] == INFINITY);
    CHECK(ms_meters_load(&fleet, 0) == 0.0);
    ms_fleet_free(&fleet);
    CHECK(fleet.pool == NULL);
}

/* ---- pieces ---------------------------------------------------------------------------------------------------- */

/* What a replica has prefilled for others: whoever of three is let go, the others stay, and its memory is given
 * back once. */
static void what_is_kept_for_another_is_let_go(void)
{
    for (int gone = 0; gone < 3; gone++) {
        ms_pool_plan plan = pool_of(0, 2, 4);
        ms_fleet fleet;
        make(&fleet, 1, &plan, MS_LEAST_LOADED);
        ms_replica *source = &fleet.replica[1];
        for (int32_t i = 0; i < 3; i++) {
            jobs[i] = ms_job_new(i, 0, 10 + i, 3);
            jobs[i].source = 1;
            source->sequences.set_aside += 10 + i;
            ms_fleet_keep(&fleet, &jobs[i]);
            CHECK(fleet.kept[1] == &jobs[i] && fleet.kept[0] == NULL);
        }
        ms_fleet_let_go(&fleet, &jobs[gone], 1.0);
        ms_fleet_let_go(&fleet, &jobs[gone], 1.0); /* once */
        CHECK(jobs[gone].source == -1 && source->sequences.set_aside == 33 - (10 + gone));
        int n = 0;
        for (const ms_job *job = fleet.kept[1], *before = NULL; job != NULL; before = job, job = job->kept_next) {
            CHECK(job != &jobs[gone] && job->kept_previous == before);
            n++;
        }
        CHECK(n == 2);
        ms_queue evicted = {0};
        ms_fleet_fail(&fleet, 1, 2.0, &evicted);
        ms_fleet_let_go(&fleet, &jobs[gone == 0 ? 1 : 0], 3.0); /* its memory is gone already */
        CHECK(source->sequences.set_aside == 0 && fleet.kept[1] != NULL && fleet.kept[1]->kept_next == NULL);
        ms_fleet_let_go(&fleet, &jobs[gone == 2 ? 1 : 2], 3.0);
        CHECK(fleet.kept[1] == NULL);
        ms_fleet_free(&fleet);
    }
}

/* Memory that is let go lets in who waits for it. */
static void who_waits_for_memory_is_let_in(void)
{
    ms_pool_plan plan = pool_of(0, 1, 4);
    plan.limits.kv_capacity_tokens = 20;
    ms_fleet fleet;
    make(&fleet, 1, &plan, MS_LEAST_LOADED);
    jobs[0] = ms_job_new(0, 0, 15, 3);
    jobs[0].source = 0;
    fleet.replica[0].sequences.set_aside = 15;
    ms_fleet_keep(&fleet, &jobs[0]);
    jobs[1] = ms_job_new(1, 0, 10, 2);
    CHECK(ms_dispatch_place(&fleet, &jobs[1], -1, 1.0) == MS_PLACED);
    ms_queue done = {0};
    step(&fleet, &done);
    CHECK(step(&fleet, &done) == INFINITY && jobs[1].place == MS_QUEUED); /* it does not fit */
    ms_fleet_let_go(&fleet, &jobs[0], 4.0);
    CHECK(run_out(&fleet) == 1 && jobs[1].start_s == 4.0);
    ms_fleet_free(&fleet);
}

/* Who is held while none is up may leave, as may who waits to decode elsewhere. */
static void who_is_held_may_leave(void)
{
    for (int decodes = 0; decodes < 2; decodes++) {
        ms_pool_plan plans[] = {pool_of(0, 1, 4), pool_of(0, 1, 4)};
        plans[0].limits.role = MS_ROLE_PREFILL;
        plans[1].limits.role = MS_ROLE_DECODE;
        const ms_stream both[2 * MODELS_MOST] = {{1, 7, 0, 0}, {1, 8, 0, 0}, {1, 9, 0, 0}, {1, 10, 0, 0}};
        ms_fleet fleet;
        ms_queue evicted = {0};
        int left = 0;
        CHECK(ms_fleet_init(&fleet, 2, plans, MODELS_MOST, &(ms_dispatch_plan){.rule = MS_LEAST_LOADED}, both) == 0);
        CHECK(fleet.groups == 6 && ms_fleet_is_split(&fleet, 0) && !ms_fleet_is_split(&fleet, 1));
        ms_fleet_fail(&fleet, decodes, 0.0, &evicted);
        jobs[0] = ms_job_new(0, 0, 10, 3);
        if (decodes) {
            jobs[0].source = 0;
            jobs[0].pool = 0;
            jobs[0].server = -1;
            fleet.replica[0].sequences.set_aside = 10;
            fleet.pool[0].unfinished = 1;
            ms_fleet_keep(&fleet, &jobs[0]);
            ms_queue_push_tail(&fleet.servers[MODELS_MOST].held, &jobs[0]);
        } else {
            CHECK(ms_dispatch_place(&fleet, &jobs[0], -1, 0.0) == MS_PLACED);
        }
        CHECK(fleet.servers[decodes ? MODELS_MOST : 0].held.length == 1 && ms_meters_load(&fleet, 0) == 1.0 / 4.0);
        ms_fleet_abort(&fleet, &jobs[0], 1.0, &left);
        CHECK(left && fleet.servers[0].held.length == 0 && fleet.servers[MODELS_MOST].held.length == 0);
        CHECK(fleet.pool[0].unfinished == 0 && fleet.replica[0].sequences.set_aside == 0 && jobs[0].source == -1);
        ms_fleet_free(&fleet);
    }
}

/* Who is nowhere, or on its way, does not leave now. */
static void who_crosses_leaves_at_the_end(void)
{
    const ms_pool_plan plan = pool_of(0, 1, 4);
    ms_fleet fleet;
    int left = 1;
    make(&fleet, 1, &plan, MS_LEAST_LOADED);
    fleet.pool[0].unfinished = 5;
    jobs[0] = ms_job_new(0, 0, 10, 3);
    jobs[0].pool = jobs[0].server = 0;
    ms_fleet_abort(&fleet, &jobs[0], 1.0, &left);
    CHECK(!left && !jobs[0].aborted && fleet.pool[0].unfinished == 5);
    jobs[0].place = MS_TRANSFERS;
    ms_fleet_abort(&fleet, &jobs[0], 1.0, &left);
    CHECK(!left && jobs[0].aborted && fleet.pool[0].unfinished == 5);
    ms_fleet_free(&fleet);
}

/* Whose KV is there, and waits for the next iteration, leaves at once; what was kept for it is free. */
static void who_has_crossed_leaves_now(void)
{
    ms_pool_plan plan = pool_of(0, 2, 4);
    plan.limits.role = MS_ROLE_DECODE;
    ms_fleet fleet;
    int left = 0;
    make(&fleet, 1, &plan, MS_LEAST_LOADED);
    ms_replica *there = &fleet.replica[1];
    jobs[0] = ms_job_new(0, 0, 10, 3);
    jobs[0].pool = 0;
    jobs[0].server = 1;
    jobs[0].generated_tokens = 1;
    fleet.pool[0].unfinished = 5;
    ms_queue_push_tail(there->queue, &jobs[0]);
    int64_t used = 0;
    ms_transit_begin(there, &used);
    CHECK(used == 10 + 1 && there->sequences.set_aside == 11 && ms_transit_depart(there) == &jobs[0]);
    ms_transit_arrive(there, &jobs[0]);
    ms_fleet_abort(&fleet, &jobs[0], 1.0, &left);
    CHECK(left && !jobs[0].aborted && fleet.pool[0].unfinished == 4 && there->arrived.length == 0);
    CHECK(there->sequences.set_aside == 0 && there->kept_places == 0);
    ms_fleet_free(&fleet);
}

/* Under a shared queue, who is sent back by a replica that drains waits in that one's own queue, and may leave it. */
static void who_is_preempted_while_it_drains_waits_there(void)
{
    for (int drains = 0; drains < 2; drains++) {
        ms_pool_plan plan = pool_of(0, 2, 4);
        plan.limits.kv_capacity_tokens = 30;
        ms_fleet fleet;
        ms_queue done = {0};
        int left = 0;
        make(&fleet, 1, &plan, MS_SHARED_QUEUE);
        const int32_t answers[] = {20, 12};
        for (int i = 0; i < 2; i++) {
            jobs[i] = ms_job_new(i, 0, 8, answers[i]);
            CHECK(ms_dispatch_place(&fleet, &jobs[i], -1, 0.0) == MS_PLACED);
        }
        step(&fleet, &done);
        ms_queue evicted = {0};
        ms_fleet_fail(&fleet, 1, 0.0, &evicted);
        if (drains) {
            fleet.replica[0].queue = &fleet.replica[0].own_queue;
            fleet.phase[0] = MS_DRAINING;
        }
        while (jobs[1].preemptions == 0) {
            step(&fleet, &done);
        }
        CHECK(fleet.replica[0].own_queue.length == drains && fleet.pool[0].shared.length == !drains);
        ms_fleet_abort(&fleet, &jobs[1], 8.5, &left);
        CHECK(left && fleet.replica[0].own_queue.length == 0 && fleet.pool[0].shared.length == 0);
        CHECK(fleet.pool[0].unfinished == 1 && run_out(&fleet) == 1);
        ms_fleet_free(&fleet);
    }
}

/* What a failed replica holds is forgotten by the router; APIs keep nothing to be evicted. */
static void a_failure_is_known_to_the_router(void)
{
    const ms_node_of_path path[] = {{1, 8}};
    const ms_pool_plan plan = pool_of(0, 3, 4);
    ms_fleet fleet;
    ms_queue evicted = {0};
    const ms_dispatch_plan rule = {.rule = MS_PREFIX_AFFINITY, .eviction_s = 1e9, .tree_tokens = 1000};
    CHECK(ms_fleet_init(&fleet, 1, &plan, MODELS_MOST, &rule, streams) == 0);
    jobs[0] = ms_job_new(0, 0, 10, 3);
    jobs[0].path = path;
    jobs[0].path_length = 1;
    CHECK(ms_dispatch_place(&fleet, &jobs[0], -1, 1.0) == MS_PLACED && jobs[0].server == 0);
    CHECK(fleet.servers[0].texts.list[0].units == 10);
    ms_fleet_fail(&fleet, 1, 2.0, &evicted);
    CHECK(fleet.servers[0].texts.list[0].units == 10);
    ms_fleet_fail(&fleet, 0, 2.0, &evicted);
    CHECK(fleet.servers[0].texts.list[0].units == 0 && fleet.servers[0].up == 1 && evicted.length == 1);
    CHECK(fleet.servers[0].up_replica[0] == 2);
    repair(&fleet, 1, 3.0);
    repair(&fleet, 0, 3.5);
    CHECK(fleet.servers[0].up == 3 && fleet.pool[0].up == 3);
    for (int32_t i = 0; i < 3; i++) {
        CHECK(fleet.servers[0].up_replica[i] == i);
    }
    CHECK(fleet.down_s[0] == 1.5 && fleet.down_s[1] == 1.0);
    ms_fleet_free(&fleet);
}

/* Numbers of replicas go over pools, their places over those of one model. */
static void replicas_are_numbered_over_pools(void)
{
    const ms_pool_plan plans[] = {pool_of(0, 2, 1), pool_of(1, 3, 1), api_of(0), pool_of(0, 2, 1)};
    ms_fleet fleet;
    make(&fleet, 4, plans, MS_LEAST_LOADED);
    const int32_t pool[] = {0, 0, 1, 1, 1, 2, 3, 3}, place_of[] = {0, 1, 0, 1, 2, 2, 3, 4}, first[] = {0, 2, 5, 6};
    CHECK(fleet.replicas == 8 && fleet.groups == 3);
    for (int32_t i = 0; i < 8; i++) {
        CHECK(fleet.pool_of[i] == pool[i] && fleet.place_of[i] == place_of[i] &&
              ms_fleet_is_api(&fleet, i) == (i == 5));
        CHECK(i == 5 || fleet.replica[i].index == i);
        CHECK(fleet.replica[i].sequences.cache.stores == &fleet.stores); /* one store of memory for all */
    }
    for (int32_t p = 0; p < 4; p++) {
        CHECK(fleet.pool[p].first == first[p] && fleet.pool[p].servers == plans[p].model &&
              fleet.pool[p].up == plans[p].replicas);
    }
    CHECK(fleet.servers[0].replicas == 5 && fleet.servers[0].pools == 3 && fleet.servers[0].up == 5);
    CHECK(ms_fleet_front_of(&fleet, 3, 7) == 7 && ms_fleet_front_of(&fleet, 3, -1) == 11);
    ms_fleet_free(&fleet);
}

/* At the end everything of one model is taken out, also of replicas that drain, and nothing of another. */
static void all_of_a_model_is_withdrawn(void)
{
    const ms_pool_plan plans[] = {pool_of(0, 3, 1), pool_of(1, 1, 1)};
    ms_fleet fleet;
    ms_queue out = {0}, evicted = {0}, done = {0};
    make(&fleet, 2, plans, MS_ROUND_ROBIN);
    for (int32_t i = 0; i < 6; i++) {
        CHECK(place(&fleet, i, i == 5, -1, 0.0) == MS_PLACED);
    }
    for (int k = 0; k < 4; k++) {
        step(&fleet, &done);
    }
    fleet.phase[0] = MS_DRAINING;
    fleet.failures[0] = 1;
    ms_fleet_fail(&fleet, 1, 0.5, &evicted);
    CHECK(evicted.length == 2);
    ms_fleet_withdraw(&fleet, 0, 0.5, &out);
    CHECK(out.length == 3 && fleet.replica[3].sequences.running == 1 && fleet.replica[0].sequences.running == 0);
    for (const ms_job *job = out.head; job != NULL; job = job->next) {
        CHECK(job->request == 0 || job->request == 2 || job->request == 3);
    }
    ms_fleet_free(&fleet);
}

/* Who is held, and what waits in a shared queue, is withdrawn with its own model, with those that are to decode
 * for it: those first who came first. */
static void who_is_held_is_withdrawn_with_its_model(void)
{
    ms_pool_plan plans[] = {pool_of(0, 1, 1), pool_of(1, 1, 1), pool_of(1, 1, 1)};
    plans[1].limits.role = MS_ROLE_PREFILL;
    plans[2].limits.role = MS_ROLE_DECODE;
    const ms_stream both[2 * MODELS_MOST] = {{1, 7, 0, 0}, {1, 8, 0, 0}, {1, 9, 0, 0}, {1, 10, 0, 0}, {1, 11, 0, 0}};
    ms_fleet fleet;
    ms_queue evicted = {0}, out = {0};
    CHECK(ms_fleet_init(&fleet, 3, plans, MODELS_MOST, &(ms_dispatch_plan){.rule = MS_LEAST_LOADED}, both) == 0);
    CHECK(memcmp(&fleet.servers[MODELS_MOST + 1].stream, &both[MODELS_MOST + 1], sizeof *both) == 0);
    for (int32_t i = 0; i < 3; i++) {
        ms_fleet_fail(&fleet, i, 0.0, &evicted);
    }
    for (int32_t i = 0; i < 3; i++) {
        CHECK(place(&fleet, i, i > 0, -1, 1.0) == MS_PLACED);
    }
    for (int32_t i = 3; i < 5; i++) {
        jobs[i] = ms_job_new(i, 1, 4, 3);
        ms_queue_push_tail(&fleet.servers[MODELS_MOST + 1].held, &jobs[i]);
    }
    for (int32_t i = 5; i < 7; i++) {
        jobs[i] = ms_job_new(i, 1, 4, 3);
        ms_queue_push_tail(&fleet.pool[1].shared, &jobs[i]);
    }
    ms_fleet_withdraw(&fleet, 1, 2.0, &out);
    const int64_t order[] = {5, 6, 1, 2, 3, 4};
    int n = 0;
    for (const ms_job *job = out.head; job != NULL && n < 6; job = job->next) {
        CHECK(job->request == order[n++]);
    }
    CHECK(out.length == 6 && fleet.servers[0].held.length == 1 && fleet.servers[1].held.length == 0);
    CHECK(fleet.servers[MODELS_MOST + 1].held.length == 0 && fleet.pool[1].shared.length == 0);
    ms_fleet_withdraw(&fleet, 0, 2.0, &out);
    CHECK(out.length == 7 && fleet.servers[0].held.length == 0);
    ms_fleet_free(&fleet);
}

/* The head of a shared queue is too long for both replicas; as it leaves, the next is offered, which is not. */
static void who_stands_behind_one_that_leaves_is_offered(void)
{
    for (int is_head = 0; is_head < 2; is_head++) {
        ms_pool_plan plan = pool_of(0, 2, 2);
        plan.limits.max_batched_tokens = 1000;
        ms_fleet fleet;
        ms_queue done = {0};
        int left = 0;
        make(&fleet, 1, &plan, MS_SHARED_QUEUE);
        const int32_t prompts[] = {700, 700, 600, 4}, answers[] = {100, 100, 100, 2};
        for (int32_t i = 0; i < 4; i++) {
            while (fleet.moments.values[ms_tournament_best(&fleet.moments)] <= 0.25 * i) {
                step(&fleet, &done);
            }
            jobs[i] = ms_job_new(i, 0, prompts[i], answers[i]);
            CHECK(ms_dispatch_place(&fleet, &jobs[i], -1, 0.25 * i) == MS_PLACED);
        }
        while (fleet.moments.values[ms_tournament_best(&fleet.moments)] <= 10.125) {
            step(&fleet, &done);
        }
        CHECK(fleet.pool[0].shared.length == 2 && fleet.pool[0].shared.head == &jobs[2]);
        ms_fleet_abort(&fleet, &jobs[is_head ? 2 : 3], 10.125, &left);
        CHECK(left && fleet.pool[0].shared.length == 1);
        CHECK(run_out(&fleet) == 3);
        CHECK(is_head ? jobs[3].start_s == 10.25 : jobs[2].start_s == 100.0);
        ms_fleet_free(&fleet);
    }
}

/* Whoever is listed is listed once, and whoever is not is not taken out again. */
static void to_refresh_twice_changes_nothing(void)
{
    const ms_pool_plan plan = pool_of(0, 3, 2);
    ms_fleet fleet;
    make(&fleet, 1, &plan, MS_LEAST_LOADED);
    const ms_servers *servers = &fleet.servers[0];
    for (int32_t down = -1; down < 3; down++) {
        for (int again = 0; again < 3; again++) {
            for (int32_t i = 0; i < 3; i++) {
                fleet.failures[i] = i == down;
                ms_fleet_refresh(&fleet, i);
            }
            CHECK(servers->up == (down < 0 ? 3 : 2));
            for (int32_t k = 0; k < servers->up; k++) {
                CHECK(servers->up_replica[k] == k + (down >= 0 && k >= down));
            }
        }
    }
    fleet.failures[2] = 0;
    ms_fleet_free(&fleet);
}

/* A replica that drains is up no more, but has what it keeps for others until they have it. */
static void who_drains_gets_its_memory_back(void)
{
    ms_pool_plan plan = pool_of(0, 2, 4);
    ms_fleet fleet;
    make(&fleet, 1, &plan, MS_LEAST_LOADED);
    jobs[0] = ms_job_new(0, 0, 10, 3);
    jobs[0].source = 1;
    fleet.replica[1].sequences.set_aside = 10;
    ms_fleet_keep(&fleet, &jobs[0]);
    fleet.failures[1] = 1;
    fleet.phase[1] = MS_DRAINING;
    ms_fleet_let_go(&fleet, &jobs[0], 1.0);
    CHECK(fleet.replica[1].sequences.set_aside == 0 && fleet.kept[1] == NULL && fleet.pool[0].crossing == 0);
    ms_fleet_free(&fleet);
}

/* Of pools that scale by saturation the cheapest holds what waits for one to come up; else the first in the file. */
static void the_cheapest_of_those_that_scale_by_saturation_holds(void)
{
    static const struct {
        int32_t rule, price, earlier_rule, earlier_price, holds;
    } cases[] = {
        {MS_SCALES_BY_SATURATION, 1, MS_SCALES_BY_SATURATION, 2, 1}, {MS_SCALES_BY_SATURATION, 2, MS_SCALES_BY_SATURATION, 2, 0},
        {MS_SCALES_BY_SATURATION, 3, MS_SCALES_BY_SATURATION, 2, 0}, {MS_SCALES_BY_TARGET, 0, MS_SCALES_BY_SATURATION, 2, 0},
        {MS_SCALES_BY_SATURATION, 1, MS_SCALES_BY_TARGET, 2, 0},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        const ms_pool pool = {.plan.autoscale = {.rule = cases[k].rule, .by_price = cases[k].price}};
        const ms_pool earlier = {.plan.autoscale = {.rule = cases[k].earlier_rule, .by_price = cases[k].earlier_price}};
        CHECK(ms_pool_holds_before(&pool, &earlier) == cases[k].holds);
    }
}

/* Limits of a pool, of the whole request and of its prompt, are inclusive; 0 is none. */
static void a_pool_takes_what_is_within_its_limits(void)
{
    const ms_pool open = {.plan = {.most_tokens = 0}}, whole = {.plan = {.most_tokens = 20}};
    const ms_pool prompt = {.plan = {.most_prompt_tokens = 10}};
    const ms_pool both = {.plan = {.most_tokens = 20, .most_prompt_tokens = 10}};
    CHECK(ms_pool_takes(&open, INT32_MAX, INT32_MAX));
    CHECK(ms_pool_takes(&whole, 15, 5) && !ms_pool_takes(&whole, 15, 6) && !ms_pool_takes(&whole, INT32_MAX, INT32_MAX));
    CHECK(ms_pool_takes(&prompt, 10, 500) && !ms_pool_takes(&prompt, 11, 1));
    CHECK(ms_pool_takes(&both, 10, 10) && !ms_pool_takes(&both, 10, 11) && !ms_pool_takes(&both, 11, 1));
}

/* What is kept of a replica, as of one at rest, holds no longer than until something happens to it. */
static void whatever_happens_to_a_replica_is_noted(void)
{
    ms_fleet fleet;
    ms_queue done = {0}, evicted = {0};
    const ms_pool_plan plan = pool_of(0, 2, 4);
    make(&fleet, 1, &plan, MS_LEAST_LOADED);
    for (int what = 0; what < 6; what++) {
        fleet.is_at_rest[0] = fleet.is_at_rest[1] = 1;
        if (what == 0) {
            CHECK(place(&fleet, 0, 0, -1, 0.0) == MS_PLACED && jobs[0].server == 0);
        } else if (what == 1) {
            CHECK(ms_fleet_start(&fleet, 0, 0.0) == 0);
        } else if (what == 2) {
            CHECK(ms_fleet_finish(&fleet, 0, &done) == 0 && done.length == 0); /* the prompt's end */
        } else if (what == 3) {
            ms_fleet_fail(&fleet, 0, 1.0, &evicted);
        } else if (what == 4) {
            repair(&fleet, 0, 2.0);
        } else {
            ms_view_note_load(&fleet, 0);
        }
        CHECK(!fleet.is_at_rest[0] && fleet.is_at_rest[1]);
    }
    ms_fleet_free(&fleet);
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
    RUN(what_is_kept_for_another_is_let_go);
    RUN(who_waits_for_memory_is_let_in);
    RUN(who_is_held_may_leave);
    RUN(who_crosses_leaves_at_the_end);
    RUN(who_has_crossed_leaves_now);
    RUN(who_is_preempted_while_it_drains_waits_there);
    RUN(a_failure_is_known_to_the_router);
    RUN(replicas_are_numbered_over_pools);
    RUN(all_of_a_model_is_withdrawn);
    RUN(who_is_held_is_withdrawn_with_its_model);
    RUN(who_stands_behind_one_that_leaves_is_offered);
    RUN(to_refresh_twice_changes_nothing);
    RUN(who_drains_gets_its_memory_back);
    RUN(the_cheapest_of_those_that_scale_by_saturation_holds);
    RUN(a_pool_takes_what_is_within_its_limits);
    RUN(whatever_happens_to_a_replica_is_noted);
    return report();
}
