#include "outlook.h"

#include <math.h>

static double share_of(const ms_sequences *sequences, int64_t blocks)
{
    return (double)blocks / (double)sequences->capacity_blocks;
}

static int holds_nothing(const ms_sequences *sequences)
{
    return sequences->running == 0 || sequences->capacity_blocks == 0;
}

/* The iteration under way at t_s, from 1 on; 0 between two compositions. */
static int64_t iteration_at(const ms_replica *self, double t_s)
{
    const int is_between = self->state == MS_BOUNDARY && self->target_iterations == self->limit_iterations;
    return is_between ? 0 : ms_jump_until(self, t_s);
}

double ms_outlook_kv_usage(const ms_replica *self, double t_s)
{
    const ms_sequences *sequences = &self->sequences;
    if (holds_nothing(sequences)) {
        return 0.0;
    }
    return share_of(sequences, ms_sequences_blocks(sequences, iteration_at(self, t_s)));
}

double ms_outlook_kv_usage_until(const ms_replica *self, double t_s, double *until_s)
{
    const ms_sequences *sequences = &self->sequences;
    *until_s = INFINITY;
    if (holds_nothing(sequences)) {
        return 0.0;
    }
    const int64_t n = iteration_at(self, t_s);
    const int64_t most = n > 0 ? self->limit_iterations - n : 0;
    const int64_t lasts = most > 0 ? ms_sequences_blocks_last(sequences, n, most) : 0;
    if (lasts < most) {
        const double end_s = ms_jump_end_s(self, n + lasts);
        *until_s = end_s > t_s ? end_s : t_s;
    }
    return share_of(sequences, ms_sequences_blocks(sequences, n));
}

int64_t ms_outlook_cached_tokens(const ms_replica *self, const ms_job *job)
{
    return ms_cache_seen(&self->sequences.cache, job, job->prompt_tokens) * self->sequences.block.tokens;
}
