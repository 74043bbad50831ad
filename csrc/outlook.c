#include "outlook.h"

double ms_replica_kv_usage(const ms_replica *self, double t_s)
{
    const ms_sequences *sequences = &self->sequences;
    if (sequences->running == 0 || sequences->capacity_blocks == 0) {
        return 0.0;
    }
    const int is_between = self->state == MS_BOUNDARY && self->target_iterations == self->limit_iterations;
    const int64_t n = is_between ? 0 : ms_jump_until(self, t_s);
    return (double)ms_sequences_blocks(sequences, n) / (double)sequences->capacity_blocks;
}

int64_t ms_replica_settled_cached_tokens(const ms_replica *self, const ms_job *job)
{
    if (!self->sequences.limits.prefix_cache) {
        return 0;
    }
    return ms_cache_find(&self->sequences.cache, job, job->prompt_tokens).present * self->sequences.block.tokens;
}
