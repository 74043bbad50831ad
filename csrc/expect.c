#include "expect.h"

#include <stddef.h>

#include "early.h"

enum {
    OWNER_BYTES = 256, /* of an ms_open, what its end reads */
    SMALL_FLEET = 256, /* so many replicas stay in a cache of 1 MiB, where to ask early costs more than it spares */
    FEW_PARTS = 12,
    JOB_AFTER = 0,
    OWNER_AFTER = 2,
    RECORD_AFTER = 4
};

/* But for what is read more seldom: rates, chunks, usage, and prefix caches. */
static void ask_for_replica(const ms_fleet *self, int32_t replica)
{
    ms_early_all(&self->replica[replica], offsetof(ms_replica, sequences.few.rate));
}

/* The job whose answer ends at a replica's next boundary; NULL: none does, or there are many. */
static const ms_job *ending(const ms_replica *replica)
{
    const ms_sequences *sequences = &replica->sequences;
    if (sequences->soonest - sequences->clock > replica->target_iterations) {
        return NULL;
    }
    for (int32_t i = 0; i < sequences->decoders && i < MS_FEW_SEQUENCES; i++) {
        if (sequences->ends[i] == sequences->soonest) {
            return sequences->jobs[i];
        }
    }
    return NULL;
}

/* One more replica has its turn soon. What its end reads hangs together, each part being found in the one before: a step
 * is taken with each replica that follows. */
static void expect_end(ms_fleet *self, int32_t replica)
{
    ms_expected *expected = &self->expected;
    const uint32_t at = expected->count++;
    expected->soon[at % MS_EXPECTED] = replica;
    const ms_job *job = ending(&self->replica[expected->soon[(at - JOB_AFTER) % MS_EXPECTED]]);
    if (job != NULL) {
        ms_early_all(job, offsetof(ms_job, attempt));
    }
    job = ending(&self->replica[expected->soon[(at - OWNER_AFTER) % MS_EXPECTED]]);
    if (job != NULL && job->owner != NULL) {
        ms_early_all(job->owner, OWNER_BYTES);
    }
    job = ending(&self->replica[expected->soon[(at - RECORD_AFTER) % MS_EXPECTED]]);
    if (job != NULL && job->owner != NULL && self->ask_for_record != NULL) {
        self->ask_for_record(job->owner);
    }
}

void ms_expect_turns(ms_fleet *self, int32_t replica)
{
    const ms_tournament *moments = &self->moments;
    ms_expected *expected = &self->expected;
    if (self->replicas <= SMALL_FLEET) {
        return;
    }
    const int32_t far = ms_tournament_winner(moments, replica, expected->far);
    int32_t *asked = &expected->asked[replica >> 3 * expected->far];
    if (far != *asked && far < self->replicas) {
        *asked = far;
        ask_for_replica(self, far);
    }
    const int32_t near = ms_tournament_winner(moments, replica, expected->near);
    asked = &expected->asked_near[replica >> 3 * expected->near];
    if (near != *asked && near < self->replicas) {
        *asked = near;
        expect_end(self, near);
    }
}

void ms_expect_replica(const ms_fleet *self, int32_t replica)
{
    if (self->replicas > SMALL_FLEET) {
        ask_for_replica(self, replica);
    }
}

void ms_expect_init(ms_expected *self, const ms_tournament *moments)
{
    *self = (ms_expected){.far = 1};
    const ms_eights *tree = &moments->tree;
    while (self->far < tree->top && tree->first[self->far + 1] - tree->first[self->far] > MS_EXPECTED_PARTS) {
        self->far++;
    }
    const int32_t fewer = self->far + 1;
    self->near = fewer < tree->top && tree->first[fewer + 1] - tree->first[fewer] > FEW_PARTS ? fewer : self->far;
}
