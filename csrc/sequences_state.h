/* The sequences in the batch of a replica: who decodes, whose prompt is prefilled, and what each pays.
 *
 * Invariants: jobs[0 .. decoders) decode and jobs[decoders .. running) are prefilled by the present
 * iteration, both in order of admission; only the last of these may be left unfinished by it, and it
 * stays the tail. `context` is the sum of the decoders' cached tokens at the iterations done.
 *
 * With drafts (drafts.h) an answer of L tokens after the first that takes N iterations has m L / N of them after m: tokens of
 * decoders are counted in units of 2^-20, rates rounded down, and the last iteration sets the exact end. Without drafts a
 * unit is a token. */
#ifndef MS_SEQUENCES_STATE_H
#define MS_SEQUENCES_STATE_H

#include <stdint.h>

#include "blocks.h"
#include "cache.h"
#include "drafts.h"
#include "iteration.h"
#include "job.h"
#include "products.h"

enum ms_kv_policy {
    MS_KV_RECOMPUTE, /* admit while the prompt fits; preempt when memory runs out */
    MS_KV_RESERVE    /* admit when the longest answer that the client lets it give fits: no preemption ever */
};

/* What a replica does of a request: all, or its prefill for another, which decodes. */
enum ms_role { MS_ROLE_BOTH, MS_ROLE_PREFILL, MS_ROLE_DECODE };

enum ms_schedule_kind { MS_SCHEDULE_VLLM, MS_SCHEDULE_SGLANG, MS_SCHEDULE_TENSORRT_LLM };

typedef struct ms_limits {
    int32_t max_num_seqs;
    int32_t max_batched_tokens;  /* >= max_num_seqs, with k drafts (k + 1) times; under sglang of prefills alone */
    int64_t kv_capacity_tokens;
    int32_t kv_policy;           /* enum ms_kv_policy; MS_KV_RECOMPUTE under sglang */
    int32_t kv_block_tokens;     /* memory is given out in blocks of so many; 0 counts as 1 */
    int32_t prefix_cache;        /* whether blocks are kept for prompts that begin alike */
    int32_t schedule;            /* enum ms_schedule_kind */
    int32_t max_new_tokens;      /* the longest answer that all clients allow; one of which more is allowed counts as that */
    int32_t whole_prompts;       /* whether a prompt waits until all of it fits into an iteration */
    int32_t order;               /* of the queue, enum ms_queue_order; MS_ORDER_FCFS but under vllm */
    int32_t lookahead;           /* 1: an iteration is planned while the one before it runs; not with a shared queue */
    int32_t recv_interval;       /* sglang, with lookahead: it looks for who comes after so many decode iterations; 0 is 1 */
    int32_t role;                /* enum ms_role; MS_ROLE_DECODE with prefix_cache under vllm alone */
    int32_t first_token_later;   /* MS_ROLE_PREFILL: the first token is the other replica's */
    int32_t track_usage;         /* whether jobs collect usage_s */
    const ms_drafts *drafts;     /* of speculative decoding, the caller's memory; NULL: none */
} ms_limits;

enum { MS_FEW_SEQUENCES = 8 };

/* The arrays of few sequences. */
/* What comes before `rate` is read in every iteration: expect.c asks for it early. */
typedef struct ms_few_sequences {
    ms_job *jobs[MS_FEW_SEQUENCES];
    int64_t ends[MS_FEW_SEQUENCES];
    int64_t cached[MS_FEW_SEQUENCES];
    double energy_j[MS_FEW_SEQUENCES];
    int64_t rate[MS_FEW_SEQUENCES];
    int64_t chunk[MS_FEW_SEQUENCES];
    double usage_s[MS_FEW_SEQUENCES];
} ms_few_sequences;

/* Of a large fleet no replica was read lately when its turn comes: what every iteration reads stands together,
 * and so does what is known of few sequences: few lines of the processor's cache are read. */
typedef struct ms_sequences {
    int32_t running;
    int32_t decoders;
    int32_t room;           /* length of the arrays below; grows up to max_num_seqs */
    int32_t aborted;        /* jobs that leave the batch at its next boundary */
    int64_t clock;          /* decoding iterations executed, ever */
    int64_t soonest;        /* the least of `ends`; without decoders the largest number */
    int64_t context;        /* K, units */
    int64_t growth;         /* sum of rates */
    double meter_j;         /* energy of all iterations accrued so far, idle power excluded */
    const ms_coefficients *coefficients;
    ms_batch batch;         /* the present composition, and the durations of its iterations */
    ms_durations tau;
    int32_t paused;         /* whether the decoders take no part in the present iteration */
    int32_t shift;          /* a token has 2^shift units, */
    double unit;            /* and a unit so much of a token */
    ms_job **jobs;
    int64_t *ends;          /* decoders: the clock at which the last token is out */
    int64_t *cached;        /* decoders: cached units minus rate times clock; prompts: cached tokens */
    int64_t *rate;          /* decoders: units an iteration */
    int64_t *chunk;         /* prompts: tokens of one iteration */
    double *energy_j;       /* since admission; goes to the job when it leaves */
    double *usage_s;
    ms_products *products;  /* of all replicas with these coefficients, the owner's memory; NULL: each is worked out anew */
    ms_block_size block;      /* of memory, tokens */
    ms_block_size unit_block; /* the same in units */
    int64_t capacity_blocks;
    int64_t reserved_blocks;
    int64_t set_aside;      /* blocks of jobs outside the batch: prefilled for another replica, or coming from one */
    int32_t draft_tokens;   /* k, or 0 */
    ms_limits limits;
    ms_few_sequences few; /* where the arrays are as long as it is enough */
    ms_cache cache;         /* if limits.prefix_cache */
    int64_t prompt_tokens;        /* if limits.prefix_cache: of jobs that started here, ever */
    int64_t cached_prompt_tokens; /* and how many of them were there */
} ms_sequences;

static inline int64_t ms_sequences_whole_prompt(const ms_job *job)
{
    return (int64_t)job->prompt_tokens + job->generated_tokens;
}

static inline int ms_sequences_has_partial(const ms_sequences *self)
{
    return self->running > self->decoders;
}

static inline int64_t ms_sequences_blocks_of(const ms_sequences *self, int64_t tokens)
{
    return ms_blocks_for(&self->block, tokens);
}

/* Tokens of the next iteration that decoders leave to prompts. */
static inline int64_t ms_sequences_budget(const ms_sequences *self)
{
    return self->limits.max_batched_tokens - (int64_t)(self->draft_tokens + 1) * self->decoders;
}

/* What decoder i has cached, units. */
static inline int64_t ms_sequences_cached_units(const ms_sequences *self, int32_t i)
{
    return self->cached[i] + self->rate[i] * self->clock;
}

/* After so many iterations more. All but the last that it has generated are cached. */
static inline int64_t ms_sequences_generated(const ms_sequences *self, int32_t decoder, int64_t iterations)
{
    const int64_t cached = (self->cached[decoder] + self->rate[decoder] * (self->clock + iterations)) >> self->shift;
    return cached - self->jobs[decoder]->prompt_tokens + 1;
}

/* The longest answer that a client allows. */
static inline int64_t ms_sequences_max_new(const ms_sequences *self, const ms_job *job)
{
    const int32_t allowed = self->limits.max_new_tokens;
    return allowed > job->max_new_tokens ? allowed : job->max_new_tokens;
}

#endif
