/* The state of a run: its configuration, the cluster, the instances of the router, the calendar and the requests in the
 * system.
 *
 * The files above it each decide one thing: clients (how long they wait), labels (what the router learns of answers),
 * copies (their way through the servers), attempts (routing), failures, and loop (what happens next). */
#ifndef MS_RUN_H
#define MS_RUN_H

#include <math.h>
#include <stdint.h>

#include "calendar.h"
#include "fleet.h"
#include "instances.h"
#include "link.h"
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
    double backoff_max_s;      /* no pause is longer; 0: no limit */
    double backoff_jitter;     /* this share of each is drawn anew, by */
    ms_stream jitter;          /* sub is the attempt */
    double retry_after_max_s;  /* clients ask again when an API says, if that is no further away; 0: they do not listen */
    ms_stream uniforms;        /* the policy's, for later attempts; sub is not used */
} ms_patience;

/* Who shares the bandwidth of transfers. */
enum ms_links {
    MS_LINK_EACH,    /* nobody: it is each transfer's */
    MS_LINK_PREFILL, /* those from one replica */
    MS_LINK_DECODE,  /* those to one replica */
    MS_LINK_CLUSTER  /* all */
};

typedef struct ms_run_config {
    int32_t models;
    int32_t tenants;
    int32_t features;
    int32_t reference;           /* whose answer the user gets when every model is asked */
    int32_t in_usd;              /* costs are USD; else joules */
    int32_t needs_loads;
    int32_t needs_destinations;  /* decisions look at where requests would go */
    int32_t keeps_session_model; /* a turn goes to the model whose answer it follows */
    int32_t needs_features;
    int32_t draws_features;      /* they are drawn when they are asked for, of one instance alone, by */
    ms_difficulty_law difficulty;
    int32_t uniforms;            /* of the policy, per request */
    int32_t learns_every_answer;
    int32_t keeps_delays;        /* labels come late */
    int32_t raters_err;          /* labels are not the satisfaction; NaN: the user says nothing */
    int32_t one_sided;           /* only the answer that the user sees is rated */
    int64_t max_waiting;         /* < 0: nobody is turned away */
    int32_t asks_next_model;     /* where a model takes no more, the next that does serves the request */
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
    double transfer_latency_s;   /* of KV from prefill to decode */
    double transfer_bytes_per_s;
    int32_t transfer_links;      /* enum ms_links: who shares that */
    ms_patience patience;
    int32_t instances;           /* of the router */
    ms_wait decision;            /* how long a decision takes; of law MS_WAITS_FOREVER: no time at all */
    int32_t router_workers;      /* of each instance, that decide at once; 0: as many as are needed */
    double initial_queue;        /* that every virtual queue starts at */
    double reconcile_s;          /* between two reconciliations of theirs; infinite: never */
} ms_run_config;

/* Failures of one replica: a planned one, or one after another at random. */
typedef struct ms_breakdown {
    int32_t replica;
    int32_t random;
    ms_stream fails;  /* sub is the replica's number within its pool */
    ms_stream repairs;
    int64_t count;    /* k-th failure */
    double time_s;    /* of the last failure or repair */
    double for_s;     /* planned: how long it is down */
} ms_breakdown;

/* The workers of one instance of the router. */
typedef struct ms_desk {
    int64_t busy;
    ms_open *first, *last;  /* who waits for one */
} ms_desk;

typedef struct ms_run {
    ms_run_config config;
    ms_instances instances;
    ms_fleet fleet;
    ms_heap heap;
    ms_desk *desks;           /* [instances] */
    ms_timeline timeline;
    ms_store opens;
    ms_store jobs;
    ms_open *oldest, *newest; /* requests whose record does not stand yet */
    ms_page *page;
    int64_t next;             /* its next request, */
    double next_s;            /* when that comes by itself; infinite where none of the page does */
    double now_s;
    int32_t arrivals_over;
    int64_t open_count;
    int64_t labels_to_come;
    int64_t turns_to_come;    /* of the pages so far, that wait for an answer or are on their way */
    int64_t turns_due;        /* of these, on their way, and in time: they certainly arrive */
    int64_t turns_not_sent;
    const int32_t *priority;        /* [tenants], lower comes first, the caller's memory as the next; NULL: FCFS alone */
    const double *ttft_objective_s; /* [tenants], infinite for none */
    const ms_prompt_cost *prompt_costs; /* [n_prompt_costs] where prompts grow; the caller's memory */
    int32_t n_prompt_costs;
    double *prompt_memo;            /* of ms_cost_of_prompt; NULL before the first prompt grows */
    int64_t issued, attempts, explored, rated, labels_of_lost;
    int64_t events;
    double last_arrival_s;
    double paid_j;
    int64_t in_system;
    double in_system_since_s;
    double in_system_integral;
    int64_t router_begun;     /* where decisions take time: how many were begun, */
    double router_wait_s;     /* how long requests waited for a worker */
    double router_busy_s;     /* and how long these decisions take; */
    int64_t router_at_work;   /* workers that are at one, */
    double router_since_s;
    double router_worked_s;   /* and their time so far, */
    double router_used_s;     /* up to the last arrival */
    ms_link *links;           /* [fleet.replicas + 1] where transfers share bandwidth; else NULL */
    int64_t transfers;        /* with split prefill and decode: how many were begun, */
    int64_t transferred;      /* and ended, */
    double transfer_bytes;
    double transfer_wait_s;   /* how long prefilled requests waited for them to begin, */
    double transfer_s;        /* and how long those took that ended */
    ms_feature_rows features; /* where they are drawn when they are asked for */
    double *loads;            /* [models] */
    ms_destination *destinations; /* [models] of the request that is decided */
    double *uniforms;         /* scratch: of a later attempt */
    double *lesson;           /* scratch: features and labels of a lesson that is over at once */
    uint8_t *sent;            /* scratch, [models]: where copies of the present request are */
    double *busy_s;           /* [pools] at the last arrival */
    double *idle_s;
    double *rented_s;         /* [pools] likewise, of autoscaled ones */
    ms_breakdown *breakdowns;
    int32_t n_breakdowns;
    int64_t progress_seen;    /* rises whenever a request arrives or ends */
    int64_t failures_in_vain; /* since it rose */
    int64_t error_request;
    int64_t error_plan;
} ms_run;

/* Makes the instances and the fleet; policies and predictors are then set by the caller. */
int ms_run_init(ms_run *self, const ms_run_config *config, const double *alphas, double discount, int64_t window,
                int32_t pools, const ms_pool_plan *plans, const ms_dispatch_plan *dispatch,
                const ms_stream *dispatch_streams);
void ms_run_free(ms_run *self);

/* Room for n breakdowns, to be filled in by the caller before ms_loop_begin. */
int ms_run_plan_breakdowns(ms_run *self, int32_t n);

/* Puts an errand into the heap. */
int ms_run_put(ms_run *self, double time_s, uint64_t order, uint64_t suborder, enum ms_errand errand, void *subject,
               int32_t detail);

/* Notes what a policy did that it must not, for the error's text; returns the error. */
int ms_run_illegal(ms_run *self, int64_t request, int64_t plan, int error);

/* Utilisation and idle energy are measured to the last arrival, which may be this. */
void ms_run_measure(ms_run *self);

/* So many requests more (or fewer) are in the system from now on. */
void ms_run_count(ms_run *self, int64_t change);

/* So many of the router's workers begin a decision, or have ended one. */
void ms_run_work(ms_run *self, int64_t change);

/* Puts a request at the end of the list of open requests, and takes it out. */
void ms_run_link(ms_run *self, ms_open *open);
void ms_run_unlink(ms_run *self, ms_open *open);

/* Gives a request's memory back when its record stands and nothing in the heap leads to it. */
void ms_run_forget_when_done(ms_run *self, ms_open *open);

/* Another request of the page is the next one. */
static inline void ms_run_go_to(ms_run *self, int64_t next)
{
    const ms_page *page = self->page;
    const int comes = page->arrival_s != NULL && next < ms_page_coming(page);
    self->next = next;
    self->next_s = comes ? page->arrival_s[ms_page_comes(page, next)] : INFINITY;
}

static inline int ms_run_has_servers(const ms_run *self)
{
    return self->fleet.pools > 0;
}

#endif
