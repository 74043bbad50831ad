#include "loops.h"

#include <stdlib.h>

#include "error.h"

/* ---- without servers ---------------------------------------------------------------------------------- */

static void without_servers_an_answer_is_there_at_once(void)
{
    ms_run loop;
    fill(&sheets[0], 0, 10, 1.0);
    plans_are(0, MS_PLAN_ALL, 1, MS_PLAN_EXPLORE | 0);
    make(&loop, &plain, 0, MS_LEAST_LOADED);
    CHECK(ms_loop_begin(&loop) == 0);
    CHECK(run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
    const sheet *s = &sheets[0];
    CHECK(check_records(s, MS_COMPLETED) == 10);
    int64_t rated = 0;
    double paid[MODELS] = {0.0, 0.0};
    for (int64_t i = 0; i < 10; i++) {
        const int kind = (int)(i % 4);
        const double a = s->known[i], b = s->known[10 + i];
        paid[0] += kind == 2 ? 0.0 : a;
        paid[1] += kind == 1 || kind == 2 ? b : 0.0;
        CHECK(s->model[i] == (kind == 1 || kind == 2) && s->explored[i] == (kind == 1 || kind == 3));
        CHECK(s->arrival[i] == (double)i && s->finish[i] == (double)i && s->start[i] == (double)i);
        CHECK(s->cost[i] == (kind == 1 ? a + b : (kind == 2 ? b : a)));
        CHECK(s->exploration[i] == (kind == 1 ? a : 0.0)); /* all but the answer that the user sees */
        CHECK(s->energy[i] == s->cost[i] && s->replica[i] == -1 && isnan(s->score[i]));
        const int is_rated = s->feedback[i] < 0.5;
        rated += is_rated;
        CHECK(is_rated ? s->feedback_s[i] == (double)i : isnan(s->feedback_s[i]));
    }
    CHECK(loop.issued == 10 && loop.explored == 5 && loop.rated == rated && loop.open_count == 0);
    const ms_brain *brain = &loop.instances.brain[0];
    CHECK(brain->cost_counts[0] == 8 && brain->cost_counts[1] == 5);
    CHECK(brain->cost_sums[0] == paid[0] && brain->cost_sums[1] == paid[1]);
    CHECK(brain->last_costs[0] == s->known[9] && brain->last_costs[1] == s->known[19]);
    CHECK(loop.instances.delivered[0].rated + loop.instances.delivered[1].rated == 10);
    CHECK(loop.instances.brain[0].tracked[0].rated + loop.instances.brain[0].tracked[1].rated == rated);
    CHECK_NEAR(loop.paid_j, sum_of(s->energy, 10), 1e-15);
    CHECK(loop.timeline.length == 10 && loop.last_arrival_s == 9.0 && loop.now_s == 9.0);
    ms_run_free(&loop);
    CHECK(loop.loads == NULL);
}

static void instances_meet_at_every_period(void)
{
    const double periods_s[] = {2.5, 9.5, INFINITY};
    const int64_t meetings[] = {3, 0, 0}; /* at 2.5, 5 and 7.5 s; the last request comes at 9 s */
    for (int k = 0; k < 3; k++) {
        ms_run loop;
        ms_run_config config = plain;
        config.reconcile_s = periods_s[k];
        config.feedback_probability = 1.0;
        fill(&sheets[0], 0, 10, 1.0);
        plans_are(0, 1, 0, 1);
        make(&loop, &config, 0, MS_LEAST_LOADED);
        CHECK(ms_loop_begin(&loop) == 0);
        CHECK(run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
        CHECK(loop.instances.reconciliations == meetings[k]);
        ms_run_free(&loop);
    }
}

/* The queue that a request finds is that of its tenant's ratings so far. */
static void a_record_tells_the_queue_that_it_found(void)
{
    ms_run loop;
    ms_ledger ledgers[2];
    fill(&sheets[0], 0, 400, 1.0);
    plans_are(0, 1, 0, 1);
    make(&loop, &plain, 0, MS_LEAST_LOADED);
    CHECK(ms_loop_begin(&loop) == 0);
    CHECK(run(&loop, sheets, 1, 7) == MS_LOOP_OVER);
    const sheet *s = &sheets[0];
    for (int k = 0; k < 2; k++) {
        CHECK(ms_ledger_init(&ledgers[k], alphas[k], 1.0, 0) == 0);
    }
    for (int64_t i = 0; i < 400; i++) {
        ms_ledger *ledger = &ledgers[s->tenant[i]];
        CHECK(same_bits(s->queue[i], ledger->queue));
        if (s->feedback[i] < 0.5) {
            ms_ledger_rate(ledger, s->satisfied[i]);
        }
    }
    ms_run_free(&loop);
}

/* The predictor steps once for every rated request whose labels it is to learn. */
static void lessons_are_learnt_in_order(void)
{
    ms_run loop;
    ms_predictor predictor, expected;
    for (int every_answer = 0; every_answer < 2; every_answer++) {
        ms_run_config config = plain;
        config.learns_every_answer = every_answer;
        fill(&sheets[0], 0, 300, 1.0);
        plans_are(0, MS_PLAN_ALL, 1, 1);
        make(&loop, &config, 0, MS_LEAST_LOADED);
        CHECK(ms_predictor_init(&predictor, MODELS, 2) == 0 && ms_predictor_init(&expected, MODELS, 2) == 0);
        predictor.learning_rate = expected.learning_rate = 0.2;
        loop.instances.brain[0].predictor = &predictor;
        CHECK(ms_loop_begin(&loop) == 0);
        CHECK(run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
        const sheet *s = &sheets[0];
        for (int64_t i = 0; i < 300; i++) {
            double score[MODELS], labels[MODELS] = {NAN, NAN};
            const double x[] = {s->features[i], s->features[300 + i]};
            ms_predictor_score(&expected, 0, MODELS, x, 1, 1, score, 1);
            CHECK(same_bits(s->score[i], score[s->model[i]]));
            for (int m = 0; m < MODELS; m++) {
                if (i % 4 == 1 || (every_answer && m == s->model[i])) {
                    labels[m] = s->satisfied_in[m * 300 + i];
                }
            }
            if (s->feedback[i] < 0.5 && (i % 4 == 1 || every_answer)) {
                ms_predictor_learn(&expected, x, labels);
            }
        }
        CHECK(predictor.version == expected.version && expected.version > 20);
        CHECK(memcmp(predictor.weights, expected.weights, 4 * sizeof(double)) == 0);
        CHECK(memcmp(predictor.bias, expected.bias, MODELS * sizeof(double)) == 0);
        ms_run_free(&loop);
        ms_predictor_free(&predictor);
        ms_predictor_free(&expected);
    }
}

/* ---- with servers ---------------------------------------------------------------------------------------- */

static void one_request_by_hand(void)
{
    ms_run loop;
    fill(&sheets[0], 0, 1, 1.0);
    plans_are(0, 0, 0, 0);
    sheets[0].prompt[0] = 4;
    sheets[0].outputs[0] = 3;
    sheets[0].arrival_in[0] = 2.0;
    sheets[0].feedback[0] = 0.1;
    make(&loop, &plain, 1, MS_LEAST_LOADED);
    CHECK(ms_loop_begin(&loop) == 0);
    CHECK(run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
    const sheet *s = &sheets[0];
    CHECK(check_records(s, MS_COMPLETED) == 1);
    CHECK(s->arrival[0] == 2.0 && s->start[0] == 2.0 && s->first_token[0] == 3.0 && s->finish[0] == 5.0);
    CHECK(s->energy[0] == (2.0 + 4.0) + 2.0 * (2.0 + 1.0) && s->cost[0] == s->energy[0]);
    CHECK(s->replica[0] == 0 && s->feedback_s[0] == 2.0); /* labels are immediate */
    CHECK(loop.now_s == 5.0 && loop.in_system == 0 && loop.in_system_integral == 3.0 && loop.paid_j == 12.0);
    ms_run_free(&loop);
}

/* All dispatch rules, kinds of plans, labels, budgets and servers: every request gets its record. */
static void every_request_gets_one_record(void)
{
    for (int c = 0; c < 64; c++) {
        ms_run loop;
        ms_predictor predictor;
        ms_run_config config = plain;
        config.keeps_delays = c / 4 % 2;
        config.learns_every_answer = c / 8 % 2;
        config.in_usd = c / 16 % 2;
        config.max_waiting = c % 3 == 0 ? 2 : -1;
        plans_are(MS_PLAN_ALL, c % 2 ? MS_PLAN_CHAIN | 0 : 0, MS_PLAN_EXPLORE | 1, c % 2 ? MS_PLAN_CHAIN | 1 : 0);
        for (int k = 0; k < 3; k++) {
            fill(&sheets[k], 150 * k, 150, c % 5 == 0 ? 0.25 : 6.0);
            sheets[k].page.delay_s = config.keeps_delays ? sheets[k].delay : NULL;
        }
        make(&loop, &config, 1 + c / 32, c % 4);
        CHECK(ms_predictor_init(&predictor, MODELS, 2) == 0);
        predictor.learning_rate = 0.1;
        loop.instances.brain[0].predictor = &predictor;
        CHECK(ms_loop_begin(&loop) == 0);
        CHECK(run(&loop, sheets, 3, c % 2 ? 1 : 1000) == MS_LOOP_OVER);
        int64_t completed = 0, rejected = 0;
        double energy_j = 0.0;
        for (int k = 0; k < 3; k++) {
            completed += check_records(&sheets[k], MS_COMPLETED);
            rejected += check_records(&sheets[k], MS_REJECTED);
            energy_j += sum_of(sheets[k].energy, 150);
        }
        CHECK(completed + rejected == 450 && (rejected == 0 || config.max_waiting >= 0));
        CHECK(rejected > 0 || config.max_waiting < 0 || c % 5 != 0);
        CHECK(loop.labels_of_lost == 0); /* who is turned away gets no label */
        CHECK(loop.issued == 450 && loop.open_count == 0 && loop.labels_to_come == 0 && loop.in_system == 0);
        CHECK(loop.oldest == NULL && loop.newest == NULL);
        CHECK(predictor.version > 0);
        CHECK_NEAR(loop.paid_j, energy_j, 1e-12);
        CHECK_NEAR(energy_j, meters_of(&loop), 1e-12);
        for (int p = 0; p < 2; p++) {
            CHECK(loop.fleet.pool[p].unfinished == 0);
        }
        ms_run_free(&loop);
        ms_predictor_free(&predictor);
    }
}

/* Stopping after every event changes nothing. */
static void a_budget_does_not_show(void)
{
    static sheet others[2];
    const int64_t budgets[] = {1000000, 1};
    for (int k = 0; k < 2; k++) {
        ms_run loop;
        sheet *s = k == 0 ? sheets : others;
        fill(&s[0], 0, 200, 1.5);
        fill(&s[1], 200, 200, 1.5);
        plans_are(MS_PLAN_ALL, 0, MS_PLAN_CHAIN | 1, 1);
        make(&loop, &plain, 1, MS_SHARED_QUEUE);
        CHECK(ms_loop_begin(&loop) == 0);
        CHECK(run(&loop, s, 2, budgets[k]) == MS_LOOP_OVER);
        ms_run_free(&loop);
    }
    for (int k = 0; k < 2; k++) {
        CHECK(memcmp(sheets[k].finish, others[k].finish, sizeof others[k].finish) == 0);
        CHECK(memcmp(sheets[k].energy, others[k].energy, sizeof others[k].energy) == 0);
        CHECK(memcmp(sheets[k].queue, others[k].queue, sizeof others[k].queue) == 0);
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

static void a_late_label_moves_the_queue_late(void)
{
    ms_run loop;
    ms_run_config config = plain;
    config.keeps_delays = 1;
    config.feedback_probability = 1.0;
    fill(&sheets[0], 0, 100, 1.0);
    sheets[0].page.delay_s = sheets[0].delay;
    plans_are(0, 1, 0, 1);
    make(&loop, &config, 0, MS_LEAST_LOADED);
    CHECK(ms_loop_begin(&loop) == 0);
    CHECK(run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
    const sheet *s = &sheets[0];
    CHECK(check_records(s, MS_COMPLETED) == 100);
    for (int64_t i = 0; i < 100; i++) {
        CHECK(s->feedback_s[i] == s->finish[i] + s->delay[s->model[i] * 100 + i]);
        int known = 0;
        for (int64_t j = 0; j < i; j++) {
            known += s->tenant[j] == s->tenant[i] && s->feedback_s[j] <= s->arrival[i];
        }
        CHECK(known > 0 || s->queue[i] == 0.0);
    }
    CHECK(loop.now_s > 99.0 && loop.last_arrival_s == 99.0); /* it waits for the last label */
    ms_run_free(&loop);
}

/* ---- closed loop ------------------------------------------------------------------------------------------- */

static void clients_wait_for_their_answers(void)
{
    ms_run loop;
    ms_run_config config = plain;
    config.clients = 4;
    config.length = 120;
    config.think_s = 2.0;
    fill(&sheets[0], 0, 100, 1.0);
    fill(&sheets[1], 100, 100, 1.0);
    sheets[0].page.arrival_s = sheets[1].page.arrival_s = NULL;
    plans_are(0, 1, MS_PLAN_ALL, 1);
    make(&loop, &config, 1, MS_LEAST_LOADED);
    CHECK(ms_loop_begin(&loop) == 0);
    CHECK(run(&loop, sheets, 2, 1000) == MS_LOOP_OVER);
    CHECK(check_records(&sheets[0], MS_COMPLETED) == 100);
    CHECK(sheets[1].page.open == 80 && loop.issued == 120 && loop.open_count == 0);
    CHECK(sheets[0].arrival[3] == 0.0 && sheets[0].arrival[4] > 2.0);
    for (int64_t i = 4; i < 100; i++) { /* at each moment at most 4 wait for their answer */
        int waiting = 0;
        for (int64_t j = 0; j < i; j++) {
            waiting += sheets[0].finish[j] > sheets[0].arrival[i];
        }
        CHECK(waiting <= 3);
    }
    ms_run_free(&loop);
}

/* ---- failures ------------------------------------------------------------------------------------------------ */

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

/* ---- errors ---------------------------------------------------------------------------------------------------- */

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

static double labels_of[MODELS];

static int64_t keep_labels(int64_t request, int64_t tenant, int64_t models, int64_t dimensions, const double *given,
                           const double *labels, const double *params_, double *state)
{
    (void)request, (void)tenant, (void)dimensions, (void)given, (void)params_, (void)state;
    memcpy(labels_of, labels, (size_t)models * sizeof *labels);
    return 0;
}

/* A model that cannot take the prompt gets no copy of an exploring step, and nobody is told how it answered. */
static void nobody_rates_an_answer_of_a_model_that_is_not_asked(void)
{
    ms_run loop;
    fill(&sheets[0], 0, 1, 1.0);
    sheets[0].known[0] = INFINITY;
    sheets[0].feedback[0] = 0.0;
    plans_are(MS_PLAN_ALL, 0, 0, 0);
    make(&loop, &plain, 1, MS_LEAST_LOADED);
    loop.instances.brain[0].policy.learn = keep_labels;
    CHECK(ms_loop_begin(&loop) == 0 && run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
    CHECK(sheets[0].status[0] == MS_COMPLETED && sheets[0].model[0] == 1);
    CHECK(isnan(labels_of[0]) && labels_of[1] == sheets[0].satisfied_in[1]);
    ms_run_free(&loop);
}

/* Also the last label of a request whose record stands already, with a lesson that is never over. */
static void a_policy_may_refuse_a_label(void)
{
    for (int c = 0; c < 32; c++) {
        ms_run loop;
        ms_run_config config = plain;
        config.keeps_delays = c % 2;
        config.feedback_probability = 1.0;
        config.learns_every_answer = 1;
        fill(&sheets[0], 0, 40, 1.0);
        sheets[0].page.delay_s = config.keeps_delays ? sheets[0].delay : NULL;
        plans_are(0, c / 2 % 2 ? MS_PLAN_ALL : 1, 1, c / 8 % 2 ? MS_PLAN_CHAIN : 0);
        params[6] = 17.0;
        make(&loop, &config, c / 4 % 2, MS_LEAST_LOADED);
        loop.instances.brain[0].policy.rated = c / 16 ? NULL : refuse;
        loop.instances.brain[0].policy.learn = c / 16 ? refuse_lesson : NULL;
        CHECK(ms_loop_begin(&loop) == 0);
        CHECK(run(&loop, sheets, 1, 1000) == MS_ERR_LABEL);
        CHECK(loop.error_request == 17 && loop.error_plan == (c / 16 ? -43 : -42));
        ms_run_free(&loop);
    }
}

static void a_request_that_never_fits_is_an_error(void)
{
    ms_run loop;
    fill(&sheets[0], 0, 20, 1.0);
    sheets[0].prompt[7] = 500;
    plans_are(MS_PLAN_ALL, MS_PLAN_ALL, MS_PLAN_ALL, MS_PLAN_ALL);
    make(&loop, &plain, 1, MS_ROUND_ROBIN);
    CHECK(ms_loop_begin(&loop) == 0);
    CHECK(run(&loop, sheets, 1, 1000) == MS_ERR_TOO_LARGE);
    ms_run_free(&loop);
}

/* ---- the horizon ----------------------------------------------------------------------------------------- */

static void the_horizon_leaves_requests_in_flight(void)
{
    for (int c = 0; c < 32; c++) {
        ms_run loop;
        ms_run_config config = plain;
        config.horizon_s = 60.3;
        config.keeps_delays = c / 4 % 2;
        config.learns_every_answer = c / 8 % 2;
        fill(&sheets[0], 0, 120, 0.5);
        sheets[0].page.delay_s = config.keeps_delays ? sheets[0].delay : NULL;
        plans_are(MS_PLAN_ALL, 0, MS_PLAN_CHAIN | 0, 1);
        make(&loop, &config, 1 + c / 16, c % 4);
        CHECK(ms_loop_begin(&loop) == 0);
        CHECK(run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
        CHECK(loop.now_s <= 60.3 && sheets[0].page.open > 0);
        ms_loop_cut(&loop);
        const sheet *s = &sheets[0];
        const int64_t in_flight = check_records(s, MS_IN_FLIGHT), done = check_records(s, MS_COMPLETED);
        CHECK(in_flight > 0 && done > 0 && in_flight + done == 120);
        CHECK(loop.now_s == 60.3 && loop.open_count == 0 && loop.oldest == NULL && loop.in_system == 0);
        for (int64_t i = 0; i < 120; i++) {
            CHECK(!(s->finish[i] > 60.3) && !(s->feedback_s[i] > 60.3));
        }
        /* what is under way is charged for what it used */
        CHECK_NEAR(sum_of(s->energy, 120), meters_of(&loop), 1e-12);
        CHECK_NEAR(loop.paid_j, meters_of(&loop), 1e-12);
        ms_run_free(&loop);
    }
}

static void a_horizon_before_everything_is_an_empty_run(void)
{
    ms_run loop;
    ms_run_config config = plain;
    config.horizon_s = 5.0;
    fill(&sheets[0], 100, 20, 1.0);
    plans_are(0, 0, 0, 0);
    make(&loop, &config, 1, MS_LEAST_LOADED);
    CHECK(ms_loop_begin(&loop) == 0);
    CHECK(run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
    ms_loop_cut(&loop);
    CHECK(loop.issued == 0 && loop.events == 0 && sheets[0].page.open == 20 && sheets[0].status[0] == NO_STATUS);
    ms_run_free(&loop);
}

/* ---- leaving in the middle -------------------------------------------------------------------------------- */

/* Whatever is pending: the address sanitizer tells of what is left behind. */
static void a_loop_may_be_freed_at_any_moment(void)
{
    for (int c = 0; c < 32; c++) {
        for (int64_t events = 0; events < 400; events += 1 + events / 8) {
            ms_run loop;
            ms_predictor predictor;
            ms_run_config config = plain;
            config.keeps_delays = c % 2;
            config.learns_every_answer = c / 2 % 2;
            config.feedback_probability = 0.9;
            config.max_waiting = c % 3 == 0 ? 1 : -1;
            fill(&sheets[0], 0, 100, 2.0);
            sheets[0].page.delay_s = config.keeps_delays ? sheets[0].delay : NULL;
            plans_are(MS_PLAN_ALL, 0, c % 5 == 0 ? MS_PLAN_CHAIN | 0 : 1, MS_PLAN_ALL);
            make(&loop, &config, c / 4 % 3, c % 4);
            CHECK(ms_predictor_init(&predictor, MODELS, 2) == 0);
            loop.instances.brain[0].predictor = &predictor;
            if (c / 4 % 3 > 0) {
                break_down(&loop, 0, 20.0, 5.0);
            }
            CHECK(ms_loop_begin(&loop) == 0);
            ms_loop_turn_page(&loop, &sheets[0].page);
            CHECK(ms_loop_run(&loop, events) >= 0);
            ms_run_free(&loop);
            ms_predictor_free(&predictor);
        }
    }
}

static void a_loop_that_never_began_may_be_freed(void)
{
    ms_run loop;
    make(&loop, &plain, 1, MS_LEAST_LOADED);
    ms_run_free(&loop);
    make(&loop, &plain, 0, MS_LEAST_LOADED);
    CHECK(ms_loop_run(&loop, 10) == MS_LOOP_NEEDS_PAGE);
    ms_loop_no_more(&loop);
    CHECK(ms_loop_run(&loop, 10) == MS_LOOP_OVER);
    ms_run_free(&loop);
}

int main(void)
{
    RUN(without_servers_an_answer_is_there_at_once);
    RUN(instances_meet_at_every_period);
    RUN(a_record_tells_the_queue_that_it_found);
    RUN(lessons_are_learnt_in_order);
    RUN(one_request_by_hand);
    RUN(every_request_gets_one_record);
    RUN(a_budget_does_not_show);
    RUN(a_chain_is_charged_for_what_came_before);
    RUN(a_chain_on_servers_keeps_its_first_start);
    RUN(a_late_label_moves_the_queue_late);
    RUN(clients_wait_for_their_answers);
    RUN(what_a_failure_hits_begins_again);
    RUN(what_a_failure_hits_may_be_lost);
    RUN(failures_at_random_go_on_until_all_is_done);
    RUN(an_illegal_plan_is_an_error);
    RUN(a_chain_that_names_no_model_is_an_error);
    RUN(a_chain_without_an_end_is_an_error);
    RUN(nobody_rates_an_answer_of_a_model_that_is_not_asked);
    RUN(a_policy_may_refuse_a_label);
    RUN(a_request_that_never_fits_is_an_error);
    RUN(the_horizon_leaves_requests_in_flight);
    RUN(a_horizon_before_everything_is_an_empty_run);
    RUN(a_loop_may_be_freed_at_any_moment);
    RUN(a_loop_that_never_began_may_be_freed);
    return report();
}
