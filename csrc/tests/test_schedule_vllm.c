#include "schedule_vllm.h"

#include "replicas.h"

static ms_limits vllm(int64_t memory)
{
    return (ms_limits){.max_num_seqs = 4, .max_batched_tokens = 16, .kv_capacity_tokens = memory};
}

/* The first has 7 tokens at 4 s and its next needs room too: with the 4 of the second 12. At 6 s it is done. */
static void who_comes_must_fit_beside_the_next_token_of_all(void)
{
    for (int64_t memory = 10; memory <= 13; memory++) {
        ms_replica r;
        make(&r, vllm(memory));
        ms_job first = ms_job_new(0, 0, 4, 6), second = ms_job_new(1, 0, 4, 5);
        submit(&r, &first, 0.0);
        start(&r, 0.0);
        run_to(&r, 3.5);
        CHECK(submit(&r, &second, 3.5) == MS_RESCHEDULE && r.boundary_s == 4.0);
        run_to(&r, 6.0);
        CHECK(second.start_s == (memory >= 12 ? 4.0 : 6.0));
        CHECK(first.finish_s == 6.0 || memory == 12); /* at 12 the second is sent back once */
        CHECK(run_out(&r) >= 1 && second.generated_tokens == 5);
        ms_replica_free(&r);
    }
}

/* Who came amid an iteration has left before its end, or finds all places kept for others: what was composed of the one
 * there, after its prompt, goes on. */
static void a_composition_that_nobody_joins_goes_on(void)
{
    for (int is_full = 0; is_full < 2; is_full++) {
        ms_replica r;
        int left = 0;
        make(&r, vllm(1000));
        ms_job first = ms_job_new(0, 0, 4, 9), second = ms_job_new(1, 0, 4, 2);
        submit(&r, &first, 0.0);
        start(&r, 0.0);
        run_to(&r, 2.5);
        CHECK(submit(&r, &second, 2.5) == MS_RESCHEDULE && r.boundary_s == 3.0);
        r.kept_places = is_full ? 3 : 0;
        if (!is_full) {
            ms_replica_abort(&r, &second, 2.75, &left);
        }
        run_to(&r, 3.0);
        CHECK(r.boundary_s == 9.0 && r.jumps == 2 && r.sequences.running == 1);
        ms_replica_free(&r);
    }
}

/* Three of 4 tokens, then 3 more an iteration: at 3 s there is room for 20, and not for 21. Who is the least
 * urgent goes, and comes back as the first is done at 5 s, to compute 7 tokens again. */
static void the_least_urgent_is_preempted(void)
{
    const int32_t orders[] = {MS_ORDER_PRIORITY, MS_ORDER_EDF};
    for (int k = 0; k < 6; k++) {
        ms_limits limits = vllm(20);
        ms_replica r;
        limits.order = orders[k % 2];
        make(&r, limits);
        ms_job jobs[] = {ms_job_new(0, 0, 4, 5), ms_job_new(1, 0, 4, 6), ms_job_new(2, 0, 4, 9)};
        const int32_t least = k / 2;
        for (int32_t i = 0; i < 3; i++) {
            jobs[i].priority = i == least ? 2 : 1;
            jobs[i].deadline_s = i == least ? 30.0 : 20.0;
            submit(&r, &jobs[i], 0.0);
        }
        CHECK(start(&r, 0.0) == 3);
        run_to(&r, 3.0);
        CHECK(r.preemptions == 1 && jobs[least].preemptions == 1 && jobs[least].generated_tokens == 3);
        CHECK(r.queue->head == &jobs[least] && r.limit_iterations == 1 && r.sequences.running == 2);
        CHECK(run_out(&r) == 3);
        if (least == 1) {
            CHECK(jobs[0].finish_s == 5.0 && jobs[2].finish_s == 9.0);
            CHECK(times_are(&jobs[1], 0.0, 1.0, 8.0));
        }
        ms_replica_free(&r);
    }
}

/* Of equals by priority the later arrival goes, then the later request. */
static void of_equally_urgent_ones_the_last_is_preempted(void)
{
    for (int32_t last = 0; last < 3; last++) {
        ms_limits limits = vllm(20);
        ms_replica r;
        limits.order = MS_ORDER_PRIORITY;
        make(&r, limits);
        ms_job jobs[] = {ms_job_new(0, 0, 4, 5), ms_job_new(1, 0, 4, 6), ms_job_new(2, 0, 4, 9)};
        for (int32_t i = 0; i < 3; i++) {
            jobs[i].arrival_s = i == last ? 1.0 : 0.0;
            submit(&r, &jobs[i], 1.0);
        }
        start(&r, 1.0);
        run_to(&r, 4.0);
        CHECK(r.queue->head == &jobs[last] && r.preemptions == 1);
        ms_replica_free(&r);
    }
}

/* First come, first served: whoever came last goes, one after the other, and returns to the head in the old order. */
static void the_youngest_go_until_the_others_fit(void)
{
    ms_replica r;
    make(&r, vllm(14));
    ms_job jobs[] = {ms_job_new(0, 0, 4, 8), ms_job_new(1, 0, 4, 4), ms_job_new(2, 0, 4, 4), ms_job_new(3, 0, 2, 1)};
    for (int i = 0; i < 4; i++) {
        submit(&r, &jobs[i], 0.0);
    }
    CHECK(start(&r, 0.0) == 4); /* 14 tokens: no room for the next of three */
    run_to(&r, 1.0);
    CHECK(r.preemptions == 1 && r.queue->head == &jobs[2] && r.sequences.running == 2 && r.limit_iterations == 1);
    run_to(&r, 2.0);
    CHECK(r.queue->length == 1 && r.sequences.running == 2); /* 10 + 2, and 5 to compute */
    run_to(&r, 3.0);
    CHECK(r.sequences.running == 2 && jobs[1].preemptions == 0); /* 14 to the last token */
    CHECK(run_out(&r) >= 2);
    CHECK(jobs[1].finish_s == 4.0 && jobs[2].start_s == 0.0 && jobs[2].generated_tokens == 4 &&
          jobs[0].finish_s == 8.0);
    CHECK(jobs[2].preemptions == 2 && jobs[2].finish_s == 10.0); /* again at 4 s for a token, and at 8 s for two */
    ms_replica_free(&r);
}

/* A prompt of 20 takes what decoders leave of 16 tokens, and nobody joins before its last chunk. */
static void nobody_joins_while_a_prompt_is_cut(void)
{
    ms_replica r;
    make(&r, vllm(1000));
    ms_job jobs[] = {ms_job_new(0, 0, 4, 9), ms_job_new(1, 0, 20, 2), ms_job_new(2, 0, 4, 1), ms_job_new(3, 0, 9, 1)};
    submit(&r, &jobs[0], 0.0);
    start(&r, 0.0);
    submit(&r, &jobs[1], 0.5);
    run_to(&r, 1.0);
    CHECK(r.sequences.running == 2 && r.sequences.chunk[1] == 15);
    CHECK(submit(&r, &jobs[2], 1.5) == MS_NOTHING);
    submit(&r, &jobs[3], 1.75);
    run_to(&r, 2.0); /* 5 tokens are left of the prompt, 10 of the budget: 4 and 6 */
    CHECK(r.sequences.running == 4 && r.sequences.chunk[1] == 5 && r.sequences.chunk[2] == 4 &&
          r.sequences.chunk[3] == 6);
    run_to(&r, 3.0);
    CHECK(jobs[1].first_token_s == 3.0 && jobs[2].finish_s == 3.0 && r.sequences.chunk[2] == 3);
    CHECK(run_out(&r) == 3 && jobs[3].finish_s == 4.0 && jobs[1].finish_s == 4.0);
    ms_replica_free(&r);
}

int main(void)
{
    RUN(who_comes_must_fit_beside_the_next_token_of_all);
    RUN(a_composition_that_nobody_joins_goes_on);
    RUN(the_least_urgent_is_preempted);
    RUN(of_equally_urgent_ones_the_last_is_preempted);
    RUN(the_youngest_go_until_the_others_fit);
    RUN(nobody_joins_while_a_prompt_is_cut);
    return report();
}
