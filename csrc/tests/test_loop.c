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
    CHECK(loop.timeline.length == 10 && loop.last_arrival_s == 9.0 && loop.now_s == 9.0 && loop.events == 10);
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

static void check_queues(const ms_run_config *config)
{
    ms_run loop;
    ms_ledger ledgers[2];
    fill(&sheets[0], 0, 400, 1.0);
    plans_are(0, 1, 0, 1);
    make(&loop, config, 0, MS_LEAST_LOADED);
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

/* The queue that a request finds is that of its tenant's ratings so far, whether or not a decision takes time. */
static void a_record_tells_the_queue_that_it_found(void)
{
    ms_run_config slow = plain;
    slow.decision = seconds(0.25);
    check_queues(&plain);
    check_queues(&slow);
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
        CHECK(ms_predictor_init(&predictor, MODELS, FEATURES) == 0 && ms_predictor_init(&expected, MODELS, FEATURES) == 0);
        predictor.learning_rate = expected.learning_rate = 0.2;
        loop.instances.brain[0].predictor = &predictor;
        CHECK(ms_loop_begin(&loop) == 0);
        CHECK(run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
        const sheet *s = &sheets[0];
        for (int64_t i = 0; i < 300; i++) {
            double score[MODELS], labels[MODELS] = {NAN, NAN};
            const double x[] = {s->features[i], s->features[300 + i], s->features[600 + i], s->features[900 + i]};
            ms_predictor_score(&expected, x, 1, 1, score, 1);
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
    CHECK(loop.events == 4); /* it comes, the replica starts, is done, and finds nobody else */
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
        CHECK(ms_predictor_init(&predictor, MODELS, FEATURES) == 0);
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

/* ---- errors ---------------------------------------------------------------------------------------------------- */

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

/* ---- at one instant -------------------------------------------------------------------------------------------- */

/* At 1 s one replica has done a chunk of a prompt and another its answer, whose client asks at once: the new request
 * joins the iteration that the first starts. */
static void nobody_starts_before_anothers_end_at_the_same_instant(void)
{
    ms_run loop;
    ms_run_config config = plain;
    ms_pool_plan plans[2] = {pool_of(0, 2)};
    config.clients = 2;
    config.length = 3;
    ask(3, 0.0, 2, 1);
    sheets[0].prompt[0] = 30; /* chunks of 16 and 14 tokens: there is room for 2 more in the second iteration */
    sheets[0].page.arrival_s = NULL;
    serve(&loop, &config, 1, plans, MS_ROUND_ROBIN);
    go(&loop, 1);
    const sheet *s = &sheets[0];
    CHECK(s->finish[1] == 1.0 && s->arrival[2] == 1.0 && s->replica[2] == 0);
    CHECK(s->start[2] == 1.0 && s->finish[2] == 2.0 && s->finish[0] == 2.0);
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

/* Clients who never stop are measured to the horizon, whenever the last came; where all have come, to the last of them. */
static void what_is_measured_ends_with_the_last_arrival(void)
{
    for (int closed = 0; closed < 2; closed++) {
        ms_run loop;
        ms_run_config config = plain;
        ms_pool_plan plans[2] = {pool_of(0, 1)};
        config.horizon_s = 7.5;
        config.clients = closed ? 1 : 0;
        ask(3, 1.0, 4, closed ? 3 : 30);
        sheets[0].page.arrival_s = closed ? NULL : sheets[0].arrival_in;
        serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
        CHECK(ms_loop_begin(&loop) == 0 && run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
        CHECK(loop.last_arrival_s == (closed ? 6.0 : 2.0));
        ms_loop_cut(&loop);
        CHECK(loop.now_s == 7.5 && loop.last_arrival_s == (closed ? 7.5 : 2.0) && loop.arrivals_over);
        CHECK(loop.busy_s[0] == (closed ? 7.5 : 2.0) && loop.idle_s[0] == 0.0 && loop.rented_s[0] == loop.last_arrival_s);
        CHECK(loop.busy_s[1] == 0.0 && loop.idle_s[1] == loop.last_arrival_s && loop.rented_s[1] == loop.last_arrival_s);
        ms_run_free(&loop);
    }
}

/* At 1 s a replica has done a chunk of a prompt, and an API's answer comes, whose client asks at once: the new
 * request joins the iteration that starts then. So does one that comes by the page, while nothing else happens. */
static void nobody_starts_before_what_else_happens_at_the_same_instant(void)
{
    for (int closed = 0; closed < 2; closed++) {
        ms_run loop;
        ms_run_config config = plain;
        const ms_pool_plan plans[] = {pool_of(0, 1), api(1)};
        config.clients = closed ? 2 : 0;
        config.length = closed ? 3 : -1;
        ask(3, 0.0, 2, 3); /* the API takes 0.5 + 2 * 0.25 s */
        plans_are(0, 1, 0, 0);
        sheets[0].prompt[0] = 30; /* chunks of 16 and 14 tokens */
        sheets[0].outputs[3 + 1] = closed ? 3 : 5;
        sheets[0].arrival_in[2] = 1.0;
        sheets[0].page.arrival_s = closed ? NULL : sheets[0].arrival_in;
        const ms_dispatch_plan dispatch = {.rule = MS_LEAST_LOADED};
        CHECK(ms_run_init(&loop, &config, alphas, 1.0, 0, 2, plans, &dispatch, streams) == 0);
        loop.instances.brain[0].policy = lists;
        go(&loop, 1);
        const sheet *s = &sheets[0];
        CHECK(s->finish[1] == (closed ? 1.0 : 1.5) && s->arrival[2] == 1.0 && s->model[2] == 0);
        CHECK(s->start[2] == 1.0 && s->first_token[2] == 2.0 && s->first_token[0] == 2.0);
        ms_run_free(&loop);
    }
}

/* Nothing is learnt between the two requests, 1,000 s apart: meetings of that time are left out, and happen again from soon
 * before the second on, at the same multiples of the period. */
static void meetings_without_anything_learnt_are_left_out(void)
{
    ms_run loop;
    ms_run_config config = plain;
    config.reconcile_s = 0.75;
    config.feedback_probability = 1.0;
    fill(&sheets[0], 0, 3, 1.0);
    plans_are(0, 1, 0, 1);
    sheets[0].arrival_in[1] = 1000.125;
    sheets[0].arrival_in[2] = 1002.0;
    make(&loop, &config, 0, MS_LEAST_LOADED);
    begin(&loop);
    run_until(&loop, 0.0);
    CHECK(loop.instances.reconciliations == 0);
    run_until(&loop, 0.75);
    CHECK(loop.instances.reconciliations == 1 && loop.instances.reconciled == 1);
    run_until(&loop, 1.5);
    CHECK(loop.instances.reconciliations == 1331); /* at 998.25 s; the next ones at 999 and 999.75 s */
    CHECK(loop.heap.length == 1 && loop.heap.events[0].when.time_s == 999.0);
    run_until(&loop, 1000.0);
    CHECK(loop.instances.reconciliations == 1333 && loop.heap.events[0].when.time_s == 1000.5);
    run_until(&loop, 1001.0);
    CHECK(loop.instances.reconciliations == 1334 && loop.instances.reconciled == 2 && loop.events < 12);
    end(&loop);
    ms_run_free(&loop);
}

/* Scores and blocks of the page before are of no use on the next. */
static void routers_hear_of_the_next_page(void)
{
    ms_run loop;
    fill(&sheets[0], 0, 10, 1.0);
    plans_are(0, 0, 0, 0);
    ms_run_config config = plain;
    config.instances = 2;
    make(&loop, &config, 1, MS_LEAST_LOADED);
    for (int i = 0; i < 2; i++) {
        loop.instances.brain[i].scored_request = 5;
    }
    ms_loop_turn_page(&loop, &sheets[0].page);
    for (int i = 0; i < 2; i++) {
        CHECK(loop.instances.brain[i].scored_request == -1);
    }
    CHECK(loop.page == &sheets[0].page && loop.next == 0);
    ms_run_free(&loop);
}

/* Five replicas share a queue. At 12 the last request comes: replica 0 takes it, which is idle, and those that end an iteration
 * at 12.5 have still to look. There replica 1 preempts the one before it, and replica 3 takes that as it looks, before replica 4,
 * which is idle and starts after it. */
static void who_has_still_to_look_may_take_what_is_preempted(void)
{
    const int32_t prompts[] = {13, 27, 17, 7, 3, 28, 1, 27, 5}, outputs[] = {11, 15, 16, 16, 6, 13, 3, 9, 17};
    ms_run loop;
    ms_pool_plan plans[2] = {pool_of(0, 5)};
    plans[0].limits.max_num_seqs = 4;
    plans[0].limits.kv_capacity_tokens = 98;
    plans[0].limits.max_batched_tokens = 32;
    ask(9, 1.5, 1, 1);
    for (int i = 0; i < 9; i++) {
        sheets[0].prompt[i] = prompts[i];
        sheets[0].outputs[i] = sheets[0].outputs[9 + i] = outputs[i];
    }
    serve(&loop, &plain, 1, plans, MS_SHARED_QUEUE);
    go(&loop, 1);
    CHECK(check_records(&sheets[0], MS_COMPLETED) == 9);
    const int32_t replicas[] = {0, 1, 2, 3, 4, 1, 0, 3, 0};
    for (int i = 0; i < 9; i++) {
        CHECK(sheets[0].replica[i] == replicas[i] && sheets[0].preemptions[i] == (i == 7));
    }
    CHECK(sheets[0].finish[7] == 19.5); /* no iteration was lost */
    ms_run_free(&loop);
}

/* Whatever the order of a queue that replicas share, who comes to an empty one joins the iteration that begins next. */
static void a_shared_queue_of_any_order_offers_its_first(void)
{
    const int32_t orders[] = {MS_ORDER_FCFS, MS_ORDER_PRIORITY, MS_ORDER_EDF};
    for (int k = 0; k < 3; k++) {
        ms_run loop;
        ms_pool_plan plans[2] = {pool_of(0, 1)};
        plans[0].limits.order = orders[k];
        ask(2, 1.5, 4, 9);
        serve(&loop, &plain, 1, plans, MS_SHARED_QUEUE);
        go(&loop, 1);
        CHECK(sheets[0].start[0] == 0.0 && sheets[0].start[1] == 2.0 && sheets[0].finish[1] == 11.0);
        ms_run_free(&loop);
    }
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
    RUN(a_request_that_never_fits_is_an_error);
    RUN(nobody_starts_before_anothers_end_at_the_same_instant);
    RUN(the_horizon_leaves_requests_in_flight);
    RUN(a_horizon_before_everything_is_an_empty_run);
    RUN(what_is_measured_ends_with_the_last_arrival);
    RUN(nobody_starts_before_what_else_happens_at_the_same_instant);
    RUN(meetings_without_anything_learnt_are_left_out);
    RUN(routers_hear_of_the_next_page);
    RUN(who_has_still_to_look_may_take_what_is_preempted);
    RUN(a_shared_queue_of_any_order_offers_its_first);
    return report();
}
