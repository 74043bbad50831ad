#include "transit.h"

#include <stddef.h>

#include "error.h"

static int64_t blocks_of(const ms_replica *self, const ms_job *job)
{
    return ms_sequences_blocks_of(&self->sequences, ms_sequences_whole_prompt(job));
}

/* While its KV is on its way a job uses blocks of two caches. */
static void turn_to_other_side(ms_job *job)
{
    struct ms_hold *holds = job->holds;
    job->holds = job->holds_there;
    job->holds_there = holds;
}

/* It uses from now on what the cache has of it; returns these blocks. */
static int64_t take_hits(ms_replica *self, ms_job *job)
{
    ms_cache *cache = &self->sequences.cache;
    if (!self->sequences.limits.prefix_cache) {
        return 0;
    }
    job->text = (int64_t)self->index << 40 | cache->texts++;
    turn_to_other_side(job);
    const int64_t present = ms_cache_admit(cache, job, ms_sequences_whole_prompt(job), self->index);
    turn_to_other_side(job);
    return present;
}

void ms_transit_begin(ms_replica *self, int64_t *used)
{
    ms_sequences *sequences = &self->sequences;
    ms_job *job = ms_queue_pop(self->queue);
    const int64_t blocks = blocks_of(self, job), twice = sequences->cache.twice;
    const int64_t present = take_hits(self, job);
    job->missing_tokens = job->prompt_tokens - ms_sequences_hit_tokens(sequences, job, present);
    *used += blocks - (sequences->cache.twice - twice);
    sequences->set_aside += blocks;
    if (sequences->limits.kv_policy == MS_KV_RESERVE) {
        sequences->reserved_blocks += ms_sequences_peak_blocks(sequences, job);
    }
    ms_sequences_make_room(sequences, *used);
    self->kept_places++;
    ms_queue_push_tail(&self->departing, job);
}

/* What was kept for it is free, or in its batch from now on. */
static void stop_keeping(ms_replica *self, const ms_job *job)
{
    self->sequences.set_aside -= blocks_of(self, job);
    if (self->sequences.limits.kv_policy == MS_KV_RESERVE) {
        self->sequences.reserved_blocks -= ms_sequences_peak_blocks(&self->sequences, job);
    }
    self->kept_places--;
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
    stop_keeping(self, job);
    turn_to_other_side(job);
    ms_cache_let_go(&self->sequences.cache, job);
    turn_to_other_side(job);
    ms_queue_remove(job->place == MS_ARRIVED ? &self->arrived : &self->incoming, job);
}

/* By vLLM it computes its last token again, as a prompt of one; elsewhere it decodes. */
static int join(ms_replica *self, ms_job *job, double t_s)
{
    ms_sequences *sequences = &self->sequences;
    if (sequences->limits.schedule != MS_SCHEDULE_VLLM) {
        return ms_sequences_join(sequences, job, t_s);
    }
    MS_TRY(ms_sequences_admit(sequences, job, t_s, 1, self->index));
    ms_cache_extend(&sequences->cache, job, ms_sequences_whole_prompt(job));
    return sequences->cache.error;
}

int ms_transit_admit(ms_replica *self, double t_s, int64_t *budget)
{
    while (self->arrived.head != NULL && *budget > 0) {
        ms_job *job = ms_queue_pop(&self->arrived);
        job->replica = self->index;
        job->holds = job->holds_there;
        job->holds_there = NULL;
        stop_keeping(self, job);
        MS_TRY(join(self, job, t_s));
        (*budget)--;
    }
    return 0;
}

static void take_all(ms_queue *from, ms_queue *to)
{
    for (ms_job *job = ms_queue_pop(from); job != NULL; job = ms_queue_pop(from)) {
        job->holds_there = NULL; /* of a cache that is to be cleared */
        ms_queue_push_tail(to, job);
    }
}

void ms_transit_evict(ms_replica *self, ms_queue *evicted)
{
    take_all(&self->arrived, evicted);
    take_all(&self->incoming, evicted);
    take_all(&self->departing, evicted);
    self->sequences.set_aside = self->sequences.reserved_blocks = 0;
    self->kept_places = 0;
}

void ms_transit_let_go(ms_replica *self, ms_job *job)
{
    ms_cache_let_go(&self->sequences.cache, job);
    self->sequences.set_aside -= ms_sequences_blocks_of(&self->sequences, job->prompt_tokens);
}
