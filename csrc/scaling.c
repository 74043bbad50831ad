#include "scaling.h"

#include "autoscale.h"
#include "autoscale_saturation.h"
#include "copies.h"
#include "error.h"
#include "outlook.h"
#include "transfers.h"
#include "view.h"

static int32_t last_of(const ms_pool *pool)
{
    return pool->first + pool->plan.replicas - 1;
}

/* ---- what becomes of one replica --------------------------------------------------------------------------- */

static void turn_off(ms_fleet *fleet, int32_t replica, double t_s)
{
    fleet->phase[replica] = MS_OFF;
    fleet->down_since_s[replica] = t_s;
}

/* It takes no more. What it has it serves to the end. */
static void close_replica(ms_fleet *fleet, int32_t replica, double t_s)
{
    ms_pool *pool = ms_pool_of(fleet, replica);
    fleet->failures[replica] = 1;
    ms_pool_count_up(fleet, pool, -1);
    ms_fleet_refresh(fleet, replica);
    ms_texts_forget(&fleet->servers[pool->servers].texts, fleet->place_of[replica]);
    ms_fleet_look_no_more(fleet, replica, t_s);
    fleet->replica[replica].queue = &fleet->replica[replica].own_queue;
    fleet->phase[replica] = MS_DRAINING;
    pool->draining++;
    fleet->draining++;
}

static void finish_draining(ms_fleet *fleet, int32_t replica, double t_s)
{
    ms_queue none = {0};
    ms_replica_evict(&fleet->replica[replica], t_s, &none);
    ms_fleet_await_boundary(fleet, replica);
    ms_pool_of(fleet, replica)->draining--;
    fleet->draining--;
    turn_off(fleet, replica, t_s);
}

static int begin_loading(ms_run *run, int32_t replica)
{
    ms_fleet *fleet = &run->fleet;
    ms_pool *pool = ms_pool_of(fleet, replica);
    const int64_t k = fleet->starts[replica]++;
    fleet->down_s[replica] += run->now_s - fleet->down_since_s[replica];
    fleet->phase[replica] = MS_LOADING;
    pool->loading++;
    fleet->ready_s[replica] = run->now_s + ms_autoscale_cold_start_s(&pool->plan.autoscale, k, replica - pool->first);
    return ms_run_put(run, fleet->ready_s[replica], ms_order(MS_ENDS, replica), 2, MS_DO_READY, NULL, replica);
}

/* ---- which ones ---------------------------------------------------------------------------------------------- */

static int32_t first_off(const ms_fleet *fleet, const ms_pool *pool)
{
    int32_t i = pool->first;
    while (i <= last_of(pool) && fleet->phase[i] != MS_OFF) {
        i++;
    }
    return i <= last_of(pool) ? i : -1;
}

/* Of those that load the last; else the one with the fewest unfinished requests, and the last of these. */
static int32_t most_idle(const ms_fleet *fleet, const ms_pool *pool)
{
    int32_t best = -1;
    for (int32_t i = last_of(pool); i >= pool->first; i--) {
        if (fleet->phase[i] == MS_LOADING) {
            return i;
        }
    }
    for (int32_t i = last_of(pool); i >= pool->first; i--) {
        const int better = best < 0 || ms_view_unfinished(fleet, i) < ms_view_unfinished(fleet, best);
        if (fleet->phase[i] == MS_READY && better) {
            best = i;
        }
    }
    return best;
}

static void remove_one(ms_run *run, ms_pool *pool)
{
    ms_fleet *fleet = &run->fleet;
    const int32_t replica = most_idle(fleet, pool);
    if (fleet->phase[replica] == MS_LOADING) {
        pool->loading--;
        turn_off(fleet, replica, run->now_s);
    } else {
        close_replica(fleet, replica, run->now_s);
    }
}

/* ---- decisions ------------------------------------------------------------------------------------------------- */

static int await_decision(ms_run *run, int32_t pool)
{
    ms_pool *own = &run->fleet.pool[pool];
    const double time_s = (double)++own->autoscaler.looks * own->plan.autoscale.period_s;
    return ms_run_put(run, time_s, ms_order(MS_RECONCILES, 1 + pool), 0, MS_DO_SCALE, NULL, pool);
}

int ms_scaling_begin(ms_run *run)
{
    ms_fleet *fleet = &run->fleet;
    for (int32_t p = 0; p < fleet->pools; p++) {
        ms_pool *pool = &fleet->pool[p];
        if (pool->plan.autoscale.rule == MS_SCALES_NEVER) {
            continue;
        }
        for (int32_t i = pool->first + pool->plan.autoscale.initial; i <= last_of(pool); i++) {
            close_replica(fleet, i, 0.0);
            finish_draining(fleet, i, 0.0);
        }
        MS_TRY(await_decision(run, p));
    }
    return 0;
}

/* Requests that wait for a replica of this pool to come up. */
static int64_t held_for(const ms_fleet *fleet, const ms_servers *servers, const ms_pool *pool)
{
    int64_t held = 0;
    for (const ms_job *job = servers->held.head; job != NULL; job = job->next) {
        const ms_pool *holder = NULL;
        for (int32_t k = 0; k < servers->pools; k++) {
            const ms_pool *next = &fleet->pool[servers->pool[k]];
            const int takes = ms_fleet_pool_takes(fleet, next, job->prompt_tokens, job->max_new_tokens);
            holder = takes && (holder == NULL || ms_pool_holds_before(next, holder)) ? next : holder;
        }
        held += holder == pool;
    }
    return held;
}

/* Requests that a pool has something to do for. Of one that prefills not those whose KV only waits there; of one that decodes
 * all that are to decode there, those that wait for a replica to come up included. */
static int64_t work_of(const ms_fleet *fleet, const ms_pool *pool)
{
    if (pool->plan.limits.role != MS_ROLE_DECODE) {
        return pool->unfinished - pool->crossing;
    }
    int64_t work = held_for(fleet, &fleet->servers[pool->servers], pool);
    for (int32_t i = pool->first; i <= last_of(pool); i++) {
        work += ms_view_unfinished(fleet, i);
    }
    return work;
}

/* What waits in a queue that replicas share is theirs in equal parts. */
static void look_into(const ms_run *run, const ms_pool *pool, ms_autoscale_look *look)
{
    const ms_fleet *fleet = &run->fleet;
    const double shared = pool->up > 0 ? (double)pool->shared.length / (double)pool->up : 0.0;
    for (int32_t i = pool->first; i <= last_of(pool); i++) {
        if (fleet->phase[i] == MS_READY) {
            const ms_replica *replica = &fleet->replica[i];
            ms_autoscale_saturation_add(look, &pool->plan.autoscale, ms_outlook_kv_usage(replica, run->now_s),
                                        (double)ms_replica_waiting(replica) + shared);
        }
    }
}

/* Whether a pool may grow or shrink by one now. */
static int may_grow(const ms_pool *pool)
{
    return pool->loading == 0 && pool->up < pool->plan.replicas;
}

static int may_shrink(const ms_pool *pool, int64_t work, double t_s)
{
    const int is_last = pool->up == 1;
    return pool->loading == 0 && pool->up > ms_autoscale_least(&pool->plan.autoscale, t_s) &&
           (!is_last || (work == 0 && ms_autoscale_may_end(&pool->autoscaler, &pool->plan.autoscale, t_s)));
}

/* All pools of a model that scale by saturation, once for all that decide at the same instant. */
static const ms_saturated *look_at_all(ms_run *run, ms_servers *servers)
{
    const ms_fleet *fleet = &run->fleet;
    ms_autoscale_look look = {.t_s = run->now_s};
    ms_saturated seen = {.t_s = run->now_s, .cheapest = -1, .dearest = -1};
    if (servers->saturated.t_s == run->now_s) {
        return &servers->saturated;
    }
    for (int32_t k = 0; k < servers->pools; k++) {
        const int32_t number = servers->pool[k];
        const ms_pool *pool = &fleet->pool[number];
        const int32_t price = pool->plan.autoscale.by_price;
        if (pool->plan.autoscale.rule != MS_SCALES_BY_SATURATION) {
            continue;
        }
        const int64_t work = work_of(fleet, pool);
        look_into(run, pool, &look);
        seen.unfinished += work;
        if (may_grow(pool) && (seen.cheapest < 0 || price < fleet->pool[seen.cheapest].plan.autoscale.by_price)) {
            seen.cheapest = number;
        }
        if (may_shrink(pool, work, run->now_s) &&
            (seen.dearest < 0 || price > fleet->pool[seen.dearest].plan.autoscale.by_price)) {
            seen.dearest = number;
        }
    }
    seen.unsaturated = look.unsaturated;
    seen.usage = look.usage;
    seen.waiting = look.waiting;
    servers->saturated = seen;
    return &servers->saturated;
}

static ms_autoscale_look look_at(ms_run *run, int32_t number)
{
    const ms_pool *pool = &run->fleet.pool[number];
    ms_autoscale_look look = {
        .t_s = run->now_s, .ready = pool->up, .loading = pool->loading, .unfinished = work_of(&run->fleet, pool)};
    if (pool->plan.autoscale.rule == MS_SCALES_BY_SATURATION) {
        const ms_saturated *all = look_at_all(run, &run->fleet.servers[pool->servers]);
        look.unsaturated = all->unsaturated;
        look.usage = all->usage;
        look.waiting = all->waiting;
        look.unfinished_elsewhere = all->unfinished - look.unfinished;
        look.another_grows = all->cheapest != number;
        look.another_shrinks = all->dearest != number;
    }
    return look;
}

int ms_scaling_decide(ms_run *run, int32_t number)
{
    ms_pool *pool = &run->fleet.pool[number];
    const ms_autoscale_look look = look_at(run, number);
    const int32_t wanted =
        ms_autoscale_wanted(&pool->autoscaler, &pool->plan.autoscale, &look, pool->plan.replicas);
    while (pool->up + pool->loading > wanted) {
        remove_one(run, pool);
    }
    while (pool->up + pool->loading < wanted) {
        const int32_t next = first_off(&run->fleet, pool);
        if (next < 0) {
            break; /* the others drain still */
        }
        MS_TRY(begin_loading(run, next));
    }
    ms_scaling_settle(run);
    return await_decision(run, number);
}

int ms_scaling_loaded(ms_run *run, int32_t replica)
{
    ms_fleet *fleet = &run->fleet;
    ms_pool *pool = ms_pool_of(fleet, replica);
    if (fleet->phase[replica] != MS_LOADING || fleet->ready_s[replica] != run->now_s) {
        return 0; /* it was called off */
    }
    ms_queue held = {0};
    fleet->phase[replica] = MS_READY;
    pool->loading--;
    if (fleet->dispatch.rule == MS_SHARED_QUEUE) {
        fleet->replica[replica].queue = &pool->shared;
    }
    fleet->down_since_s[replica] = run->now_s; /* what it was off for is counted already */
    ms_fleet_repair(fleet, replica, run->now_s, &held);
    for (ms_job *job = ms_queue_pop(&held); job != NULL; job = ms_queue_pop(&held)) {
        MS_TRY(job->source >= 0 ? ms_transfers_hand_over(run, job) : ms_copies_retry(run, job));
    }
    return 0;
}

void ms_scaling_settle(ms_run *run)
{
    ms_fleet *fleet = &run->fleet;
    for (int32_t p = 0; p < fleet->pools && fleet->draining > 0; p++) {
        const ms_pool *pool = &fleet->pool[p];
        for (int32_t i = pool->first; pool->draining > 0 && i <= last_of(pool); i++) {
            if (fleet->phase[i] == MS_DRAINING && ms_view_unfinished(fleet, i) == 0 && fleet->kept[i] == NULL) {
                finish_draining(fleet, i, run->now_s);
            }
        }
    }
}
