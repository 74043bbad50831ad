#include "fronts.h"

#include <math.h>

#include "accounts.h"
#include "dispatch.h"
#include "error.h"
#include "view.h"

static int32_t place_of(const ms_run *run, const ms_job *job)
{
    return ms_fleet_front_of(&run->fleet, job->pool, job->server);
}

static void note_load(ms_run *run, const ms_job *job)
{
    if (job->server >= 0) {
        ms_view_note_load(&run->fleet, job->server);
    }
}

/* Unique at a place: a request has one copy of an attempt there, and fewer than 2^24 attempts. */
static uint64_t suborder(const ms_job *job)
{
    return ((uint64_t)job->request + 1) << 24 | (uint64_t)job->attempt;
}

/* ---- before the queue ------------------------------------------------------------------------------------ */

static int begin(ms_run *run, ms_job *job)
{
    const int32_t place = place_of(run, job);
    const double time_s =
        run->now_s + ms_wait_s(&run->fleet.pool[job->pool].plan.front_end, job->request, job->attempt);
    ms_queue_push_tail(&run->fleet.front[place].served, job);
    job->place = MS_IN_FRONT_END;
    return ms_run_put(run, time_s, ms_order(MS_ARRIVES, place), suborder(job), MS_DO_FRONT_END, job, 0);
}

int ms_fronts_enter(ms_run *run, ms_job *job)
{
    const int32_t workers = run->fleet.pool[job->pool].plan.front_end_workers;
    ms_front *front = &run->fleet.front[place_of(run, job)];
    if (workers == 0 || front->served.length < workers) {
        MS_TRY(begin(run, job));
    } else {
        ms_queue_push_tail(&front->waiting, job);
        job->place = MS_AWAITS_FRONT_END;
    }
    note_load(run, job);
    return 0;
}

int ms_fronts_pass(ms_run *run, ms_job *job, int *left)
{
    ms_front *front = &run->fleet.front[place_of(run, job)];
    ms_queue_remove(&front->served, job);
    ms_job *next = ms_queue_pop(&front->waiting);
    if (next != NULL) {
        MS_TRY(begin(run, next));
    }
    *left = job->aborted;
    if (*left) {
        ms_accounts_release(&run->fleet, job);
        ms_pool_count(&run->fleet, &run->fleet.pool[job->pool], -1);
    } else {
        ms_dispatch_queue(&run->fleet, job, run->now_s);
    }
    note_load(run, job);
    return 0;
}

/* ---- after the last token -------------------------------------------------------------------------------- */

int ms_fronts_generated(ms_run *run, ms_job *job, int *left)
{
    ms_pool *pool = &run->fleet.pool[job->pool];
    const ms_open *open = job->owner;
    *left = pool->plan.detokenize_s == 0.0 || open->gone;
    if (*left) {
        ms_pool_count(&run->fleet, pool, -1);
        return 0;
    }
    const uint64_t order = ms_order(MS_ENDS, job->replica);
    job->server = job->replica; /* of a shared queue, too, it is this replica's now */
    ms_queue_push_tail(&run->fleet.front[job->replica].detokenizing, job);
    job->place = MS_DETOKENIZES;
    note_load(run, job);
    return ms_run_put(run, run->now_s + pool->plan.detokenize_s, order, suborder(job), MS_DO_DETOKENIZED, job, 0);
}

void ms_fronts_detokenized(ms_run *run, ms_job *job)
{
    ms_queue_remove(&run->fleet.front[job->server].detokenizing, job);
    ms_pool_count(&run->fleet, &run->fleet.pool[job->pool], -1);
    note_load(run, job);
    job->finish_s = run->now_s;
}

/* ---- mishaps --------------------------------------------------------------------------------------------- */

int ms_fronts_have(const ms_job *job)
{
    return job->place == MS_AWAITS_FRONT_END || job->place == MS_IN_FRONT_END || job->place == MS_DETOKENIZES;
}

void ms_fronts_abort(ms_run *run, ms_job *job, int *left)
{
    *left = job->place == MS_AWAITS_FRONT_END;
    if (!*left) {
        job->aborted = 1;
        return;
    }
    ms_queue_remove(&run->fleet.front[place_of(run, job)].waiting, job);
    ms_accounts_release(&run->fleet, job);
    ms_pool_count(&run->fleet, &run->fleet.pool[job->pool], -1);
    note_load(run, job);
}

static void take_all(ms_queue *from, ms_queue *to)
{
    for (ms_job *job = ms_queue_pop(from); job != NULL; job = ms_queue_pop(from)) {
        ms_queue_push_tail(to, job);
    }
}

void ms_fronts_evict(ms_run *run, int32_t replica, ms_queue *evicted)
{
    ms_front *front = &run->fleet.front[replica];
    if (front->served.length > 0) {
        ms_heap_withdraw(&run->heap, MS_DO_FRONT_END, ms_order(MS_ARRIVES, replica), -INFINITY);
    }
    take_all(&front->served, evicted);
    take_all(&front->waiting, evicted);
}

static void withdraw(ms_run *run, const ms_servers *servers, ms_queue *jobs)
{
    for (int32_t i = 0; i < servers->replicas + servers->pools; i++) {
        const int32_t place = i < servers->replicas ? servers->replica[i]
                                                    : run->fleet.replicas + servers->pool[i - servers->replicas];
        take_all(&run->fleet.front[place].served, jobs);
        take_all(&run->fleet.front[place].waiting, jobs);
        take_all(&run->fleet.front[place].detokenizing, jobs);
    }
}

void ms_fronts_withdraw(ms_run *run, int32_t model, ms_queue *jobs)
{
    for (int32_t group = model; group < run->fleet.groups; group += run->fleet.models) {
        withdraw(run, &run->fleet.servers[group], jobs);
    }
}
