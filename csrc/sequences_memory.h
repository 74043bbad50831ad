/* The memory of a batch: blocks that it holds, or may come to need, and whom they suffice for. */
#ifndef MS_SEQUENCES_MEMORY_H
#define MS_SEQUENCES_MEMORY_H

#include "sequences_state.h"

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

/* For how many iterations after the n-th, n > 0, of `most` that the composition has left, the batch certainly holds as many
 * blocks as in it. */
int64_t ms_sequences_blocks_last(const ms_sequences *self, int64_t n, int64_t most);

/* Whether the batch, which holds `used` blocks with those of its next iteration, has memory for the head of a queue,
 * and so many tokens of the budget are enough for it. */
int ms_sequences_fit(const ms_sequences *self, const ms_job *head, int64_t used, int64_t budget);

/* Tokens of a job's prompt that it would not have to compute with so many of its blocks present; as far as routers see (cache.h). */
int64_t ms_sequences_hit_tokens(const ms_sequences *self, const ms_job *job, int64_t present);
int64_t ms_sequences_cached_tokens(const ms_sequences *self, const ms_job *job);

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

#endif
