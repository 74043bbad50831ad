#include "expect.h"

#include <stddef.h>

#include "early.h"

enum {
    OWNER_BYTES = 256, /* of an ms_open, what its end reads */
    FEW_PARTS = 12,    /* of a level: its winners are due too soon */
    OWNER_AFTER = 2,   /* so many others have been expected since */
    RECORD_AFTER = 4,
    CACHE_AFTER = 2    /* and as many for each further part of a prefix cache */
};

/* But for what is read more seldom: rates, chunks and usage. */
static void ask_for_replica(const ms_fleet *self, int32_t replica)
{
    const ms_replica *server = &self->replica[replica];
    ms_early_all(server, offsetof(ms_replica, sequences.few.rate));
    if (self->has_caches) {
        ms_early_all(&server->sequences.cache, sizeof server->sequences.cache);
    }
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

/* Who ends at the next boundary of the one that was expected so many before the last; NULL: nobody. */
static const ms_job *ending_after(const ms_fleet *self, uint32_t others)
{
    return ending(&self->replica[self->expected.soon[(self->expected.count - 1 - others) % MS_EXPECTED]]);
}

/* Uses of a prefix cache by who ends there. */
static void expect_cache(const ms_fleet *self)
{
    for (int part = 0; part < MS_CACHE_PARTS; part++) {
        const uint32_t others = (uint32_t)(CACHE_AFTER * (part + 1));
        const ms_job *job = others < self->expected.count ? ending_after(self, others) : NULL;
        if (job != NULL && job->holds != NULL) {
            ms_cache_expect_end(&self->replica[job->replica].sequences.cache, job, part);
        }
    }
}

/* Where the prefill of who came last is to be accounted for (ms_accounts_settle). */
static void expect_newest(const ms_fleet *self, int32_t replica)
{
    const ms_sequences *sequences = &self->replica[replica].sequences;
    if (self->prefill_tokens[replica] > 0 && sequences->running > 0) {
        ms_early_all(sequences->jobs[sequences->running - 1], offsetof(ms_job, attempt));
    }
}

/* One more replica has its turn soon. What an end reads is found in parts, each in the one before, so the next part of
 * earlier ones is asked for with each that follows. */
static void expect_end(ms_fleet *self, int32_t replica)
{
    ms_expected *expected = &self->expected;
    expected->soon[expected->count++ % MS_EXPECTED] = replica;
    const ms_job *job = ending_after(self, 0);
    if (job != NULL) {
        ms_early_all(job, offsetof(ms_job, attempt));
    }
    expect_newest(self, replica);
    job = ending_after(self, OWNER_AFTER);
    if (job != NULL && job->owner != NULL) {
        ms_early_all(job->owner, OWNER_BYTES);
    }
    job = ending_after(self, RECORD_AFTER);
    if (job != NULL && job->owner != NULL && self->ask_for_record != NULL) {
        self->ask_for_record(job->owner);
    }
    if (self->has_caches) {
        expect_cache(self);
    }
}

/* Who wins the part of a level in which a replica is, once: -1 where that one was asked for last. */
static int32_t new_winner(const ms_fleet *self, int32_t replica, int32_t level, int32_t *asked)
{
    const int32_t winner = ms_tournament_winner(&self->moments, replica, level);
    int32_t *last = &asked[replica >> 3 * level];
    if (winner == *last || winner >= self->replicas) {
        return -1;
    }
    *last = winner;
    return winner;
}

void ms_expect_turns(ms_fleet *self, int32_t replica)
{
    ms_expected *expected = &self->expected;
    if (self->replicas <= MS_SMALL_FLEET) {
        return;
    }
    const int32_t far = new_winner(self, replica, expected->far, expected->asked);
    if (far >= 0) {
        ask_for_replica(self, far);
    }
    const int32_t near = new_winner(self, replica, expected->near, expected->asked_near);
    if (near >= 0) {
        expect_end(self, near);
    }
}

void ms_expect_replica(const ms_fleet *self, int32_t replica)
{
    if (self->replicas > MS_SMALL_FLEET) {
        ask_for_replica(self, replica);
    }
}

void ms_expect_look(const ms_fleet *self, int32_t replica)
{
    if (self->replicas > MS_SMALL_FLEET && replica < self->replicas) {
        const ms_replica *server = &self->replica[replica];
        ms_early(server);
        ms_early(&server->sequences.running);
        ms_early(&server->sequences.tau);
        ms_early(&server->sequences.tau.floored);
        ms_early(&server->sequences.limits);
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
