#include "run.h"

#include <stdlib.h>

#include "error.h"
#include "expect.h"
#include "memory.h"
#include "meters.h"

enum { BYTES_A_REPLICA = 20000 }; /* about: of requests of a large fleet, and of caches */

/* A large fleet is read here and there, as are the requests that it has under way. */
static void expect_memory(int32_t pools, const ms_pool_plan *plans)
{
    size_t replicas = 0;
    for (int32_t p = 0; p < pools; p++) {
        replicas += (size_t)plans[p].replicas;
    }
    if (replicas > MS_SMALL_FLEET) {
        ms_memory_expect(replicas * BYTES_A_REPLICA);
    }
}

/* One a replica, and one more for all. */
static int lay_links(ms_run *self)
{
    const int32_t n = self->fleet.replicas + 1;
    if (self->config.transfer_links == MS_LINK_EACH) {
        return 0;
    }
    self->links = calloc((size_t)n, sizeof *self->links);
    if (self->links == NULL) {
        return MS_ERR_MEMORY;
    }
    for (int32_t i = 0; i < n; i++) {
        ms_link_init(&self->links[i], self->config.transfer_bytes_per_s);
    }
    return 0;
}

int ms_run_init(ms_run *self, const ms_run_config *config, const double *alphas, double discount,
                 int64_t window, int32_t pools, const ms_pool_plan *plans, const ms_dispatch_plan *dispatch,
                 const ms_stream *dispatch_streams)
{
    *self = (ms_run){.config = *config, .next_s = INFINITY, .error_request = -1};
    expect_memory(pools, plans);
    const size_t m = (size_t)config->models;
    ms_store_init(&self->opens, ms_open_bytes(config->models, config->uniforms, config->raters_err));
    ms_store_init(&self->jobs, sizeof(ms_job));
    self->desks = calloc((size_t)config->instances + 1, sizeof *self->desks);
    self->loads = calloc(m, sizeof(double));
    self->destinations = calloc(m, sizeof *self->destinations);
    self->lesson = calloc((size_t)config->features + m, sizeof(double));
    self->sent = calloc(m, 1);
    self->uniforms = calloc((size_t)config->uniforms + 1, sizeof(double));
    self->busy_s = calloc((size_t)pools + 1, sizeof(double));
    self->idle_s = calloc((size_t)pools + 1, sizeof(double));
    self->rented_s = calloc((size_t)pools + 1, sizeof(double));
    if (self->loads == NULL || self->destinations == NULL || self->lesson == NULL || self->sent == NULL || self->uniforms == NULL ||
        self->busy_s == NULL || self->idle_s == NULL || self->rented_s == NULL || self->desks == NULL) {
        return MS_ERR_MEMORY;
    }
    MS_TRY(ms_instances_init(&self->instances, config->instances, config->models, config->tenants,
                          config->needs_features ? config->features : 0, alphas, discount, window));
    ms_instances_start(&self->instances, config->initial_queue);
    for (int32_t k = 0; k < config->instances; k++) {
        self->instances.brain[k].destinations = self->destinations;
    }
    MS_TRY(ms_fleet_init(&self->fleet, pools, plans, config->models, dispatch, dispatch_streams));
    self->fleet.ask_for_record = ms_open_expect_end;
    if (config->draws_features) {
        MS_TRY(ms_feature_rows_init(&self->features, &config->difficulty, config->features));
    }
    MS_TRY(ms_timeline_init(&self->timeline, pools, self->fleet.replicas, config->length));
    return lay_links(self);
}

void ms_run_free(ms_run *self)
{
    for (ms_open *open = self->oldest; open != NULL; open = open->next) {
        if (open->lesson != self->lesson) {
            free(open->lesson);
        }
    }
    for (int64_t i = 0; i < self->heap.length; i++) { /* lessons of requests whose record stands already */
        ms_open *open = self->heap.events[i].errand == MS_DO_LABEL ? self->heap.events[i].subject : NULL;
        if (open != NULL && open->closed && --open->labels_under_way == 0) {
            free(open->lesson);
        }
    }
    for (int32_t i = 0; i <= self->fleet.replicas && self->links != NULL; i++) {
        ms_link_free(&self->links[i]);
    }
    free(self->links);
    ms_instances_free(&self->instances);
    ms_fleet_free(&self->fleet);
    ms_feature_rows_free(&self->features);
    ms_heap_free(&self->heap);
    ms_timeline_free(&self->timeline);
    ms_store_free(&self->opens);
    ms_store_free(&self->jobs);
    free(self->desks);
    free(self->loads);
    free(self->destinations);
    free(self->lesson);
    free(self->sent);
    free(self->uniforms);
    free(self->busy_s);
    free(self->idle_s);
    free(self->rented_s);
    free(self->breakdowns);
    free(self->prompt_memo);
    *self = (ms_run){0};
}

int ms_run_plan_breakdowns(ms_run *self, int32_t n)
{
    self->breakdowns = calloc((size_t)n + 1, sizeof *self->breakdowns);
    self->n_breakdowns = n;
    return self->breakdowns != NULL ? 0 : MS_ERR_MEMORY;
}

int ms_run_put(ms_run *self, double time_s, uint64_t order, uint64_t suborder, enum ms_errand errand,
                void *subject, int32_t detail)
{
    ms_event *event = ms_heap_push(&self->heap, time_s, order, suborder);
    if (event == NULL) {
        return MS_ERR_MEMORY;
    }
    event->subject = subject;
    event->errand = (int32_t)errand;
    event->detail = detail;
    return 0;
}

int ms_run_illegal(ms_run *self, int64_t request, int64_t plan, int error)
{
    self->error_request = request;
    self->error_plan = plan;
    return error;
}

void ms_run_measure(ms_run *self)
{
    for (int32_t p = 0; p < self->fleet.pools; p++) {
        self->busy_s[p] = ms_meters_busy_s(&self->fleet, p, self->now_s);
        self->idle_s[p] = ms_meters_idle_s(&self->fleet, p, self->now_s);
        self->rented_s[p] = ms_meters_rented_s(&self->fleet, p, self->now_s);
    }
    /* nothing is summed up here: it does not matter how often it is measured */
    self->router_used_s = self->router_worked_s + (double)self->router_at_work * (self->now_s - self->router_since_s);
}

void ms_run_work(ms_run *self, int64_t change)
{
    self->router_worked_s += (double)self->router_at_work * (self->now_s - self->router_since_s);
    self->router_since_s = self->now_s;
    self->router_at_work += change;
}

void ms_run_count(ms_run *self, int64_t change)
{
    self->in_system_integral += (double)self->in_system * (self->now_s - self->in_system_since_s);
    self->in_system_since_s = self->now_s;
    self->in_system += change;
}

void ms_run_link(ms_run *self, ms_open *open)
{
    open->previous = self->newest;
    open->next = NULL;
    if (self->newest != NULL) {
        self->newest->next = open;
    } else {
        self->oldest = open;
    }
    self->newest = open;
    self->open_count++;
}

void ms_run_unlink(ms_run *self, ms_open *open)
{
    if (open->previous != NULL) {
        open->previous->next = open->next;
    } else {
        self->oldest = open->next;
    }
    if (open->next != NULL) {
        open->next->previous = open->previous;
    } else {
        self->newest = open->previous;
    }
    self->open_count--;
}

void ms_run_forget_when_done(ms_run *self, ms_open *open)
{
    if (open->closed && open->labels_under_way == 0 && open->errands == 0) {
        ms_store_give(&self->opens, open);
    }
}
