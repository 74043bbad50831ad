#include "transit.h"

#include <stddef.h>

static int64_t blocks_of(const ms_replica *self, const ms_job *job)
{
    return ms_sequences_blocks_of(&self->sequences, ms_sequences_whole_prompt(job));
}

void ms_transit_begin(ms_replica *self, int64_t *used)
{
    ms_job *job = ms_queue_pop(self->queue);
    const int64_t blocks = blocks_of(self, job);
    *used += blocks;
    self->sequences.set_aside += blocks;
    self->kept_places++;
    ms_queue_push_tail(&self->departing, job);
}

ms_job *ms_transit_depart(ms_replica *self)
{
    ms_job *job = ms_queue_pop(&self->departing);
    if (job != NULL) {
        ms_queue_push_tail(&self->incoming, job);
        job->place = MS_TRANSFERS;
    }
    return job;
}

void ms_transit_arrive(ms_replica *self, ms_job *job)
{
    ms_queue_remove(&self->incoming, job);
    ms_queue_push_tail(&self->arrived, job);
    job->place = MS_ARRIVED;
    job->transferred = 1;
}

void ms_transit_call_off(ms_replica *self, ms_job *job)
{
    self->sequences.set_aside -= blocks_of(self, job);
    self->kept_places--;
    ms_queue_remove(job->place == MS_ARRIVED ? &self->arrived : &self->incoming, job);
}

int ms_transit_admit(ms_replica *self, double t_s, int64_t *budget)
{
    while (self->arrived.head != NULL && *budget > 0) {
        ms_job *job = ms_queue_pop(&self->arrived);
        job->replica = self->index;
        self->sequences.set_aside -= blocks_of(self, job);
        self->kept_places--;
        const int error = ms_sequences_admit(&self->sequences, job, t_s, *budget, self->index);
        if (error) {
            return error;
        }
        (*budget)--;
    }
    return 0;
}

static void take_all(ms_queue *from, ms_queue *to)
{
    for (ms_job *job = ms_queue_pop(from); job != NULL; job = ms_queue_pop(from)) {
        ms_queue_push_tail(to, job);
    }
}

void ms_transit_evict(ms_replica *self, ms_queue *evicted)
{
    take_all(&self->arrived, evicted);
    take_all(&self->incoming, evicted);
    take_all(&self->departing, evicted);
    self->sequences.set_aside = 0;
    self->kept_places = 0;
}

void ms_transit_let_go(ms_replica *self, ms_job *job)
{
    if (self->sequences.limits.prefix_cache) {
        ms_cache_leave(&self->sequences.cache, job, job->prompt_tokens, 0, 0);
    }
    self->sequences.set_aside -= ms_sequences_blocks_of(&self->sequences, job->prompt_tokens);
}
