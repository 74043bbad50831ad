#include "copies.h"

#include <math.h>

#include "clients.h"
#include "dispatch.h"
#include "error.h"
#include "fronts.h"
#include "labels.h"
#include "turns.h"

/* No copy is under way any more: the record stands, or what it cost goes to the next attempt. */
static void put_down(ms_run *run, ms_open *open)
{
    ms_open *heir = open->heir;
    ms_run_unlink(run, open);
    if (heir == NULL) {
        ms_open_put_down(open);
    } else {
        ms_open_pass_on(open);
    }
    ms_run_forget_when_done(run, open);
    if (heir != NULL) {
        ms_copies_drop(run, heir);
    }
}

void ms_copies_drop(ms_run *run, ms_open *open)
{
    open->copies--;
    if (open->copies == 0) {
        put_down(run, open);
    }
}

static double price(const ms_run *run, const ms_job *job)
{
    if (job->replica < 0) {
        return 0.0;
    }
    const ms_pool_plan *plan = &run->fleet.pool[run->fleet.pool_of[job->replica]].plan;
    if (!plan->is_api) {
        return job->usage_usd + job->usage_s * plan->usd_per_s;
    }
    if (job->finish_s != job->finish_s) {
        return 0.0; /* an outage ended it: providers charge for answers */
    }
    const ms_open *open = job->owner;
    const double *factors = open->page->price_factor;
    const double factor = factors != NULL ? factors[ms_page_at(open->page, job->model, open->i)] : 1.0;
    const int32_t cached = plan->prompt_cache.keep_s > 0.0 ? job->cached_prompt_tokens : 0;
    const double prompt = plan->usd_per_million_prompt_tokens * (double)(job->prompt_tokens - cached) +
                          plan->usd_per_million_cached_prompt_tokens * (double)cached;
    return (prompt + plan->usd_per_million_output_tokens * (double)job->output_tokens) / 1e6 * factor;
}

void ms_copies_settle_price(const ms_run *run, ms_job *job)
{
    if (job->replica >= 0) {
        job->usage_usd += job->usage_s * run->fleet.pool[run->fleet.pool_of[job->replica]].plan.usd_per_s;
        job->usage_s = 0.0;
    }
}

/* Charges a copy for what it has used; returns its cost. */
static double charge(ms_run *run, ms_open *open, const ms_job *job)
{
    double energy_j = job->energy_j, cost;
    if (!ms_run_has_servers(run)) {
        cost = open->page->view.known_costs[ms_page_at(open->page, job->model, open->i)];
        energy_j = run->config.in_usd ? 0.0 : cost;
    } else {
        cost = run->config.in_usd ? price(run, job) : energy_j;
    }
    run->paid_j += energy_j;
    ms_open_pay(open, job->model, energy_j, cost);
    return cost;
}

/* A copy has left its server. */
static void leave(ms_run *run, ms_job *job)
{
    ms_open *open = job->owner;
    ms_open_drop(open, job);
    ms_store_give(&run->jobs, job);
    ms_copies_drop(run, open);
}

int ms_copies_abandon(ms_run *run, ms_job *job)
{
    ms_open *open = job->owner;
    charge(run, open, job);
    ms_run_count(run, -1);
    if (job->model == open->seen) {
        ms_open_saw(open, job);
    }
    MS_TRY(ms_labels_miss(run, open));
    leave(run, job);
    return 0;
}

/* Chains: asks the next model, if there is one. Only the last answer is the user's. */
static int goes_on(ms_run *run, ms_open *open, const ms_job *job, int *on)
{
    const int32_t models = run->config.models;
    const ms_policy *policy = &open->brain->policy;
    *on = 0;
    int64_t following =
        policy->finish(open->request, open->stage, open->tenant, job->model, models, ms_open_scores(open, models),
                       ms_open_costs(open, models), ms_open_facts(open, models), ms_open_uniforms(open, models),
                       policy->params, policy->state);
    if (following < 0 || following > models) {
        return ms_run_illegal(run, open->request, following, MS_ERR_NEXT);
    }
    if (following < models && open->stage + 1 >= MS_CHAIN_MOST) {
        return ms_run_illegal(run, open->request, following, MS_ERR_CHAIN);
    }
    following = ms_brain_substitute(following, models, ms_open_costs(open, models));
    *on = following != models;
    if (!*on) {
        return 0;
    }
    ms_open_saw(open, job);
    open->exploration_cost = open->cost;
    open->unlabelled--;
    open->stage++;
    open->seen = (int32_t)following;
    open->score = open->brain->predictor != NULL ? ms_open_scores(open, models)[following] : NAN;
    return ms_run_put(run, run->now_s, ms_order(MS_RETRIES, open->request), (uint64_t)following, MS_DO_CHAIN, open,
               (int32_t)following);
}

/* A copy is complete. */
int ms_copies_finish(ms_run *run, ms_job *job)
{
    ms_open *open = job->owner;
    const int32_t model = job->model;
    if (open->gone) {
        return ms_copies_abandon(run, job);
    }
    ms_turns_foresee(run, job);
    const double cost = charge(run, open, job);
    ms_brain_learn_cost(open->brain, model, cost, open->explored);
    if (ms_run_has_servers(run)) {
        ms_run_count(run, -1);
    }
    if (open->plan & MS_PLAN_CHAIN) {
        int on;
        MS_TRY(goes_on(run, open, job, &on));
        if (on) {
            ms_open_drop(open, job);
            ms_store_give(&run->jobs, job);
            return 0;
        }
    }
    if (model == open->seen) {
        open->status = MS_COMPLETED;
        ms_open_saw(open, job);
        open->finish_s = job->finish_s;
    }
    if (!open->at_once) {
        MS_TRY(ms_labels_send(run, open, model));
    } else if (ms_labels_hears(run, open, model)) {
        open->feedback_s = open->decided_s;
    }
    if (model == open->seen) {
        MS_TRY(ms_clients_release(run, open));
    }
    leave(run, job);
    return 0;
}

/* A copy is turned away, or lost with its replica. */
int ms_copies_lose(ms_run *run, ms_job *job, int rejected)
{
    ms_open *open = job->owner;
    const int32_t model = job->model;
    if (open->gone) {
        return ms_copies_abandon(run, job);
    }
    charge(run, open, job);
    ms_run_count(run, -1);
    if (model == open->seen) {
        ms_open_saw(open, job);
        MS_TRY(ms_clients_no_answer(run, open, rejected ? MS_REJECTED : MS_LOST));
        run->labels_of_lost += !rejected && open->at_once && ms_labels_hears(run, open, model);
    }
    if (rejected || !open->at_once) {
        MS_TRY(ms_labels_miss(run, open));
    }
    leave(run, job);
    return 0;
}

static int call_api(ms_run *run, ms_job *job)
{
    const uint64_t suborder = 3 + (uint64_t)job->request;
    return ms_run_put(run, job->finish_s, ms_order(MS_ENDS, job->replica), suborder, MS_DO_API, job, 0);
}

/* Where an API takes over, what the failed replica drew, or its time, is paid at once: no server could tell when the
 * run is cut. If the model's APIs are down and it has no replicas, the copy is lost. */
int ms_copies_retry(ms_run *run, ms_job *job)
{
    const int how = ms_dispatch_place(&run->fleet, job, -1, run->now_s);
    if (how == MS_TURNED_AWAY) {
        return ms_copies_lose(run, job, 0);
    }
    if (how == MS_TO_FRONT_END) {
        return ms_fronts_enter(run, job);
    }
    if (how != MS_CALLS_API) {
        return how;
    }
    run->paid_j += job->energy_j;
    ms_open_pay(job->owner, job->model, job->energy_j, run->config.in_usd ? job->usage_usd : job->energy_j);
    job->energy_j = job->usage_usd = 0.0;
    return call_api(run, job);
}

/* What its prompt is made of. An answer that the user sees goes on where the prompt of a session ends; of a
 * chain nobody knows yet whether they do. */
static void compose(const ms_open *open, ms_job *job)
{
    const ms_page *page = open->page;
    job->session = page->turns.session != NULL ? page->turns.session[open->i] : -1;
    if (page->path_start == NULL) {
        return;
    }
    const int64_t first = page->path_start[open->i], end = page->path_start[open->i + 1];
    const int is_seen = job->model == open->seen && !(open->plan & MS_PLAN_CHAIN);
    job->path = page->path + first;
    job->path_length = (int32_t)(end - first);
    job->answer_node = is_seen && page->turns.new_tokens != NULL ? page->path[end - 1].id : -1;
}

void ms_copies_write(const ms_open *open, int32_t model, ms_job *job)
{
    const ms_page *page = open->page;
    ms_job_init(job, open->request, model, page->prompt_tokens[open->i],
                page->output_tokens != NULL ? page->output_tokens[ms_page_at(page, model, open->i)] : 0);
    if (page->max_new_tokens != NULL) {
        job->max_new_tokens = page->max_new_tokens[open->i];
    }
    job->attempt = open->attempt << 16; /* leaves room for failures */
    compose(open, job);
}

/* Where queues of servers are ordered by what its tenant wants. */
static void hurry(const ms_run *run, const ms_open *open, ms_job *job)
{
    if (run->priority != NULL) {
        job->priority = run->priority[open->tenant];
        job->arrival_s = open->arrival_s;
        job->deadline_s = open->arrival_s + run->ttft_objective_s[open->tenant];
    }
}

/* Sends a copy to its model's servers. */
static int place(ms_run *run, ms_open *open, int32_t model, int *placed)
{
    ms_job *job = ms_store_take(&run->jobs);
    if (job == NULL) {
        return MS_ERR_MEMORY;
    }
    ms_copies_write(open, model, job);
    hurry(run, open, job);
    job->owner = open;
    job->sibling = open->jobs;
    open->jobs = job;
    *placed = 1;
    if (!ms_run_has_servers(run)) {
        job->start_s = job->first_token_s = job->finish_s = run->now_s;
        return ms_copies_finish(run, job);
    }
    ms_run_count(run, 1);
    const int how = ms_dispatch_place(&run->fleet, job, run->config.max_waiting, run->now_s);
    if (how < 0) {
        return how;
    }
    if (how == MS_CALLS_API) {
        return call_api(run, job);
    }
    if (how == MS_TO_FRONT_END) {
        return ms_fronts_enter(run, job);
    }
    *placed = how != MS_TURNED_AWAY;
    return *placed ? 0 : ms_copies_lose(run, job, 1);
}

/* Places copies from model `first` to `last`, those that can be had; where labels are immediate, they are in before
 * anyone else is routed. */
int ms_copies_send(ms_run *run, ms_open *open, int32_t first, int32_t last)
{
    uint8_t *sent = run->sent;
    for (int32_t m = first; m <= last; m++) {
        sent[m] = first == last || ms_brain_can_have(open->brain, m);
        open->copies += sent[m];
        open->unlabelled += sent[m];
    }
    open->copies++; /* one more keeps the record open until all copies are placed */
    for (int32_t m = first; m <= last; m++) {
        int placed = 0;
        if (sent[m]) {
            MS_TRY(place(run, open, m, &placed));
        }
        sent[m] = (uint8_t)placed;
    }
    for (int32_t m = first; m <= last && open->at_once; m++) {
        if (sent[m]) {
            MS_TRY(ms_labels_give(run, open, m));
        }
    }
    ms_copies_drop(run, open);
    return 0;
}

/* What is under way on the servers of a model, or waits for them. */
static void withdraw(ms_run *run, int32_t model)
{
    ms_queue jobs = {0};
    ms_fleet_withdraw(&run->fleet, model, run->now_s, &jobs);
    ms_fronts_withdraw(run, model, &jobs);
    for (ms_job *job = ms_queue_pop(&jobs); job != NULL; job = ms_queue_pop(&jobs)) {
        ms_open *open = job->owner;
        charge(run, open, job);
        if (job->model == open->seen) {
            ms_open_saw(open, job);
        }
    }
}

void ms_copies_cut(ms_run *run)
{
    for (int32_t m = 0; m < run->config.models && ms_run_has_servers(run); m++) {
        withdraw(run, m);
    }
    ms_run_count(run, -run->in_system);
    while (run->oldest != NULL) {
        ms_open *open = run->oldest;
        if (open->lesson != NULL && open->labels_under_way == 0) {
            ms_labels_end_lesson(run, open);
        }
        put_down(run, open);
    }
}
