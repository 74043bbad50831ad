#include "replicas.h"

#include <stdlib.h>

#include "error.h"

static const ms_limits wide = {.max_num_seqs = 4, .max_batched_tokens = 16, .kv_capacity_tokens = 1000};

/* ---- single scenarios, by hand ---------------------------------------------------------------- */

static void a_job_alone_takes_a_prefill_and_its_decodes(void)
{
    ms_replica r;
    make(&r, wide);
    ms_job job = ms_job_new(0, 0, 4, 3);
    CHECK(submit(&r, &job, 5.0) == MS_WAKE);
    CHECK(start(&r, 5.0) == 1);
    CHECK(ms_replica_unfinished(&r) == 1);
    CHECK(run_out(&r) == 1);
    CHECK(times_are(&job, 5.0, 6.0, 8.0));
    CHECK(job.energy_j == (2.0 + 4.0) + 2.0 * (2.0 + 1.0));
    CHECK(ms_replica_meter_j(&r, 100.0) == job.energy_j);
    CHECK(ms_replica_busy_s(&r, 100.0) == 3.0);
    CHECK(r.state == MS_IDLE && r.jumps == 2 && job.replica == 0);
    ms_replica_free(&r);
}

static void a_long_prompt_is_prefilled_in_chunks(void)
{
    ms_replica r;
    make(&r, (ms_limits){.max_num_seqs = 4, .max_batched_tokens = 4, .kv_capacity_tokens = 100});
    ms_job job = ms_job_new(0, 0, 10, 1); /* 4 + 4 + 2 */
    submit(&r, &job, 0.0);
    start(&r, 0.0);
    CHECK(r.boundary_s == 2.0); /* two whole chunks are one jump */
    run_out(&r);
    CHECK(times_are(&job, 0.0, 3.0, 3.0));
    ms_replica_free(&r);
}

static void a_newcomer_joins_at_the_next_boundary(void)
{
    ms_replica r;
    make(&r, wide);
    ms_queue done = {0};
    ms_job first = ms_job_new(0, 0, 1, 10), second = ms_job_new(1, 0, 1, 2);
    submit(&r, &first, 0.0);
    start(&r, 0.0);
    CHECK(ms_replica_finish(&r, &done) == 0);
    start(&r, 1.0);
    CHECK(r.boundary_s == 10.0);
    CHECK(submit(&r, &second, 3.5) == MS_RESCHEDULE);
    CHECK(r.boundary_s == 4.0);
    CHECK(ms_replica_finish(&r, &done) == 0 && done.length == 0);
    CHECK(start(&r, 4.0) == 1);
    run_out(&r);
    CHECK(times_are(&first, 0.0, 1.0, 10.0));
    CHECK(times_are(&second, 4.0, 5.0, 6.0));
    ms_replica_free(&r);
}

/* An arrival on a boundary joins the iteration that starts there. */
static void an_arrival_on_a_boundary_is_in_time(void)
{
    ms_replica r;
    make(&r, wide);
    ms_queue done = {0};
    ms_job first = ms_job_new(0, 0, 1, 10), second = ms_job_new(1, 0, 1, 2);
    submit(&r, &first, 0.0);
    start(&r, 0.0);
    CHECK(ms_replica_finish(&r, &done) == 0);
    start(&r, 1.0);
    CHECK(submit(&r, &second, 4.0) == MS_RESCHEDULE);
    CHECK(r.boundary_s == 4.0);
    ms_replica_free(&r);
}

/* Where time is too coarse to tell iterations apart, the fewest that reach the arrival. */
static void an_arrival_waits_for_the_fewest_iterations(void)
{
    ms_coefficients quick = unit;
    quick.a0_s = 0.25;
    ms_replica r;
    CHECK(ms_replica_init(&r, 0, &quick, &wide, NULL) == 0);
    ms_queue done = {0};
    ms_job first = ms_job_new(0, 0, 1, 10), second = ms_job_new(1, 0, 1, 2);
    const double late_s = 0x1p52; /* the next number is a second on: 1, 2 iterations round down, 3 up */
    submit(&r, &first, late_s);
    start(&r, late_s);
    CHECK(ms_replica_finish(&r, &done) == 0);
    start(&r, late_s);
    CHECK(submit(&r, &second, late_s + 1.0) == MS_RESCHEDULE);
    CHECK(r.boundary_s == late_s + 1.0 && r.target_iterations == 3);
    ms_replica_free(&r);
}

/* Decoders take their tokens of the budget first; and a prefill that is not over lets nobody in. */
static void a_partial_prefill_shares_the_budget_with_decoders(void)
{
    ms_replica r;
    make(&r, (ms_limits){.max_num_seqs = 4, .max_batched_tokens = 4, .kv_capacity_tokens = 100});
    ms_queue done = {0};
    ms_job decoding = ms_job_new(0, 0, 1, 20), brief = ms_job_new(1, 0, 1, 2);
    ms_job prefilling = ms_job_new(2, 0, 10, 1), waiting = ms_job_new(3, 0, 1, 1);
    submit(&r, &decoding, 0.0);
    submit(&r, &brief, 0.0);
    CHECK(start(&r, 0.0) == 2);
    CHECK(ms_replica_finish(&r, &done) == 0);
    submit(&r, &prefilling, 1.0);
    CHECK(start(&r, 1.0) == 1 && r.boundary_s == 2.0); /* 2 tokens beside two decoders */
    CHECK(ms_replica_finish(&r, &done) == 0 && done.head == &brief);
    CHECK(start(&r, 2.0) == 0 && r.boundary_s == 4.0); /* 3 + 3 beside one, then 2 */
    CHECK(submit(&r, &waiting, 2.5) == MS_NOTHING && r.boundary_s == 4.0);
    run_out(&r);
    CHECK(times_are(&prefilling, 1.0, 5.0, 5.0));
    CHECK(times_are(&waiting, 4.0, 5.0, 5.0)); /* there was room beside the last chunk */
    CHECK(times_are(&decoding, 0.0, 1.0, 20.0));
    ms_replica_free(&r);
}

static void an_interruption_in_vain_changes_nothing(void)
{
    ms_replica r;
    make(&r, (ms_limits){.max_num_seqs = 4, .max_batched_tokens = 16, .kv_capacity_tokens = 14});
    ms_queue done = {0};
    ms_job first = ms_job_new(0, 0, 4, 9), second = ms_job_new(1, 0, 10, 2);
    submit(&r, &first, 0.0);
    start(&r, 0.0);
    CHECK(ms_replica_finish(&r, &done) == 0);
    start(&r, 1.0);
    const int64_t jumps = r.jumps;
    CHECK(submit(&r, &second, 2.5) == MS_RESCHEDULE && r.boundary_s == 3.0);
    CHECK(ms_replica_finish(&r, &done) == 0 && done.length == 0);
    CHECK(ms_replica_meter_j(&r, 3.0) == (2.0 + 4.0) + 2.0 * (2.0 + 1.0));
    CHECK(start(&r, 3.0) == 0); /* 6 tokens + 1 + 10 do not fit into 14 */
    CHECK(r.boundary_s == 9.0 && r.jumps == jumps);
    run_out(&r);
    CHECK(times_are(&first, 0.0, 1.0, 9.0));
    CHECK(times_are(&second, 9.0, 10.0, 11.0));
    ms_replica_free(&r);
}

static void the_youngest_is_preempted_and_computed_again(void)
{
    ms_replica r;
    make(&r, (ms_limits){.max_num_seqs = 2, .max_batched_tokens = 16, .kv_capacity_tokens = 10});
    ms_job old = ms_job_new(0, 0, 4, 6), young = ms_job_new(1, 0, 4, 6), small = ms_job_new(2, 0, 1, 1);
    submit(&r, &old, 0.0);
    submit(&r, &young, 0.0);
    submit(&r, &small, 0.0);
    CHECK(start(&r, 0.0) == 2);
    run_out(&r);
    /* Both hold 5 tokens after two iterations and 12 would be needed: the young one goes, with two
     * tokens generated. Its 4 + 2 are prefilled when the old one has left, which gives token 3. */
    CHECK(times_are(&old, 0.0, 1.0, 6.0));
    CHECK(times_are(&young, 0.0, 1.0, 10.0));
    CHECK(times_are(&small, 6.0, 7.0, 7.0)); /* it would fit at 2, but stands behind the young one */
    CHECK(old.preemptions == 0 && young.preemptions == 1 && r.preemptions == 1);
    /* together: (2 + 8) + (2 + 2); alone: 4 x (2 + 1); again: (2 + 7), of which 6/7, + 3 x (2 + 1) */
    CHECK(old.energy_j == 5.0 + 2.0 + 12.0);
    CHECK_NEAR(young.energy_j, 5.0 + 2.0 + 9.0 * (6.0 / 7.0) + 9.0, 1e-15);
    CHECK_NEAR(small.energy_j, 9.0 / 7.0, 1e-15);
    ms_replica_free(&r);
}

static void prompts_fit_to_the_last_token(void)
{
    for (int64_t capacity = 7; capacity <= 8; capacity++) {
        ms_replica r;
        make(&r, (ms_limits){.max_num_seqs = 2, .max_batched_tokens = 16, .kv_capacity_tokens = capacity});
        ms_job one = ms_job_new(0, 0, 4, 2), other = ms_job_new(1, 0, 4, 2);
        submit(&r, &one, 0.0);
        submit(&r, &other, 0.0);
        CHECK(start(&r, 0.0) == capacity - 6);
        CHECK(run_out(&r) == 2);
        ms_replica_free(&r);
    }
}

/* Between two iterations, the other goes on as if alone from there. */
static void each_of_a_batch_may_be_given_up_at_a_boundary(void)
{
    for (int which = 0; which < 2; which++) {
        ms_replica r;
        make(&r, wide);
        ms_job pair[] = {ms_job_new(0, 0, 4, 5), ms_job_new(1, 0, 4, 5)};
        ms_queue done = {0};
        int left = 0;
        submit(&r, &pair[0], 0.0);
        submit(&r, &pair[1], 0.0);
        CHECK(start(&r, 0.0) == 2 && ms_replica_finish(&r, &done) == 0);
        CHECK(ms_replica_abort(&r, &pair[which], 1.0, &left) == MS_NOTHING);
        CHECK(left == 1 && r.sequences.running == 1 && r.sequences.jobs[0] == &pair[1 - which]);
        start(&r, 1.0);
        CHECK(run_out(&r) == 1 && times_are(&pair[1 - which], 0.0, 1.0, 5.0));
        ms_replica_free(&r);
    }
}

static void reserving_the_whole_answer_never_preempts(void)
{
    ms_replica r;
    make(&r, (ms_limits){.max_num_seqs = 2,
                                    .max_batched_tokens = 16,
                                    .kv_capacity_tokens = 10,
                                    .kv_policy = MS_KV_RESERVE});
    ms_job old = ms_job_new(0, 0, 4, 6), young = ms_job_new(1, 0, 4, 6); /* 9 tokens each at the end */
    submit(&r, &old, 0.0);
    submit(&r, &young, 0.0);
    CHECK(start(&r, 0.0) == 1);
    CHECK(r.sequences.reserved_blocks == 9);
    run_out(&r);
    CHECK(times_are(&old, 0.0, 1.0, 6.0));
    CHECK(times_are(&young, 6.0, 7.0, 12.0));
    CHECK(r.preemptions == 0 && r.sequences.reserved_blocks == 0);
    ms_replica_free(&r);
}

/* Room for 16 tokens. With no regard to what is under way, both come in: at 2 each has cached 4, at 6 each 8. The ninth
 * of both does not fit. Both have five tokens and prompts of 4: the last admitted goes, to the tail of the queue. */
static void sglang_retracts_the_last_of_equals(void)
{
    ms_replica r;
    make(&r, (ms_limits){.max_num_seqs = 4,
                         .max_batched_tokens = 16,
                         .kv_capacity_tokens = 16,
                         .schedule = MS_SCHEDULE_SGLANG});
    CHECK(r.ratio == 0.7);
    r.ratio = 0.0;
    r.ratio_clock = 1000; /* it does not fall yet */
    ms_job first = ms_job_new(0, 0, 4, 8), second = ms_job_new(1, 0, 4, 6);
    ms_queue done = {0};
    submit(&r, &first, 0.0);
    start(&r, 0.0);
    submit(&r, &second, 0.5);
    while (second.preemptions == 0 && r.state == MS_RUNNING) {
        const double t_s = r.boundary_s;
        CHECK(ms_replica_finish(&r, &done) == 0);
        start(&r, t_s);
    }
    CHECK(r.base_s == 6.0 && first.preemptions == 0 && second.generated_tokens == 5 && r.queue->head == &second);
    CHECK(r.ratio == 1.0 && r.ratio_clock == r.sequences.clock + 1); /* (5 + 20) / (8 + 1), at most 1 */
    run_out(&r);
    CHECK(times_are(&first, 0.0, 1.0, 9.0));
    CHECK(times_are(&second, 1.0, 2.0, 10.0)); /* it computes 4 + 5 tokens again, which gives its last */
    ms_replica_free(&r);
}

static void a_shared_queue_feeds_whoever_has_room(void)
{
    ms_queue shared = {0};
    ms_replica replicas[2];
    ms_job jobs[3];
    const ms_limits one = {.max_num_seqs = 1, .max_batched_tokens = 16, .kv_capacity_tokens = 100};
    for (int i = 0; i < 2; i++) {
        CHECK(ms_replica_init(&replicas[i], i, &unit, &one, &shared) == 0);
    }
    for (int i = 0; i < 3; i++) {
        jobs[i] = ms_job_new(i, 0, 1, 3);
    }
    ms_queue_push_tail(&shared, &jobs[0]);
    CHECK(ms_replica_notify(&replicas[0], 0.0) == MS_WAKE && start(&replicas[0], 0.0) == 1);
    ms_queue_push_tail(&shared, &jobs[1]);
    ms_queue_push_tail(&shared, &jobs[2]);
    CHECK(ms_replica_notify(&replicas[0], 0.0) == MS_NOTHING);
    CHECK(ms_replica_notify(&replicas[1], 0.0) == MS_WAKE && start(&replicas[1], 0.0) == 1);
    CHECK(shared.length == 1 && ms_replica_unfinished(&replicas[1]) == 1);
    CHECK(run_out(&replicas[0]) == 2);
    CHECK(run_out(&replicas[1]) == 1);
    CHECK(times_are(&jobs[2], 3.0, 4.0, 6.0));
    CHECK(jobs[0].replica == 0 && jobs[1].replica == 1 && jobs[2].replica == 0);
    for (int i = 0; i < 2; i++) {
        ms_replica_free(&replicas[i]);
    }
}

/* Woken for a job that another replica took first. */
static void a_replica_woken_in_vain_sleeps_again(void)
{
    ms_queue shared = {0};
    ms_replica r;
    CHECK(ms_replica_init(&r, 0, &unit, &wide, &shared) == 0);
    CHECK(ms_replica_notify(&r, 7.0) == MS_WAKE);
    CHECK(start(&r, 7.0) == 0);
    CHECK(r.state == MS_IDLE && isinf(r.boundary_s) && ms_replica_busy_s(&r, 9.0) == 0.0);
    ms_replica_free(&r);
}

static void a_failure_charges_the_iteration_under_way(void)
{
    ms_replica r;
    make(&r, wide);
    ms_queue done = {0}, evicted = {0};
    ms_job first = ms_job_new(0, 0, 4, 10), waiting[5];
    submit(&r, &first, 0.0);
    start(&r, 0.0);
    CHECK(ms_replica_finish(&r, &done) == 0);
    start(&r, 1.0);
    for (int i = 0; i < 5; i++) {
        waiting[i] = ms_job_new(i + 1, 0, 4, 10);
        submit(&r, &waiting[i], 3.25);
    }
    ms_replica_evict(&r, 3.5, &evicted);
    CHECK(first.energy_j == (2.0 + 4.0) + 2.5 * (2.0 + 1.0));
    CHECK(ms_replica_meter_j(&r, 50.0) == first.energy_j);
    CHECK(ms_replica_busy_s(&r, 50.0) == 3.5);
    CHECK(evicted.length == 6 && evicted.head == &first && evicted.tail == &waiting[4]);
    CHECK(r.state == MS_DOWN && isinf(r.boundary_s) && ms_replica_unfinished(&r) == 0);
    ms_queue_push_tail(&r.own_queue, ms_queue_pop(&evicted));
    CHECK(ms_replica_notify(&r, 4.0) == MS_NOTHING); /* down: it holds what it is given */
    ms_queue_pop(&r.own_queue);
    ms_replica_repair(&r);
    first.generated_tokens = 0;
    CHECK(submit(&r, &first, 60.0) == MS_WAKE);
    start(&r, 60.0);
    CHECK(run_out(&r) == 1);
    CHECK(times_are(&first, 0.0, 1.0, 70.0)); /* the first times are kept */
    CHECK(first.energy_j == 6.0 + 7.5 + 6.0 + 9.0 * 3.0);
    ms_replica_free(&r);
}

/* With the cache goes all that its jobs used of it. */
static void a_failure_ends_what_is_used_of_a_cache(void)
{
    ms_limits limits = wide;
    limits.prefix_cache = 1;
    ms_replica r;
    make(&r, limits);
    ms_queue evicted = {0};
    ms_job jobs[] = {ms_job_new(0, 0, 4, 10), ms_job_new(1, 0, 4, 10)};
    submit(&r, &jobs[0], 0.0);
    submit(&r, &jobs[1], 0.0);
    start(&r, 0.0);
    CHECK(jobs[0].holds != NULL && jobs[1].holds != NULL && r.sequences.cache.nodes == 2);
    ms_replica_evict(&r, 0.5, &evicted);
    CHECK(jobs[0].holds == NULL && jobs[1].holds == NULL && r.sequences.cache.nodes == 0);
    ms_replica_free(&r);
}

static void a_failure_during_a_prefill_frees_what_was_reserved(void)
{
    ms_limits limits = wide;
    limits.kv_policy = MS_KV_RESERVE;
    ms_replica r;
    make(&r, limits);
    ms_queue evicted = {0};
    ms_job job = ms_job_new(0, 0, 40, 10); /* 16 + 16 + 8 */
    submit(&r, &job, 0.0);
    start(&r, 0.0);
    CHECK(r.sequences.reserved_blocks == 49);
    ms_replica_evict(&r, 1.5, &evicted);
    CHECK(job.energy_j == 1.5 * (2.0 + 16.0));
    CHECK(r.sequences.reserved_blocks == 0 && r.sequences.context == 0 && isnan(job.first_token_s));
    ms_replica_free(&r);
}

static void reading_the_meter_changes_nothing(void)
{
    ms_replica r;
    make(&r, wide);
    ms_job job = ms_job_new(0, 0, 4, 10);
    submit(&r, &job, 0.0);
    start(&r, 0.0);
    for (double t_s = 0.0; t_s <= 1.0; t_s += 0.125) {
        const ms_replica before = r;
        CHECK(ms_replica_meter_j(&r, t_s) == 6.0 * t_s);
        CHECK(ms_replica_busy_s(&r, t_s) == t_s);
        CHECK(r.boundary_s == before.boundary_s && r.sequences.meter_j == before.sequences.meter_j &&
              r.jumps == before.jumps);
    }
    ms_replica_free(&r);
}

/* Arrays begin with room for few and grow to the limit, whatever it is. */
static void the_batch_grows_past_its_first_room(void)
{
    for (int32_t seqs = 1; seqs <= 70; seqs++) {
        ms_replica r;
        make(&r, (ms_limits){.max_num_seqs = seqs, .max_batched_tokens = 1000, .kv_capacity_tokens = 9999});
        ms_job jobs[70];
        ms_queue done = {0};
        for (int32_t i = 0; i < seqs; i++) {
            jobs[i] = ms_job_new(i, 0, 2, 3 + i);
            submit(&r, &jobs[i], 0.0);
        }
        CHECK(start(&r, 0.0) == seqs && r.sequences.running == seqs && r.sequences.room == (seqs > MS_FEW_SEQUENCES ? seqs : MS_FEW_SEQUENCES));
        while (r.state == MS_RUNNING) {
            const double t_s = r.boundary_s;
            CHECK(ms_replica_finish(&r, &done) == 0);
            start(&r, t_s);
        }
        for (int32_t i = 0; i < seqs; i++) {
            CHECK(ms_queue_pop(&done) == &jobs[i]); /* in the order of their lengths */
            CHECK(times_are(&jobs[i], 0.0, 1.0, 3.0 + i));
        }
        ms_replica_free(&r);
    }
}

static void what_cannot_be_is_refused(void)
{
    ms_replica r;
    make(&r, wide);
    ms_queue done = {0};
    int32_t pulled;
    CHECK(ms_replica_finish(&r, &done) == MS_ERR_TIME);
    CHECK(ms_replica_start(&r, 0.0, &pulled) == MS_ERR_TIME && pulled == 0);
    const ms_job no_prompt = ms_job_new(0, 0, 0, 5), no_answer = ms_job_new(0, 0, 5, 0);
    const ms_job fits = ms_job_new(0, 0, 900, 101), too_large = ms_job_new(0, 0, 900, 102);
    const ms_job huge = ms_job_new(0, 0, INT32_MAX, INT32_MAX);
    CHECK(ms_replica_fits(&r, &no_prompt) == MS_ERR_NO_TOKENS);
    CHECK(ms_replica_fits(&r, &no_answer) == MS_ERR_NO_TOKENS);
    CHECK(ms_replica_fits(&r, &fits) == 0);
    CHECK(ms_replica_fits(&r, &too_large) == MS_ERR_TOO_LARGE);
    CHECK(ms_replica_fits(&r, &huge) == MS_ERR_TOO_LARGE);
    ms_replica_free(&r);

    const ms_limits none = {.max_num_seqs = 0, .max_batched_tokens = 8, .kv_capacity_tokens = 9};
    const ms_limits narrow = {.max_num_seqs = 8, .max_batched_tokens = 7, .kv_capacity_tokens = 9};
    CHECK(ms_replica_init(&r, 0, &unit, &none, NULL) == MS_ERR_LIMITS);
    CHECK(ms_replica_init(&r, 0, &unit, &narrow, NULL) == MS_ERR_LIMITS);
}

static void a_duration_must_be_positive_and_finite(void)
{
    const double bad[] = {0.0, -1.0, INFINITY, NAN};
    for (int i = 0; i < 4; i++) {
        ms_coefficients c = unit;
        c.a0_s = bad[i];
        ms_replica r;
        CHECK(ms_replica_init(&r, 0, &c, &wide, NULL) == 0);
        ms_job job = ms_job_new(0, 0, 4, 3);
        int32_t pulled;
        submit(&r, &job, 0.0);
        CHECK(ms_replica_start(&r, 0.0, &pulled) == MS_ERR_NOT_FINITE);
        ms_replica_free(&r);
    }
}

/* ---- random use --------------------------------------------------------------------------------- */

enum { JOBS = 40 };

/* A replica under random arrivals, failures and retries, and what must be conserved in it. */
typedef struct world {
    ms_replica r;
    ms_job jobs[JOBS];
    ms_node_of_path paths[JOBS][2];
    int with_paths;
    double arrival_s[JOBS];
    int issued;
    int64_t done;
    lcg chance;
} world;

static ms_coefficients random_coefficients(lcg *chance)
{
    ms_coefficients c = {.a0_s = (double)lcg_between(chance, 1, 5),
                         .c1_s_per_token = (double)lcg_between(chance, 0, 3),
                         .nstar_tokens = (double)lcg_between(chance, 0, 6),
                         .ab_s_per_sequence = (double)lcg_between(chance, 0, 3),
                         .ak_s_per_token = (double)lcg_between(chance, 0, 3),
                         .akm_s_per_token = (double)lcg_between(chance, 0, 3),
                         .aq_s_per_token2 = (double)(2 * lcg_between(chance, 0, 2)),
                         .p0_w = (double)lcg_between(chance, 0, 3),
                         .e_j_per_token = (double)lcg_between(chance, 0, 9),
                         .ek_j_per_token = (double)lcg_between(chance, 0, 3)};
    c.p_cap_w = c.p0_w + (double)lcg_between(chance, 0, 4);
    return c;
}

static ms_limits random_limits(lcg *chance)
{
    const int32_t seqs = (int32_t)lcg_between(chance, 1, 24);
    return (ms_limits){.max_num_seqs = seqs,
                       .max_batched_tokens = seqs + (int32_t)lcg_between(chance, 0, 12),
                       .kv_capacity_tokens = lcg_between(chance, 30, 200), /* a job needs 29 at most */
                       .kv_policy = lcg_between(chance, 0, 2) == 0 ? MS_KV_RESERVE : MS_KV_RECOMPUTE,
                       .track_usage = 1};
}

/* The same in blocks, with a prefix cache or without, under any schedule. */
static ms_limits random_engine(lcg *chance)
{
    ms_limits limits = random_limits(chance);
    limits.kv_block_tokens = (int32_t)lcg_between(chance, 1, 6);
    limits.kv_capacity_tokens += limits.kv_block_tokens;
    limits.prefix_cache = lcg_between(chance, 0, 2) > 0;
    limits.schedule = (int32_t)lcg_between(chance, MS_SCHEDULE_VLLM, MS_SCHEDULE_TENSORRT_LLM);
    if (limits.schedule == MS_SCHEDULE_SGLANG) {
        limits.kv_policy = MS_KV_RECOMPUTE;
        limits.max_batched_tokens = (int32_t)lcg_between(chance, 1, 40);
    } else if (limits.schedule == MS_SCHEDULE_TENSORRT_LLM && lcg_between(chance, 0, 1)) {
        limits.whole_prompts = 1;
        limits.max_batched_tokens = limits.max_num_seqs + 15; /* the longest prompt */
    }
    return limits;
}

/* Its prompt begins as those of two others do, and its answer may continue it. */
static void give_path(ms_job *job, ms_node_of_path *path, lcg *chance)
{
    const int64_t group = lcg_between(chance, 0, 2);
    const int32_t end = (int32_t)(3 + group);
    path[0] = (ms_node_of_path){group, job->prompt_tokens < end ? job->prompt_tokens : end};
    path[1] = (ms_node_of_path){10 + 3 * group + lcg_between(chance, 0, 2), job->prompt_tokens};
    job->path = path;
    job->path_length = job->prompt_tokens > end ? 2 : 1;
    job->answer_node = job->path_length == 2 && lcg_between(chance, 0, 1) ? path[1].id : -1;
}

static void the_books_balance(const world *w, double t_s)
{
    const ms_replica *r = &w->r;
    int64_t context = 0, partial = 0, reserved = 0;
    double joules = 0.0;
    for (int32_t i = 0; i < r->sequences.running; i++) {
        joules += r->sequences.energy_j[i];
        reserved += ms_sequences_peak_blocks(&r->sequences, r->sequences.jobs[i]);
        if (i < r->sequences.decoders) {
            context += r->sequences.cached[i] + r->sequences.clock;
            CHECK(r->sequences.ends[i] > r->sequences.clock || r->state == MS_RUNNING);
        } else {
            partial += r->sequences.cached[i];
        }
    }
    for (int i = 0; i < w->issued; i++) {
        joules += w->jobs[i].energy_j;
    }
    CHECK(r->sequences.context == context);
    CHECK(r->sequences.limits.prefix_cache || context + partial <= r->sequences.limits.kv_capacity_tokens);
    const ms_cache *cache = &r->sequences.cache;
    const int64_t used = ms_sequences_blocks(&r->sequences, 1); /* in the iteration under way */
    CHECK(used >= 0 && cache->cached >= 0 && cache->twice >= 0 && used + cache->cached <= r->sequences.capacity_blocks);
    CHECK(r->sequences.running > 0 || (used == 0 && cache->twice == 0));
    CHECK(r->sequences.running <= r->sequences.limits.max_num_seqs &&
          r->sequences.decoders <= r->sequences.running && r->sequences.running <= r->sequences.room);
    CHECK(r->sequences.limits.kv_policy == MS_KV_RESERVE ? r->sequences.reserved_blocks == reserved &&
          r->preemptions == 0
                                               : r->sequences.reserved_blocks == 0);
    CHECK(w->done + ms_replica_unfinished(r) == w->issued);
    CHECK_NEAR(r->sequences.meter_j, joules, 1e-12); /* what was paid is what was drawn */
    CHECK(ms_replica_meter_j(r, t_s) >= r->sequences.meter_j);
}

static void collect(world *w, ms_queue *done)
{
    for (ms_job *job = ms_queue_pop(done); job != NULL; job = ms_queue_pop(done)) {
        w->done++;
        CHECK(job->generated_tokens == job->output_tokens && job->holds == NULL);
        CHECK(job->cached_prompt_tokens < job->prompt_tokens);
        CHECK(w->arrival_s[job->request] <= job->start_s && job->start_s < job->first_token_s);
        CHECK(job->finish_s - job->first_token_s >=
              (job->output_tokens - 1) * w->r.sequences.coefficients->a0_s * (job->attempt == 0));
    }
}

static void issue(world *w, double t_s, int *due)
{
    ms_job *job = &w->jobs[w->issued];
    const int32_t prompt_tokens = (int32_t)lcg_between(&w->chance, 1, 15);
    const int32_t output_tokens = (int32_t)lcg_between(&w->chance, 1, 15);
    *job = ms_job_new(w->issued, 0, prompt_tokens, output_tokens);
    if (w->with_paths) {
        give_path(job, w->paths[w->issued], &w->chance);
    }
    w->arrival_s[w->issued++] = t_s;
    CHECK(ms_replica_fits(&w->r, job) == 0);
    *due |= submit(&w->r, job, t_s) == MS_WAKE;
}

/* At t_s, the replica fails, is repaired at once and gets its jobs back in order of their ids. */
static void fail(world *w, double t_s, int *due)
{
    ms_queue evicted = {0};
    const int64_t unfinished = ms_replica_unfinished(&w->r);
    const double drawn = ms_replica_meter_j(&w->r, t_s);
    ms_replica_evict(&w->r, t_s, &evicted);
    CHECK(evicted.length == unfinished && ms_replica_unfinished(&w->r) == 0);
    CHECK_NEAR(w->r.sequences.meter_j, drawn, 1e-12);
    ms_replica_repair(&w->r);
    ms_job *back[JOBS] = {NULL};
    for (ms_job *job = ms_queue_pop(&evicted); job != NULL; job = ms_queue_pop(&evicted)) {
        CHECK(back[job->request] == NULL);
        back[job->request] = job;
    }
    *due = 0;
    for (int i = 0; i < JOBS; i++) {
        if (back[i] != NULL) {
            back[i]->generated_tokens = 0;
            back[i]->attempt++;
            *due |= submit(&w->r, back[i], t_s) == MS_WAKE;
        }
    }
}

/* One world until all jobs are done. Returns its preemptions. */
static int64_t play(uint64_t seed, int with_failures, int of_2026)
{
    world w = {.chance = {seed}, .with_paths = of_2026};
    const ms_coefficients c = random_coefficients(&w.chance);
    const ms_limits limits = of_2026 ? random_engine(&w.chance) : random_limits(&w.chance);
    const int64_t gap = lcg_between(&w.chance, 0, 40);
    CHECK(ms_replica_init(&w.r, 0, &c, &limits, NULL) == 0);
    double next_arrival_s = 0.0, last_s = 0.0;
    double next_failure_s = with_failures ? 0.5 + (double)lcg_between(&w.chance, 1, 400) : INFINITY;
    int failures_left = 5;
    while (w.issued < JOBS || ms_replica_unfinished(&w.r) > 0) {
        double now_s = w.r.boundary_s < next_failure_s ? w.r.boundary_s : next_failure_s;
        now_s = w.issued < JOBS && next_arrival_s < now_s ? next_arrival_s : now_s;
        ms_queue done = {0};
        int due = w.r.boundary_s == now_s;
        if (due) {
            CHECK(ms_replica_finish(&w.r, &done) == 0);
            collect(&w, &done);
        }
        if (next_failure_s == now_s) {
            next_failure_s =
                --failures_left > 0 ? now_s + (double)lcg_between(&w.chance, 1, 400) : INFINITY;
            fail(&w, now_s, &due);
        }
        while (w.issued < JOBS && next_arrival_s == now_s) {
            issue(&w, now_s, &due);
            next_arrival_s += (double)lcg_between(&w.chance, 0, gap);
        }
        if (due) {
            start(&w.r, now_s);
        }
        the_books_balance(&w, now_s);
        last_s = now_s;
    }
    double usage_s = 0.0;
    for (int i = 0; i < JOBS; i++) {
        usage_s += w.jobs[i].usage_s;
        /* first in, first out: nobody is admitted before an earlier one */
        CHECK(i == 0 || with_failures || w.jobs[i].start_s >= w.jobs[i - 1].start_s);
    }
    CHECK_NEAR(usage_s, ms_replica_busy_s(&w.r, last_s), 1e-12);
    CHECK(w.r.state == MS_IDLE && w.r.sequences.context == 0);
    ms_replica_free(&w.r);
    return w.r.preemptions;
}

static void everything_is_conserved_under_load(void)
{
    int64_t preemptions = 0;
    for (uint64_t seed = 0; seed < 1500; seed++) {
        preemptions += play(seed, 0, 0);
    }
    CHECK(preemptions > 3000); /* the worlds are hard enough to test what they should */
}

static void everything_is_conserved_through_failures(void)
{
    for (uint64_t seed = 5000; seed < 6000; seed++) {
        play(seed, 1, 0);
    }
}

static void every_engine_conserves_blocks(void)
{
    int64_t preemptions = 0;
    for (uint64_t seed = 10000; seed < 11500; seed++) {
        preemptions += play(seed, seed % 3 == 0, 1);
    }
    CHECK(preemptions > 2000);
}

/* ---- the cache amid iterations --------------------------------------------------------------------------------- */

/* A prompt of 40 tokens takes five iterations of 8, in blocks of 4. Under vllm another finds what an iteration
 * computes from its beginning on, under sglang from its end on. */
static void a_cache_grows_with_every_iteration(void)
{
    const ms_node_of_path path[] = {{1, 40}};
    const double times_s[] = {0.0, 0.5, 1.0, 2.5, 3.0, 4.75};
    const int64_t begun[] = {8, 8, 8, 24, 24, 40}, ended[] = {0, 0, 8, 16, 24, 32};
    for (int is_sglang = 0; is_sglang < 2; is_sglang++) {
        for (int k = 0; k < 6; k++) {
            ms_replica r;
            make(&r, (ms_limits){.max_num_seqs = 4,
                                 .max_batched_tokens = 8,
                                 .kv_capacity_tokens = 200,
                                 .kv_block_tokens = 4,
                                 .prefix_cache = 1,
                                 .schedule = is_sglang ? MS_SCHEDULE_SGLANG : MS_SCHEDULE_VLLM});
            ms_job job = ms_job_new(0, 0, 40, 3), other = ms_job_new(1, 0, 50, 3);
            job.path = other.path = path;
            job.path_length = other.path_length = 1;
            submit(&r, &job, 0.0);
            CHECK(ms_replica_cached_tokens(&r, &other, 0.0) == 0);
            start(&r, 0.0);
            CHECK(r.limit_iterations == 5);
            CHECK(ms_replica_cached_tokens(&r, &other, times_s[k]) == (is_sglang ? ended[k] : begun[k]));
            run_out(&r);
            CHECK(times_are(&job, 0.0, 5.0, 7.0) && ms_replica_cached_tokens(&r, &other, 9.0) == 40);
            ms_replica_free(&r);
        }
    }
}

/* Memory of 12 blocks, 9 of them kept for nobody: two iterations of a prompt need 4, so one has gone by then; a
 * look at it evicts no more than the iterations that have begun. */
static void a_look_evicts_what_iterations_have_evicted(void)
{
    const ms_node_of_path old[] = {{1, 36}}, new[] = {{2, 24}};
    ms_replica r;
    make(&r, (ms_limits){.max_num_seqs = 4,
                         .max_batched_tokens = 8,
                         .kv_capacity_tokens = 48,
                         .kv_block_tokens = 4,
                         .prefix_cache = 1});
    ms_job first = ms_job_new(0, 0, 36, 1), job = ms_job_new(1, 0, 24, 3), like_first = ms_job_new(2, 0, 37, 1);
    first.path = like_first.path = old;
    job.path = new;
    first.path_length = job.path_length = like_first.path_length = 1;
    submit(&r, &first, 0.0);
    start(&r, 0.0);
    run_out(&r);
    CHECK(r.sequences.cache.cached == 9);
    submit(&r, &job, 10.0);
    start(&r, 10.0);
    CHECK(ms_replica_cached_tokens(&r, &like_first, 10.5) == 36 && r.sequences.cache.evicted == 0);
    CHECK(ms_replica_cached_tokens(&r, &like_first, 11.5) == 32 && r.sequences.cache.evicted == 1);
    CHECK(ms_replica_cached_tokens(&r, &like_first, 12.5) == 24 && r.sequences.cache.evicted == 3);
    run_out(&r);
    CHECK(times_are(&job, 10.0, 13.0, 15.0));
    ms_replica_free(&r);
}

/* A first iteration that takes no time is an error, even if the next would take some: the first chunk has nothing
 * before it. */
static void no_first_iteration_takes_no_time(void)
{
    const ms_coefficients late = {.ac_s_per_token = 1.0, .p_cap_w = 1000.0};
    const ms_limits limits = {.max_num_seqs = 4, .max_batched_tokens = 8, .kv_capacity_tokens = 100};
    ms_replica r;
    int32_t pulled;
    CHECK(ms_replica_init(&r, 0, &late, &limits, NULL) == 0);
    ms_job job = ms_job_new(0, 0, 40, 3);
    submit(&r, &job, 0.0);
    CHECK(ms_replica_start(&r, 0.0, &pulled) == MS_ERR_NOT_FINITE);
    ms_replica_free(&r);
}

/* What can never be served: without a token, without the memory for all of it, or a prompt that must fit into an iteration
 * and does not, unless another replica prefills it. */
static void what_can_never_be_served_is_an_error(void)
{
    static const struct {
        int32_t whole, role, prompt, output;
        int error;
    } cases[] = {
        {0, MS_ROLE_BOTH, 17, 1, 0},
        {1, MS_ROLE_BOTH, 16, 1, 0},
        {1, MS_ROLE_BOTH, 17, 1, MS_ERR_TOO_LARGE},
        {1, MS_ROLE_PREFILL, 17, 1, MS_ERR_TOO_LARGE},
        {1, MS_ROLE_DECODE, 17, 1, 0},
        {0, MS_ROLE_BOTH, 20, 11, 0},
        {0, MS_ROLE_BOTH, 20, 12, MS_ERR_TOO_LARGE},
        {0, MS_ROLE_PREFILL, 20, 12, 0},
        {0, MS_ROLE_PREFILL, 31, 12, MS_ERR_TOO_LARGE},
        {0, MS_ROLE_BOTH, 0, 12, MS_ERR_NO_TOKENS},
        {0, MS_ROLE_BOTH, 5, 0, MS_ERR_NO_TOKENS},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        ms_replica r;
        make(&r, (ms_limits){.max_num_seqs = 4,
                             .max_batched_tokens = 16,
                             .kv_capacity_tokens = 30,
                             .whole_prompts = cases[k].whole,
                             .schedule = cases[k].whole ? MS_SCHEDULE_TENSORRT_LLM : MS_SCHEDULE_VLLM,
                             .role = cases[k].role});
        const ms_job job = ms_job_new(0, 0, cases[k].prompt, cases[k].output);
        CHECK(ms_replica_fits(&r, &job) == cases[k].error);
        ms_replica_free(&r);
    }
}

int main(void)
{
    RUN(a_job_alone_takes_a_prefill_and_its_decodes);
    RUN(a_long_prompt_is_prefilled_in_chunks);
    RUN(a_newcomer_joins_at_the_next_boundary);
    RUN(an_arrival_on_a_boundary_is_in_time);
    RUN(an_arrival_waits_for_the_fewest_iterations);
    RUN(a_partial_prefill_shares_the_budget_with_decoders);
    RUN(an_interruption_in_vain_changes_nothing);
    RUN(the_youngest_is_preempted_and_computed_again);
    RUN(prompts_fit_to_the_last_token);
    RUN(each_of_a_batch_may_be_given_up_at_a_boundary);
    RUN(reserving_the_whole_answer_never_preempts);
    RUN(sglang_retracts_the_last_of_equals);
    RUN(a_shared_queue_feeds_whoever_has_room);
    RUN(a_replica_woken_in_vain_sleeps_again);
    RUN(a_failure_charges_the_iteration_under_way);
    RUN(a_failure_ends_what_is_used_of_a_cache);
    RUN(a_failure_during_a_prefill_frees_what_was_reserved);
    RUN(reading_the_meter_changes_nothing);
    RUN(the_batch_grows_past_its_first_room);
    RUN(what_cannot_be_is_refused);
    RUN(a_duration_must_be_positive_and_finite);
    RUN(everything_is_conserved_under_load);
    RUN(everything_is_conserved_through_failures);
    RUN(every_engine_conserves_blocks);
    RUN(a_cache_grows_with_every_iteration);
    RUN(a_look_evicts_what_iterations_have_evicted);
    RUN(no_first_iteration_takes_no_time);
    RUN(what_can_never_be_served_is_an_error);
    return report();
}
