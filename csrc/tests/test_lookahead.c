#include "lookahead.h"

#include "check.h"
#include "jobs.h"
#include "replica.h"

/* Every iteration takes `step_s` seconds. */
static void make_with(ms_replica *r, int32_t max_num_seqs, double step_s)
{
    static ms_coefficients coefficients; /* the replica keeps where they are */
    coefficients = (ms_coefficients){.a0_s = step_s, .p_cap_w = 1000.0};
    const ms_limits limits = {
        .max_num_seqs = max_num_seqs, .max_batched_tokens = 16, .kv_capacity_tokens = 1000, .lookahead = 1};
    CHECK(ms_replica_init(r, 0, &coefficients, &limits, NULL) == 0);
}

static void make(ms_replica *r, int32_t max_num_seqs)
{
    make_with(r, max_num_seqs, 1.0);
}

static void start(ms_replica *r, double t_s)
{
    int32_t pulled;
    CHECK(ms_replica_start(r, t_s, &pulled) == 0);
}

/* Plays boundaries until one lies at or after t_s. */
static void run_to(ms_replica *r, double t_s)
{
    ms_queue done = {0};
    while (r->state == MS_RUNNING && r->boundary_s < t_s) {
        const double now_s = r->boundary_s;
        CHECK(ms_replica_finish(r, &done) == 0);
        start(r, now_s);
    }
}

static const double steps_s[] = {0.25, 1.0, 4.0}; /* times and counts of iterations are not to be confused */

static void who_comes_amid_an_iteration_is_in_the_one_after_the_next(void)
{
    for (int k = 0; k < 3; k++) {
        const double step_s = steps_s[k];
        ms_replica r;
        make_with(&r, 4, step_s);
        ms_job first = ms_job_new(0, 0, 4, 9), second = ms_job_new(1, 0, 4, 2);
        CHECK(ms_replica_submit(&r, &first, 0.0) == MS_WAKE);
        start(&r, 0.0);
        run_to(&r, 2.5 * step_s);
        CHECK(r.boundary_s == 9.0 * step_s);
        CHECK(ms_replica_submit(&r, &second, 2.5 * step_s) == MS_RESCHEDULE && r.boundary_s == 4.0 * step_s);
        CHECK(ms_replica_waiting(&r) == 1 && ms_replica_unfinished(&r) == 2);
        run_to(&r, 100.0 * step_s);
        CHECK(second.start_s == 4.0 * step_s && second.finish_s == 6.0 * step_s && first.finish_s == 9.0 * step_s);
        ms_replica_free(&r);
    }
}

/* One who waits without room gives up amid the eighth iteration; who came behind it amid the fifth is in the next. */
static void who_came_behind_one_that_gives_up_is_in_the_next_iteration(void)
{
    for (int k = 0; k < 3; k++) {
        const double step_s = steps_s[k];
        ms_replica r;
        make_with(&r, 2, step_s);
        r.sequences.capacity_blocks = 20;
        ms_job first = ms_job_new(0, 0, 4, 9), large = ms_job_new(1, 0, 16, 2), small = ms_job_new(2, 0, 4, 2);
        ms_replica_submit(&r, &first, 0.0);
        start(&r, 0.0);
        run_to(&r, 1.5 * step_s);
        ms_replica_submit(&r, &large, 1.5 * step_s);
        run_to(&r, 4.5 * step_s);
        CHECK(ms_replica_submit(&r, &small, 4.5 * step_s) == MS_NOTHING);
        int left = 0;
        CHECK(ms_replica_abort(&r, &large, 7.5 * step_s, &left) == MS_RESCHEDULE && left && r.boundary_s == 8.0 * step_s);
        run_to(&r, 100.0 * step_s);
        CHECK(small.start_s == 8.0 * step_s);
        ms_replica_free(&r);
    }
}

/* The iteration from 3 to 4 is planned at 2 and has a prompt of its own; who came at 2.5 joins at 4, without a
 * stop before. */
static void who_comes_in_the_last_iteration_of_a_jump_waits_for_one_more(void)
{
    ms_replica r;
    make(&r, 4);
    ms_job jobs[4] = {ms_job_new(0, 0, 4, 9), ms_job_new(1, 0, 4, 1), ms_job_new(2, 0, 4, 1), ms_job_new(3, 0, 4, 1)};
    ms_replica_submit(&r, &jobs[0], 0.0);
    start(&r, 0.0);
    run_to(&r, 1.5);
    ms_replica_submit(&r, &jobs[1], 1.5);
    ms_replica_submit(&r, &jobs[2], 2.5);
    ms_replica_submit(&r, &jobs[3], 2.75);
    run_to(&r, 100.0);
    CHECK(jobs[1].start_s == 3.0 && jobs[2].start_s == 4.0 && jobs[3].start_s == 4.0);
    ms_replica_free(&r);
}

/* One place, taken until 3: whoever was seen goes on at once, an empty iteration takes no time. */
static void a_replica_with_nothing_to_do_sees_everybody(void)
{
    ms_replica r;
    make(&r, 1);
    ms_job first = ms_job_new(0, 0, 4, 3), second = ms_job_new(1, 0, 4, 1);
    ms_replica_submit(&r, &first, 0.0);
    start(&r, 0.0);
    run_to(&r, 2.5);
    CHECK(ms_replica_submit(&r, &second, 2.5) == MS_NOTHING);
    run_to(&r, 100.0);
    CHECK(second.start_s == 3.0 && r.state == MS_IDLE);
    ms_replica_free(&r);
}

static void who_gives_up_unseen_leaves_at_once(void)
{
    ms_replica r;
    make(&r, 4);
    ms_job first = ms_job_new(0, 0, 4, 9), gone = ms_job_new(1, 0, 4, 1), last = ms_job_new(2, 0, 4, 1);
    ms_replica_submit(&r, &first, 0.0);
    start(&r, 0.0);
    run_to(&r, 2.5);
    ms_replica_submit(&r, &gone, 2.5);
    ms_replica_submit(&r, &last, 2.75);
    int left = 0;
    CHECK(gone.unseen);
    ms_replica_abort(&r, &gone, 2.875, &left);
    CHECK(left && !gone.unseen && ms_replica_waiting(&r) == 1);
    run_to(&r, 100.0);
    CHECK(isnan(gone.start_s) && last.start_s == 4.0);
    ms_replica_free(&r);
}

static ms_job urgent(int64_t request, int32_t priority, int32_t output)
{
    ms_job job = ms_job_new(request, 0, 4, output);
    job.priority = priority;
    return job;
}

/* One place, taken until 9. By priority who comes later may go before who waits, so it is looked at; first come, first
 * served it changes nothing. */
static void who_comes_is_looked_at_if_it_may_go_first(void)
{
    for (int is_urgent = 0; is_urgent < 2; is_urgent++) {
        ms_replica r;
        make(&r, 2);
        r.own_queue.order = r.sequences.limits.order = is_urgent ? MS_ORDER_PRIORITY : MS_ORDER_FCFS;
        r.sequences.capacity_blocks = 20;
        ms_job first = urgent(0, 1, 9), large = urgent(1, 2, 2), small = urgent(2, 1, 2);
        large.prompt_tokens = 16; /* no room beside the first */
        ms_replica_submit(&r, &first, 0.0);
        start(&r, 0.0);
        run_to(&r, 1.5);
        ms_replica_submit(&r, &large, 1.5);
        run_to(&r, 4.5);
        CHECK(r.own_queue.length == 1 && r.coming.length == 0);
        CHECK(!ms_lookahead_matters(&r));
        CHECK(ms_replica_submit(&r, &small, 4.5) == (is_urgent ? MS_RESCHEDULE : MS_NOTHING));
        CHECK(ms_lookahead_matters(&r) == is_urgent);
        run_to(&r, 100.0);
        CHECK(is_urgent ? small.start_s == 6.0 : small.start_s >= 9.0);
        ms_replica_free(&r);
    }
}

/* Who came before the composition under way is looked at after its first iteration. */
static void who_came_before_is_looked_at_after_the_first_iteration(void)
{
    ms_replica r;
    make(&r, 4);
    ms_job jobs[] = {ms_job_new(0, 0, 4, 9), ms_job_new(1, 0, 4, 9), ms_job_new(2, 0, 4, 9)};
    ms_replica_submit(&r, &jobs[0], 0.0);
    start(&r, 0.0);
    ms_replica_submit(&r, &jobs[1], 0.25);
    run_to(&r, 1.5); /* the iteration from 1 on was planned before it came */
    CHECK(r.base_s == 1.0 && ms_lookahead_until(&r) == 1 && r.boundary_s == 2.0);
    run_to(&r, 3.5);
    CHECK(jobs[1].start_s == 2.0);
    ms_replica_submit(&r, &jobs[2], 6.25);
    CHECK(ms_lookahead_until(&r) == 5); /* base 3, it comes in the fourth */
    r.limit_iterations = 3;
    CHECK(ms_lookahead_until(&r) == 3);
    r.limit_iterations = 9;
    ms_replica_free(&r);
}

/* It looks for who comes after prompts and then after every four decode iterations. */
static void make_polling(ms_replica *r)
{
    static ms_coefficients coefficients = {.a0_s = 1.0, .p_cap_w = 1000.0};
    const ms_limits limits = {.max_num_seqs = 8,
                              .max_batched_tokens = 16,
                              .kv_capacity_tokens = 1000,
                              .schedule = MS_SCHEDULE_SGLANG,
                              .lookahead = 1,
                              .recv_interval = 4};
    CHECK(ms_replica_init(r, 0, &coefficients, &limits, NULL) == 0);
}

/* The first prompt runs until 1: looks are at the starts of the iterations before those from 1, 5, 9, ... on; a prompt from
 * 5 to 6 moves that to those from 6, 10, ... on, and so on. */
static void who_comes_is_looked_for_every_so_many_decode_iterations(void)
{
    const double comes_s[] = {0.0, 2.0, 5.0, 7.0, 10.5, 12.5}, starts_s[] = {0.0, 5.0, 6.0, 11.0, 12.0, 17.0};
    ms_replica r;
    ms_job jobs[6];
    make_polling(&r);
    for (int i = 0; i < 6; i++) {
        run_to(&r, comes_s[i]);
        jobs[i] = ms_job_new(i, 0, 4, 40);
        CHECK((ms_replica_submit(&r, &jobs[i], comes_s[i]) == MS_WAKE) == (i == 0));
        if (i == 0) {
            start(&r, 0.0);
        }
    }
    run_to(&r, 13.5);
    CHECK(r.base_s == 13.0 && ms_lookahead_until(&r) == 4 && r.boundary_s == 17.0);
    run_to(&r, 500.0);
    for (int i = 0; i < 6; i++) {
        CHECK(jobs[i].start_s == starts_s[i]);
    }
    ms_replica_free(&r);
}

/* An answer ends at 7, between two looks: who came at 5.5 is found by the one at 8, for the iteration from 9 on. */
static void an_end_between_two_looks_is_none(void)
{
    ms_replica r;
    make_polling(&r);
    ms_job jobs[] = {ms_job_new(0, 0, 4, 7), ms_job_new(1, 0, 4, 40), ms_job_new(2, 0, 4, 2)};
    ms_replica_submit(&r, &jobs[0], 0.0);
    ms_replica_submit(&r, &jobs[1], 0.0);
    start(&r, 0.0);
    run_to(&r, 5.5);
    CHECK(r.boundary_s == 7.0);
    CHECK(ms_replica_submit(&r, &jobs[2], 5.5) == MS_NOTHING);
    run_to(&r, 7.5);
    CHECK(r.base_s == 7.0 && r.boundary_s == 9.0 && isnan(jobs[2].start_s));
    run_to(&r, 500.0);
    CHECK(jobs[0].finish_s == 7.0 && jobs[2].start_s == 9.0 && jobs[2].finish_s == 11.0);
    ms_replica_free(&r);
}

/* Everybody is seen when the replica goes down. */
static void a_failure_sees_all(void)
{
    ms_replica r;
    ms_queue evicted = {0};
    make(&r, 4);
    ms_job jobs[] = {ms_job_new(0, 0, 4, 9), ms_job_new(1, 0, 4, 9)};
    ms_replica_submit(&r, &jobs[0], 0.0);
    start(&r, 0.0);
    ms_replica_submit(&r, &jobs[1], 0.25);
    CHECK(jobs[1].unseen && jobs[1].queued_s == 0.25);
    ms_replica_evict(&r, 0.5, &evicted);
    CHECK(evicted.length == 2 && !jobs[1].unseen && r.coming.length == 0);
    ms_replica_free(&r);
}

int main(void)
{
    RUN(who_comes_amid_an_iteration_is_in_the_one_after_the_next);
    RUN(who_came_behind_one_that_gives_up_is_in_the_next_iteration);
    RUN(who_comes_in_the_last_iteration_of_a_jump_waits_for_one_more);
    RUN(a_replica_with_nothing_to_do_sees_everybody);
    RUN(who_gives_up_unseen_leaves_at_once);
    RUN(who_comes_is_looked_at_if_it_may_go_first);
    RUN(who_came_before_is_looked_at_after_the_first_iteration);
    RUN(who_comes_is_looked_for_every_so_many_decode_iterations);
    RUN(an_end_between_two_looks_is_none);
    RUN(a_failure_sees_all);
    return report();
}
