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
    MS_DETOKENIZES
};

typedef struct ms_job {
    int64_t request;
    int32_t model;
    int32_t prompt_tokens;
    int32_t output_tokens;
    int32_t generated_tokens; /* kept through a preemption, lost with a failure */
    int32_t preemptions;
    int32_t attempt;          /* counts failures that it survived */
    int32_t replica;          /* where it runs or ran last; -1 before */
    int32_t pool;             /* that took it, or holds it while no replica is up; -1 before */
    int32_t server;           /* the replica that it was sent to; -1: whoever takes it from a queue of all */
    int8_t place;             /* enum ms_place */
    int8_t aborted;           /* it leaves its batch at the next boundary */
    double start_s;           /* NaN until it happens; set once, never by a recompute or a retry */
    double first_token_s;
    double finish_s;
    double energy_j;
    double usage_s;           /* its share of the replica's busy time, priced in USD */
    struct ms_job *next;      /* in its queue */
    struct ms_job *previous;
    struct ms_job *sibling;   /* the next copy of its owner; the servers never look at these two */
    void *owner;              /* whoever made it */
} ms_job;

/* A job that has not started anywhere: all times NaN, all accounts 0. */
void ms_job_init(ms_job *self, int64_t request, int32_t model, int32_t prompt_tokens, int32_t output_tokens);

/* An API that was asked fails at t_s: what it had promised for later will not happen. */
void ms_job_cut_off(ms_job *self, double t_s);

/* First in, first out, but for preempted jobs, which return to the head. */
typedef struct ms_queue {
    ms_job *head;
    ms_job *tail;
    int64_t length;
} ms_queue;

void ms_queue_push_tail(ms_queue *self, ms_job *job);
void ms_queue_push_head(ms_queue *self, ms_job *job);
ms_job *ms_queue_pop(ms_queue *self); /* NULL when empty */

/* Takes out a job that stands anywhere in this queue. */
void ms_queue_remove(ms_queue *self, ms_job *job);

#endif
