#include "loop.h"

#include <math.h>
#include <stdlib.h>

#include "clients.h"
#include "draw.h"
#include "error.h"
#include "labels.h"

#define TRY(call)            \
    do {                     \
        const int error_ = (call); \
        if (error_ < 0) {    \
            return error_;   \
        }                    \
    } while (0)

/* ---- building --------------------------------------------------------------------------------------- */

int ms_loop_init(ms_loop *self, const ms_loop_config *config, const double *alphas, double discount,
                 int64_t window, int32_t pools, const ms_pool_plan *plans, int32_t dispatch,
                 const ms_stream *dispatch_streams)
{
    *self = (ms_loop){.config = *config, .error_request = -1};
    const size_t m = (size_t)config->models;
    ms_store_init(&self->opens, ms_open_bytes(config->models, config->uniforms, config->raters_err));
    ms_store_init(&self->jobs, sizeof(ms_job));
    self->loads = calloc(m, sizeof(double));
    self->lesson = calloc((size_t)config->features + m, sizeof(double));
    self->sent = calloc(m, 1);
    self->uniforms = calloc((size_t)config->uniforms + 1, sizeof(double));
    self->busy_s = calloc((size_t)pools + 1, sizeof(double));
    self->idle_s = calloc((size_t)pools + 1, sizeof(double));
    if (self->loads == NULL || self->lesson == NULL || self->sent == NULL || self->uniforms == NULL ||
        self->busy_s == NULL || self->idle_s == NULL) {
        return MS_ERR_MEMORY;
    }
    TRY(ms_timeline_init(&self->timeline, pools, config->length));
    TRY(ms_instances_init(&self->instances, config->instances, config->models, config->tenants,
                          config->needs_features ? config->features : 0, alphas, discount, window));
    return ms_fleet_init(&self->fleet, pools, plans, config->models, dispatch, dispatch_streams);
}

void ms_loop_free(ms_loop *self)
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
    ms_instances_free(&self->instances);
    ms_fleet_free(&self->fleet);
    ms_heap_free(&self->heap);
    ms_timeline_free(&self->timeline);
    ms_store_free(&self->opens);
    ms_store_free(&self->jobs);
    free(self->loads);
    free(self->lesson);
    free(self->sent);
    free(self->uniforms);
    free(self->busy_s);
    free(self->idle_s);
    free(self->breakdowns);
    *self = (ms_loop){0};
}

int ms_loop_plan_breakdowns(ms_loop *self, int32_t n)
{
    self->breakdowns = calloc((size_t)n + 1, sizeof *self->breakdowns);
    self->n_breakdowns = n;
    return self->breakdowns != NULL ? 0 : MS_ERR_MEMORY;
}

int ms_loop_put(ms_loop *self, double time_s, uint64_t order, uint64_t suborder, enum ms_errand errand,
                void *subject, int32_t detail)
{
    const ms_event event = {{time_s, order, suborder}, subject, (int32_t)errand, detail};
    return ms_heap_push(&self->heap, &event);
}

static double exponential(const ms_stream *stream, int64_t index)
{
    double x;
    ms_draw_exponential(stream, 0, (uint64_t)index, 1, &x);
    return x;
}

static int await_failure(ms_loop *self, ms_breakdown *breakdown)
{
    if (breakdown->random) {
        breakdown->time_s += self->config.mtbf_s * exponential(&breakdown->fails, breakdown->count);
    }
    return ms_loop_put(self, breakdown->time_s, ms_order(MS_ENDS, breakdown->replica), 1, MS_DO_FAIL, breakdown, 0);
}

static int client_asks_at(ms_loop *self, int64_t client, double time_s)
{
    return ms_loop_put(self, time_s, ms_order(MS_ARRIVES, client), 0, MS_DO_CLIENT, NULL, (int32_t)client);
}

/* The k-th is at k * reconcile_s. */
static int await_reconciliation(ms_loop *self)
{
    const double time_s = (double)(self->instances.reconciliations + 1) * self->config.reconcile_s;
    return ms_loop_put(self, time_s, ms_order(MS_RECONCILES, 0), 0, MS_DO_RECONCILE, NULL, 0);
}

int ms_loop_begin(ms_loop *self)
{
    if (self->config.reconcile_s < INFINITY) {
        TRY(await_reconciliation(self));
    }
    for (int32_t i = 0; i < self->n_breakdowns; i++) {
        TRY(await_failure(self, &self->breakdowns[i]));
    }
    for (int64_t client = 0; client < self->config.clients; client++) {
        TRY(client_asks_at(self, client, 0.0));
    }
    return 0;
}

int ms_loop_illegal(ms_loop *self, int64_t request, int64_t plan, int error)
{
    self->error_request = request;
    self->error_plan = plan;
    return error;
}

/* ---- the requests in the system ----------------------------------------------------------------------- */

static int has_servers(const ms_loop *self)
{
    return self->fleet.pools > 0;
}

static void count_in_system(ms_loop *self, int64_t change)
{
    self->in_system_integral += (double)self->in_system * (self->now_s - self->in_system_since_s);
    self->in_system_since_s = self->now_s;
    self->in_system += change;
}

static void link_open(ms_loop *self, ms_open *open)
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

static void unlink_open(ms_loop *self, ms_open *open)
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

void ms_loop_forget_when_done(ms_loop *self, ms_open *open)
{
    if (open->closed && open->labels_under_way == 0 && open->errands == 0) {
        ms_store_give(&self->opens, open);
    }
}

/* No copy is under way any more: the record stands, or what it cost goes to the next attempt. */
static void put_down(ms_loop *self, ms_open *open)
{
    ms_open *heir = open->heir;
    unlink_open(self, open);
    if (heir == NULL) {
        ms_open_put_down(open);
    } else {
        ms_open_pass_on(open);
    }
    ms_loop_forget_when_done(self, open);
    if (heir != NULL) {
        ms_loop_drop_copy(self, heir);
    }
}

void ms_loop_drop_copy(ms_loop *self, ms_open *open)
{
    open->copies--;
    if (open->copies == 0) {
        put_down(self, open);
    }
}

/* ---- copies --------------------------------------------------------------------------------------------- */

static double price(const ms_loop *self, const ms_job *job)
{
    if (job->replica < 0) {
        return 0.0;
    }
    const ms_pool_plan *plan = &self->fleet.pool[self->fleet.pool_of[job->replica]].plan;
    if (!plan->is_api) {
        return job->usage_s * plan->usd_per_s;
    }
    if (job->finish_s != job->finish_s) {
        return 0.0; /* an outage ended it: providers charge for answers */
    }
    const double prompt = plan->usd_per_million_prompt_tokens * (double)job->prompt_tokens;
    return (prompt + plan->usd_per_million_output_tokens * (double)job->output_tokens) / 1e6;
}

/* Charges a copy for what it has used; returns its cost. */
static double charge(ms_loop *self, ms_open *open, const ms_job *job)
{
    double energy_j = job->energy_j, cost;
    if (!has_servers(self)) {
        cost = open->page->view.known_costs[job->model * open->page->n + open->i];
        energy_j = self->config.in_usd ? 0.0 : cost;
    } else {
        cost = self->config.in_usd ? price(self, job) : energy_j;
    }
    self->paid_j += energy_j;
    ms_open_pay(open, job->model, energy_j, cost);
    return cost;
}

static void saw(ms_open *open, const ms_job *job)
{
    ms_open_saw(open, job->replica, job->preemptions, job->start_s, job->first_token_s);
}

int ms_loop_release_client(ms_loop *self, ms_open *open)
{
    open->answered = 1;
    if (open->client < 0) {
        return 0;
    }
    double pause_s = self->config.think_s;
    if (self->config.think_is_exponential) {
        pause_s *= exponential(&self->config.think, open->request);
    }
    return client_asks_at(self, open->client, self->now_s + pause_s);
}

/* A copy has left its server. */
static void leave(ms_loop *self, ms_job *job)
{
    ms_open *open = job->owner;
    ms_open_drop(open, job);
    ms_store_give(&self->jobs, job);
    ms_loop_drop_copy(self, open);
}

int ms_loop_abandon(ms_loop *self, ms_job *job)
{
    ms_open *open = job->owner;
    charge(self, open, job);
    count_in_system(self, -1);
    if (job->model == open->seen) {
        saw(open, job);
    }
    TRY(ms_labels_miss(self, open));
    leave(self, job);
    return 0;
}

/* Chains: asks the next model, if there is one. Only the last answer is the user's. */
static int goes_on(ms_loop *self, ms_open *open, const ms_job *job, int *on)
{
    const int32_t models = self->config.models;
    const ms_policy *policy = &open->brain->policy;
    *on = 0;
    int64_t following =
        policy->finish(open->request, open->stage, open->tenant, job->model, models, ms_open_scores(open, models),
                       ms_open_costs(open, models), ms_open_facts(open, models), ms_open_uniforms(open, models),
                       policy->params, policy->state);
    if (following < 0 || following > models) {
        return ms_loop_illegal(self, open->request, following, MS_ERR_NEXT);
    }
    if (following < models && open->stage + 1 >= MS_CHAIN_MOST) {
        return ms_loop_illegal(self, open->request, following, MS_ERR_CHAIN);
    }
    following = ms_brain_substitute(following, models, ms_open_costs(open, models));
    *on = following != models;
    if (!*on) {
        return 0;
    }
    saw(open, job);
    open->exploration_cost = open->cost;
    open->unlabelled--;
    open->stage++;
    open->seen = (int32_t)following;
    open->score = open->brain->predictor != NULL ? ms_open_scores(open, models)[following] : NAN;
    return ms_loop_put(self, self->now_s, ms_order(MS_RETRIES, open->request), (uint64_t)following, MS_DO_CHAIN, open,
               (int32_t)following);
}

/* A copy is complete. */
static int finished(ms_loop *self, ms_job *job)
{
    ms_open *open = job->owner;
    const int32_t model = job->model;
    if (open->gone) {
        return ms_loop_abandon(self, job);
    }
    const double cost = charge(self, open, job);
    ms_brain_learn_cost(open->brain, model, cost, open->explored);
    if (has_servers(self)) {
        count_in_system(self, -1);
    }
    if (open->plan & MS_PLAN_CHAIN) {
        int on;
        TRY(goes_on(self, open, job, &on));
        if (on) {
            ms_open_drop(open, job);
            ms_store_give(&self->jobs, job);
            return 0;
        }
    }
    if (model == open->seen) {
        open->status = MS_COMPLETED;
        saw(open, job);
        open->finish_s = job->finish_s;
    }
    if (!open->at_once) {
        TRY(ms_labels_send(self, open, model));
    } else if (ms_labels_hears(self, open, model)) {
        open->feedback_s = open->arrival_s;
    }
    if (model == open->seen) {
        TRY(ms_loop_release_client(self, open));
    }
    leave(self, job);
    return 0;
}

/* A copy is turned away, or lost with its replica. */
static int lose(ms_loop *self, ms_job *job, int rejected)
{
    ms_open *open = job->owner;
    const int32_t model = job->model;
    if (open->gone) {
        return ms_loop_abandon(self, job);
    }
    charge(self, open, job);
    count_in_system(self, -1);
    if (model == open->seen) {
        saw(open, job);
        TRY(ms_clients_get_none(self, open, rejected ? MS_REJECTED : MS_LOST));
        self->labels_of_lost += !rejected && open->at_once && ms_labels_hears(self, open, model);
    }
    if (rejected || !open->at_once) {
        TRY(ms_labels_miss(self, open));
    }
    leave(self, job);
    return 0;
}

static int call_api(ms_loop *self, ms_job *job)
{
    const uint64_t suborder = 3 + (uint64_t)job->request;
    return ms_loop_put(self, job->finish_s, ms_order(MS_ENDS, job->replica), suborder, MS_DO_API, job, 0);
}

/* Sends a copy to its model's servers. */
static int place(ms_loop *self, ms_open *open, int32_t model, int *placed)
{
    const ms_page *page = open->page;
    ms_job *job = ms_store_take(&self->jobs);
    if (job == NULL) {
        return MS_ERR_MEMORY;
    }
    ms_job_init(job, open->request, model, page->prompt_tokens[open->i],
                page->output_tokens != NULL ? page->output_tokens[model * page->n + open->i] : 0);
    job->attempt = open->attempt << 16; /* leaves room for failures */
    job->owner = open;
    job->sibling = open->jobs;
    open->jobs = job;
    *placed = 1;
    if (!has_servers(self)) {
        job->start_s = job->first_token_s = job->finish_s = self->now_s;
        return finished(self, job);
    }
    count_in_system(self, 1);
    const int how = ms_fleet_place(&self->fleet, job, self->config.max_waiting, self->now_s);
    TRY(how);
    if (how == MS_CALLS_API) {
        return call_api(self, job);
    }
    *placed = how != MS_TURNED_AWAY;
    return *placed ? 0 : lose(self, job, 1);
}

/* Places copies from model `first` to `last`, those that can be had; where labels are immediate, they are in before
 * anyone else is routed. */
static int send(ms_loop *self, ms_open *open, int32_t first, int32_t last)
{
    uint8_t *sent = self->sent;
    for (int32_t m = first; m <= last; m++) {
        sent[m] = first == last || ms_brain_can_have(open->brain, m);
        open->copies += sent[m];
        open->unlabelled += sent[m];
    }
    open->copies++; /* one more keeps the record open until all copies are placed */
    for (int32_t m = first; m <= last; m++) {
        int placed = 0;
        if (sent[m]) {
            TRY(place(self, open, m, &placed));
        }
        sent[m] = (uint8_t)placed;
    }
    for (int32_t m = first; m <= last && open->at_once; m++) {
        if (sent[m]) {
            TRY(ms_labels_give(self, open, m));
        }
    }
    ms_loop_drop_copy(self, open);
    return 0;
}

/* ---- routing -------------------------------------------------------------------------------------------- */

static void sample(ms_loop *self, int64_t request)
{
    ms_sample now = {.request = request,
                     .time_s = self->now_s,
                     .certificate = ms_instances_certificate(&self->instances),
                     .explored = self->explored};
    for (int32_t k = 0; k < self->config.tenants; k++) {
        now.queue += self->instances.delivered[k].queue;
        now.queue_tracked += ms_instances_tracked(&self->instances, k).queue;
    }
    const int32_t row = ms_timeline_add(&self->timeline, &now);
    for (int32_t p = 0; p < self->fleet.pools && row >= 0; p++) {
        const int32_t at = row * self->fleet.pools + p;
        self->timeline.in_system[at] = self->fleet.pool[p].unfinished;
        self->timeline.energy_j[at] = ms_fleet_energy_j(&self->fleet, p, self->now_s);
    }
}

static int check_plan(ms_loop *self, const ms_brain *brain, int64_t request, int64_t plan)
{
    if (plan < 0) {
        return ms_loop_illegal(self, request, plan, MS_ERR_POLICY);
    }
    const int64_t flags = plan & (MS_PLAN_ALL | MS_PLAN_CHAIN | MS_PLAN_EXPLORE);
    const int single = (flags & (flags - 1)) == 0;
    const int can_chain = flags != MS_PLAN_CHAIN || brain->policy.finish != NULL;
    const int legal = (plan & ~flags) < self->config.models && single && can_chain;
    return legal ? 0 : ms_loop_illegal(self, request, plan, MS_ERR_PLAN);
}

static void look_at_loads(ms_loop *self)
{
    for (int32_t m = 0; m < self->config.models && self->config.needs_loads; m++) {
        self->loads[m] = ms_fleet_load(&self->fleet, m);
    }
}

/* Copied and then filled in where it stays, as a new job is (job.c). */
static const ms_open BEGUN = {
    .replica = -1, .status = MS_IN_FLIGHT, .feedback_s = NAN, .start_s = NAN, .first_token_s = NAN, .finish_s = NAN};

/* A new attempt of the i-th request of a page, whose plan is made: its copies set off. `before` is the attempt before,
 * or NULL; `client` waits for the answer, -1: nobody. */
static int begin(ms_loop *self, ms_brain *brain, ms_page *page, int64_t i, int64_t plan, double queue, ms_open *before,
                 int32_t client)
{
    const int64_t request = page->first + i;
    TRY(check_plan(self, brain, request, plan));
    plan = ms_brain_destined(plan, self->config.models, brain->costs);
    ms_open *open = ms_store_take(&self->opens);
    if (open == NULL) {
        return MS_ERR_MEMORY;
    }
    const int everyone = plan == MS_PLAN_ALL;
    const int32_t seen = (int32_t)(everyone ? ms_brain_destined(self->config.reference, self->config.models, brain->costs)
                                            : plan & MS_PLAN_MODEL);
    *open = BEGUN;
    open->request = request;
    open->i = i;
    open->page = page;
    open->brain = brain;
    open->plan = plan;
    open->tenant = page->tenant[i];
    open->seen = seen;
    open->attempt = before != NULL ? before->attempt + 1 : 0;
    open->copies = before != NULL;
    open->client = client;
    open->explored = (plan & (MS_PLAN_ALL | MS_PLAN_EXPLORE)) != 0;
    open->explored_before = before != NULL && (before->explored || before->explored_before);
    open->rated = page->feedback_uniform == NULL || page->feedback_uniform[i] < self->config.feedback_probability;
    open->at_once = !self->config.keeps_delays && !(plan & MS_PLAN_CHAIN);
    open->silent = open->at_once && self->config.raters_err && isnan(page->labels[seen * page->n + i]);
    open->arrival_s = before != NULL ? before->arrival_s : self->now_s;
    open->queue = queue;
    open->score = brain->predictor != NULL ? brain->scores[seen] : NAN;
    self->attempts++;
    self->explored += open->explored && !open->explored_before;
    self->rated += open->rated && before == NULL;
    if (!open->at_once) {
        ms_labels_keep(self, open);
    }
    if (open->rated && (open->explored || self->config.learns_every_answer)) {
        TRY(ms_labels_begin_lesson(self, open));
    }
    if (before != NULL) {
        before->heir = open;
    }
    const int32_t first = everyone ? 0 : seen, last = everyone ? self->config.models - 1 : seen;
    if (ms_labels_end_at_once(self, open)) {
        return ms_labels_answer_at_once(self, open, first, last);
    }
    link_open(self, open);
    TRY(ms_clients_wait(self, open));
    return send(self, open, first, last);
}

/* Decides the next request of the page, and sends its copies off. `client` waits for it; -1: nobody. */
static int route(ms_loop *self, int32_t client)
{
    ms_page *page = self->page;
    const int64_t i = self->next++, request = page->first + i;
    const int32_t tenant = page->tenant[i];
    self->issued++;
    self->last_arrival_s = self->now_s;
    if (ms_timeline_due(&self->timeline, request)) {
        sample(self, request);
    }
    look_at_loads(self);
    ms_brain *brain = &self->instances.brain[page->instance != NULL ? page->instance[i] : 0];
    const double queue = brain->tracked[tenant].queue;
    const int64_t plan = ms_brain_decide(brain, &page->view, i, request, tenant, self->loads);
    return begin(self, brain, page, i, plan, queue, NULL, client);
}

int ms_loop_route_again(ms_loop *self, ms_open *before, const double *uniforms)
{
    ms_page *page = before->page;
    look_at_loads(self);
    ms_brain *brain = before->brain;
    const double queue = brain->tracked[before->tenant].queue;
    const int64_t plan = ms_brain_decide_again(brain, &page->view, before->i, before->request, before->tenant,
                                               self->loads, uniforms);
    return begin(self, brain, page, before->i, plan, queue, before, before->client);
}

/* Utilisation and idle energy are measured to the last arrival. */
void ms_loop_no_more(ms_loop *self)
{
    self->arrivals_over = 1;
    for (int32_t p = 0; p < self->fleet.pools; p++) {
        self->busy_s[p] = ms_fleet_busy_s(&self->fleet, p, self->now_s);
        self->idle_s[p] = ms_fleet_idle_s(&self->fleet, p, self->now_s);
    }
}

void ms_loop_turn_page(ms_loop *self, ms_page *page)
{
    self->page = page;
    self->next = 0;
    ms_instances_turn_page(&self->instances);
}

static int page_is_over(const ms_loop *self)
{
    return self->page == NULL || self->next == self->page->n;
}

static int client_asks(ms_loop *self, int32_t client)
{
    if (self->issued == self->config.length) {
        return 0;
    }
    TRY(route(self, client));
    if (self->issued == self->config.length) {
        ms_loop_no_more(self);
    }
    return 0;
}

/* ---- failures ------------------------------------------------------------------------------------------- */

static int job_order(const void *left, const void *right)
{
    const ms_job *a = *(ms_job *const *)left, *b = *(ms_job *const *)right;
    if (a->request != b->request) {
        return a->request < b->request ? -1 : 1;
    }
    if (a->model != b->model) {
        return a->model < b->model ? -1 : 1;
    }
    return a->attempt < b->attempt ? -1 : a->attempt > b->attempt;
}

/* A failed replica's request begins again from its prompt, keeps its first times and what it has paid. */
static int retry_or_lose(ms_loop *self, ms_job *job)
{
    const ms_open *open = job->owner;
    if (self->config.lose_on_failure || open->gone) {
        return lose(self, job, 0);
    }
    job->generated_tokens = 0;
    job->attempt++;
    return ms_loop_put(self, self->now_s, ms_order(MS_RETRIES, job->request), (uint64_t)job->model, MS_DO_RETRY, job, 0);
}

static int expect_progress(ms_loop *self)
{
    const int64_t progress = 2 * self->issued - self->open_count;
    if (progress != self->progress_seen) {
        self->progress_seen = progress;
        self->failures_in_vain = 0;
    }
    return ++self->failures_in_vain > MS_MOST_FAILURES_IN_VAIN ? MS_ERR_IN_VAIN : 0;
}

/* The calls that an API's outage ends. One that is complete at this very instant goes through. */
static void cut_calls(ms_loop *self, int32_t replica, ms_queue *evicted)
{
    const int64_t n = ms_heap_withdraw(&self->heap, MS_DO_API, ms_order(MS_ENDS, replica), self->now_s);
    for (int64_t i = 0; i < n; i++) {
        ms_job *job = self->heap.events[self->heap.length + i].subject;
        ms_job_cut_off(job, self->now_s);
        ms_queue_push_tail(evicted, job);
    }
}

static int fail(ms_loop *self, ms_breakdown *breakdown)
{
    TRY(expect_progress(self));
    ms_queue evicted = {0};
    if (ms_fleet_is_api(&self->fleet, breakdown->replica)) {
        cut_calls(self, breakdown->replica, &evicted);
    }
    ms_fleet_fail(&self->fleet, breakdown->replica, self->now_s, &evicted);
    const int64_t n = evicted.length;
    ms_job **jobs = malloc((size_t)(n + 1) * sizeof *jobs);
    if (jobs == NULL) {
        return MS_ERR_MEMORY;
    }
    for (int64_t i = 0; i < n; i++) {
        jobs[i] = ms_queue_pop(&evicted);
    }
    qsort(jobs, (size_t)n, sizeof(ms_job *), job_order);
    self->fleet.pool[self->fleet.pool_of[breakdown->replica]].unfinished -= n;
    int error = 0;
    for (int64_t i = 0; i < n && error == 0; i++) {
        error = retry_or_lose(self, jobs[i]);
    }
    free(jobs);
    TRY(error);
    breakdown->time_s += breakdown->random
                             ? self->config.mttr_s * exponential(&breakdown->mends, breakdown->count)
                             : breakdown->for_s;
    return ms_loop_put(self, breakdown->time_s, ms_order(MS_ENDS, breakdown->replica), 2, MS_DO_REPAIR, breakdown, 0);
}

/* Places a copy again that a failure hit. Where an API takes over, what the failed replica drew is paid at once: no server
 * could tell when the run is cut. Where the model's APIs are down and it has no replicas, the copy is lost. */
static int retry(ms_loop *self, ms_job *job)
{
    const int how = ms_fleet_place(&self->fleet, job, -1, self->now_s);
    if (how == MS_TURNED_AWAY) {
        return lose(self, job, 0);
    }
    if (how != MS_CALLS_API) {
        return how;
    }
    self->paid_j += job->energy_j;
    ms_open_pay(job->owner, job->model, job->energy_j, 0.0);
    job->energy_j = 0.0;
    return call_api(self, job);
}

static int repair(ms_loop *self, ms_breakdown *breakdown)
{
    ms_queue held = {0};
    ms_fleet_repair(&self->fleet, breakdown->replica, self->now_s, &held);
    for (ms_job *job = ms_queue_pop(&held); job != NULL; job = ms_queue_pop(&held)) {
        TRY(retry(self, job));
    }
    if (!breakdown->random) {
        return 0;
    }
    breakdown->count++;
    return await_failure(self, breakdown);
}

/* ---- the loop --------------------------------------------------------------------------------------------- */

/* Whether anything but this replica's start is left at this instant. */
static int something_else_happens_now(const ms_loop *self, int32_t replica)
{
    const double now_s = self->now_s;
    if (self->heap.length > 0 && self->heap.events[0].when.time_s <= now_s) {
        return 1;
    }
    if (self->page->arrival_s != NULL && (page_is_over(self) || self->page->arrival_s[self->next] <= now_s)) {
        return 1; /* the next page may begin with an arrival at this very instant */
    }
    return ms_tournament_rival(&self->fleet.moments, replica) <= now_s;
}

static int boundary(ms_loop *self, int32_t replica)
{
    ms_queue done = {0};
    TRY(ms_fleet_finish(&self->fleet, replica, &done));
    for (ms_job *job = ms_queue_pop(&done); job != NULL; job = ms_queue_pop(&done)) {
        self->fleet.pool[self->fleet.pool_of[replica]].unfinished--;
        TRY(finished(self, job));
    }
    if (something_else_happens_now(self, replica)) {
        ms_fleet_start_later(&self->fleet, replica, self->now_s);
        return 0;
    }
    return ms_fleet_start(&self->fleet, replica, self->now_s);
}

enum source { FROM_REPLICAS, FROM_HEAP, FROM_PAGE };

static enum source first_of(const ms_loop *self, ms_moment *when);

/* With nothing learnt since the last one, those that would come before anything else happens are left out. */
static int reconcile(ms_loop *self)
{
    ms_instances *instances = &self->instances;
    const int64_t learnt = ms_instances_learnt(instances);
    if (learnt != instances->reconciled) {
        instances->reconciled = learnt;
        ms_instances_reconcile(instances);
        return await_reconciliation(self);
    }
    instances->reconciliations++;
    ms_moment next;
    first_of(self, &next);
    const double periods = next.time_s / self->config.reconcile_s;
    if (periods < 0x1p62 && instances->reconciliations < (int64_t)periods - 2) {
        instances->reconciliations = (int64_t)periods - 2; /* never too many: the quotient is rounded */
    }
    return await_reconciliation(self);
}

static int run_errand(ms_loop *self, const ms_event *event)
{
    switch ((enum ms_errand)event->errand) {
    case MS_DO_LABEL:
        return ms_labels_deliver(self, event->subject, event->detail);
    case MS_DO_RETRY:
        return retry(self, event->subject);
    case MS_DO_CHAIN: {
        ms_open *open = event->subject;
        open->copies--;
        return send(self, open, event->detail, event->detail);
    }
    case MS_DO_GIVE_UP:
        return ms_clients_give_up(self, event->subject);
    case MS_DO_TRY_AGAIN:
        return ms_clients_try_again(self, event->subject);
    case MS_DO_FAIL:
        return fail(self, event->subject);
    case MS_DO_REPAIR:
        return repair(self, event->subject);
    case MS_DO_API: {
        ms_job *job = event->subject;
        ms_fleet_finish_api(&self->fleet, job);
        return finished(self, job);
    }
    case MS_DO_CLIENT:
        return client_asks(self, event->detail);
    case MS_DO_RECONCILE:
        return reconcile(self);
    }
    return MS_ERR_TIME;
}

static int is_over(const ms_loop *self)
{
    return self->arrivals_over && self->open_count == 0 && self->labels_to_come == 0;
}

/* Which of the three comes first, and when. An infinite time: nothing is left. */
static enum source first_of(const ms_loop *self, ms_moment *when)
{
    enum source source = FROM_REPLICAS;
    const ms_tournament *moments = &self->fleet.moments;
    const int32_t replica = ms_tournament_best(moments);
    *when = (ms_moment){moments->values[replica], moments->orders[replica], 0};
    if (self->heap.length > 0 && ms_before(&self->heap.events[0].when, when)) {
        *when = self->heap.events[0].when;
        source = FROM_HEAP;
    }
    if (!page_is_over(self) && self->page->arrival_s != NULL) {
        const ms_moment arrival = {self->page->arrival_s[self->next],
                                   ms_order(MS_ARRIVES, self->page->first + self->next), 0};
        if (ms_before(&arrival, when)) {
            *when = arrival;
            source = FROM_PAGE;
        }
    }
    return source;
}

static int handle(ms_loop *self, enum source source, const ms_moment *when)
{
    if (source == FROM_PAGE) {
        return route(self, -1);
    }
    if (source == FROM_REPLICAS) {
        const int32_t replica = (int32_t)ms_whom(when->order);
        return ms_kind_of(when->order) == MS_ENDS ? boundary(self, replica)
                                                  : ms_fleet_start(&self->fleet, replica, self->now_s);
    }
    const ms_event event = self->heap.events[0];
    ms_heap_pop(&self->heap);
    return run_errand(self, &event);
}

/* An open-loop page is turned as soon as it is over; a closed loop's when somebody asks. */
static int needs_page(const ms_loop *self, enum source source)
{
    if (!page_is_over(self) || self->arrivals_over) {
        return 0;
    }
    if (self->config.clients == 0) {
        return 1;
    }
    return source == FROM_HEAP && self->heap.events[0].errand == MS_DO_CLIENT &&
           self->issued != self->config.length;
}

int ms_loop_run(ms_loop *self, int64_t budget)
{
    for (int64_t handled = 0; handled < budget; handled++) {
        if (is_over(self)) {
            return MS_LOOP_OVER;
        }
        ms_moment when;
        const enum source source = first_of(self, &when);
        if (needs_page(self, source)) {
            return MS_LOOP_NEEDS_PAGE;
        }
        if (!(when.time_s <= self->config.horizon_s) || when.time_s == INFINITY) {
            return MS_LOOP_OVER;
        }
        self->now_s = when.time_s;
        self->events++;
        TRY(handle(self, source, &when));
    }
    return MS_LOOP_PAUSED;
}

void ms_loop_cut(ms_loop *self)
{
    self->now_s = self->config.horizon_s;
    if (!self->arrivals_over) {
        self->last_arrival_s = self->now_s; /* clients who never stop: measured to the horizon */
        ms_loop_no_more(self);
    }
    for (int32_t m = 0; m < self->config.models && has_servers(self); m++) {
        ms_queue jobs = {0};
        ms_fleet_withdraw(&self->fleet, m, self->now_s, &jobs);
        for (ms_job *job = ms_queue_pop(&jobs); job != NULL; job = ms_queue_pop(&jobs)) {
            ms_open *open = job->owner;
            charge(self, open, job);
            if (job->model == open->seen) {
                saw(open, job);
            }
        }
    }
    count_in_system(self, -self->in_system);
    while (self->oldest != NULL) {
        ms_open *open = self->oldest;
        if (open->lesson != NULL && open->labels_under_way == 0) {
            ms_labels_end_lesson(self, open);
        }
        put_down(self, open);
    }
}
