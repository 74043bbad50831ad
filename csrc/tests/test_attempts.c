#include "loops.h"

#include "draw.h"

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

static void what_no_model_takes_is_turned_away(void)
{
    ms_run loop;
    fill(&sheets[0], 0, 3, 1.0);
    sheets[0].known[1] = sheets[0].known[3 + 1] = INFINITY; /* of both models */
    sheets[0].known[2] = INFINITY;                          /* of the first, which the policy wants */
    plans_are(0, 0, 0, 0);
    make(&loop, &plain, 1, MS_LEAST_LOADED);
    CHECK(ms_loop_begin(&loop) == 0 && run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
    CHECK(sheets[0].status[1] == MS_TOO_LONG && sheets[0].model[1] == -1 && sheets[0].tokens[1] == 0);
    CHECK(isnan(sheets[0].queue[1]) && isnan(sheets[0].start[1]) && sheets[0].cost[1] == 0.0);
    CHECK(sheets[0].model[0] == 0 && sheets[0].model[2] == 1);
    CHECK(loop.issued == 3 && loop.attempts == 2 && loop.open_count == 0);
    ms_run_free(&loop);
}

int main(void)
{
    RUN(pauses_grow_from_try_to_try);
    RUN(a_retry_draws_its_replicas_anew);
    RUN(tries_are_counted_apart_from_requests);
    RUN(a_first_token_may_be_enough);
    RUN(who_gives_up_takes_only_what_is_under_way);
    RUN(who_is_answered_waits_no_longer);
    RUN(who_is_turned_away_may_ask_again);
    RUN(what_no_model_takes_is_turned_away);
    return report();
}
