#include "lookahead.h"

#include "maths.h"

void ms_lookahead_put(ms_replica *self, ms_job *job, double t_s)
{
    job->queued_s = t_s;
    job->unseen = 1;
    ms_queue_push_tail(&self->coming, job);
}

static void see_until(ms_replica *self, double t_s)
{
    while (self->coming.head != NULL && self->coming.head->queued_s <= t_s) {
        ms_job *job = ms_queue_pop(&self->coming);
        job->unseen = 0;
        ms_queue_push_tail(&self->own_queue, job);
    }
}

void ms_lookahead_see_all(ms_replica *self)
{
    see_until(self, INFINITY);
}

/* Iterations since who comes was looked for last, `n` more than the clock says being over. */
static int64_t since_poll(const ms_replica *self, int64_t n)
{
    const int64_t interval = self->sequences.limits.recv_interval;
    return interval <= 1 ? 0 : (self->sequences.clock + n - self->poll_clock) % interval;
}

void ms_lookahead_see(ms_replica *self)
{
    if (self->sequences.paused) { /* prompts have ended */
        self->poll_clock = self->sequences.clock;
    }
    if (self->coming.head == NULL) {
        return;
    }
    const int64_t in_jump = self->target_iterations < self->limit_iterations ? self->target_iterations : 0;
    const int64_t polled = self->target_iterations - since_poll(self, in_jump);
    if (polled > 0) {
        see_until(self, ms_jump_end_s(self, polled - 1));
    }
    if (self->sequences.running == 0 && self->own_queue.head == NULL) {
        see_until(self, INFINITY);
    }
}

int ms_lookahead_matters(const ms_replica *self)
{
    return self->coming.head != NULL && (self->own_queue.head == NULL || self->own_queue.order != MS_ORDER_FCFS);
}

int64_t ms_lookahead_until(const ms_replica *self)
{
    const double came_s = self->coming.head->queued_s;
    const int64_t seen = came_s <= self->base_s ? 1 : ms_jump_until(self, came_s) + 1;
    const int64_t since = since_poll(self, seen);
    const int64_t n = since > 0 ? seen + self->sequences.limits.recv_interval - since : seen;
    return n < self->limit_iterations ? n : self->limit_iterations;
}

void ms_lookahead_aim(ms_replica *self)
{
    if (self->state == MS_RUNNING && ms_lookahead_matters(self) && ms_jump_may_be_joined(self)) {
        ms_jump_aim(self, ms_lookahead_until(self));
    }
}
