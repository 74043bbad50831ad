#include "replica.h"

#include "error.h"
#include "lookahead.h"
#include "maths.h"
#include "schedule_sglang.h"
#include "schedule_vllm.h"
#include "transit.h"

int ms_replica_init(ms_replica *self, int32_t index, const ms_coefficients *coefficients,
                    const ms_limits *limits, ms_queue *shared)
{
    *self = (ms_replica){.index = index, .state = MS_IDLE, .boundary_s = INFINITY};
    const int is_sglang = limits->schedule == MS_SCHEDULE_SGLANG;
    self->schedule = is_sglang ? &ms_schedule_sglang : &ms_schedule_vllm;
    self->queue = shared != NULL ? shared : &self->own_queue;
    self->own_queue.order = limits->order;
    ms_sequences_init(&self->sequences, coefficients, limits);
    self->schedule->rest(self);
    const int64_t least = (int64_t)(self->sequences.draft_tokens + 1) * limits->max_num_seqs;
    const int has_budget = is_sglang ? limits->max_batched_tokens >= 1 : limits->max_batched_tokens >= least;
    return limits->max_num_seqs >= 1 && has_budget ? 0 : MS_ERR_LIMITS;
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
    const ms_sequences *sequences = &self->sequences;
    const int prefills = sequences->limits.role != MS_ROLE_DECODE;
    const int is_cut = sequences->limits.whole_prompts && prefills && job->prompt_tokens > sequences->limits.max_batched_tokens;
    return !is_cut && ms_sequences_peak_blocks(sequences, job) <= sequences->capacity_blocks ? 0 : MS_ERR_TOO_LARGE;
}

int64_t ms_replica_unfinished(const ms_replica *self)
{
    return self->sequences.running + ms_replica_waiting(self) + self->kept_places;
}

int64_t ms_replica_waiting(const ms_replica *self)
{
    return self->own_queue.length + self->coming.length;
}

/* ---- the calls of its owner --------------------------------------------------------------------------- */

static int was_cut_short(const ms_replica *self)
{
    return self->sequences.running > 0 && self->target_iterations < self->limit_iterations;
}

static enum ms_notice aim_sooner(ms_replica *self, int64_t n)
{
    if (n >= self->target_iterations) {
        return MS_NOTHING;
    }
    ms_jump_aim(self, n);
    return MS_RESCHEDULE;
}

static int may_be_joined(const ms_replica *self)
{
    return self->state == MS_RUNNING && ms_jump_may_be_joined(self);
}

double ms_replica_look_s(const ms_replica *self, double t_s)
{
    if (!may_be_joined(self)) {
        return INFINITY;
    }
    const ms_jump_point next = ms_jump_find(self, t_s);
    return next.n < self->target_iterations ? next.end_s : self->boundary_s;
}

enum ms_notice ms_replica_notify(ms_replica *self, double t_s)
{
    if (self->state == MS_IDLE) {
        self->state = MS_BOUNDARY;
        self->busy_since_s = t_s;
        self->limit_iterations = self->target_iterations = 0;
        return MS_WAKE;
    }
    return may_be_joined(self) ? aim_sooner(self, ms_jump_until(self, t_s)) : MS_NOTHING;
}

/* Likewise, where it plans ahead: somebody may have come, or be the first of those who come, since another left at t_s. */
static enum ms_notice notice_coming(ms_replica *self, double t_s)
{
    if (self->state == MS_IDLE) {
        return ms_replica_notify(self, t_s);
    }
    if (!may_be_joined(self) || !ms_lookahead_matters(self)) {
        return MS_NOTHING;
    }
    const int64_t now = ms_jump_until(self, t_s), seen = ms_lookahead_until(self);
    return aim_sooner(self, now > seen ? now : seen);
}

enum ms_notice ms_replica_submit(ms_replica *self, ms_job *job, double t_s)
{
    if (self->sequences.limits.lookahead > 0) {
        ms_lookahead_put(self, job, t_s);
        return notice_coming(self, t_s);
    }
    ms_queue_push_tail(&self->own_queue, job);
    return self->own_queue.head == job ? ms_replica_notify(self, t_s) : MS_NOTHING;
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
    const int32_t running = self->sequences.running;
    self->state = MS_BOUNDARY;
    if (self->sequences.aborted > 0) {
        end_composition(self, done);
        ms_sequences_leave_aborted(&self->sequences, done);
    } else if (!was_cut_short(self)) {
        ms_sequences_apply(&self->sequences, self->limit_iterations, self->boundary_s, done);
    }
    self->full = self->full && self->sequences.running == running;
    return self->sequences.cache.error;
}

static enum ms_notice leave_queue(ms_replica *self, ms_job *job, double t_s)
{
    ms_queue *queue = job->unseen ? &self->coming : &self->own_queue;
    const int was_head = queue->head == job;
    ms_queue_remove(queue, job);
    job->unseen = 0;
    if (!was_head) {
        return MS_NOTHING;
    }
    if (self->own_queue.head != NULL) {
        return queue == &self->own_queue ? ms_replica_notify(self, t_s) : MS_NOTHING;
    }
    return self->coming.head != NULL ? notice_coming(self, t_s) : MS_NOTHING;
}

/* Memory or a place is free that was not. */
static enum ms_notice look_again(ms_replica *self, double t_s)
{
    return self->own_queue.head != NULL ? ms_replica_notify(self, t_s) : MS_NOTHING;
}

enum ms_notice ms_replica_arrive(ms_replica *self, ms_job *job, double t_s)
{
    ms_transit_arrive(self, job);
    return ms_replica_notify(self, t_s);
}

enum ms_notice ms_replica_call_off(ms_replica *self, ms_job *job, double t_s)
{
    ms_transit_call_off(self, job);
    return look_again(self, t_s);
}

enum ms_notice ms_replica_let_go(ms_replica *self, ms_job *job, double t_s)
{
    ms_transit_let_go(self, job);
    return look_again(self, t_s);
}

static int32_t place_of(const ms_sequences *self, const ms_job *job)
{
    int32_t i = 0;
    while (self->jobs[i] != job) {
        i++;
    }
    return i;
}

enum ms_notice ms_replica_abort(ms_replica *self, ms_job *job, double t_s, int *left)
{
    if (job->place == MS_ARRIVED) {
        *left = 1;
        return ms_replica_call_off(self, job, t_s);
    }
    *left = job->place == MS_QUEUED || self->state == MS_BOUNDARY;
    if (job->place == MS_QUEUED) {
        return leave_queue(self, job, t_s);
    }
    if (self->state == MS_BOUNDARY) {
        if (was_cut_short(self)) {
            end_composition(self, NULL);
        }
        ms_sequences_leave(&self->sequences, place_of(&self->sequences, job));
        self->full = 0;
        return MS_NOTHING;
    }
    job->aborted = 1;
    self->sequences.aborted++;
    return aim_sooner(self, ms_jump_until(self, t_s));
}

int ms_replica_start(ms_replica *self, double t_s, int32_t *pulled)
{
    *pulled = 0;
    if (self->state != MS_BOUNDARY) {
        return MS_ERR_TIME;
    }
    ms_lookahead_see(self);
    if (was_cut_short(self)) {
        if (!self->schedule->could_admit(self)) {
            ms_jump_aim(self, self->limit_iterations);
            ms_lookahead_aim(self);
            return 0;
        }
        end_composition(self, NULL);
    }
    const int error = self->schedule->plan(self, t_s, pulled);
    ms_lookahead_aim(self);
    if (self->state == MS_IDLE) {
        self->schedule->rest(self);
    }
    return error;
}

/* Whole iterations ended by t_s, and the fraction of the next that has passed. */
static int64_t iterations_by(const ms_replica *self, double t_s, double *fraction)
{
    const ms_jump_point next = ms_jump_find(self, t_s);
    const int is_under_way = next.end_s > t_s;
    const int64_t n = is_under_way ? next.n - 1 : next.n;
    const double duration = ms_durations_nth_s(&self->sequences.tau, (double)n);
    const double passed = (t_s - (is_under_way ? next.before_s : next.end_s)) / duration;
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

void ms_replica_settle_cache(ms_replica *self, double t_s)
{
    ms_sequences *sequences = &self->sequences;
    if (!is_under_way(self) || !sequences->limits.prefix_cache) {
        return;
    }
    double fraction;
    const int64_t ended = iterations_by(self, t_s, &fraction), begun = fraction > 0.0 ? ended + 1 : ended;
    if (begun > 0) {
        ms_sequences_make_room(sequences, ms_sequences_blocks(sequences, begun));
        ms_sequences_share(sequences, sequences->limits.schedule == MS_SCHEDULE_SGLANG ? ended : begun);
    }
}

int64_t ms_replica_cached_tokens(ms_replica *self, const ms_job *job, double t_s)
{
    if (self->sequences.cache.past == NULL) {
        ms_replica_settle_cache(self, t_s);
    }
    return ms_sequences_cached_tokens(&self->sequences, job);
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
        self->sequences.jobs[i]->holds = NULL;
        ms_queue_push_tail(evicted, ms_sequences_settle(&self->sequences, i));
    }
    ms_lookahead_see_all(self);
    for (ms_job *job = ms_queue_pop(&self->own_queue); job != NULL; job = ms_queue_pop(&self->own_queue)) {
        ms_queue_push_tail(evicted, job);
    }
    ms_transit_evict(self, evicted);
    self->sequences.running = self->sequences.decoders = self->sequences.aborted = 0;
    self->sequences.context = self->sequences.growth = 0;
    self->sequences.soonest = INT64_MAX;
    self->schedule->rest(self);
    ms_cache_clear(&self->sequences.cache);
    self->state = MS_DOWN;
    self->boundary_s = INFINITY;
}

void ms_replica_repair(ms_replica *self)
{
    self->state = MS_IDLE;
}
