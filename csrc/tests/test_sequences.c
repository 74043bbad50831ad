/* What a batch is made of, and what those who leave it early leave in the prefix cache. */
#include "sequences.h"

#include "check.h"
#include "jobs.h"

static const ms_coefficients unit = {.a0_s = 1.0, .p0_w = 2.0, .e_j_per_token = 1.0, .p_cap_w = 1000.0};
static const ms_limits cached = {
    .max_num_seqs = 4, .max_batched_tokens = 64, .kv_capacity_tokens = 1000, .kv_block_tokens = 4, .prefix_cache = 1};

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

/* The same, but whole: the answer's 4 tokens continue the node of the prompt, all but the last. */
static void a_whole_answer_is_there_for_the_next_turn(void)
{
    const ms_node_of_path path[] = {{1, 8}}, longer[] = {{1, 20}};
    ms_sequences s;
    ms_sequences_init(&s, &unit, &cached);
    ms_job first = ms_job_new(0, 0, 8, 5), turn = ms_job_new(1, 0, 20, 1);
    first.path = path;
    turn.path = longer;
    first.path_length = turn.path_length = 1;
    first.answer_node = 1;
    admit(&s, &first, 64);
    apply(&s, 1);
    apply(&s, 4);
    CHECK(s.running == 0 && first.generated_tokens == 5);
    CHECK(s.cache.cached == 3 && ms_cache_find(&s.cache, &turn, 20).present == 3);
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

int main(void)
{
    RUN(a_composition_counts_all_that_its_iterations_take);
    RUN(what_a_decoder_has_computed_stays_when_it_leaves);
    RUN(a_whole_answer_is_there_for_the_next_turn);
    RUN(what_a_prompt_has_computed_stays_when_it_leaves);
    return report();
}
