/* Blocks that a batch holds, or may come to need. */
#include "sequences.h"

#include "check.h"
#include "jobs.h"

static const ms_coefficients unit = {.a0_s = 1.0, .p0_w = 2.0, .e_j_per_token = 1.0, .p_cap_w = 1000.0};
static ms_drafts one_right;

static ms_limits drafting(int64_t memory, int32_t block)
{
    ms_drafts_init(&one_right, 1, (const double[]){1.0}, &(ms_stream){1, 7, 0, 0});
    return (ms_limits){.max_num_seqs = 4,
                       .max_batched_tokens = 16,
                       .kv_capacity_tokens = memory,
                       .kv_block_tokens = block,
                       .drafts = &one_right};
}

static void admit(ms_sequences *s, ms_job *job, int64_t budget)
{
    CHECK(ms_sequences_admit(s, job, 0.0, budget, 0) == 0);
    ms_sequences_compose(s);
}

static void apply(ms_sequences *s, int64_t n)
{
    ms_queue done = {0};
    ms_sequences_apply(s, n, 1.0, &done);
    ms_sequences_compose(s);
}

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
