/* A replica: one tensor-parallel group of GPUs that does continuous batching by the rules of an engine (schedule.h).
 *
 * In every iteration prompts are prefilled, or decoding sequences get one token each, or both. Between two changes of the batch nothing but counters moves, so
 * the replica jumps straight to the next change: the first completion, the last chunk of a prompt, the
 * iteration where KV memory runs out, or the first iteration boundary at or after an arrival that
 * could join. The result equals stepping every iteration.
 *
 * Its owner drives it through three calls, at times of its calendar:
 *
 *     ms_replica_submit(r, job, t)   a job comes into its queue at t; ms_replica_notify: into a shared one
 *     ms_replica_finish(r, done)     the boundary that it announced is reached: jobs that are done
 *     ms_replica_start(r, t)         the next iteration starts, after all arrivals of that instant
 *
 * and, where clients give up, a fourth: ms_replica_abort(r, job, t). */
#ifndef MS_REPLICA_H
#define MS_REPLICA_H

#include <stdint.h>

#include "jump.h"

/* `coefficients` must outlive the replica; `shared` is the pool's queue, or NULL for a queue of the replica's own. */
int ms_replica_init(ms_replica *self, int32_t index, const ms_coefficients *coefficients,
                    const ms_limits *limits, ms_queue *shared);
void ms_replica_free(ms_replica *self);

/* 0 if the job can ever run here, else MS_ERR_TOO_LARGE or MS_ERR_NO_TOKENS. */
int ms_replica_fits(const ms_replica *self, const ms_job *job);

/* Unfinished jobs of its own: running, waiting in its own queue, and on their way to here. */
int64_t ms_replica_unfinished(const ms_replica *self);

/* Of them, those that wait. */
int64_t ms_replica_waiting(const ms_replica *self);

enum ms_notice {
    MS_NOTHING,   /* the job only queues */
    MS_WAKE,      /* it was idle: call ms_replica_start at this instant */
    MS_RESCHEDULE /* boundary_s has moved forward */
};

/* A job comes into its own queue at t_s. */
enum ms_notice ms_replica_submit(ms_replica *self, ms_job *job, double t_s);

/* The head of its queue is new at time t_s. */
enum ms_notice ms_replica_notify(ms_replica *self, double t_s);

/* When it would look at that head, if another may join it; else infinite. */
double ms_replica_look_s(const ms_replica *self, double t_s);

/* At boundary_s: appends what is done to `done`, in running order, then what was aborted. Returns 0 or an error. */
int ms_replica_finish(ms_replica *self, ms_queue *done);

/* At t_s, after finish or wake. Sets `*pulled` to the jobs taken from the queue. */
int ms_replica_start(ms_replica *self, double t_s, int32_t *pulled);

/* With split prefill and decode (transit.h): a job that is on its way to here has arrived at t_s, or is called off, being
 * under way or having arrived; what was prefilled here for another replica is let go. */
enum ms_notice ms_replica_arrive(ms_replica *self, ms_job *job, double t_s);
enum ms_notice ms_replica_call_off(ms_replica *self, ms_job *job, double t_s);
enum ms_notice ms_replica_let_go(ms_replica *self, ms_job *job, double t_s);

/* Nobody wants the answer any more: the job, which runs here or waits in the replica's own queue, leaves the queue
 * at once, the batch at the first boundary at or after t_s. `*left` says whether it has left by now; else
 * ms_replica_finish hands it over, complete or not. */
enum ms_notice ms_replica_abort(ms_replica *self, ms_job *job, double t_s, int *left);

/* Iterations that have begun by t_s have taken their memory, and given its prefix cache what they compute. No result changes
 * by looking. */
void ms_replica_settle_cache(ms_replica *self, double t_s);

/* Tokens of a job's prompt that its prefix cache holds at t_s; where it is polled (ms_cache_poll), held at the last look. */
int64_t ms_replica_cached_tokens(ms_replica *self, const ms_job *job, double t_s);

/* Energy of iterations up to t_s, the share of one under way included; changes nothing. */
double ms_replica_meter_j(const ms_replica *self, double t_s);
double ms_replica_busy_s(const ms_replica *self, double t_s);

/* Cuts everything off at t_s: the iteration under way is void, its energy up to t_s is paid by those
 * in it. Appends the running jobs, then those of its own queue, to `evicted`; what they have generated
 * is void. Afterwards the replica is empty: MS_DOWN. */
void ms_replica_evict(ms_replica *self, double t_s, ms_queue *evicted);

/* From MS_DOWN to MS_IDLE. */
void ms_replica_repair(ms_replica *self);

#endif
