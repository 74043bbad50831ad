/* Fleets without a loop around them: jobs are placed by hand, and their replicas stepped from moment to moment. */
#ifndef MS_TEST_FLEETS_H
#define MS_TEST_FLEETS_H

#include "accounts.h"
#include "check.h"
#include "dispatch.h"
#include "jobs.h"
#include "meters.h"
#include "view.h"

enum { JOBS = 6000, MODELS_MOST = 3 };

/* Of each model, then of those of its pools that decode. */
static const ms_stream streams[2 * MODELS_MOST] = {{1, 7, 0, 0},  {1, 8, 0, 0},  {1, 9, 0, 0},
                                                   {1, 10, 0, 0}, {1, 11, 0, 0}, {1, 12, 0, 0}};

static ms_job jobs[JOBS];

/* Every iteration takes a second and draws 2 J, and 1 J a token; an idle replica draws 3 W. */
static inline ms_pool_plan pool_of(int32_t model, int32_t replicas, int32_t max_num_seqs)
{
    return (ms_pool_plan){
        .model = model,
        .replicas = replicas,
        .coefficients = {.a0_s = 1.0, .p0_w = 2.0, .e_j_per_token = 1.0, .p_cap_w = 1000.0, .p_idle_w = 3.0},
        .limits = {.max_num_seqs = max_num_seqs, .max_batched_tokens = 64, .kv_capacity_tokens = 1000}};
}

static inline ms_pool_plan api_of(int32_t model)
{
    return (ms_pool_plan){.model = model,
                          .replicas = 1,
                          .is_api = 1,
                          .limits = {.max_num_seqs = 10, .max_batched_tokens = 10},
                          .latency_s = 0.5,
                          .tpot_s = 0.25};
}

static inline void make(ms_fleet *fleet, int32_t pools, const ms_pool_plan *plans, int32_t dispatch)
{
    CHECK(ms_fleet_init(fleet, pools, plans, MODELS_MOST, &(ms_dispatch_plan){.rule = dispatch}, streams) == 0);
}

/* Places a new job; returns what ms_dispatch_place did. */
static inline int place(ms_fleet *fleet, int32_t request, int32_t model, int64_t max_waiting, double t_s)
{
    jobs[request] = ms_job_new(request, model, 4, 3 + request % 5);
    return ms_dispatch_place(fleet, &jobs[request], max_waiting, t_s);
}

/* Repairs a replica and places what was held. */
static inline void repair(ms_fleet *fleet, int32_t replica, double t_s)
{
    ms_queue held = {0};
    ms_fleet_repair(fleet, replica, t_s, &held);
    for (ms_job *job = ms_queue_pop(&held); job != NULL; job = ms_queue_pop(&held)) {
        CHECK(ms_dispatch_place(fleet, job, -1, t_s) == MS_PLACED);
    }
}

/* The replica in whose own queue this job stands last; -1 for none. */
static inline int32_t where(const ms_fleet *fleet, int32_t request)
{
    for (int32_t i = 0; i < fleet->replicas; i++) {
        if (fleet->replica[i].own_queue.tail == &jobs[request]) {
            return i;
        }
    }
    return -1;
}

/* Carries out the next moment; returns its time, infinite when nothing is left. */
static inline double step(ms_fleet *fleet, ms_queue *all_done)
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

static inline int64_t run_out(ms_fleet *fleet)
{
    ms_queue done = {0};
    while (step(fleet, &done) < INFINITY) {
    }
    return done.length;
}

#endif
