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

/* Of 16 tokens an iteration `budget` are left. A prompt that must not be cut waits for room, unless it never fits or comes from
 * elsewhere; where the longest answer is reserved it never grows beyond an iteration. */
static void whole_prompts_wait_for_an_iteration_of_their_own(void)
{
    static const struct {
        int32_t whole_prompts, policy, generated, source;
        int64_t budget;
        int fits;
    } cases[] = {
        {1, MS_KV_RECOMPUTE, 0, -1, 10, 1}, {1, MS_KV_RECOMPUTE, 0, -1, 9, 0}, {0, MS_KV_RECOMPUTE, 0, -1, 9, 1},
        {1, MS_KV_RECOMPUTE, 6, -1, 15, 0}, {1, MS_KV_RECOMPUTE, 7, -1, 15, 1}, {1, MS_KV_RECOMPUTE, 0, 3, 9, 1},
        {1, MS_KV_RESERVE, 7, -1, 15, 0},   {1, MS_KV_RESERVE, 0, -1, 10, 1},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        ms_sequences s;
        ms_sequences_init(&s, &unit, &(ms_limits){.max_num_seqs = 4,
                                                  .max_batched_tokens = 16,
                                                  .kv_capacity_tokens = 100,
                                                  .kv_policy = cases[k].policy,
                                                  .whole_prompts = cases[k].whole_prompts});
        ms_job job = ms_job_new(0, 0, 10, 20);
        job.generated_tokens = cases[k].generated;
        job.source = cases[k].source;
        CHECK(ms_sequences_fit(&s, &job, 0, cases[k].budget) == cases[k].fits);
        ms_sequences_free(&s);
    }
}

/* Of memory for 40: what is used and the prompt; or, reserved, what is promised and the longest answer, and beside it what
 * was prefilled for others and is still there. What the cache holds is not needed twice. */
static void a_head_fits_into_what_is_left(void)
{
    const ms_node_of_path path[] = {{1, 8}};
    for (int k = 0; k < 12; k++) {
        const int reserves = k / 2 % 2, prefills = k >= 8, caches = k >= 4 && !prefills;
        ms_sequences s;
        ms_sequences_init(&s, &unit, &(ms_limits){.max_num_seqs = 4,
                                                  .max_batched_tokens = 64,
                                                  .kv_capacity_tokens = 40,
                                                  .kv_policy = reserves ? MS_KV_RESERVE : MS_KV_RECOMPUTE,
                                                  .prefix_cache = caches,
                                                  .role = prefills ? MS_ROLE_PREFILL : MS_ROLE_BOTH,
                                                  .max_new_tokens = 5});
        ms_job running = ms_job_new(0, 0, 10, 5), head = ms_job_new(1, 0, 10, 2);
        running.path = head.path = path;
        running.path_length = head.path_length = 1;
        admit(&s, &running, 64);
        if (caches) {
            ms_cache_extend(&s.cache, &running, 10);
        }
        s.set_aside = 3;
        const int64_t held = caches ? 8 : 0, needs = reserves ? (prefills ? 10 + 10 + 3 : 14 + 14) : 20 + 10;
        s.capacity_blocks = needs - held - k % 2;
        CHECK(ms_sequences_fit(&s, &head, 20, 64) == (k % 2 == 0));
        ms_sequences_free(&s);
    }
}

/* So many iterations more, up to a number, need the blocks that the n-th needs: against those of each. Where blocks are no
 * power of two it may be fewer. */
static void blocks_last_until_another_is_needed(void)
{
    const int32_t blocks[] = {1, 5, 16}; /* tokens of one */
    for (int k = 0; k < 3; k++) {
        ms_sequences s;
        ms_sequences_init(&s, &unit, &(ms_limits){.max_num_seqs = 4,
                                                  .max_batched_tokens = 64,
                                                  .kv_capacity_tokens = 640,
                                                  .kv_block_tokens = blocks[k],
                                                  .kv_policy = MS_KV_RECOMPUTE});
        ms_job jobs[] = {ms_job_new(0, 0, 4, 90), ms_job_new(1, 0, 9, 90)};
        for (int i = 0; i < 2; i++) {
            admit(&s, &jobs[i], 64);
        }
        apply(&s, 1);
        CHECK(s.decoders == 2);
        for (int64_t n = 1; n < 40; n++) {
            for (int64_t most = 0; most < 20; most++) {
                int64_t lasts = 0;
                while (lasts < most && ms_sequences_blocks(&s, n + lasts + 1) == ms_sequences_blocks(&s, n)) {
                    lasts++;
                }
                const int64_t known = ms_sequences_blocks_last(&s, n, most);
                CHECK(k == 1 ? known >= (lasts > 0) && known <= lasts : known == lasts);
            }
        }
        ms_sequences_free(&s);
    }
}

int main(void)
{
    RUN(a_decoder_with_drafts_has_room_for_them);
    RUN(blocks_last_until_another_is_needed);
    RUN(whole_prompts_wait_for_an_iteration_of_their_own);
    RUN(a_head_fits_into_what_is_left);
    return report();
}
