#include "replica.h"

#include "error.h"
#include "maths.h"

int ms_replica_init(ms_replica *self, int32_t index, const ms_coefficients *coefficients,
                    const ms_limits *limits, ms_queue *shared)
{
    *self = (ms_replica){.sequences = {.coefficients = coefficients, .limits = *limits},
                         .index = index,
                         .state = MS_IDLE,
                         .boundary_s = INFINITY};
    self->queue = shared != NULL ? shared : &self->own_queue;
    const int sound = limits->max_num_seqs >= 1 && limits->max_batched_tokens >= limits->max_num_seqs;
    return sound ? 0 : MS_ERR_LIMITS;
}

void ms_replica_free(ms_replica *self)
{
    ms_sequences_free(&self->sequences);
}

int ms_replica_fits(const ms_replica *self, const ms_job *job)
{
    if (job->prompt_tokens < 1 || job->output_tokens < 1) {
        return MS_ERR_NO_TOKENS;
    }
    return ms_sequences_peak_tokens(job) <= self->sequences.limits.kv_capacity_tokens ? 0 : MS_ERR_TOO_LARGE;
}

int64_t ms_replica_unfinished(const ms_replica *self)
{
    return self->sequences.running + self->own_queue.length;
}

/* ---- time --------------------------------------------------------------------------------------------- */

static double iterations_end_s(const ms_replica *self, int64_t n)
{
    return self->base_s + ms_durations_sum(&self->sequences.tau, (double)n);
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
    const double root = iterations_in(&self->sequences.tau, t_s - self->base_s);
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

/* ---- planning an iteration ---------------------------------------------------------------------------- */

/* Admits from the head while budget, places and memory last. */
static int admit_all(ms_replica *self, double t_s, int64_t scheduled, int32_t *pulled)
{
    const int64_t cached = ms_sequences_cached_tokens(&self->sequences);
    int64_t budget = self->sequences.limits.max_batched_tokens - self->sequences.decoders - scheduled;
    while (budget > 0 && self->sequences.running < self->sequences.limits.max_num_seqs && self->queue->head != NULL &&
           ms_sequences_fit(&self->sequences, self->queue->head, cached, scheduled)) {
        const int64_t whole = ms_sequences_whole_prompt(self->queue->head);
        const int64_t chunk = whole < budget ? whole : budget;
        ms_job *job = ms_queue_pop(self->queue);
        job->replica = self->index;
        const int error = ms_sequences_admit(&self->sequences, job, t_s, chunk);
        if (error) {
            return error;
        }
        scheduled += chunk;
        budget -= chunk;
        (*pulled)++;
    }
    return 0;
}

static int begin_jump(ms_replica *self, double t_s, int preempted)
{
    const int64_t cached = ms_sequences_cached_tokens(&self->sequences);
    ms_sequences_compose(&self->sequences);
    const double first_s = ms_duration_s(&self->sequences.tau, 0.0);
    if (!(first_s > 0.0 && first_s < INFINITY)) {
        return MS_ERR_NOT_FINITE;
    }
    self->base_s = t_s;
    self->limit_iterations = preempted ? 1 : ms_sequences_last(&self->sequences, cached);
    self->jumps++;
    aim(self, self->limit_iterations);
    return 0;
}

/* Whether the next iteration of those in the batch needs more memory than there is. */
static int overflows(const ms_sequences *sequences)
{
    const int64_t cached = ms_sequences_cached_tokens(sequences);
    return cached + sequences->decoders + ms_sequences_partial_chunk(sequences) > sequences->limits.kv_capacity_tokens;
}

static int plan(ms_replica *self, double t_s, int32_t *pulled)
{
    const int preempting = self->sequences.limits.kv_policy == MS_KV_RECOMPUTE;
    int preempted = 0;
    while (preempting && overflows(&self->sequences)) {
        ms_queue_push_head(self->queue, ms_sequences_preempt(&self->sequences));
        self->preemptions++;
        preempted = 1;
    }
    const int64_t scheduled = ms_sequences_partial_chunk(&self->sequences);
    if (scheduled > 0) {
        self->sequences.chunk[self->sequences.running - 1] = scheduled;
    }
    if (!preempted) {
        const int error = admit_all(self, t_s, scheduled, pulled);
        if (error) {
            return error;
        }
    }
    if (self->sequences.running == 0) {
        self->state = MS_IDLE;
        self->boundary_s = INFINITY;
        self->busy_s += t_s - self->busy_since_s;
        return 0;
    }
    return begin_jump(self, t_s, preempted);
}

/* ---- the calls of its owner --------------------------------------------------------------------------- */

static int was_cut_short(const ms_replica *self)
{
    return self->sequences.running > 0 && self->target_iterations < self->limit_iterations;
}

/* At a boundary before the composition's end: could the head of the queue join now? */
static int could_admit(const ms_replica *self)
{
    const ms_sequences *sequences = &self->sequences;
    const ms_job *head = self->queue->head;
    const int64_t cached = sequences->context_tokens + self->target_iterations * sequences->decoders;
    return head != NULL && sequences->running < sequences->limits.max_num_seqs &&
           !ms_sequences_has_partial(sequences) && sequences->decoders < sequences->limits.max_batched_tokens &&
           ms_sequences_fit(sequences, head, cached, 0);
}

enum ms_notice ms_replica_notify(ms_replica *self, double t_s)
{
    if (self->state == MS_IDLE) {
        self->state = MS_BOUNDARY;
        self->busy_since_s = t_s;
        self->limit_iterations = self->target_iterations = 0;
        return MS_WAKE;
    }
    if (self->state != MS_RUNNING || ms_sequences_has_partial(&self->sequences) ||
        self->sequences.running >= self->sequences.limits.max_num_seqs) {
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
    ms_sequences_apply(&self->sequences, self->target_iterations, self->boundary_s, done);
    self->limit_iterations = self->target_iterations;
}

int ms_replica_finish(ms_replica *self, ms_queue *done)
{
    if (self->state != MS_RUNNING) {
        return MS_ERR_TIME;
    }
    self->state = MS_BOUNDARY;
    if (self->sequences.aborted > 0) {
        end_composition(self, done);
        ms_sequences_leave_aborted(&self->sequences, done);
    } else if (!was_cut_short(self)) {
        ms_sequences_apply(&self->sequences, self->limit_iterations, self->boundary_s, done);
    }
    return 0;
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
        ms_sequences_leave(&self->sequences, ms_sequences_place_of(&self->sequences, job));
        return MS_NOTHING;
    }
    job->aborted = 1;
    self->sequences.aborted++;
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
    const double duration = ms_duration_s(&self->sequences.tau, (double)n);
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
        return self->sequences.meter_j;
    }
    double fraction;
    const int64_t n = iterations_by(self, t_s, &fraction);
    return self->sequences.meter_j + ms_sequences_joules(&self->sequences, n, fraction);
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
        ms_sequences_accrue(&self->sequences, n, fraction);
    }
    self->busy_s = ms_replica_busy_s(self, t_s);
    for (int32_t i = 0; i < self->sequences.running; i++) {
        ms_queue_push_tail(evicted, ms_sequences_settle(&self->sequences, i));
    }
    for (ms_job *job = ms_queue_pop(&self->own_queue); job != NULL; job = ms_queue_pop(&self->own_queue)) {
        ms_queue_push_tail(evicted, job);
    }
    self->sequences.running = self->sequences.decoders = self->sequences.aborted = 0;
    self->sequences.context_tokens = 0;
    self->state = MS_DOWN;
    self->boundary_s = INFINITY;
}

void ms_replica_repair(ms_replica *self)
{
    self->state = MS_IDLE;
}
