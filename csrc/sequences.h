/* The sequences in the batch of a replica: who decodes, whose prompt is prefilled, and what each pays.
 *
 * Invariants: jobs[0 .. decoders) decode and jobs[decoders .. running) are prefilled by the present
 * iteration, both in order of admission; only the last of these may be left unfinished by it, and it
 * stays the tail. `context` is the sum of the decoders' cached tokens at the iterations done.
 *
 * With drafts (drafts.h) an answer of L tokens after the first that takes N iterations has m L / N of them after m: tokens of
 * decoders are counted in units of 2^-20, rates rounded down, and the last iteration sets the exact end. Without drafts a
 * unit is a token. */
#ifndef MS_SEQUENCES_H
#define MS_SEQUENCES_H

#include <stdint.h>

#include "blocks.h"
#include "cache.h"
#include "drafts.h"
#include "iteration.h"
#include "job.h"

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
    int32_t role;                /* enum ms_role; MS_ROLE_DECODE with prefix_cache under vllm alone */
    int32_t first_token_later;   /* MS_ROLE_PREFILL: the first token is the other replica's */
    int32_t track_usage;         /* whether jobs collect usage_s */
    const ms_drafts *drafts;     /* of speculative decoding, the caller's memory; NULL: none */
} ms_limits;

enum { MS_FEW_DECODERS = 64 };

typedef struct ms_sequences {
    const ms_coefficients *coefficients;
    ms_limits limits;
    int32_t running;
    int32_t decoders;
    int32_t room;           /* length of the arrays below; grows up to max_num_seqs */
    int32_t aborted;        /* jobs that leave the batch at its next boundary */
    ms_job **jobs;
    int64_t *ends;          /* decoders: the clock at which the last token is out */
    int64_t *cached;        /* decoders: cached units minus rate times clock; prompts: cached tokens */
    int64_t *rate;          /* decoders: units an iteration */
    int64_t *chunk;         /* prompts: tokens of one iteration */
    double *energy_j;       /* since admission; goes to the job when it leaves */
    double *usage_s;
    int64_t clock;          /* decoding iterations executed, ever */
    int64_t soonest;        /* the least of `ends`; without decoders the largest number */
    int64_t context;        /* K, units */
    int64_t growth;         /* sum of rates */
    int32_t shift;          /* a token has 2^shift units, */
    double unit;            /* and a unit so much of a token */
    int32_t draft_tokens;   /* k, or 0 */
    ms_block_size block;      /* of memory, tokens */
    ms_block_size unit_block; /* the same in units */
    int64_t capacity_blocks;
    int64_t reserved_blocks;
    int64_t set_aside;      /* blocks of jobs outside the batch: prefilled for another replica, or coming from one */
    int32_t paused;         /* whether the decoders take no part in the present iteration */
    ms_cache cache;         /* if limits.prefix_cache */
    ms_batch batch;         /* the present composition, and the durations of its iterations */
    ms_durations tau;
    double decoders_s[MS_FEW_DECODERS]; /* seconds of the products with the weights for so many; 0: not worked out yet */
    double meter_j;         /* energy of all iterations accrued so far, idle power excluded */
    int64_t prompt_tokens;        /* if limits.prefix_cache: of jobs that started here, ever */
    int64_t cached_prompt_tokens; /* and how many of them were there */
} ms_sequences;

void ms_sequences_free(ms_sequences *self);

void ms_sequences_init(ms_sequences *self, const ms_coefficients *coefficients, const ms_limits *limits);

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

/* Most blocks that a job ever needs, as far as it matters to the policy; the last token is never cached. */
int64_t ms_sequences_peak_blocks(const ms_sequences *self, const ms_job *job);

/* Blocks that the batch holds and those set aside, each counted once, during the n-th iteration of the present
 * composition; with n = 0 before the first. */
int64_t ms_sequences_count_blocks(const ms_sequences *self, int64_t n);

static inline int64_t ms_sequences_blocks(const ms_sequences *self, int64_t n)
{
    const int are_tokens_alone = self->block.tokens == 1 && self->shift == 0 && self->running == self->decoders;
    if (!are_tokens_alone) {
        return ms_sequences_count_blocks(self, n);
    }
    return self->context + (self->paused ? 0 : n) * self->growth + self->set_aside - self->cache.twice;
}

/* Pays for n iterations and a fraction of the next. */
void ms_sequences_accrue(ms_sequences *self, int64_t n, double fraction);

/* What they draw; changes nothing. */
double ms_sequences_joules(const ms_sequences *self, int64_t n, double fraction);

/* Carries out n iterations of the present composition, which end at t_s; what completes goes to `done`. */
void ms_sequences_apply(ms_sequences *self, int64_t n, double t_s, ms_queue *done);

/* Takes the account of place i into its job. */
ms_job *ms_sequences_settle(ms_sequences *self, int32_t i);

/* Takes the sequence at place i out of the batch, between two iterations; or all that are aborted. */
ms_job *ms_sequences_leave(ms_sequences *self, int32_t i);
void ms_sequences_leave_aborted(ms_sequences *self, ms_queue *done);

/* Takes out the sequence at place i, which computes its tokens again later; what it has generated stays in the prefix
 * cache, if asked. */
ms_job *ms_sequences_preempt(ms_sequences *self, int32_t i, int keeps_generated);

/* Tokens that the next iteration takes from the partial prefill, if there is one, within the budget. */
int64_t ms_sequences_partial_chunk(const ms_sequences *self, int64_t budget);

/* Whether the batch, which holds `used` blocks with those of its next iteration, has memory for the head of a queue,
 * and so many tokens of the budget are enough for it. */
int ms_sequences_fit(const ms_sequences *self, const ms_job *head, int64_t used, int64_t budget);

/* Tokens of a job's prompt that it would not have to compute if it joined now; with so many of its blocks present. */
int64_t ms_sequences_hit_tokens(const ms_sequences *self, const ms_job *job, int64_t present);
int64_t ms_sequences_cached_tokens(const ms_sequences *self, const ms_job *job);

/* A job joins at t_s, with at most `budget` prompt tokens in the next iteration. Returns 0 or an error. */
int ms_sequences_admit(ms_sequences *self, ms_job *job, double t_s, int64_t budget, int32_t replica);

/* A job whose KV is there, all but its last token's, which the next iteration computes, joins those who decode at t_s; at most
 * one prompt is under way. It brings its first token, if nobody has seen that. Returns 0 or an error. */
int ms_sequences_join(ms_sequences *self, ms_job *job, double t_s, int32_t replica);

/* Evicts what is cached beyond `used` blocks. */
static inline void ms_sequences_make_room(ms_sequences *self, int64_t used)
{
    const int64_t beyond = used + self->cache.cached - self->capacity_blocks;
    if (beyond > 0) {
        ms_cache_evict(&self->cache, beyond);
    }
}

/* What prompts have computed after n iterations of the present composition is there for others from now on. */
void ms_sequences_share_prompts(ms_sequences *self, int64_t n);

static inline void ms_sequences_share(ms_sequences *self, int64_t n)
{
    if (ms_sequences_has_partial(self)) {
        ms_sequences_share_prompts(self, n);
    }
}

/* Works out the composition and its durations. */
void ms_sequences_compose(ms_sequences *self);

/* How many iterations the composition stands if nobody comes. */
int64_t ms_sequences_last(const ms_sequences *self);

#endif
