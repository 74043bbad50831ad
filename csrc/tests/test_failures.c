#include "loops.h"

#include "draw.h"
#include "error.h"
#include "failures.h"

static void what_a_failure_hits_begins_again(void)
{
    ms_run loop;
    fill(&sheets[0], 0, 1, 1.0);
    plans_are(1, 1, 1, 1);
    sheets[0].prompt[0] = 4;
    sheets[0].outputs[1] = 3;
    make(&loop, &plain, 1, MS_LEAST_LOADED);
    break_down(&loop, 2, 2.0, 5.0); /* the only one of model 1 */
    CHECK(ms_loop_begin(&loop) == 0);
    CHECK(run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
    const sheet *s = &sheets[0];
    CHECK(check_records(s, MS_COMPLETED) == 1);
    CHECK(s->start[0] == 0.0 && s->first_token[0] == 1.0 && s->finish[0] == 10.0); /* 2 s, and 3 s from 7 */
    CHECK(s->energy[0] == 9.0 + 12.0);
    CHECK(loop.fleet.down_s[2] == 5.0);
    ms_run_free(&loop);
}

static void what_a_failure_hits_may_be_lost(void)
{
    for (int late = 0; late < 2; late++) {
        ms_run loop;
        ms_run_config config = plain;
        config.lose_on_failure = 1;
        config.keeps_delays = late;
        config.learns_every_answer = 1;
        config.feedback_probability = 1.0;
        fill(&sheets[0], 0, 60, 0.5);
        sheets[0].page.delay_s = late ? sheets[0].delay : NULL;
        plans_are(1, 0, 1, MS_PLAN_ALL);
        make(&loop, &config, 1, MS_LEAST_LOADED);
        break_down(&loop, 2, 10.0, 3.0);
        CHECK(ms_loop_begin(&loop) == 0);
        CHECK(run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
        const int64_t lost = check_records(&sheets[0], MS_LOST);
        CHECK(lost > 3 && lost + check_records(&sheets[0], MS_COMPLETED) == 60);
        CHECK(loop.labels_of_lost == (late ? 0 : lost));
        CHECK(loop.instances.delivered[0].rated + loop.instances.delivered[1].rated == (late ? 60 - lost : 60));
        CHECK(loop.labels_to_come == 0 && loop.open_count == 0);
        ms_run_free(&loop);
    }
}

static void failures_at_random_go_on_until_all_is_done(void)
{
    for (int c = 0; c < 16; c++) {
        ms_run loop;
        ms_run_config config = plain;
        config.mtbf_s = 30.0;
        config.mttr_s = 10.0;
        config.lose_on_failure = c / 4 % 2;
        config.keeps_delays = c / 8;
        fill(&sheets[0], 0, 300, 3.0);
        sheets[0].page.delay_s = config.keeps_delays ? sheets[0].delay : NULL;
        plans_are(MS_PLAN_ALL, 0, MS_PLAN_CHAIN | 0, 1);
        make(&loop, &config, 1, c % 4);
        CHECK(ms_run_plan_breakdowns(&loop, 3) == 0);
        for (int32_t r = 0; r < 3; r++) {
            const uint32_t sub = (uint32_t)r;
            loop.breakdowns[r] = (ms_breakdown){r, 1, {1, 20, 0, sub}, {1, 21, 0, sub}, 0, 0.0, 0.0};
        }
        CHECK(ms_loop_begin(&loop) == 0);
        CHECK(run(&loop, sheets, 1, 100000) == MS_LOOP_OVER);
        const int64_t lost = check_records(&sheets[0], MS_LOST);
        CHECK(lost + check_records(&sheets[0], MS_COMPLETED) == 300 && (lost > 0) == config.lose_on_failure);
        CHECK(loop.in_system == 0 && loop.labels_to_come == 0);
        CHECK_NEAR(sum_of(sheets[0].energy, 300), loop.paid_j, 1e-12);
        ms_run_free(&loop);
    }
}

/* Calls every quarter of a second, of half a second each; down from 1.25 to 2.5. */
static void an_outage_ends_calls_and_turns_away(void)
{
    for (int c = 0; c < 4; c++) {
        ms_run loop;
        ms_run_config config = plain;
        ms_pool_plan plans[2] = {api(0)};
        config.in_usd = 1;
        config.lose_on_failure = c % 2;
        config.keeps_delays = c / 2;
        ask(20, 0.25, 4, 1);
        sheets[0].page.delay_s = config.keeps_delays ? sheets[0].delay : NULL;
        serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
        break_down(&loop, 0, 1.25, 1.25);
        go(&loop, 1);
        const sheet *s = &sheets[0];
        for (int64_t i = 0; i < 20; i++) {
            const int lost = i == 4; /* that of 0.75 s is complete as it begins, and that of 1.25 s comes after */
            const int rejected = i >= 5 && i < 10;
            CHECK(s->status[i] == (lost ? MS_LOST : rejected ? MS_REJECTED : MS_COMPLETED));
            CHECK(s->cost[i] == (lost || rejected ? 0.0 : 1.0));
            CHECK(lost ? s->start[i] == 1.0 && isnan(s->first_token[i]) && s->replica[i] == 0 : 1);
        }
        CHECK(loop.labels_of_lost == (config.keeps_delays ? 0 : 1));
        CHECK(loop.fleet.pool[0].unfinished == 0 && loop.fleet.pool[0].up == 1);
        CHECK(loop.instances.delivered[0].rated + loop.instances.delivered[1].rated == (config.keeps_delays ? 14 : 15));
        ms_run_free(&loop);
    }
}

/* Both are down: what the replica had drawn by 0.5 s is held, and paid as the API is back and is called. */
static void an_api_that_is_back_takes_what_was_held(void)
{
    ms_run loop;
    ms_pool_plan plans[3] = {pool_of(0, 1), api(0)};
    ask(1, 1.0, 4, 3);
    serve(&loop, &plain, 2, plans, MS_LEAST_LOADED);
    CHECK(ms_run_plan_breakdowns(&loop, 2) == 0);
    loop.breakdowns[0] = (ms_breakdown){.replica = 1, .time_s = 0.25, .for_s = 3.75};
    loop.breakdowns[1] = (ms_breakdown){.replica = 0, .time_s = 0.5, .for_s = 50.0};
    go(&loop, 1);
    const sheet *s = &sheets[0];
    CHECK(s->status[0] == MS_COMPLETED && s->replica[0] == 1);
    CHECK(s->start[0] == 0.0 && s->first_token[0] == 4.5 && s->finish[0] == 5.0);
    CHECK(s->energy[0] == 3.0 && loop.paid_j == 3.0);
    CHECK(loop.fleet.pool[0].unfinished == 0 && loop.fleet.pool[1].unfinished == 0);
    ms_run_free(&loop);
}

/* An API's outage sends what it was asked to a replica, which keeps the first times that had come. */
static void a_replica_takes_over_from_an_api_that_fails(void)
{
    ms_run loop;
    ms_run_config config = plain;
    ms_pool_plan plans[3] = {api(0), pool_of(0, 1)};
    config.in_usd = 1;
    ask(2, 0.5, 4, 3);
    serve(&loop, &config, 2, plans, MS_ROUND_ROBIN);
    break_down(&loop, 0, 0.75, 50.0);
    go(&loop, 1);
    const sheet *s = &sheets[0];
    CHECK(check_records(s, MS_COMPLETED) == 2 && s->replica[0] == 1 && s->replica[1] == 1);
    CHECK(s->start[0] == 0.0 && s->first_token[0] == 0.5);
    CHECK(s->start[1] == 0.5 && s->finish[1] == 3.5 && s->finish[0] == 4.5); /* it joins at the boundary of 1.5 s */
    CHECK(s->cost[0] > 0.0 && s->cost[0] < 0.03);                            /* its share of the replica alone */
    ms_run_free(&loop);
}

/* Whom nobody waits for is not asked for again. */
static void an_outage_ends_what_nobody_waits_for(void)
{
    ms_run loop;
    ms_run_config config = plain;
    ms_pool_plan plans[3] = {api(0), pool_of(0, 1)};
    config.in_usd = 1;
    config.keeps_delays = 1;
    config.patience = (ms_patience){.wait = seconds(0.25)};
    ask(1, 0.5, 4, 3);
    serve(&loop, &config, 2, plans, MS_ROUND_ROBIN);
    break_down(&loop, 0, 0.75, 50.0);
    go(&loop, 1);
    CHECK(sheets[0].status[0] == MS_TIMED_OUT && sheets[0].replica[0] == 0 && sheets[0].cost[0] == 0.0);
    CHECK(loop.now_s == 0.75);
    ms_run_free(&loop);
}

/* More failures after the last arrival than end a run in vain, but answers come in between. */
static void failures_are_not_in_vain_while_answers_come(void)
{
    ms_run loop;
    ms_run_config config = plain;
    ms_pool_plan plans[2] = {pool_of(0, 1)};
    plans[0].limits.max_num_seqs = 1;
    config.mtbf_s = 0.18; /* an answer takes a second: one of 260 lives is long enough */
    config.mttr_s = 0.001;
    ask(600, 0.0, 4, 1);
    serve(&loop, &config, 1, plans, MS_SHARED_QUEUE); /* who waits is not touched */
    CHECK(ms_run_plan_breakdowns(&loop, 1) == 0);
    loop.breakdowns[0] = (ms_breakdown){0, 1, {1, 20, 0, 0}, {1, 21, 0, 0}, 0, 0.0, 0.0};
    go(&loop, 1);
    CHECK(check_records(&sheets[0], MS_COMPLETED) == 600);
    CHECK(loop.breakdowns[0].count > MS_MOST_FAILURES_IN_VAIN + 1000);
    ms_run_free(&loop);
}

/* ---- pieces ---------------------------------------------------------------------------------------------------- */

/* 100,000 failures with nothing that arrives or ends in between are enough. */
static void failures_in_vain_end_a_run(void)
{
    for (int goes_on = 0; goes_on < 3; goes_on++) {
        ms_run loop;
        ms_pool_plan plans[2] = {pool_of(0, 1)};
        ms_breakdown breakdown = {.replica = 0};
        ask(1, 1.0, 4, 3);
        serve(&loop, &plain, 1, plans, MS_LEAST_LOADED);
        loop.issued = 7;
        loop.open_count = 3;
        loop.failures_in_vain = MS_MOST_FAILURES_IN_VAIN;
        loop.progress_seen = 2 * 7 - 3;
        loop.issued += goes_on == 1;                            /* one more has come */
        loop.open_count += goes_on == 1 ? 1 : goes_on == 2 ? -1 : 0; /* or one has ended */
        CHECK(ms_failures_begin(&loop, &breakdown) == (goes_on ? 0 : MS_ERR_IN_VAIN));
        CHECK(loop.failures_in_vain == (goes_on ? 1 : MS_MOST_FAILURES_IN_VAIN + 1));
        CHECK(loop.progress_seen == 2 * loop.issued - loop.open_count);
        ms_run_free(&loop);
    }
}

/* Random failures: lives and repairs are drawn by their count, one after the other. */
static void failures_at_random_are_drawn_one_after_another(void)
{
    ms_run loop;
    ms_run_config config = plain;
    ms_pool_plan plans[2] = {pool_of(0, 2)};
    config.mtbf_s = 40.0;
    config.mttr_s = 3.0;
    ask(2, 1000.0, 4, 1); /* the second comes after all that is looked at */
    serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
    CHECK(ms_run_plan_breakdowns(&loop, 1) == 0);
    loop.breakdowns[0] = (ms_breakdown){.replica = 1, .random = 1, .fails = {1, 20, 0, 0}, .repairs = {1, 21, 0, 0}};
    begin(&loop);
    double t_s = 0.0, down_s = 0.0;
    for (uint64_t k = 0; k < 5; k++) {
        t_s += 40.0 * ms_draw_one_exponential(&loop.breakdowns[0].fails, (int64_t)k);
        CHECK(loop.heap.events[0].when.time_s == t_s);
        run_until(&loop, t_s);
        CHECK(loop.fleet.failures[1] == 1 && loop.fleet.down_since_s[1] == t_s && loop.fleet.pool[0].up == 1);
        const double takes_s = 3.0 * ms_draw_one_exponential(&loop.breakdowns[0].repairs, (int64_t)k);
        t_s += takes_s;
        down_s += takes_s;
        run_until(&loop, t_s);
        CHECK(loop.fleet.failures[1] == 0 && loop.breakdowns[0].count == (int64_t)k + 1);
        CHECK_NEAR(loop.fleet.down_s[1], down_s, 1e-12);
    }
    ms_run_free(&loop);
}

/* What a failure hits begins again in the order of requests, of one request that of models, whatever ran and
 * whatever waited. */
static void what_a_failure_hits_begins_again_in_order(void)
{
    ms_run loop;
    ms_pool_plan plans[2] = {pool_of(0, 1)};
    ask(6, 0.0, 4, 3);
    serve(&loop, &plain, 1, plans, MS_LEAST_LOADED);
    loop.fleet.replica[0].sequences.limits.order = loop.fleet.replica[0].own_queue.order = MS_ORDER_PRIORITY;
    const int32_t priority[] = {1, 1};
    const double objective_s[] = {INFINITY, INFINITY};
    loop.priority = priority;
    loop.ttft_objective_s = objective_s;
    break_down(&loop, 0, 1.5, 2.5);
    begin(&loop);
    run_until(&loop, 1.5);
    const ms_queue *held = &loop.fleet.servers[0].held;
    CHECK(held->length == 6 && loop.fleet.pool[0].unfinished == 6);
    int64_t request = 0;
    for (const ms_job *job = held->head; job != NULL; job = job->next) {
        CHECK(job->request == request++ && job->generated_tokens == 0 && job->attempt == 1 && job->usage_s == 0.0);
    }
    end(&loop);
    CHECK(sheets[0].start[0] == 0.0 && sheets[0].first_token[0] == 1.0 && sheets[0].finish[0] == 7.0);
    ms_run_free(&loop);
}

static int64_t lessons[8], n_lessons;

static int64_t note_lesson(int64_t request, int64_t tenant, int64_t models, int64_t dimensions, const double *given,
                           const double *labels, const double *params_, double *state)
{
    (void)tenant, (void)models, (void)dimensions, (void)given, (void)labels, (void)params_, (void)state;
    lessons[n_lessons++] = request;
    return 0;
}

/* Exploring steps whose other answer is rated already learn as the last is lost: in the order of requests, though of
 * those that wait for the replica the second is the least urgent. */
static void what_a_failure_loses_is_lost_in_order(void)
{
    ms_run loop;
    ms_run_config config = plain;
    ms_pool_plan plans[] = {pool_of(0, 1), pool_of(1, 1)};
    const int32_t priority[] = {2, 1};
    const double objective_s[] = {INFINITY, INFINITY};
    config.lose_on_failure = config.keeps_delays = config.learns_every_answer = 1;
    config.feedback_probability = 1.0;
    ask(4, 0.0, 4, 1);
    plans_are(MS_PLAN_ALL, MS_PLAN_ALL, MS_PLAN_ALL, MS_PLAN_ALL);
    for (int64_t i = 0; i < 4; i++) {
        sheets[0].tenant[i] = i >= 2;
        sheets[0].outputs[i] = 100; /* of model 0; the other's are rated by 3 s */
        sheets[0].delay[i] = sheets[0].delay[4 + i] = 0.0;
    }
    plans[0].limits.max_num_seqs = 1;
    plans[0].limits.kv_capacity_tokens = 200;
    CHECK(ms_run_init(&loop, &config, alphas, 1.0, 0, 2, plans, &(ms_dispatch_plan){.rule = MS_LEAST_LOADED},
                      streams) == 0);
    loop.instances.brain[0].policy = lists;
    loop.instances.brain[0].policy.learn = note_lesson;
    loop.fleet.replica[0].sequences.limits.order = loop.fleet.replica[0].own_queue.order = MS_ORDER_PRIORITY;
    loop.priority = priority;
    loop.ttft_objective_s = objective_s;
    break_down(&loop, 0, 9.5, 1.0);
    n_lessons = 0;
    begin(&loop);
    run_until(&loop, 9.0);
    CHECK(n_lessons == 0 && loop.fleet.replica[0].own_queue.length == 3);
    CHECK(loop.fleet.replica[0].own_queue.head->request != 1);
    end(&loop);
    CHECK(n_lessons == 4);
    for (int64_t i = 0; i < 4; i++) {
        CHECK(lessons[i] == i);
    }
    ms_run_free(&loop);
}

/* What the router had sent to a replica that fails is no burden of it any more. */
static void a_failure_clears_the_account_of_the_router(void)
{
    ms_run loop;
    ms_pool_plan plans[2] = {pool_of(0, 2)};
    ask(4, 0.0, 4, 9);
    serve(&loop, &plain, 1, plans, MS_KV_ROUTER);
    loop.fleet.dispatch.prefill_load_scale = 1.0;
    break_down(&loop, 0, 0.5, 2.0);
    begin(&loop);
    run_until(&loop, 0.25);
    CHECK(loop.fleet.held_tokens[0] == 8 && loop.fleet.held_tokens[1] == 8 && loop.fleet.prefill_tokens[0] == 8);
    run_until(&loop, 0.5);
    CHECK(loop.fleet.held_tokens[0] == 0 && loop.fleet.prefill_tokens[0] == 0);
    CHECK(loop.fleet.held_tokens[1] == 16 && loop.fleet.prefill_tokens[1] == 16);
    end(&loop);
    CHECK(loop.fleet.held_tokens[0] == 0 && loop.fleet.held_tokens[1] == 0);
    ms_run_free(&loop);
}

/* A failure and its end come by their replica, in this order; what it hits by request and model. */
static void errands_of_failures_have_an_order(void)
{
    for (int32_t model = 0; model < 2; model++) {
        ms_run loop;
        const int32_t replica = 2 * model;
        ask_eighth(model);
        make(&loop, &plain, 1, MS_LEAST_LOADED);
        break_down(&loop, replica, 8.5, 1.0);
        begin(&loop);
        CHECK(is_due_as(&loop, MS_DO_FAIL, ms_order(MS_ENDS, replica), 1));
        CHECK(is_due_as(&loop, MS_DO_RETRY, ms_order(MS_RETRIES, 8), (uint64_t)model));
        CHECK(is_due_as(&loop, MS_DO_REPAIR, ms_order(MS_ENDS, replica), 2));
        end(&loop);
        ms_run_free(&loop);
    }
}

/* Request 3 has the answer of model 0 and loses that of model 1 as its replica fails: its lesson is over then, which the policy
 * refuses. */
static void a_policy_may_refuse_what_is_lost(void)
{
    ms_run loop;
    ms_run_config config = plain;
    config.lose_on_failure = 1;
    config.feedback_probability = 1.0;
    config.learns_every_answer = 1;
    config.keeps_delays = 1;
    ask(4, 1.0, 4, 3);
    memset(sheets[0].delay, 0, sizeof sheets[0].delay);
    sheets[0].outputs[4 + 3] = 20;
    plans_are(0, 0, 0, MS_PLAN_ALL);
    params[6] = 3.0;
    make(&loop, &config, 1, MS_LEAST_LOADED);
    loop.instances.brain[0].policy.learn = refuse_lesson;
    break_down(&loop, 2, 10.0, 1.0);
    CHECK(ms_loop_begin(&loop) == 0);
    CHECK(run(&loop, sheets, 1, 1000) == MS_ERR_LABEL && loop.now_s == 10.0);
    CHECK(loop.error_request == 3 && loop.error_plan == -43);
    ms_run_free(&loop);
}

int main(void)
{
    RUN(what_a_failure_hits_begins_again);
    RUN(what_a_failure_hits_may_be_lost);
    RUN(failures_at_random_go_on_until_all_is_done);
    RUN(an_outage_ends_calls_and_turns_away);
    RUN(an_api_that_is_back_takes_what_was_held);
    RUN(a_replica_takes_over_from_an_api_that_fails);
    RUN(an_outage_ends_what_nobody_waits_for);
    RUN(failures_are_not_in_vain_while_answers_come);
    RUN(failures_in_vain_end_a_run);
    RUN(failures_at_random_are_drawn_one_after_another);
    RUN(what_a_failure_hits_begins_again_in_order);
    RUN(what_a_failure_loses_is_lost_in_order);
    RUN(a_failure_clears_the_account_of_the_router);
    RUN(errands_of_failures_have_an_order);
    RUN(a_policy_may_refuse_what_is_lost);
    return report();
}
