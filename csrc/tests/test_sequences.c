/* What a batch is made of, and what those who leave it early leave in the prefix cache. */
#include "sequences.h"

#include "batches.h"

static const ms_limits cached = {
    .max_num_seqs = 4, .max_batched_tokens = 64, .kv_capacity_tokens = 1000, .kv_block_tokens = 4, .prefix_cache = 1};

/* A chunk of 4 of a prompt of 10 tokens beside another's decoding: its work counts what is there and half of itself. */
static void a_composition_counts_all_that_its_iterations_take(void)
{
    ms_sequences s;
    ms_sequences_init(&s, &unit, &(ms_limits){.max_num_seqs = 4, .max_batched_tokens = 5, .kv_capacity_tokens = 99});
    ms_job decoding = ms_job_new(0, 0, 5, 9), prefilled = ms_job_new(1, 0, 10, 2);
    admit(&s, &decoding, 5);
    CHECK(s.batch.prompts == 1.0 && s.batch.prompt_tokens == 5.0 && s.batch.prompt_prior == 0.0);
    CHECK(s.batch.prompt_work == 5.0 * 2.5 && s.batch.decoders == 0.0 && s.batch.context == 0.0);
    apply(&s, 1);
    CHECK(s.batch.prompts == 0.0 && s.batch.decoders == 1.0 && s.batch.context == 5.0);
    admit(&s, &prefilled, 4);
    CHECK(s.batch.prompts == 1.0 && s.batch.prompt_tokens == 4.0 && s.batch.prompt_prior == 0.0);
    apply(&s, 1);
    CHECK(s.batch.prompt_prior == 4.0 && s.batch.prompt_work == 4.0 * (4.0 + 2.0));
    CHECK(s.batch.decoders == 1.0 && s.batch.context == 6.0);
    ms_sequences_free(&s);
}

/* After its prompt of 8 and five iterations more, 13 tokens are computed: three blocks of four are full. */
static void what_a_decoder_has_computed_stays_when_it_leaves(void)
{
    const ms_node_of_path path[] = {{1, 8}};
    ms_sequences s;
    ms_sequences_init(&s, &unit, &cached);
    ms_job first = ms_job_new(0, 0, 8, 20), second = ms_job_new(1, 0, 8, 20);
    first.path = second.path = path;
    first.path_length = second.path_length = 1;
    first.answer_node = second.answer_node = 1;
    admit(&s, &first, 64);
    apply(&s, 1);
    apply(&s, 5);
    CHECK(ms_sequences_leave(&s, 0) == &first && s.running == 0 && s.context == 0);
    CHECK(s.cache.cached == 3 && first.holds == NULL);
    /* what was answered in part is no text that another prompt goes on with */
    const ms_node_of_path longer[] = {{1, 20}};
    ms_job turn = ms_job_new(2, 0, 20, 1);
    turn.path = longer;
    turn.path_length = 1;
    CHECK(ms_cache_find(&s.cache, &turn, 20).present == 2);
    ms_sequences_free(&s);
}

/* Two prompts of a conversation: of 8 tokens, with an answer of so many that continues its node, and of all and more. */
static void converse(ms_job *first, ms_job *turn, int32_t answer)
{
    static const ms_node_of_path path[] = {{1, 8}}, longer[] = {{1, 20}};
    *first = ms_job_new(0, 0, 8, answer);
    *turn = ms_job_new(1, 0, 20, 1);
    first->path = path;
    turn->path = longer;
    first->path_length = turn->path_length = 1;
    first->answer_node = 1;
}

/* The same, but whole: the answer's 4 tokens continue the node of the prompt, all but the last. */
static void a_whole_answer_is_there_for_the_next_turn(void)
{
    ms_sequences s;
    ms_sequences_init(&s, &unit, &cached);
    ms_job first, turn;
    converse(&first, &turn, 5);
    admit(&s, &first, 64);
    apply(&s, 1);
    apply(&s, 4);
    CHECK(s.running == 0 && first.generated_tokens == 5);
    CHECK(s.cache.cached == 3 && ms_cache_find(&s.cache, &turn, 20).present == 3);
    ms_sequences_free(&s);
}

/* Prompts are counted as they start, with what of them was cached: the second finds 3 blocks of 4 tokens. */
static void prompts_are_counted_with_what_was_cached(void)
{
    ms_sequences s;
    ms_sequences_init(&s, &unit, &cached);
    ms_job first, turn;
    converse(&first, &turn, 5);
    admit(&s, &first, 64);
    CHECK(s.prompt_tokens == 8 && s.cached_prompt_tokens == 0);
    apply(&s, 1);
    apply(&s, 4);
    admit(&s, &turn, 64);
    CHECK(s.prompt_tokens == 28 && s.cached_prompt_tokens == 12 && turn.cached_prompt_tokens == 12);
    ms_sequences_free(&s);
}

/* A prompt that leaves after its first chunk of 10 tokens has two full blocks. */
static void what_a_prompt_has_computed_stays_when_it_leaves(void)
{
    ms_sequences s;
    ms_sequences_init(&s, &unit, &cached);
    ms_job job = ms_job_new(0, 0, 30, 2);
    admit(&s, &job, 10);
    apply(&s, 1);
    CHECK(ms_sequences_leave(&s, 0) == &job && s.cache.cached == 2 && s.running == 0);
    ms_sequences_free(&s);
}

/* ---- drafts ---------------------------------------------------------------------------------------------------- */

/* Preempted after two iterations with 4 tokens it computes 8 again, which gives the fifth; the 3 others take 3/7
 * of its 4 iterations, rounded up. */
static void who_is_preempted_keeps_its_pace(void)
{
    ms_sequences s;
    const ms_limits limits = drafting(1000, 4);
    ms_sequences_init(&s, &unit, &limits);
    ms_job job = ms_job_new(0, 0, 4, 8), other = ms_job_new(1, 0, 5, 2);
    admit(&s, &job, 16);
    apply(&s, 1);
    CHECK(ms_sequences_blocks(&s, 0) == 1 && ms_sequences_blocks(&s, 1) == 2 && ms_sequences_blocks(&s, 3) == 3);
    apply(&s, 2);
    CHECK(ms_sequences_blocks(&s, 0) == 2);
    CHECK(ms_sequences_preempt(&s, 0, 1) == &job && job.generated_tokens == 4 && job.preemptions == 1 && s.growth == 0);
    admit(&s, &job, 16);
    CHECK(s.chunk[0] == 8);
    apply(&s, 1);
    CHECK(job.generated_tokens == 5 && job.decode_iterations == 4 && s.ends[0] - s.clock == 2);
    CHECK(s.rate[0] == (3 << 20) / 2 && s.batch.ahead == 0.5);
    admit(&s, &other, 14);
    CHECK(s.batch.decoders == 1.0 && s.batch.prompt_tokens == 5.0 && ms_sequences_blocks(&s, 1) == 3 + 2);
    apply(&s, 1);
    CHECK(s.decoders == 2 && other.decode_iterations == 1 && s.context == ((8 + 5) << 20) + (3 << 20) / 2);
    apply(&s, 1);
    CHECK(s.running == 0 && job.generated_tokens == 8 && other.generated_tokens == 2);
    ms_sequences_free(&s);
}

/* ---- who pays -------------------------------------------------------------------------------------------------- */

/* Decoders pay what they would take alone in equal parts, prompts what they add by their tokens; so much of an
 * iteration as has passed. */
static void an_iteration_is_paid_by_those_in_it(void)
{
    const ms_coefficients c = {.a0_s = 1.0, .c0_s_per_token = 0.25, .p0_w = 2.0, .e_j_per_token = 1.0,
        .p_cap_w = 1000.0};
    ms_sequences s;
    ms_sequences_init(&s, &c, &(ms_limits){.max_num_seqs = 4,
                                           .max_batched_tokens = 64,
                                           .kv_capacity_tokens = 1000,
                                           .track_usage = 1});
    ms_job jobs[] = {ms_job_new(0, 0, 4, 9), ms_job_new(1, 0, 4, 9), ms_job_new(2, 0, 6, 9), ms_job_new(3, 0, 2, 9)};
    admit(&s, &jobs[0], 64);
    admit(&s, &jobs[1], 64);
    apply(&s, 1);
    CHECK(s.energy_j[0] == (2.0 * 3.0 + 8.0) / 2.0 && s.usage_s[1] == 3.0 / 2.0 && s.meter_j == 14.0);
    admit(&s, &jobs[2], 64);
    admit(&s, &jobs[3], 64);
    CHECK(ms_sequences_joules(&s, 1, 0.0) == 2.0 * 3.5 + 10.0 && ms_sequences_joules(&s, 0, 0.5) == 8.5);
    ms_sequences_accrue(&s, 0, 0.5);
    const double alone_s = 1.5, alone_j = 2.0 * 1.5 + 2.0; /* of the two who decode */
    CHECK(s.energy_j[0] == 7.0 + 0.5 * alone_j / 2.0 && s.usage_s[0] == 1.5 + 0.5 * alone_s / 2.0);
    CHECK(s.energy_j[2] == 0.5 * (17.0 - alone_j) * 6.0 / 8.0 && s.energy_j[3] == 0.5 * (17.0 - alone_j) * 2.0 / 8.0);
    CHECK(s.usage_s[2] == 0.5 * 2.0 * 0.75 && s.usage_s[3] == 0.5 * 2.0 * 0.25 && s.meter_j == 14.0 + 8.5);
    CHECK(jobs[3].place == MS_RUNS && ms_sequences_settle(&s, 3) == &jobs[3] && jobs[3].place == MS_NOWHERE);
    CHECK(jobs[3].energy_j == s.energy_j[3] && jobs[3].usage_s == 0.25);
    ms_sequences_free(&s);
}

/* Those that are aborted leave at the boundary, as they stand in the batch. */
static void the_aborted_leave_in_order(void)
{
    enum { MOST = 4 };
    const ms_coefficients c = {.a0_s = 1.0, .p0_w = 2.0, .p_cap_w = 1000.0};
    ms_sequences s;
    ms_sequences_init(&s, &c, &(ms_limits){.max_num_seqs = MOST, .max_batched_tokens = 64, .kv_capacity_tokens = 1000});
    ms_job jobs[MOST];
    ms_queue left = {0};
    for (int32_t i = 0; i < MOST; i++) {
        jobs[i] = ms_job_new(i, 0, 4, 9);
        admit(&s, &jobs[i], 64);
    }
    apply(&s, 1);
    s.aborted = jobs[1].aborted = jobs[2].aborted = 1;
    ms_sequences_leave_aborted(&s, &left);
    CHECK(s.running == 2 && s.decoders == 2 && s.aborted == 0 && left.length == 2);
    CHECK(left.head == &jobs[1] && left.tail == &jobs[2]);
    ms_sequences_free(&s);
}

/* ---- what comes from another replica ---------------------------------------------------------------------------- */

/* It decodes from the next iteration on, before the prompt under way, whose chunk and account stay its own. */
static void who_joins_goes_before_the_prompt_under_way(void)
{
    ms_sequences s;
    ms_sequences_init(&s, &unit, &(ms_limits){.max_num_seqs = 4,
                                              .max_batched_tokens = 16,
                                              .kv_capacity_tokens = 99,
                                              .schedule = MS_SCHEDULE_TENSORRT_LLM,
                                              .role = MS_ROLE_DECODE,
                                              .track_usage = 1});
    ms_job prompt = ms_job_new(0, 0, 10, 4), first = ms_job_new(1, 0, 4, 6), second = ms_job_new(2, 0, 7, 3);
    admit(&s, &prompt, 4);
    apply(&s, 1);
    CHECK(s.energy_j[0] == 2.0 + 4.0 && s.usage_s[0] == 1.0 && s.cached[0] == 4);
    s.chunk[0] = ms_sequences_partial_chunk(&s, 14);
    ms_job *joining[] = {&first, &second};
    for (int k = 0; k < 2; k++) {
        ms_job *job = joining[k];
        job->transferred = 1;
        job->missing_tokens = 3;
        job->generated_tokens = 1;
        CHECK(ms_sequences_join(&s, job, 5.0 + k) == 0);
        CHECK(s.running == 2 + k && s.decoders == 1 + k && s.jobs[k] == job && s.jobs[1 + k] == &prompt);
        CHECK(s.cached[1 + k] == 4 && s.chunk[1 + k] == 6 && s.energy_j[1 + k] == 6.0 && s.usage_s[1 + k] == 1.0);
        CHECK(s.energy_j[k] == 0.0 && s.usage_s[k] == 0.0 && job->place == MS_RUNS && !job->transferred);
        CHECK(job->start_s == 5.0 + k && job->first_token_s == 5.0 + k);
    }
    CHECK(s.context == 4 + 7 && s.growth == 2 && s.soonest == 2);
    CHECK(s.prompt_tokens == 4 + 7 && s.cached_prompt_tokens == 1 + 4);
    ms_sequences_compose(&s);
    CHECK(s.batch.decoders == 2.0 && s.batch.context == 11.0 && s.batch.prompt_tokens == 6.0);
    CHECK(ms_sequences_blocks(&s, 1) == 5 + 8 + 10);
    apply(&s, 1);
    apply(&s, 1);
    CHECK(second.generated_tokens == 3 && s.running == 2 && s.jobs[0] == &first && s.jobs[1] == &prompt);
    CHECK(s.decoders == 2 && prompt.generated_tokens == 1);
    ms_sequences_free(&s);
}

/* Alone it takes the first place, and a first token that the user has seen stays. */
static void who_joins_alone_decodes_at_once(void)
{
    ms_sequences s;
    ms_sequences_init(&s, &unit, &(ms_limits){.max_num_seqs = 4, .max_batched_tokens = 16, .kv_capacity_tokens = 99});
    ms_job job = ms_job_new(0, 0, 4, 3);
    job.transferred = 1;
    job.generated_tokens = 1;
    job.start_s = 1.0;
    job.first_token_s = 2.0;
    CHECK(ms_sequences_join(&s, &job, 5.0) == 0);
    CHECK(s.running == 1 && s.decoders == 1 && ms_sequences_cached_units(&s, 0) == 4 && s.ends[0] == 2);
    CHECK(job.start_s == 1.0 && job.first_token_s == 2.0);
    ms_sequences_free(&s);
}

/* Where another decodes, its first token is the user's: vLLM's gives none here; others give it, and show it if it is the
 * last. */
static void a_first_token_for_another_to_show(void)
{
    for (int k = 0; k < 6; k++) {
        const int32_t schedule = k / 2, is_last = k % 2;
        ms_sequences s;
        ms_queue done = {0};
        ms_sequences_init(&s, &unit, &(ms_limits){.max_num_seqs = 4,
                                                  .max_batched_tokens = 16,
                                                  .kv_capacity_tokens = 99,
                                                  .kv_block_tokens = 4,
                                                  .schedule = schedule,
                                                  .role = MS_ROLE_PREFILL,
                                                  .first_token_later = 1});
        ms_job job = ms_job_new(0, 0, 6, is_last ? 1 : 5);
        admit(&s, &job, 16);
        job.replica = 3;
        ms_sequences_apply(&s, 1, 2.0, &done);
        const int gives = schedule != MS_SCHEDULE_VLLM, ends = gives && is_last;
        CHECK(done.head == &job && s.running == 0 && job.generated_tokens == gives);
        CHECK(ends ? job.first_token_s == 2.0 && job.finish_s == 2.0 : isnan(job.first_token_s) && isnan(job.finish_s));
        CHECK(job.source == (ends ? -1 : 3) && s.set_aside == (ends ? 0 : 2));
        CHECK(ends || job.prefilled_s == 2.0);
        ms_sequences_free(&s);
    }
}

/* ---- the next iteration ------------------------------------------------------------------------------------------ */

/* g of all tokens and of the decoders with their drafts alone, as they were looked up; not while they pause. */
static void products_are_looked_up(void)
{
    static ms_job jobs[MS_FEW_DECODERS + 1];
    const ms_coefficients c = {
        .a0_s = 1.0, .c0_s_per_token = 0.25, .draft_tokens = 1.0, .ak_s_per_token = 0.5, .p0_w = 2.0, .p_cap_w = 1000.0};
    ms_limits limits = drafting(10000, 1);
    limits.max_num_seqs = MS_FEW_DECODERS + 1;
    ms_sequences s;
    ms_products products;
    ms_products_init(&products, &c);
    ms_sequences_init(&s, &c, &limits);
    s.products = &products;
    for (int n = 1; n <= MS_FEW_DECODERS + 1; n++) {
        jobs[n - 1] = ms_job_new(n, 0, 2, 900);
        admit(&s, &jobs[n - 1], 900);
        ms_sequences_compose(&s);
        CHECK(s.batch.products_s == 1.0 + 0.25 * (2.0 + (n - 1) + (n - 1)));
        CHECK(s.batch.decoders_s == (n > 1 ? 1.0 + 0.25 * (2.0 * (n - 1)) : 0.0));
        apply(&s, 1);
        const double expected = 1.0 + 0.25 * (n + n);
        CHECK(s.decoders == n && s.batch.decoders_s == expected && s.batch.products_s == expected);
        CHECK(s.tau.gpu.first == expected + 0.5 * s.batch.context);
    }
    ms_sequences_preempt(&s, 0, 0);
    ms_sequences_preempt(&s, 0, 0);
    products.few_s[MS_FEW_DECODERS - 1] = 7.0; /* used as it is */
    ms_sequences_compose(&s);
    CHECK(s.batch.decoders_s == 7.0 && s.batch.products_s == 7.0);
    s.paused = 1;
    ms_sequences_compose(&s);
    CHECK(s.batch.decoders == 0.0 && s.batch.context == 0.0 && s.batch.ahead == 0.0);
    CHECK(s.batch.decoders_s == 0.0 && s.batch.products_s == 0.0);
    ms_sequences_free(&s);
}

/* What the batch would hold after n iterations never exceeds memory, and after one more it would: as tried one by one, with
 * blocks of 1, 3 and 4 tokens, with drafts, with a prompt under way, and while decoders pause. */
static void a_composition_stands_as_long_as_it_fits(void)
{
    static ms_job jobs[4];
    const int32_t blocks[] = {1, 3, 4};
    lcg chance = {12};
    int64_t bound = 0;
    for (int k = 0; k < 6000; k++) {
        ms_limits limits = drafting(200, blocks[k % 3]);
        limits.max_num_seqs = 4;
        limits.drafts = k % 2 ? limits.drafts : NULL;
        ms_sequences s;
        ms_sequences_init(&s, &unit, &limits);
        const int n = (int)lcg_between(&chance, 1, 3);
        for (int i = 0; i < n; i++) {
            jobs[i] = ms_job_new(i, 0, (int32_t)lcg_between(&chance, 1, 20), (int32_t)lcg_between(&chance, 20, 60));
            admit(&s, &jobs[i], 99);
            apply(&s, 1);
        }
        int64_t stands = s.soonest - s.clock;
        if (k / 6 % 2) {
            s.paused = k / 12 % 2;
            jobs[3] = ms_job_new(3, 0, (int32_t)lcg_between(&chance, 30, 60), 2);
            admit(&s, &jobs[3], lcg_between(&chance, 1, 4));
            const int64_t chunks = jobs[3].prompt_tokens / s.chunk[n];
            stands = s.paused || chunks < stands ? chunks : stands;
        }
        s.set_aside = lcg_between(&chance, 0, 2);
        s.capacity_blocks = ms_sequences_blocks(&s, 1) + lcg_between(&chance, 0, 60);
        int64_t fits = 1;
        while (fits < stands && ms_sequences_blocks(&s, fits + 1) <= s.capacity_blocks) {
            fits++;
        }
        CHECK(ms_sequences_last(&s) == fits);
        bound += fits < stands;
        ms_sequences_free(&s);
    }
    CHECK(bound > 1000 && bound < 5000);
}

/* Nor does a preemption: what was answered so far is the job's own. */
static void who_is_preempted_has_not_answered(void)
{
    ms_sequences s;
    ms_sequences_init(&s, &unit, &cached);
    ms_job job, turn;
    converse(&job, &turn, 20);
    admit(&s, &job, 64);
    apply(&s, 1);
    apply(&s, 5);
    CHECK(ms_sequences_preempt(&s, 0, 1) == &job && s.cache.cached == 3);
    CHECK(ms_cache_find(&s.cache, &turn, 20).present == 2);
    ms_sequences_free(&s);
    CHECK(s.room == 0);
}

int main(void)
{
    RUN(a_composition_counts_all_that_its_iterations_take);
    RUN(what_a_decoder_has_computed_stays_when_it_leaves);
    RUN(a_whole_answer_is_there_for_the_next_turn);
    RUN(prompts_are_counted_with_what_was_cached);
    RUN(what_a_prompt_has_computed_stays_when_it_leaves);
    RUN(who_is_preempted_keeps_its_pace);
    RUN(an_iteration_is_paid_by_those_in_it);
    RUN(the_aborted_leave_in_order);
    RUN(who_joins_goes_before_the_prompt_under_way);
    RUN(who_joins_alone_decodes_at_once);
    RUN(a_first_token_for_another_to_show);
    RUN(products_are_looked_up);
    RUN(a_composition_stands_as_long_as_it_fits);
    RUN(who_is_preempted_has_not_answered);
    return report();
}
