/* sglang: an iteration is of prompts alone, or of decoders alone. */
#include "schedule_sglang.h"

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
        beginning += clipped(ms_sequences_max_new(sequences, sequences->jobs[i]));
    }
    return ratio_at(self, sequences->clock + iterations) * (double)decoding + (double)beginning;
}

/* Whether the head of the queue may join after so many decode iterations, when the batch holds `used` blocks; if not,
 * the replica is full, as long as anybody decodes. */
static int takes_head(ms_replica *self, int64_t used, int64_t iterations)
{
    const ms_sequences *sequences = &self->sequences;
    const ms_job *head = self->queue->head;
    if (sequences->running == 0) {
        return 1;
    }
    if (sequences->running < sequences->limits.max_num_seqs) {
        const int64_t whole = ms_sequences_whole_prompt(head);
        const ms_hits hits =
            sequences->limits.prefix_cache ? ms_cache_find(&sequences->cache, head, whole) : (ms_hits){.present = 0, .held = 0};
        const int64_t room = (sequences->capacity_blocks - (used - hits.held + 1)) * sequences->block.tokens;
        const int64_t own = whole + clipped(ms_sequences_max_new(sequences, head) - head->generated_tokens);
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
        const int error = ms_jump_admit(self, t_s, budget, &used, pulled);
        if (error) {
            return error;
        }
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

/* Sends decoders to the tail of the queue until the next token of the others fits; returns whether anyone went. */
static int retract(ms_replica *self)
{
    ms_sequences *sequences = &self->sequences;
    int retracted = 0;
    while (sequences->running > 1 && ms_sequences_blocks(sequences, 1) > sequences->capacity_blocks) {
        ms_queue_push_tail(self->queue, ms_jump_preempt(self, victim(sequences), 0));
        retracted = 1;
    }
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

static int plan(ms_replica *self, double t_s, int32_t *pulled)
{
    ms_sequences *sequences = &self->sequences;
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
    if (self->queue->head == NULL || ms_sequences_has_partial(sequences) || self->full) {
        return 0;
    }
    return takes_head(self, ms_sequences_blocks(sequences, self->target_iterations), self->target_iterations);
}

const ms_schedule ms_schedule_sglang = {plan, rest, could_admit};
