/* A replica by itself, driven by hand from boundary to boundary. */
#ifndef MS_TEST_REPLICAS_H
#define MS_TEST_REPLICAS_H

#include "check.h"
#include "jobs.h"
#include "replica.h"

/* Every iteration takes a second and draws 2 J, and 1 J a token. */
static const ms_coefficients unit = {.a0_s = 1.0, .p0_w = 2.0, .e_j_per_token = 1.0, .p_cap_w = 1000.0};

static inline void make(ms_replica *r, ms_limits limits)
{
    CHECK(ms_replica_init(r, 0, &unit, &limits, NULL) == 0);
}

/* A job comes to the queue, whatever the engine: its head is announced. */
static inline enum ms_notice submit(ms_replica *r, ms_job *job, double t_s)
{
    ms_queue_push_tail(r->queue, job);
    return r->queue->head == job ? ms_replica_notify(r, t_s) : MS_NOTHING;
}

static inline int32_t start(ms_replica *r, double t_s)
{
    int32_t pulled = -1;
    CHECK(ms_replica_start(r, t_s, &pulled) == 0);
    return pulled;
}

/* Plays boundaries up to and with those at t_s; returns how many jobs were done. */
static inline int64_t run_to(ms_replica *r, double t_s)
{
    ms_queue done = {0};
    while (r->state == MS_RUNNING && r->boundary_s <= t_s) {
        const double now_s = r->boundary_s;
        CHECK(ms_replica_finish(r, &done) == 0);
        start(r, now_s);
    }
    return done.length;
}

/* Plays boundaries until all is done; returns how many jobs were. */
static inline int64_t run_out(ms_replica *r)
{
    return run_to(r, INFINITY);
}

static inline int times_are(const ms_job *job, double start_s, double first_token_s, double finish_s)
{
    return job->start_s == start_s && job->first_token_s == first_token_s && job->finish_s == finish_s;
}

#endif
