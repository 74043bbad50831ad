#include "loops.h"

#include "draw.h"
#include "error.h"
#include "failures.h"

/* One model on these pools; the other model has a replica that nobody asks. */
static void serve(ms_run *loop, const ms_run_config *config, int32_t n, ms_pool_plan *plans, int32_t dispatch)
{
    plans[n] = pool_of(1, 1);
    CHECK(ms_run_init(loop, config, alphas, 1.0, 0, n + 1, plans, &(ms_dispatch_plan){.rule = dispatch},
                      streams) == 0);
    loop->instances.brain[0].policy = lists;
}

static ms_pool_plan api(int32_t model)
{
    return (ms_pool_plan){.model = model,
                          .replicas = 1,
                          .is_api = 1,
                          .limits = {.max_num_seqs = 1},
                          .latency_s = 0.5,
                          .tpot_s = 0.25,
                          .usd_per_million_output_tokens = 1e6};
}

static ms_wait seconds(double s)
{
    return (ms_wait){.law = MS_WAITS_CONSTANT, .mean_s = s};
}

static void go(ms_run *loop, int pages)
{
    CHECK(ms_loop_begin(loop) == 0);
    CHECK(run(loop, sheets, pages, 1000) == MS_LOOP_OVER);
    CHECK(loop->open_count == 0 && loop->labels_to_come == 0 && loop->in_system == 0);
}

/* Requests of model 0 with a prompt and an answer of so many tokens. */
static void ask(int64_t n, double gap_s, int32_t prompt, int32_t output)
{
    fill(&sheets[0], 0, n, gap_s);
    plans_are(0, 0, 0, 0);
    for (int64_t i = 0; i < n; i++) {
        sheets[0].prompt[i] = prompt;
        sheets[0].outputs[i] = sheets[0].outputs[n + i] = output;
        sheets[0].feedback[i] = 0.0;
    }
}

/* ---- retries -------------------------------------------------------------------------------------------- */

/* An answer takes 3 s and patience is 1.25 s: tries at 0, 1.25 + 1 and 2.25 + 1.25 + 2, each aborted at the next
 * boundary of its replica. */
static void pauses_grow_from_try_to_try(void)
{
    for (int says_so = 0; says_so < 2; says_so++) {
        ms_run loop;
        ms_run_config config = plain;
        ms_pool_plan plans[2] = {pool_of(0, 1)};
        config.keeps_delays = 1;
        config.patience = (ms_patience){.wait = seconds(1.25),
                                        .aborts = 1,
                                        .retries = 2,
                                        .rates_giving_up = says_so,
                                        .backoff = seconds(1.0),
                                        .backoff_growth = 2.0};
        ask(1, 1.0, 4, 3);
        sheets[0].page.delay_s = sheets[0].delay;
        serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
        go(&loop, 1);
        const sheet *s = &sheets[0];
        CHECK(check_records(s, MS_IN_FLIGHT) == 0 && s->status[0] == MS_TIMED_OUT && s->attempts[0] == 3);
        CHECK(s->arrival[0] == 0.0 && s->start[0] == 5.5 && loop.now_s == 7.5);
        CHECK(s->energy[0] == 3.0 * (6.0 + 3.0)); /* two iterations of each try */
        CHECK(loop.attempts == 3 && loop.issued == 1 && loop.rated == 1);
        CHECK(loop.instances.brain[0].tracked[s->tenant[0]].rated == says_so);
        CHECK(loop.instances.delivered[s->tenant[0]].rated == 0);
        ms_run_free(&loop);
    }
}

/* Each try draws its own pair of replicas, other ones than what begins again after a failure. */
static void a_retry_draws_its_replicas_anew(void)
{
    ms_run loop;
    ms_run_config config = plain;
    ms_pool_plan plans[2] = {pool_of(0, 4)};
    config.keeps_delays = 1;
    config.patience = (ms_patience){
        .wait = seconds(1.5), .aborts = 1, .retries = 1, .backoff = seconds(2.0), .backoff_growth = 1.0};
    ask(60, 100.0, 4, 9);
    sheets[0].page.delay_s = sheets[0].delay;
    serve(&loop, &config, 1, plans, MS_POWER_OF_TWO);
    go(&loop, 1);
    const sheet *s = &sheets[0];
    CHECK(check_records(s, MS_TIMED_OUT) == 60);
    int differs = 0;
    for (int64_t i = 0; i < 60; i++) {
        int32_t least[3];
        const uint32_t subs[] = {1u << 16, 0, 1};
        for (int k = 0; k < 3; k++) {
            ms_stream stream = streams[0];
            stream.sub = subs[k];
            const int32_t a = (int32_t)(4.0 * ms_draw_one(&stream, 0, (uint64_t)i));
            int32_t b = (int32_t)(3.0 * ms_draw_one(&stream, 1, (uint64_t)i));
            b += b >= a;
            least[k] = a < b ? a : b; /* all are idle */
        }
        CHECK(s->replica[i] == least[0]);
        differs += least[0] != least[1] && least[0] != least[2];
    }
    CHECK(differs > 10);
    ms_run_free(&loop);
}

/* A request that was explored once is counted once, whatever its later tries are. */
static void tries_are_counted_apart_from_requests(void)
{
    ms_run loop;
    ms_run_config config = plain;
    ms_pool_plan plans[2] = {pool_of(0, 1)};
    config.keeps_delays = 1;
    config.patience = (ms_patience){
        .wait = seconds(0.5), .aborts = 1, .retries = 3, .backoff = seconds(0.0), .backoff_growth = 1.0};
    ask(8, 100.0, 4, 9);
    plans_are(MS_PLAN_ALL, MS_PLAN_EXPLORE | 0, 0, 0);
    sheets[0].page.delay_s = sheets[0].delay;
    serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
    go(&loop, 1);
    CHECK(check_records(&sheets[0], MS_TIMED_OUT) == 8);
    CHECK(loop.attempts == 32 && loop.explored == 4 && loop.rated == 8);
    for (int64_t i = 0; i < 8; i++) {
        CHECK(sheets[0].attempts[i] == 4 && sheets[0].explored[i] == (i % 4 < 2));
    }
    ms_run_free(&loop);
}

/* Who has seen a first token stays; who waits for the whole answer goes. */
static void a_first_token_may_be_enough(void)
{
    for (int until_first = 0; until_first < 2; until_first++) {
        ms_run loop;
        ms_run_config config = plain;
        ms_pool_plan plans[2] = {pool_of(0, 1)};
        config.keeps_delays = 1;
        config.patience = (ms_patience){.wait = seconds(1.0), .until_first_token = until_first, .aborts = 1};
        ask(1, 1.0, 4, 5);
        sheets[0].page.delay_s = sheets[0].delay;
        serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
        go(&loop, 1);
        CHECK(sheets[0].status[0] == (until_first ? MS_COMPLETED : MS_TIMED_OUT)); /* the token is there at 1 s */
        ms_run_free(&loop);
    }
}

/* The first asks both models, has one answer at 3 s and gives up on the other at 5.25 s: that takes nothing from the
 * second, whose only copy may have the memory of the one that is complete. */
static void who_gives_up_takes_only_what_is_under_way(void)
{
    ms_run loop;
    ms_run_config config = plain;
    ms_pool_plan plans[2] = {pool_of(0, 1)};
    config.keeps_delays = 1;
    config.patience = (ms_patience){.wait = seconds(5.25), .aborts = 1};
    ask(2, 4.0, 4, 3);
    sheets[0].outputs[2] = 20; /* of the first by model 1 */
    plans_are(MS_PLAN_ALL, 0, 0, 0);
    sheets[0].page.delay_s = sheets[0].delay;
    serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
    go(&loop, 1);
    CHECK(sheets[0].status[0] == MS_TIMED_OUT && sheets[0].model[0] == 1);
    CHECK(sheets[0].status[1] == MS_COMPLETED && sheets[0].finish[1] == 7.0);
    ms_run_free(&loop);
}

/* What else was asked while exploring goes on, and is no reason to lose patience. */
static void who_is_answered_waits_no_longer(void)
{
    ms_run loop;
    ms_run_config config = plain;
    ms_pool_plan plans[2] = {pool_of(0, 1)};
    config.keeps_delays = 1;
    config.patience = (ms_patience){.wait = seconds(5.25), .aborts = 1, .retries = 1, .backoff_growth = 1.0};
    ask(1, 1.0, 4, 3);
    sheets[0].outputs[0] = 20; /* by model 0 */
    plans_are(MS_PLAN_ALL, 0, 0, 0);
    sheets[0].page.delay_s = sheets[0].delay;
    serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
    go(&loop, 1);
    CHECK(sheets[0].status[0] == MS_COMPLETED && sheets[0].finish[0] == 3.0 && loop.attempts == 1);
    CHECK(sheets[0].energy[0] == (6.0 + 2.0 * 3.0) + (6.0 + 19.0 * 3.0)); /* both answers to their ends */
    ms_run_free(&loop);
}

/* Two who are turned away keep nothing open: the second try of each finds room. */
static void who_is_turned_away_may_ask_again(void)
{
    ms_run loop;
    ms_run_config config = plain;
    ms_pool_plan plans[2] = {pool_of(0, 1)};
    plans[0].limits.max_num_seqs = 1;
    config.keeps_delays = 1;
    config.max_waiting = 0;
    config.patience = (ms_patience){.retries = 1, .backoff = seconds(4.0), .backoff_growth = 1.0};
    ask(3, 0.25, 4, 3);
    sheets[0].arrival_in[2] = 4.0; /* is in as the second asks again */
    sheets[0].page.delay_s = sheets[0].delay;
    serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
    go(&loop, 1);
    const sheet *s = &sheets[0];
    CHECK(s->status[0] == MS_COMPLETED && s->status[1] == MS_REJECTED && s->status[2] == MS_COMPLETED);
    CHECK(s->attempts[1] == 2 && s->replica[1] == -1 && isnan(s->start[1]) && s->cost[1] == 0.0);
    ms_run_free(&loop);
}

/* ---- raters who err ------------------------------------------------------------------------------------------ */

/* The router's queue moves by what raters say, the promise by what is true; lessons hold what raters say. */
static void raters_may_err(void)
{
    static double heard[MODELS * REQUESTS_MOST];
    for (int late = 0; late < 2; late++) {
        ms_run loop;
        ms_ledger noisy, truth;
        ms_predictor predictor, expected;
        ms_run_config config = plain;
        config.raters_err = 1;
        config.keeps_delays = late;
        config.learns_every_answer = 1;
        config.feedback_probability = 1.0;
        fill(&sheets[0], 0, 200, 1.0);
        plans_are(0, 1, MS_PLAN_ALL, 1);
        for (int64_t i = 0; i < 200; i++) {
            sheets[0].tenant[i] = 0;
            for (int m = 0; m < MODELS; m++) {
                sheets[0].delay[m * 200 + i] = 0.25;
                heard[m * 200 + i] = i % 3 == m ? 1.0 - sheets[0].satisfied_in[m * 200 + i] : sheets[0].satisfied_in[m * 200 + i];
            }
        }
        sheets[0].page.labels = heard;
        sheets[0].page.delay_s = late ? sheets[0].delay : NULL;
        make(&loop, &config, 0, MS_LEAST_LOADED);
        CHECK(ms_predictor_init(&predictor, MODELS, 2) == 0 && ms_predictor_init(&expected, MODELS, 2) == 0);
        CHECK(ms_ledger_init(&noisy, alphas[0], 1.0, 0) == 0 && ms_ledger_init(&truth, alphas[0], 1.0, 0) == 0);
        predictor.learning_rate = expected.learning_rate = 0.2;
        loop.instances.brain[0].predictor = &predictor;
        go(&loop, 1);
        const sheet *s = &sheets[0];
        for (int64_t i = 0; i < 200; i++) {
            double labels[MODELS] = {NAN, NAN};
            const double x[] = {s->features[i], s->features[200 + i]};
            CHECK(same_bits(s->queue[i], noisy.queue));
            ms_ledger_rate(&noisy, heard[s->model[i] * 200 + i]);
            ms_ledger_rate(&truth, s->satisfied_in[s->model[i] * 200 + i]);
            CHECK(s->satisfied[i] == s->satisfied_in[s->model[i] * 200 + i]); /* the record has the truth */
            for (int m = 0; m < MODELS; m++) {
                labels[m] = i % 4 == 2 || m == s->model[i] ? heard[m * 200 + i] : NAN;
            }
            ms_predictor_learn(&expected, x, labels);
        }
        CHECK(same_bits(loop.instances.brain[0].tracked[0].queue, noisy.queue) && noisy.queue != truth.queue);
        CHECK(same_bits(loop.instances.delivered[0].queue, truth.queue));
        CHECK(memcmp(predictor.weights, expected.weights, 4 * sizeof(double)) == 0);
        ms_run_free(&loop);
        ms_predictor_free(&predictor);
        ms_predictor_free(&expected);
    }
}

/* ---- APIs that take over, and APIs that fail ------------------------------------------------------------------- */

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

/* ---- chains that fail in the middle ------------------------------------------------------------------------------ */

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

/* ---- what goes on although much fails ------------------------------------------------------------------------------- */

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

/* ---- at one instant -------------------------------------------------------------------------------------------------- */

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

/* Busy and idle seconds are those until the last arrival, whatever is served later. */
static void clocks_are_read_at_the_last_arrival(void)
{
    ms_run loop;
    ms_pool_plan plans[2] = {pool_of(0, 2)};
    ask(2, 10.0, 4, 5); /* 5 s on one replica, and then as long after the last arrival */
    serve(&loop, &plain, 1, plans, MS_LEAST_LOADED);
    go(&loop, 1);
    CHECK(loop.last_arrival_s == 10.0 && loop.now_s == 15.0);
    CHECK(loop.busy_s[0] == 5.0 && loop.idle_s[0] == 15.0);
    CHECK(loop.busy_s[1] == 0.0 && loop.idle_s[1] == 10.0);
    ms_run_free(&loop);
}

int main(void)
{
    RUN(clocks_are_read_at_the_last_arrival);
    RUN(pauses_grow_from_try_to_try);
    RUN(a_retry_draws_its_replicas_anew);
    RUN(tries_are_counted_apart_from_requests);
    RUN(a_first_token_may_be_enough);
    RUN(who_gives_up_takes_only_what_is_under_way);
    RUN(who_is_answered_waits_no_longer);
    RUN(who_is_turned_away_may_ask_again);
    RUN(raters_may_err);
    RUN(an_api_takes_over_from_a_replica_that_fails);
    RUN(an_outage_ends_calls_and_turns_away);
    RUN(an_api_that_is_back_takes_what_was_held);
    RUN(a_replica_takes_over_from_an_api_that_fails);
    RUN(an_outage_ends_what_nobody_waits_for);
    RUN(a_chain_may_end_without_an_answer);
    RUN(failures_are_not_in_vain_while_answers_come);
    RUN(nobody_starts_before_anothers_end_at_the_same_instant);
    return report();
}
