#include "attempts.h"

#include <math.h>

#include "clients.h"
#include "copies.h"
#include "draw.h"
#include "error.h"
#include "labels.h"

/* ---- deciding ------------------------------------------------------------------------------------------- */

static void sample(ms_run *run, int64_t request)
{
    ms_sample now = {.request = request,
                     .time_s = run->now_s,
                     .certificate = ms_instances_certificate(&run->instances),
                     .explored = run->explored};
    for (int32_t k = 0; k < run->config.tenants; k++) {
        now.queue += run->instances.delivered[k].queue;
        now.queue_tracked += ms_instances_tracked(&run->instances, k).queue;
    }
    const int32_t row = ms_timeline_add(&run->timeline, &now);
    for (int32_t p = 0; p < run->fleet.pools && row >= 0; p++) {
        const int32_t at = row * run->fleet.pools + p;
        run->timeline.in_system[at] = run->fleet.pool[p].unfinished;
        run->timeline.energy_j[at] = ms_fleet_energy_j(&run->fleet, p, run->now_s);
    }
}

static int check_plan(ms_run *run, const ms_brain *brain, int64_t request, int64_t plan)
{
    if (plan < 0) {
        return ms_run_illegal(run, request, plan, MS_ERR_POLICY);
    }
    const int64_t flags = plan & (MS_PLAN_ALL | MS_PLAN_CHAIN | MS_PLAN_EXPLORE);
    const int single = (flags & (flags - 1)) == 0;
    const int can_chain = flags != MS_PLAN_CHAIN || brain->policy.finish != NULL;
    const int legal = (plan & ~flags) < run->config.models && single && can_chain;
    return legal ? 0 : ms_run_illegal(run, request, plan, MS_ERR_PLAN);
}

static void look_at_loads(ms_run *run)
{
    for (int32_t m = 0; m < run->config.models && run->config.needs_loads; m++) {
        run->loads[m] = ms_fleet_load(&run->fleet, m);
    }
}

/* ---- requests that are over at once: without servers, with immediate labels and nobody who loses patience ----
 *
 * Their copies need no job, no place in the list of open requests and no errand; what is summed up, and in which
 * order, is the same. */

static int ends_at_once(const ms_run *run, const ms_open *open)
{
    return run->fleet.pools == 0 && open->at_once && run->config.patience.wait.law == MS_WAITS_FOREVER;
}

static void answer_by_one(ms_run *run, ms_open *open, int32_t model)
{
    const double cost = open->page->view.known_costs[model * open->page->n + open->i];
    const double energy_j = run->config.in_usd ? 0.0 : cost;
    run->paid_j += energy_j;
    ms_open_pay(open, model, energy_j, cost);
    ms_brain_learn_cost(open->brain, model, cost, open->explored);
    open->unlabelled++;
    if (model == open->seen) {
        open->status = MS_COMPLETED;
        open->start_s = open->first_token_s = open->finish_s = run->now_s;
        open->feedback_s = ms_labels_hears(run, open, model) ? run->now_s : open->feedback_s;
    }
}

static int answer_by(ms_run *run, ms_open *open, int32_t first, int32_t last)
{
    const int has_one = first == last;
    for (int32_t m = first; m <= last; m++) {
        if (has_one || ms_brain_can_have(open->brain, m)) {
            answer_by_one(run, open, m);
        }
    }
    int error = open->status == MS_COMPLETED ? ms_clients_release(run, open) : 0;
    for (int32_t m = first; m <= last && error == 0; m++) {
        if (has_one || ms_brain_can_have(open->brain, m)) {
            error = ms_labels_give(run, open, m);
        }
    }
    if (error < 0) {
        return error;
    }
    ms_open_put_down(open);
    ms_store_give(&run->opens, open);
    return 0;
}

/* ---- beginning ------------------------------------------------------------------------------------------ */

/* Copied and then filled in where it stays, as a new job is (job.c). */
static const ms_open BEGUN = {
    .replica = -1, .status = MS_IN_FLIGHT, .feedback_s = NAN, .start_s = NAN, .first_token_s = NAN, .finish_s = NAN};

/* A new attempt of the i-th request of a page, whose plan is made: its copies set off. `before` is the attempt before,
 * or NULL; `client` waits for the answer, -1: nobody. */
static int begin(ms_run *run, ms_brain *brain, ms_page *page, int64_t i, int64_t plan, double queue, ms_open *before,
                 int32_t client)
{
    const int64_t request = page->first + i;
    MS_TRY(check_plan(run, brain, request, plan));
    plan = ms_brain_destined(plan, run->config.models, brain->costs);
    ms_open *open = ms_store_take(&run->opens);
    if (open == NULL) {
        return MS_ERR_MEMORY;
    }
    const int everyone = plan == MS_PLAN_ALL;
    const int32_t seen = (int32_t)(everyone ? ms_brain_destined(run->config.reference, run->config.models, brain->costs)
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
    open->rated = page->feedback_uniform == NULL || page->feedback_uniform[i] < run->config.feedback_probability;
    open->at_once = !run->config.keeps_delays && !(plan & MS_PLAN_CHAIN);
    open->silent = open->at_once && run->config.raters_err && isnan(page->labels[seen * page->n + i]);
    open->arrival_s = before != NULL ? before->arrival_s : run->now_s;
    open->queue = queue;
    open->score = brain->predictor != NULL ? brain->scores[seen] : NAN;
    run->attempts++;
    run->explored += open->explored && !open->explored_before;
    run->rated += open->rated && before == NULL;
    if (!open->at_once) {
        ms_labels_keep(run, open);
    }
    if (open->rated && (open->explored || run->config.learns_every_answer)) {
        MS_TRY(ms_labels_begin_lesson(run, open));
    }
    if (before != NULL) {
        before->heir = open;
    }
    const int32_t first = everyone ? 0 : seen, last = everyone ? run->config.models - 1 : seen;
    if (ends_at_once(run, open)) {
        return answer_by(run, open, first, last);
    }
    ms_run_link(run, open);
    MS_TRY(ms_clients_wait(run, open));
    return ms_copies_send(run, open, first, last);
}

/* A request comes; returns the instance of the router that it comes to. */
static ms_brain *arrive(ms_run *run, const ms_page *page, int64_t i)
{
    const int64_t before = run->issued++;
    run->last_arrival_s = run->now_s;
    if (ms_timeline_due(&run->timeline, before)) {
        sample(run, before);
    }
    look_at_loads(run);
    return &run->instances.brain[page->instance != NULL ? page->instance[i] : 0];
}

/* Decides the next request of the page, and sends its copies off. `client` waits for it; -1: nobody. */
int ms_attempts_route(ms_run *run, int32_t client)
{
    ms_page *page = run->page;
    const int64_t i = ms_page_comes(page, run->next++);
    const int32_t tenant = page->tenant[i];
    ms_brain *brain = arrive(run, page, i);
    const double queue = brain->tracked[tenant].queue;
    const int64_t plan = ms_brain_decide(brain, &page->view, i, page->first + i, tenant, run->loads);
    return begin(run, brain, page, i, plan, queue, NULL, client);
}

int ms_attempts_route_turn(ms_run *run, ms_page *page, int64_t i)
{
    const int32_t tenant = page->tenant[i];
    run->turns_to_come--;
    ms_brain *brain = arrive(run, page, i);
    const double queue = brain->tracked[tenant].queue;
    const double *uniforms = page->view.uniforms + brain->policy.uniforms * i;
    int64_t plan = ms_brain_decide_again(brain, &page->view, i, page->first + i, tenant, run->loads, uniforms);
    const int32_t model = page->turns.model[i];
    if (run->config.keeps_session_model && plan >= 0 && ms_brain_can_have(brain, model)) {
        plan = model;
    }
    MS_TRY(begin(run, brain, page, i, plan, queue, NULL, -1));
    if (run->arrivals_over) {
        ms_run_measure(run);
    }
    return 0;
}

static int route_again(ms_run *run, ms_open *before, const double *uniforms)
{
    ms_page *page = before->page;
    look_at_loads(run);
    ms_brain *brain = before->brain;
    const double queue = brain->tracked[before->tenant].queue;
    const int64_t plan = ms_brain_decide_again(brain, &page->view, before->i, before->request, before->tenant,
                                               run->loads, uniforms);
    return begin(run, brain, page, before->i, plan, queue, before, before->client);
}

/* ---- giving up, and asking again -------------------------------------------------------------------------- */

/* Whether the user reads the answer already. Of a chain nobody sees anything before the last answer is complete. */
static int reads_on(const ms_run *run, const ms_open *open)
{
    if (!run->config.patience.until_first_token || open->plan & MS_PLAN_CHAIN) {
        return 0;
    }
    const ms_job *job = open->jobs;
    while (job != NULL && job->model != open->seen) {
        job = job->sibling;
    }
    return job != NULL && job->first_token_s <= run->now_s;
}

/* Servers stop what nobody waits for: what only queues leaves at once, the rest at the next end of an iteration. */
static int abort_copies(ms_run *run, const ms_open *open)
{
    ms_job *next;
    for (ms_job *job = open->jobs; job != NULL; job = next) {
        int left;
        next = job->sibling;
        ms_fleet_abort(&run->fleet, job, run->now_s, &left);
        if (left) {
            MS_TRY(ms_copies_abandon(run, job));
        }
    }
    return 0;
}

int ms_attempts_give_up(ms_run *run, ms_open *open)
{
    open->errands--;
    if (open->answered || reads_on(run, open)) {
        ms_run_forget_when_done(run, open);
        return 0;
    }
    open->gone = 1;
    MS_TRY(ms_clients_no_answer(run, open, MS_TIMED_OUT));
    if (open->status == MS_TIMED_OUT && run->config.patience.rates_giving_up) {
        MS_TRY(ms_labels_complain(run, open));
    }
    open->copies++; /* keeps it alive while its copies go */
    if (run->config.patience.aborts) {
        MS_TRY(abort_copies(run, open));
    }
    ms_copies_drop(run, open);
    return 0;
}

/* Uniforms of a later attempt: pair k is the block of copy attempt * pairs + k. */
static void draw_uniforms(const ms_run *run, int64_t request, int32_t attempt, double *uniforms)
{
    ms_stream stream = run->config.patience.uniforms;
    const int32_t pairs = run->config.uniforms / 2;
    for (int32_t k = 0; k < pairs; k++) {
        stream.sub = (uint32_t)(attempt * pairs + k);
        ms_draw_uniform_pair(&stream, (uint64_t)request, 1, uniforms + 2 * k);
    }
}

int ms_attempts_try_again(ms_run *run, ms_open *before)
{
    before->errands--;
    draw_uniforms(run, before->request, before->attempt + 1, run->uniforms);
    MS_TRY(route_again(run, before, run->uniforms));
    ms_copies_drop(run, before);
    return 0;
}
