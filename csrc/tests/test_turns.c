/* Turns of sessions: when they come, how their prompts grow, and that none follows a request without an answer. */
#include <stdlib.h>

#include "loops.h"

enum { TURNS = 4, TOKENS = 3 };

static int32_t roots[] = {0, 3}, first_child[TURNS], next_child[TURNS], model[TURNS];
static double wait_s[TURNS];
static int32_t new_tokens[TURNS];
static int64_t path_start[TURNS + 1];
static ms_node_of_path path[TURNS];

/* Requests 0, 1 and 2 are one session, 3 another. Prompts begin with a token, and answers have three. */
static sheet *two_sessions(void)
{
    sheet *s = &sheets[0];
    fill(s, 0, TURNS, 0.0);
    s->arrival_in[3] = 100.0;
    for (int32_t i = 0; i < TURNS; i++) {
        s->prompt[i] = 1;
        s->outputs[i] = s->outputs[TURNS + i] = TOKENS;
        first_child[i] = i < 2 ? i + 1 : -1;
        next_child[i] = -1;
        model[i] = -1;
        wait_s[i] = 5.0;
        new_tokens[i] = 2;
        path_start[i + 1] = i + 1;
        path[i] = (ms_node_of_path){i == 3, 1};
    }
    s->page.path_start = path_start;
    s->page.path = path;
    s->page.turns = (ms_page_turns){.roots = roots,
                                    .n_roots = 2,
                                    .first_child = first_child,
                                    .next_child = next_child,
                                    .wait_s = wait_s,
                                    .model = model,
                                    .new_tokens = new_tokens};
    return s;
}

static void a_turn_comes_a_think_time_after_the_answer_before(void)
{
    sheet *s = two_sessions();
    ms_run loop;
    plans_are(0, 1, 0, 1);
    make(&loop, &plain, 1, MS_LEAST_LOADED);
    CHECK(run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
    CHECK(check_records(s, MS_COMPLETED) == TURNS && loop.turns_to_come == 0 && loop.turns_not_sent == 0);
    CHECK(s->arrival[1] == s->finish[0] + 5.0 && s->arrival[2] == s->finish[1] + 5.0 && s->arrival[3] == 100.0);
    CHECK(s->prompt[1] == 1 + TOKENS + 2 && s->prompt[2] == s->prompt[1] + TOKENS + 2);
    CHECK(path[1].end_tokens == s->prompt[1] && path[2].end_tokens == s->prompt[2]);
    CHECK(model[1] == 0 && model[2] == 1);
    CHECK(loop.last_arrival_s == 100.0);
    CHECK(s->known[MODELS * TURNS + 1] == 1e9 && s->known[MODELS * TURNS + 2] == 1e9); /* of no model */
    ms_run_free(&loop);
}

/* Two requests of the next page come while turns of the first wait. */
static void turns_of_an_earlier_page_are_waited_for(void)
{
    sheet *s = two_sessions();
    ms_run loop;
    s->arrival_in[3] = 1.0;
    fill(&sheets[1], TURNS, 2, 0.5);
    plans_are(0, 0, 0, 0);
    make(&loop, &plain, 1, MS_LEAST_LOADED);
    CHECK(run(&loop, sheets, 2, 1000) == MS_LOOP_OVER);
    CHECK(check_records(s, MS_COMPLETED) == TURNS && check_records(&sheets[1], MS_COMPLETED) == 2);
    CHECK(loop.turns_to_come == 0 && loop.issued == TURNS + 2 && s->arrival[2] == s->finish[1] + 5.0);
    ms_run_free(&loop);
}

static void a_turn_may_stay_with_its_model(void)
{
    sheet *s = two_sessions();
    ms_run_config config = plain;
    ms_run loop;
    config.keeps_session_model = 1;
    plans_are(1, 0, MS_PLAN_ALL, 0);
    make(&loop, &config, 1, MS_LEAST_LOADED);
    CHECK(run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
    CHECK(s->model[0] == 1 && s->model[1] == 1 && s->model[2] == 1 && s->model[3] == 0);
    ms_run_free(&loop);
}

static void without_an_answer_no_turn_is_sent(void)
{
    sheet *s = two_sessions();
    ms_run_config config = plain;
    ms_run loop;
    config.patience.wait = (ms_wait){.law = MS_WAITS_CONSTANT, .mean_s = 0.5};
    config.keeps_delays = 1;
    plans_are(0, 0, 0, 0);
    make(&loop, &config, 1, MS_LEAST_LOADED);
    CHECK(run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
    CHECK(s->status[0] == MS_TIMED_OUT && s->status[1] == MS_NOT_SENT && s->status[2] == MS_NOT_SENT);
    CHECK(loop.turns_not_sent == 2 && loop.issued == 2 && s->page.open == 0);
    ms_run_free(&loop);
}

static void a_prompt_that_grows_costs_what_its_length_does(void)
{
    const ms_known_cost known = {.coefficients = {.a0_s = 1.0, .p0_w = 2.0, .e_j_per_token = 1.0, .p_cap_w = 1000.0},
                                 .max_batched_tokens = 16.0,
                                 .nominal_batch = 2.0,
                                 .mean_output_tokens = 5.0};
    const ms_prompt_cost pools[] = {
        {.model = 0, .of_model = 2, .share = 0.25, .known = known},
        {.model = 0, .of_model = 1, .share = 0.75, .known = known},
        {.model = 1, .of_model = 1, .share = 1.0, .is_api = 1, .usd_per_million_prompt_tokens = 2e6,
            .known = {.mean_output_tokens = 5.0}},
        {.model = 2, .of_model = 1, .share = 1.0, .known = known}};
    double costs[] = {7.0, 0.0, 7.0, 0.0, INFINITY, 0.0, 7.0, 0.0}, expected;
    const int32_t prompt = 40;
    ms_cost_known(&known, &prompt, 1, &expected);
    ms_cost_of_prompt(pools, 4, prompt, NULL, costs, 2, NULL);
    CHECK(costs[0] == expected && costs[2] == 80.0);
    CHECK(costs[4] == INFINITY && costs[6] == 7.0); /* it cannot be had; none of its pools are known */
    double *memo = calloc(ms_cost_memo_length(pools, 4), sizeof *memo);
    for (int time = 0; time < 2; time++) { /* worked out, and remembered */
        ms_cost_of_prompt(pools, 4, prompt, NULL, costs, 2, memo);
        CHECK(costs[0] == expected && costs[2] == 80.0);
        CHECK(memo[3 * prompt] == expected && memo[3 * prompt + 1] == 80.0 && memo[3 * prompt + 2] == 0.0);
    }
    memo[3 * prompt] *= 2.0;
    ms_cost_of_prompt(pools, 4, prompt, NULL, costs, 2, memo);
    CHECK(costs[0] > expected); /* it is looked at */
    const double factors[] = {2.0, 0.0, 3.0, 0.0, 1.0, 0.0, 1.0, 0.0};
    for (int time = 0; time < 2; time++) { /* prices of APIs alone have factors, which the memo does not know */
        ms_cost_of_prompt(pools, 4, prompt, factors, costs, 2, memo);
        CHECK(costs[0] == expected && costs[2] == 240.0);
    }
    const int32_t longer = MS_REMEMBERED_LENGTHS;
    ms_cost_known(&known, &longer, 1, &expected);
    ms_cost_of_prompt(pools, 4, longer, NULL, costs, 2, memo);
    CHECK(costs[0] == expected);
    free(memo);
}

static void a_pool_like_one_that_was_passed_over_has_its_own_cost(void)
{
    const ms_known_cost cheap = {.coefficients = {.a0_s = 1.0, .p0_w = 1.0, .p_cap_w = 1000.0},
                                 .max_batched_tokens = 16.0,
                                 .nominal_batch = 2.0,
                                 .mean_output_tokens = 5.0};
    ms_known_cost dear = cheap;
    dear.coefficients.p0_w = 10.0;
    const ms_prompt_cost pools[] = {{.model = 0, .of_model = 1, .share = 1.0, .known = cheap},
                                    {.model = 1, .of_model = 1, .share = 1.0, .known = dear},
                                    {.model = 2, .of_model = 2, .share = 0.5, .known = dear, .as_before = 1},
                                    {.model = 2, .of_model = 1, .share = 0.5, .known = dear, .as_before = 1}};
    double costs[] = {0.0, INFINITY, 0.0}, expected;
    const int32_t prompt = 8;
    ms_cost_known(&dear, &prompt, 1, &expected);
    for (int first = 0; first < 2; first++) { /* the one that was passed over is the second, and the first of all */
        ms_cost_of_prompt(pools + first, 4 - first, prompt, NULL, costs, 1, NULL);
        CHECK(costs[1] == INFINITY && costs[2] == expected && costs[0] < costs[2]);
    }
}

/* Prices of APIs change with the hour; what a GPU costs does not. */
static void factors_are_of_the_prices_of_apis(void)
{
    const ms_prompt_cost pools[] = {
        {.model = 0, .share = 1.0, .is_api = 1, .usd_per_million_prompt_tokens = 1e6},
        {.model = 1, .share = 1.0, .is_api = 1, .usd_per_million_prompt_tokens = 2e6},
        {.model = 2, .share = 1.0, .is_api = 1, .usd_per_million_prompt_tokens = 3e6},
        {.model = 3, .share = 1.0, .known = {.coefficients = {.a0_s = 1.0, .p0_w = 1.0, .p_cap_w = 9.0},
                                             .max_batched_tokens = 16.0,
                                             .nominal_batch = 1.0,
                                             .mean_output_tokens = 1.0}}};
    const double factors[] = {0.5, -1.0, 0.25, -1.0, 4.0, -1.0, 8.0, -1.0}; /* every second is another request's */
    double costs[8] = {0.0};
    ms_cost_of_prompt(pools, 4, 10, factors, costs, 2, NULL);
    CHECK(costs[0] == 5.0 && costs[2] == 5.0 && costs[4] == 120.0 && costs[6] == 1.0);
}

/* The model of the turn before is kept by the first try alone, and only if it can be had: else the policy has its
 * way. */
static void a_kept_model_must_be_had(void)
{
    for (int c = 0; c < 4; c++) {
        const int cannot = c & 1, tries_again = c >> 1;
        sheet *s = two_sessions();
        ms_run loop;
        ms_run_config config = plain;
        config.keeps_session_model = 1;
        config.keeps_delays = 1;
        s->page.delay_s = s->delay;
        s->page.turns.new_tokens = NULL; /* prompts, and what they cost, are given */
        plans_are(0, MS_PLAN_EXPLORE | 1, 0, 0);
        make(&loop, &config, 1, MS_LEAST_LOADED);
        if (cannot) {
            s->known[1] = INFINITY; /* the second turn by model 0 */
        }
        begin(&loop);
        run_until(&loop, s->outputs[0] + 0.5);
        if (tries_again) { /* no try of the second turn is answered */
            loop.config.patience = (ms_patience){
                .wait = {.law = MS_WAITS_CONSTANT, .mean_s = 0.5}, .aborts = 1, .retries = 1, .backoff_growth = 1.0};
            loop.config.patience.backoff = (ms_wait){.law = MS_WAITS_CONSTANT, .mean_s = 1.0};
        }
        run_until(&loop, s->outputs[0] + 5.25);
        CHECK(loop.newest->request == 1 && loop.newest->seen == cannot && loop.newest->explored == cannot);
        if (tries_again) {
            run_until(&loop, s->outputs[0] + 6.75);
            CHECK(loop.newest->request == 1 && loop.newest->attempt == 1);
            CHECK(loop.newest->seen == 1 && loop.newest->explored == 1);
        }
        end(&loop);
        ms_run_free(&loop);
    }
}

/* The prompt of a turn goes on from the answer that was seen, which is another model's if that was asked. */
static void a_prompt_grows_by_the_answer_that_was_seen(void)
{
    for (int who = 0; who < 2; who++) {
        sheet *s = two_sessions();
        ms_run loop;
        s->outputs[0] = 4; /* by model 0, and by model 1 */
        s->outputs[TURNS] = 7;
        plans_are(who, 0, 0, 0);
        make(&loop, &plain, 1, MS_LEAST_LOADED);
        CHECK(run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
        CHECK(s->prompt[1] == 1 + (who ? 7 : 4) + 2 && s->prompt[2] == s->prompt[1] + TOKENS + 2);
        ms_run_free(&loop);
    }
}

/* Requests of more tokens are taken nowhere. */
static void refuse_beyond(ms_fleet *fleet, int64_t tokens)
{
    for (int32_t m = 0; m < MODELS; m++) {
        fleet->pool[m].plan.most_tokens = fleet->servers[m].all_take = tokens;
    }
}

/* Whether a model can take a turn depends on its own answer. */
static void a_turn_may_be_too_long_for_one_model(void)
{
    for (int who = 0; who < 2; who++) {
        sheet *s = two_sessions();
        ms_run loop;
        s->outputs[who * TURNS + 1] = 75; /* after a prompt of 6, where 80 are the most */
        plans_are(0, 0, 0, 0);
        make(&loop, &plain, 1, MS_LEAST_LOADED);
        refuse_beyond(&loop.fleet, 80);
        begin(&loop);
        run_until(&loop, 3.5);
        CHECK((s->known[1] == INFINITY) == (who == 0) && (s->known[TURNS + 1] == INFINITY) == (who == 1));
        ms_run_free(&loop);
    }
}

/* What no model takes is turned away as it comes, and its session ends. */
static void a_turn_that_nobody_takes_ends_its_session(void)
{
    sheet *s = two_sessions();
    ms_run loop;
    s->outputs[1] = s->outputs[TURNS + 1] = 75; /* after a prompt of 6, where 80 are the most */
    plans_are(0, 0, 0, 0);
    make(&loop, &plain, 1, MS_LEAST_LOADED);
    refuse_beyond(&loop.fleet, 80);
    begin(&loop);
    end(&loop);
    CHECK(s->status[0] == MS_COMPLETED && s->status[1] == MS_TOO_LONG && s->status[2] == MS_NOT_SENT);
    CHECK(s->status[3] == MS_COMPLETED && s->arrival[1] == s->finish[0] + 5.0 && s->model[1] == -1);
    CHECK(s->cost[1] == 0.0 && isnan(s->start[1]) && isnan(s->queue[1]));
    CHECK(loop.issued == 3 && loop.turns_not_sent == 1 && loop.attempts == 2);
    ms_run_free(&loop);
}

/* Three turns follow the first; or two, of which the earlier has one of its own. */
static void all_that_would_follow_are_not_sent(void)
{
    for (int is_deep = 0; is_deep < 2; is_deep++) {
        sheet *s = two_sessions();
        ms_run loop;
        s->page.turns.n_roots = 1;
        s->known[0] = s->known[TURNS] = INFINITY; /* too long for all */
        first_child[1] = is_deep ? 3 : -1;
        next_child[1] = 2;
        next_child[2] = is_deep ? -1 : 3;
        plans_are(0, 0, 0, 0);
        make(&loop, &plain, 1, MS_LEAST_LOADED);
        begin(&loop);
        end(&loop);
        CHECK(s->status[0] == MS_TOO_LONG && loop.turns_to_come == 0 && loop.turns_not_sent == 3 && loop.issued == 1);
        CHECK(s->status[1] == MS_NOT_SENT && s->status[2] == MS_NOT_SENT && s->status[3] == MS_NOT_SENT);
        ms_run_free(&loop);
    }
}

/* A router that takes its time takes it for turns as for others. */
static void turns_wait_for_their_decision(void)
{
    sheet *s = two_sessions();
    ms_run_config config = plain;
    ms_run loop;
    config.decision = seconds(2.5);
    plans_are(0, 1, 0, 1);
    make(&loop, &config, 1, MS_LEAST_LOADED);
    begin(&loop);
    end(&loop);
    CHECK(check_records(s, MS_COMPLETED) == TURNS && loop.router_begun == TURNS);
    for (int i = 0; i < TURNS; i++) {
        CHECK(s->start[i] == s->arrival[i] + 2.5 && s->finish[i] == s->start[i] + 3.0);
        CHECK(i == 0 || i == 3 || s->arrival[i] == s->finish[i - 1] + 5.0);
    }
    ms_run_free(&loop);
}

/* A session whose first request stands after its second in the file, and whose third comes at its own time, which is later than
 * what the think time gives. */
static void a_turn_may_stand_before_the_one_it_follows(void)
{
    static int32_t starts[] = {1, 3};
    sheet *s = two_sessions();
    ms_run loop;
    s->page.turns.roots = starts;
    first_child[1] = 0;
    first_child[0] = 2;
    s->arrival_in[2] = 50.0;
    plans_are(0, 0, 0, 0);
    make(&loop, &plain, 1, MS_LEAST_LOADED);
    begin(&loop);
    end(&loop);
    CHECK(check_records(s, MS_COMPLETED) == TURNS && s->arrival[1] == 0.0 && s->finish[1] == 3.0);
    CHECK(s->arrival[0] == 8.0 && s->arrival[2] == 50.0 && s->arrival[3] == 100.0);
    CHECK(s->prompt[0] == 1 + TOKENS + 2 && s->prompt[2] == s->prompt[0] + TOKENS + 2);
    ms_run_free(&loop);
}

/* The last turn comes at 21 s, long after the last of the file: until then pool 0 ran for one answer, and pool 1 for two. */
static void what_is_measured_ends_with_the_last_turn(void)
{
    sheet *s = two_sessions();
    ms_run_config config = plain;
    ms_run loop;
    config.decision = seconds(2.5);
    s->arrival_in[3] = 1.0;
    plans_are(0, 1, 0, 1);
    make(&loop, &config, 1, MS_LEAST_LOADED);
    begin(&loop);
    end(&loop);
    CHECK(s->arrival[2] == 21.0 && s->start[2] == 23.5);
    CHECK(loop.busy_s[0] == 3.0 && loop.busy_s[1] == 6.0);
    ms_run_free(&loop);
}

/* Those on their way in time are due: after the answer at 3 s, 5 s of thought end at 8 s, or never. */
static void a_turn_that_comes_too_late_is_not_due(void)
{
    const double horizons_s[] = {INFINITY, 7.5, INFINITY, 8.0};
    for (int k = 0; k < 4; k++) {
        sheet *s = two_sessions();
        ms_run_config config = plain;
        ms_run loop;
        config.horizon_s = horizons_s[k];
        wait_s[1] = k == 2 ? INFINITY : 5.0;
        plans_are(0, 0, 0, 0);
        make(&loop, &config, 1, MS_LEAST_LOADED);
        begin(&loop);
        run_until(&loop, 4.0);
        CHECK(s->finish[0] == 3.0 && loop.turns_due == (k % 3 == 0) && loop.turns_to_come == 2);
        ms_run_free(&loop);
    }
}

/* A turn whose model cannot be had goes by its plan. */
static void a_turn_leaves_a_model_that_cannot_be_had(void)
{
    sheet *s = two_sessions();
    ms_run_config config = plain;
    ms_run loop;
    config.keeps_session_model = 1;
    s->page.turns.new_tokens = NULL; /* what a prompt costs stays */
    s->known[TURNS + 1] = INFINITY;
    plans_are(1, 0, 1, 0);
    make(&loop, &config, 1, MS_LEAST_LOADED);
    CHECK(run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
    CHECK(s->model[0] == 1 && s->model[1] == 0 && s->model[2] == 0);
    ms_run_free(&loop);
}

int main(void)
{
    RUN(a_turn_comes_a_think_time_after_the_answer_before);
    RUN(turns_of_an_earlier_page_are_waited_for);
    RUN(a_turn_may_stay_with_its_model);
    RUN(without_an_answer_no_turn_is_sent);
    RUN(a_prompt_that_grows_costs_what_its_length_does);
    RUN(factors_are_of_the_prices_of_apis);
    RUN(a_pool_like_one_that_was_passed_over_has_its_own_cost);
    RUN(a_kept_model_must_be_had);
    RUN(a_prompt_grows_by_the_answer_that_was_seen);
    RUN(a_turn_may_be_too_long_for_one_model);
    RUN(a_turn_that_nobody_takes_ends_its_session);
    RUN(all_that_would_follow_are_not_sent);
    RUN(turns_wait_for_their_decision);
    RUN(a_turn_may_stand_before_the_one_it_follows);
    RUN(what_is_measured_ends_with_the_last_turn);
    RUN(a_turn_that_comes_too_late_is_not_due);
    RUN(a_turn_leaves_a_model_that_cannot_be_had);
    return report();
}
