#include "fleet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "accounts.h"
#include "autoscale.h"
#include "error.h"
#include "expect.h"
#include "memory.h"
#include "offers.h"
#include "view.h"

/* ---- building ------------------------------------------------------------------------------------- */

static int allocate(ms_fleet *self)
{
    const size_t pools = (size_t)self->pools, groups = (size_t)self->groups, n = (size_t)self->replicas;
    self->pool = calloc(pools + 1, sizeof *self->pool);
    self->servers = calloc(groups, sizeof *self->servers);
    self->replica = ms_memory_take((n + 1) * sizeof *self->replica);
    self->front = calloc(n + pools + 1, sizeof *self->front);
    self->pool_of = calloc(n + 1, sizeof(int32_t));
    self->place_of = calloc(n + 1, sizeof(int32_t));
    self->failures = calloc(n + 1, sizeof(int32_t));
    self->phase = calloc(n + 1, sizeof(int8_t));
    self->starts = calloc(n + 1, sizeof(int64_t));
    self->ready_s = calloc(n + 1, sizeof(double));
    self->down_s = calloc(n + 1, sizeof(double));
    self->down_since_s = calloc(n + 1, sizeof(double));
    self->rest = calloc(n + 1, sizeof *self->rest);
    self->is_at_rest = calloc(n + 1, sizeof *self->is_at_rest);
    self->scratch = calloc(n + 1, sizeof(int32_t));
    self->matches = calloc(n + 1, sizeof(int32_t));
    self->sticky = calloc(n + 1, sizeof(int32_t));
    self->matched = calloc(n + 1, sizeof(int64_t));
    self->costs = calloc(n + 1, sizeof(double));
    self->prefill_tokens = calloc(n + 1, sizeof(int64_t));
    self->held_tokens = calloc(n + 1, sizeof(int64_t));
    self->kept = calloc(n + 1, sizeof *self->kept);
    self->promised = calloc(n + 1, sizeof(int64_t));
    self->look_s = calloc(n + 1, sizeof(double));
    if (self->pool == NULL || self->servers == NULL || self->replica == NULL || self->pool_of == NULL ||
        self->place_of == NULL || self->failures == NULL || self->down_s == NULL || self->down_since_s == NULL ||
        self->scratch == NULL || self->front == NULL || self->matches == NULL || self->sticky == NULL ||
        self->matched == NULL || self->costs == NULL || self->prefill_tokens == NULL || self->held_tokens == NULL ||
        self->phase == NULL || self->starts == NULL || self->ready_s == NULL || self->kept == NULL ||
        self->promised == NULL || self->look_s == NULL || self->rest == NULL || self->is_at_rest == NULL) {
        return MS_ERR_MEMORY;
    }
    const int has_own_rule = self->dispatch.rule == MS_OWN_RULE;
    self->seen = has_own_rule ? calloc(MS_OWN_COLUMNS * (n + 1), sizeof(double)) : NULL;
    if (has_own_rule && self->seen == NULL) {
        return MS_ERR_MEMORY;
    }
    MS_TRY(ms_looks_init(&self->looks, self->dispatch.state_delay_s, self->replicas));
    MS_TRY(ms_tournament_init(&self->moments, self->replicas));
    ms_expect_init(&self->expected, &self->moments);
    return 0;
}

/* The first pool with the coefficients of this one, which may be itself: replicas of pools alike read the same lines of the
 * processor's cache. */
static int32_t first_alike(const ms_fleet *self, int32_t number)
{
    const ms_coefficients *own = &self->pool[number].plan.coefficients;
    int32_t p = 0;
    while (p < number &&
           (self->pool[p].alike != p || memcmp(&self->pool[p].plan.coefficients, own, sizeof *own) != 0)) {
        p++;
    }
    return p;
}

static int build_pool(ms_fleet *self, int32_t number, const ms_pool_plan *plan, int32_t first)
{
    ms_pool *pool = &self->pool[number];
    *pool = (ms_pool){.plan = *plan, .first = first, .up = plan->replicas, .looker = -1};
    pool->servers = plan->model + (plan->limits.role == MS_ROLE_DECODE ? self->models : 0);
    ms_api_limits_init(&pool->api_limits, &plan->api_limits);
    ms_prompt_cache_init(&pool->prompt_cache, &plan->prompt_cache);
    MS_TRY(ms_autoscale_init(&pool->autoscaler, &plan->autoscale));
    ms_queue *shared = self->dispatch.rule == MS_SHARED_QUEUE ? &pool->shared : NULL;
    pool->shared.order = pool->plan.limits.order;
    pool->alike = first_alike(self, number);
    ms_pool *alike = &self->pool[pool->alike];
    ms_products_init(&pool->products, &pool->plan.coefficients);
    for (int32_t i = 0; i < plan->replicas; i++) {
        self->pool_of[first + i] = number;
        self->look_s[first + i] = INFINITY;
        ms_replica *replica = &self->replica[first + i];
        if (!plan->is_api) {
            MS_TRY(ms_replica_init(replica, first + i, &alike->plan.coefficients, &plan->limits, shared));
        }
        replica->sequences.products = &alike->products;
        replica->sequences.cache.stores = &self->stores;
    }
    return 0;
}

/* An API stands as one server, whatever its pool says of replicas. */
static int32_t servers_of(const ms_pool *pool)
{
    return pool->plan.is_api ? 1 : pool->plan.replicas;
}

static void gather(ms_fleet *self, int32_t group, ms_servers *servers)
{
    for (int32_t p = 0; p < self->pools; p++) {
        const ms_pool *pool = &self->pool[p];
        if (pool->servers != group) {
            continue;
        }
        servers->pool[servers->pools++] = p;
        for (int32_t i = 0; i < servers_of(pool); i++) {
            self->place_of[pool->first + i] = servers->replicas;
            servers->replica[servers->replicas++] = pool->first + i;
        }
    }
}

static int build_servers(ms_fleet *self, int32_t group, const ms_stream *stream)
{
    ms_servers *servers = &self->servers[group];
    servers->stream = *stream;
    servers->rule = group < self->models ? self->dispatch.rule : self->dispatch.decode_rule;
    servers->pool = calloc((size_t)self->pools + 1, sizeof(int32_t));
    servers->replica = calloc((size_t)self->replicas + 1, sizeof(int32_t));
    servers->up_replica = calloc((size_t)self->replicas + 1, sizeof(int32_t));
    if (servers->pool == NULL || servers->replica == NULL || servers->up_replica == NULL) {
        return MS_ERR_MEMORY;
    }
    gather(self, group, servers);
    servers->up = servers->replicas;
    memcpy(servers->up_replica, servers->replica, (size_t)servers->up * sizeof *servers->replica);
    return ms_view_prepare(self, servers);
}

int ms_fleet_init(ms_fleet *self, int32_t pools, const ms_pool_plan *plans, int32_t models,
                  const ms_dispatch_plan *dispatch, const ms_stream *streams)
{
    *self = (ms_fleet){.pools = pools, .models = models, .groups = models, .dispatch = *dispatch};
    for (int32_t p = 0; p < pools; p++) {
        self->replicas += plans[p].replicas;
        self->groups = plans[p].limits.role != MS_ROLE_BOTH ? 2 * models : self->groups;
        self->has_caches |= plans[p].limits.prefix_cache;
    }
    ms_cache_stores_init(&self->stores);
    int error = allocate(self);
    for (int32_t p = 0, first = 0; p < pools && error == 0; first += plans[p++].replicas) {
        error = build_pool(self, p, &plans[p], first);
    }
    for (int32_t g = 0; g < self->groups && error == 0; g++) {
        error = build_servers(self, g, &streams[g]);
    }
    return error;
}

void ms_fleet_free(ms_fleet *self)
{
    for (int32_t i = 0; i < self->replicas && self->replica != NULL; i++) {
        ms_replica_free(&self->replica[i]);
    }
    for (int32_t p = 0; p < self->pools && self->pool != NULL; p++) {
        ms_prompt_cache_free(&self->pool[p].prompt_cache);
        ms_autoscale_free(&self->pool[p].autoscaler);
    }
    for (int32_t m = 0; m < self->groups && self->servers != NULL; m++) {
        free(self->servers[m].pool);
        free(self->servers[m].replica);
        free(self->servers[m].up_replica);
        ms_view_free(&self->servers[m]);
    }
    free(self->pool);
    free(self->servers);
    free(self->front);
    ms_memory_give(self->replica);
    free(self->pool_of);
    free(self->place_of);
    free(self->failures);
    free(self->phase);
    free(self->starts);
    free(self->ready_s);
    free(self->down_s);
    free(self->down_since_s);
    free(self->rest);
    free(self->is_at_rest);
    free(self->scratch);
    free(self->matches);
    free(self->sticky);
    free(self->matched);
    free(self->costs);
    free(self->seen);
    free(self->prefill_tokens);
    free(self->held_tokens);
    free(self->kept);
    free(self->promised);
    free(self->look_s);
    ms_cache_stores_free(&self->stores);
    ms_tournament_free(&self->moments);
    ms_looks_free(&self->looks);
    *self = (ms_fleet){0};
}

/* ---- moments and loads ------------------------------------------------------------------------------ */

int ms_fleet_is_api(const ms_fleet *self, int32_t replica)
{
    return ms_pool_of(self, replica)->plan.is_api;
}

static ms_servers *servers_for(const ms_fleet *self, int32_t replica)
{
    return &self->servers[ms_pool_of(self, replica)->servers];
}

static void set_moment(ms_fleet *self, int32_t replica, double time_s, enum ms_kind kind)
{
    ms_tournament_set(&self->moments, replica, time_s, ms_order(kind, replica));
    ms_expect_turns(self, replica);
}

void ms_fleet_await_boundary(ms_fleet *self, int32_t replica)
{
    set_moment(self, replica, self->replica[replica].boundary_s, MS_ENDS);
}

void ms_fleet_act(ms_fleet *self, int32_t replica, enum ms_notice notice, double t_s)
{
    ms_view_stir(self, replica);
    if (notice == MS_WAKE) {
        set_moment(self, replica, t_s, MS_STARTS);
    } else if (notice == MS_RESCHEDULE) {
        ms_fleet_await_boundary(self, replica);
    }
}

/* Puts a replica into the list of those that are up, or takes it out; they stand in order of place. */
void ms_fleet_refresh(ms_fleet *self, int32_t replica)
{
    ms_servers *servers = servers_for(self, replica);
    int32_t at = 0;
    for (int32_t end = servers->up; at < end;) {
        const int32_t middle = at + (end - at) / 2;
        if (self->place_of[servers->up_replica[middle]] < self->place_of[replica]) {
            at = middle + 1;
        } else {
            end = middle;
        }
    }
    int32_t *here = servers->up_replica + at;
    const size_t after = (size_t)(servers->up - at);
    const int listed = after > 0 && *here == replica;
    if (self->failures[replica] == 0 && !listed) {
        memmove(here + 1, here, after * sizeof *here);
        *here = replica;
        servers->up++;
    } else if (self->failures[replica] > 0 && listed) {
        memmove(here, here + 1, (after - 1) * sizeof *here);
        servers->up--;
    }
    ms_view_show_load(self, replica); /* that it is down, or up again, is seen at once */
    ms_view_stir(self, replica);
    servers->is_ranked = 0;
    servers->view.is_known = 0;
}

/* ---- the shared queue of a pool ----------------------------------------------------------------------- */

/* Who is to look at the head of a queue that is shared; -1: nobody. */
static void notify(ms_fleet *self, int32_t replica, double t_s)
{
    if (replica >= 0) {
        ms_expect_replica(self, replica);
        ms_fleet_act(self, replica, ms_replica_notify(&self->replica[replica], t_s), t_s);
    }
}

void ms_fleet_offer(ms_fleet *self, ms_pool *pool, double t_s)
{
    if (self->dispatch.rule != MS_SHARED_QUEUE || pool->shared.length == 0) {
        return;
    }
    const int32_t idle = ms_offers_first_idle(self, pool);
    if (idle < 0) {
        ms_offers_begin(self, pool, t_s);
    }
    notify(self, idle, t_s);
    if (pool->last_look_s >= t_s) {
        notify(self, ms_offers_next(self, pool, t_s), t_s);
    }
}

void ms_fleet_look_no_more(ms_fleet *self, int32_t replica, double t_s)
{
    for (int32_t i = ms_offers_looked(self, replica, t_s); i >= 0; i = ms_offers_too(self, i, t_s)) {
        notify(self, i, t_s);
    }
}

/* ---- what replicas do -------------------------------------------------------------------------------- */

void ms_fleet_finish_api(ms_fleet *self, ms_job *job)
{
    ms_accounts_release(self, job);
    ms_pool_count(self, ms_pool_of(self, job->replica), -1);
    ms_view_note_load(self, job->replica);
}

int ms_fleet_finish(ms_fleet *self, int32_t replica, ms_queue *done)
{
    const int error = ms_replica_finish(&self->replica[replica], done);
    ms_view_stir(self, replica);
    if (error) {
        return error;
    }
    for (ms_job *job = done->head; job != NULL; job = job->next) {
        ms_accounts_release(self, job);
    }
    ms_accounts_settle(self, replica, self->replica[replica].boundary_s);
    if (done->length > 0) {
        ms_view_note_load(self, replica);
    }
    return 0;
}

void ms_fleet_start_later(ms_fleet *self, int32_t replica, double t_s)
{
    set_moment(self, replica, t_s, MS_STARTS);
}

int ms_fleet_start(ms_fleet *self, int32_t replica, double t_s)
{
    ms_replica *server = &self->replica[replica];
    const int64_t preemptions = server->preemptions;
    int32_t pulled;
    MS_TRY(ms_replica_start(server, t_s, &pulled));
    ms_view_stir(self, replica);
    ms_fleet_await_boundary(self, replica);
    if (self->dispatch.rule == MS_SHARED_QUEUE) {
        if (pulled > 0 || server->preemptions > preemptions) {
            ms_view_note_load(self, replica);
            ms_offers_start(self, replica, t_s);
            ms_fleet_offer(self, ms_pool_of(self, replica), t_s);
        } else if (self->look_s[replica] < INFINITY) {
            ms_fleet_look_no_more(self, replica, t_s);
        }
    }
    return 0;
}

/* Takes a job out of a queue that is no replica's own. */
static void leave_queue(ms_fleet *self, ms_job *job, double t_s)
{
    ms_pool *pool = &self->pool[job->pool];
    if (self->dispatch.rule != MS_SHARED_QUEUE) {
        ms_queue_remove(&self->servers[job->model + (job->source >= 0 ? self->models : 0)].held, job);
        return;
    }
    const int was_head = pool->shared.head == job;
    ms_queue_remove(&pool->shared, job);
    if (was_head) {
        ms_fleet_offer(self, pool, t_s);
    }
}

void ms_fleet_keep(ms_fleet *self, ms_job *job)
{
    ms_job **first = &self->kept[job->source];
    job->kept_previous = NULL;
    job->kept_next = *first;
    if (*first != NULL) {
        (*first)->kept_previous = job;
    }
    *first = job;
    ms_pool_of(self, job->source)->crossing++;
}

void ms_fleet_let_go(ms_fleet *self, ms_job *job, double t_s)
{
    const int32_t source = job->source;
    if (source < 0) {
        return;
    }
    if (job->kept_next != NULL) {
        job->kept_next->kept_previous = job->kept_previous;
    }
    *(job->kept_previous != NULL ? &job->kept_previous->kept_next : &self->kept[source]) = job->kept_next;
    job->source = -1;
    ms_pool_of(self, source)->crossing--;
    if (self->failures[source] == 0 || self->phase[source] == MS_DRAINING) {
        ms_fleet_act(self, source, ms_replica_let_go(&self->replica[source], job, t_s), t_s);
    }
    job->holds = NULL; /* of a cache that is gone with its replica */
}

/* Under a shared queue, who is preempted by a replica that drains waits there. */
static int waits_where_it_ran(const ms_fleet *self, const ms_job *job)
{
    if (job->server >= 0 || job->replica < 0 || self->phase[job->replica] != MS_DRAINING) {
        return 0;
    }
    return ms_queue_holds(&self->replica[job->replica].own_queue, job);
}

void ms_fleet_abort(ms_fleet *self, ms_job *job, double t_s, int *left)
{
    const int32_t ran = job->place == MS_RUNS || waits_where_it_ran(self, job);
    const int32_t replica = ran ? job->replica : job->server;
    *left = 0;
    if (job->place == MS_TRANSFERS) {
        job->aborted = 1;
        return;
    }
    if (job->place == MS_NOWHERE) {
        return;
    }
    if (replica >= 0) {
        ms_fleet_act(self, replica, ms_replica_abort(&self->replica[replica], job, t_s, left), t_s);
    } else {
        *left = 1;
        leave_queue(self, job, t_s);
    }
    ms_pool_count(self, &self->pool[job->pool], -*left);
    if (*left) {
        ms_accounts_release(self, job);
        ms_fleet_let_go(self, job, t_s);
    }
    if (*left && replica >= 0) {
        ms_view_note_load(self, replica);
    }
}

void ms_fleet_fail(ms_fleet *self, int32_t replica, double t_s, ms_queue *evicted)
{
    if (self->failures[replica]++ > 0) {
        return;
    }
    ms_pool_count_up(self, ms_pool_of(self, replica), -1);
    ms_open_pools_note(self, ms_pool_of(self, replica), t_s);
    self->down_since_s[replica] = t_s;
    if (!ms_fleet_is_api(self, replica)) {
        ms_replica_evict(&self->replica[replica], t_s, evicted);
        ms_fleet_await_boundary(self, replica);
    }
    ms_fleet_refresh(self, replica);
    ms_fleet_look_no_more(self, replica, t_s);
    ms_texts_forget(&servers_for(self, replica)->texts, self->place_of[replica]);
}

void ms_fleet_repair(ms_fleet *self, int32_t replica, double t_s, ms_queue *held)
{
    if (--self->failures[replica] > 0) {
        return;
    }
    ms_pool *pool = ms_pool_of(self, replica);
    ms_servers *servers = servers_for(self, replica);
    ms_pool_count_up(self, pool, 1);
    self->down_s[replica] += t_s - self->down_since_s[replica];
    if (!pool->plan.is_api) {
        ms_replica_repair(&self->replica[replica]);
    }
    ms_fleet_refresh(self, replica);
    ms_fleet_offer(self, pool, t_s);
    for (ms_job *job = ms_queue_pop(&servers->held); job != NULL; job = ms_queue_pop(&servers->held)) {
        ms_pool_count(self, &self->pool[job->pool], -(job->source < 0));
        ms_queue_push_tail(held, job);
    }
}

static void withdraw(ms_fleet *self, int32_t group, double t_s, ms_queue *jobs)
{
    const ms_servers *servers = &self->servers[group];
    for (int32_t i = 0; i < servers->replicas; i++) {
        const int32_t replica = servers->replica[i];
        const int serves = self->failures[replica] == 0 || self->phase[replica] == MS_DRAINING;
        if (serves && !ms_pool_of(self, replica)->plan.is_api) {
            ms_replica_evict(&self->replica[replica], t_s, jobs);
        }
    }
    for (int32_t k = 0; k < servers->pools; k++) {
        ms_queue *shared = &self->pool[servers->pool[k]].shared;
        for (ms_job *job = ms_queue_pop(shared); job != NULL; job = ms_queue_pop(shared)) {
            ms_queue_push_tail(jobs, job);
        }
    }
    ms_queue *held = &self->servers[group].held;
    for (ms_job *job = ms_queue_pop(held); job != NULL; job = ms_queue_pop(held)) {
        ms_queue_push_tail(jobs, job);
    }
}

void ms_fleet_withdraw(ms_fleet *self, int32_t model, double t_s, ms_queue *jobs)
{
    for (int32_t group = model; group < self->groups; group += self->models) {
        withdraw(self, group, t_s, jobs);
    }
}
