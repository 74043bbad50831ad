/* Time outside the GPU that a server takes: its front end (tokenising, HTTP) before a request queues there, by workers
 * in parallel, first in, first out; and detokenizing after the last token. Neither costs energy; who is in them is an
 * unfinished request of the server. */
#ifndef MS_FRONTS_H
#define MS_FRONTS_H

#include "run.h"

/* A job that was sent to a place comes to its front end. */
int ms_fronts_enter(ms_run *run, ms_job *job);

/* A worker is done with it: it comes to the queue, and the worker to the next job. `*left`: nobody wants it any more, and
 * it has left its server instead. */
int ms_fronts_pass(ms_run *run, ms_job *job, int *left);

/* The last token is there, or a job that nobody wants has left its batch. `*left`: it has left its server; else it is
 * being detokenized. */
int ms_fronts_generated(ms_run *run, ms_job *job, int *left);

/* The answer reaches the user: it has left its server. */
void ms_fronts_detokenized(ms_run *run, ms_job *job);

/* Whether a job is in a front end or being detokenized, not at the replica itself. */
int ms_fronts_have(const ms_job *job);

/* Nobody wants the answer of such a job any more. `*left` says whether it is gone by now: a worker who has begun goes on to
 * the end, and hands it over then. */
void ms_fronts_abort(ms_run *run, ms_job *job, int *left);

/* A replica goes down: what is in its front end. Answers that are complete reach their users. */
void ms_fronts_evict(ms_run *run, int32_t replica, ms_queue *evicted);

/* At the end: everything that is in the front ends of a model, or being detokenized. */
void ms_fronts_withdraw(ms_run *run, int32_t model, ms_queue *jobs);

#endif
