#include "replica.h"

#include <stdlib.h>

#include "error.h"
#include "maths.h"

int ms_replica_init(ms_replica *self, int32_t index, const ms_coefficients *coefficients,
                    const ms_limits *limits, ms_queue *shared)
{
    *self = (ms_replica){.coefficients = coefficients,
                         .limits = *limits,
                         .index = index,
                         .state = MS_IDLE,
                         .boundary_s = INFINITY};
    self->queue = shared != NULL ? shared : &self->own_queue;
    const int sound = limits->max_num_seqs >= 1 && limits->max_batched_tokens >= limits->max_num_seqs;
    return sound ? 0 : MS_ERR_LIMITS;
}

void ms_replica_free(ms_replica *self)
{
    free(self->jobs);
    free(self->ends);
    free(self->cached);
    free(self->chunk);
    free(self->energy_j);
    free(self->usage_s);
    self->room = 0;
}

static int64_t peak_tokens(const ms_job *job)
{
    return (int64_t)job->prompt_tokens + job->output_tokens - 1; /* the last token is never cached */
}

int ms_replica_fits(const ms_replica *self, const ms_job *job)
{
    if (job->prompt_tokens < 1 || job->output_tokens < 1) {
        return MS_ERR_NO_TOKENS;
    }
    return peak_tokens(job) <= self->limits.kv_capacity_tokens ? 0 : MS_ERR_TOO_LARGE;
}

int64_t ms_replica_unfinished(const ms_replica *self)
{
    return self->running + self->own_queue.length;
}

/* ---- time ------------------------------------------------------------------------------------- */

static double iterations_end_s(const ms_replica *self, int64_t n)
{
    return self->base_s + ms_durations_sum(&self->tau, (double)n);
}

/* The iterations, not a whole number, that `x` seconds take. The root of n b + D n^2 / 2 = x is taken in the form
 * that does not cancel. */
static double iterations_in(const ms_durations *tau, double x)
{
    if (tau->floored > 0.0) {
        const double n = x / tau->floor_s;
        if (n <= tau->floored) {
            return n;
        }
        x += ms_series_sum(tau->busy, tau->floored) - tau->floored * tau->floor_s;
    }
    const double b = tau->busy.first - tau->busy.slope / 2.0;
    return 2.0 * x / (b + sqrt(b * b + 2.0 * tau->busy.slope * x));
}

/* The fewest iterations, at least 1, whose end is at or after t_s: an estimate, corrected by the exact formula. */
static int64_t iterations_until(const ms_replica *self, double t_s)
{
    const double root = iterations_in(&self->tau, t_s - self->base_s);
    int64_t n = 1;
    if (root > 1.0) {
        n = root < (double)self->limit_iterations ? (int64_t)root : self->limit_iterations;
    }
    while (n > 1 && iterations_end_s(self, n - 1) >= t_s) {
        n--;
    }
    while (n < self->limit_iterations && iterations_end_s(self, n) < t_s) {
        n++;
    }
    return n;
}

static void aim(ms_replica *self, int64_t n)
{
    self->target_iterations = n;
    self->boundary_s = iterations_end_s(self, n);
    self->state = MS_RUNNING;
}

/* ---- what each sequence pays -------------------------------------------------------------------- */

static double prompt_share(const ms_replica *self, int32_t i)
{
    return (double)self->chunk[i] / self->batch.prompt_tokens;
}

static void pay(const ms_replica *self, ms_shares shares, double *accounts)
{
    const double each = self->decoders > 0 ? shares.decode / (double)self->decoders : 0.0;
    for (int32_t i = 0; i < self->decoders; i++) {
        accounts[i] += each;
    }
    for (int32_t i = self->decoders; i < self->running; i++) {
        accounts[i] += shares.prompt * prompt_share(self, i);
    }
}

static ms_shares blend(ms_shares whole, ms_shares next, double fraction)
{
    return (ms_shares){whole.decode + fraction * (next.decode - whole.decode),
                       whole.prompt + fraction * (next.prompt - whole.prompt)};
}

typedef ms_shares (*shares_fn)(const ms_coefficients *, const ms_batch *, const ms_durations *, double);

/* Shares of n iterations and a fraction of the next. */
static ms_shares shares_until(const ms_replica *self, shares_fn shares, int64_t n, double fraction)
{
    const ms_coefficients *c = self->coefficients;
    const ms_shares whole = n > 0 ? shares(c, &self->batch, &self->tau, (double)n) : (ms_shares){0.0, 0.0};
    if (fraction == 0.0) {
        return whole;
    }
    return blend(whole, shares(c, &self->batch, &self->tau, (double)(n + 1)), fraction);
}

static void accrue(ms_replica *self, int64_t n, double fraction)
{
    const ms_shares joules = shares_until(self, ms_iteration_joule_shares, n, fraction);
    pay(self, joules, self->energy_j);
    self->meter_j += joules.decode + joules.prompt;
    if (self->limits.track_usage) {
        pay(self, shares_until(self, ms_iteration_second_shares, n, fraction), self->usage_s);
    }
}

/* ---- who is in the batch ------------------------------------------------------------------------ */

static int64_t whole_prompt(const ms_job *job)
{
    return (int64_t)job->prompt_tokens + job->generated_tokens;
}

static int has_partial(const ms_replica *self)
{
    return self->running > self->decoders;
}

/* Cached tokens of all running sequences. */
static int64_t cached_tokens(const ms_replica *self)
{
    int64_t cached = self->context_tokens;
    for (int32_t i = self->decoders; i < self->running; i++) {
        cached += self->cached[i];
    }
    return cached;
}

static int grow(ms_replica *self)
{
    const int32_t most = self->limits.max_num_seqs;
    const int32_t room = self->room == 0 ? (most < 16 ? most : 16) : (self->room > most / 2 ? most : 2 * self->room);
    const size_t n = (size_t)room;
    ms_job **jobs = realloc(self->jobs, n * sizeof *jobs);
    self->jobs = jobs != NULL ? jobs : self->jobs;
    int64_t *ends = realloc(self->ends, n * sizeof *ends);
    self->ends = ends != NULL ? ends : self->ends;
    int64_t *cached = realloc(self->cached, n * sizeof *cached);
    self->cached = cached != NULL ? cached : self->cached;
    int64_t *chunk = realloc(self->chunk, n * sizeof *chunk);
    self->chunk = chunk != NULL ? chunk : self->chunk;
    double *energy_j = realloc(self->energy_j, n * sizeof *energy_j);
    self->energy_j = energy_j != NULL ? energy_j : self->energy_j;
    double *usage_s = realloc(self->usage_s, n * sizeof *usage_s);
    self->usage_s = usage_s != NULL ? usage_s : self->usage_s;
    if (jobs == NULL || ends == NULL || cached == NULL || chunk == NULL || energy_j == NULL || usage_s == NULL) {
        return MS_ERR_MEMORY;
    }
    self->room = room;
    return 0;
}

/* Takes the account of place i into its job. */
static ms_job *settle(ms_replica *self, int32_t i)
{
    ms_job *job = self->jobs[i];
    job->place = MS_NOWHERE;
    job->energy_j += self->energy_j[i];
    job->usage_s += self->usage_s[i];
    if (self->limits.kv_policy == MS_KV_RESERVE) {
        self->reserved_tokens -= peak_tokens(job);
    }
    return job;
}

static void become_decoder(ms_replica *self, int32_t i)
{
    const ms_job *job = self->jobs[i];
    self->context_tokens += self->cached[i];
    self->ends[i] = self->clock + job->output_tokens - job->generated_tokens;
    self->cached[i] -= self->clock;
}

static void move(ms_replica *self, int32_t from, int32_t to)
{
    self->jobs[to] = self->jobs[from];
    self->ends[to] = self->ends[from];
    self->cached[to] = self->cached[from];
    self->chunk[to] = self->chunk[from];
    self->energy_j[to] = self->energy_j[from];
    self->usage_s[to] = self->usage_s[from];
}

static void complete(ms_replica *self, int32_t i, ms_queue *done)
{
    ms_job *job = settle(self, i);
    job->generated_tokens = job->output_tokens;
    job->finish_s = self->boundary_s;
    ms_queue_push_tail(done, job);
}

/* Prompt i has ended its last chunk: it emits a token, and decodes from the next iteration on. Returns
 * whether that token was the answer's last. */
static int emit_first(ms_replica *self, int32_t i)
{
    ms_job *job = self->jobs[i];
    job->generated_tokens++;
    if (job->first_token_s != job->first_token_s) {
        job->first_token_s = self->boundary_s;
    }
    return job->generated_tokens == job->output_tokens;
}

/* Carries out n iterations of the present composition. */
static void apply(ms_replica *self, int64_t n, ms_queue *done)
{
    accrue(self, n, 0.0);
    if (self->decoders > 0) {
        self->clock += n;
        self->context_tokens += n * self->decoders;
    }
    int32_t kept = 0;
    int32_t i = 0;
    for (; i < self->decoders; i++) {
        if (self->ends[i] == self->clock) {
            self->context_tokens -= self->cached[i] + self->clock;
            complete(self, i, done);
        } else if (kept++ != i) {
            move(self, i, kept - 1);
        }
    }
    int32_t decoders = kept;
    for (; i < self->running; i++) {
        self->cached[i] += n * self->chunk[i];
        if (self->cached[i] < whole_prompt(self->jobs[i])) {
            move(self, i, kept++); /* the partial prefill: the tail */
        } else if (emit_first(self, i)) {
            complete(self, i, done);
        } else {
            become_decoder(self, i);
            move(self, i, kept++);
            decoders++;
        }
    }
    self->running = kept;
    self->decoders = decoders;
}

/* Takes the sequence at place i out of the batch, between two iterations. */
static ms_job *leave(ms_replica *self, int32_t i)
{
    ms_job *job = settle(self, i);
    if (i < self->decoders) {
        self->context_tokens -= self->cached[i] + self->clock;
        self->decoders--;
    }
    self->running--;
    for (int32_t k = i; k < self->running; k++) {
        move(self, k + 1, k);
    }
    return job;
}

static void leave_aborted(ms_replica *self, ms_queue *done)
{
    for (int32_t i = 0; i < self->running;) {
        if (self->jobs[i]->aborted) {
            ms_queue_push_tail(done, leave(self, i));
        } else {
            i++;
        }
    }
    self->aborted = 0;
}

/* ---- planning an iteration ---------------------------------------------------------------------- */

static void preempt_tail(ms_replica *self)
{
    const int32_t i = self->running - 1;
    ms_job *job = settle(self, i);
    if (has_partial(self)) {
        self->running--;
    } else {
        job->generated_tokens = (int32_t)(job->output_tokens - (self->ends[i] - self->clock));
        self->context_tokens -= self->cached[i] + self->clock;
        self->running--;
        self->decoders--;
    }
    job->preemptions++;
    self->preemptions++;
    ms_queue_push_head(self->queue, job);
}

/* Tokens that the next iteration takes from the partial prefill, if there is one. */
static int64_t partial_chunk(const ms_replica *self)
{
    if (!has_partial(self)) {
        return 0;
    }
    const int32_t i = self->running - 1;
    const int64_t left = whole_prompt(self->jobs[i]) - self->cached[i];
    const int64_t budget = self->limits.max_batched_tokens - self->decoders;
    return left < budget ? left : budget;
}

/* Whether the head of the queue fits, with `scheduled` prompt tokens in the iteration before it. */
static int head_fits(const ms_replica *self, const ms_job *head, int64_t cached, int64_t scheduled)
{
    const int64_t capacity = self->limits.kv_capacity_tokens;
    if (self->limits.kv_policy == MS_KV_RESERVE) {
        return self->reserved_tokens + peak_tokens(head) <= capacity;
    }
    return cached + self->decoders + scheduled + whole_prompt(head) <= capacity;
}

static int admit(ms_replica *self, double t_s, int64_t chunk)
{
    if (self->running == self->room) {
        const int error = grow(self);
        if (error) {
            return error;
        }
    }
    ms_job *job = ms_queue_pop(self->queue);
    const int32_t i = self->running++;
    self->jobs[i] = job;
    self->cached[i] = 0;
    self->chunk[i] = chunk;
    self->energy_j[i] = 0.0;
    self->usage_s[i] = 0.0;
    if (self->limits.kv_policy == MS_KV_RESERVE) {
        self->reserved_tokens += peak_tokens(job);
    }
    job->replica = self->index;
    job->place = MS_RUNS;
    if (job->start_s != job->start_s) {
        job->start_s = t_s;
    }
    return 0;
}

/* Admits from the head while budget, places and memory last. */
static int admit_all(ms_replica *self, double t_s, int64_t scheduled, int32_t *pulled)
{
    const int64_t cached = cached_tokens(self);
    int64_t budget = self->limits.max_batched_tokens - self->decoders - scheduled;
    while (budget > 0 && self->running < self->limits.max_num_seqs && self->queue->head != NULL &&
           head_fits(self, self->queue->head, cached, scheduled)) {
        const int64_t whole = whole_prompt(self->queue->head);
        const int64_t chunk = whole < budget ? whole : budget;
        const int error = admit(self, t_s, chunk);
        if (error) {
            return error;
        }
        scheduled += chunk;
        budget -= chunk;
        (*pulled)++;
    }
    return 0;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* How many iterations the composition stands if nobody comes. */
static int64_t composition_lasts(const ms_replica *self, int64_t cached)
{
    int64_t n = INT64_MAX;
    for (int32_t i = 0; i < self->decoders; i++) {
        n = least(n, self->ends[i] - self->clock);
    }
    const int32_t prompts = self->running - self->decoders;
    if (prompts == 1) {
        const int32_t i = self->running - 1;
        const int64_t left = whole_prompt(self->jobs[i]) - self->cached[i];
        n = least(n, left / self->chunk[i]);
    } else if (prompts > 1) {
        n = 1;
    }
    if (self->limits.kv_policy == MS_KV_RECOMPUTE) {
        const int64_t growth = self->decoders + (int64_t)self->batch.prompt_tokens;
        n = least(n, (self->limits.kv_capacity_tokens - cached) / growth);
    }
    return n;
}

static void compose(ms_replica *self)
{
    int64_t tokens = 0, prior = 0;
    double work = 0.0;
    for (int32_t i = self->decoders; i < self->running; i++) {
        const double p = (double)self->chunk[i];
        tokens += self->chunk[i];
        prior += self->cached[i];
        work += p * ((double)self->cached[i] + p / 2.0);
    }
    self->batch = (ms_batch){.decoders = (double)self->decoders,
                             .context = (double)self->context_tokens,
                             .prompt_tokens = (double)tokens,
                             .prompt_work = work,
                             .prompt_prior = (double)prior,
                             .prompts = (double)(self->running - self->decoders)};
    self->tau = ms_iteration_durations(self->coefficients, &self->batch);
}

static int begin_jump(ms_replica *self, double t_s, int preempted)
{
    const int64_t cached = cached_tokens(self);
    compose(self);
    const double first_s = ms_duration_s(&self->tau, 0.0);
    if (!(first_s > 0.0 && first_s < INFINITY)) {
        return MS_ERR_NOT_FINITE;
    }
    self->base_s = t_s;
    self->limit_iterations = preempted ? 1 : composition_lasts(self, cached);
    self->jumps++;
    aim(self, self->limit_iterations);
    return 0;
}

static int plan(ms_replica *self, double t_s, int32_t *pulled)
{
    const int preempting = self->limits.kv_policy == MS_KV_RECOMPUTE;
    int preempted = 0;
    while (preempting && cached_tokens(self) + self->decoders + partial_chunk(self) >
                             self->limits.kv_capacity_tokens) {
        preempt_tail(self);
        preempted = 1;
    }
    const int64_t scheduled = partial_chunk(self);
    if (scheduled > 0) {
        self->chunk[self->running - 1] = scheduled;
    }
    if (!preempted) {
        const int error = admit_all(self, t_s, scheduled, pulled);
        if (error) {
            return error;
        }
    }
    if (self->running == 0) {
        self->state = MS_IDLE;
        self->boundary_s = INFINITY;
        self->busy_s += t_s - self->busy_since_s;
        return 0;
    }
    return begin_jump(self, t_s, preempted);
}

/* ---- the calls of its owner --------------------------------------------------------------------- */

static int was_cut_short(const ms_replica *self)
{
    return self->running > 0 && self->target_iterations < self->limit_iterations;
}

/* At a boundary before the composition's end: could the head of the queue join now? */
static int could_admit(const ms_replica *self)
{
    const ms_job *head = self->queue->head;
    const int64_t cached = self->context_tokens + self->target_iterations * self->decoders;
    return head != NULL && self->running < self->limits.max_num_seqs && !has_partial(self) &&
           self->decoders < self->limits.max_batched_tokens && head_fits(self, head, cached, 0);
}

enum ms_notice ms_replica_notify(ms_replica *self, double t_s)
{
    if (self->state == MS_IDLE) {
        self->state = MS_BOUNDARY;
        self->busy_since_s = t_s;
        self->limit_iterations = self->target_iterations = 0;
        return MS_WAKE;
    }
    if (self->state != MS_RUNNING || has_partial(self) || self->running >= self->limits.max_num_seqs) {
        return MS_NOTHING;
    }
    const int64_t n = iterations_until(self, t_s);
    if (n >= self->target_iterations) {
        return MS_NOTHING;
    }
    aim(self, n);
    return MS_RESCHEDULE;
}

/* The present composition ends at the boundary that was aimed at, wherever it might have ended: nothing completes
 * before its own end. */
static void end_composition(ms_replica *self, ms_queue *done)
{
    apply(self, self->target_iterations, done);
    self->limit_iterations = self->target_iterations;
}

int ms_replica_finish(ms_replica *self, ms_queue *done)
{
    if (self->state != MS_RUNNING) {
        return MS_ERR_TIME;
    }
    self->state = MS_BOUNDARY;
    if (self->aborted > 0) {
        end_composition(self, done);
        leave_aborted(self, done);
    } else if (!was_cut_short(self)) {
        apply(self, self->limit_iterations, done);
    }
    return 0;
}

static int32_t place_of(const ms_replica *self, const ms_job *job)
{
    int32_t i = 0;
    while (self->jobs[i] != job) {
        i++;
    }
    return i;
}

enum ms_notice ms_replica_abort(ms_replica *self, ms_job *job, double t_s, int *left)
{
    *left = job->place == MS_QUEUED || self->state == MS_BOUNDARY;
    if (job->place == MS_QUEUED) {
        const int was_head = self->own_queue.head == job;
        ms_queue_remove(&self->own_queue, job);
        return was_head && self->own_queue.head != NULL ? ms_replica_notify(self, t_s) : MS_NOTHING;
    }
    if (self->state == MS_BOUNDARY) {
        if (was_cut_short(self)) {
            end_composition(self, NULL);
        }
        leave(self, place_of(self, job));
        return MS_NOTHING;
    }
    job->aborted = 1;
    self->aborted++;
    const int64_t n = iterations_until(self, t_s);
    if (n >= self->target_iterations) {
        return MS_NOTHING;
    }
    aim(self, n);
    return MS_RESCHEDULE;
}

int ms_replica_start(ms_replica *self, double t_s, int32_t *pulled)
{
    *pulled = 0;
    if (self->state != MS_BOUNDARY) {
        return MS_ERR_TIME;
    }
    if (was_cut_short(self)) {
        if (!could_admit(self)) {
            aim(self, self->limit_iterations);
            return 0;
        }
        end_composition(self, NULL);
    }
    return plan(self, t_s, pulled);
}

/* Whole iterations ended by t_s, and the fraction of the next that has passed. */
static int64_t iterations_by(const ms_replica *self, double t_s, double *fraction)
{
    int64_t n = iterations_until(self, t_s);
    if (iterations_end_s(self, n) > t_s) {
        n--;
    }
    const double duration = ms_duration_s(&self->tau, (double)n);
    const double passed = (t_s - iterations_end_s(self, n)) / duration;
    *fraction = passed > 0.0 ? (passed < 1.0 ? passed : 1.0) : 0.0;
    return n;
}

/* A replica that waits at a boundary inside its composition has `target_iterations` to account for. */
static int is_under_way(const ms_replica *self)
{
    return self->state == MS_RUNNING || (self->state == MS_BOUNDARY && was_cut_short(self));
}

double ms_replica_meter_j(const ms_replica *self, double t_s)
{
    if (!is_under_way(self)) {
        return self->meter_j;
    }
    double fraction;
    const int64_t n = iterations_by(self, t_s, &fraction);
    const ms_shares joules = shares_until(self, ms_iteration_joule_shares, n, fraction);
    return self->meter_j + joules.decode + joules.prompt;
}

double ms_replica_busy_s(const ms_replica *self, double t_s)
{
    const int busy = self->state == MS_RUNNING || self->state == MS_BOUNDARY;
    return self->busy_s + (busy ? t_s - self->busy_since_s : 0.0);
}

void ms_replica_evict(ms_replica *self, double t_s, ms_queue *evicted)
{
    if (is_under_way(self)) {
        double fraction;
        const int64_t n = iterations_by(self, t_s, &fraction);
        accrue(self, n, fraction);
    }
    self->busy_s = ms_replica_busy_s(self, t_s);
    for (int32_t i = 0; i < self->running; i++) {
        ms_queue_push_tail(evicted, settle(self, i));
    }
    for (ms_job *job = ms_queue_pop(&self->own_queue); job != NULL; job = ms_queue_pop(&self->own_queue)) {
        ms_queue_push_tail(evicted, job);
    }
    self->running = self->decoders = self->aborted = 0;
    self->context_tokens = 0;
    self->state = MS_DOWN;
    self->boundary_s = INFINITY;
}

void ms_replica_repair(ms_replica *self)
{
    self->state = MS_IDLE;
}
