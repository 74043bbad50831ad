#include "transit.h"

#include "cache_check.h"
#include "check.h"
#include "error.h"
#include "jobs.h"
#include "replica.h"

/* Every iteration takes a second and draws 2 J, and 1 J a token. */
static const ms_coefficients unit = {.a0_s = 1.0, .p0_w = 2.0, .e_j_per_token = 1.0, .p_cap_w = 1000.0};

static void make(ms_replica *r, int32_t role, int64_t memory, int32_t places)
{
    const ms_limits limits = {.max_num_seqs = places, .max_batched_tokens = 16, .kv_capacity_tokens = memory,
        .role = role};
    CHECK(ms_replica_init(r, role == MS_ROLE_DECODE, &unit, &limits, NULL) == 0);
}

static enum ms_notice submit(ms_replica *r, ms_job *job, double t_s)
{
    ms_queue_push_tail(r->queue, job);
    return r->queue->head == job ? ms_replica_notify(r, t_s) : MS_NOTHING;
}

static void start(ms_replica *r, double t_s)
{
    int32_t pulled;
    CHECK(ms_replica_start(r, t_s, &pulled) == 0);
}

/* A job with the first token of its answer, whose prompt some replica holds. */
static ms_job prefilled(int64_t request, int32_t prompt, int32_t output)
{
    ms_job job = ms_job_new(request, 0, prompt, output);
    job.source = 0;
    job.generated_tokens = 1;
    return job;
}

static void a_prompt_is_handed_over_and_its_memory_stays(void)
{
    ms_replica r;
    make(&r, MS_ROLE_PREFILL, 10, 4);
    ms_job job = ms_job_new(0, 0, 6, 3), next = ms_job_new(1, 0, 6, 3);
    CHECK(submit(&r, &job, 0.0) == MS_WAKE);
    start(&r, 0.0);
    CHECK(submit(&r, &next, 0.5) == MS_NOTHING);
    ms_queue done = {0};
    CHECK(ms_replica_finish(&r, &done) == 0);
    CHECK(ms_queue_pop(&done) == &job && job.source == 0 && job.prefilled_s == 1.0 && job.first_token_s == 1.0);
    CHECK(job.energy_j == 2.0 + 6.0 && job.generated_tokens == 1);
    start(&r, 1.0);
    CHECK(r.state == MS_IDLE && r.own_queue.length == 1 && r.sequences.set_aside == 6);
    CHECK(ms_replica_unfinished(&r) == 1);
    CHECK(ms_replica_let_go(&r, &job, 2.0) == MS_WAKE && r.sequences.set_aside == 0);
    start(&r, 2.0);
    CHECK(r.state == MS_RUNNING && next.start_s == 2.0);
    ms_replica_free(&r);
}

static void a_first_token_may_be_left_to_the_other(void)
{
    ms_replica r;
    const ms_limits limits = {.max_num_seqs = 1, .max_batched_tokens = 16, .kv_capacity_tokens = 10,
        .role = MS_ROLE_PREFILL,
                              .first_token_later = 1};
    CHECK(ms_replica_init(&r, 0, &unit, &limits, NULL) == 0);
    ms_job job = ms_job_new(0, 0, 6, 1);
    submit(&r, &job, 0.0);
    start(&r, 0.0);
    ms_queue done = {0};
    CHECK(ms_replica_finish(&r, &done) == 0);
    CHECK(done.length == 1 && job.source == 0 && job.generated_tokens == 0 && job.first_token_s != job.first_token_s);
    ms_replica_free(&r);
}

static void a_transfer_keeps_a_place_and_memory_and_joins_the_next_iteration(void)
{
    ms_replica r;
    make(&r, MS_ROLE_DECODE, 20, 2);
    ms_job first = prefilled(0, 4, 9), second = prefilled(1, 4, 3), third = prefilled(2, 4, 3);
    CHECK(submit(&r, &first, 0.0) == MS_WAKE);
    CHECK(submit(&r, &second, 0.0) == MS_NOTHING && submit(&r, &third, 0.0) == MS_NOTHING);
    start(&r, 0.0);
    CHECK(r.state == MS_IDLE && r.departing.length == 2 && r.kept_places == 2 && r.own_queue.length == 1);
    CHECK(r.sequences.set_aside == 5 + 5 && ms_replica_unfinished(&r) == 3);
    CHECK(ms_transit_depart(&r) == &first && ms_transit_depart(&r) == &second && ms_transit_depart(&r) == NULL);
    CHECK(first.place == MS_TRANSFERS && r.incoming.head == &first && r.incoming.tail == &second);
    CHECK(ms_replica_arrive(&r, &first, 0.5) == MS_WAKE);
    start(&r, 0.5);
    CHECK(r.sequences.running == 1 && r.sequences.set_aside == 5 && r.kept_places == 1 && r.boundary_s == 1.5);
    ms_queue done = {0};
    CHECK(ms_replica_finish(&r, &done) == 0 && first.generated_tokens == 2);
    start(&r, 1.5); /* a jump of seven iterations */
    CHECK(r.boundary_s == 8.5);
    CHECK(ms_replica_arrive(&r, &second, 2.0) == MS_RESCHEDULE && r.boundary_s == 2.5);
    CHECK(ms_replica_finish(&r, &done) == 0);
    start(&r, 2.5);
    CHECK(r.sequences.running == 2 && r.kept_places == 0 && r.departing.length == 0); /* no place for the third */
    while (r.state == MS_RUNNING) {
        const double t_s = r.boundary_s;
        CHECK(ms_replica_finish(&r, &done) == 0);
        start(&r, t_s);
    }
    CHECK(second.finish_s == 4.5 && first.finish_s == 8.5 && done.length == 2);
    CHECK(r.departing.length + r.incoming.length == 1 && third.start_s != third.start_s);
    ms_queue evicted = {0};
    ms_replica_evict(&r, 9.0, &evicted);
    CHECK(evicted.length == 1 && r.kept_places == 0 && r.sequences.set_aside == 0);
    ms_replica_free(&r);
}

/* A replica that decodes, with so much memory, to which two prompts of 4 tokens are to come. */
static void make_with_two(ms_replica *r, int64_t memory, ms_job two[2], int32_t first_answer)
{
    make(r, MS_ROLE_DECODE, memory, 4);
    two[0] = prefilled(0, 4, first_answer);
    two[1] = prefilled(1, 4, 3);
    submit(r, &two[0], 0.0);
    submit(r, &two[1], 0.0);
    start(r, 0.0);
}

static void what_is_called_off_makes_room(void)
{
    ms_replica r;
    ms_job two[2], *first = &two[0], *second = &two[1];
    int left;
    make_with_two(&r, 8, two, 3);
    CHECK(ms_transit_depart(&r) == first && r.own_queue.head == second);
    ms_transit_arrive(&r, first);
    CHECK(ms_replica_abort(&r, first, 0.0, &left) == MS_WAKE && left);
    start(&r, 0.0);
    CHECK(ms_transit_depart(&r) == second && r.sequences.set_aside == 5);
    CHECK(ms_replica_call_off(&r, second, 0.5) == MS_NOTHING);
    CHECK(r.kept_places == 0 && r.sequences.set_aside == 0 && ms_replica_unfinished(&r) == 0);
    ms_replica_free(&r);
}

/* Memory for 10: the one that runs is preempted for want of an eleventh, and the one that has come goes on at once. */
static void nobody_left_to_run_lets_in_who_has_come(void)
{
    ms_replica r;
    ms_job two[2], *first = &two[0], *second = &two[1];
    make_with_two(&r, 10, two, 6);
    CHECK(ms_transit_depart(&r) == first && ms_transit_depart(&r) == second);
    ms_replica_arrive(&r, first, 0.0);
    start(&r, 0.0);
    ms_queue done = {0};
    CHECK(ms_replica_finish(&r, &done) == 0);
    CHECK(ms_replica_arrive(&r, second, 1.0) == MS_NOTHING);
    start(&r, 1.0);
    CHECK(first->preemptions == 1 && r.sequences.running == 1 && second->start_s == 1.0);
    ms_replica_evict(&r, 1.5, &done);
    ms_replica_free(&r);
}

/* Blocks of 4: a prompt of 6 keeps two of them until the other has it, which sets two aside for the 7 tokens to
 * come. */
static void what_is_set_aside_is_counted_in_blocks(void)
{
    for (int32_t role = MS_ROLE_PREFILL; role <= MS_ROLE_DECODE; role++) {
        const ms_limits limits = {.max_num_seqs = 4,
                                  .max_batched_tokens = 16,
                                  .kv_capacity_tokens = 40,
                                  .kv_block_tokens = 4,
                                  .role = role};
        ms_replica r;
        CHECK(ms_replica_init(&r, 0, &unit, &limits, NULL) == 0);
        ms_job job = role == MS_ROLE_PREFILL ? ms_job_new(0, 0, 6, 3) : prefilled(0, 6, 3);
        submit(&r, &job, 0.0);
        start(&r, 0.0);
        if (role == MS_ROLE_PREFILL) {
            ms_queue done = {0};
            CHECK(ms_replica_finish(&r, &done) == 0 && done.length == 1 && r.sequences.set_aside == 2);
            start(&r, 1.0);
            CHECK(r.state == MS_IDLE);
            ms_replica_let_go(&r, &job, 2.0);
        } else {
            CHECK(r.sequences.set_aside == 2 && ms_transit_depart(&r) == &job && ms_transit_depart(&r) == NULL);
            ms_replica_call_off(&r, &job, 2.0);
        }
        CHECK(r.sequences.set_aside == 0 && r.kept_places == 0);
        ms_replica_free(&r);
    }
}

/* All of a job's KV sets off and is there at once. */
static void arrive_all(ms_replica *r, double t_s)
{
    for (ms_job *job = ms_transit_depart(r); job != NULL; job = ms_transit_depart(r)) {
        job->source = -1; /* it is let go of there */
        ms_replica_arrive(r, job, t_s);
    }
}

/* By SGLang 512 tokens stay free for each that is there or comes: the first holds 5, the second asks for 4 + 2 * 512. What
 * comes decodes at once, and shows the token that came with it. */
static void sglang_keeps_room_for_answers(void)
{
    for (int fits = 0; fits < 2; fits++) {
        ms_replica r;
        const ms_limits limits = {.max_num_seqs = 2,
                                  .max_batched_tokens = 16,
                                  .kv_capacity_tokens = 5 + 4 + 1024 - !fits,
                                  .schedule = MS_SCHEDULE_SGLANG,
                                  .role = MS_ROLE_DECODE};
        CHECK(ms_replica_init(&r, 1, &unit, &limits, NULL) == 0);
        ms_job first = prefilled(0, 4, 3), second = prefilled(1, 4, 3);
        submit(&r, &first, 0.0);
        submit(&r, &second, 0.0);
        start(&r, 0.0);
        CHECK(r.state == MS_IDLE && r.departing.length == 1 + fits && r.sequences.set_aside == 5 + 5 * fits);
        arrive_all(&r, 1.0);
        start(&r, 1.0);
        CHECK(r.sequences.decoders == 1 + fits && first.first_token_s == 1.0 && r.boundary_s == 3.0);
        ms_queue done = {0};
        CHECK(ms_replica_finish(&r, &done) == 0 && done.length == 1 + fits && first.finish_s == 3.0);
        start(&r, 3.0);
        CHECK(r.departing.length == 1 - fits);
        ms_replica_free(&r);
    }
}

/* After 600 iterations each holds 700 of 1,400 tokens: the later one is retracted, keeps its KV, goes before the request that
 * waits for a transfer, and is back when the other has left. */
static void who_is_retracted_goes_before_who_is_to_come(void)
{
    ms_replica r;
    const ms_limits limits = {.max_num_seqs = 4,
                              .max_batched_tokens = 16,
                              .kv_capacity_tokens = 1400,
                              .schedule = MS_SCHEDULE_SGLANG,
                              .role = MS_ROLE_DECODE};
    CHECK(ms_replica_init(&r, 1, &unit, &limits, NULL) == 0);
    ms_job first = prefilled(0, 100, 620), second = prefilled(1, 100, 700), third = prefilled(2, 100, 3);
    submit(&r, &first, 0.0);
    submit(&r, &second, 0.0);
    submit(&r, &third, 0.0);
    start(&r, 0.0);
    CHECK(r.departing.length == 2); /* 100 + 3 * 512 do not fit beside 202 */
    arrive_all(&r, 0.0);
    start(&r, 0.0);
    ms_queue done = {0};
    while (first.finish_s != first.finish_s) {
        const double t_s = r.boundary_s;
        CHECK(ms_replica_finish(&r, &done) == 0);
        start(&r, t_s);
    }
    CHECK(second.preemptions == 1 && first.finish_s == 619.0);
    CHECK(second.generated_tokens == 601);
    CHECK(r.sequences.jobs[0] == &second && r.sequences.decoders == 1);
    CHECK(r.own_queue.head == &third); /* 100 + 2 * 512 do not fit beside 700 */
    CHECK(ms_replica_finish(&r, &done) == 0);
    start(&r, 718.0);
    CHECK(second.finish_s == 619.0 + 99.0 && r.departing.head == &third);
    ms_replica_free(&r);
}

/* Reserved, a transfer keeps the blocks of the longest answer: 4 + 8 - 1 for each of two in 22, one in 21. */
static void a_transfer_reserves_where_the_engine_does(void)
{
    for (int fits = 0; fits < 2; fits++) {
        ms_replica r;
        const ms_limits limits = {.max_num_seqs = 4,
                                  .max_batched_tokens = 16,
                                  .kv_capacity_tokens = 21 + fits,
                                  .kv_policy = MS_KV_RESERVE,
                                  .max_new_tokens = 8,
                                  .whole_prompts = 1,
                                  .schedule = MS_SCHEDULE_TENSORRT_LLM,
                                  .role = MS_ROLE_DECODE};
        CHECK(ms_replica_init(&r, 1, &unit, &limits, NULL) == 0);
        ms_job first = prefilled(0, 4, 3), second = prefilled(1, 4, 3);
        submit(&r, &first, 0.0);
        submit(&r, &second, 0.0);
        start(&r, 0.0);
        CHECK(r.departing.length == 1 + fits && r.sequences.reserved_blocks == 11 + 11 * fits);
        arrive_all(&r, 1.0);
        start(&r, 1.0);
        CHECK(r.sequences.decoders == 1 + fits && r.sequences.reserved_blocks == 11 + 11 * fits);
        ms_queue done = {0};
        CHECK(ms_replica_finish(&r, &done) == 0 && first.finish_s == 3.0);
        CHECK(r.sequences.reserved_blocks == 0 && r.sequences.set_aside == 0);
        ms_replica_free(&r);
    }
}

/* Of a replica that decodes what others prefill, and keeps it for prompts that begin alike. */
static const ms_limits cached = {.max_num_seqs = 2,
                                 .max_batched_tokens = 16,
                                 .kv_capacity_tokens = 100,
                                 .kv_block_tokens = 4,
                                 .prefix_cache = 1,
                                 .role = MS_ROLE_DECODE};

/* What the cache has of a prompt is used from the transfer's start on, and need not come: of 10 tokens 8 are cached,
 * so 2 are sent. Called off, it is there for the next. */
static void a_cache_spares_what_it_has(void)
{
    const ms_node_of_path path[] = {{7, 8}};
    ms_replica r;
    CHECK(ms_replica_init(&r, 1, &unit, &cached, NULL) == 0);
    ms_job jobs[3], elsewhere;
    ms_queue done = {0};
    const int64_t missing[] = {10, 2, 2};
    for (int k = 0; k < 3; k++) {
        struct ms_hold *at_source = k == 1 ? (struct ms_hold *)&elsewhere : NULL; /* which this cache does not look at */
        jobs[k] = prefilled(k, 10, 2);
        jobs[k].holds = at_source;
        jobs[k].path = path;
        jobs[k].path_length = 1;
        const double t_s = 10.0 * k;
        submit(&r, &jobs[k], t_s);
        start(&r, t_s);
        CHECK(ms_transit_depart(&r) == &jobs[k] && jobs[k].missing_tokens == missing[k]);
        CHECK(jobs[k].holds_there != NULL && jobs[k].holds == at_source && ms_cache_check(&r.sequences.cache) == 0);
        if (k == 1) {
            ms_replica_call_off(&r, &jobs[k], t_s + 1.0);
            CHECK(jobs[k].holds_there == NULL && jobs[k].holds == at_source && r.sequences.set_aside == 0 && r.sequences.cache.cached == 2);
            continue;
        }
        CHECK(ms_replica_arrive(&r, &jobs[k], t_s + 1.0) == MS_WAKE);
        start(&r, t_s + 1.0);
        CHECK(ms_replica_finish(&r, &done) == 0 && jobs[k].finish_s == t_s + 2.0 && jobs[k].holds == NULL);
        start(&r, t_s + 2.0);
        CHECK(ms_cache_check(&r.sequences.cache) == 0 && ms_sequences_blocks(&r.sequences, 0) == 0);
    }
    ms_replica_free(&r);
}

/* Blocks of 4: the first runs with 3 blocks, 2 of them of node 7. Each that comes needs 3 for its 11 tokens, the same 2 among
 * them: memory for 5 takes both of them at once, for 4 one. */
static void what_is_used_twice_is_set_aside_once(void)
{
    const ms_node_of_path path[] = {{7, 8}};
    for (int fits = 1; fits <= 2; fits++) {
        ms_replica r;
        const ms_limits limits = {.max_num_seqs = 8,
                                  .max_batched_tokens = 16,
                                  .kv_capacity_tokens = 12 + 4 * fits,
                                  .kv_block_tokens = 4,
                                  .prefix_cache = 1,
                                  .role = MS_ROLE_DECODE};
        CHECK(ms_replica_init(&r, 1, &unit, &limits, NULL) == 0);
        ms_job jobs[3];
        ms_queue done = {0};
        for (int k = 0; k < 3; k++) {
            jobs[k] = prefilled(k, 10, 3);
            jobs[k].path = path;
            jobs[k].path_length = 1;
        }
        submit(&r, &jobs[0], 0.0);
        start(&r, 0.0);
        arrive_all(&r, 0.0);
        start(&r, 0.0);
        CHECK(r.state == MS_RUNNING && ms_sequences_blocks(&r.sequences, 0) == 3);
        ms_queue_push_tail(r.queue, &jobs[1]);
        ms_queue_push_tail(r.queue, &jobs[2]);
        CHECK(ms_replica_finish(&r, &done) == 0);
        start(&r, 1.0);
        CHECK(r.departing.length == fits && r.kept_places == fits && r.sequences.set_aside == 3 * fits);
        CHECK(ms_sequences_blocks(&r.sequences, 0) == 3 + fits && r.sequences.cache.twice == 2 * fits);
        CHECK(jobs[1].missing_tokens == 2 && ms_cache_check(&r.sequences.cache) == 0);
        ms_replica_evict(&r, 1.0, &done);
        ms_replica_free(&r);
    }
}

/* By vLLM what has come is there for others from then on: the second of one text, looked at in the same instant, need not send
 * the 8 tokens of its node. */
static void what_has_come_is_found_at_once(void)
{
    const ms_node_of_path path[] = {{7, 8}};
    ms_replica r;
    CHECK(ms_replica_init(&r, 1, &unit, &cached, NULL) == 0);
    ms_job first = prefilled(0, 10, 2), second = prefilled(1, 10, 2);
    first.path = second.path = path;
    first.path_length = second.path_length = 1;
    submit(&r, &first, 0.0);
    start(&r, 0.0);
    CHECK(ms_transit_depart(&r) == &first && ms_replica_arrive(&r, &first, 1.0) == MS_WAKE);
    ms_queue_push_tail(r.queue, &second);
    start(&r, 1.0);
    CHECK(first.missing_tokens == 10 && ms_transit_depart(&r) == &second && second.missing_tokens == 2);
    CHECK(ms_cache_check(&r.sequences.cache) == 0);
    ms_replica_free(&r);
}

/* What was prefilled is in the cache of its replica, used until the other has it, and can be evicted from then on. */
static void what_was_handed_over_stays_in_the_cache(void)
{
    ms_replica r;
    const ms_limits limits = {.max_num_seqs = 4,
                              .max_batched_tokens = 16,
                              .kv_capacity_tokens = 40,
                              .kv_block_tokens = 4,
                              .prefix_cache = 1,
                              .role = MS_ROLE_PREFILL};
    CHECK(ms_replica_init(&r, 0, &unit, &limits, NULL) == 0);
    ms_job job = ms_job_new(0, 0, 10, 3);
    ms_queue done = {0};
    submit(&r, &job, 0.0);
    start(&r, 0.0);
    CHECK(ms_replica_finish(&r, &done) == 0 && done.head == &job);
    start(&r, 1.0);
    CHECK(r.sequences.set_aside == 3 && r.sequences.cache.cached == 0 && job.holds != NULL);
    CHECK(ms_replica_let_go(&r, &job, 2.0) == MS_NOTHING);
    CHECK(r.sequences.set_aside == 0 && r.sequences.cache.cached == 2 && job.holds == NULL);
    CHECK(ms_cache_check(&r.sequences.cache) == 0);
    ms_replica_free(&r);
}

/* With a draft each, SGLang counts in tokens, too: the second asks for 4 + 2 * 512 beside the 5 of the first. */
static void room_for_answers_is_in_tokens_with_drafts_too(void)
{
    ms_drafts drafts;
    ms_drafts_init(&drafts, 1, (const double[]){1.0}, &(ms_stream){1, 7, 0, 0});
    for (int fits = 0; fits < 2; fits++) {
        ms_replica r;
        const ms_limits limits = {.max_num_seqs = 2,
                                  .max_batched_tokens = 16,
                                  .kv_capacity_tokens = 5 + 4 + 1024 - !fits,
                                  .schedule = MS_SCHEDULE_SGLANG,
                                  .drafts = &drafts,
                                  .role = MS_ROLE_DECODE};
        CHECK(ms_replica_init(&r, 1, &unit, &limits, NULL) == 0);
        ms_job first = prefilled(0, 4, 3), second = prefilled(1, 4, 3);
        submit(&r, &first, 0.0);
        submit(&r, &second, 0.0);
        start(&r, 0.0);
        CHECK(r.departing.length == 1 + fits);
        ms_replica_free(&r);
    }
}

int main(void)
{
    RUN(sglang_keeps_room_for_answers);
    RUN(who_is_retracted_goes_before_who_is_to_come);
    RUN(a_transfer_reserves_where_the_engine_does);
    RUN(a_cache_spares_what_it_has);
    RUN(a_prompt_is_handed_over_and_its_memory_stays);
    RUN(a_first_token_may_be_left_to_the_other);
    RUN(a_transfer_keeps_a_place_and_memory_and_joins_the_next_iteration);
    RUN(what_is_called_off_makes_room);
    RUN(nobody_left_to_run_lets_in_who_has_come);
    RUN(what_is_set_aside_is_counted_in_blocks);
    RUN(what_is_used_twice_is_set_aside_once);
    RUN(what_was_handed_over_stays_in_the_cache);
    RUN(what_has_come_is_found_at_once);
    RUN(room_for_answers_is_in_tokens_with_drafts_too);
    return report();
}
