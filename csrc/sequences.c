#include "sequences.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "maths.h"

enum { SHIFT_OF_DRAFTS = 20 };

static void release_arrays(ms_sequences *self)
{
    if (self->jobs != self->few.jobs) {
        free(self->jobs);
    }
}

void ms_sequences_init(ms_sequences *self, const ms_coefficients *coefficients, const ms_limits *limits)
{
    *self = (ms_sequences){.coefficients = coefficients, .limits = *limits, .soonest = INT64_MAX};
    self->block = ms_block_size_of(limits->kv_block_tokens);
    self->capacity_blocks = limits->kv_capacity_tokens / self->block.tokens;
    self->draft_tokens = limits->drafts != NULL ? limits->drafts->tokens : 0;
    self->shift = limits->drafts != NULL ? SHIFT_OF_DRAFTS : 0;
    self->unit = 1.0 / (double)((int64_t)1 << self->shift);
    self->unit_block = ms_block_size_of(self->block.tokens << self->shift);
    self->jobs = self->few.jobs;
    self->ends = self->few.ends;
    self->cached = self->few.cached;
    self->rate = self->few.rate;
    self->chunk = self->few.chunk;
    self->energy_j = self->few.energy_j;
    self->usage_s = self->few.usage_s;
    self->room = MS_FEW_SEQUENCES;
    ms_cache_init(&self->cache, self->block.tokens);
}

void ms_sequences_free(ms_sequences *self)
{
    ms_cache_free(&self->cache);
    release_arrays(self);
    self->room = 0;
}

static void pay(const ms_sequences *self, ms_shares shares, double *accounts)
{
    const double each = self->decoders > 0 ? shares.decode / (double)self->decoders : 0.0;
    for (int32_t i = 0; i < self->decoders; i++) {
        accounts[i] += each;
    }
    for (int32_t i = self->decoders; i < self->running; i++) {
        accounts[i] += shares.prompt * ((double)self->chunk[i] / self->batch.prompt_tokens);
    }
}

static ms_shares blend(ms_shares whole, ms_shares next, double fraction)
{
    return (ms_shares){whole.decode + fraction * (next.decode - whole.decode),
                       whole.prompt + fraction * (next.prompt - whole.prompt)};
}

typedef ms_shares (*shares_fn)(const ms_coefficients *, const ms_batch *, const ms_durations *, double);

/* Shares of n iterations and a fraction of the next. */
static ms_shares shares_until(const ms_sequences *self, shares_fn shares, int64_t n, double fraction)
{
    const ms_coefficients *c = self->coefficients;
    const ms_shares whole = n > 0 ? shares(c, &self->batch, &self->tau, (double)n) : (ms_shares){0.0, 0.0};
    if (fraction == 0.0) {
        return whole;
    }
    return blend(whole, shares(c, &self->batch, &self->tau, (double)(n + 1)), fraction);
}

double ms_sequences_joules(const ms_sequences *self, int64_t n, double fraction)
{
    const ms_shares joules = shares_until(self, ms_iteration_joule_shares, n, fraction);
    return joules.decode + joules.prompt;
}

void ms_sequences_accrue(ms_sequences *self, int64_t n, double fraction)
{
    const ms_shares joules = shares_until(self, ms_iteration_joule_shares, n, fraction);
    pay(self, joules, self->energy_j);
    self->meter_j += joules.decode + joules.prompt;
    if (self->limits.track_usage) {
        pay(self, shares_until(self, ms_iteration_second_shares, n, fraction), self->usage_s);
    }
}

/* The arrays, none of whose elements has more than 8 bytes, stand one behind the other. */
static int grow(ms_sequences *self)
{
    const int32_t most = self->limits.max_num_seqs, room = self->room > most / 4 ? most : 4 * self->room;
    const size_t step = (size_t)room * sizeof(int64_t), bytes = (size_t)self->running * sizeof(int64_t);
    char *block = malloc(7 * step);
    if (block == NULL) {
        return MS_ERR_MEMORY;
    }
    ms_job **jobs = memcpy(block, self->jobs, (size_t)self->running * sizeof *jobs);
    self->ends = memcpy(block + step, self->ends, bytes);
    self->cached = memcpy(block + 2 * step, self->cached, bytes);
    self->rate = memcpy(block + 3 * step, self->rate, bytes);
    self->chunk = memcpy(block + 4 * step, self->chunk, bytes);
    self->energy_j = memcpy(block + 5 * step, self->energy_j, bytes);
    self->usage_s = memcpy(block + 6 * step, self->usage_s, bytes);
    release_arrays(self);
    self->jobs = jobs;
    self->room = room;
    return 0;
}

/* Takes the account of place i into its job. */
ms_job *ms_sequences_settle(ms_sequences *self, int32_t i)
{
    ms_job *job = self->jobs[i];
    job->place = MS_NOWHERE;
    job->energy_j += self->energy_j[i];
    job->usage_s += self->usage_s[i];
    if (self->limits.kv_policy == MS_KV_RESERVE) {
        self->reserved_blocks -= ms_sequences_peak_blocks(self, job);
    }
    return job;
}

static int64_t cached_tokens(const ms_sequences *self, int32_t i)
{
    return i < self->decoders ? ms_sequences_cached_units(self, i) >> self->shift : self->cached[i];
}

/* Iterations that give the `left` last tokens of an answer: after a preemption as many as before in proportion. */
static int64_t iterations_of(const ms_sequences *self, ms_job *job, int64_t left)
{
    if (self->limits.drafts == NULL) {
        return left;
    }
    const int64_t all = job->output_tokens - 1;
    if (left == all) {
        job->decode_iterations = (int32_t)ms_drafts_iterations(self->limits.drafts, (uint64_t)job->request, all);
    }
    return (left * job->decode_iterations + all - 1) / all;
}

static void become_decoder(ms_sequences *self, int32_t i)
{
    ms_job *job = self->jobs[i];
    const int64_t left = job->output_tokens - job->generated_tokens, iterations = iterations_of(self, job, left);
    const int64_t units = self->cached[i] << self->shift;
    self->rate[i] = (left << self->shift) / iterations;
    self->ends[i] = self->clock + iterations;
    self->soonest = ms_least(self->soonest, self->ends[i]);
    self->cached[i] = units - self->rate[i] * self->clock;
    self->context += units;
    self->growth += self->rate[i];
}

/* Place i decodes no more. */
static void end_decoding(ms_sequences *self, int32_t i)
{
    self->context -= ms_sequences_cached_units(self, i);
    self->growth -= self->rate[i];
}

static void move(ms_sequences *self, int32_t from, int32_t to)
{
    self->jobs[to] = self->jobs[from];
    self->ends[to] = self->ends[from];
    self->cached[to] = self->cached[from];
    self->rate[to] = self->rate[from];
    self->chunk[to] = self->chunk[from];
    self->energy_j[to] = self->energy_j[from];
    self->usage_s[to] = self->usage_s[from];
}

static void complete(ms_sequences *self, int32_t i, double t_s, ms_queue *done)
{
    ms_cache_leave(&self->cache, self->jobs[i], self->jobs[i]->prompt_tokens + self->jobs[i]->output_tokens - 1, 1, 1);
    ms_job *job = ms_sequences_settle(self, i);
    job->generated_tokens = job->output_tokens;
    job->finish_s = t_s;
    ms_queue_push_tail(done, job);
}

/* Prompt i has ended its last chunk: it emits a token, and decodes from the next iteration on. Returns whether that token
 * was the answer's last. Where another replica decodes, that gives the user's first token: vLLM's computes it again, others
 * show what came with the KV. */
static int emit_first(ms_sequences *self, int32_t i, double t_s)
{
    ms_job *job = self->jobs[i];
    const int is_later = self->limits.first_token_later;
    if (is_later && self->limits.schedule == MS_SCHEDULE_VLLM) {
        return 0;
    }
    job->generated_tokens++;
    const int is_last = job->generated_tokens == job->output_tokens;
    if (job->first_token_s != job->first_token_s && (is_last || !is_later)) {
        job->first_token_s = t_s;
    }
    return is_last;
}

/* Prompt i was prefilled for another replica: its KV stays until that has it. */
static void hand_over(ms_sequences *self, int32_t i, double t_s, ms_queue *done)
{
    ms_job *job = ms_sequences_settle(self, i);
    self->set_aside += ms_sequences_blocks_of(self, job->prompt_tokens);
    job->source = job->replica;
    job->prefilled_s = t_s;
    ms_queue_push_tail(done, job);
}

/* Decoders whose last token is out leave the batch; returns how many are left. */
static int32_t complete_decoders(ms_sequences *self, double t_s, ms_queue *done)
{
    int32_t kept = 0;
    self->soonest = INT64_MAX;
    for (int32_t i = 0; i < self->decoders; i++) {
        if (self->ends[i] == self->clock) {
            end_decoding(self, i);
            complete(self, i, t_s, done);
            continue;
        }
        self->soonest = ms_least(self->soonest, self->ends[i]);
        if (kept++ != i) {
            move(self, i, kept - 1);
        }
    }
    return kept;
}

/* Carries out n iterations of the present composition. */
void ms_sequences_apply(ms_sequences *self, int64_t n, double t_s, ms_queue *done)
{
    ms_sequences_accrue(self, n, 0.0);
    if (self->limits.prefix_cache) {
        ms_sequences_make_room(self, ms_sequences_blocks(self, n));
        ms_sequences_share(self, n);
    }
    if (self->decoders > 0 && !self->paused) {
        self->clock += n;
        self->context += n * self->growth;
    }
    const int32_t decoded = self->decoders;
    int32_t kept = self->soonest > self->clock ? decoded : complete_decoders(self, t_s, done);
    int32_t decoders = kept;
    for (int32_t i = decoded; i < self->running; i++) {
        self->cached[i] += n * self->chunk[i];
        if (self->cached[i] < ms_sequences_whole_prompt(self->jobs[i])) {
            move(self, i, kept++); /* the partial prefill: the tail */
        } else if (emit_first(self, i, t_s)) {
            complete(self, i, t_s, done);
        } else if (self->limits.role == MS_ROLE_PREFILL) {
            hand_over(self, i, t_s, done);
        } else {
            become_decoder(self, i);
            move(self, i, kept++);
            decoders++;
        }
    }
    self->running = kept;
    self->decoders = decoders;
}

static ms_job *take_out(ms_sequences *self, int32_t i)
{
    ms_job *job = ms_sequences_settle(self, i);
    if (i < self->decoders) {
        end_decoding(self, i);
        self->decoders--;
    }
    self->running--;
    for (int32_t k = i; k < self->running; k++) {
        move(self, k + 1, k);
    }
    self->soonest = INT64_MAX;
    for (int32_t k = 0; k < self->decoders; k++) {
        self->soonest = ms_least(self->soonest, self->ends[k]);
    }
    return job;
}

ms_job *ms_sequences_leave(ms_sequences *self, int32_t i)
{
    ms_cache_leave(&self->cache, self->jobs[i], cached_tokens(self, i), 1, 0);
    return take_out(self, i);
}

void ms_sequences_leave_aborted(ms_sequences *self, ms_queue *done)
{
    for (int32_t i = 0; i < self->running;) {
        if (self->jobs[i]->aborted) {
            ms_queue_push_tail(done, ms_sequences_leave(self, i));
        } else {
            i++;
        }
    }
    self->aborted = 0;
}

ms_job *ms_sequences_preempt(ms_sequences *self, int32_t i, int keeps_generated)
{
    ms_job *job = self->jobs[i];
    if (i < self->decoders) {
        job->generated_tokens = (int32_t)ms_sequences_generated(self, i, 0);
    }
    ms_cache_leave(&self->cache, job, cached_tokens(self, i), keeps_generated, 0);
    job->preemptions++;
    return take_out(self, i);
}

/* ---- the next iteration --------------------------------------------------------------------------------- */

int64_t ms_sequences_partial_chunk(const ms_sequences *self, int64_t budget)
{
    if (!ms_sequences_has_partial(self)) {
        return 0;
    }
    const int32_t i = self->running - 1;
    const int64_t left = ms_sequences_whole_prompt(self->jobs[i]) - self->cached[i];
    return left < budget ? left : budget;
}

/* Takes what the prefix cache has of it, or a transfer brought; returns the tokens that it need not compute. */
static int64_t look_up(ms_sequences *self, ms_job *job, int32_t replica)
{
    if (job->transferred) {
        self->prompt_tokens += job->prompt_tokens;
        self->cached_prompt_tokens += job->prompt_tokens - job->missing_tokens;
        return ms_sequences_whole_prompt(job) - 1;
    }
    if (!self->limits.prefix_cache) {
        return 0;
    }
    const int64_t present = ms_cache_admit(&self->cache, job, ms_sequences_whole_prompt(job), replica);
    const int64_t tokens = ms_sequences_hit_tokens(self, job, present);
    if (job->start_s != job->start_s) {
        job->cached_prompt_tokens = (int32_t)tokens;
        self->prompt_tokens += job->prompt_tokens;
        self->cached_prompt_tokens += tokens;
    } else {
        job->cached_recompute_tokens += tokens;
    }
    return tokens;
}

int ms_sequences_admit(ms_sequences *self, ms_job *job, double t_s, int64_t budget, int32_t replica)
{
    if (self->running == self->room) {
        MS_TRY(grow(self));
    }
    const int64_t hit = look_up(self, job, replica), left = ms_sequences_whole_prompt(job) - hit;
    const int32_t i = self->running++;
    self->jobs[i] = job;
    self->cached[i] = hit;
    self->chunk[i] = left < budget ? left : budget;
    self->energy_j[i] = 0.0;
    self->usage_s[i] = 0.0;
    if (self->limits.kv_policy == MS_KV_RESERVE) {
        self->reserved_blocks += ms_sequences_peak_blocks(self, job);
    }
    job->place = MS_RUNS;
    job->transferred = 0;
    if (job->start_s != job->start_s) {
        job->start_s = t_s;
    }
    return self->cache.error;
}

int ms_sequences_join(ms_sequences *self, ms_job *job, double t_s)
{
    MS_TRY(ms_sequences_admit(self, job, t_s, 1, job->replica));
    const int32_t last = self->running - 1, i = self->decoders;
    const int64_t cached = self->cached[last];
    if (i < last) { /* before the prompt under way */
        move(self, i, last);
        self->jobs[i] = job;
        self->cached[i] = cached;
        self->energy_j[i] = self->usage_s[i] = 0.0;
    }
    self->decoders++;
    become_decoder(self, i);
    if (job->first_token_s != job->first_token_s) {
        job->first_token_s = t_s;
    }
    return 0;
}

/* No fewer than the blocks of the n-th iteration of what was composed, without asking each sequence: of all tokens, and a part
 * of a block for each. */
static int64_t most_blocks(const ms_sequences *self, int64_t n)
{
    const int64_t decoded = self->context + (self->paused ? 0 : n) * self->growth, drafts = self->draft_tokens + 1;
    const int64_t prompts = (int64_t)self->batch.prompt_prior + n * (int64_t)self->batch.prompt_tokens;
    const int64_t tokens = (decoded >> self->shift) + self->decoders * drafts + prompts;
    return ms_blocks_within(&self->block, tokens) + self->running + 1 + self->set_aside - self->cache.twice;
}

/* The most iterations, of at most n, that fit into memory; the first one does. */
static int64_t that_fit(const ms_sequences *self, int64_t n)
{
    if (self->block.tokens == 1 && self->shift == 0) {
        const int64_t growth = (self->paused ? 0 : self->growth) + (int64_t)self->batch.prompt_tokens;
        const int64_t spare = self->capacity_blocks - ms_sequences_blocks(self, 0);
        return n * growth <= spare ? n : spare / growth; /* n is that of an answer or a prompt, and the product of 63 bits */
    }
    if (most_blocks(self, n) <= self->capacity_blocks) {
        return n;
    }
    int64_t fits = ms_sequences_blocks(self, n) <= self->capacity_blocks ? n : 1, beyond = n;
    while (beyond - fits > 1) {
        const int64_t middle = fits + (beyond - fits) / 2;
        *(ms_sequences_blocks(self, middle) <= self->capacity_blocks ? &fits : &beyond) = middle;
    }
    return fits;
}

/* How many iterations the composition stands if nobody comes. */
int64_t ms_sequences_last(const ms_sequences *self)
{
    int64_t n = self->decoders > 0 && !self->paused ? self->soonest - self->clock : INT64_MAX;
    const int32_t prompts = self->running - self->decoders;
    if (prompts == 1) {
        const int32_t i = self->running - 1;
        const int64_t left = ms_sequences_whole_prompt(self->jobs[i]) - self->cached[i];
        /* what is ahead need not be there twice: each iteration frees what it computes again */
        const int is_ahead = self->limits.prefix_cache && ms_cache_is_ahead(self->jobs[i]);
        n = ms_least(n, is_ahead || left == self->chunk[i] ? 1 : left / self->chunk[i]);
    } else if (prompts > 1) {
        n = 1;
    }
    return self->limits.kv_policy == MS_KV_RECOMPUTE ? that_fit(self, n) : n;
}

/* What the batch takes the products with the weights, where it is looked up. */
static void look_up_products(ms_sequences *self)
{
    ms_batch *batch = &self->batch;
    const double drafts = self->coefficients->draft_tokens * batch->decoders;
    batch->decoders_s = batch->decoders > 0.0 ? ms_products_of_decoders(self->products, self->decoders) : 0.0;
    batch->products_s = batch->prompt_tokens > 0.0
                            ? ms_products_seconds(self->products, batch->prompt_tokens + batch->decoders + drafts)
                            : batch->decoders_s;
}

void ms_sequences_compose(ms_sequences *self)
{
    int64_t tokens = 0, prior = 0;
    double work = 0.0;
    for (int32_t i = self->decoders; i < self->running; i++) {
        const double p = (double)self->chunk[i];
        tokens += self->chunk[i];
        prior += self->cached[i];
        work += p * ((double)self->cached[i] + p / 2.0);
    }
    const int decodes = !self->paused;
    ms_batch *batch = &self->batch;
    batch->decoders = decodes ? (double)self->decoders : 0.0;
    batch->context = decodes ? (double)self->context * self->unit : 0.0;
    batch->ahead = decodes ? (double)self->growth * self->unit - (double)self->decoders : 0.0;
    batch->prompt_tokens = (double)tokens;
    batch->prompt_work = work;
    batch->prompt_prior = (double)prior;
    batch->prompts = (double)(self->running - self->decoders);
    if (self->products != NULL) {
        look_up_products(self);
    }
    ms_iteration_put_durations(self->coefficients, batch, &self->tau);
}
