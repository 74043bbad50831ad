#include "transfers.h"

#include <math.h>

#include "copies.h"
#include "dispatch.h"
#include "error.h"
#include "transit.h"
#include "view.h"

static void act(ms_run *run, int32_t replica, enum ms_notice notice)
{
    ms_fleet_act(&run->fleet, replica, notice, run->now_s);
}

int ms_transfers_prefilled(ms_run *run, ms_job *job)
{
    ms_fleet_keep(&run->fleet, job);
    if (!job->aborted) {
        return ms_transfers_hand_over(run, job);
    }
    ms_fleet_let_go(&run->fleet, job, run->now_s);
    ms_pool_count(&run->fleet, &run->fleet.pool[job->pool], -1);
    return ms_copies_abandon(run, job);
}

int ms_transfers_hand_over(ms_run *run, ms_job *job)
{
    ms_fleet *fleet = &run->fleet;
    int32_t to = job->destination;
    job->destination = -1;
    if (to < 0 || fleet->failures[to] > 0) {
        MS_TRY(ms_dispatch_pick_decoder(fleet, job, run->now_s, &to));
    }
    job->server = to;
    if (to < 0) {
        ms_queue_push_tail(&fleet->servers[fleet->models + job->model].held, job);
        return 0;
    }
    MS_TRY(ms_replica_fits(&fleet->replica[to], job));
    ms_dispatch_queue(fleet, job, run->now_s);
    ms_view_note_load(fleet, to);
    return 0;
}

/* Unique at a replica: a request has one copy of an attempt there, and fewer than 2^24 attempts. */
static uint64_t suborder(const ms_job *job)
{
    return ((uint64_t)job->request + 1) << 24 | (uint64_t)job->attempt;
}

static int arrives_at(ms_run *run, ms_job *job, double time_s)
{
    return ms_run_put(run, time_s, ms_order(MS_ENDS, job->server), suborder(job), MS_DO_TRANSFERRED, job, 0);
}

/* ---- links that transfers share ------------------------------------------------------------------------ */

static int32_t link_of(const ms_run *run, const ms_job *job)
{
    switch ((enum ms_links)run->config.transfer_links) {
    case MS_LINK_PREFILL:
        return job->source;
    case MS_LINK_DECODE:
        return job->server;
    case MS_LINK_EACH:
    case MS_LINK_CLUSTER:
        break;
    }
    return run->fleet.replicas;
}

/* Somebody has joined or left: what was awaited before comes too, and finds that nothing ends then. */
static int await_end(ms_run *run, int32_t link)
{
    const double next_s = run->links[link].next_s;
    return next_s < INFINITY ? ms_run_put(run, next_s, ms_order(MS_ENDS, link), 3, MS_DO_LINK, NULL, link) : 0;
}

static int join_link(ms_run *run, ms_job *job, double bytes)
{
    const int32_t link = link_of(run, job);
    job->is_on_link = 1;
    MS_TRY(ms_link_join(&run->links[link], job, suborder(job), (uint64_t)job->server, bytes, run->now_s));
    return await_end(run, link);
}

static int leave_link(ms_run *run, ms_job *job)
{
    const int32_t link = link_of(run, job);
    job->is_on_link = 0;
    ms_link_leave(&run->links[link], job, run->now_s);
    return await_end(run, link);
}

int ms_transfers_link_ends(ms_run *run, int32_t link)
{
    ms_job *job = ms_link_end(&run->links[link], run->now_s);
    if (job == NULL) {
        return 0;
    }
    job->is_on_link = 0;
    MS_TRY(arrives_at(run, job, run->now_s + run->config.transfer_latency_s));
    return await_end(run, link);
}

/* ---- from the first byte to the last ------------------------------------------------------------------- */

int ms_transfers_begin(ms_run *run, int32_t replica)
{
    ms_replica *server = &run->fleet.replica[replica];
    for (ms_job *job = ms_transit_depart(server); job != NULL; job = ms_transit_depart(server)) {
        const double bytes = (double)job->missing_tokens * run->fleet.pool[job->pool].plan.kv_bytes_per_token;
        run->transfers++;
        run->transfer_bytes += bytes;
        run->transfer_wait_s += run->now_s - job->prefilled_s;
        job->sets_off_s = run->now_s;
        if (run->links != NULL) {
            MS_TRY(join_link(run, job, bytes));
        } else {
            const double takes_s = run->config.transfer_latency_s + bytes / run->config.transfer_bytes_per_s;
            MS_TRY(arrives_at(run, job, run->now_s + takes_s));
        }
    }
    return 0;
}

int ms_transfers_end(ms_run *run, ms_job *job)
{
    ms_fleet *fleet = &run->fleet;
    ms_replica *server = &fleet->replica[job->server];
    run->transferred++;
    run->transfer_s += run->now_s - job->sets_off_s;
    ms_fleet_let_go(fleet, job, run->now_s);
    ms_pool_count(fleet, &fleet->pool[job->pool], -1);
    if (job->aborted) {
        act(run, job->server, ms_replica_call_off(server, job, run->now_s));
        ms_view_note_load(fleet, job->server);
        return ms_copies_abandon(run, job);
    }
    ms_copies_settle_price(run, job);
    job->pool = fleet->pool_of[job->server];
    ms_pool_count(fleet, &fleet->pool[job->pool], 1);
    act(run, job->server, ms_replica_arrive(server, job, run->now_s));
    return 0;
}

/* A transfer that is under way ends before all has crossed. */
static int stop(ms_run *run, ms_job *job)
{
    if (job->is_on_link) {
        return leave_link(run, job);
    }
    ms_heap_take_back(&run->heap, MS_DO_TRANSFERRED, job);
    return 0;
}

/* Takes a job whose KV is lost from where it waits for it. */
static int call_back(ms_run *run, ms_job *job)
{
    ms_fleet *fleet = &run->fleet;
    int left;
    if (job->server < 0) {
        ms_queue_remove(&fleet->servers[fleet->models + job->model].held, job);
        return 0;
    }
    ms_replica *server = &fleet->replica[job->server];
    if (job->place == MS_TRANSFERS) {
        MS_TRY(stop(run, job));
        act(run, job->server, ms_replica_call_off(server, job, run->now_s));
    } else {
        act(run, job->server, ms_replica_abort(server, job, run->now_s, &left));
    }
    ms_view_note_load(fleet, job->server);
    return 0;
}

int ms_transfers_evict(ms_run *run, int32_t replica, ms_queue *evicted)
{
    ms_fleet *fleet = &run->fleet;
    const int32_t role = ms_pool_of(fleet, replica)->plan.limits.role;
    for (ms_job *job = evicted->head; job != NULL && role == MS_ROLE_DECODE; job = job->next) {
        MS_TRY(job->is_on_link ? leave_link(run, job) : 0);
        ms_fleet_let_go(fleet, job, run->now_s);
    }
    if (role == MS_ROLE_DECODE) {
        ms_heap_withdraw(&run->heap, MS_DO_TRANSFERRED, ms_order(MS_ENDS, replica), -INFINITY);
    }
    for (ms_job *job = fleet->kept[replica]; job != NULL; job = fleet->kept[replica]) {
        MS_TRY(call_back(run, job));
        ms_fleet_let_go(fleet, job, run->now_s);
        ms_queue_push_tail(evicted, job);
    }
    return 0;
}
