#include "schedule_sglang.h"

#include "jump.h"
#include "replicas.h"
#include "transit.h"

static ms_limits sglang(int64_t memory)
{
    return (ms_limits){
        .max_num_seqs = 4, .max_batched_tokens = 16, .kv_capacity_tokens = memory, .schedule = MS_SCHEDULE_SGLANG};
}

/* When the second of two jobs starts, which comes at `comes_s`; the first comes at 0. NaN if not within 12 s. */
static double starts_s(ms_limits limits, ms_job first, ms_job second, double comes_s)
{
    ms_replica r;
    make(&r, limits);
    submit(&r, &first, 0.0);
    if (comes_s == 0.0) {
        submit(&r, &second, 0.0);
        start(&r, 0.0);
    } else {
        start(&r, 0.0);
        run_to(&r, comes_s);
        submit(&r, &second, comes_s);
    }
    while (isnan(second.start_s) && r.state == MS_RUNNING && r.boundary_s < comes_s + 12.0) {
        run_to(&r, r.boundary_s);
    }
    ms_replica_free(&r);
    return second.start_s;
}

/* Of memory C the first holds 4 tokens at 1 s, and 7/10 of its next 10 are expected. The second needs 6 + 5, and one is
 * spare: it joins if 7 < C - 4 - 1 - 11. Who does not fit is not looked at again until somebody leaves. */
static void who_comes_must_fit_beside_what_is_expected_of_the_others(void)
{
    const ms_job first = ms_job_new(0, 0, 4, 11), second = ms_job_new(1, 0, 6, 5);
    CHECK(starts_s(sglang(24), first, second, 0.5) == 1.0);
    CHECK(starts_s(sglang(23), first, second, 0.5) == 11.0); /* 7 = 7 */
    ms_limits one = sglang(1000);
    one.max_num_seqs = 1;
    CHECK(starts_s(one, first, second, 0.5) == 11.0);
}

/* Of those that begin in the same iteration all is expected: 3 < C - 4 - 1 - (4 + 5). Nobody decodes: it is looked
 * at again at 1 s, where 0.7 * 2 < C - 14. */
static void who_begins_is_expected_to_give_all(void)
{
    const ms_job first = ms_job_new(0, 0, 4, 3), second = ms_job_new(1, 0, 4, 5);
    CHECK(starts_s(sglang(18), first, second, 0.0) == 0.0);
    CHECK(starts_s(sglang(17), first, second, 0.0) == 1.0);
    CHECK(starts_s(sglang(16), first, second, 0.0) == 1.0);
    CHECK(starts_s(sglang(15), first, second, 0.0) == 3.0);
    ms_job again = second; /* it gave 3 tokens before it was preempted: 7 to compute, 2 to give */
    again.generated_tokens = 3;
    CHECK(starts_s(sglang(18), first, again, 0.0) == 0.0 && starts_s(sglang(17), first, again, 0.0) == 1.0);
}

/* The ratio falls by (0.7 - 0.098) / 600 an iteration: 0.5997 after 100, of 900 tokens 539.7; not below 0.098
 * after 600, of 300 tokens 29.4. The second needs 11, and a spare one. */
static void the_ratio_falls_to_a_seventh(void)
{
    const ms_job first = ms_job_new(0, 0, 4, 1001), second = ms_job_new(1, 0, 6, 5);
    CHECK(starts_s(sglang(104 + 1 + 11 + 540), first, second, 100.5) == 101.0);
    CHECK(isnan(starts_s(sglang(104 + 1 + 11 + 539), first, second, 100.5)));
    CHECK(starts_s(sglang(704 + 1 + 11 + 30), first, second, 700.5) == 701.0);
    CHECK(isnan(starts_s(sglang(704 + 1 + 11 + 29), first, second, 700.5)));
}

/* Answers count with at most 4,096 tokens, whether they begin, are under way (0.7 * 4096 = 2867.2) or are to come. */
static void long_answers_are_clipped(void)
{
    const ms_job small = ms_job_new(0, 0, 4, 3), large = ms_job_new(1, 0, 4, 6000);
    CHECK(starts_s(sglang(4 + 1 + 4100 + 4), small, large, 0.0) == 0.0);
    CHECK(starts_s(sglang(4 + 1 + 4100 + 3), small, large, 0.0) == 1.0);
    CHECK(starts_s(sglang(4 + 1 + 7 + 4097), large, small, 0.0) == 0.0);
    CHECK(isnan(starts_s(sglang(4 + 1 + 7 + 2867), large, small, 0.5)));
    CHECK(starts_s(sglang(4 + 1 + 7 + 2868), large, small, 0.5) == 1.0);
    ms_limits longer = sglang(4 + 1 + 7 + 10); /* clients allow 10 tokens: of the first 9 are to come, 6.3 */
    longer.max_new_tokens = 10;
    longer.kv_capacity_tokens = 4 + 1 + 14 + 7;
    CHECK(starts_s(longer, small, small, 0.5) == 1.0);
    longer.kv_capacity_tokens--;
    CHECK(starts_s(longer, small, small, 0.5) == 3.0);
}

/* Blocks of 4: a prompt of 5 holds 2, one is spare, and of the others (C / 4 - 3) * 4 must be more than 1.4 + 9. */
static void memory_is_counted_in_blocks(void)
{
    const ms_job first = ms_job_new(0, 0, 5, 3), second = ms_job_new(1, 0, 4, 5);
    ms_limits limits = sglang(24);
    limits.kv_block_tokens = 4;
    CHECK(starts_s(limits, first, second, 0.5) == 1.0);
    limits.kv_capacity_tokens = 23;
    CHECK(starts_s(limits, first, second, 0.5) == 3.0);
}

/* Both have the prompt of node 1: of the second its 4 tokens are there, and held: 1.4 < C - (4 - 4 + 1) - 9. */
static void what_the_first_holds_is_not_needed_twice(void)
{
    ms_node_of_path path[] = {{1, 4}};
    ms_job first = ms_job_new(0, 0, 4, 3), second = ms_job_new(1, 0, 4, 5);
    first.path = second.path = path;
    first.path_length = second.path_length = 1;
    ms_limits limits = sglang(12);
    limits.prefix_cache = 1;
    CHECK(starts_s(limits, first, second, 0.5) == 1.0);
    limits.kv_capacity_tokens = 11;
    CHECK(starts_s(limits, first, second, 0.5) == 3.0);
}

/* 16 tokens an iteration: of the first 16 and 4, then all 4 of the second and 8 of the third, whose 12 others
 * follow. Who decodes waits for prompts. */
static void prompts_share_iterations_and_decoders_wait(void)
{
    ms_replica r;
    make(&r, sglang(1000));
    ms_job jobs[] = {ms_job_new(0, 0, 20, 2), ms_job_new(1, 0, 4, 3), ms_job_new(2, 0, 20, 2)};
    for (int i = 0; i < 3; i++) {
        submit(&r, &jobs[i], 0.0);
    }
    CHECK(start(&r, 0.0) == 1 && r.sequences.chunk[0] == 16);
    run_to(&r, 1.0);
    CHECK(r.sequences.running == 3 && r.sequences.chunk[0] == 4 && r.sequences.chunk[1] == 4 &&
          r.sequences.chunk[2] == 8);
    run_to(&r, 2.0);
    CHECK(r.sequences.decoders == 2 && r.sequences.chunk[2] == 12 && r.sequences.paused);
    CHECK(run_out(&r) == 3);
    CHECK(times_are(&jobs[0], 0.0, 2.0, 4.0) && times_are(&jobs[1], 1.0, 2.0, 5.0) &&
          times_are(&jobs[2], 1.0, 3.0, 4.0));
    ms_replica_free(&r);
}

/* Plays what comes until somebody is retracted; `ratio` is what is expected of answers before. */
static void play_until_retracted(ms_replica *r, int64_t memory, ms_job *jobs, int n, const double *comes_s)
{
    make(r, sglang(memory));
    r->ratio = 0.0; /* nothing is expected: everybody comes in */
    r->ratio_clock = 1000;
    submit(r, &jobs[0], 0.0);
    start(r, 0.0);
    for (int i = 1; i < n; i++) {
        run_to(r, comes_s[i]);
        submit(r, &jobs[i], comes_s[i]);
    }
    while (r->preemptions == 0 && r->state == MS_RUNNING) {
        run_to(r, r->boundary_s);
    }
}

/* All three have as many tokens: the longest prompt goes, not the last that came. The others have 4 tokens each,
 * and room for 20 more: (8 + 40) / (40 + 8 + 1) of their answers, from the iteration after this on. */
static void of_equal_answers_the_longest_prompt_is_retracted(void)
{
    for (int longest = 0; longest < 3; longest++) {
        ms_replica r;
        ms_job jobs[] = {ms_job_new(0, 0, 3, 40), ms_job_new(1, 0, 3, 8), ms_job_new(2, 0, 3, 8)};
        jobs[longest].prompt_tokens = 6; /* 12 tokens at 3 s, 21 at 6 s, and no room for 24 */
        play_until_retracted(&r, 22, jobs, 3, (const double[]){0.0, 0.5, 1.5});
        CHECK(r.base_s == 6.0 && r.preemptions == 1 && r.limit_iterations == 1);
        CHECK(r.queue->head == &jobs[longest] && jobs[longest].preemptions == 1 && jobs[longest].generated_tokens == 4);
        const double allowed = longest == 0 ? 16.0 : 48.0;
        CHECK(r.ratio == (48.0 / (allowed + 1.0) < 1.0 ? 48.0 / (allowed + 1.0) : 1.0));
        CHECK(r.ratio_clock == r.sequences.clock + 1);
        run_to(&r, 7.0);
        CHECK(r.sequences.running == 2 && r.full);
        ms_replica_free(&r);
    }
}

/* Who has given less goes, whatever its prompt; even if it came first. */
static void the_least_generated_is_retracted(void)
{
    ms_replica r;
    ms_job late[] = {ms_job_new(0, 0, 6, 40), ms_job_new(1, 0, 2, 8)};
    play_until_retracted(&r, 21, late, 2, (const double[]){0.0, 3.5}); /* 11 tokens at 5 s, 21 at 10 s */
    CHECK(r.base_s == 10.0 && r.queue->head == &late[1] && late[1].generated_tokens == 6);
    ms_replica_free(&r);
    ms_job again[] = {ms_job_new(0, 0, 6, 40), ms_job_new(1, 0, 2, 20)};
    again[1].generated_tokens = 5;
    play_until_retracted(&r, 33, again, 2, (const double[]){0.0, 3.5}); /* 16 tokens at 5 s, 32 at 13 s */
    CHECK(r.base_s == 13.0 && r.queue->head == &again[0] && again[0].generated_tokens == 12);
    ms_replica_free(&r);
}

/* One alone is never retracted, and as many go as must: at 3 s 2 + 2 + 8 tokens, and 15 at 4 s of 16. */
static void as_many_are_retracted_as_must_be(void)
{
    ms_replica r;
    ms_job jobs[] = {ms_job_new(0, 0, 2, 6), ms_job_new(1, 0, 2, 6), ms_job_new(2, 0, 8, 4)};
    play_until_retracted(&r, 21, jobs, 3, (const double[]){0.0, 0.5, 1.5});
    CHECK(r.base_s == 6.0 || r.preemptions == 0);
    CHECK(run_out(&r) == 3 || r.state == MS_IDLE);
    CHECK(r.sequences.running == 0 && r.queue->length == 0);
    for (int i = 0; i < 3; i++) {
        CHECK(jobs[i].generated_tokens == jobs[i].output_tokens);
    }
    ms_replica_free(&r);
}

/* The ratio begins anew once nothing is left, and falls from then on. */
static void a_replica_that_rests_forgets_its_ratio(void)
{
    ms_replica r;
    ms_job jobs[] = {ms_job_new(0, 0, 2, 6), ms_job_new(1, 0, 2, 6)};
    make(&r, sglang(100));
    r.ratio = 0.25;
    r.full = 1;
    submit(&r, &jobs[0], 0.0);
    start(&r, 0.0);
    CHECK(!r.full && r.ratio == 0.25);
    CHECK(run_out(&r) == 1 && r.state == MS_IDLE);
    CHECK(r.ratio == 0.7 && r.ratio_clock == r.sequences.clock && r.ratio_clock == 5 && !r.full);
    ms_replica_free(&r);
}

/* ---- where others prefill or decode -------------------------------------------------------------------------------- */

/* For others to decode, prompts ask for one token each, whatever the answer: of two at once 1 < C - (4 + 1) - (4 + 1). After
 * the first its memory stays, and it asks for nothing: 0 < C - 5 - 5. */
static void prompts_for_others_ask_for_one_token(void)
{
    const int64_t memory[] = {12, 11, 10};
    for (int k = 0; k < 3; k++) {
        ms_limits limits = sglang(memory[k]);
        limits.role = MS_ROLE_PREFILL;
        ms_replica r;
        ms_job first = ms_job_new(0, 0, 4, 500), second = ms_job_new(1, 0, 4, 500);
        ms_queue done = {0};
        make(&r, limits);
        submit(&r, &first, 0.0);
        submit(&r, &second, 0.0);
        start(&r, 0.0);
        CHECK(r.sequences.running == (k == 0 ? 2 : 1));
        CHECK(ms_replica_finish(&r, &done) == 0 && r.sequences.set_aside == (k == 0 ? 8 : 4));
        start(&r, 1.0);
        CHECK(k == 0 ? second.start_s == 0.0 : k == 1 ? second.start_s == 1.0 : isnan(second.start_s));
        ms_replica_free(&r);
    }
}

static ms_job from_elsewhere(int64_t request, int32_t prompt, int32_t output)
{
    ms_job job = ms_job_new(request, 0, prompt, output);
    job.source = 0;
    job.generated_tokens = 1;
    return job;
}

/* The KV of these comes and they decode. */
static void bring(ms_replica *r, double t_s)
{
    for (ms_job *job = ms_transit_depart(r); job != NULL; job = ms_transit_depart(r)) {
        job->source = -1;
        ms_replica_arrive(r, job, t_s);
    }
    start(r, t_s);
}

/* A replica that decodes, with a job of 4 tokens whose jump ends at 10 s. */
static void make_decoding(ms_replica *r, int64_t memory, ms_job *first)
{
    ms_limits limits = sglang(memory);
    limits.role = MS_ROLE_DECODE;
    make(r, limits);
    *first = from_elsewhere(0, 4, 11);
    submit(r, first, 0.0);
    start(r, 0.0);
    bring(r, 0.0);
    CHECK(r->state == MS_RUNNING && r->sequences.decoders == 1 && r->boundary_s == 10.0);
}

/* At 1 s the first holds 5 tokens; the second's 4 come if 4 + 2 * 512 fit into the rest. If not, the first goes on as it
 * would have; what has come joins in any case. */
static void who_comes_while_others_decode_must_fit(void)
{
    for (int fits = 0; fits < 2; fits++) {
        ms_replica r;
        ms_job first, second = from_elsewhere(1, 4, 3);
        ms_queue done = {0};
        make_decoding(&r, 5 + 4 + 1024 - !fits, &first);
        CHECK(submit(&r, &second, 0.5) == MS_RESCHEDULE && r.boundary_s == 1.0);
        CHECK(ms_replica_finish(&r, &done) == 0);
        const int64_t jumps = r.jumps;
        start(&r, 1.0);
        CHECK(r.departing.length == fits && r.jumps == jumps + fits && r.boundary_s == 10.0 && r.base_s == (double)fits);
        CHECK(r.kept_places == fits && r.own_queue.length == !fits);
        if (fits) {
            CHECK(ms_transit_depart(&r) == &second);
            CHECK(ms_replica_arrive(&r, &second, 1.5) == MS_RESCHEDULE && r.boundary_s == 2.0);
            CHECK(ms_replica_finish(&r, &done) == 0);
            start(&r, 2.0);
            CHECK(r.sequences.decoders == 2 && second.start_s == 2.0);
        }
        ms_replica_free(&r);
    }
}

/* Who is retracted waits behind others without KV here, and before those whose KV is still where they were prefilled. */
static void who_is_retracted_waits_among_its_like(void)
{
    ms_replica r;
    ms_job first, second = from_elsewhere(1, 4, 11), lost = ms_job_new(2, 0, 4, 9), coming = from_elsewhere(3, 4, 9);
    ms_queue done = {0};
    make_decoding(&r, 5000, &first);
    submit(&r, &second, 0.5);
    CHECK(ms_replica_finish(&r, &done) == 0);
    start(&r, 1.0);
    CHECK(ms_transit_depart(&r) == &second);
    second.source = -1;
    CHECK(ms_replica_arrive(&r, &second, 1.5) == MS_RESCHEDULE && ms_replica_finish(&r, &done) == 0);
    r.sequences.capacity_blocks = 14; /* at 2 s they hold 6 and 4 tokens: two iterations more */
    start(&r, 2.0);
    CHECK(r.sequences.decoders == 2 && r.boundary_s == 4.0);
    ms_queue_push_tail(r.queue, &lost);
    ms_queue_push_tail(r.queue, &coming);
    CHECK(ms_replica_finish(&r, &done) == 0);
    start(&r, 4.0);
    CHECK(r.sequences.decoders == 1 && r.preemptions == 1 && second.generated_tokens == 3);
    CHECK(r.queue->head == &lost && lost.next == &second && second.next == &coming && coming.next == NULL);
    ms_replica_free(&r);
}

/* At 5 s the first holds 9 tokens and needs a tenth: with memory for 9 it goes on alone, as nobody is refused by an empty
 * replica; where the KV of another is on its way, that one will run, and the first is sent back. */
static void the_last_is_retracted_for_who_is_on_its_way(void)
{
    for (int is_coming = 0; is_coming < 2; is_coming++) {
        ms_replica r;
        ms_job first, second = from_elsewhere(1, 4, 3);
        ms_queue done = {0};
        make_decoding(&r, 2000, &first);
        if (is_coming) {
            CHECK(submit(&r, &second, 0.5) == MS_RESCHEDULE && ms_replica_finish(&r, &done) == 0);
            start(&r, 1.0);
            CHECK(r.kept_places == 1 && r.sequences.set_aside == 5);
        }
        r.sequences.capacity_blocks = 9;
        r.limit_iterations = ms_jump_until(&r, 5.0);
        ms_jump_aim(&r, r.limit_iterations);
        CHECK(ms_replica_finish(&r, &done) == 0 && r.boundary_s == 5.0);
        start(&r, 5.0);
        CHECK(r.sequences.running == !is_coming && r.preemptions == is_coming && r.sequences.decoders == !is_coming);
        CHECK(r.state == (is_coming ? MS_IDLE : MS_RUNNING) && r.own_queue.length == is_coming);
        ms_replica_free(&r);
    }
}

/* Who comes back from the host's memory needs its whole text, its answer too; nobody is refused by an empty replica. */
static void who_was_retracted_needs_all_of_its_tokens(void)
{
    for (int fits = 0; fits < 2; fits++) {
        ms_replica r;
        ms_job first, back = ms_job_new(1, 0, 4, 50);
        ms_queue done = {0};
        back.generated_tokens = 20;
        make_decoding(&r, 5 + 24 + 1024 - !fits, &first);
        submit(&r, &back, 0.5);
        CHECK(ms_replica_finish(&r, &done) == 0);
        CHECK(start(&r, 1.0) == fits);
        CHECK(r.sequences.decoders == 1 + fits && back.generated_tokens == 20);
        CHECK(fits ? ms_sequences_cached_units(&r.sequences, 1) == 23 : back.place == MS_QUEUED);
        ms_replica_free(&r);
    }
    ms_replica r;
    ms_limits limits = sglang(30);
    limits.role = MS_ROLE_DECODE;
    make(&r, limits);
    ms_job alone = ms_job_new(0, 0, 4, 9);
    alone.generated_tokens = 2;
    submit(&r, &alone, 3.0);
    start(&r, 3.0);
    CHECK(r.sequences.decoders == 1 && alone.start_s == 3.0 && r.boundary_s == 10.0);
    ms_replica_free(&r);
}

int main(void)
{
    RUN(who_comes_must_fit_beside_what_is_expected_of_the_others);
    RUN(who_begins_is_expected_to_give_all);
    RUN(the_ratio_falls_to_a_seventh);
    RUN(long_answers_are_clipped);
    RUN(memory_is_counted_in_blocks);
    RUN(what_the_first_holds_is_not_needed_twice);
    RUN(prompts_share_iterations_and_decoders_wait);
    RUN(of_equal_answers_the_longest_prompt_is_retracted);
    RUN(the_least_generated_is_retracted);
    RUN(as_many_are_retracted_as_must_be);
    RUN(a_replica_that_rests_forgets_its_ratio);
    RUN(prompts_for_others_ask_for_one_token);
    RUN(who_comes_while_others_decode_must_fit);
    RUN(who_is_retracted_waits_among_its_like);
    RUN(who_was_retracted_needs_all_of_its_tokens);
    RUN(the_last_is_retracted_for_who_is_on_its_way);
    return report();
}
