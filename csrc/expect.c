#include "expect.h"

#include <stddef.h>

enum {
    LINE_BYTES = 64,
    OWNER_BYTES = 256, /* of an ms_open, what its end reads */
    SMALL_FLEET = 256  /* so many replicas stay in a cache of 1 MiB, where to ask early costs more than it spares */
};

static void ask_for(const void *memory, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += LINE_BYTES) {
        __builtin_prefetch((const char *)memory + at, 1);
    }
}

/* But for what is read more seldom: rates, chunks, usage, and prefix caches. */
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

/* Asks for the replica that wins two levels below the root, of those that it shares that part of the tree with; for the job
 * whose answer ends at the next boundary of the one that wins one level below, which was asked for before; and for the owner
 * of that job at the replica that is next of all. */
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
