#include "jump.h"

#include "error.h"
#include "maths.h"

double ms_jump_end_s(const ms_replica *self, int64_t n)
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

/* An estimate, corrected by the exact formula: ends rise. */
ms_jump_point ms_jump_find(const ms_replica *self, double t_s)
{
    const double root = iterations_in(&self->sequences.tau, t_s - self->base_s);
    int64_t n = 1;
    if (root > 1.0) {
        n = root < (double)self->limit_iterations ? (int64_t)root : self->limit_iterations;
    }
    double end_s = ms_jump_end_s(self, n), before_s;
    if (end_s < t_s && n < self->limit_iterations) {
        do {
            before_s = end_s;
            end_s = ms_jump_end_s(self, ++n);
        } while (end_s < t_s && n < self->limit_iterations);
        return (ms_jump_point){n, end_s, before_s};
    }
    before_s = ms_jump_end_s(self, n - 1);
    while (n > 1 && before_s >= t_s) {
        end_s = before_s;
        before_s = ms_jump_end_s(self, --n - 1);
    }
    return (ms_jump_point){n, end_s, before_s};
}

int64_t ms_jump_until(const ms_replica *self, double t_s)
{
    return ms_jump_find(self, t_s).n;
}

void ms_jump_aim(ms_replica *self, int64_t n)
{
    self->target_iterations = n;
    self->boundary_s = ms_jump_end_s(self, n);
    self->state = MS_RUNNING;
}

int ms_jump_may_be_joined(const ms_replica *self)
{
    const ms_sequences *sequences = &self->sequences;
    return !self->full && !ms_sequences_has_partial(sequences) && sequences->running < sequences->limits.max_num_seqs;
}

/* ---- for schedules -------------------------------------------------------------------------------------- */

int ms_jump_admit(ms_replica *self, double t_s, int64_t budget, int64_t *used, int32_t *pulled)
{
    ms_sequences *sequences = &self->sequences;
    const int64_t twice = sequences->cache.twice;
    ms_job *job = ms_queue_pop(self->queue);
    job->replica = self->index;
    MS_TRY(ms_sequences_admit(sequences, job, t_s, budget, self->index));
    const int32_t i = sequences->running - 1;
    if (sequences->cached[i] >= ms_sequences_whole_prompt(job)) {
        return MS_ERR_BLOCKS; /* the last token of a prompt is always computed */
    }
    const int64_t tokens = sequences->cached[i] + sequences->chunk[i];
    *used += ms_sequences_blocks_of(sequences, tokens) - (sequences->cache.twice - twice);
    (*pulled)++;
    if (sequences->limits.prefix_cache) {
        ms_sequences_make_room(sequences, *used);
        if (sequences->limits.schedule != MS_SCHEDULE_SGLANG) { /* there, others find it once it is computed */
            ms_cache_extend(&sequences->cache, job, tokens);
        }
    }
    return 0;
}

ms_job *ms_jump_preempt(ms_replica *self, int32_t i, int keeps_generated)
{
    self->preemptions++;
    return ms_sequences_preempt(&self->sequences, i, keeps_generated);
}

int ms_jump_begin(ms_replica *self, double t_s, int64_t most)
{
    ms_sequences *sequences = &self->sequences;
    if (sequences->running == 0) {
        self->state = MS_IDLE;
        self->boundary_s = INFINITY;
        self->busy_s += t_s - self->busy_since_s;
        return 0;
    }
    ms_sequences_compose(sequences);
    const double first_s = ms_durations_nth_s(&sequences->tau, 0.0);
    if (!(first_s > 0.0 && first_s < INFINITY)) {
        return MS_ERR_NOT_FINITE;
    }
    self->base_s = t_s;
    self->limit_iterations = most > 1 ? ms_sequences_last(sequences) : most;
    self->jumps++;
    ms_jump_aim(self, self->limit_iterations);
    return sequences->cache.error;
}
