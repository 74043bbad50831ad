/* The sequences in the batch of a replica: who decodes, whose prompt is prefilled, and what each pays.
 *
 * Invariants: jobs[0 .. decoders) decode and jobs[decoders .. running) are prefilled by the present
 * iteration, both in order of admission; only the last of these may be left unfinished by it, and it
 * stays the tail. context_tokens is the sum of the decoders' cached tokens at the iterations done. */
#ifndef MS_SEQUENCES_H
#define MS_SEQUENCES_H

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

typedef struct ms_sequences {
    const ms_coefficients *coefficients;
    ms_limits limits;
    int32_t running;
    int32_t decoders;
    int32_t room;           /* length of the arrays below; grows up to max_num_seqs */
    int32_t aborted;        /* jobs that leave the batch at its next boundary */
    ms_job **jobs;
    int64_t *ends;          /* decoders: the clock at which the last token is out */
    int64_t *cached;        /* decoders: cached tokens minus clock; prompts: cached tokens */
    int64_t *chunk;         /* prompts: tokens of one iteration */
    double *energy_j;       /* since admission; goes to the job when it leaves */
    double *usage_s;
    int64_t clock;          /* decoding iterations executed, ever */
    int64_t context_tokens; /* K */
    int64_t reserved_tokens;
    ms_batch batch;         /* the present composition, and the durations of its iterations */
    ms_durations tau;
    double meter_j;         /* energy of all iterations accrued so far, idle power excluded */
} ms_sequences;

void ms_sequences_free(ms_sequences *self);

static inline int64_t ms_sequences_peak_tokens(const ms_job *job)
{
    return (int64_t)job->prompt_tokens + job->output_tokens - 1; /* the last token is never cached */
}

static inline int64_t ms_sequences_whole_prompt(const ms_job *job)
{
    return (int64_t)job->prompt_tokens + job->generated_tokens;
}

static inline int ms_sequences_has_partial(const ms_sequences *self)
{
    return self->running > self->decoders;
}

/* Cached tokens of all running sequences. */
static inline int64_t ms_sequences_cached_tokens(const ms_sequences *self)
{
    int64_t cached = self->context_tokens;
    for (int32_t i = self->decoders; i < self->running; i++) {
        cached += self->cached[i];
    }
    return cached;
}

/* Pays for n iterations and a fraction of the next. */
void ms_sequences_accrue(ms_sequences *self, int64_t n, double fraction);

/* What they draw; changes nothing. */
double ms_sequences_joules(const ms_sequences *self, int64_t n, double fraction);

/* Carries out n iterations of the present composition, which end at t_s; what completes goes to `done`. */
void ms_sequences_apply(ms_sequences *self, int64_t n, double t_s, ms_queue *done);

/* Takes the account of place i into its job. */
ms_job *ms_sequences_settle(ms_sequences *self, int32_t i);

int32_t ms_sequences_place_of(const ms_sequences *self, const ms_job *job);

/* Takes the sequence at place i out of the batch, between two iterations; or all that are aborted. */
ms_job *ms_sequences_leave(ms_sequences *self, int32_t i);
void ms_sequences_leave_aborted(ms_sequences *self, ms_queue *done);

/* Takes out the tail, which computes its tokens again later. */
ms_job *ms_sequences_preempt(ms_sequences *self);

/* Tokens that the next iteration takes from the partial prefill, if there is one. */
int64_t ms_sequences_partial_chunk(const ms_sequences *self);

/* Whether the head of the queue fits, with `scheduled` prompt tokens in the iteration before it. */
int ms_sequences_fit(const ms_sequences *self, const ms_job *head, int64_t cached, int64_t scheduled);

/* A job joins at t_s, with so many prompt tokens in the next iteration. Returns 0 or an error. */
int ms_sequences_admit(ms_sequences *self, ms_job *job, double t_s, int64_t chunk);

/* Works out the composition and its durations. */
void ms_sequences_compose(ms_sequences *self);

/* How many iterations the composition stands if nobody comes. */
int64_t ms_sequences_last(const ms_sequences *self, int64_t cached);

#endif
