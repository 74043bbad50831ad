/* The event loop: a cluster of LLM servers behind a router, from arrival to record.
 *
 * What happens to a request, in order:
 *   route      the router decides; one copy, or one for every model
 *   place      each copy goes to a replica of its model, or is turned away
 *   give up    its client has waited long enough (clients.h)
 *   finished   a copy is complete; its cost is known; its label sets off
 *   label      the virtual queue moves; when all labels of a lesson are in, the predictor learns
 * The record is put down when no copy is under way any more. At one instant the order is that of
 * calendar.h. Requests come in pages, whose memory belongs to the caller: a page may go when its `open` is 0. */
#ifndef MS_LOOP_H
#define MS_LOOP_H

#include <stdint.h>

#include "calendar.h"
#include "fleet.h"
#include "instances.h"
#include "open.h"
#include "store.h"
#include "timeline.h"
#include "wait.h"

/* How long clients wait, and whether they ask again. */
typedef struct ms_patience {
    ms_wait wait;              /* until an attempt is given up */
    int32_t until_first_token; /* who sees a first token stays */
    int32_t aborts;            /* servers stop what nobody waits for */
    int32_t rates_giving_up;   /* who is left without an answer says so */
    int32_t retries;
    ms_wait backoff;           /* the pause before the first retry; the k-th is backoff_growth^k times as long */
    double backoff_growth;
    ms_stream uniforms;        /* the policy's, for later attempts; sub is not used */
} ms_patience;

typedef struct ms_loop_config {
    int32_t models;
    int32_t tenants;
    int32_t features;
    int32_t reference;           /* whose answer the user gets when every model is asked */
    int32_t in_usd;              /* costs are USD; else joules */
    int32_t needs_loads;
    int32_t needs_features;
    int32_t uniforms;            /* of the policy, per request */
    int32_t learns_every_answer;
    int32_t keeps_delays;        /* labels come late */
    int32_t raters_err;          /* labels are not the satisfaction; NaN: the user says nothing */
    int32_t one_sided;           /* only the answer that the user sees is rated */
    int64_t max_waiting;         /* < 0: nobody is turned away */
    double feedback_probability;
    double horizon_s;            /* infinite: run until all is done */
    int64_t length;              /* requests that arrive; < 0: until the horizon */
    int64_t clients;             /* > 0: closed loop */
    double think_s;
    int32_t think_is_exponential;
    ms_stream think;             /* sub is not used */
    double mtbf_s;               /* > 0: replicas fail at random */
    double mttr_s;
    int32_t lose_on_failure;
    ms_patience patience;
    int32_t instances;           /* of the router */
    double reconcile_s;          /* between two reconciliations of theirs; infinite: never */
} ms_loop_config;

/* Failures of one replica: a planned one, or one after another at random. */
typedef struct ms_breakdown {
    int32_t replica;
    int32_t random;
    ms_stream fails;  /* sub is the replica's number within its pool */
    ms_stream mends;
    int64_t count;    /* k-th failure */
    double time_s;    /* of the last failure or repair */
    double for_s;     /* planned: how long it is down */
} ms_breakdown;

/* Failures without anything else happening, after which a run stops: it would not end. */
enum { MS_MOST_FAILURES_IN_VAIN = 100000 };

enum ms_loop_status {
    MS_LOOP_PAUSED,     /* so many events were handled: look for signals and come back */
    MS_LOOP_NEEDS_PAGE, /* ms_loop_turn_page, or ms_loop_no_more */
    MS_LOOP_OVER        /* ms_loop_cut, if there is a horizon; then read the outcome */
};

typedef struct ms_loop {
    ms_loop_config config;
    ms_instances instances;
    ms_fleet fleet;
    ms_heap heap;
    ms_timeline timeline;
    ms_store opens;
    ms_store jobs;
    ms_open *oldest, *newest; /* requests whose record does not stand yet */
    ms_page *page;
    int64_t next;             /* its next request */
    double now_s;
    int32_t arrivals_over;
    int64_t open_count;
    int64_t labels_to_come;
    int64_t issued, attempts, explored, rated, labels_of_lost;
    int64_t events;
    double last_arrival_s;
    double paid_j;
    int64_t in_system;
    double in_system_since_s;
    double in_system_integral;
    double *loads;            /* [models] */
    double *uniforms;         /* scratch: of a later attempt */
    double *lesson;           /* scratch: features and labels of a lesson that is over at once */
    uint8_t *sent;            /* scratch, [models]: where copies of the present request are */
    double *busy_s;           /* [pools] at the last arrival */
    double *idle_s;
    ms_breakdown *breakdowns;
    int32_t n_breakdowns;
    int64_t progress_seen;    /* rises whenever a request arrives or ends */
    int64_t failures_in_vain; /* since it rose */
    int64_t error_request;
    int64_t error_plan;
} ms_loop;

/* The instances and the fleet are made by ms_loop_init; policies and predictors are then set by the caller. */
int ms_loop_init(ms_loop *self, const ms_loop_config *config, const double *alphas, double discount,
                 int64_t window, int32_t pools, const ms_pool_plan *plans, int32_t dispatch,
                 const ms_stream *dispatch_streams);
void ms_loop_free(ms_loop *self);

/* Room for n breakdowns, to be filled in by the caller before ms_loop_begin. */
int ms_loop_plan_breakdowns(ms_loop *self, int32_t n);

/* After policy, predictor and breakdowns are set: the first failures, clients and the first
 * reconciliation are put into the heap. */
int ms_loop_begin(ms_loop *self);

void ms_loop_turn_page(ms_loop *self, ms_page *page);
void ms_loop_no_more(ms_loop *self);

/* Handles events until one of ms_loop_status, or an error. */
int ms_loop_run(ms_loop *self, int64_t budget);

/* At the horizon: what is under way is charged for what it used, and recorded as in flight. */
void ms_loop_cut(ms_loop *self);

/* ---- for the parts of the loop in other files --------------------------------------------------------- */

/* Puts an errand into the heap. */
int ms_loop_put(ms_loop *self, double time_s, uint64_t order, uint64_t suborder, enum ms_errand errand,
                void *subject, int32_t detail);

/* Notes what a policy did that it must not, for the error's text; returns the error. */
int ms_loop_illegal(ms_loop *self, int64_t request, int64_t plan, int error);

/* Gives a request's memory back when its record stands and nothing in the heap leads to it. */
void ms_loop_forget_when_done(ms_loop *self, ms_open *open);

/* Nothing more comes for the client who waits: a closed loop's asks its next question after a pause. */
int ms_loop_release_client(ms_loop *self, ms_open *open);

/* A copy that nobody waits for any more has left its server: it is charged, and has no label. */
int ms_loop_abandon(ms_loop *self, ms_job *job);

/* One copy fewer is under way; with the last the attempt is over. */
void ms_loop_drop_copy(ms_loop *self, ms_open *open);

/* Decides a request that had no answer again, and sends its copies off; `uniforms` are the policy's. The attempt
 * before counts as a copy of the new one. */
int ms_loop_route_again(ms_loop *self, ms_open *before, const double *uniforms);

#endif
