#include "loop.h"

#include <math.h>

#include "attempts.h"
#include "clients.h"
#include "copies.h"
#include "error.h"
#include "failures.h"
#include "fronts.h"
#include "labels.h"
#include "scaling.h"
#include "transfers.h"
#include "turns.h"
#include "view.h"

enum source { FROM_REPLICAS, FROM_HEAP, FROM_PAGE };

/* The k-th is at k * reconcile_s. */
static int await_reconciliation(ms_run *run)
{
    const double time_s = (double)(run->instances.reconciliations + 1) * run->config.reconcile_s;
    return ms_run_put(run, time_s, ms_order(MS_RECONCILES, 0), 0, MS_DO_RECONCILE, NULL, 0);
}

int ms_loop_begin(ms_run *run)
{
    if (run->config.reconcile_s < INFINITY) {
        MS_TRY(await_reconciliation(run));
    }
    MS_TRY(ms_view_poll_caches(&run->fleet, run->config.needs_destinations));
    MS_TRY(ms_scaling_begin(run));
    for (int32_t i = 0; i < run->n_breakdowns; i++) {
        MS_TRY(ms_failures_await(run, &run->breakdowns[i]));
    }
    for (int64_t client = 0; client < run->config.clients; client++) {
        MS_TRY(ms_clients_ask_at(run, client, 0.0));
    }
    return 0;
}

void ms_loop_no_more(ms_run *run)
{
    run->arrivals_over = 1;
    ms_run_measure(run);
}

void ms_loop_turn_page(ms_run *run, ms_page *page)
{
    run->page = page;
    page->view.drawn = run->config.draws_features ? &run->features : NULL;
    ms_run_go_to(run, 0);
    ms_turns_expect(run, page);
    ms_instances_turn_page(&run->instances);
}

static int page_is_over(const ms_run *run)
{
    return run->page == NULL || run->next == ms_page_coming(run->page);
}

static int client_asks(ms_run *run, int32_t client)
{
    if (run->issued == run->config.length) {
        return 0;
    }
    MS_TRY(ms_attempts_route(run, client));
    if (run->issued == run->config.length) {
        ms_loop_no_more(run);
    }
    return 0;
}

/* Whether anything but this replica's start is left at this instant. A page whose last request has come was turned
 * before. */
static int something_else_happens_now(ms_run *run, int32_t replica)
{
    const int has_event = run->heap.length > 0 && run->heap.events[0].when.time_s <= run->now_s;
    return has_event || run->next_s <= run->now_s || ms_tournament_rival(&run->fleet.moments, replica) <= run->now_s;
}

static int generated(ms_run *run, ms_job *job)
{
    int left;
    MS_TRY(ms_fronts_generated(run, job, &left));
    return left ? ms_copies_finish(run, job) : 0;
}

static int start(ms_run *run, int32_t replica)
{
    MS_TRY(ms_fleet_start(&run->fleet, replica, run->now_s));
    return run->fleet.replica[replica].departing.head != NULL ? ms_transfers_begin(run, replica) : 0;
}

static int boundary(ms_run *run, int32_t replica)
{
    ms_queue done = {0};
    MS_TRY(ms_fleet_finish(&run->fleet, replica, &done));
    for (ms_job *job = ms_queue_pop(&done); job != NULL; job = ms_queue_pop(&done)) {
        MS_TRY(job->source >= 0 ? ms_transfers_prefilled(run, job) : generated(run, job));
    }
    if (something_else_happens_now(run, replica)) {
        ms_fleet_start_later(&run->fleet, replica, run->now_s);
        return 0;
    }
    return start(run, replica);
}

static int is_over(const ms_run *run)
{
    return run->arrivals_over && run->open_count == 0 && run->labels_to_come == 0 && run->turns_to_come == 0;
}

/* Which of the three comes first, and when. An infinite time: nothing is left. */
static enum source first_of(const ms_run *run, ms_moment *when)
{
    enum source source = FROM_REPLICAS;
    const ms_tournament *moments = &run->fleet.moments;
    const int32_t replica = ms_tournament_best(moments);
    *when = (ms_moment){moments->values[replica], moments->orders[replica], 0};
    if (run->heap.length > 0 && ms_before(&run->heap.events[0].when, when)) {
        *when = run->heap.events[0].when;
        source = FROM_HEAP;
    }
    if (run->next_s <= when->time_s && run->next_s < INFINITY) {
        const int64_t i = ms_page_comes(run->page, run->next);
        const ms_moment arrival = {run->next_s, ms_order(MS_ARRIVES, run->page->first + i), 0};
        if (ms_before(&arrival, when)) {
            *when = arrival;
            source = FROM_PAGE;
        }
    }
    return source;
}

/* With nothing learnt since the last one, those that would come before anything else happens are left out. */
static int reconcile(ms_run *run)
{
    ms_instances *instances = &run->instances;
    const int64_t learnt = ms_instances_learnt(instances);
    if (learnt != instances->reconciled) {
        instances->reconciled = learnt;
        ms_instances_reconcile(instances);
        return await_reconciliation(run);
    }
    instances->reconciliations++;
    ms_moment next;
    first_of(run, &next);
    const double periods = next.time_s / run->config.reconcile_s;
    if (periods < 0x1p62 && instances->reconciliations < (int64_t)periods - 2) {
        instances->reconciliations = (int64_t)periods - 2; /* never too many: the quotient is rounded */
    }
    return await_reconciliation(run);
}

static int pass_front_end(ms_run *run, ms_job *job)
{
    int left;
    MS_TRY(ms_fronts_pass(run, job, &left));
    return left ? ms_copies_finish(run, job) : 0;
}

static int run_errand(ms_run *run, const ms_event *event)
{
    switch ((enum ms_errand)event->errand) {
    case MS_DO_LABEL:
        return ms_labels_deliver(run, event->subject, event->detail);
    case MS_DO_RETRY:
        return ms_copies_retry(run, event->subject);
    case MS_DO_CHAIN: {
        ms_open *open = event->subject;
        open->copies--;
        return ms_copies_send(run, open, event->detail, event->detail);
    }
    case MS_DO_GIVE_UP:
        return ms_attempts_give_up(run, event->subject);
    case MS_DO_TRY_AGAIN:
        return ms_attempts_try_again(run, event->subject);
    case MS_DO_FAIL:
        return ms_failures_begin(run, event->subject);
    case MS_DO_REPAIR:
        return ms_failures_end(run, event->subject);
    case MS_DO_API: {
        ms_job *job = event->subject;
        ms_fleet_finish_api(&run->fleet, job);
        return ms_copies_finish(run, job);
    }
    case MS_DO_CLIENT:
        return client_asks(run, event->detail);
    case MS_DO_RECONCILE:
        return reconcile(run);
    case MS_DO_DECIDE:
        return ms_attempts_decide(run, event->subject);
    case MS_DO_FRONT_END:
        return pass_front_end(run, event->subject);
    case MS_DO_DETOKENIZED:
        ms_fronts_detokenized(run, event->subject);
        return ms_copies_finish(run, event->subject);
    case MS_DO_TURN:
        return ms_attempts_route_turn(run, event->subject, event->detail);
    case MS_DO_SCALE:
        return ms_scaling_decide(run, event->detail);
    case MS_DO_READY:
        return ms_scaling_loaded(run, event->detail);
    case MS_DO_TRANSFERRED:
        return ms_transfers_end(run, event->subject);
    case MS_DO_LINK:
        return ms_transfers_link_ends(run, event->detail);
    }
    return MS_ERR_TIME;
}

static int handle(ms_run *run, enum source source, const ms_moment *when)
{
    if (source == FROM_PAGE) {
        return ms_attempts_route(run, -1);
    }
    if (source == FROM_REPLICAS) {
        const int32_t replica = (int32_t)ms_whom(when->order);
        return ms_kind_of(when->order) == MS_ENDS ? boundary(run, replica) : start(run, replica);
    }
    const ms_event event = run->heap.events[0];
    ms_heap_pop(&run->heap);
    return run_errand(run, &event);
}

/* An open-loop page is turned as soon as it is over; a closed loop's when somebody asks. */
static int needs_page(const ms_run *run, enum source source)
{
    if (run->next_s < INFINITY || run->arrivals_over || !page_is_over(run)) {
        return 0;
    }
    if (run->config.clients == 0) {
        return 1;
    }
    return source == FROM_HEAP && run->heap.events[0].errand == MS_DO_CLIENT &&
           run->issued != run->config.length;
}

int ms_loop_run(ms_run *run, int64_t budget)
{
    for (int64_t handled = 0; handled < budget; handled++) {
        if (is_over(run)) {
            return MS_LOOP_OVER;
        }
        ms_moment when;
        const enum source source = first_of(run, &when);
        if (needs_page(run, source)) {
            return MS_LOOP_NEEDS_PAGE;
        }
        if (!(when.time_s <= run->config.horizon_s) || when.time_s == INFINITY) {
            return MS_LOOP_OVER;
        }
        if (ms_view_look(&run->fleet, when.time_s)) {
            ms_attempts_look(run);
        }
        run->now_s = when.time_s;
        run->events++;
        MS_TRY(handle(run, source, &when));
        if (run->fleet.draining > 0) {
            ms_scaling_settle(run);
        }
    }
    return MS_LOOP_PAUSED;
}

void ms_loop_cut(ms_run *run)
{
    run->now_s = run->config.horizon_s;
    if (!run->arrivals_over) {
        run->last_arrival_s = run->now_s; /* clients who never stop: measured to the horizon */
        ms_loop_no_more(run);
    }
    ms_copies_cut(run);
}
