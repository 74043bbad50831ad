#include "expect.h"

#include <stddef.h>

enum { LINE_BYTES = 64, OWNER_BYTES = 256, SMALL_FLEET = 256 };

static void ask_for(const void *memory, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += LINE_BYTES) {
        __builtin_prefetch((const char *)memory + at, 1);
    }
}

/* But for what few replicas have (drafts, prices), and caches. */
static void ask_for_replica(const ms_fleet *self, int32_t replica)
{
    ask_for(&self->replica[replica], offsetof(ms_replica, sequences.few.rate));
}

/* The job whose answer ends with the batch as it is; NULL: none does, or there are many. */
static const ms_job *ending(const ms_sequences *sequences)
{
    for (int32_t i = 0; i < sequences->decoders && i < MS_FEW_SEQUENCES; i++) {
        if (sequences->ends[i] == sequences->soonest) {
            return sequences->jobs[i];
        }
    }
    return NULL;
}

/* Of who comes soon its replica; of who comes sooner the job whose answer ends then, read from what was asked for before; and
 * of who is next that job's owner. */
void ms_expect_turns(const ms_fleet *self, int32_t replica)
{
    const ms_tournament *moments = &self->moments;
    if (self->replicas <= SMALL_FLEET) {
        return;
    }
    ask_for_replica(self, ms_tournament_winner(moments, replica, 2));
    const ms_job *sooner = ending(&self->replica[ms_tournament_winner(moments, replica, 1)].sequences);
    if (sooner != NULL) {
        ask_for(sooner, sizeof *sooner);
    }
    const ms_job *next = ending(&self->replica[ms_tournament_best(moments)].sequences);
    if (next != NULL && next->owner != NULL) {
        ask_for(next->owner, OWNER_BYTES);
    }
}

void ms_expect_replica(const ms_fleet *self, int32_t replica)
{
    if (self->replicas > SMALL_FLEET) {
        ask_for_replica(self, replica);
    }
}
