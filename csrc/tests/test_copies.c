#include "loops.h"

#include "copies.h"
#include "error.h"

/* The replica fails at 2.5 s, in its third iteration: the API answers, and what was drawn is paid at once. */
static void an_api_takes_over_from_a_replica_that_fails(void)
{
    for (int usd = 0; usd < 2; usd++) {
        ms_run loop;
        ms_run_config config = plain;
        ms_pool_plan plans[3] = {pool_of(0, 1), api(0)};
        config.in_usd = usd;
        ask(1, 1.0, 4, 5);
        serve(&loop, &config, 2, plans, MS_LEAST_LOADED);
        break_down(&loop, 0, 2.5, 50.0);
        CHECK(ms_loop_begin(&loop) == 0);
        ms_loop_turn_page(&loop, &sheets[0].page);
        CHECK(ms_loop_run(&loop, 1) == MS_LOOP_PAUSED); /* it is routed */
        ms_loop_no_more(&loop);
        while (loop.paid_j == 0.0) {
            CHECK(ms_loop_run(&loop, 1) == MS_LOOP_PAUSED);
        }
        CHECK(loop.now_s == 2.5);
        CHECK(loop.paid_j == 6.0 + 3.0 + 1.5); /* before the answer is there */
        CHECK(ms_loop_run(&loop, 1000) == MS_LOOP_OVER);
        const sheet *s = &sheets[0];
        CHECK(s->status[0] == MS_COMPLETED && s->replica[0] == 1);
        CHECK(s->start[0] == 0.0 && s->first_token[0] == 1.0 && s->finish[0] == 2.5 + 0.5 + 4 * 0.25);
        CHECK(s->energy[0] == 10.5);
        CHECK_NEAR(s->cost[0], usd ? 5.0 + 2.5 * 0.01 : 10.5, 1e-12);
        CHECK(loop.fleet.pool[0].unfinished == 0 && loop.fleet.pool[1].unfinished == 0);
        ms_run_free(&loop);
    }
}

/* Its second model fails, or turns it away: what the first has cost stays, and is no answer. */
static void a_chain_may_end_without_an_answer(void)
{
    for (int c = 0; c < 2; c++) {
        ms_run loop;
        ms_run_config config = plain;
        const ms_pool_plan plans[2] = {pool_of(0, 1), api(1)};
        config.lose_on_failure = 1;
        ask(1, 1.0, 4, 2);
        plans_are(MS_PLAN_CHAIN | 0, 0, 0, 0);
        CHECK(ms_run_init(&loop, &config, alphas, 1.0, 0, 2, plans, &(ms_dispatch_plan){.rule = MS_LEAST_LOADED}, streams) == 0);
        loop.instances.brain[0].policy = lists;
        break_down(&loop, 1, c ? 1.0 : 2.25, 50.0);
        go(&loop, 1);
        const sheet *s = &sheets[0];
        CHECK(s->status[0] == (c ? MS_REJECTED : MS_LOST) && s->model[0] == 1);
        CHECK(s->start[0] == 0.0 && s->energy[0] == 9.0 && s->exploration[0] == 9.0);
        CHECK(loop.instances.delivered[s->tenant[0]].rated == 0);
        CHECK(loop.instances.brain[0].tracked[s->tenant[0]].rated == 0);
        ms_run_free(&loop);
    }
}

static void a_chain_is_charged_for_what_came_before(void)
{
    ms_run loop;
    fill(&sheets[0], 0, 40, 50.0);
    plans_are(MS_PLAN_CHAIN | 0, MS_PLAN_CHAIN | 0, MS_PLAN_CHAIN | 0, MS_PLAN_CHAIN | 0);
    make(&loop, &plain, 0, MS_LEAST_LOADED);
    CHECK(ms_loop_begin(&loop) == 0);
    CHECK(run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
    const sheet *s = &sheets[0];
    CHECK(check_records(s, MS_COMPLETED) == 40);
    for (int64_t i = 0; i < 40; i++) {
        const int both = i % 2 == 0;
        CHECK(s->model[i] == both && s->explored[i] == 0);
        CHECK(s->exploration[i] == (both ? s->known[i] : 0.0));
        CHECK(s->cost[i] == s->known[i] + (both ? s->known[40 + i] : 0.0));
    }
    CHECK(loop.instances.delivered[0].rated + loop.instances.delivered[1].rated == 40); /* one label each */
    ms_run_free(&loop);
}

/* A chain starts with its first model, and its answer is the last one's. */
static void a_chain_on_servers_keeps_its_first_start(void)
{
    ms_run loop;
    fill(&sheets[0], 0, 40, 100.0); /* nobody waits for anybody */
    plans_are(MS_PLAN_CHAIN | 0, MS_PLAN_CHAIN | 0, MS_PLAN_CHAIN | 0, MS_PLAN_CHAIN | 0);
    make(&loop, &plain, 1, MS_LEAST_LOADED);
    CHECK(ms_loop_begin(&loop) == 0);
    CHECK(run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
    const sheet *s = &sheets[0];
    CHECK(check_records(s, MS_COMPLETED) == 40);
    for (int64_t i = 0; i < 40; i++) {
        const int both = i % 2 == 0;
        const double prefill_s = s->prompt[i] > 16 ? 2.0 : 1.0; /* chunks of 16 tokens */
        const double first_s = both ? prefill_s + s->outputs[i] - 1 : 0.0;
        CHECK(s->start[i] == s->arrival[i] && s->replica[i] == (both ? 2 : 0));
        CHECK(s->first_token[i] == s->arrival[i] + first_s + prefill_s);
        CHECK(s->finish[i] == s->first_token[i] + s->tokens[i] - 1);
    }
    ms_run_free(&loop);
}

static void run_into(int64_t bad_plan, int error, int servers)
{
    ms_run loop;
    fill(&sheets[0], 0, 20, 1.0);
    plans_are(0, 1, bad_plan, 0);
    make(&loop, &plain, servers, MS_LEAST_LOADED);
    loop.instances.brain[0].policy.finish = NULL;
    CHECK(ms_loop_begin(&loop) == 0);
    CHECK(run(&loop, sheets, 1, 1000) == error);
    CHECK(loop.error_request == 2 && loop.error_plan == bad_plan);
    ms_run_free(&loop);
}

static void an_illegal_plan_is_an_error(void)
{
    for (int servers = 0; servers < 2; servers++) {
        run_into(MODELS, MS_ERR_PLAN, servers);
        run_into(MS_PLAN_MODEL, MS_ERR_PLAN, servers);
        run_into(MS_PLAN_ALL | MS_PLAN_EXPLORE, MS_ERR_PLAN, servers);
        run_into(MS_PLAN_CHAIN | MS_PLAN_EXPLORE | 1, MS_ERR_PLAN, servers);
        run_into(MS_PLAN_EXPLORE | MODELS, MS_ERR_PLAN, servers);
        run_into(MS_PLAN_CHAIN, MS_ERR_PLAN, servers); /* it makes no chains */
        run_into(1 << 23, MS_ERR_PLAN, servers);
        run_into(-1, MS_ERR_POLICY, servers);
        run_into(-1000, MS_ERR_POLICY, servers);
    }
}

static void a_chain_that_names_no_model_is_an_error(void)
{
    const double wrong[] = {MODELS + 1, -1, 77};
    for (int k = 0; k < 6; k++) {
        ms_run loop;
        fill(&sheets[0], 0, 20, 1.0);
        plans_are(MS_PLAN_CHAIN, MS_PLAN_CHAIN, 1, 1);
        params[7] = wrong[k % 3];
        make(&loop, &plain, k / 3, MS_LEAST_LOADED);
        CHECK(ms_loop_begin(&loop) == 0);
        CHECK(run(&loop, sheets, 1, 1000) == MS_ERR_NEXT);
        CHECK(loop.error_request == 5 && loop.error_plan == (int64_t)wrong[k % 3]);
        ms_run_free(&loop);
    }
}

static int64_t asked;

static int64_t never_content(int64_t request, int64_t stage, int64_t tenant, int64_t model, int64_t models,
                             const double *scores, const double *costs, const double *facts, const double *uniforms,
                             const double *params_, double *state)
{
    (void)request, (void)tenant, (void)models, (void)scores, (void)costs, (void)facts, (void)uniforms, (void)params_;
    (void)state;
    asked = stage + 1;
    return 1 - model;
}

static void a_chain_without_an_end_is_an_error(void)
{
    ms_run loop;
    fill(&sheets[0], 0, 1, 1.0);
    plans_are(MS_PLAN_CHAIN, 0, 0, 0);
    make(&loop, &plain, 1, MS_LEAST_LOADED);
    loop.instances.brain[0].policy.finish = never_content;
    CHECK(ms_loop_begin(&loop) == 0);
    CHECK(run(&loop, sheets, 1, 1000000) == MS_ERR_CHAIN);
    CHECK(asked == MS_CHAIN_MOST && loop.error_request == 0);
    ms_run_free(&loop);
}

static void a_pool_passes_over_what_it_cannot_take(void)
{
    ms_run loop;
    fill(&sheets[0], 0, 20, 5.0);
    plans_are(0, 0, 0, 0);
    make(&loop, &plain, 1, MS_LEAST_LOADED);
    loop.fleet.pool[0].plan.most_tokens = loop.fleet.servers[0].all_take = 20;
    CHECK(ms_loop_begin(&loop) == 0 && run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
    for (int i = 0; i < 20; i++) {
        const int fits = sheets[0].prompt[i] + sheets[0].outputs[i] <= 20;
        CHECK(sheets[0].status[i] == (fits ? MS_COMPLETED : MS_REJECTED));
    }
    ms_run_free(&loop);
}

int main(void)
{
    RUN(an_api_takes_over_from_a_replica_that_fails);
    RUN(a_chain_may_end_without_an_answer);
    RUN(a_chain_is_charged_for_what_came_before);
    RUN(a_chain_on_servers_keeps_its_first_start);
    RUN(an_illegal_plan_is_an_error);
    RUN(a_chain_that_names_no_model_is_an_error);
    RUN(a_chain_without_an_end_is_an_error);
    RUN(a_pool_passes_over_what_it_cannot_take);
    return report();
}
