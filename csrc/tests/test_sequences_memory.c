/* Blocks that a batch holds, or may come to need. */
#include "sequences.h"

#include "batches.h"

/* A draft that is always right: the 7 tokens after the first take 4 iterations, 1.75 each. In each there is room
 * for the draft and its token: 4 + 2, 5.75 + 2, 7.5 + 2 and 9.25 + 2 tokens, rounded up. */
static void a_decoder_with_drafts_has_room_for_them(void)
{
    ms_sequences s;
    const ms_limits limits = drafting(1000, 1);
    ms_sequences_init(&s, &unit, &limits);
    ms_job job = ms_job_new(0, 0, 4, 8);
    CHECK(ms_sequences_peak_blocks(&s, &job) == 4 + 8 - 1 + 1);
    admit(&s, &job, 16);
    CHECK(ms_sequences_budget(&s) == 16 && ms_sequences_blocks(&s, 1) == 4);
    apply(&s, 1);
    CHECK(s.decoders == 1 && job.generated_tokens == 1 && job.decode_iterations == 4 && s.ends[0] == 4);
    CHECK(ms_sequences_budget(&s) == 14 && ms_sequences_last(&s) == 4 && s.batch.ahead == 0.75 &&
          s.batch.context == 4.0);
    const int64_t generated[] = {1, 2, 4, 6, 8}, held[] = {4, 6, 8, 10, 12};
    for (int64_t n = 0; n <= 4; n++) {
        CHECK(ms_sequences_generated(&s, 0, n) == generated[n] && ms_sequences_blocks(&s, n) == held[n]);
    }
    s.capacity_blocks = 9;
    CHECK(ms_sequences_last(&s) == 2);
    s.capacity_blocks = 10;
    CHECK(ms_sequences_last(&s) == 3);
    apply(&s, 4);
    CHECK(s.running == 0 && job.generated_tokens == 8 && s.context == 0 && s.growth == 0);
    ms_sequences_free(&s);
}

int main(void)
{
    RUN(a_decoder_with_drafts_has_room_for_them);
    return report();
}
