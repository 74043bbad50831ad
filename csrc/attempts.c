#include "attempts.h"

#include <math.h>

#include "clients.h"
#include "copies.h"
#include "destination.h"
#include "dispatch.h"
#include "draw.h"
#include "error.h"
#include "expect.h"
#include "fronts.h"
#include "labels.h"
#include "meters.h"
#include "workers.h"

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
        run->timeline.energy_j[at] = ms_meters_energy_j(&run->fleet, p, run->now_s);
        run->timeline.prompt_tokens[at] = ms_meters_prompt_tokens(&run->fleet, p, &run->timeline.cached_prompt_tokens[at]);
        run->timeline.replicas[3 * at] = run->fleet.pool[p].up;
        run->timeline.replicas[3 * at + 1] = run->fleet.pool[p].loading;
        run->timeline.replicas[3 * at + 2] = run->fleet.pool[p].draining;
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

void ms_attempts_look(ms_run *run)
{
    for (int32_t m = 0; m < run->config.models && run->config.needs_loads; m++) {
        run->loads[m] = ms_meters_load(&run->fleet, m);
    }
}

/* What a decision on a request sees of the servers. Returns 0 or an error. */
static int look_at_servers(ms_run *run, const ms_open *open)
{
    if (!(run->fleet.looks.delay_s > 0.0)) {
        ms_attempts_look(run);
    }
    for (int32_t m = 0; m < run->config.models && run->config.needs_destinations; m++) {
        ms_job job;
        ms_copies_write(open, m, &job);
        MS_TRY(ms_destination_find(&run->fleet, &job, run->config.max_waiting, run->now_s, &run->destinations[m]));
    }
    return 0;
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
    const double cost = open->page->view.known_costs[ms_page_at(open->page, model, open->i)];
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
    MS_TRY(error);
    ms_open_put_down(open);
    ms_store_give(&run->opens, open);
    return 0;
}

/* ---- beginning ------------------------------------------------------------------------------------------ */

/* Copied and then filled in where it stays, as a new job is (job.c). */
static const ms_open BEGUN = {.seen = -1,
                              .replica = -1,
                              .status = MS_IN_FLIGHT,
                              .queue = NAN,
                              .score = NAN,
                              .feedback_s = NAN,
                              .start_s = NAN,
                              .first_token_s = NAN,
                              .finish_s = NAN};

/* A new attempt of the i-th request of a page, undecided. `before` is the attempt before, or NULL; `client` waits for
 * the answer, -1: nobody. Returns NULL without memory. */
static ms_open *arrive(ms_run *run, ms_brain *brain, ms_page *page, int64_t i, ms_open *before, int32_t client)
{
    ms_open *open = ms_store_take(&run->opens);
    if (open == NULL) {
        return NULL;
    }
    ms_store_begin(open, &BEGUN, sizeof *open);
    open->request = page->first + i;
    open->i = i;
    open->page = page;
    open->brain = brain;
    open->tenant = page->tenant[i];
    open->attempt = before != NULL ? before->attempt + 1 : 0;
    open->copies = before != NULL;
    open->client = client;
    open->explored_before = before != NULL && (before->explored || before->explored_before);
    open->rated = page->feedback_uniform == NULL || page->feedback_uniform[i] < run->config.feedback_probability;
    open->arrival_s = before != NULL ? before->arrival_s : run->now_s;
    if (before != NULL) {
        before->heir = open;
    }
    return open;
}

static int has_room(const ms_run *run, const ms_open *open, int64_t model)
{
    const ms_page *page = open->page;
    return open->brain->costs[model] < INFINITY &&
           ms_dispatch_takes(&run->fleet, (int32_t)model, page->prompt_tokens[open->i],
                             ms_page_max_new(page, model, open->i), run->config.max_waiting, run->now_s);
}

/* A plan for one model that takes no more goes to the next that does, a more capable one if there is one; it stays as it
 * is if there is none. */
static int64_t with_room(const ms_run *run, const ms_open *open, int64_t plan)
{
    const int64_t models = run->config.models, own = plan & MS_PLAN_MODEL;
    if (!run->config.asks_next_model || plan & (MS_PLAN_ALL | MS_PLAN_CHAIN)) {
        return plan;
    }
    for (int64_t k = 0; k < models; k++) { /* up from its own, then down from there */
        const int64_t model = own + k < models ? own + k : models - 1 - k;
        if (has_room(run, open, model)) {
            return plan - own + model;
        }
    }
    return plan;
}

/* What was decided for an attempt, by its brain just now. */
static int decided(ms_run *run, ms_open *open, int64_t plan, double queue)
{
    const ms_page *page = open->page;
    const ms_brain *brain = open->brain;
    MS_TRY(check_plan(run, brain, open->request, plan));
    plan = with_room(run, open, ms_brain_destined(plan, run->config.models, brain->costs));
    const int everyone = plan == MS_PLAN_ALL;
    const int32_t seen = (int32_t)(everyone ? ms_brain_destined(run->config.reference, run->config.models, brain->costs)
                                            : plan & MS_PLAN_MODEL);
    open->plan = plan;
    open->seen = seen;
    open->explored = (plan & (MS_PLAN_ALL | MS_PLAN_EXPLORE)) != 0;
    open->at_once = !run->config.keeps_delays && !(plan & MS_PLAN_CHAIN);
    open->silent = open->at_once && run->config.raters_err && isnan(page->labels[ms_page_at(page, seen, open->i)]);
    open->decided_s = run->now_s;
    open->queue = queue;
    open->score = brain->predictor != NULL ? brain->scores[seen] : NAN;
    run->attempts++;
    run->explored += open->explored && !open->explored_before;
    run->rated += open->rated && open->attempt == 0;
    if (!open->at_once) {
        ms_labels_keep(run, open);
    }
    if (open->rated && (open->explored || run->config.learns_every_answer)) {
        MS_TRY(ms_labels_begin_lesson(run, open));
    }
    return 0;
}

static int send(ms_run *run, ms_open *open)
{
    const int everyone = open->plan == MS_PLAN_ALL;
    return ms_copies_send(run, open, everyone ? 0 : open->seen, everyone ? run->config.models - 1 : open->seen);
}

/* The router takes no time: an attempt that was decided as it came is on its way. */
static int set_off(ms_run *run, ms_open *open)
{
    if (ends_at_once(run, open)) {
        const int everyone = open->plan == MS_PLAN_ALL;
        return answer_by(run, open, everyone ? 0 : open->seen, everyone ? run->config.models - 1 : open->seen);
    }
    ms_run_link(run, open);
    MS_TRY(ms_clients_wait(run, open));
    if (run->fleet.replicas > MS_SMALL_FLEET) {
        ms_open_foresee(open);
    }
    return send(run, open);
}

/* The router takes its time: an attempt comes to its workers. */
static int await_decision(ms_run *run, ms_open *open)
{
    ms_run_link(run, open);
    open->copies++; /* keeps it alive until it is decided */
    ms_run_count(run, 1);
    MS_TRY(ms_clients_wait(run, open));
    return ms_workers_enter(run, open);
}

static int can_be_served(const ms_run *run, const ms_page *page, int64_t i)
{
    int32_t m = 0;
    while (m < run->config.models && !(page->view.known_costs[ms_page_at(page, m, i)] < INFINITY)) {
        m++;
    }
    return m < run->config.models;
}

/* No model takes so long a request: it is turned away before anybody decides. */
static int turn_away(ms_run *run, ms_open *open)
{
    open->status = MS_TOO_LONG;
    MS_TRY(ms_clients_release(run, open));
    ms_open_put_down(open);
    ms_store_give(&run->opens, open);
    return 0;
}

/* The i-th of a page comes for the first time. Returns NULL without memory. */
static ms_open *come(ms_run *run, ms_page *page, int64_t i, int32_t client)
{
    const int64_t before = run->issued++;
    run->last_arrival_s = run->now_s;
    if (ms_timeline_due(&run->timeline, before)) {
        sample(run, before);
    }
    ms_brain *brain = &run->instances.brain[page->instance != NULL ? page->instance[i] : 0];
    ms_brain_expect(brain, page->first + i);
    return arrive(run, brain, page, i, NULL, client);
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

/* A plan, or the model that answered the turn before, where sessions keep theirs and it can be had. */
static int64_t kept_model(const ms_run *run, const ms_open *open, int64_t plan)
{
    const ms_page_turns *turns = &open->page->turns;
    if (!run->config.keeps_session_model || open->attempt > 0 || plan < 0 || turns->model == NULL) {
        return plan;
    }
    const int32_t model = turns->model[open->i];
    return model >= 0 && ms_brain_can_have(open->brain, model) ? model : plan;
}

/* An attempt whose page may have been turned since. */
static int decide_alone(ms_run *run, ms_open *open)
{
    const ms_page *page = open->page;
    ms_brain *brain = open->brain;
    const double *uniforms = run->uniforms;
    if (open->attempt == 0) {
        uniforms = page->view.uniforms + run->config.uniforms * open->i;
    } else {
        draw_uniforms(run, open->request, open->attempt, run->uniforms);
    }
    MS_TRY(look_at_servers(run, open));
    const double queue = brain->tracked[open->tenant].queue;
    const int64_t plan =
        ms_brain_decide_again(brain, &page->view, open->i, open->request, open->tenant, run->loads, uniforms);
    return decided(run, open, kept_model(run, open, plan), queue);
}

/* The request that comes next in its page. */
static int decide_in_turn(ms_run *run, ms_open *open)
{
    MS_TRY(look_at_servers(run, open));
    ms_brain *brain = open->brain;
    const double queue = brain->tracked[open->tenant].queue;
    const int64_t plan = ms_brain_decide(brain, &open->page->view, open->i, open->request, open->tenant, run->loads);
    return decided(run, open, plan, queue);
}

/* The i-th of a page comes before long. */
static void expect(const ms_run *run, const ms_page *page, int64_t i)
{
    const ms_run_config *config = &run->config;
    ms_page_expect_decision(page, i, config->models, config->features, config->uniforms);
}

/* Turns come in another order than that of their rows, of which nothing was read lately. */
static void expect_next_turn(const ms_run *run)
{
    const ms_event *next = run->heap.events;
    if (run->heap.length > 0 && next->errand == MS_DO_TURN) {
        expect(run, next->subject, next->detail);
    }
}

/* The next request of the page arrives. `client` waits for its answer; -1: nobody. */
int ms_attempts_route(ms_run *run, int32_t client)
{
    ms_page *page = run->page;
    const int64_t i = ms_page_comes(page, run->next);
    ms_run_go_to(run, run->next + 1);
    if (page->turns.roots == NULL && i % MS_LINE == 0) {
        ms_page_prefetch(page, run->config.models, i + 3 * MS_LINE);
    } else if (page->turns.roots != NULL && run->next < page->turns.n_roots) {
        expect(run, page, page->turns.roots[run->next]);
        ms_page_expect_answer(page, i, run->config.models);
    }
    ms_open *open = come(run, page, i, client);
    if (open == NULL) {
        return MS_ERR_MEMORY;
    }
    if (!can_be_served(run, page, i)) {
        return turn_away(run, open);
    }
    if (ms_workers_take_time(run)) {
        return await_decision(run, open);
    }
    /* where most rows are turns, features of neighbouring rows would be gathered in vain */
    MS_TRY(2 * ms_page_coming(page) < page->n ? decide_alone(run, open) : decide_in_turn(run, open));
    return set_off(run, open);
}

int ms_attempts_route_turn(ms_run *run, ms_page *page, int64_t i)
{
    run->turns_to_come--;
    run->turns_due--;
    expect_next_turn(run);
    ms_page_expect_answer(page, i, run->config.models);
    ms_open *open = come(run, page, i, -1);
    if (open == NULL) {
        return MS_ERR_MEMORY;
    }
    if (!can_be_served(run, page, i)) {
        MS_TRY(turn_away(run, open));
    } else if (ms_workers_take_time(run)) {
        MS_TRY(await_decision(run, open));
    } else {
        MS_TRY(decide_alone(run, open));
        MS_TRY(set_off(run, open));
    }
    if (run->arrivals_over && run->turns_due == 0) { /* else another arrives, and they are measured then */
        ms_run_measure(run);
    }
    return 0;
}

/* Nobody decides for a client who has given up. */
int ms_attempts_decide(ms_run *run, ms_open *open)
{
    ms_run_count(run, -1);
    if (!open->gone) {
        MS_TRY(decide_alone(run, open));
        MS_TRY(send(run, open));
    }
    MS_TRY(ms_workers_done(run, open));
    ms_copies_drop(run, open);
    return 0;
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
        if (ms_fronts_have(job)) {
            ms_fronts_abort(run, job, &left);
        } else {
            ms_fleet_abort(&run->fleet, job, run->now_s, &left);
        }
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
    if (open->waits) {
        ms_workers_leave(run, open);
        ms_run_count(run, -1);
        ms_copies_drop(run, open);
    }
    if (run->config.patience.aborts) {
        MS_TRY(abort_copies(run, open));
    }
    ms_copies_drop(run, open);
    return 0;
}

int ms_attempts_try_again(ms_run *run, ms_open *before)
{
    before->errands--;
    ms_open *open = arrive(run, before->brain, before->page, before->i, before, before->client);
    if (open == NULL) {
        return MS_ERR_MEMORY;
    }
    if (ms_workers_take_time(run)) {
        MS_TRY(await_decision(run, open));
    } else {
        MS_TRY(decide_alone(run, open));
        MS_TRY(set_off(run, open));
    }
    ms_copies_drop(run, before);
    return 0;
}
