/* A job: one copy of one request on its way through a server, and the queue it waits in. */
#ifndef MS_JOB_H
#define MS_JOB_H

#include <stdint.h>

enum ms_place {
    MS_NOWHERE,
    MS_QUEUED,
    MS_RUNS,
    MS_AWAITS_FRONT_END, /* one of its workers */
    MS_IN_FRONT_END,
    MS_DETOKENIZES,
    MS_TRANSFERS, /* its KV is on its way to where it decodes, */
    MS_ARRIVED    /* and is there: it waits for the next iteration */
};

/* A stretch of text that prompts share: where its id is the same, so is all text up to its end. It has one parent, and
 * begins where that ends. */
typedef struct ms_node_of_path {
    int64_t id;         /* at least 0 */
    int32_t end_tokens; /* of the prompt, from its start; rising along a path, at most prompt_tokens */
} ms_node_of_path;

/* What is read of every job at its end comes first, and fills three lines of the processor's cache. */
typedef struct ms_job {
    int64_t request;
    int32_t model;
    int32_t prompt_tokens;
    int32_t output_tokens;
    int32_t max_new_tokens;   /* the longest answer that its client allows; where nobody says, as long as it is */
    int32_t generated_tokens; /* kept through a preemption, lost with a failure */
    int32_t preemptions;
    int32_t replica;          /* where it runs or ran last; -1 before */
    int32_t pool;             /* that took it, or holds it while no replica is up; -1 before */
    int32_t server;           /* the replica that it was sent to; -1: whoever takes it from a queue of all */
    int32_t source;           /* the replica that prefilled it and holds its KV for another; -1: none */
    int8_t place;             /* enum ms_place */
    int8_t unseen;            /* it waits, and the iteration that comes next was planned before it came (lookahead.h) */
    int8_t aborted;           /* it leaves its batch at the next boundary, or at the end of its transfer */
    int8_t transferred;       /* its KV but for the last token is where it is to decode */
    int8_t is_on_link;        /* it transfers, and shares the bandwidth of a link */
    int8_t is_promised;       /* it counts as a request of `destination` */
    int32_t cached_prompt_tokens; /* of the prompt, that its first admission found in a prefix cache */
    int32_t path_length;          /* of `path` */
    struct ms_job *next;      /* in its queue */
    struct ms_job *previous;
    struct ms_hold *holds;    /* blocks of the cache that it uses, the deepest first; NULL outside of a batch */
    double start_s;           /* NaN until it happens; set once, never by a recompute or a retry */
    double first_token_s;
    double finish_s;
    double energy_j;
    double usage_s;           /* its share of the replica's busy time, priced in USD */
    void *owner;              /* whoever made it; the servers never look at it, nor at `sibling` */
    struct ms_job *sibling;   /* the next copy of its owner */
    int64_t charged_prefill_tokens; /* in the accounts of `charged_to` (accounts.c) */
    int64_t charged_held_tokens;
    int64_t cached_recompute_tokens; /* of prompt and answer, that later admissions found there */
    /* What the prompt begins with; it must outlive the job. What lies beyond its last node is the request's own text. */
    const ms_node_of_path *path;
    int64_t answer_node;      /* the last node of the path, which the answer continues once it is complete; -1: none */
    int32_t charged_to;
    int32_t destination;      /* where it is to decode, if that was chosen before its prefill; -1: not yet */
    int32_t attempt;          /* counts failures that it survived */
    int32_t decode_iterations; /* with drafts: those of its whole answer */
    int32_t priority;         /* where that orders queues: lower comes first */
    double arrival_s;         /* of the request, where that orders queues */
    double deadline_s;        /* at which its first token is wanted, likewise; infinite: at no time */
    double queued_s;          /* when it came to its replica, where that matters (lookahead.h) */
    int64_t session;          /* that it is a turn of; -1: none */
    int64_t text;             /* number of what it generates, in a prefix cache */
    struct ms_hold *holds_there; /* of the cache where it is to decode, while its KV is on its way */
    double usage_usd;         /* of what it used before: of replicas that failed, or that prefilled it for another */
    double prefilled_s;       /* when its prefill for another replica ended */
    double sets_off_s;        /* when its transfer there began, */
    int64_t missing_tokens;   /* and what that carries: of its prompt what is not there */
    struct ms_job *kept_next; /* among those whose KV `source` holds */
    struct ms_job *kept_previous;
    struct ms_job *child;     /* in a queue by urgency */
} ms_job;

/* A job that has not started anywhere: all times NaN, all accounts 0. */
void ms_job_init(ms_job *self, int64_t request, int32_t model, int32_t prompt_tokens, int32_t output_tokens);

/* An API that was asked fails at t_s: what it had promised for later will not happen. */
void ms_job_cut_off(ms_job *self, double t_s);

enum ms_queue_order {
    MS_ORDER_FCFS,     /* first in, first out, but for preempted jobs, which return to the head */
    MS_ORDER_PRIORITY, /* by priority, then arrival, then request */
    MS_ORDER_EDF       /* by deadline, then request */
};

/* First in, first out, or by urgency: then it is a pairing heap (Fredman, Sedgewick, Sleator and Tarjan 1986), whose
 * `tail` is not used. */
typedef struct ms_queue {
    ms_job *head;
    ms_job *tail;
    int64_t length;
    int32_t order; /* enum ms_queue_order */
} ms_queue;

/* Whether a goes before b in an order by urgency. */
int ms_job_precedes(int32_t order, const ms_job *a, const ms_job *b);

/* By urgency it does not matter which. */
void ms_queue_push_tail(ms_queue *self, ms_job *job);
void ms_queue_push_head(ms_queue *self, ms_job *job);
ms_job *ms_queue_pop(ms_queue *self); /* NULL when empty */

/* First in, first out: before one that stands in this queue; behind all if `other` is NULL. */
void ms_queue_push_before(ms_queue *self, ms_job *job, ms_job *other);

/* Takes out a job that stands anywhere in this queue. */
void ms_queue_remove(ms_queue *self, ms_job *job);

/* Whether a job that waits in some queue waits in this one. */
int ms_queue_holds(const ms_queue *self, const ms_job *job);

#endif
