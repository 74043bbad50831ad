#include "failures.h"

#include <stdlib.h>

#include "accounts.h"
#include "copies.h"
#include "draw.h"
#include "error.h"
#include "fronts.h"
#include "transfers.h"

int ms_failures_await(ms_run *run, ms_breakdown *breakdown)
{
    if (breakdown->random) {
        breakdown->time_s += run->config.mtbf_s * ms_draw_one_exponential(&breakdown->fails, breakdown->count);
    }
    return ms_run_put(run, breakdown->time_s, ms_order(MS_ENDS, breakdown->replica), 1, MS_DO_FAIL, breakdown, 0);
}

/* Of one replica, which serves one model. */
static int job_order(const void *left, const void *right)
{
    const ms_job *a = *(ms_job *const *)left, *b = *(ms_job *const *)right;
    if (a->request != b->request) {
        return a->request < b->request ? -1 : 1;
    }
    return a->attempt < b->attempt ? -1 : a->attempt > b->attempt;
}

/* A failed replica's request begins again from its prompt, keeps its first times and what it has paid. */
static int retry_or_lose(ms_run *run, ms_job *job)
{
    const ms_open *open = job->owner;
    if (run->config.lose_on_failure || open->gone) {
        return ms_copies_lose(run, job, 0);
    }
    ms_copies_settle_price(run, job);
    job->generated_tokens = 0;
    job->transferred = 0;
    job->attempt++;
    return ms_run_put(run, run->now_s, ms_order(MS_RETRIES, job->request), (uint64_t)job->model, MS_DO_RETRY, job, 0);
}

static int expect_progress(ms_run *run)
{
    const int64_t progress = 2 * run->issued - run->open_count;
    if (progress != run->progress_seen) {
        run->progress_seen = progress;
        run->failures_in_vain = 0;
    }
    return ++run->failures_in_vain > MS_MOST_FAILURES_IN_VAIN ? MS_ERR_IN_VAIN : 0;
}

/* The calls that an API's outage ends. One that is complete at this very instant goes through. */
static void cut_calls(ms_run *run, int32_t replica, ms_queue *evicted)
{
    const int64_t n = ms_heap_withdraw(&run->heap, MS_DO_API, ms_order(MS_ENDS, replica), run->now_s);
    for (int64_t i = 0; i < n; i++) {
        ms_job *job = run->heap.events[run->heap.length + i].subject;
        ms_job_cut_off(job, run->now_s);
        ms_queue_push_tail(evicted, job);
    }
}

int ms_failures_begin(ms_run *run, ms_breakdown *breakdown)
{
    MS_TRY(expect_progress(run));
    ms_queue evicted = {0};
    if (ms_fleet_is_api(&run->fleet, breakdown->replica)) {
        cut_calls(run, breakdown->replica, &evicted);
    }
    ms_fleet_fail(&run->fleet, breakdown->replica, run->now_s, &evicted);
    ms_fronts_evict(run, breakdown->replica, &evicted);
    MS_TRY(ms_transfers_evict(run, breakdown->replica, &evicted));
    const int64_t n = evicted.length;
    ms_job **jobs = malloc((size_t)(n + 1) * sizeof *jobs);
    if (jobs == NULL) {
        return MS_ERR_MEMORY;
    }
    for (int64_t i = 0; i < n; i++) {
        jobs[i] = ms_queue_pop(&evicted);
        ms_accounts_release(&run->fleet, jobs[i]);
        ms_pool_count(&run->fleet, &run->fleet.pool[jobs[i]->pool], -1);
    }
    qsort(jobs, (size_t)n, sizeof(ms_job *), job_order);
    int error = 0;
    for (int64_t i = 0; i < n && error == 0; i++) {
        error = retry_or_lose(run, jobs[i]);
    }
    free(jobs);
    MS_TRY(error);
    breakdown->time_s += breakdown->random
                             ? run->config.mttr_s * ms_draw_one_exponential(&breakdown->repairs, breakdown->count)
                             : breakdown->for_s;
    return ms_run_put(run, breakdown->time_s, ms_order(MS_ENDS, breakdown->replica), 2, MS_DO_REPAIR, breakdown, 0);
}

int ms_failures_end(ms_run *run, ms_breakdown *breakdown)
{
    ms_queue held = {0};
    ms_fleet_repair(&run->fleet, breakdown->replica, run->now_s, &held);
    for (ms_job *job = ms_queue_pop(&held); job != NULL; job = ms_queue_pop(&held)) {
        MS_TRY(job->source >= 0 ? ms_transfers_hand_over(run, job) : ms_copies_retry(run, job));
    }
    if (!breakdown->random) {
        return 0;
    }
    breakdown->count++;
    return ms_failures_await(run, breakdown);
}
