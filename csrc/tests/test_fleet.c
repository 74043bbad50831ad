#include "dispatch.h"

#include <stdlib.h>

#include "check.h"
#include "draw.h"
#include "error.h"
#include "jobs.h"

enum { JOBS = 6000, MODELS_MOST = 3 };

static const ms_stream streams[MODELS_MOST] = {{1, 7, 0, 0}, {1, 8, 0, 0}, {1, 9, 0, 0}};

static ms_job jobs[JOBS];

/* Every iteration takes a second and draws 2 J, and 1 J a token; an idle replica draws 3 W. */
static ms_pool_plan pool_of(int32_t model, int32_t replicas, int32_t max_num_seqs)
{
    return (ms_pool_plan){
        .model = model,
        .replicas = replicas,
        .coefficients = {.a0_s = 1.0, .p0_w = 2.0, .e_j_per_token = 1.0, .p_cap_w = 1000.0, .p_idle_w = 3.0},
        .limits = {.max_num_seqs = max_num_seqs, .max_batched_tokens = 64, .kv_capacity_tokens = 1000}};
}

static ms_pool_plan api_of(int32_t model)
{
    return (ms_pool_plan){.model = model,
                          .replicas = 1,
                          .is_api = 1,
                          .limits = {.max_num_seqs = 10, .max_batched_tokens = 10},
                          .latency_s = 0.5,
                          .tpot_s = 0.25};
}

static void make(ms_fleet *fleet, int32_t pools, const ms_pool_plan *plans, int32_t dispatch)
{
    CHECK(ms_fleet_init(fleet, pools, plans, MODELS_MOST, &(ms_dispatch_plan){.rule = dispatch}, streams) == 0);
}

/* Places a new job; returns what ms_dispatch_place did. */
static int place(ms_fleet *fleet, int32_t request, int32_t model, int64_t max_waiting, double t_s)
{
    jobs[request] = ms_job_new(request, model, 4, 3 + request % 5);
    return ms_dispatch_place(fleet, &jobs[request], max_waiting, t_s);
}

/* Repairs a replica and places what was held. */
static void repair(ms_fleet *fleet, int32_t replica, double t_s)
{
    ms_queue held = {0};
    ms_fleet_repair(fleet, replica, t_s, &held);
    for (ms_job *job = ms_queue_pop(&held); job != NULL; job = ms_queue_pop(&held)) {
        CHECK(ms_dispatch_place(fleet, job, -1, t_s) == MS_PLACED);
    }
}

/* The replica in whose own queue this job stands last; -1 for none. */
static int32_t where(const ms_fleet *fleet, int32_t request)
{
    for (int32_t i = 0; i < fleet->replicas; i++) {
        if (fleet->replica[i].own_queue.tail == &jobs[request]) {
            return i;
        }
    }
    return -1;
}

/* Carries out the next moment; returns its time, infinite when nothing is left. */
static double step(ms_fleet *fleet, ms_queue *all_done)
{
    const int32_t replica = ms_tournament_best(&fleet->moments);
    const double t_s = fleet->moments.values[replica];
    if (t_s == INFINITY) {
        return t_s;
    }
    CHECK(ms_whom(fleet->moments.orders[replica]) == replica);
    if (ms_kind_of(fleet->moments.orders[replica]) == MS_STARTS) {
        CHECK(ms_fleet_start(fleet, replica, t_s) == 0);
        return t_s;
    }
    ms_queue done = {0};
    CHECK(ms_fleet_finish(fleet, replica, &done) == 0);
    for (ms_job *job = ms_queue_pop(&done); job != NULL; job = ms_queue_pop(&done)) {
        CHECK(job->replica == replica && job->finish_s == t_s);
        fleet->pool[fleet->pool_of[replica]].unfinished--;
        ms_queue_push_tail(all_done, job);
    }
    ms_fleet_start_later(fleet, replica, t_s);
    return t_s;
}

static int64_t run_out(ms_fleet *fleet)
{
    ms_queue done = {0};
    while (step(fleet, &done) < INFINITY) {
    }
    return done.length;
}

/* ---- dispatch -------------------------------------------------------------------------------------- */

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

/* ---- admission ---------------------------------------------------------------------------------------- */

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
    CHECK(ms_fleet_init(&fleet, 1, &wrong, MODELS_MOST, &(ms_dispatch_plan){.rule = MS_LEAST_LOADED}, streams) == MS_ERR_LIMITS);
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

static void time_is_busy_idle_or_down(void)
{
    const ms_pool_plan plans[] = {pool_of(0, 1, 2), pool_of(1, 3, 2)};
    ms_fleet fleet;
    ms_queue evicted = {0};
    make(&fleet, 2, plans, MS_LEAST_LOADED);
    jobs[0] = ms_job_new(0, 0, 4, 3);
    ms_dispatch_place(&fleet, &jobs[0], -1, 10.0);
    CHECK(run_out(&fleet) == 1);
    CHECK(ms_fleet_busy_s(&fleet, 0, 20.0) == 3.0 && ms_fleet_idle_s(&fleet, 0, 20.0) == 17.0);
    ms_fleet_fail(&fleet, 0, 20.0, &evicted);
    CHECK(ms_fleet_idle_s(&fleet, 0, 25.0) == 17.0);
    repair(&fleet, 0, 30.0);
    CHECK(ms_fleet_idle_s(&fleet, 0, 35.0) == 22.0);
    CHECK(ms_fleet_meter_j(&fleet, 0, 35.0) == jobs[0].energy_j && jobs[0].energy_j == 6.0 + 2.0 * 3.0);
    CHECK(ms_fleet_energy_j(&fleet, 0, 35.0) == jobs[0].energy_j + 3.0 * 22.0);
    CHECK(ms_fleet_busy_s(&fleet, 1, 35.0) == 0.0 && ms_fleet_idle_s(&fleet, 1, 35.0) == 105.0);
    CHECK(ms_fleet_energy_j(&fleet, 1, 35.0) == 315.0 && ms_fleet_meter_j(&fleet, 1, 35.0) == 0.0);
    ms_fleet_fail(&fleet, 0, 40.0, &evicted);
    repair(&fleet, 0, 42.0);
    CHECK(fleet.down_s[0] == 12.0 && ms_fleet_idle_s(&fleet, 0, 45.0) == 30.0);
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

/* ---- APIs -------------------------------------------------------------------------------------------------- */

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
        CHECK(fleet.pool[1].unfinished == 30 && ms_fleet_load(&fleet, 1) == 3.0);
        CHECK(fleet.moments.values[1] == INFINITY); /* its end is the caller's business */
        for (int32_t i = 0; i < 30; i++) {
            ms_fleet_finish_api(&fleet, &jobs[i]);
        }
        CHECK(fleet.pool[1].unfinished == 0);
        CHECK(ms_fleet_energy_j(&fleet, 1, 10.0) == 0.0 && ms_fleet_busy_s(&fleet, 1, 10.0) == 0.0);
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
    CHECK(place(&fleet, 0, 0, -1, 0.0) == MS_CALLS_API && ms_fleet_load(&fleet, 0) == 0.1);
    ms_fleet_fail(&fleet, 0, 1.0, &evicted);
    ms_fleet_fail(&fleet, 1, 1.0, &evicted);
    ms_fleet_fail(&fleet, 23, 1.0, &evicted);
    CHECK(evicted.length == 0 && fleet.pool[0].up == 0 && fleet.servers[0].up == 0);
    CHECK(fleet.moments.values[0] == INFINITY && ms_fleet_load(&fleet, 0) == 0.0);
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
    RUN(round_robin_takes_turns_among_those_that_are_up);
    RUN(the_least_loaded_is_found);
    RUN(the_least_loaded_knows_of_those_that_left);
    RUN(power_of_two_compares_the_two_that_were_drawn);
    RUN(a_shared_queue_feeds_whoever_has_room);
    RUN(a_shared_queue_is_served_in_order);
    RUN(whoever_waits_in_a_shared_queue_may_leave_it);
    RUN(the_emptier_of_two_shared_pools_is_chosen);
    RUN(a_failed_replica_leaves_the_shared_queue_to_the_others);
    RUN(a_repaired_replica_takes_what_waits_in_the_shared_queue);
    RUN(who_could_not_take_the_head_is_asked_again);
    RUN(who_is_preempted_goes_to_a_replica_that_is_idle);
    RUN(a_full_pool_turns_away);
    RUN(nobody_waits_where_none_may);
    RUN(what_never_fits_is_an_error);
    RUN(what_arrives_while_all_are_down_is_held);
    RUN(a_failure_evicts_and_a_second_one_adds_a_cause);
    RUN(time_is_busy_idle_or_down);
    RUN(load_is_unfinished_per_place);
    RUN(an_api_answers_at_once_whatever_its_load);
    RUN(an_api_shares_the_load_of_its_model);
    RUN(a_shared_queue_comes_before_an_api);
    RUN(an_api_that_is_down_turns_away);
    RUN(no_job_is_lost_in_any_use);
    RUN(a_cluster_without_pools_is_one);
    return report();
}
