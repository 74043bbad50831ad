/* sglang: an iteration is of prompts alone, or of decoders alone. */
#include "schedule_sglang.h"

#include "error.h"
#include "transit.h"

/* Answers are reckoned with up to so many tokens: CLIP_MAX_NEW_TOKENS_ESTIMATION of sglang's schedule_policy.py. */
enum { MOST_NEW_TOKENS = 4096 };

/* Tokens that a retraction leaves room for, for each request that stays: new_token_ratio_tracker.py. */
enum { TOKENS_AHEAD = 20 };

/* The ratio falls from the first to the last value over so many iterations. */
static const double FIRST_RATIO = 0.7, LAST_RATIO = 0.7 * 0.14, FALL_ITERATIONS = 600.0;

/* Sums that are equal in exact arithmetic differ by less, tokens. */
static const double ROUNDING = 1e-9;

static double ratio_at(const ms_replica *self, int64_t clock)
{
    const int64_t steps = clock - self->ratio_clock;
    if (steps <= 0) {
        return self->ratio;
    }
    const double ratio = self->ratio - (double)steps * ((FIRST_RATIO - LAST_RATIO) / FALL_ITERATIONS);
    return ratio > LAST_RATIO ? ratio : LAST_RATIO;
}

static int64_t clipped(int64_t tokens)
{
    return tokens < MOST_NEW_TOKENS ? tokens : MOST_NEW_TOKENS;
}

/* Where others prefill, so many tokens are kept free for each request: num_reserved_decode_tokens of sglang's server_args. */
enum { RESERVED_TOKENS = 512 };

/* Where others decode, prompts ask for one token. */
static int64_t allowed(const ms_sequences *self, const ms_job *job)
{
    return self->limits.role == MS_ROLE_PREFILL ? 1 : clipped(ms_sequences_max_new(self, job) - job->generated_tokens);
}

/* Tokens that the answers of the batch may still take, after so many iterations: those under way by the ratio, those of
 * the prompts in full. */
static double answers_to_come(const ms_replica *self, int64_t iterations)
{
    const ms_sequences *sequences = &self->sequences;
    int64_t decoding = 0, beginning = 0;
    for (int32_t i = 0; i < sequences->decoders; i++) {
        const int64_t generated = ms_sequences_generated(sequences, i, iterations);
        decoding += clipped(ms_sequences_max_new(sequences, sequences->jobs[i]) - generated);
    }
    for (int32_t i = sequences->decoders; i < sequences->running; i++) {
        beginning += sequences->limits.role == MS_ROLE_PREFILL
                         ? 1
                         : clipped(ms_sequences_max_new(sequences, sequences->jobs[i]));
    }
    return ratio_at(self, sequences->clock + iterations) * (double)decoding + (double)beginning;
}

/* Whether the head of the queue may join after so many decode iterations, when the batch holds `used` blocks; if not,
 * the replica is full, as long as anybody decodes. */
static int takes_head(ms_replica *self, int64_t used, int64_t iterations)
{
    const ms_sequences *sequences = &self->sequences;
    const ms_job *head = self->queue->head;
    if (sequences->running == 0 && sequences->set_aside == 0) {
        return 1;
    }
    if (sequences->running < sequences->limits.max_num_seqs) {
        const int64_t whole = ms_sequences_whole_prompt(head);
        const ms_hits hits = ms_cache_find(&sequences->cache, head, whole);
        const int64_t room = (sequences->capacity_blocks - (used - hits.held + 1)) * sequences->block.tokens;
        const int64_t own = whole + allowed(sequences, head);
        if (answers_to_come(self, iterations) < (double)(room - own) - ROUNDING) {
            return 1;
        }
    }
    self->full = sequences->decoders > 0;
    return 0;
}

/* Puts prompts into the next iteration. */
static int prefill(ms_replica *self, double t_s, int32_t *pulled)
{
    ms_sequences *sequences = &self->sequences;
    int64_t budget = sequences->limits.max_batched_tokens;
    sequences->paused = 1;
    if (ms_sequences_has_partial(sequences)) {
        const int64_t chunk = ms_sequences_partial_chunk(sequences, budget);
        sequences->chunk[sequences->running - 1] = chunk;
        budget -= chunk;
    }
    int64_t used = ms_sequences_blocks(sequences, 1);
    ms_sequences_make_room(sequences, used);
    while (!self->full && budget > 0 && self->queue->head != NULL && takes_head(self, used, 0)) {
        MS_TRY(ms_jump_admit(self, t_s, budget, &used, pulled));
        budget -= sequences->chunk[sequences->running - 1];
    }
    return 0;
}

/* The decoder that goes when memory runs out: the least generated, then the longest prompt, then the last admitted. */
static int32_t victim(const ms_sequences *sequences)
{
    int32_t worst = 0;
    for (int32_t i = 1; i < sequences->decoders; i++) {
        const int64_t generated = ms_sequences_generated(sequences, i, 0) - ms_sequences_generated(sequences, worst, 0);
        const int32_t prompt = sequences->jobs[i]->prompt_tokens, longest = sequences->jobs[worst]->prompt_tokens;
        if (generated < 0 || (generated == 0 && prompt >= longest)) {
            worst = i;
        }
    }
    return worst;
}

/* Who has no KV here waits behind all others; where others prefill, before those whose KV is still there. */
static void wait_again(ms_replica *self, ms_job *job)
{
    ms_job *other = self->sequences.limits.role == MS_ROLE_DECODE ? self->queue->head : NULL;
    while (other != NULL && other->source < 0) {
        other = other->next;
    }
    ms_queue_push_before(self->queue, job, other);
}

/* Sends decoders to the queue until the next token of the others fits, or of what comes from elsewhere; returns whether
 * anyone went. */
static int retract(ms_replica *self)
{
    ms_sequences *sequences = &self->sequences;
    const int32_t least = sequences->set_aside > 0 ? 0 : 1, before = sequences->running;
    while (sequences->running > least && ms_sequences_blocks(sequences, 1) > sequences->capacity_blocks) {
        wait_again(self, ms_jump_preempt(self, victim(sequences), 0));
    }
    const int retracted = sequences->running < before;
    if (retracted) {
        int64_t generated = 0, allowed = 0;
        for (int32_t i = 0; i < sequences->decoders; i++) {
            generated += ms_sequences_generated(sequences, i, 0);
            allowed += ms_sequences_max_new(sequences, sequences->jobs[i]);
        }
        const double ratio = (double)(generated + TOKENS_AHEAD * (int64_t)sequences->decoders) / (double)(allowed + 1);
        self->ratio = ratio < 1.0 ? ratio : 1.0;
        self->ratio_clock = sequences->clock + 1; /* this iteration does not count */
        self->full = 0;
    }
    return retracted;
}

/* ---- where others prefill -------------------------------------------------------------------------------- */

/* Whether the KV of the queue's head may come after so many iterations: from where it was prefilled, or, after a retraction,
 * from the memory of the host, which takes no time here. */
static int takes_kv(const ms_replica *self, int64_t iterations)
{
    const ms_sequences *sequences = &self->sequences;
    const ms_job *head = self->queue->head;
    const int32_t there = sequences->running + self->kept_places;
    if (there == 0 || there >= sequences->limits.max_num_seqs) {
        return there == 0;
    }
    const int64_t own = head->source >= 0 ? head->prompt_tokens : ms_sequences_whole_prompt(head);
    const int64_t room = sequences->capacity_blocks - ms_sequences_blocks(sequences, iterations);
    return own + RESERVED_TOKENS * ((int64_t)there + 1) <= room * sequences->block.tokens;
}

/* Nothing is computed before who comes decodes. */
static int plan_decoding(ms_replica *self, double t_s, int32_t *pulled)
{
    ms_sequences *sequences = &self->sequences;
    int64_t budget = sequences->limits.max_num_seqs, used = 0;
    MS_TRY(ms_transit_admit(self, t_s, &budget));
    while (self->queue->head != NULL && takes_kv(self, 0)) {
        if (self->queue->head->source >= 0) {
            ms_transit_begin(self, &used);
            continue;
        }
        ms_job *job = ms_queue_pop(self->queue);
        job->transferred = 1;
        job->missing_tokens = job->prompt_tokens;
        MS_TRY(ms_sequences_join(sequences, job, t_s));
        (*pulled)++;
    }
    return ms_jump_begin(self, t_s, retract(self) ? 1 : INT64_MAX);
}

static int plan(ms_replica *self, double t_s, int32_t *pulled)
{
    ms_sequences *sequences = &self->sequences;
    if (sequences->limits.role == MS_ROLE_DECODE) {
        return plan_decoding(self, t_s, pulled);
    }
    if (sequences->decoders == 0) {
        self->full = 0;
    }
    const int error = prefill(self, t_s, pulled);
    if (error || ms_sequences_has_partial(sequences)) {
        return error ? error : ms_jump_begin(self, t_s, INT64_MAX);
    }
    sequences->paused = 0;
    const int retracted = retract(self);
    ms_sequences_make_room(sequences, ms_sequences_blocks(sequences, 1));
    return ms_jump_begin(self, t_s, retracted ? 1 : INT64_MAX);
}

static void rest(ms_replica *self)
{
    self->full = 0;
    self->ratio = FIRST_RATIO;
    self->ratio_clock = self->sequences.clock;
}

static int could_admit(ms_replica *self)
{
    const ms_sequences *sequences = &self->sequences;
    if (sequences->limits.role == MS_ROLE_DECODE) {
        return self->arrived.head != NULL || (self->queue->head != NULL && takes_kv(self, self->target_iterations));
    }
    return self->queue->head != NULL &&
           takes_head(self, ms_sequences_blocks(sequences, self->target_iterations), self->target_iterations);
}

const ms_schedule ms_schedule_sglang = {plan, rest, could_admit};
