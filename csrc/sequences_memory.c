#include "sequences_memory.h"

int64_t ms_sequences_peak_blocks(const ms_sequences *self, const ms_job *job)
{
    const int32_t reserves = self->limits.kv_policy == MS_KV_RESERVE;
    if (self->limits.role == MS_ROLE_PREFILL) {
        return ms_sequences_blocks_of(self, job->prompt_tokens);
    }
    const int64_t answer = reserves ? ms_sequences_max_new(self, job) : job->output_tokens;
    return ms_sequences_blocks_of(self, job->prompt_tokens + answer - 1 + self->draft_tokens);
}

/* What decoder i has room for in the n-th iteration from here, units: the drafts of that iteration too, and its token. */
static int64_t decoder_units(const ms_sequences *self, int32_t i, int64_t n)
{
    const ms_job *job = self->jobs[i];
    const int64_t done = self->cached[i] + self->rate[i] * (self->clock + n - 1);
    if (n == 0 && self->draft_tokens > 0) {
        const int64_t prefilled = (int64_t)job->prompt_tokens + job->generated_tokens - 1;
        if (ms_sequences_cached_units(self, i) == prefilled << self->shift) {
            return prefilled << self->shift; /* its first is still to come */
        }
    }
    return done + ((int64_t)(self->draft_tokens + 1) << self->shift);
}

/* Of all decoders. */
static int64_t decoders_blocks(const ms_sequences *self, int64_t n)
{
    int64_t blocks = 0;
    if (self->shift > 0 || self->block.shift < 0) {
        for (int32_t i = 0; i < self->decoders; i++) {
            blocks += ms_blocks_for(&self->unit_block, decoder_units(self, i, n));
        }
        return blocks;
    }
    if (self->block.tokens == 1) {
        return self->context + n * self->growth;
    }
    const int64_t rounded_up = self->clock + n + self->block.tokens - 1; /* each has a token more an iteration */
    for (int32_t i = 0; i < self->decoders; i++) {
        blocks += (self->cached[i] + rounded_up) >> self->block.shift;
    }
    return blocks;
}

int64_t ms_sequences_count_blocks(const ms_sequences *self, int64_t n)
{
    const int64_t decoded = self->paused ? 0 : n;
    int64_t blocks = decoders_blocks(self, decoded);
    for (int32_t i = self->decoders; i < self->running; i++) {
        blocks += ms_sequences_blocks_of(self, self->cached[i] + n * self->chunk[i]);
    }
    return blocks + self->set_aside - self->cache.twice;
}

/* Where each has a token more an iteration: until the first of them begins a block. */
static int64_t until_next_block(const ms_sequences *self, int64_t n, int64_t most)
{
    const int64_t within = self->block.tokens - 1, rounded_up = self->clock + n + within;
    int64_t left = most;
    for (int32_t i = 0; i < self->decoders; i++) {
        const int64_t here = within - ((self->cached[i] + rounded_up) & within);
        left = here < left ? here : left;
    }
    return left;
}

int64_t ms_sequences_blocks_last(const ms_sequences *self, int64_t n, int64_t most)
{
    if (self->shift == 0 && self->block.shift >= 0 && !self->paused && self->running == self->decoders) {
        return until_next_block(self, n, most);
    }
    const int64_t blocks = ms_sequences_blocks(self, n);
    int64_t lasts = 0;
    for (int64_t step = 1; lasts + step <= most && ms_sequences_blocks(self, n + lasts + step) == blocks; step *= 2) {
        lasts += step;
    }
    return lasts;
}

void ms_sequences_share_prompts(ms_sequences *self, int64_t n)
{
    for (int32_t i = self->decoders; i < self->running; i++) {
        ms_cache_extend(&self->cache, self->jobs[i], self->cached[i] + n * self->chunk[i]);
    }
}

/* Tokens of `present` blocks that need not be computed: the last token always is, if need be into a block that is there. */
int64_t ms_sequences_hit_tokens(const ms_sequences *self, const ms_job *job, int64_t present)
{
    const int64_t most = ms_blocks_within(&self->block, ms_sequences_whole_prompt(job) - 1);
    return (present < most ? present : most) * self->block.tokens;
}

int64_t ms_sequences_cached_tokens(const ms_sequences *self, const ms_job *job)
{
    return ms_sequences_hit_tokens(self, job, ms_cache_seen(&self->cache, job, ms_sequences_whole_prompt(job)));
}

int ms_sequences_fit(const ms_sequences *self, const ms_job *head, int64_t used, int64_t budget)
{
    const int64_t whole = ms_sequences_whole_prompt(head), most = self->limits.max_batched_tokens;
    const int reserves = self->limits.kv_policy == MS_KV_RESERVE;
    const int is_cut = self->limits.whole_prompts && (whole <= most || reserves) && head->source < 0 && whole > budget;
    const int64_t prefilled = self->limits.role == MS_ROLE_PREFILL ? self->set_aside : 0;
    const int64_t needs =
        reserves ? self->reserved_blocks + prefilled + ms_sequences_peak_blocks(self, head) - self->cache.twice
                 : used + ms_sequences_blocks_of(self, whole);
    if (needs <= self->capacity_blocks && !is_cut) {
        return 1; /* whatever is cached, which takes long to look up */
    }
    const ms_hits hits = ms_cache_find(&self->cache, head, whole);
    const int64_t computed = whole - ms_sequences_hit_tokens(self, head, hits.present);
    return needs - hits.held <= self->capacity_blocks && !(is_cut && computed > budget);
}
