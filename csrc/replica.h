/* A replica: one tensor-parallel group of GPUs that does continuous batching as vLLM v1 does.
 *
 * In every iteration each decoding sequence gets one token and up to max_batched_tokens - B prompt
 * tokens are prefilled, oldest first. Between two changes of the batch nothing but counters moves, so
 * the replica jumps straight to the next change: the first completion, the last chunk of a prompt, the
 * iteration where KV memory runs out, or the first iteration boundary at or after an arrival that
 * could join. The result equals stepping every iteration.
 *
 * Its owner drives it through three calls, at times of its calendar:
 *
 *     ms_replica_notify(r, t)     a job was put into its queue at t
 *     ms_replica_finish(r, done)  the boundary that it announced is reached: jobs that are done
 *     ms_replica_start(r, t)      the next iteration starts, after all arrivals of that instant
 *
 * and, where clients give up, a fourth: ms_replica_abort(r, job, t).
 *
 * Invariants: jobs[0 .. decoders) decode and jobs[decoders .. running) are prefilled by the present
 * iteration, both in order of admission; only the last of these may be left unfinished by it, and it
 * stays the tail. context_tokens is the sum of the decoders' cached tokens at `done_iterations`. */
#ifndef MS_REPLICA_H
#define MS_REPLICA_H

#include <stdint.h>

#include "iteration.h"
#include "job.h"

enum ms_kv_policy {
    MS_KV_RECOMPUTE, /* admit while the prompt fits; preempt the youngest when memory runs out (vLLM) */
    MS_KV_RESERVE    /* admit when the whole answer fits: no preemption ever */
};

typedef struct ms_limits {
    int32_t max_num_seqs;
    int32_t max_batched_tokens;  /* >= max_num_seqs */
    int64_t kv_capacity_tokens;
    int32_t kv_policy;           /* enum ms_kv_policy */
    int32_t track_usage;         /* whether jobs collect usage_s */
} ms_limits;

enum ms_replica_state {
    MS_IDLE,     /* nothing to do */
    MS_BOUNDARY, /* between two iterations: ms_replica_start is due at this instant */
    MS_RUNNING,  /* in a jump that ends at boundary_s */
    MS_DOWN      /* failed */
};

typedef struct ms_replica {
    const ms_coefficients *coefficients;
    ms_limits limits;
    int32_t index;
    int32_t state;
    ms_queue *queue; /* its own, or one shared by the pool */
    ms_queue own_queue;

    int32_t running;
    int32_t decoders;
    int32_t room;           /* length of the arrays below; grows up to max_num_seqs */
    ms_job **jobs;
    int64_t *ends;          /* decoders: the clock at which the last token is out */
    int64_t *cached;        /* decoders: cached tokens minus clock; prompts: cached tokens */
    int64_t *chunk;         /* prompts: tokens of one iteration */
    double *energy_j;       /* since admission; goes to the job when it leaves */
    double *usage_s;
    int64_t clock;          /* decoding iterations executed, ever */
    int64_t context_tokens; /* K */
    int64_t reserved_tokens;

    double base_s;           /* the present jump starts here ... */
    ms_batch batch;          /* ... with this composition ... */
    ms_durations tau;        /* ... of these durations; */
    int64_t limit_iterations;  /* it changes by itself after so many, */
    int64_t target_iterations; /* and the next boundary to stop at comes after so many */
    double boundary_s;       /* infinite unless running */
    int32_t aborted;         /* jobs that leave the batch there */

    double busy_since_s;
    double busy_s;
    double meter_j;          /* energy of all iterations accrued so far, idle power excluded */
    int64_t jumps;
    int64_t preemptions;
} ms_replica;

/* `coefficients` must outlive the replica; `shared` is the pool's queue, or NULL for a queue of the replica's own. */
int ms_replica_init(ms_replica *self, int32_t index, const ms_coefficients *coefficients,
                    const ms_limits *limits, ms_queue *shared);
void ms_replica_free(ms_replica *self);

/* 0 if the job can ever run here, else MS_ERR_TOO_LARGE or MS_ERR_NO_TOKENS. */
int ms_replica_fits(const ms_replica *self, const ms_job *job);

/* Unfinished jobs of its own: running, and waiting in its own queue. */
int64_t ms_replica_unfinished(const ms_replica *self);

enum ms_notice {
    MS_NOTHING,   /* the job only queues */
    MS_WAKE,      /* it was idle: call ms_replica_start at this instant */
    MS_RESCHEDULE /* boundary_s has moved forward */
};

/* The head of its queue is new at time t_s. */
enum ms_notice ms_replica_notify(ms_replica *self, double t_s);

/* At boundary_s: appends what is done to `done`, in running order, then what was aborted. Returns 0 or an error. */
int ms_replica_finish(ms_replica *self, ms_queue *done);

/* At t_s, after finish or wake. Sets `*pulled` to the jobs taken from the queue. */
int ms_replica_start(ms_replica *self, double t_s, int32_t *pulled);

/* Nobody wants the answer any more: the job, which runs here or waits in the replica's own queue, leaves the queue
 * at once, the batch at the first boundary at or after t_s. `*left` says whether it has left by now; else
 * ms_replica_finish hands it over, complete or not. */
enum ms_notice ms_replica_abort(ms_replica *self, ms_job *job, double t_s, int *left);

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
