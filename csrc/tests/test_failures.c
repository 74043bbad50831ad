#include "loops.h"

#include "failures.h"
#include "error.h"

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
    sheets[0].page.delay_s = sheets[0].delay;
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
    return report();
}
