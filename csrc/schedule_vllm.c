/* vllm and tensorrt-llm: prompts and decoders share iterations. */
#include "schedule_vllm.h"

#include "error.h"
#include "transit.h"

/* The place of who is preempted: the youngest, or the least urgent. */
static int32_t victim(const ms_replica *self)
{
    const ms_sequences *sequences = &self->sequences;
    const int32_t order = sequences->limits.order;
    int32_t last = sequences->running - 1;
    for (int32_t i = last - 1; i >= 0 && order != MS_ORDER_FCFS; i--) {
        if (ms_job_precedes(order, sequences->jobs[last], sequences->jobs[i])) {
            last = i;
        }
    }
    return last;
}

/* Those in the batch take their part of the next iteration, one after the other being preempted while memory does not
 * suffice. Returns the blocks that they hold then. */
static int64_t keep(ms_replica *self, int *preempted)
{
    ms_sequences *sequences = &self->sequences;
    const int preempts = sequences->limits.kv_policy == MS_KV_RECOMPUTE;
    for (;;) {
        const int64_t budget = ms_sequences_budget(sequences);
        if (ms_sequences_has_partial(sequences)) {
            sequences->chunk[sequences->running - 1] = ms_sequences_partial_chunk(sequences, budget);
        }
        const int64_t used = ms_sequences_blocks(sequences, 1);
        if (!preempts || used <= sequences->capacity_blocks) {
            return used;
        }
        ms_queue_push_head(self->queue, ms_jump_preempt(self, victim(self), 1));
        *preempted = 1;
    }
}

/* Those who wait join the next iteration while there is room; what was carried here goes first. `used` is of all who are in
 * the batch, in blocks. */
static int admit(ms_replica *self, double t_s, int64_t *used, int32_t *pulled)
{
    ms_sequences *sequences = &self->sequences;
    int64_t budget = ms_sequences_budget(sequences);
    budget -= ms_sequences_has_partial(sequences) ? sequences->chunk[sequences->running - 1] : 0;
    if (self->arrived.head != NULL) {
        MS_TRY(ms_transit_admit(self, t_s, &budget));
        *used = ms_sequences_blocks(sequences, 1);
    }
    while (budget > 0 && sequences->running + self->kept_places < sequences->limits.max_num_seqs &&
           self->queue->head != NULL && ms_sequences_fit(sequences, self->queue->head, *used, budget)) {
        if (self->queue->head->source >= 0) {
            ms_transit_begin(self, used);
            continue;
        }
        MS_TRY(ms_jump_admit(self, t_s, budget, used, pulled));
        budget -= sequences->chunk[sequences->running - 1];
    }
    return 0;
}

static int plan(ms_replica *self, double t_s, int32_t *pulled)
{
    ms_sequences *sequences = &self->sequences;
    int preempted = 0;
    int64_t used = keep(self, &preempted);
    if (sequences->limits.prefix_cache) {
        ms_sequences_make_room(sequences, used);
        ms_sequences_share(sequences, 1);
    }
    preempted = preempted && sequences->running > 0; /* of memory that others will need, not those who run */
    if (!preempted && (self->queue->head != NULL || self->arrived.head != NULL)) {
        MS_TRY(admit(self, t_s, &used, pulled));
    }
    return used <= sequences->capacity_blocks ? ms_jump_begin(self, t_s, preempted ? 1 : INT64_MAX) : MS_ERR_BLOCKS;
}

static void rest(ms_replica *self)
{
    (void)self; /* it remembers nothing */
}

static int could_admit(ms_replica *self)
{
    const ms_sequences *sequences = &self->sequences;
    const ms_job *head = self->queue->head;
    if (self->arrived.head != NULL) {
        return 1;
    }
    if (head == NULL || sequences->running + self->kept_places >= sequences->limits.max_num_seqs) {
        return 0;
    }
    return ms_sequences_fit(sequences, head, ms_sequences_blocks(sequences, self->target_iterations + 1),
                            ms_sequences_budget(sequences));
}

const ms_schedule ms_schedule_vllm = {plan, rest, could_admit};
